"""The area under the ROC curve and under curves of precision and recall."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Any

import numpy as np

from .. import ops
from ..epsilon import EPSILON
from .confusion import Buckets, ThresholdMetric, divide, even_thresholds
from .metric import registry


class AUCCurve(Enum):
    """The curve whose area is taken."""

    ROC = "ROC"
    PR = "PR"
    PRGAIN = "PRGAIN"

    @staticmethod
    def from_str(name: str) -> AUCCurve:
        """Return the curve of this name, in upper or lower case.

        Raises
        ------
        ValueError
            If there is none.
        """
        return _member(AUCCurve, str(name).upper(), "curve", name)


class AUCSummationMethod(Enum):
    """How the area between two points of the curve is taken."""

    INTERPOLATION = "interpolation"
    MAJORING = "majoring"
    MINORING = "minoring"

    @staticmethod
    def from_str(name: str) -> AUCSummationMethod:
        """Return the method of this name, in upper or lower case.

        Raises
        ------
        ValueError
            If there is none.
        """
        return _member(AUCSummationMethod, str(name).lower(), "summation method", name)


def _member(family: Any, value: str, what: str, given: Any) -> Any:
    try:
        return family(value)
    except ValueError:
        known = ", ".join(f'"{member.value}"' for member in family)
        raise ValueError(f'Invalid AUC {what} value: "{given}". Expected one of: {known}') from None


@registry.add()
class AUC(ThresholdMetric):
    """The area under a curve that thresholds from 0 to 1 draw.

    Parameters
    ----------
    num_thresholds : int, default 200
        How many thresholds.
    curve : {"ROC", "PR", "PRGAIN"}, default "ROC"
        Recall over the rate of false positives; precision over recall; the gains of both (Flach and Kull, 2015).
    summation_method : {"interpolation", "majoring", "minoring"}, default "interpolation"
        Between two points: the curve as it may be drawn (for "PR" by Davis and Goadrich, 2006), the larger, or the
        smaller height.
    name, dtype
        As for :class:`Metric`.
    thresholds : sequence of float, optional
        The thresholds between 0 and 1, instead of evenly spaced ones.
    multi_label : bool, default False
        Take the last axis for labels: the mean of the areas of all labels.
    num_labels : int, optional
        Accepted for Keras's sake; the number is taken from the data.
    label_weights : sequence of float, optional
        The weights of the labels: in the mean of the areas, or, without `multi_label`, of their elements.
    from_logits : bool, default False
        The predictions are logits.

    Raises
    ------
    ValueError
        If a setting is not as described.
    """

    state_names = ("true_positives", "false_positives", "true_negatives", "false_negatives")
    _direction = "up"

    def __init__(
        self,
        num_thresholds: int | None = 200,
        curve: str | AUCCurve = "ROC",
        summation_method: str | AUCSummationMethod = "interpolation",
        name: str | None = None,
        dtype: Any = None,
        thresholds: Sequence[float] | None = None,
        multi_label: bool = False,
        num_labels: int | None = None,
        label_weights: Sequence[float] | None = None,
        from_logits: bool = False,
    ):
        self._given_thresholds = None if thresholds is None else sorted(float(t) for t in thresholds)
        if self._given_thresholds is not None:
            chosen = [0.0, *self._given_thresholds, 1.0]
        elif num_thresholds is None or num_thresholds <= 1:
            raise ValueError(
                f"Argument `num_thresholds` must be an integer > 1. Received: num_thresholds={num_thresholds}"
            )
        else:
            chosen = even_thresholds(num_thresholds)
        if num_labels and not multi_label:
            raise ValueError("`num_labels` is needed only when `multi_label` is True.")
        super().__init__(Buckets(chosen, open_ended=True), name, dtype)
        self.num_thresholds = len(chosen)
        self.thresholds = [-EPSILON, *chosen[1:-1], 1 + EPSILON]
        self.curve = curve if isinstance(curve, AUCCurve) else AUCCurve.from_str(curve)
        self.summation_method = (
            summation_method
            if isinstance(summation_method, AUCSummationMethod)
            else AUCSummationMethod.from_str(summation_method)
        )
        self.multi_label = multi_label
        self.num_labels = num_labels
        self.label_weights = None if label_weights is None else np.asarray(label_weights, np.float32)
        self._from_logits = from_logits
        self._labels = num_labels or 1  # as many as the data had

    @property
    def _sums(self) -> np.ndarray:
        if self.multi_label and self.totals is None:
            return np.zeros((self._buckets.count, self._labels, 2))
        return super()._sums

    def _prepared(self, y_true: Any, y_pred: Any, sample_weight: Any) -> tuple[Any, Any, Any]:
        y_true, y_pred, weight = super()._prepared(y_true, y_pred, sample_weight)
        shape = ops.shape_of(y_pred)
        if self.multi_label and len(shape) != 2:
            raise ValueError(f"`y_pred` must have rank 2 when `multi_label=True`. Found rank {len(shape)}: {shape}")
        if self._from_logits:
            y_pred = ops.reciprocal(1.0 + ops.exp(-y_pred))
        if self.label_weights is not None:
            if self.label_weights.shape != shape[-1:]:
                raise ValueError(
                    f"{self.name}: expected a label weight for each of {shape[-1]} labels; "
                    f"received {self.label_weights.size}"
                )
            if not self.multi_label:
                of_labels = ops.broadcast_to(self.label_weights, shape)
                weight = of_labels if weight is None else weight * of_labels
        return y_true, y_pred, weight

    def _summed(self, data: Any, buckets: Any) -> Any:
        if not self.multi_label:
            return super()._summed(data, buckets)
        count, labels = self._buckets.count, ops.shape_of(buckets)[-1]
        self._labels = labels
        segments = buckets * float(labels) + np.arange(labels, dtype=np.float32)
        sums = ops.segment_sum(data, ops.reshape(segments, (-1,)), count * labels)
        return ops.reshape(sums, (count, labels, 2))

    def result(self) -> Any:
        areas = np.sum(self._areas(), axis=0)
        if not self.multi_label:
            return np.float32(areas)
        if self.label_weights is None:
            return np.float32(np.mean(areas))
        return np.float32(divide(np.sum(areas * self.label_weights), np.sum(self.label_weights)))

    def _areas(self) -> np.ndarray:
        """Return the area between each two consecutive points, (thresholds - 1, …)."""
        if self.curve is AUCCurve.PR and self.summation_method is AUCSummationMethod.INTERPOLATION:
            return self._interpolated_areas()
        x, y = self._points()
        if self.summation_method is AUCSummationMethod.INTERPOLATION:
            heights = (y[:-1] + y[1:]) / 2
        elif self.summation_method is AUCSummationMethod.MAJORING:
            heights = np.maximum(y[:-1], y[1:])
        else:
            heights = np.minimum(y[:-1], y[1:])
        return (x[:-1] - x[1:]) * heights

    def _points(self) -> tuple[np.ndarray, np.ndarray]:
        tp, fp, tn, fn = self.true_positives, self.false_positives, self.true_negatives, self.false_negatives
        recall = divide(tp, tp + fn)
        if self.curve is AUCCurve.ROC:
            return divide(fp, fp + tn), recall
        if self.curve is AUCCurve.PR:
            return recall, divide(tp, tp + fp)
        # Where nothing is found, and where recall is below that of chance, the gains leave the range: as in Keras, the
        # recall gain is 0 there, and the precision gain of nothing is 1.
        odds = divide(tp + fn, tn + fp)
        recall_gain = np.maximum(np.where(tp == 0, 0, 1 - odds * divide(fn, tp)), 0)
        return recall_gain, np.where(tp == 0, 1, 1 - odds * divide(fp, tp))

    def _interpolated_areas(self) -> np.ndarray:
        """Integrate precision over recall with true and false positives linear between two points.

        From (TP_b, P_b) to (TP_a, P_a), P = TP + FP: TP = TP_b + s·(P - P_b) with s = dTP / dP, hence
        ∫ TP/P dTP = s·(dTP + (TP_b - s·P_b)·log(P_a / P_b)); over all positive targets that is the area.
        """
        tp, fn = self.true_positives, self.false_negatives
        p = tp + self.false_positives
        d_tp, d_p = tp[:-1] - tp[1:], p[:-1] - p[1:]
        slope = divide(d_tp, np.maximum(d_p, 0))
        both = (p[:-1] > 0) & (p[1:] > 0)
        ratio = np.where(both, divide(p[:-1], np.maximum(p[1:], 0)), 1)
        integral = slope * (d_tp + (tp[1:] - slope * p[1:]) * np.log(ratio))
        return divide(integral, np.maximum(tp[1:] + fn[1:], 0))

    def get_config(self) -> dict[str, Any]:
        config = {
            **super().get_config(),
            "num_thresholds": self.num_thresholds,
            "curve": self.curve.value,
            "summation_method": self.summation_method.value,
            "multi_label": self.multi_label,
            "num_labels": self.num_labels,
            "label_weights": None if self.label_weights is None else self.label_weights.tolist(),
            "from_logits": self._from_logits,
        }
        if self._given_thresholds is not None:
            config["thresholds"] = self._given_thresholds
        return config
