"""Metrics of regression."""

from __future__ import annotations

from typing import Any

from ..losses import mean_absolute_error, mean_squared_error
from .metric import MeanMetricWrapper, registry


@registry.add("mse")
class MeanSquaredError(MeanMetricWrapper):
    """The mean of the squared errors."""

    def __init__(self, name: str = "mean_squared_error", dtype: Any = None):
        super().__init__(mean_squared_error, name, dtype)


@registry.add("mae")
class MeanAbsoluteError(MeanMetricWrapper):
    """The mean of the absolute errors."""

    def __init__(self, name: str = "mean_absolute_error", dtype: Any = None):
        super().__init__(mean_absolute_error, name, dtype)
