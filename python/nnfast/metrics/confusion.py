"""Metrics of right and wrong decisions at thresholds: counts, precision, recall and the like.

Each prediction falls into a bucket: the number of thresholds below it. What is summed is the weight of the positive
and of the negative targets in each bucket; the counts at all thresholds follow from these sums.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import ops
from ..epsilon import EPSILON
from ..losses import same_rank
from .metric import Metric, registry, spread_weight

_NO_THRESHOLD = -1e10  # below every prediction: what is among the top k counts as positive


def divide(a: Any, b: Any) -> np.ndarray:
    """Return a / b, and 0 where b is 0."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    return np.divide(a, b, out=np.zeros(np.broadcast_shapes(a.shape, b.shape)), where=b != 0)


class Buckets:
    """The buckets between thresholds.

    Parameters
    ----------
    thresholds : sequence of float
        The thresholds, in any order.
    open_ended : bool, default False
        The first threshold is a little below 0 and the last a little above 1, so that predictions of 0 and 1 are on
        the right side of them.
    """

    def __init__(self, thresholds: Sequence[float], open_ended: bool = False):
        self.thresholds = np.array(thresholds, np.float64)
        self.open_ended = open_ended
        if open_ended:
            self.thresholds[[0, -1]] = 0, 1
        self.order = np.argsort(self.thresholds, kind="stable")
        self.steps = len(self.thresholds) - 1
        self.even = self.steps > 1 and np.allclose(
            self.thresholds, np.arange(self.steps + 1) / self.steps, rtol=0, atol=EPSILON
        )

    @property
    def count(self) -> int:
        """How many buckets there are."""
        return self.steps + 2

    def of(self, y_pred: Any) -> Any:
        """Return the bucket of each prediction: how many thresholds are below it."""
        if self.even:
            buckets = ops.ceil(y_pred * float(self.steps))
        else:
            sorted_thresholds = self.thresholds[self.order].astype(np.float32)
            if len(sorted_thresholds) == 1:
                buckets = ops.greater(y_pred, sorted_thresholds[0])
            else:
                buckets = ops.sum(ops.greater(ops.expand_dims(y_pred, -1), sorted_thresholds), axis=-1)
        bounds = (1, self.steps) if self.open_ended else (0, self.steps + 1)
        return ops.clip(buckets, *bounds)

    def above(self, sums: np.ndarray) -> np.ndarray:
        """Return, for each threshold along the first axis, the sum over the buckets above it."""
        return self._in_given_order(np.cumsum(sums[::-1], axis=0)[::-1][1:])

    def below(self, sums: np.ndarray) -> np.ndarray:
        """Return, for each threshold along the first axis, the sum over the buckets up to it."""
        return self._in_given_order(np.cumsum(sums, axis=0)[:-1])

    def _in_given_order(self, sums: np.ndarray) -> np.ndarray:
        result = np.empty_like(sums)
        result[self.order] = sums
        return result


