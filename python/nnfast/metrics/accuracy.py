"""Accuracy: the share of right predictions."""

from __future__ import annotations

from typing import Any

from .. import ops
from ..losses import same_rank
from .metric import MeanMetricWrapper, registry


def binary_accuracy(y_true: Any, y_pred: Any, threshold: float = 0.5) -> Any:
    """Return the share, over the last axis, of predictions on the same side of `threshold` as the target."""
    y_true, y_pred = same_rank(ops.convert(y_true, "float32"), ops.convert(y_pred, "float32"))
    return ops.mean(ops.equal(y_true, ops.greater(y_pred, threshold)), axis=-1)


def categorical_accuracy(y_true: Any, y_pred: Any) -> Any:
    """Return 1 where the largest prediction is of the target's class (y_true one-hot), else 0."""
    return ops.equal(ops.argmax(y_true, axis=-1), ops.argmax(y_pred, axis=-1))


def sparse_categorical_accuracy(y_true: Any, y_pred: Any) -> Any:
    """Return 1 where the largest prediction is of the class `y_true`, else 0."""
    if len(ops.shape_of(y_true)) == len(ops.shape_of(y_pred)):
        y_true = ops.squeeze(y_true, -1)
    return ops.equal(y_true, ops.argmax(y_pred, axis=-1))


@registry.add()
class BinaryAccuracy(MeanMetricWrapper):
    """How often predictions lie on the target's side of a threshold."""

    def __init__(self, name: str = "binary_accuracy", dtype: Any = None, threshold: float = 0.5):
        super().__init__(binary_accuracy, name, dtype, threshold=threshold)


@registry.add()
class CategoricalAccuracy(MeanMetricWrapper):
    """How often the largest prediction is right, for one-hot targets."""

    def __init__(self, name: str = "categorical_accuracy", dtype: Any = None):
        super().__init__(categorical_accuracy, name, dtype)


@registry.add()
class SparseCategoricalAccuracy(MeanMetricWrapper):
    """How often the largest prediction is right, for class numbers."""

    def __init__(self, name: str = "sparse_categorical_accuracy", dtype: Any = None):
        super().__init__(sparse_categorical_accuracy, name, dtype)
