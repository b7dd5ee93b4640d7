import re
import subprocess
import sys

import numpy as np
import pytest

import nnfast
from nnfast import _core
from nnfast.cli import main
from nnfast.datasets import digits


@pytest.fixture(autouse=True)
def in_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def run(capsys):
    def run(*arguments):
        code = main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        assert code == 0, printed.err
        return printed.out

    return run


@pytest.fixture
def fail(capsys):
    def fail(*arguments):
        assert main([str(argument) for argument in arguments]) == 1
        printed = capsys.readouterr()
        assert len(printed.err.splitlines()) == 1
        return printed.err

    return fail


def write_table(path, columns, rows):
    lines = [columns, *rows] if columns else rows
    path.write_text("\n".join(",".join(map(str, line)) for line in lines) + "\n")


@pytest.fixture
def flowers(tmp_path):
    """Two features that tell three classes apart, and one that does not matter."""
    rng = np.random.default_rng(0)
    names = np.array(["rose", "lily", "iris"])
    kinds = rng.integers(0, 3, 240)
    x = np.array([[0, 10], [3, 40], [6, 10]])[kinds] + rng.normal(0, [0.5, 3], (240, 2))
    path = tmp_path / "flowers.csv"
    rows = [[f"{a:.3f}", f"{b:.3f}", 7, names[k]] for (a, b), k in zip(x, kinds, strict=True)]
    write_table(path, ["length", "weight", "constant", "kind"], rows)
    return path


def accuracy_in(printed):
    return float(re.search(r"test accuracy ([\d.]+)", printed)[1])


def test_digits_by_convolutions(run):
    assert accuracy_in(run("train", "digits", "--model", "cnn")) >= 0.985


def test_digits_from_training_to_prediction(run, tmp_path):
    printed = run("train", "digits")
    rows = re.findall(r"^ *(\d+)((?:  +[\d.]+)+)$", printed, flags=re.MULTILINE)
    assert [int(epoch) for epoch, _ in rows] == list(range(1, 51))
    header = next(line for line in printed.splitlines() if line.startswith("epoch")).split()
    assert {"loss", "accuracy"} <= set(header)
    accuracy, right = re.search(r"test accuracy ([\d.]+) \((\d+) of 359\)", printed).groups()
    assert float(accuracy) >= 0.97
    assert round(int(right) / 359, 4) == float(accuracy)
    assert re.search(r"^trained in [\d.]+ s$", printed, flags=re.MULTILINE)
    assert "saved in digits-mlp.safetensors" in printed

    assert f"test accuracy {accuracy} ({right} of 359)" in run("evaluate", "digits-mlp.safetensors", "digits")

    (_, _), (x, y) = digits.load_data()
    np.savez("digits.npz", x=x, label=y)
    assert f"test accuracy {accuracy}" in run("evaluate", "digits-mlp.safetensors", "digits.npz", "--target", "label")
    lines = run("predict", "digits-mlp.safetensors", "digits.npz").splitlines()
    assert lines[0] == "class,probability"
    assert sum(int(line.split(",")[0]) == label for line, label in zip(lines[1:], y, strict=True)) == int(right)
    assert run("predict", "digits-mlp.safetensors", "digits", "--out", "answers.csv") == ""
    assert (tmp_path / "answers.csv").read_text().splitlines() == lines

    # The file is an ordinary model.
    model = nnfast.load_model("digits-mlp.safetensors")
    assert model.predict(x, verbose=0).argmax(1).tolist() == [int(line.split(",")[0]) for line in lines[1:]]


def test_the_seed_decides_the_weights(run):
    for seed, name in [(1, "a"), (1, "b"), (2, "c")]:
        run("train", "digits", "--epochs", 1, "--seed", seed, "--out", f"{name}.safetensors")
    a, b, c = (nnfast.load_model(f"{name}.safetensors").get_weights() for name in "abc")
    assert all(np.array_equal(one, other) for one, other in zip(a, b, strict=True))
    assert not all(np.array_equal(one, other) for one, other in zip(a, c, strict=True))


def test_options_reach_the_training(run):
    printed = run("train", "digits", "--epochs", 2, "--batch-size", 500, "--learning-rate", 1e-9, "--test-size", 0.5)
    assert "899 samples to train on, 898 to test with" in printed
    assert len(re.findall(r"^ +[12] .*$", printed, flags=re.MULTILINE)) == 2
    assert accuracy_in(printed) < 0.5  # a rate of nearly nothing learns nothing