class ThresholdMetric(Metric):
    """Base of the metrics that compare predictions with thresholds.

    Parameters
    ----------
    buckets : Buckets
        The thresholds.
    name, dtype
        As for :class:`Metric`.
    top_k : int, optional
        Only the k largest predictions along the last axis may be positive.
    class_id : int, optional
        Only this class, along the last axis, is looked at.
    """

    def __init__(
        self,
        buckets: Buckets,
        name: str | None = None,
        dtype: Any = None,
        top_k: int | None = None,
        class_id: int | None = None,
    ):
        super().__init__(dtype=dtype, name=name)
        self._buckets = buckets
        self.top_k = top_k
        self.class_id = class_id

    @property
    def true_positives(self) -> np.ndarray:
        """The weight of positive targets predicted above each threshold."""
        return self._buckets.above(self._sums[..., 0])

    @property
    def false_positives(self) -> np.ndarray:
        """The weight of negative targets predicted above each threshold."""
        return self._buckets.above(self._sums[..., 1])

    @property
    def false_negatives(self) -> np.ndarray:
        """The weight of positive targets not predicted above each threshold."""
        return self._buckets.below(self._sums[..., 0])

    @property
    def true_negatives(self) -> np.ndarray:
        """The weight of negative targets not predicted above each threshold."""
        return self._buckets.below(self._sums[..., 1])

    @property
    def _sums(self) -> np.ndarray:
        """(buckets, …, 2): the weights of positive and of negative targets."""
        return np.zeros((self._buckets.count, 2)) if self.totals is None else self.totals[0]

    def compute(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> tuple[Any, ...]:
        y_true, y_pred, weight = self._prepared(y_true, y_pred, sample_weight)
        positive = ops.reshape(ops.not_equal(y_true, 0.0), (-1, 1))
        data = ops.concatenate([positive, ops.logical_not(positive)], axis=1)
        if weight is not None:
            data = data * ops.reshape(weight, (-1, 1))
        return (self._summed(data, self._buckets.of(y_pred)),)

    def _summed(self, data: Any, buckets: Any) -> Any:
        """Return the sums of `data`, (elements, 2), by bucket."""
        return ops.segment_sum(data, ops.reshape(buckets, (-1,)), self._buckets.count)

    def _prepared(self, y_true: Any, y_pred: Any, sample_weight: Any) -> tuple[Any, Any, Any]:
        """Return targets and predictions of the same shape, and weights of that shape."""
        y_true, y_pred = same_rank(ops.convert(y_true, "float32"), ops.convert(y_pred, "float32"))
        shape = ops.shape_of(y_pred)
        if ops.shape_of(y_true) != shape:
            raise ValueError(
                f"{self.name}: expected targets of the shape of the predictions, {shape}, each 0 or 1; received "
                f"{ops.shape_of(y_true)}; class numbers become such targets by utils.to_categorical"
            )
        if self.class_id is not None and len(shape) == 1:
            raise ValueError(
                "When class_id is provided, y_pred must be a 2D array with shape (num_samples, num_classes), found "
                f"shape: {shape}"
            )
        if self.top_k is not None:
            y_pred = _only_top(y_pred, self.top_k)
        if self.class_id is not None:
            one = slice(self.class_id, self.class_id + 1)
            y_true, y_pred = y_true[..., one], y_pred[..., one]
        if sample_weight is None:
            return y_true, y_pred, None
        return y_true, y_pred, spread_weight(sample_weight, ops.shape_of(y_pred))


def _only_top(y_pred: Any, k: int) -> Any:
    """Predictions, with all but the k largest along the last axis (of equal ones the first) below every threshold."""
    shape = ops.shape_of(y_pred)
    rest = ops.reshape(y_pred, (-1, shape[-1]))
    top = ops.zeros_like(rest)
    for _ in range(min(k, shape[-1])):
        largest = ops.one_hot(ops.argmax(rest, axis=-1), shape[-1])
        top = top + largest
        rest = ops.where(largest, -np.inf, rest)
    return ops.where(ops.reshape(top, [-1 if size is None else size for size in shape]), y_pred, _NO_THRESHOLD)


def _thresholds(thresholds: Any, default: float = 0.5) -> list[float]:
    if thresholds is None:
        return [default]
    found = list(thresholds) if isinstance(thresholds, (list, tuple, np.ndarray)) else [thresholds]
    wrong = [t for t in found if t is None or not 0 <= t <= 1]
    if wrong or not found:
        raise ValueError(f"Threshold values must be in [0, 1]. Received: {wrong}")
    return found


class _Count(ThresholdMetric):
    """One of the four counts, at one or several thresholds."""

    def __init__(self, thresholds: Any = None, name: str | None = None, dtype: Any = None):
        self.init_thresholds = thresholds
        self.thresholds = _thresholds(thresholds)
        super().__init__(Buckets(self.thresholds), name, dtype)

    def result(self) -> Any:
        counts = getattr(self, self.state_names[0]).astype(np.float32)
        return counts[0] if len(self.thresholds) == 1 else counts

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "thresholds": self.init_thresholds}


