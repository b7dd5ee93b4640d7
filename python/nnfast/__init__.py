"""Neural networks on the CPU: Keras-style models whose whole training step is planned once and run in C++."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from . import (
    activations,
    backend,
    callbacks,
    config,
    constraints,
    initializers,
    layers,
    losses,
    metrics,
    models,
    ops,
    optimizers,
    random,
    regularizers,
    saving,
)
from ._core import num_threads as get_num_threads
from ._core import set_num_threads
from ._core import version as __version__
from .initializers import Initializer
from .layers import Input, Layer
from .losses import Loss
from .metrics import Metric
from .models import Model, Sequential
from .optimizers import Optimizer
from .regularizers import Regularizer
from .saving import load_model
from .tensor import KerasTensor
from .variable import Variable

if TYPE_CHECKING:
    from . import data, datasets, kernels, utils
    from .diagnostics import diagnose

__all__ = [
    "Initializer", "Input", "KerasTensor", "Layer", "Loss", "Metric", "Model", "Optimizer", "Regularizer", "Sequential",
    "Variable", "__version__", "activations", "backend", "callbacks", "config", "constraints", "data", "datasets",
    "diagnose", "get_num_threads", "initializers", "kernels", "layers", "load_model", "losses", "metrics", "models",
    "ops", "optimizers", "random", "regularizers", "saving", "set_num_threads", "utils",
]  # fmt: skip

# What few programs use is imported when it is asked for: {name: its module}.
_LATER = {
    "data": "data", "datasets": "datasets", "diagnose": "diagnostics", "diagnostics": "diagnostics",
    "kernels": "kernels", "plots": "plots", "utils": "utils",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(f".{_LATER[name]}", __name__)
    found = module if name == _LATER[name] else getattr(module, name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
