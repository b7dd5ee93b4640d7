"""The layers of `harness.networks` in PyTorch. Tensors are (N, C, H, W) by shape, in either memory format."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch.nn import functional

from harness.networks import EPSILON, same_padding

_keras_alignment = False


@contextmanager
def keras_alignment() -> Iterator[None]:
    """Within it strided "same" convolutions pad as Keras does, one more after, so that losses can be compared.

    PyTorch itself pads both sides alike; padding otherwise costs it a copy, which is left out when it is timed.
    """
    global _keras_alignment
    _keras_alignment = True
    try:
        yield
    finally:
        _keras_alignment = False


def image(array: np.ndarray, layout: torch.memory_format) -> torch.Tensor:
    return torch.from_numpy(array).permute(0, 3, 1, 2).contiguous(memory_format=layout)


def parameter(array: np.ndarray, layout: torch.memory_format) -> torch.Tensor:
    """A copy that wants a gradient; a convolution's kernel HWIO becomes OIHW."""
    tensor = torch.from_numpy(array.copy())
    if tensor.ndim == 4:
        tensor = tensor.permute(3, 2, 0, 1).contiguous(memory_format=layout)
    return tensor.requires_grad_()


def dense(x: torch.Tensor, w: torch.Tensor, b: torch.Tensor, units: int) -> torch.Tensor:
    return torch.addmm(b, x, w)


def conv(x: torch.Tensor, w: torch.Tensor, filters: int, size: int, strides: int, padding: str) -> torch.Tensor:
    return conv_bias(x, w, None, filters, size, strides, padding)


def conv_bias(
    x: torch.Tensor, w: torch.Tensor, b: torch.Tensor | None, filters: int, size: int, strides: int, padding: str
) -> torch.Tensor:
    low, high = same_padding(x.shape[2], size, strides) if padding == "same" else (0, 0)
    if _keras_alignment and low != high:
        return functional.conv2d(functional.pad(x, (low, high, low, high)), w, b, strides)
    return functional.conv2d(x, w, b, strides, high)


def batch_norm(x: torch.Tensor, gamma: torch.Tensor, beta: torch.Tensor) -> torch.Tensor:
    return functional.batch_norm(x, None, None, gamma, beta, training=True, eps=EPSILON)


def relu(x: torch.Tensor) -> torch.Tensor:
    return torch.relu(x)


def max_pool(x: torch.Tensor) -> torch.Tensor:
    return functional.max_pool2d(x, 2)


def flatten(x: torch.Tensor) -> torch.Tensor:
    return x.permute(0, 2, 3, 1).flatten(1)


def average_all(x: torch.Tensor) -> torch.Tensor:
    return x.mean((2, 3))
