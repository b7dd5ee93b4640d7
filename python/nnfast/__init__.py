"""Neural networks on the CPU: Keras-style models whose whole training step is planned once and run in C++."""

from . import (
    activations,
    backend,
    callbacks,
    config,
    constraints,
    data,
    datasets,
    initializers,
    kernels,
    layers,
    losses,
    metrics,
    models,
    ops,
    optimizers,
    random,
    regularizers,
    saving,
    utils,
)
from ._core import num_threads as get_num_threads
from ._core import set_num_threads
from ._core import version as __version__
from .diagnostics import diagnose
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

__all__ = [
    "Initializer", "Input", "KerasTensor", "Layer", "Loss", "Metric", "Model", "Optimizer", "Regularizer", "Sequential",
    "Variable", "__version__", "activations", "backend", "callbacks", "config", "constraints", "data", "datasets",
    "diagnose", "get_num_threads", "initializers", "kernels", "layers", "load_model", "losses", "metrics", "models",
    "ops", "optimizers", "random", "regularizers", "saving", "set_num_threads", "utils",
]  # fmt: skip