@registry.add()
class TruePositives(_Count):
    """The weight of positive targets predicted above the threshold.

    Parameters
    ----------
    thresholds : float or sequence of float, optional
        The thresholds, 0.5 by default; several give as many results.
    name, dtype
        As for :class:`Metric`.
    """

    state_names = ("true_positives",)
    _direction = "up"


@registry.add()
class TrueNegatives(_Count):
    """The weight of negative targets not predicted above the threshold.

    Parameters
    ----------
    thresholds : float or sequence of float, optional
        The thresholds, 0.5 by default; several give as many results.
    name, dtype
        As for :class:`Metric`.
    """

    state_names = ("true_negatives",)
    _direction = "up"


@registry.add()
class FalsePositives(_Count):
    """The weight of negative targets predicted above the threshold.

    Parameters
    ----------
    thresholds : float or sequence of float, optional
        The thresholds, 0.5 by default; several give as many results.
    name, dtype
        As for :class:`Metric`.
    """

    state_names = ("false_positives",)
    _direction = "down"


@registry.add()
class FalseNegatives(_Count):
    """The weight of positive targets not predicted above the threshold.

    Parameters
    ----------
    thresholds : float or sequence of float, optional
        The thresholds, 0.5 by default; several give as many results.
    name, dtype
        As for :class:`Metric`.
    """

    state_names = ("false_negatives",)
    _direction = "down"


class _Ratio(ThresholdMetric):
    """True positives over themselves and the errors of one kind."""

    _direction = "up"

    def __init__(
        self,
        thresholds: Any = None,
        top_k: int | None = None,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ):
        self.init_thresholds = thresholds
        self.thresholds = _thresholds(thresholds, 0.5 if top_k is None else _NO_THRESHOLD)
        super().__init__(Buckets(self.thresholds), name, dtype, top_k, class_id)

    def result(self) -> Any:
        right, wrong = (getattr(self, name) for name in self.state_names)
        ratios = divide(right, right + wrong).astype(np.float32)
        return ratios[0] if len(self.thresholds) == 1 else ratios

    def get_config(self) -> dict[str, Any]:
        settings = {"thresholds": self.init_thresholds, "top_k": self.top_k, "class_id": self.class_id}
        return {**super().get_config(), **settings}


@registry.add()
class Precision(_Ratio):
    """The share of right ones among positive predictions: TP / (TP + FP).

    Parameters
    ----------
    thresholds : float or sequence of float, optional
        Above which predictions are positive, 0.5 by default (0 for logits); several give as many results.
    top_k : int, optional
        Only the k largest predictions along the last axis are positive.
    class_id : int, optional
        Only this class, along the last axis, is looked at.
    name, dtype
        As for :class:`Metric`.
    """

    state_names = ("true_positives", "false_positives")


@registry.add()
class Recall(_Ratio):
    """The share of positive targets that are predicted so: TP / (TP + FN).

    Parameters
    ----------
    thresholds : float or sequence of float, optional
        Above which predictions are positive, 0.5 by default (0 for logits); several give as many results.
    top_k : int, optional
        Only the k largest predictions along the last axis are positive.
    class_id : int, optional
        Only this class, along the last axis, is looked at.
    name, dtype
        As for :class:`Metric`.
    """

    state_names = ("true_positives", "false_negatives")


def even_thresholds(count: int) -> list[float]:
    """Return `count` thresholds evenly spaced from 0 to 1."""
    return [i / (count - 1) for i in range(count)]


