import csv
import io
import logging
import math
import sys
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnfast import callbacks
from nnfast.progress import Progress, resolve_verbose


class Metric:
    def __init__(self, name, direction=None):
        self.name = name
        if direction:
            self._direction = direction


class Optimizer:
    learning_rate = 0.1


class Model:
    """What callbacks ask of a model; its weights tell the epoch."""

    def __init__(self, metrics=()):
        self.stop_training = False
        self.metrics = [Metric("loss"), *metrics]
        self.optimizer = Optimizer()
        self.weights = [np.array(-1)]
        self.saved = []

    def get_weights(self):
        return [w.copy() for w in self.weights]

    def set_weights(self, weights):
        self.weights = weights

    def save(self, path, overwrite=True):
        self.saved.append(path)

    def save_weights(self, path, overwrite=True):
        self.saved.append("weights of " + path)


def train(model, hooks, epochs, batches=2, **params):
    """Call the hooks as `fit` does; `epochs` holds the logs of each."""
    every = callbacks.CallbackList(hooks, add_history=True, model=model, epochs=len(epochs), steps=batches, **params)
    model.stop_training = False
    every.on_train_begin()
    logs = {}
    for epoch, logs in enumerate(epochs):
        every.on_epoch_begin(epoch)
        for batch in range(batches):
            every.on_train_batch_begin(batch)
            model.weights = [np.array(epoch)]
            every.on_train_batch_end(batch, {"loss": logs["loss"]})
            if model.stop_training:
                break
        logs = dict(logs)
        every.on_epoch_end(epoch, logs)
        if model.stop_training:
            break
    every.on_train_end(logs)
    return every.history


def losses(*values):
    return [{"loss": value} for value in values]


class TestList:
    def test_calls_in_order_only_what_is_overridden(self):
        calls = []

        class One(callbacks.Callback):
            def on_epoch_begin(self, epoch, logs=None):
                calls.append(("one", epoch))

        class Two(callbacks.Callback):
            def on_epoch_begin(self, epoch, logs=None):
                calls.append(("two", epoch))

            def on_batch_end(self, batch, logs=None):  # the older name
                calls.append(("batch", batch, logs))

        train(Model(), [One(), [Two()]], losses(1.0))
        assert calls == [("one", 0), ("two", 0), ("batch", 0, {"loss": 1.0}), ("batch", 1, {"loss": 1.0})]

    def test_every_hook_arrives(self):
        hooks = [name for name in dir(callbacks.Callback) if name.startswith("on_")]
        seen = []

        def recorder(name):
            return lambda *arguments, **settings: seen.append(name)

        every = callbacks.CallbackList(callbacks.LambdaCallback(**{name: recorder(name) for name in hooks}))
        for name in hooks:
            getattr(every, name)(*([0] if "batch" in name or "epoch" in name else []), {})
        alias = {"on_batch_begin": "on_train_batch_begin", "on_batch_end": "on_train_batch_end"}
        assert seen == [alias.get(name, name) for name in hooks]
        quiet = callbacks.CallbackList(callbacks.Callback())
        for name in hooks:
            getattr(quiet, name)(*([0] if "batch" in name or "epoch" in name else []), {})

    def test_says_how_often_batch_hooks_are_wanted(self, tmp_path):
        class Batchwise(callbacks.Callback):
            def on_test_batch_end(self, batch, logs=None): ...

        class Older(callbacks.Callback):
            def on_batch_begin(self, batch, logs=None): ...

        quiet = [callbacks.Callback(), callbacks.EarlyStopping(), callbacks.History(), callbacks.CSVLogger("x")]
        for hooks, train_, test, predict in [
            (quiet, "never", "never", "never"),
            ([*quiet, callbacks.ModelCheckpoint("x")], "never", "never", "never"),
            ([callbacks.ModelCheckpoint("x", save_freq=3)], "every", "never", "never"),
            ([callbacks.MaxTime(1)], "sometimes", "never", "never"),
            ([callbacks.TerminateOnNaN()], "sometimes", "never", "never"),
            ([callbacks.MaxTime(1), Older()], "every", "never", "never"),
            ([Batchwise()], "never", "every", "never"),
            ([callbacks.LambdaCallback(on_epoch_end=print)], "never", "never", "never"),
            ([callbacks.LambdaCallback(on_train_batch_end=print)], "every", "never", "never"),
            ([callbacks.LambdaCallback(on_predict_batch_begin=print)], "never", "never", "every"),
        ]:
            every = callbacks.CallbackList(hooks)
            assert [every.wants_batches(mode) for mode in ("train", "test", "predict")] == [train_, test, predict]
        shown = callbacks.CallbackList(add_progbar=True, verbose=1)
        assert [shown.wants_batches(mode) for mode in ("train", "test", "predict")] == ["sometimes"] * 3
        shown.on_train_begin()
        assert shown.wants_batches("test") == "never"
        assert callbacks.CallbackList(add_progbar=True, verbose=2).wants_batches("train") == "never"

    def test_callbacks_of_keras_are_understood(self):
        keras = pytest.importorskip("keras")
        seen = []
        theirs = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append((epoch, logs)))
        assert callbacks.CallbackList([theirs]).wants_batches("train") == "never"
        train(Model(), [theirs], losses(1.0, 2.0))
        assert seen == [(0, {"loss": 1.0}), (1, {"loss": 2.0})]
        theirs = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: None)
        assert callbacks.CallbackList([theirs]).wants_batches("train") == "every"

    def test_hands_on_model_and_params_and_adds_what_is_missing(self):
        model, mine = Model(), callbacks.Callback()
        every = callbacks.CallbackList(mine, add_history=True, add_progbar=True, model=model, verbose=0, epochs=3)
        assert mine.model is model and mine.params == {"verbose": 0, "epochs": 3} and model.history is every.history
        assert [type(c).__name__ for c in every.callbacks] == ["Callback", "History", "ProgbarLogger"]
        history = callbacks.History()
        again = callbacks.CallbackList([history], add_history=True, model=model)
        assert again.callbacks == [history]
        late = callbacks.Callback()
        every.append(late)
        assert late.model is model and late.params == mine.params and every.callbacks[-1] is late

    def test_logs_are_python_numbers(self):
        seen = {}
        every = callbacks.CallbackList(callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.update(logs)))
        every.on_epoch_end(0, {"a": np.float32(0.5), "b": np.array(2), "c": np.ones(3), "d": 1})
        assert [type(seen[k]) for k in "abd"] == [float] * 3 and seen["c"].shape == (3,)

    @pytest.mark.parametrize("wrong", [3, [callbacks.History], "early_stopping"])
    def test_wrong_callbacks(self, wrong):
        with pytest.raises(TypeError, match="expected objects of classes derived from nnfast.callbacks.Callback"):
            callbacks.CallbackList(wrong)


