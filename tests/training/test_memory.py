"""Memory that is no longer needed goes back: the process does not grow, and a model takes its own with it."""

import gc
import weakref
from pathlib import Path

import numpy as np
import pytest

import nnfast
from nnfast import layers
from nnfast.training import programs
from nnfast.training.programs import Programs

STATUS = Path("/proc/self/statm")
pytestmark = pytest.mark.skipif(not STATUS.exists(), reason="reads /proc")

X = np.random.default_rng(0).normal(size=(64, 20)).astype(np.float32)
Y = np.zeros((64, 2), np.float32)


def resident():
    """KiB of memory that the process holds."""
    gc.collect()
    return int(STATUS.read_text().split()[1]) * 4


def least_growth(work, limit):
    """KiB that the process grows by in the work: the least of three times, since what else is loaded may grow too."""
    growth = []
    while len(growth) < 3 and (not growth or growth[-1] >= limit):
        before = resident()
        work()
        growth.append(resident() - before)
    return min(growth)


def make_model(features=20, units=32):
    model = nnfast.Sequential(
        [layers.Input((features,)), layers.Dense(units, "relu"), layers.BatchNormalization(), layers.Dense(2)]
    )
    model.compile("adam", "mse")
    return model


MODEL = make_model()


def compile_and_fit():
    MODEL.compile("adam", "mse")
    MODEL.fit(X, Y, verbose=0)


def make_and_use():
    model = make_model()
    model.fit(X, Y, verbose=0)
    model.predict(X, verbose=0)


def save_and_load():
    MODEL.save("model.safetensors")
    nnfast.load_model("model.safetensors").predict(X, verbose=0)


def be_refused():
    with pytest.raises(ValueError, match="expected shape"):
        MODEL.fit(X[:, :3], Y, verbose=0)


class Stop(nnfast.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        raise InterruptedError


def be_interrupted():
    with pytest.raises(InterruptedError):
        MODEL.fit(X, Y, verbose=0, callbacks=[Stop()])


def fail(x):
    raise ArithmeticError


FAILING = nnfast.Sequential([layers.Input((20,)), layers.Lambda(nnfast.ops.custom(fail))])


def fail_inside():
    with pytest.raises(ArithmeticError):
        FAILING.predict(X, verbose=0)


@pytest.mark.parametrize(
    ("work", "times"),
    [
        pytest.param(lambda: MODEL.fit(X, Y, verbose=0), 1000, id="fit"),
        pytest.param(lambda: MODEL.predict(X, verbose=0), 1000, id="predict"),
        pytest.param(lambda: MODEL.compile("adam", "mse"), 1000, id="compile"),
        pytest.param(compile_and_fit, 200, id="compile and fit"),
        pytest.param(make_and_use, 200, id="new models"),
        pytest.param(save_and_load, 200, id="save and load"),
        pytest.param(be_refused, 1000, id="error in the data"),
        pytest.param(be_interrupted, 1000, id="error in a callback"),
        pytest.param(fail_inside, 1000, id="error in an operation"),
    ],
)
def test_work_done_again_and_again_takes_no_more_memory(work, times, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    MODEL.compile("adam", "mse")
    for _ in range(100):
        work()
    # Less than 5 kB a time: a leak of even the smallest plan, or of the samples, would be more.
    limit = 5 * times
    assert least_growth(lambda: [work() for _ in range(times)], limit) < limit


def test_a_deleted_model_gives_its_memory_back():
    needed = 3 * 4 * 2000 * 4000 / 1024  # KiB: weights, two moments; the gradient of so large a kernel is never whole

    def work():
        before = resident()
        model = make_model(2000, 4000)
        model.fit(np.zeros((64, 2000), np.float32), Y, verbose=0)
        assert resident() - before > 0.9 * needed
        program_and_all = weakref.ref(model)
        del model
        gc.collect()
        assert program_and_all() is None

    assert least_growth(work, 0.1 * needed) < 0.1 * needed


@pytest.mark.parametrize("purpose", ["train", "predict"])
def test_batches_of_ever_new_sizes_do_not_fill_the_memory(purpose):
    x, y = np.ones((1100, 20), np.float32), np.zeros((1100, 2), np.float32)
    models = []  # all are kept: what one has freed must not make room for the next

    def work():
        model = nnfast.Sequential([layers.Input((20,)), layers.Dense(4000, "relu"), layers.Dense(2)])
        model.compile("sgd", "mse")
        models.append(model)
        for rows in range(1000, 1100):  # 16 MB each
            if purpose == "train":
                model.train_on_batch(x[:rows], y[:rows])
            else:
                model.predict_on_batch(x[:rows])

    assert least_growth(work, 500_000) < 500_000


def test_a_plan_that_was_dropped_is_made_again(monkeypatch):
    monkeypatch.setattr(programs, "KEPT_BYTES", 0)
    model = make_model()
    first = model.predict_on_batch(X)
    for rows in range(1, 30):
        model.predict_on_batch(X[:rows])
    np.testing.assert_array_equal(model.predict_on_batch(X), first)


def test_the_sizes_that_one_training_alternates_between_are_planned_once(monkeypatch):
    planned = []
    plan = Programs._plan

    def counted(self, *args):
        planned.append(args)
        return plan(self, *args)

    monkeypatch.setattr(Programs, "_plan", counted)
    monkeypatch.setattr(programs, "KEPT_BYTES", 0)
    model = make_model()
    for _ in range(3):
        model.fit(X, Y, batch_size=40, epochs=2, validation_data=(X[:50], Y[:50]), validation_batch_size=30, verbose=0)
        model.predict(X, batch_size=60, verbose=0)
    assert len(planned) == 6
    for rows in range(10, 19):
        model.predict_on_batch(X[:rows])
    model.fit(X, Y, batch_size=40, verbose=0)
    assert len(planned) == 6 + 9 + 2