@pytest.mark.parametrize(
    ("out", "reason"),
    [
        ("missing/model.safetensors", "No such file or directory; create the folder missing, or"),
        ("file/model.safetensors", "Not a directory; create the folder file, or"),
        ("/sys/model.safetensors", ""),  # no user may write there; how the system says so depends on it
        ("folder", "Is a directory"),
    ],
)
def test_a_place_that_cannot_be_written_is_refused_before_training(out, reason, tmp_path, capsys):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    assert main(["train", "digits", "--epochs", "1", "--out", out]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""  # not even the line before the first epoch
    assert f"--out {out}: expected a file in a folder that exists and may be written to; received: " in printed.err
    assert reason in printed.err
    assert not list((tmp_path / "folder").iterdir())


def test_a_table_with_text_for_classes(run, flowers):
    printed = run("train", flowers, "--epochs", 30)
    assert accuracy_in(printed) > 0.9
    assert "saved in flowers-mlp.safetensors" in printed
    assert accuracy_in(run("evaluate", "flowers-mlp.safetensors", flowers)) > 0.9
    answers = run("predict", "flowers-mlp.safetensors", flowers).splitlines()
    rows = [line.split(",") for line in flowers.read_text().splitlines()]
    assert np.mean([line.split(",")[0] == row[3] for line, row in zip(answers[1:], rows[1:], strict=True)]) > 0.9

    # Columns are found by name, in any order, and the answers may be unknown.
    write_table(
        flowers.with_name("new.csv"),
        ["id", "constant", "weight", "length"],
        [["flower", constant, weight, length] for length, weight, constant, _ in rows[1:]],
    )
    assert run("predict", "flowers-mlp.safetensors", "new.csv").splitlines() == answers


def test_a_table_with_numbers_to_predict(run, tmp_path):
    x = np.random.default_rng(0).normal(size=(400, 2))
    y = 1000 + 50 * x[:, 0] - 20 * x[:, 1]
    write_table(tmp_path / "t.csv", ["y", "a", "b"], np.column_stack([y, x]).tolist())
    printed = run("train", "t.csv", "--target", "y", "--epochs", 30)
    error, explained = re.search(r"test error ([\d.]+) .* R² ([\d.]+)", printed).groups()
    assert float(explained) > 0.9
    assert float(error) < 20
    assert float(re.search(r"R² ([\d.]+)", run("evaluate", "t-mlp.safetensors", "t.csv", "--target", "y"))[1]) > 0.9
    answers = run("predict", "t-mlp.safetensors", "t.csv").splitlines()
    assert answers[0] == "value"
    assert np.corrcoef(np.array(answers[1:], float), y)[0, 1] > 0.95


def test_a_table_without_names(run, tmp_path):
    x = np.random.default_rng(0).normal(size=(300, 3))
    np.savetxt(tmp_path / "plain.csv", np.column_stack([x, x[:, 0] > 0]), delimiter=";")
    assert accuracy_in(run("train", "plain.csv", "--epochs", 20)) > 0.85
    with_answers = run("predict", "plain-mlp.safetensors", "plain.csv")
    np.savetxt(tmp_path / "new.csv", x, delimiter=",")
    assert run("predict", "plain-mlp.safetensors", "new.csv") == with_answers
    assert {line.split(",")[0] for line in with_answers.splitlines()[1:]} == {"0", "1"}


def test_a_model_saved_by_a_program(run):
    model = nnfast.Sequential([nnfast.Input((3,)), nnfast.layers.Dense(2)])
    model.compile("sgd", "mse")
    model.save("m.safetensors")
    x = np.eye(3, dtype=np.float32)
    np.savez("data.npz", x=x, y=np.zeros(3))
    lines = run("predict", "m.safetensors", "data.npz").splitlines()
    assert lines[0] == "value 1,value 2"
    printed = np.array([line.split(",") for line in lines[1:]], float)
    np.testing.assert_allclose(printed, model.predict(x, verbose=0), rtol=1e-6)


def test_info(run):
    printed = run("info")
    assert nnfast.__version__ in printed
    assert f"{_core.isa()}: {_core.isa_reason()}" in printed
    assert f"{_core.num_threads()}: {_core.num_threads_reason()}" in printed


def test_the_module_is_the_command():
    command = [sys.executable, "-m", "nnfast"]
    assert nnfast.__version__ in subprocess.run([*command, "info"], check=True, capture_output=True, text=True).stdout
    ended = subprocess.run([*command, "train", "nothing.csv"], capture_output=True, text=True)
    assert ended.returncode == 1
    assert ended.stderr == "nnfast train: nothing.csv: No such file or directory\n"


def test_a_reader_that_stops_early_is_no_error():
    model = nnfast.Sequential([nnfast.Input((8, 8)), nnfast.layers.Flatten(), nnfast.layers.Dense(500)])
    model.save("m.safetensors")
    command = [sys.executable, "-m", "nnfast", "predict", "m.safetensors", "digits"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("a,b\n1,2\n3\n", [], "t.csv, row 3: expected 2 cells"),
        ("a,b\n1,2\n,2\n", [], "t.csv, row 3, column a: expected a number, received ''"),
        ("a,b\n1,2\nnan,3\n", [], "row 3, column a: expected a number, received 'nan'"),
        ("1,2\nx,3\n", [], "row 2, column 1: expected a number, received 'x'"),
        ("a,b\n", [], "expected at least one row of data"),
        ("", [], "expected at least one row of data"),
        ("a\n1\n", [], "expected columns to learn from beside the target"),
        ("a,b\n1,2\n", ["--target", "c"], "no column 'c'; there are: a, b"),
        ("1,2\n1,2\n", ["--target", "3"], "no column '3'; there are: 1 to 2"),
        ("a,b\n1,x\n2,x\n", [], "expected at least two classes; all answers are 'x'"),
        ("a,b\n1,x\n2,y\n", ["--task", "regression"], "expected numbers to predict; received text such as 'x'"),
        ("a,b\n1,0\n2,1\n", ["--model", "cnn"], "--model cnn: expected images"),
        ("a,b\n1,0\n2,1\n", ["--test-size", "2"], "test_size must be a fraction"),
        ("a,b\n" + "1,0.5\n2,1e30\n" * 9, ["--learning-rate", "1e30"], "try a lower --learning-rate"),
    ],
)
def test_bad_tables(fail, tmp_path, content, options, message):
    (tmp_path / "t.csv").write_text(content)
    assert message in fail("train", "t.csv", *options)
    assert not list(tmp_path.glob("*.safetensors"))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"a": np.ones((2, 2))}, "expected an array 'x'; the file holds a"),
        ({"x": np.ones((2, 2))}, "expected an array 'y'; the file holds x"),
        ({"x": np.ones((2, 2)), "y": np.ones(3)}, "expected y of shape (2,), one answer a sample; received (3,)"),
        ({"x": np.ones(2), "y": np.ones(2)}, "received type float64 and shape (2,)"),
        ({"x": np.ones((0, 2)), "y": np.ones(0)}, "received type float64 and shape (0, 2)"),
        ({"x": np.array([["a"]]), "y": np.ones(1)}, "expected x to hold numbers"),
        ({"x": np.array([[{}]]), "y": np.ones(1)}, "not an NPZ file of plain arrays"),
    ],
)
def test_bad_archives(fail, tmp_path, arrays, message):
    np.savez(tmp_path / "t.npz", **arrays)
    assert message in fail("train", "t.npz")


