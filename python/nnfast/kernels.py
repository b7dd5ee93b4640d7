"""The single kernels on NumPy arrays: for teaching, tests and benchmarks. Contiguous float32 is never copied."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _core
from ._core import gemm, update_step
from .arrays import to_numpy
from .numeric import to_integer, to_integers

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = [
    "adam_step",
    "batch_norm",
    "batch_norm_backward",
    "conv2d",
    "conv2d_backward_data",
    "conv2d_backward_weights",
    "gemm",
    "layer_norm",
    "layer_norm_backward",
    "max_pool2d",
    "max_pool2d_backward",
    "softmax_cross_entropy",
]


def _floats(x: ArrayLike) -> np.ndarray:
    return to_numpy(x, "nnfast.kernels").astype(np.float32, copy=False)


def adam_step(
    p: np.ndarray,
    g: ArrayLike,
    m: np.ndarray,
    v: np.ndarray,
    *,
    step: int,
    learning_rate: float = 0.001,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
) -> None:
    """Take one step of Adam, in place; the formula is that of `nnfast.optimizers.Adam`.

    Parameters
    ----------
    p, m, v : numpy.ndarray of float32, C-ordered, of one shape
        The parameters, the mean gradient and the mean square of the gradient; all three are changed.
    g : array-like of the same size
        The gradient.
    step : int
        The number of the step, from 1.
    learning_rate : float, default 0.001
        The learning rate.
    beta_1, beta_2 : float, default 0.9 and 0.999
        How much of m and v is kept.
    epsilon : float, default 1e-7
        Against division by zero.

    Raises
    ------
    ValueError
        If an array that is to be changed is not writeable, C-ordered float32, the sizes differ, or `step` is below 1.
    """
    hyper = {"beta_1": beta_1, "beta_2": beta_2, "epsilon": epsilon}
    update_step("adam", hyper, p, g, [m, v], step, learning_rate)


def softmax_cross_entropy(logits: ArrayLike, labels: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Softmax and cross-entropy in one pass: ``loss = log(sum(exp(logits))) - logits[labels]``, row by row.

    Parameters
    ----------
    logits : array_like of shape (n, classes)
    labels : array_like of int, shape (n,)
        Class numbers from 0. A row whose label is no class has the loss NaN.

    Returns
    -------
    loss : ndarray of shape (n,)
    gradient : ndarray of shape (n, classes)
        Of the mean loss with respect to the logits: ``(softmax(logits) - one_hot(labels)) / n``.

    Raises
    ------
    ValueError
        If the shapes do not fit, or the labels are not integers.
    """
    logits, weight = _floats(logits), 1 / max(1, np.size(labels))
    outputs, kept = _core.run_forward(
        "softmax_cross_entropy", [logits, labels], {"gradient_weight": weight}, [True, False]
    )
    return outputs[0], kept[0].reshape(logits.shape)