class TestHistory:
    def test_keeps_what_was_reported(self):
        epochs = [{"loss": 3.0}, {"loss": 2.0, "val_loss": 5.0}, {"loss": 1.0}]
        history = train(Model(), [], epochs)
        assert history.history == {"loss": [3.0, 2.0, 1.0], "val_loss": [5.0]}
        assert history.epoch == [0, 1, 2]
        frame = history.to_frame()
        assert list(frame.columns) == ["loss", "val_loss"] and list(frame.index) == [0, 1, 2]
        np.testing.assert_array_equal(frame["val_loss"], [np.nan, 5.0, np.nan])

    def test_frame_without_pandas(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "pandas", None)
        with pytest.raises(
            ImportError, match="to_frame\\(\\) needs pandas, which is not installed: pip install pandas"
        ):
            callbacks.History().to_frame()

    def test_sees_what_earlier_callbacks_enter(self):
        scheduler = callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)
        history = train(Model(), [scheduler], losses(1.0, 1.0))
        assert history.history["learning_rate"] == [0.05, 0.025]


class TestEarlyStopping:
    @pytest.mark.parametrize("patience", [0, 1, 2, 3])
    def test_waits_as_long_as_it_was_told(self, patience):
        stopper = callbacks.EarlyStopping(monitor="loss", patience=patience)
        train(Model(), [stopper], losses(10.0, 9.0, 8.0, 9.0, 8.9, 8.8, 8.7, 8.6, 8.5))
        assert stopper.stopped_epoch == max(patience, 1) + 2

    @pytest.mark.parametrize("stop_at", [None, 3])
    def test_restores_the_best_epoch(self, stop_at, capsys):
        model = Model()
        stopper = callbacks.EarlyStopping(
            "val_loss", patience=2 if stop_at is None else 9, restore_best_weights=True, verbose=1
        )
        epochs = [{"loss": 0.0, "val_loss": v} for v in (0.2, 0.15, 0.1, 0.11, 0.12, 0.05)]

        def stop(epoch, logs):
            model.stop_training = epoch == stop_at or model.stop_training

        train(model, [stopper, callbacks.LambdaCallback(on_epoch_end=stop)], epochs)
        assert model.weights[0] == 2
        printed = capsys.readouterr().out
        assert ("Epoch 5: early stopping" in printed) == (stop_at is None)
        assert "Restoring model weights from the end of the best epoch: 3." in printed

    def test_can_be_used_again(self):
        stopper = callbacks.EarlyStopping("loss", patience=1, restore_best_weights=True)
        train(Model(), [stopper], losses(0.1, 0.2, 0.3))
        history = train(Model(), [stopper], losses(5.0, 4.0, 3.0))
        assert history.epoch == [0, 1, 2] and stopper.best == 3.0

    @given(
        values=st.lists(st.floats(-4, 4, width=16), min_size=1, max_size=12),
        patience=st.integers(0, 4),
        min_delta=st.sampled_from([0, 0.5]),
        mode=st.sampled_from(["min", "max"]),
        baseline=st.sampled_from([None, 0.0]),
        start=st.integers(0, 3),
    )
    def test_decides_as_keras(self, values, patience, min_delta, mode, baseline, start):
        keras = pytest.importorskip("keras")
        states = []
        for family in (callbacks, keras.callbacks):
            model = Model()
            stopper = family.EarlyStopping(
                "loss", min_delta, patience, 0, mode, baseline, restore_best_weights=True, start_from_epoch=start
            )
            history = train(model, [stopper], losses(*values))
            states.append((history.epoch, stopper.stopped_epoch, stopper.best_epoch, int(model.weights[0])))
        assert states[0] == states[1]


