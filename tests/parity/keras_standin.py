"""A pytest plugin for running Keras's own tests with nnfast standing in for Keras, on Keras's NumPy backend.

Every public class and function of ``keras.src`` that nnfast offers under the same name is replaced before the tests
are imported. Keras's test helpers also reach for parts of Keras that are private or that nnfast leaves out on purpose;
what of them is adapted is listed here, and nothing else is:

- ``keras.saving`` finds nnfast's classes by name (Keras asks its users to register theirs);
- objects that a test names to Keras for a while are known to nnfast too;
- symbolic tensors and generators of seeds that a test makes are nnfast's, and so are the variables of the tests of
  optimizers;
- ``run_layer_test`` does not ask for masks or half precision, and counts a layer that draws random numbers as one
  generator of seeds.
"""

import contextlib
import importlib
import inspect
import pkgutil
import sys
import types
import unittest
import zlib

import numpy as np
import pytest

import nnfast

# Packages of keras.src and of nnfast by the same name; the last is the root, where models are exported too.
FAMILIES = (
    "activations", "callbacks", "constraints", "initializers", "layers", "losses", "metrics", "models",
    "optimizers.schedules", "optimizers", "regularizers", "",
)  # fmt: skip


def modules_of(family):
    """Keras's package of this name and every module below it, tests left out."""
    package = importlib.import_module(f"keras.src.{family}".rstrip("."))
    yield package
    if not family:
        return
    for found in pkgutil.walk_packages(getattr(package, "__path__", ()), f"{package.__name__}."):
        if not found.name.endswith("_test"):
            yield importlib.import_module(found.name)


def replace_names():
    """Put nnfast's classes and functions where the tests import Keras's from."""
    # All of Keras first: a module imported later would find nnfast's classes where it expects the bases of its own.
    modules = [(family, module) for family in FAMILIES for module in modules_of(family)]
    replaced = dict.fromkeys(FAMILIES, 0)
    for family, module in modules:
        ours = importlib.import_module(f"nnfast.{family}".rstrip("."))
        for name, theirs in list(vars(module).items()):
            candidate = None if name.startswith("_") else getattr(ours, name, None)
            if (inspect.isclass(theirs) or inspect.isfunction(theirs)) and callable(candidate):
                setattr(module, name, candidate)
                replaced[family] += 1
    return replaced


def register_classes():
    from keras.src import saving

    for family in nnfast.registry.families.values():
        for cls in family.classes.values():
            saving.register_keras_serializable(package=f"nnfast.{family.kind}")(cls)


def adapt_helpers():
    """Let Keras's test case talk to nnfast's layers."""
    from keras.src import backend, random, saving
    from keras.src.backend.common import keras_tensor
    from keras.src.testing import test_case

    backend.KerasTensor = keras_tensor.KerasTensor = test_case.KerasTensor = SymbolicTensor
    random.SeedGenerator = nnfast.random.SeedGenerator
    test_case.get_seed_generators = drawing_layers
    scope = saving.custom_object_scope

    @contextlib.contextmanager
    def custom_object_scope(objects):
        with scope(objects), nnfast.saving.custom_object_scope(objects):
            yield

    saving.custom_object_scope = custom_object_scope
    run = test_case.TestCase.run_layer_test

    def run_layer_test(self, layer_cls, init_kwargs, *args, **kwargs):
        kwargs["supports_masking"] = kwargs["expected_mask_shape"] = None
        kwargs["run_mixed_precision_check"] = False
        return run(self, layer_cls, init_kwargs, *args, **kwargs)

    test_case.TestCase.run_layer_test = run_layer_test


class AnySymbolicTensor(type):
    """The class of a class of which all of nnfast's symbolic tensors are instances."""

    def __instancecheck__(cls, instance):
        return isinstance(instance, nnfast.tensor.KerasTensor)


class SymbolicTensor(nnfast.tensor.KerasTensor, metaclass=AnySymbolicTensor):
    """nnfast's, with the arguments that Keras's has for tensors that are not dense."""

    def __init__(self, shape, dtype="float32", sparse=False, ragged=False, name=None):
        if sparse or ragged:
            raise unittest.SkipTest("nnfast has dense tensors only")
        # Whatever a test's arrays are of, nnfast computes in 32 bits.
        super().__init__(shape, "int32" if np.dtype(dtype).kind in "iu" else "float32", name=name)


def drawing_layers(layer):
    return [part for part in [layer, *layer.layers_inside] if hasattr(part, "seed")]


@pytest.fixture(autouse=True)
def _each_test(request, monkeypatch):
    nnfast.utils.set_random_seed(zlib.crc32(request.node.nodeid.encode()))
    if request.path.parent.name == "optimizers":
        monkeypatch.setattr("keras.src.backend.Variable", nnfast.Variable)


def pytest_configure(config):
    # Keras's tests ask the conftest of its repository, which is not installed, for this.
    shim = types.ModuleType("conftest")
    shim.skip_if_backend = lambda name, reason: pytest.mark.skipif(name == "numpy", reason=reason)
    sys.modules["conftest"] = shim
    config.nnfast_replaced = replace_names()
    register_classes()
    adapt_helpers()


def pytest_report_header(config):
    return [f"nnfast stands in for {count} names of keras.{family}" for family, count in config.nnfast_replaced.items()]