def test_bad_files(fail, tmp_path):
    (tmp_path / "t.npz").write_bytes(b"PK\x03\x04 and then nothing")
    assert "not an NPZ file of plain arrays, or damaged" in fail("train", "t.npz")
    assert "expected 'digits', or a file ending in .npz" in fail("train", "t.docx")
    (tmp_path / "bytes.csv").write_bytes(b"\xff\xfe\x00")
    assert "bytes.csv: expected a table in text, UTF-8" in fail("train", "bytes.csv")
    (tmp_path / "huge.csv").write_text("a" * 200_000)  # more than a cell may hold
    assert "huge.csv: expected a table of cells; field larger than" in fail("train", "huge.csv")
    assert fail("train", "t.csv") == "nnfast train: t.csv: No such file or directory\n"
    assert "no such file" in fail("evaluate", "m.safetensors", "digits").lower()


def test_data_that_does_not_fit_the_model(run, fail, flowers, tmp_path):
    run("train", flowers, "--epochs", 1)
    write_table(tmp_path / "t.csv", ["length", "kind"], [[1, "rose"]])
    message = fail("predict", "flowers-mlp.safetensors", "t.csv")
    assert "trained on the columns length, weight, constant; missing: weight, constant" in message
    write_table(tmp_path / "t.csv", ["length", "weight", "constant", "kind"], [[1, 2, 3, "tulip"]])
    message = fail("evaluate", "flowers-mlp.safetensors", "t.csv")
    assert "'tulip' is none of the classes that the model knows: iris, lily, rose" in message


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["train"],
        ["train", "digits", "--epochs", "0"],
        ["train", "digits", "--model", "rnn"],
        ["destroy"],
        ["train", "digits", "--learning-rate", "-1"],
    ],
)
def test_wrong_usage(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: nnfast" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--epochs", "x", "expected a whole number of 1 or more, received x"),
        ("--batch-size", "0", "expected a whole number of 1 or more, received 0"),
        ("--learning-rate", "fast", "expected a number above 0, received fast"),
        ("--learning-rate", "nan", "expected a number above 0, received nan"),
    ],
)
def test_options_that_are_no_numbers(option, value, message, capsys):
    with pytest.raises(SystemExit):
        main(["train", "digits", option, value])
    assert f"argument {option}: {message}" in capsys.readouterr().err