class TestDirection:
    @pytest.mark.parametrize(
        ("monitor", "mode", "expected"),
        [
            ("val_loss", "auto", "down"),
            ("out_loss", "auto", "down"),
            ("val_score", "auto", "up"),
            ("distance", "auto", "down"),
            ("val_score", "min", "down"),
            ("val_loss", "max", "up"),
        ],
    )
    def test_comes_from_the_metric(self, monitor, mode, expected):
        callback = callbacks.MonitorCallback(monitor, mode)
        callback.set_model(Model([Metric("score", "up"), Metric("distance", "down")]))
        assert callback._is_improvement(2.0, 1.0) == (expected == "up")
        assert callback._is_improvement(1.0, 2.0) == (expected == "down")
        assert not callback._is_improvement(1.0, 1.0) and callback._is_improvement(1.0, None)

    def test_unknown_figure(self):
        with pytest.raises(
            ValueError, match="EarlyStopping callback received monitor='scor'.*metrics are: loss, score"
        ):
            train(Model([Metric("score", "up")]), [callbacks.EarlyStopping("scor")], losses(1.0))

    def test_unknown_mode_warns(self):
        with pytest.warns(UserWarning, match="EarlyStopping mode 'up' is unknown, fallback to auto mode"):
            assert callbacks.EarlyStopping(mode="up").mode == "auto"

    @pytest.mark.parametrize("callback", [callbacks.EarlyStopping(), callbacks.ReduceLROnPlateau()])
    def test_a_figure_that_is_not_reported_warns(self, callback):
        with pytest.warns(UserWarning, match="metric `val_loss` which is not available. Available metrics are: loss"):
            train(Model(), [callback], losses(1.0))