def layer_norm(
    x: ArrayLike, gamma: ArrayLike, beta: ArrayLike, epsilon: float = 1e-3
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Normalize each row: ``y = (x - mean) * inv_std * gamma + beta``, ``inv_std = 1 / sqrt(variance + epsilon)``.

    Parameters
    ----------
    x : array_like of shape (..., n)
    gamma, beta : array_like of shape (n,)
    epsilon : float, default 1e-3

    Returns
    -------
    y : ndarray of shape (..., n)
    mean, inv_std : ndarray of shape (...)
        What :func:`layer_norm_backward` needs.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    References
    ----------
    Ba, Kiros, Hinton, "Layer Normalization", arXiv:1607.06450.
    """
    (y,), (inv_std, mean) = _core.run_forward(
        "layer_norm", [_floats(x), _floats(gamma), _floats(beta)], {"epsilon": epsilon}, [True] * 3
    )
    return y, mean.reshape(y.shape[:-1]), inv_std.reshape(y.shape[:-1])


def layer_norm_backward(
    x: ArrayLike, dy: ArrayLike, gamma: ArrayLike, mean: ArrayLike, inv_std: ArrayLike
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the gradients of x, gamma and beta through :func:`layer_norm`.

    Parameters
    ----------
    x, dy : array_like of shape (..., n)
        The input, and the gradient of the output.
    gamma : array_like of shape (n,)
    mean, inv_std : array_like of shape (...)
        As :func:`layer_norm` returned them.

    Returns
    -------
    dx : ndarray of shape (..., n)
    dgamma, dbeta : ndarray of shape (n,)

    Raises
    ------
    ValueError
        If the shapes do not fit.
    """
    inputs: list[Any] = [_floats(x), _floats(gamma), np.shape(gamma)]
    dx, dgamma, dbeta = _core.run_backward("layer_norm", inputs, [None], [inv_std, mean], [dy], {}, [True] * 3)
    return dx, dgamma, dbeta


def batch_norm(
    x: ArrayLike, gamma: ArrayLike, beta: ArrayLike, epsilon: float = 1e-3, activation: str | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Normalize each channel by its mean and variance over all other axes, as in training.

    ``y = activation((x - mean) * inv_std * gamma + beta)``, ``inv_std = 1 / sqrt(variance + epsilon)``.

    Parameters
    ----------
    x : array_like of shape (..., channels)
    gamma, beta : array_like of shape (channels,)
    epsilon : float, default 1e-3
    activation : str, optional
        Name of an activation function, applied in the same pass.

    Returns
    -------
    y : ndarray of shape (..., channels)
    mean, inv_std : ndarray of shape (channels,)
        What :func:`batch_norm_backward` needs.

    Raises
    ------
    ValueError
        If the shapes do not fit or the activation is unknown.

    References
    ----------
    Ioffe, Szegedy, "Batch Normalization", arXiv:1502.03167.
    """
    (y, mean, _), (kept,) = _core.run_forward(
        "batch_norm",
        [_floats(x), _floats(gamma), _floats(beta)],
        {"epsilon": epsilon, "activation": activation},
        [True] * 3,
    )
    return y, mean, kept.reshape(4, -1)[1].copy()


def batch_norm_backward(
    x: ArrayLike,
    y: ArrayLike,
    dy: ArrayLike,
    gamma: ArrayLike,
    mean: ArrayLike,
    inv_std: ArrayLike,
    activation: str | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the gradients of x, gamma and beta through :func:`batch_norm`.

    Parameters
    ----------
    x, y, dy : array_like of shape (..., channels)
        The input, the output, and the gradient of the output.
    gamma : array_like of shape (channels,)
    mean, inv_std : array_like of shape (channels,)
        As :func:`batch_norm` returned them.
    activation : {None, "linear", "relu"}
        The activation that :func:`batch_norm` applied. (The gradient of another needs beta too: see the layer.)

    Returns
    -------
    dx : ndarray of shape (..., channels)
    dgamma, dbeta : ndarray of shape (channels,)

    Raises
    ------
    ValueError
        If the shapes do not fit or the activation is another one.
    """
    if activation not in (None, "linear", "relu"):
        raise ValueError(
            f"batch_norm_backward: expected activation None, 'linear' or 'relu'; received {activation!r}; "
            "apply another one by itself, with its own gradient"
        )
    gamma, inv_std = _floats(gamma), _floats(inv_std)
    kept = np.concatenate([_floats(mean), inv_std, gamma * inv_std, np.zeros_like(gamma)])  # beta is not needed
    attributes = {"activation": activation, "mask_from_output": True}
    inputs: list[Any] = [_floats(x), gamma, gamma.shape]
    dx, dgamma, dbeta = _core.run_backward(
        "batch_norm", inputs, [y, None, None], [kept], [dy, None, None], attributes, [True] * 3
    )
    return dx, dgamma, dbeta


def _convolution(
    name: str,
    shapes: dict[str, tuple[int, ...]],
    strides: int | Sequence[int],
    padding: str,
    dilation_rate: int | Sequence[int],
    groups: int,
) -> dict[str, Any]:
    """Return the attributes of a convolution of images with a kernel, whose shapes are given by their names."""
    axes = ("(batch, height, width, channels)", "(kernel_height, kernel_width, channels / groups, filters)")
    for (operand, shape), expected in zip(shapes.items(), axes, strict=True):
        if len(shape) != 4 or min(shape) < 0:
            raise ValueError(f"{name}: expected {operand} {expected}, received {shape}")
    if padding not in ("valid", "same"):
        raise ValueError(f"{name}: expected padding 'valid' or 'same', received {padding!r}")
    return {
        "strides": to_integers(strides, f"{name}: strides"),
        "padding": padding,
        "dilation_rate": to_integers(dilation_rate, f"{name}: dilation_rate"),
        "groups": to_integer(groups, f"{name}: groups"),
    }


def conv2d(
    x: ArrayLike,
    kernel: ArrayLike,
    *,
    strides: int | Sequence[int] = 1,
    padding: str = "valid",
    dilation_rate: int | Sequence[int] = 1,
    groups: int = 1,
) -> np.ndarray:
    """Convolve images with a kernel.

    ``y[n, i, j, f] = sum(x[n, i * stride + k * dilation - pad, j * stride + l * dilation - pad, c] *
    kernel[k, l, c, f])`` over k, l and c, with zeros around the images; the layer is `nnfast.layers.Conv2D`.

    Parameters
    ----------
    x : array_like of shape (batch, height, width, channels)
    kernel : array_like of shape (kernel_height, kernel_width, channels / groups, filters)
    strides : int or sequence of two, default 1
        Pixels from one window to the next, along height and width.
    padding : {"valid", "same"}, default "valid"
        No zeros, or as many as make the output as large as the input, divided by the strides.
    dilation_rate : int or sequence of two, default 1
        Pixels from one tap of the kernel to the next.
    groups : int, default 1
        Into how many parts channels and filters are divided; each part of the filters sees one of the channels.

    Returns
    -------
    ndarray of shape (batch, out_height, out_width, filters), float32

    Raises
    ------
    ValueError
        If the shapes do not fit or a setting is not one of those above.
    """
    x, kernel = _floats(x), _floats(kernel)
    shapes = {"x of shape": x.shape, "kernel of shape": kernel.shape}
    attributes = _convolution("conv2d", shapes, strides, padding, dilation_rate, groups)
    (y,), _ = _core.run_forward("conv", [x, kernel], attributes, [False] * 2)
    return y


def conv2d_backward_data(
    dy: ArrayLike,
    kernel: ArrayLike,
    input_shape: Sequence[int],
    *,
    strides: int | Sequence[int] = 1,
    padding: str = "valid",
    dilation_rate: int | Sequence[int] = 1,
    groups: int = 1,
) -> np.ndarray:
    """Return the gradient of the images through :func:`conv2d`.

    Parameters
    ----------
    dy : array_like of shape (batch, out_height, out_width, filters)
        The gradient of the output.
    kernel : array_like of shape (kernel_height, kernel_width, channels / groups, filters)
    input_shape : sequence of four int
        The shape of the images: (batch, height, width, channels).
    strides, padding, dilation_rate, groups
        As in :func:`conv2d`.

    Returns
    -------
    ndarray of shape input_shape, float32

    Raises
    ------
    ValueError
        If the shapes do not fit or a setting is not one of those of :func:`conv2d`.
    """
    kernel, shape = _floats(kernel), tuple(to_integers(input_shape, "conv2d_backward_data: input_shape"))
    shapes = {"input_shape": shape, "kernel of shape": kernel.shape}
    attributes = _convolution("conv2d_backward_data", shapes, strides, padding, dilation_rate, groups)
    dx, _ = _core.run_backward("conv", [shape, kernel], [None], [], [_floats(dy)], attributes, [True, False])
    return dx


def conv2d_backward_weights(
    x: ArrayLike,
    dy: ArrayLike,
    kernel_shape: Sequence[int],
    *,
    strides: int | Sequence[int] = 1,
    padding: str = "valid",
    dilation_rate: int | Sequence[int] = 1,
    groups: int = 1,
) -> np.ndarray:
    """Return the gradient of the kernel through :func:`conv2d`.

    Parameters
    ----------
    x : array_like of shape (batch, height, width, channels)
    dy : array_like of shape (batch, out_height, out_width, filters)
        The gradient of the output.
    kernel_shape : sequence of four int
        The shape of the kernel: (kernel_height, kernel_width, channels / groups, filters).
    strides, padding, dilation_rate, groups
        As in :func:`conv2d`.

    Returns
    -------
    ndarray of shape kernel_shape, float32

    Raises
    ------
    ValueError
        If the shapes do not fit or a setting is not one of those of :func:`conv2d`.
    """
    x, shape = _floats(x), tuple(to_integers(kernel_shape, "conv2d_backward_weights: kernel_shape"))
    shapes = {"x of shape": x.shape, "kernel_shape": shape}
    attributes = _convolution("conv2d_backward_weights", shapes, strides, padding, dilation_rate, groups)
    _, dw = _core.run_backward("conv", [x, shape], [None], [], [_floats(dy)], attributes, [False, True])
    return dw


def max_pool2d(x: ArrayLike, pool_size: Any, strides: Any = None, padding: str = "valid") -> np.ndarray:
    """Return the largest element of each window, channel by channel; NaN where the window holds one.

    Parameters
    ----------
    x : array_like of shape (n, height, width, channels)
    pool_size : int or 2 int
        Height and width of the window.
    strides : int or 2 int, optional
        How far the window moves; by default its size.
    padding : {"valid", "same"}
        ``"same"``: windows reach outside, where nothing counts; the output is ``ceil(size / stride)`` pixels.

    Returns
    -------
    ndarray of shape (n, out_height, out_width, channels)

    Raises
    ------
    ValueError
        If `x` has not four axes, a setting is out of range or no window fits.
    """
    (y,), _ = _core.run_forward("max_pool", [_images(x)], _pool_settings(pool_size, strides, padding), [False])
    return y


def max_pool2d_backward(
    x: ArrayLike, y: ArrayLike, dy: ArrayLike, pool_size: Any, strides: Any = None, padding: str = "valid"
) -> np.ndarray:
    """Return the gradient of x through :func:`max_pool2d`.

    Parameters
    ----------
    x : array_like of shape (n, height, width, channels)
        The input.
    y, dy : array_like of shape (n, out_height, out_width, channels)
        The output, of which only the shape matters, and its gradient.
    pool_size, strides, padding
        As they were given to :func:`max_pool2d`.

    Returns
    -------
    ndarray of the shape of x
        For each window `dy`, at the place of the largest element, the first of equal ones.

    Raises
    ------
    ValueError
        If the shapes do not fit.
    """
    settings = {**_pool_settings(pool_size, strides, padding), "find_again": True}
    (dx,) = _core.run_backward("max_pool", [_images(x)], [y], [], [dy], settings, [True])
    return dx


def _images(x: ArrayLike) -> np.ndarray:
    x = _floats(x)
    if x.ndim != 4:
        raise ValueError(f"expected images of shape (n, height, width, channels); received shape {x.shape}")
    return x


def _pool_settings(pool_size: Any, strides: Any, padding: str) -> dict[str, Any]:
    def pair(name: str, value: Any) -> list[int]:
        sizes = to_integers(value, name)
        return sizes * 2 if len(sizes) == 1 else sizes

    sizes = pair("pool_size", pool_size)
    return {
        "pool_size": sizes,
        "strides": sizes if strides is None else pair("strides", strides),
        "padding": padding,
    }
