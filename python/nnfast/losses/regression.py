"""Losses of numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import activations, ops
from ..epsilon import EPSILON
from .loss import PairedLoss, paired, registry


def mean_squared_error(y_true: Any, y_pred: Any) -> Any:
    """Return ``mean((y_true - y_pred)²)`` over the last axis."""
    y_true, y_pred = paired(y_true, y_pred)
    return ops.mean(ops.square(y_true - y_pred), axis=-1)


def mean_absolute_error(y_true: Any, y_pred: Any) -> Any:
    """Return ``mean(|y_true - y_pred|)`` over the last axis."""
    y_true, y_pred = paired(y_true, y_pred)
    return ops.mean(ops.abs(y_true - y_pred), axis=-1)


def mean_absolute_percentage_error(y_true: Any, y_pred: Any) -> Any:
    """Return ``100 · mean(|y_true - y_pred| / max(|y_true|, 1e-7))`` over the last axis."""
    y_true, y_pred = paired(y_true, y_pred)
    return 100.0 * ops.mean(ops.abs((y_true - y_pred) / ops.maximum(ops.abs(y_true), EPSILON)), axis=-1)


def mean_squared_logarithmic_error(y_true: Any, y_pred: Any) -> Any:
    """Return ``mean((log(1 + y_true) - log(1 + y_pred))²)`` over the last axis, both kept above 1e-7."""
    y_true, y_pred = (ops.log1p(ops.maximum(y, EPSILON)) for y in paired(y_true, y_pred))
    return ops.mean(ops.square(y_true - y_pred), axis=-1)


def huber(y_true: Any, y_pred: Any, delta: float = 1.0) -> Any:
    """Return the mean over the last axis of ``e² / 2`` where ``|e| ≤ delta`` and ``delta · (|e| - delta / 2)``
    elsewhere, ``e = y_pred - y_true`` (Huber, "Robust Estimation of a Location Parameter", 1964).
    """
    y_true, y_pred = paired(y_true, y_pred)
    error = ops.abs(y_pred - y_true)
    near = ops.minimum(error, delta)
    return ops.mean(near * (error - 0.5 * near), axis=-1)


def log_cosh(y_true: Any, y_pred: Any) -> Any:
    """Return ``mean(log(cosh(y_pred - y_true)))`` over the last axis, without overflow."""
    y_true, y_pred = paired(y_true, y_pred)
    error = y_pred - y_true
    return ops.mean(error + activations.softplus(-2.0 * error) - math.log(2.0), axis=-1)


def cosine_similarity(y_true: Any, y_pred: Any, axis: int = -1) -> Any:
    """Return minus the cosine of the angle between targets and predictions along an axis: -1 where they agree."""
    y_true, y_pred = paired(y_true, y_pred)
    return -ops.sum(ops.normalize(y_true, axis) * ops.normalize(y_pred, axis), axis=axis)


@registry.add("mse", "MSE")
class MeanSquaredError(PairedLoss):
    """The mean of the squared errors."""

    def __init__(
        self, reduction: str | None = "sum_over_batch_size", name: str = "mean_squared_error", dtype: Any = None
    ):
        super().__init__(mean_squared_error, reduction, name, dtype)


@registry.add("mae", "MAE")
class MeanAbsoluteError(PairedLoss):
    """The mean of the absolute errors."""

    def __init__(
        self, reduction: str | None = "sum_over_batch_size", name: str = "mean_absolute_error", dtype: Any = None
    ):
        super().__init__(mean_absolute_error, reduction, name, dtype)


@registry.add("mape", "MAPE")
class MeanAbsolutePercentageError(PairedLoss):
    """The mean of the absolute errors in percent of the targets; see :func:`mean_absolute_percentage_error`."""

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str = "mean_absolute_percentage_error",
        dtype: Any = None,
    ):
        super().__init__(mean_absolute_percentage_error, reduction, name, dtype)


@registry.add("msle", "MSLE")
class MeanSquaredLogarithmicError(PairedLoss):
    """The mean of the squared errors of logarithms; see :func:`mean_squared_logarithmic_error`."""

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str = "mean_squared_logarithmic_error",
        dtype: Any = None,
    ):
        super().__init__(mean_squared_logarithmic_error, reduction, name, dtype)


@registry.add("huber_loss")
class Huber(PairedLoss):
    """Squared errors where they are small, absolute ones elsewhere; see :func:`huber`.

    Parameters
    ----------
    delta : float, default 1.0
        The error from which on it is counted by its absolute value.
    reduction, name, dtype
        As in :class:`Loss`.

    Raises
    ------
    ValueError
        If `delta` is not above 0.
    """

    def __init__(
        self,
        delta: float = 1.0,
        reduction: str | None = "sum_over_batch_size",
        name: str = "huber_loss",
        dtype: Any = None,
    ):
        if not (isinstance(delta, (int, float, np.number)) and delta > 0):
            raise ValueError(f"Huber: expected delta above 0; received {delta!r}")
        super().__init__(huber, reduction, name, dtype, delta=delta)


@registry.add("logcosh")
class LogCosh(PairedLoss):
    """The mean logarithm of the errors' hyperbolic cosine: about ``e² / 2`` near 0, ``|e| - log 2`` far away."""

    def __init__(self, reduction: str | None = "sum_over_batch_size", name: str = "log_cosh", dtype: Any = None):
        super().__init__(log_cosh, reduction, name, dtype)


@registry.add()
class CosineSimilarity(PairedLoss):
    """Minus the cosine of the angle between targets and predictions: -1 where they agree, 1 where they are opposite.

    Parameters
    ----------
    axis : int, default -1
        Along which the vectors lie.
    reduction, name, dtype
        As in :class:`Loss`.
    """

    def __init__(
        self,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str = "cosine_similarity",
        dtype: Any = None,
    ):
        super().__init__(cosine_similarity, reduction, name, dtype, axis=axis)