class TestLearningRate:
    def test_schedule_by_epoch(self, capsys):
        model = Model()
        scheduler = callbacks.LearningRateScheduler(lambda epoch: 1.0 / (2.0 + epoch), verbose=1)
        history = train(model, [scheduler], losses(1.0, 1.0))
        assert history.history["learning_rate"] == [0.5, pytest.approx(1 / 3)]
        assert "Epoch 1: LearningRateScheduler setting learning rate to 0.5." in capsys.readouterr().out

    def test_an_error_in_the_schedule_is_not_swallowed(self):
        def broken(epoch, rate):
            raise TypeError("mine")

        with pytest.raises(TypeError, match="mine"):
            train(Model(), [callbacks.LearningRateScheduler(broken)], losses(1.0))

    @pytest.mark.parametrize("wrong", ["0.1", None, True])
    def test_a_schedule_must_return_a_number(self, wrong):
        with pytest.raises(ValueError, match="The output of the `schedule` function should be a float. Got: "):
            train(Model(), [callbacks.LearningRateScheduler(lambda epoch: wrong)], losses(1.0))

    def test_lowered_on_a_plateau(self, capsys):
        model = Model()
        reduce = callbacks.ReduceLROnPlateau("loss", factor=0.1, patience=2, verbose=1, min_lr=0.002)
        history = train(model, [reduce], losses(1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0))
        np.testing.assert_allclose(history.history["learning_rate"], [0.1, 0.1, 0.1, 0.01, 0.01, 0.002, 0.002, 0.002])
        assert "Epoch 3: ReduceLROnPlateau reducing learning rate to 0.01." in capsys.readouterr().out

    @given(
        values=st.lists(st.floats(-4, 4, width=16), min_size=1, max_size=14),
        patience=st.integers(0, 3),
        cooldown=st.integers(0, 3),
        min_delta=st.sampled_from([0, 0.5]),
        mode=st.sampled_from(["min", "max"]),
        min_lr=st.sampled_from([0.0, 0.03]),
    )
    def test_lowered_as_in_keras(self, values, patience, cooldown, min_delta, mode, min_lr):
        keras = pytest.importorskip("keras")
        rates = []
        for family in (callbacks, keras.callbacks):
            model = Model()
            reduce = family.ReduceLROnPlateau("loss", 0.5, patience, 0, mode, min_delta, cooldown, min_lr)
            rates.append(train(model, [reduce], losses(*values)).history["learning_rate"])
        np.testing.assert_allclose(rates[0], rates[1], rtol=1e-6)

    def test_factor_of_one(self):
        with pytest.raises(ValueError, match="does not support a factor >= 1.0. Received factor=1.0"):
            callbacks.ReduceLROnPlateau(factor=1.0)


class TestCSVLogger:
    def read(self, path, **settings):
        with open(path, newline="") as file:
            return list(csv.DictReader(file, **settings))

    def test_writes_and_appends(self, tmp_path):
        path = tmp_path / "log.tsv"
        epochs = [{"loss": 1.5, "acc": 0.1, "val_loss": 2.5, "val_acc": 0.25}] * 2
        train(Model(), [callbacks.CSVLogger(path, separator="\t")], epochs)
        logger = callbacks.CSVLogger(path, separator="\t", append=True)
        train(Model(), [logger], epochs[:1])
        train(Model(), [logger], epochs[:1])
        rows = self.read(path, delimiter="\t")
        assert [row["epoch"] for row in rows] == ["0", "1", "0", "0"]
        assert list(rows[0]) == ["epoch", "acc", "loss", "val_acc", "val_loss"]
        assert rows[3]["val_loss"] == "2.5"
        train(Model(), [callbacks.CSVLogger(path)], epochs[:1])
        assert len(self.read(path)) == 1

    def test_columns_for_validation_that_comes_later(self, tmp_path):
        path = tmp_path / "log.csv"
        epochs = [{"loss": 1.0}, {"loss": math.nan, "val_loss": 2.0}, {"loss": np.array([1.0, 2.0])}]
        train(Model(), [callbacks.CSVLogger(path)], epochs)
        rows = self.read(path)
        assert [row["val_loss"] for row in rows] == ["NA", "2.0", "NA"]
        assert [row["loss"] for row in rows] == ["1.0", "nan", "[1.0, 2.0]"]

    def test_needs_a_beginning(self):
        with pytest.raises(RuntimeError, match="before on_train_begin, which opens the file"):
            callbacks.CSVLogger("x").on_epoch_end(0, {})


