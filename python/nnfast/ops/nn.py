"""Operations of layers."""

from __future__ import annotations

from typing import Any

from .apply import apply, floats


def dense(x: Any, kernel: Any, bias: Any = None, activation: str | None = None) -> Any:
    """Return ``activation(x · kernel + bias)``: x (…, in), kernel (in, out), bias (out,) → (…, out)."""
    inputs = [x, kernel] if bias is None else [x, kernel, bias]
    return apply("dense", floats(*inputs), activation=activation)


def softmax(x: Any, axis: int = -1) -> Any:
    """Return ``exp(x) / sum(exp(x))`` along an axis."""
    return apply("softmax", floats(x), axis=int(axis))


def log_softmax(x: Any, axis: int = -1) -> Any:
    """Return ``x - log(sum(exp(x)))`` along an axis."""
    return apply("log_softmax", floats(x), axis=int(axis))


def dropout(x: Any, rate: float, noise_shape: Any = None, seed: int | None = None) -> Any:
    """Zero each element with probability `rate` and divide the others by ``1 - rate``."""
    shape = None if noise_shape is None else [int(size) for size in noise_shape]
    return apply("dropout", floats(x), rate=float(rate), noise_shape=shape, seed=0 if seed is None else int(seed))
