"""Settings of every test run."""

import importlib
import os
import zlib

import hypothesis
import pytest

from nnfast import _core, utils

# Keras, where it is compared with, computes with PyTorch: the one of its backends that the other comparisons need too.
os.environ.setdefault("KERAS_BACKEND", "torch")

# No test depends on how fast the machine is; in CI a run must find what the last one found.
hypothesis.settings.register_profile("nnfast", deadline=None, derandomize=bool(os.environ.get("CI")))
hypothesis.settings.load_profile("nnfast")

# A comparison with a library that is absent is skipped, which checks nothing: .ci/run has them all, and asks for them.
if os.environ.get("NNFAST_REQUIRE_PEERS") == "1":
    pytest.importorskip = lambda name, **_: importlib.import_module(name)


@pytest.fixture(autouse=True)
def _seed(request):
    """What a test draws depends neither on the tests before it nor on the day."""
    utils.set_random_seed(zlib.crc32(request.node.nodeid.encode()))


@pytest.fixture(params=_core.runnable_isas())
def isa(request):
    """Each instruction set that this CPU runs, in use during the test."""
    before = _core.isa()
    _core.use_isa(request.param)
    yield request.param
    _core.use_isa(before)
