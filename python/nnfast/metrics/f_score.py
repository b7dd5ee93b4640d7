"""F scores: means of precision and recall."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import ops
from ..epsilon import EPSILON
from .metric import Metric, registry


@registry.add()
class FBetaScore(Metric):
    """The weighted harmonic mean of precision and recall, (1 + β²)·P·R / (β²·P + R).

    Parameters
    ----------
    average : {None, "micro", "macro", "weighted"}, default None
        A score for each class; or one: of the counts of all classes together; the mean; the mean weighted by how many
        targets each class has.
    beta : float, default 1.0
        How many times as much recall weighs as precision.
    threshold : float, optional
        Above it a prediction is positive; by default the largest of each row is.
    name, dtype
        As for :class:`Metric`.

    Raises
    ------
    ValueError
        If a setting is not as described, or the targets have not two axes.
    """

    state_names = ("true_positives", "false_positives", "false_negatives", "intermediate_weights")
    _direction = "up"

    def __init__(
        self,
        average: str | None = None,
        beta: float = 1.0,
        threshold: float | None = None,
        name: str | None = "fbeta_score",
        dtype: Any = None,
    ):
        super().__init__(dtype=dtype, name=name)
        if average not in (None, "micro", "macro", "weighted"):
            raise ValueError(
                "Invalid `average` argument value. Expected one of: {None, 'micro', 'macro', 'weighted'}. "
                f"Received: average={average}"
            )
        if not isinstance(beta, float):
            raise ValueError(
                "Invalid `beta` argument value. It should be a Python float. "
                f"Received: beta={beta} of type '{type(beta)}'"
            )
        if not beta > 0:
            raise ValueError(f"Invalid `beta` argument value. It should be > 0. Received: beta={beta}")
        if threshold is not None and not isinstance(threshold, float):
            raise ValueError(
                "Invalid `threshold` argument value. It should be a Python float. "
                f"Received: threshold={threshold} of type '{type(threshold)}'"
            )
        if threshold is not None and not 0 < threshold <= 1:
            raise ValueError(
                "Invalid `threshold` argument value. It should verify 0 < threshold <= 1. "
                f"Received: threshold={threshold}"
            )
        self.average = average
        self.beta = beta
        self.threshold = threshold

    def _build(self, y_true_shape: tuple[Any, ...], y_pred_shape: tuple[Any, ...]) -> None:
        received = f"Received input shapes: y_pred.shape={y_pred_shape} and y_true.shape={y_true_shape}."
        if len(y_pred_shape) != 2 or len(y_true_shape) != 2:
            raise ValueError(f"FBetaScore expects 2D inputs with shape (batch_size, output_dim). {received}")
        if y_pred_shape[-1] is None or y_true_shape[-1] is None:
            raise ValueError(
                "FBetaScore expects 2D inputs with shape (batch_size, output_dim), with output_dim fully defined "
                f"(not None). {received}"
            )

    def compute(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> tuple[Any, ...]:
        y_true, y_pred = ops.convert(y_true, "float32"), ops.convert(y_pred, "float32")
        self._build(ops.shape_of(y_true), ops.shape_of(y_pred))
        if self.threshold is None:
            # A row of zeros predicts nothing.
            largest = ops.greater_equal(y_pred, ops.max(y_pred, axis=-1, keepdims=True))
            y_pred = ops.logical_and(largest, ops.greater(ops.abs(y_pred), 1e-9))
        else:
            y_pred = ops.greater(y_pred, self.threshold)
        weight = None if sample_weight is None else ops.convert(sample_weight, "float32")
        if weight is not None and len(ops.shape_of(weight)) == 1:
            weight = ops.expand_dims(weight, 1)

        def total(values: Any) -> Any:
            return ops.sum(values if weight is None else values * weight, axis=None if self.average == "micro" else 0)

        right = y_pred * y_true
        return total(right), total(y_pred - right), total(y_true - right), total(y_true)

    def result(self) -> Any:
        tp, fp, fn, support = (np.asarray(getattr(self, name)) for name in self.state_names)
        precision = tp / (tp + fp + EPSILON)
        recall = tp / (tp + fn + EPSILON)
        squared = self.beta**2
        score = (1 + squared) * precision * recall / (squared * precision + recall + EPSILON)
        if self.average == "weighted":
            score = np.sum(score * support / (np.sum(support) + EPSILON))
        elif self.average is not None:
            score = np.mean(score)
        return score.astype(np.float32) if score.ndim else np.float32(score)

    def get_config(self) -> dict[str, Any]:
        settings = {"average": self.average, "beta": self.beta, "threshold": self.threshold}
        return {**super().get_config(), **settings}


@registry.add()
class F1Score(FBetaScore):
    """The harmonic mean of precision and recall, 2·P·R / (P + R).

    Parameters
    ----------
    average : {None, "micro", "macro", "weighted"}, default None
        As for :class:`FBetaScore`.
    threshold : float, optional
        Above it a prediction is positive; by default the largest of each row is.
    name, dtype
        As for :class:`Metric`.
    """

    def __init__(
        self,
        average: str | None = None,
        threshold: float | None = None,
        name: str | None = "f1_score",
        dtype: Any = None,
    ):
        super().__init__(average, 1.0, threshold, name, dtype)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["beta"]
        return config
