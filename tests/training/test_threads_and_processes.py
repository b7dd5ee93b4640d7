"""Models in several Python threads, in forked children, and after Ctrl-C. A watchdog ends what hangs."""

import contextlib
import faulthandler
import multiprocessing
import os
import signal
import threading

import numpy as np
import pytest

import nnfast
from nnfast import layers, ops

WATCHDOG = 120  # seconds, for what takes one

rng = np.random.default_rng(0)
x = rng.normal(size=(256, 32)).astype(np.float32)
y = rng.integers(0, 5, 256).astype(np.int32)


@pytest.fixture(autouse=True)
def watchdog():
    faulthandler.dump_traceback_later(5 * WATCHDOG, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()


def make_model(width=512, middle=None):
    nnfast.utils.set_random_seed(5)
    chain = [layers.Input((32,)), layers.Dense(width, activation="relu")]
    model = nnfast.Sequential([*chain, *([middle] if middle else []), layers.Dropout(0.2), layers.Dense(5)])
    model.compile("adam", nnfast.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    return model


def run_together(*works):
    failures, done = [], []

    def guarded(work):
        try:
            work()
            done.append(work)
        except BaseException as error:
            failures.append(error)

    workers = [threading.Thread(target=guarded, args=(work,), daemon=True) for work in works]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(WATCHDOG)
    assert not failures, failures
    assert len(done) == len(works), "threads are stuck"


def test_threads_predict_with_one_model_while_another_trains():
    predicting, training, twin = make_model(), make_model(), make_model()
    expected = predicting.predict(x, batch_size=256, verbose=0)
    twin.fit(x, y, epochs=6, batch_size=64, verbose=0)

    def predict():
        for size in (256, 32, 100) * 6:
            np.testing.assert_array_equal(predicting.predict(x, batch_size=size, verbose=0), expected)

    def train():
        training.fit(x, y, epochs=6, batch_size=64, verbose=0)

    run_together(predict, predict, predict, train)
    for a, b in zip(training.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_more_and_fewer_threads_from_run_to_run():
    """Threads are started when they are first wanted, and wait while fewer are."""
    usual = nnfast.get_num_threads()
    matrix = rng.normal(size=(256, 256)).astype(np.float32)
    try:
        nnfast.set_num_threads(1)
        expected = nnfast.kernels.gemm(matrix, matrix)
        for threads in (2, 4, 3, 2, 6, 1, 5, 2):
            nnfast.set_num_threads(threads)
            for _ in range(20):
                np.testing.assert_array_equal(nnfast.kernels.gemm(matrix, matrix), expected)
    finally:
        nnfast.set_num_threads(usual)


def test_threads_that_each_train_a_model_of_their_own():
    ours, twin = [make_model() for _ in range(3)], make_model()
    twin.fit(x, y, epochs=3, verbose=0)
    run_together(*(lambda model=model: model.fit(x, y, epochs=3, verbose=0) for model in ours))
    for model in ours:
        for a, b in zip(model.get_weights(), twin.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)


def test_threads_that_plan_the_same_model_at_once():
    """The first call of a model for a shape plans it: several threads may be the first."""
    model = make_model()
    expected = make_model().predict(x, batch_size=256, verbose=0)
    start = threading.Barrier(4)

    def predict():
        start.wait(WATCHDOG)
        for rows in range(1, 40):
            np.testing.assert_array_equal(model.predict_on_batch(x[:rows]), expected[:rows])

    run_together(*[predict] * 4)


def _predict_and_train(queue, model):
    found = model.predict(x, batch_size=256, verbose=0)
    model.fit(x, y, epochs=2, batch_size=64, verbose=0)
    queue.put((found, model.get_weights()))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@pytest.mark.parametrize("custom", [False, True])
def test_a_forked_child_predicts_and_trains(custom):
    middle = layers.Lambda(ops.custom(np.sin, lambda dy, y, x: dy * np.cos(x))) if custom else None
    parent = make_model(middle=middle)
    parent.fit(x, y, batch_size=64, verbose=0)  # the threads are awake
    expected = parent.predict(x, batch_size=256, verbose=0)
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    children = [context.Process(target=_predict_and_train, args=(queue, parent), daemon=True) for _ in range(2)]
    for child in children:
        child.start()
    results = [queue.get(timeout=WATCHDOG) for _ in children]
    for child in children:
        child.join(WATCHDOG)
        assert child.exitcode == 0
    parent.fit(x, y, epochs=2, batch_size=64, verbose=0)
    for found, weights in results:
        np.testing.assert_array_equal(found, expected)
        for a, b in zip(weights, parent.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)


class Interrupt(nnfast.callbacks.Callback):
    def __init__(self, step):
        super().__init__()
        self.step = step

    def on_train_batch_end(self, batch, logs=None):
        if batch == self.step:
            signal.raise_signal(signal.SIGINT)


@pytest.fixture
def ctrl_c():
    """Python's own handler, also where the tests were started in the background of a shell, which ignores Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c")
def test_interrupted_between_batches_the_model_goes_on():
    model, twin = make_model(), make_model()
    with pytest.raises(KeyboardInterrupt):
        model.fit(x, y, batch_size=64, shuffle=False, verbose=0, callbacks=[Interrupt(1)])
    assert model.optimizer.iterations == 2
    twin.fit(x[:128], y[:128], batch_size=64, shuffle=False, verbose=0)
    for one in (model, twin):
        one.fit(x, y, batch_size=64, shuffle=False, verbose=0)
    for a, b in zip(model.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.usefixtures("ctrl_c")
def test_interrupted_in_the_middle_of_an_epoch_the_model_goes_on():
    """An epoch without callbacks is one call into C++, which looks for signals now and then."""
    model = make_model(width=64)
    many = np.tile(x, (400, 1))
    targets = np.tile(y, 400)
    timer = threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt), contextlib.ExitStack() as stack:
        stack.callback(timer.join)
        for _ in range(100000):
            model.fit(many, targets, batch_size=8, epochs=100, verbose=0)
    taken = model.optimizer.iterations
    assert all(np.isfinite(weight).all() for weight in model.get_weights())
    model.fit(x, y, batch_size=64, verbose=0)
    assert model.optimizer.iterations == taken + 4
    assert np.isfinite(model.predict(x, verbose=0)).all()