class TestModelCheckpoint:
    def test_names(self, tmp_path):
        model = Model()
        path = tmp_path / "deep" / "{epoch:02d}-{val_loss:.2f}.safetensors"
        train(model, [callbacks.ModelCheckpoint(path)], [{"loss": 0.0, "val_loss": v} for v in (1.25, 0.5)])
        assert [p.split("/")[-1] for p in model.saved] == ["01-1.25.safetensors", "02-0.50.safetensors"]
        assert (tmp_path / "deep").is_dir()
        with pytest.raises(ValueError, match="has a field that is not in the logs: 'acc'; there are: epoch, loss"):
            train(model, [callbacks.ModelCheckpoint("{acc}")], losses(1.0))

    def test_best_only(self, capsys):
        model = Model([Metric("acc", "up")])
        best = callbacks.ModelCheckpoint("best{epoch}", "acc", 1, save_best_only=True, save_weights_only=True)
        train(model, [best], [{"loss": 0.0, "acc": v} for v in (0.5, 0.4, 0.6)])
        assert model.saved == ["weights of best1", "weights of best3"]
        printed = capsys.readouterr().out
        assert "Epoch 1: acc improved from None to 0.50000, saving model to best1" in printed
        assert "Epoch 2: acc did not improve from 0.50000" in printed

    @pytest.mark.parametrize(("mode", "threshold", "saved"), [("min", 0, 0), ("max", -0.01, 1), ("auto", None, 1)])
    def test_threshold(self, mode, threshold, saved):
        model = Model()
        best = callbacks.ModelCheckpoint("x", "loss", save_best_only=True, mode=mode, initial_value_threshold=threshold)
        train(model, [best], losses(1.0))
        assert len(model.saved) == saved

    @pytest.mark.parametrize(("save_freq", "epochs"), [(15, [3, 6, 9]), (4, [1, 2, 3, 4, 4, 5, 6, 7, 8, 8, 9, 10])])
    def test_every_so_many_batches(self, save_freq, epochs):
        model = Model()
        train(model, [callbacks.ModelCheckpoint("{epoch}", save_freq=save_freq)], losses(*[1.0] * 10), batches=5)
        assert [int(path) for path in model.saved] == epochs

    def test_batch_in_the_name(self):
        model = Model()
        train(model, [callbacks.ModelCheckpoint("{epoch}.{batch}", verbose=1, save_freq=1)], losses(1.0, 1.0))
        assert model.saved == ["1.1", "1.2", "2.1", "2.2"]

    def test_a_figure_that_is_not_reported_warns_and_saves(self):
        model = Model()
        with pytest.warns(UserWarning, match="Can save best model only with unknown available"):
            train(model, [callbacks.ModelCheckpoint("x", "unknown", save_best_only=True, mode="min")], losses(1.0))
        assert model.saved == ["x"]

    @pytest.mark.parametrize("wrong", ["batch", 0, 1.5, True])
    def test_wrong_frequency(self, wrong):
        with pytest.raises(ValueError, match="Unrecognized save_freq: .*; expected 'epoch' or a number of batches"):
            callbacks.ModelCheckpoint("x", save_freq=wrong)


class TestStopping:
    @pytest.mark.parametrize("loss", [math.nan, math.inf, -math.inf])
    def test_terminate_on_nan(self, loss, capsys):
        history = train(Model(), [callbacks.TerminateOnNaN()], losses(1.0, loss, 1.0))
        assert history.epoch == [0, 1]
        assert "Invalid loss" in capsys.readouterr().out

    def test_terminate_on_nan_by_epochs_alone(self):
        assert train(Model(), [callbacks.TerminateOnNaN()], losses(1.0, math.nan, 1.0), batches=0).epoch == [0, 1]

    def test_raises_an_error_without_the_end_hooks(self):
        ended = []
        hooks = [callbacks.TerminateOnNaN(raise_error=True), callbacks.LambdaCallback(on_train_end=ended.append)]
        with pytest.raises(RuntimeError, match="NaN or Inf loss encountered at batch 0: the loss is nan. Try"):
            train(Model(), hooks, losses(math.nan))
        assert not ended

    def test_max_time(self, monkeypatch, capsys):
        now = [100.0]
        monkeypatch.setattr("time.monotonic", lambda: now[0])

        def pass_time(batch, logs):
            now[0] += 1

        hooks = [callbacks.LambdaCallback(on_train_batch_end=pass_time), callbacks.MaxTime(2.5, verbose=1)]
        assert train(Model(), hooks, losses(1.0, 1.0, 1.0)).epoch == [0, 1]
        assert now[0] == 103 and "2.5 seconds are over, terminating training" in capsys.readouterr().out
        for wrong in (0, -1, math.nan):
            with pytest.raises(ValueError, match="MaxTime: expected `seconds` above 0"):
                callbacks.MaxTime(wrong)


class Terminal(io.StringIO):
    def isatty(self):
        return True


