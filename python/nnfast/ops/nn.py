"""Operations of layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..numeric import integer, to_integer, to_integers
from .apply import apply, canonical_axis, floats, shape_of, trace_of
from .manipulation import reshape, transpose


def dense(x: Any, kernel: Any, bias: Any = None, activation: str | None = None) -> Any:
    """Return ``activation(x · kernel + bias)``: x (…, in), kernel (in, out), bias (out,) → (…, out)."""
    inputs = [x, kernel] if bias is None else [x, kernel, bias]
    return apply("dense", floats(*inputs), activation=activation)


def softmax(x: Any, axis: int | Sequence[int] = -1) -> Any:
    """Return ``exp(x) / sum(exp(x))`` along an axis, or several."""
    return _along("softmax", x, axis)


def log_softmax(x: Any, axis: int | Sequence[int] = -1) -> Any:
    """Return ``x - log(sum(exp(x)))`` along an axis, or several."""
    return _along("log_softmax", x, axis)


def _along(op: str, x: Any, axis: int | Sequence[int]) -> Any:
    (x,) = floats(x)
    if not isinstance(axis, Sequence):
        return apply(op, [x], axis=to_integer(axis, f"{op}: axis"))
    shape = shape_of(x)
    axes = [canonical_axis(each, len(shape)) for each in axis]
    order = [each for each in range(len(shape)) if each not in axes] + axes
    moved = transpose(x, order)
    y = apply(op, [reshape(moved, (*(shape[each] for each in order[: -len(axes)]), -1))], axis=-1)
    back = sorted(range(len(shape)), key=order.__getitem__)
    return transpose(reshape(y, shape_of(moved)), back)


def dropout(x: Any, rate: float, noise_shape: Any = None, seed: int | None = None) -> Any:
    """Zero each element with probability `rate` and divide the others by ``1 - rate``."""
    shape = None if noise_shape is None else to_integers(noise_shape, "noise_shape")
    return apply("dropout", floats(x), rate=float(rate), noise_shape=shape, seed=_seed(x, seed))


def gaussian_dropout(x: Any, rate: float, seed: int | None = None) -> Any:
    """Multiply by normal noise of mean 1 and standard deviation ``√(rate / (1 - rate))``."""
    return apply("gaussian_dropout", floats(x), rate=float(rate), seed=_seed(x, seed))


def alpha_dropout(x: Any, rate: float, noise_shape: Any = None, seed: int | None = None) -> Any:
    """Drop elements to SELU's limit and rescale, so that mean and variance stay."""
    shape = None if noise_shape is None else to_integers(noise_shape, "noise_shape")
    return apply("alpha_dropout", floats(x), rate=float(rate), noise_shape=shape, seed=_seed(x, seed))


def gaussian_noise(x: Any, stddev: float, seed: int | None = None) -> Any:
    """Add normal noise."""
    return apply("gaussian_noise", floats(x), stddev=float(stddev), seed=_seed(x, seed))


def _seed(x: Any, seed: int | None) -> int:
    """Return the seed given, else the number of this random operation in the graph that is traced."""
    if seed is not None:
        return to_integer(seed, "seed")
    trace = trace_of([x])
    return 0 if trace is None else trace.count_random()


def conv(
    inputs: Any, kernel: Any, strides: Any = 1, padding: str = "valid", dilation_rate: Any = 1, groups: int = 1,
    bias: Any = None,
) -> Any:  # fmt: skip
    """Return the convolution of (batch, 1 to 3 spatial axes, channels) with (window, channels / groups, filters)."""
    operands = [inputs, kernel] if bias is None else [inputs, kernel, bias]
    axes = len(shape_of(inputs)) - 2
    return apply(
        "conv", floats(*operands), strides=_each(strides, axes, "strides"), padding=padding,
        dilation_rate=_each(dilation_rate, axes, "dilation_rate"), groups=groups,
    )  # fmt: skip


def depthwise_conv(
    inputs: Any, kernel: Any, strides: Any = 1, padding: str = "valid", dilation_rate: Any = 1, bias: Any = None
) -> Any:
    """Return the convolution of each channel with its own windows: kernel (window, channels, multiplier)."""
    operands = [inputs, kernel] if bias is None else [inputs, kernel, bias]
    axes = len(shape_of(inputs)) - 2
    return apply(
        "depthwise_conv", floats(*operands), strides=_each(strides, axes, "strides"), padding=padding,
        dilation_rate=_each(dilation_rate, axes, "dilation_rate"),
    )  # fmt: skip


def conv_transpose(
    inputs: Any, kernel: Any, strides: Any = 1, padding: str = "valid", output_padding: Any = None,
    dilation_rate: Any = 1, bias: Any = None,
) -> Any:  # fmt: skip
    """Return the transposed convolution: kernel (window, filters, channels)."""
    operands = [inputs, kernel] if bias is None else [inputs, kernel, bias]
    axes = len(shape_of(inputs)) - 2
    return apply(
        "conv_transpose", floats(*operands), strides=_each(strides, axes, "strides"), padding=padding,
        dilation_rate=_each(dilation_rate, axes, "dilation_rate"),
        output_padding=None if output_padding is None else _each(output_padding, axes, "output_padding"),
    )  # fmt: skip


def max_pool(inputs: Any, pool_size: Any, strides: Any = None, padding: str = "valid") -> Any:
    """Return the largest element of each window: (batch, 1 to 3 spatial axes, channels), channels by themselves.

    `strides` are the pool size where they are None; with ``padding="same"`` nothing outside counts.
    """
    return _pool("max_pool", inputs, pool_size, strides, padding)


def average_pool(inputs: Any, pool_size: Any, strides: Any = None, padding: str = "valid") -> Any:
    """Return the mean of each window: (batch, 1 to 3 spatial axes, channels), channels by themselves.

    `strides` are the pool size where they are None; with ``padding="same"`` nothing outside counts.
    """
    return _pool("average_pool", inputs, pool_size, strides, padding)


def _pool(op: str, inputs: Any, pool_size: Any, strides: Any, padding: str) -> Any:
    axes = len(shape_of(inputs)) - 2
    sizes = _each(pool_size, axes, "pool_size")
    return apply(
        op,
        floats(inputs),
        pool_size=sizes,
        strides=sizes if strides is None else _each(strides, axes, "strides"),
        padding=padding,
    )


def _each(value: Any, axes: int, what: str) -> list[int]:
    sizes = to_integers(value, what)
    return sizes * axes if integer(value) is not None else sizes
