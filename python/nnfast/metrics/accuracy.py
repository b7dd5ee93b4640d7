"""Accuracy: the share of right predictions."""

from __future__ import annotations

from typing import Any

from .. import ops
from ..losses import same_rank
from .metric import MeanMetricWrapper, registry


def accuracy(y_true: Any, y_pred: Any) -> Any:
    """Return 1 where prediction and target are equal, else 0."""
    return ops.equal(*same_rank(ops.convert(y_true, "float32"), ops.convert(y_pred, "float32")))


def binary_accuracy(y_true: Any, y_pred: Any, threshold: float = 0.5) -> Any:
    """Return 1 where the prediction lies on the same side of `threshold` as the target (0 or 1), else 0."""
    y_true, y_pred = same_rank(ops.convert(y_true, "float32"), ops.convert(y_pred, "float32"))
    return ops.equal(y_true, ops.greater(y_pred, threshold))


def categorical_accuracy(y_true: Any, y_pred: Any) -> Any:
    """Return 1 where the largest prediction is of the target's class (`y_true` one-hot), else 0."""
    return sparse_categorical_accuracy(ops.argmax(y_true, axis=-1), y_pred)


def sparse_categorical_accuracy(y_true: Any, y_pred: Any) -> Any:
    """Return 1 where the largest prediction is of the class `y_true`, else 0."""
    return ops.equal(_classes(y_true, y_pred), ops.argmax(y_pred, axis=-1))


def top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5) -> Any:
    """Return 1 where fewer than `k` classes have a larger prediction than the target's (`y_true` one-hot), else 0."""
    return sparse_top_k_categorical_accuracy(ops.argmax(y_true, axis=-1), y_pred, k)


def sparse_top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5, from_sorted_ids: bool = False) -> Any:
    """Return 1 where fewer than `k` classes have a larger prediction than the class `y_true`, else 0.

    With `from_sorted_ids` the predictions are class numbers, the likeliest first.
    """
    classes = _classes(y_true, y_pred)
    y_pred = ops.convert(y_pred, "float32")
    if from_sorted_ids:
        return ops.any(ops.equal(ops.expand_dims(classes, -1), y_pred[..., :k]), axis=-1)
    is_target = ops.one_hot(classes, ops.shape_of(y_pred)[-1])
    of_target = ops.sum(ops.where(is_target, y_pred, 0.0), axis=-1, keepdims=True)
    larger = ops.sum(ops.greater(y_pred, of_target), axis=-1)
    return ops.logical_and(ops.less(larger, float(k)), ops.any(is_target, axis=-1))


def _classes(y_true: Any, y_pred: Any) -> Any:
    """Class numbers without a last axis of length 1 that the predictions' classes stand on."""
    y_true = ops.convert(y_true)
    shape = ops.shape_of(y_true)
    return ops.squeeze(y_true, -1) if len(shape) == len(ops.shape_of(y_pred)) and shape[-1] == 1 else y_true


@registry.add()
class Accuracy(MeanMetricWrapper):
    """How often predictions equal targets."""

    _direction = "up"

    def __init__(self, name: str = "accuracy", dtype: Any = None):
        super().__init__(accuracy, name, dtype)


@registry.add()
class BinaryAccuracy(MeanMetricWrapper):
    """How often predictions lie on the target's side of a threshold.

    Parameters
    ----------
    name : str, default "binary_accuracy"
        The metric's name.
    dtype : str, optional
        Accepted for Keras's sake.
    threshold : float, default 0.5
        Above it a prediction stands for 1, else for 0.
    """

    _direction = "up"

    def __init__(self, name: str = "binary_accuracy", dtype: Any = None, threshold: float = 0.5):
        super().__init__(binary_accuracy, name, dtype, threshold=threshold)
        self.threshold = threshold


@registry.add()
class CategoricalAccuracy(MeanMetricWrapper):
    """How often the largest prediction is right, for one-hot targets."""

    _direction = "up"

    def __init__(self, name: str = "categorical_accuracy", dtype: Any = None):
        super().__init__(categorical_accuracy, name, dtype)


@registry.add()
class SparseCategoricalAccuracy(MeanMetricWrapper):
    """How often the largest prediction is right, for class numbers."""

    _direction = "up"

    def __init__(self, name: str = "sparse_categorical_accuracy", dtype: Any = None):
        super().__init__(sparse_categorical_accuracy, name, dtype)


@registry.add()
class TopKCategoricalAccuracy(MeanMetricWrapper):
    """How often the target is among the k largest predictions, for one-hot targets.

    Parameters
    ----------
    k : int, default 5
        How many predictions are looked at.
    name : str, default "top_k_categorical_accuracy"
        The metric's name.
    dtype : str, optional
        Accepted for Keras's sake.
    """

    _direction = "up"

    def __init__(self, k: int = 5, name: str = "top_k_categorical_accuracy", dtype: Any = None):
        super().__init__(top_k_categorical_accuracy, name, dtype, k=k)
        self.k = k


@registry.add()
class SparseTopKCategoricalAccuracy(MeanMetricWrapper):
    """How often the target is among the k largest predictions, for class numbers.

    Parameters
    ----------
    k : int, default 5
        How many predictions are looked at.
    name : str, default "sparse_top_k_categorical_accuracy"
        The metric's name.
    dtype : str, optional
        Accepted for Keras's sake.
    from_sorted_ids : bool, default False
        Predictions are class numbers, the likeliest first.
    """

    _direction = "up"

    def __init__(
        self,
        k: int = 5,
        name: str = "sparse_top_k_categorical_accuracy",
        dtype: Any = None,
        from_sorted_ids: bool = False,
    ):
        super().__init__(sparse_top_k_categorical_accuracy, name, dtype, k=k, from_sorted_ids=from_sorted_ids)
        self.k = k
        self.from_sorted_ids = from_sorted_ids