class _AtValue(ThresholdMetric):
    """The best of one ratio over the thresholds where another is at least a given value."""

    state_names = ("true_positives", "true_negatives", "false_positives", "false_negatives")
    _direction = "up"
    constrained: str  # the setting's name, which is that of the ratio it bounds

    def __init__(self, value: float, num_thresholds: int, class_id: int | None, name: str | None, dtype: Any):
        if not 0 <= value <= 1:
            raise ValueError(
                f"Argument `{self.constrained}` must be in the range [0, 1]. Received: {self.constrained}={value}"
            )
        if num_thresholds <= 0:
            raise ValueError(
                f"Argument `num_thresholds` must be an integer > 0. Received: num_thresholds={num_thresholds}"
            )
        self.value = value
        self.num_thresholds = num_thresholds
        self.thresholds = [0.5] if num_thresholds == 1 else even_thresholds(num_thresholds)
        super().__init__(Buckets(self.thresholds), name, dtype, class_id=class_id)

    def _best(self, constrained: np.ndarray, dependent: np.ndarray) -> Any:
        return np.float32(np.max(dependent, where=constrained >= self.value, initial=0))

    @property
    def _recall(self) -> np.ndarray:
        return divide(self.true_positives, self.true_positives + self.false_negatives)

    @property
    def _precision(self) -> np.ndarray:
        return divide(self.true_positives, self.true_positives + self.false_positives)

    @property
    def _specificity(self) -> np.ndarray:
        return divide(self.true_negatives, self.true_negatives + self.false_positives)

    def get_config(self) -> dict[str, Any]:
        settings = {
            self.constrained: self.value,
            "num_thresholds": self.num_thresholds,
            "class_id": self.class_id,
        }
        return {**super().get_config(), **settings}


@registry.add()
class SensitivityAtSpecificity(_AtValue):
    """The best sensitivity, TP / (TP + FN), where the specificity, TN / (TN + FP), is at least as given.

    Parameters
    ----------
    specificity : float
        From 0 to 1.
    num_thresholds : int, default 200
        How many thresholds are tried.
    class_id : int, optional
        Only this class, along the last axis, is looked at.
    name, dtype
        As for :class:`Metric`.
    """

    constrained = "specificity"

    def __init__(
        self,
        specificity: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ):
        super().__init__(specificity, num_thresholds, class_id, name, dtype)
        self.specificity = specificity

    def result(self) -> Any:
        return self._best(self._specificity, self._recall)


@registry.add()
class SpecificityAtSensitivity(_AtValue):
    """The best specificity, TN / (TN + FP), where the sensitivity, TP / (TP + FN), is at least as given.

    Parameters
    ----------
    sensitivity : float
        From 0 to 1.
    num_thresholds : int, default 200
        How many thresholds are tried.
    class_id : int, optional
        Only this class, along the last axis, is looked at.
    name, dtype
        As for :class:`Metric`.
    """

    constrained = "sensitivity"

    def __init__(
        self,
        sensitivity: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ):
        super().__init__(sensitivity, num_thresholds, class_id, name, dtype)
        self.sensitivity = sensitivity

    def result(self) -> Any:
        return self._best(self._recall, self._specificity)


@registry.add()
class PrecisionAtRecall(_AtValue):
    """The best precision, TP / (TP + FP), where the recall, TP / (TP + FN), is at least as given.

    Parameters
    ----------
    recall : float
        From 0 to 1.
    num_thresholds : int, default 200
        How many thresholds are tried.
    class_id : int, optional
        Only this class, along the last axis, is looked at.
    name, dtype
        As for :class:`Metric`.
    """

    constrained = "recall"

    def __init__(
        self,
        recall: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ):
        super().__init__(recall, num_thresholds, class_id, name, dtype)
        self.recall = recall

    def result(self) -> Any:
        return self._best(self._recall, self._precision)


@registry.add()
class RecallAtPrecision(_AtValue):
    """The best recall, TP / (TP + FN), where the precision, TP / (TP + FP), is at least as given.

    Parameters
    ----------
    precision : float
        From 0 to 1.
    num_thresholds : int, default 200
        How many thresholds are tried.
    class_id : int, optional
        Only this class, along the last axis, is looked at.
    name, dtype
        As for :class:`Metric`.
    """

    constrained = "precision"

    def __init__(
        self,
        precision: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ):
        super().__init__(precision, num_thresholds, class_id, name, dtype)
        self.precision = precision

    def result(self) -> Any:
        return self._best(self._precision, self._recall)
