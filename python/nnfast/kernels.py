"""The single kernels on NumPy arrays: for teaching, tests and benchmarks. Contiguous float32 is never copied."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from . import _core
from ._core import gemm, update_step

__all__ = [
    "adam_step",
    "batch_norm",
    "batch_norm_backward",
    "gemm",
    "layer_norm",
    "layer_norm_backward",
    "softmax_cross_entropy",
]


def _floats(x: ArrayLike) -> np.ndarray:
    return np.asarray(x, np.float32)


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