class TestProgress:
    def test_verbose(self, monkeypatch):
        assert resolve_verbose("auto") == 2  # pytest captures into a file
        monkeypatch.setattr("sys.stdout", Terminal())
        assert resolve_verbose("auto") == 1
        assert [resolve_verbose(v) for v in (0, 1, 2, True)] == [0, 1, 2, 1]
        with pytest.raises(ValueError, match="verbose: expected 'auto', 0 \\(silent\\), 1 .*; received 3"):
            resolve_verbose(3)

    @pytest.mark.parametrize("verbose", [1, 2])
    def test_a_line_an_epoch(self, verbose, capsys):
        logger = callbacks.ProgbarLogger()
        train(Model(), [logger], [{"loss": 0.5, "f1": np.array([1e-5, 1.0])}] * 10, verbose=verbose)
        lines = capsys.readouterr().out.splitlines()
        assert len(lines) == 10
        assert lines[0].startswith("Epoch  1/10  ") and lines[0].endswith(" ms  loss 0.5000  f1 [1.0000e-05 1.0000]")
        assert lines[9].startswith("Epoch 10/10  ")

    def test_silence(self, capsys):
        train(Model(), [callbacks.ProgbarLogger()], losses(1.0), verbose=0)
        assert capsys.readouterr().out == ""

    def test_evaluate_shows_a_line_and_validation_none(self, capsys):
        every = callbacks.CallbackList(add_progbar=True, verbose=2)
        every.on_test_begin()
        every.on_test_batch_end(0, {"loss": 1.0})
        every.on_test_end({"loss": 1.0})
        every.on_predict_begin()
        every.on_predict_batch_end(0)
        every.on_predict_end()
        every.on_train_begin()
        every.on_test_begin()
        every.on_test_end({"loss": 1.0})
        every.on_train_end()
        printed = capsys.readouterr().out
        assert printed.startswith("Evaluate  ") and printed.endswith("loss 1.0000\n") and printed.count("\n") == 1

    def test_a_bar_when_it_takes_long(self, monkeypatch):
        screen = Terminal()
        monkeypatch.setattr("sys.stdout", screen)
        now = [0.0]
        monkeypatch.setattr("time.perf_counter", lambda: now[0])
        progress = Progress(1)
        progress.start("Epoch 1/2", 10)
        progress.update(1, {"loss": 0.5})
        assert screen.getvalue() == ""
        now[0] = 75.0
        progress.update(4, {"loss": 0.25})
        assert screen.getvalue().startswith("\rEpoch 1/2:  40%|") and "4/10 [01:15<" in screen.getvalue()
        assert "loss 0.2500" in screen.getvalue()
        progress.end({"loss": 0.25})
        assert screen.getvalue().endswith("Epoch 1/2  75.0 s  loss 0.2500\n")
        progress.start("Epoch 2/2", 10)
        now[0] += 754
        progress.end({})
        assert screen.getvalue().endswith("Epoch 2/2  12 min 34 s\n")


def test_messages_go_to_an_application_that_logs(caplog, capsys):
    with caplog.at_level(logging.INFO):
        train(Model(), [callbacks.LearningRateScheduler(lambda epoch: 0.5, verbose=1)], losses(1.0))
    assert [(r.name, r.message) for r in caplog.records] == [
        ("nnfast", "Epoch 1: LearningRateScheduler setting learning rate to 0.5.")
    ]
    assert capsys.readouterr().out == ""


def test_no_warning_in_ordinary_use():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train(Model(), [callbacks.EarlyStopping("loss"), callbacks.ReduceLROnPlateau("loss")], losses(1.0, 2.0))


