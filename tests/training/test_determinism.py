"""The same bits: for any number of threads, any batch, after a save, and in other threads and processes."""

import multiprocessing
import os
import threading

import numpy as np
import pytest

import nnfast
from nnfast import layers, losses, optimizers


def make_model(dropout=0.0, width=300):
    nnfast.utils.set_random_seed(7)
    model = nnfast.Sequential(
        [
            layers.Input((64,)),
            layers.Dense(width, activation="relu"),
            layers.Dropout(dropout),
            layers.Dense(width, activation="tanh"),
            layers.Dense(10),
        ]
    )
    model.compile(optimizers.Adam(1e-3), losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def make_data(rows=600):
    rng = np.random.default_rng(1)
    return rng.normal(size=(rows, 64)).astype(np.float32), rng.integers(0, 10, rows).astype(np.int32)


@pytest.fixture
def threads():
    before = nnfast.get_num_threads()
    yield nnfast.set_num_threads
    nnfast.set_num_threads(before)


def test_training_has_the_same_bits_on_any_number_of_threads(threads):
    x, y = make_data()
    results = []
    for count in (1, 2, 3, 8):
        threads(count)
        model = make_model(dropout=0.3)
        history = model.fit(x, y, batch_size=128, epochs=2, verbose=0)
        results.append((history.history["loss"], model.get_weights()))
    for loss, weights in results[1:]:
        assert loss == results[0][0]
        for a, b in zip(weights, results[0][1], strict=True):
            np.testing.assert_array_equal(a, b)


def test_steps_of_microseconds_have_the_same_bits_while_they_are_tried_on_one_thread_and_on_all(threads):
    x, y = make_data(64 * 600)  # more steps than two such trials and what is between them
    results = []
    for count in (1, 2, 3):
        threads(count)
        model = make_model(width=96)
        history = model.fit(x, y, batch_size=64, epochs=1, verbose=0)
        results.append((history.history["loss"], model.get_weights()))
    for loss, weights in results[1:]:
        assert loss == results[0][0]
        for a, b in zip(weights, results[0][1], strict=True):
            np.testing.assert_array_equal(a, b)


def test_a_row_has_the_same_bits_in_any_batch():
    x, _ = make_data(257)
    model = make_model()
    whole = model.predict(x, batch_size=257, verbose=0)
    np.testing.assert_array_equal(model.predict(x, batch_size=32, verbose=0), whole)
    single = np.concatenate([model.predict_on_batch(x[i : i + 1]) for i in range(len(x))])
    np.testing.assert_array_equal(single, whole)


def test_resumed_training_has_the_bits_of_an_unbroken_run(tmp_path):
    x, y = make_data(100)
    unbroken = make_model(dropout=0.5, width=30)
    unbroken.fit(x, y, epochs=4, verbose=0)
    first = make_model(dropout=0.5, width=30)
    first.fit(x, y, epochs=2, verbose=0)
    first.save(tmp_path / "m.safetensors")
    nnfast.utils.set_random_seed(99)
    second = nnfast.load_model(tmp_path / "m.safetensors")
    second.fit(x, y, epochs=4, initial_epoch=2, verbose=0)
    for a, b in zip(unbroken.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_several_python_threads_may_predict_with_one_model():
    x, _ = make_data(512)
    model = make_model()
    expected = model.predict(x, verbose=0)
    failures = []

    def work():
        for _ in range(20):
            if not np.array_equal(model.predict_on_batch(x), expected):
                failures.append("differs")

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not failures


def _child(queue, model, x):
    threads = nnfast.get_num_threads()
    on_one = model.predict_on_batch(x)
    nnfast.set_num_threads(3)  # in vain: the threads are the parent's
    queue.put((threads, on_one, nnfast.get_num_threads(), model.predict_on_batch(x)))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_works_on_one_thread():
    x, _ = make_data(512)
    model = make_model()
    expected = model.predict(x, batch_size=512, verbose=0)  # the parent's threads are awake
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_child, args=(queue, model, x))
    child.start()
    threads, on_one, threads_after, again = queue.get(timeout=60)
    child.join(60)
    assert threads == threads_after == 1
    np.testing.assert_array_equal(on_one, expected)
    np.testing.assert_array_equal(again, expected)


def test_shuffling_follows_from_the_seed_alone():
    x, y = make_data(100)
    runs = []
    for _ in range(2):
        model = make_model(width=8)
        runs.append(model.fit(x, y, epochs=3, verbose=0).history["loss"])
    assert runs[0] == runs[1]


@pytest.mark.parametrize("count", [0, -1, 100000])
def test_number_of_threads_is_checked(count):
    with pytest.raises(ValueError, match="number of threads must be from 1 to"):
        nnfast.set_num_threads(count)
