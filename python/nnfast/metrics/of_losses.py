"""Metrics that are the mean of a loss."""

from __future__ import annotations

from typing import Any

from .. import losses
from .metric import MeanMetricWrapper, registry


class _OfLoss(MeanMetricWrapper):
    _direction = "down"


@registry.add("mse", "MSE")
class MeanSquaredError(_OfLoss):
    """The mean of the squared errors.

    Parameters
    ----------
    name : str, default "mean_squared_error"
        The metric's name.
    dtype : str, optional
        Accepted for Keras's sake.
    """

    def __init__(self, name: str = "mean_squared_error", dtype: Any = None):
        super().__init__(losses.mean_squared_error, name, dtype)


@registry.add("mae", "MAE")
class MeanAbsoluteError(_OfLoss):
    """The mean of the absolute errors.

    Parameters
    ----------
    name : str, default "mean_absolute_error"
        The metric's name.
    dtype : str, optional
        Accepted for Keras's sake.
    """

    def __init__(self, name: str = "mean_absolute_error", dtype: Any = None):
        super().__init__(losses.mean_absolute_error, name, dtype)