class TestBackup:
    """With real models: what counts is that the bits are those of training without interruption."""

    def model(self):
        from nnfast import layers, models, utils

        utils.set_random_seed(3)
        model = models.Sequential(
            [layers.Input((6,)), layers.Dense(8, activation="relu"), layers.Dropout(0.3), layers.Dense(1)]
        )
        model.compile("adam", "mse")
        return model

    def data(self):
        rng = np.random.default_rng(0)
        return rng.normal(size=(50, 6)).astype(np.float32), rng.normal(size=(50, 1)).astype(np.float32)

    def interrupt(self, epoch):
        def stop(at, logs):
            if at == epoch:
                raise KeyboardInterrupt

        return callbacks.LambdaCallback(on_epoch_end=stop)

    @pytest.mark.parametrize("double", [False, True])
    def test_training_goes_on_as_if_uninterrupted(self, tmp_path, double):
        x, y = self.data()
        whole = self.model()
        whole.fit(x, y, batch_size=8, epochs=6, verbose=0)

        folder = tmp_path / "backup"
        backup = callbacks.BackupAndRestore(folder, double_checkpoint=double)
        first = self.model()
        with pytest.raises(KeyboardInterrupt):
            first.fit(x, y, batch_size=8, epochs=6, verbose=0, callbacks=[backup, self.interrupt(2)])
        assert sorted(p.name for p in folder.iterdir()) == ["latest.safetensors", *["previous.safetensors"] * double]
        second = self.model()
        second.fit(x[:8], y[:8], epochs=2, verbose=0)  # what it has learned is replaced
        history = second.fit(x, y, batch_size=8, epochs=6, verbose=0, callbacks=[backup])
        assert history.epoch == [3, 4, 5] and not folder.exists()
        for a, b in zip(whole.get_weights(), second.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)

    def test_a_lowered_learning_rate_stays_so(self, tmp_path):
        x, y = self.data()
        first, second = self.model(), self.model()
        lower = callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)
        backup = callbacks.BackupAndRestore(tmp_path, delete_checkpoint=False)
        first.fit(x, y, epochs=2, verbose=0, callbacks=[lower, backup])
        second.fit(x, y, epochs=3, verbose=0, callbacks=[lower, backup])
        assert second.optimizer.learning_rate == pytest.approx(0.001 / 8)

    def test_every_so_many_batches(self, tmp_path):
        x, y = self.data()
        backup = callbacks.BackupAndRestore(tmp_path / "a", save_freq=3, delete_checkpoint=False)
        self.model().fit(x, y, batch_size=10, epochs=2, verbose=0, callbacks=[backup])
        assert self.model().fit(x, y, batch_size=10, epochs=2, verbose=0, callbacks=[backup]).epoch == [1]

    def test_a_damaged_backup(self, tmp_path):
        x, y = self.data()
        backup = callbacks.BackupAndRestore(tmp_path, double_checkpoint=True, delete_checkpoint=False)
        self.model().fit(x, y, epochs=3, verbose=0, callbacks=[backup])
        (tmp_path / "latest.safetensors").write_bytes(b"0")
        assert self.model().fit(x, y, epochs=3, verbose=0, callbacks=[backup]).epoch == [2]
        (tmp_path / "latest.safetensors").write_bytes(b"0")
        (tmp_path / "previous.safetensors").write_bytes(b"0")
        with pytest.raises(ValueError, match="expected a safetensors file; it is damaged"):
            self.model().fit(x, y, epochs=3, verbose=0, callbacks=[backup])

    def test_bad_settings(self):
        for empty in ("", None):
            with pytest.raises(ValueError, match="Empty `backup_dir` argument passed"):
                callbacks.BackupAndRestore(empty)
        for wrong in ("batch", 0.15, 0):
            with pytest.raises(ValueError, match="Invalid value for argument `save_freq`. Received: save_freq="):
                callbacks.BackupAndRestore("x", save_freq=wrong)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: callbacks.EarlyStopping(patience="a"),
            "EarlyStopping: expected patience to be a number; received 'a'",
        ),
        (lambda: callbacks.EarlyStopping(min_delta=None), "EarlyStopping: expected min_delta to be a number"),
        (lambda: callbacks.EarlyStopping(start_from_epoch="a"), "expected start_from_epoch to be a number"),
        (lambda: callbacks.ReduceLROnPlateau(factor="a"), "ReduceLROnPlateau: expected factor to be a number"),
        (lambda: callbacks.ReduceLROnPlateau(cooldown=None), "ReduceLROnPlateau: expected cooldown to be a number"),
        (lambda: callbacks.ReduceLROnPlateau(min_lr="a"), "ReduceLROnPlateau: expected min_lr to be a number"),
        (lambda: callbacks.MaxTime("a"), "MaxTime: expected `seconds` above 0; received 'a'"),
    ],
)
def test_settings_that_are_no_numbers(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_settings_that_are_numbers_all_the_same():
    assert callbacks.EarlyStopping(patience=math.inf, min_delta=np.float32(0.5)).min_delta == 0.5
    assert callbacks.MaxTime(math.inf).seconds == math.inf


def test_a_schedule_is_a_function():
    with pytest.raises(TypeError, match="LearningRateScheduler: expected a function of the epoch; received 3"):
        callbacks.LearningRateScheduler(3)
