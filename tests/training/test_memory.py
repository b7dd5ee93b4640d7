"""Memory that is no longer needed goes back: the process does not grow, and a model takes its own with it."""

import gc
import weakref
from pathlib import Path

import numpy as np
import pytest

import nnfast
from nnfast import layers

STATUS = Path("/proc/self/statm")
pytestmark = pytest.mark.skipif(not STATUS.exists(), reason="reads /proc")

X = np.random.default_rng(0).normal(size=(64, 20)).astype(np.float32)
Y = np.zeros((64, 2), np.float32)


def resident():
    """KiB of memory that the process holds."""
    gc.collect()
    return int(STATUS.read_text().split()[1]) * 4


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


@pytest.mark.parametrize(
    ("work", "times"),
    [
        pytest.param(lambda: MODEL.fit(X, Y, verbose=0), 1000, id="fit"),
        pytest.param(lambda: MODEL.predict(X, verbose=0), 1000, id="predict"),
        pytest.param(lambda: MODEL.compile("adam", "mse"), 1000, id="compile"),
        pytest.param(compile_and_fit, 200, id="compile and fit"),
        pytest.param(make_and_use, 200, id="new models"),
    ],
)
def test_work_done_again_and_again_takes_no_more_memory(work, times):
    MODEL.compile("adam", "mse")
    for _ in range(100):
        work()
    before = resident()
    for _ in range(times):
        work()
    # Less than 5 kB a time: a leak of even the smallest plan, or of the samples, would be more.
    assert resident() - before < 5 * times


def test_a_deleted_model_gives_its_memory_back():
    before = resident()
    model = make_model(2000, 4000)
    model.fit(np.zeros((64, 2000), np.float32), Y, verbose=0)
    program_and_all = weakref.ref(model)
    grown = resident() - before
    assert grown > 4 * 2000 * 4000 / 1000  # weights, gradients, two moments
    del model
    assert resident() - before < 0.1 * grown
    assert program_and_all() is None
