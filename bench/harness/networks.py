"""The networks that are trained, described once; every library builds them from the same description and weights.

A network is a list of layers, each a tuple of a kind and its numbers. Images are (batch, height, width, channels),
convolution kernels (height, width, in, out), dense kernels (in, out).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from .inputs import normal

Layer = tuple[Any, ...]

EPSILON = 1e-3  # of every batch normalization

NUM_WEIGHTS = {"dense": 2, "conv": 1, "conv_bias": 2, "batch_norm": 2}


@dataclass(frozen=True)
class Network:
    input_shape: tuple[int, ...]
    layers: list[Layer]
    classes: int

    @property
    def is_image(self) -> bool:
        return len(self.input_shape) == 3


def mlp(*widths: int) -> Network:
    """Dense layers of the given widths with ReLU between them."""
    layers: list[Layer] = []
    for width in widths[1:]:
        layers += [("dense", width), ("relu",)]
    return Network((widths[0],), layers[:-1], widths[-1])


def conv_bn(filters: int, size: int = 3, strides: int = 1) -> list[Layer]:
    return [("conv", filters, size, strides, "same"), ("batch_norm",)]


def residual(filters: int, strides: int = 1, project: bool = False) -> Layer:
    main = [*conv_bn(filters, 3, strides), ("relu",), *conv_bn(filters)]
    return ("residual", main, conv_bn(filters, 1, strides) if project else [])


LENET = [
    *[("conv_bias", 6, 5, 1, "same"), ("relu",), ("max_pool",)],
    *[("conv_bias", 16, 5, 1, "valid"), ("relu",), ("max_pool",), ("flatten",)],
    *[("dense", 120), ("relu",), ("dense", 84), ("relu",), ("dense", 10)],
]
SMALL_CNN = [
    *[layer for c in (32, 64, 128) for layer in [*[*conv_bn(c), ("relu",)] * 2, ("max_pool",)]],
    *[("average_all",), ("dense", 10)],
]
RESNET18 = [
    *[*conv_bn(64), ("relu",), residual(64), residual(64)],
    *[block for c in (128, 256, 512) for block in (residual(c, 2, project=True), residual(c))],
    *[("average_all",), ("dense", 10)],
]

NETWORKS = {
    "tiny": mlp(20, 32, 32, 2),
    "mnist": mlp(784, 512, 256, 10),
    "large": mlp(1024, 2048, 2048, 1000),
    "lenet": Network((28, 28, 1), LENET, 10),
    "small_cnn": Network((32, 32, 3), SMALL_CNN, 10),
    "resnet18": Network((32, 32, 3), RESNET18, 10),
}


def initial_weights(network: Network) -> list[np.ndarray]:
    """He-scaled kernels, zero biases, unit gammas, in the order in which the layers use them."""
    weights: list[np.ndarray] = []
    _collect(network.layers, network.input_shape, weights)
    return weights


def _collect(layers: list[Layer], shape: tuple[int, ...], weights: list[np.ndarray]) -> tuple[int, ...]:
    for kind, *numbers in layers:
        seed = len(weights)
        if kind == "dense":
            weights += [normal(shape[0], numbers[0], seed=seed, scale=(2 / shape[0]) ** 0.5), _full(numbers[0], 0)]
            shape = (numbers[0],)
        elif kind in ("conv", "conv_bias"):
            filters, size, strides, padding = numbers
            scale = (2 / (size * size * shape[2])) ** 0.5
            weights.append(normal(size, size, shape[2], filters, seed=seed, scale=scale))
            if kind == "conv_bias":
                weights.append(_full(filters, 0))
            lost = 0 if padding == "same" else size - 1
            shape = (*(-((lost - n) // strides) for n in shape[:2]), filters)
        elif kind == "batch_norm":
            weights += [_full(shape[-1], 1), _full(shape[-1], 0)]
        elif kind == "residual":
            after = _collect(numbers[0], shape, weights)
            _collect(numbers[1], shape, weights)
            shape = after
        elif kind == "max_pool":
            shape = (shape[0] // 2, shape[1] // 2, shape[2])
        elif kind == "flatten":
            shape = (shape[0] * shape[1] * shape[2],)
        elif kind == "average_all":
            shape = shape[2:]
    return shape


def _full(size: int, value: float) -> np.ndarray:
    return np.full(size, value, np.float32)


def forward(layers: list[Layer], ops: Any, weights: Iterator[Any], x: Any) -> Any:
    """Run the layers on `x` with a library's `ops`: one function a kind, called with x, its weights, its numbers."""
    for kind, *numbers in layers:
        if kind == "residual":
            main = forward(numbers[0], ops, weights, x)
            x = ops.relu(main + forward(numbers[1], ops, weights, x))
        else:
            own = [next(weights) for _ in range(NUM_WEIGHTS.get(kind, 0))]
            x = getattr(ops, kind)(x, *own, *numbers)
    return x


def same_padding(size: int, kernel: int, strides: int) -> tuple[int, int]:
    """Zeros before and after one axis for padding "same": the odd one goes after."""
    total = max((-(-size // strides) - 1) * strides + kernel - size, 0)
    return total // 2, total - total // 2
