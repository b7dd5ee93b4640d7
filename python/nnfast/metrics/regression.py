"""Metrics of regression that are no mean of a loss."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from .. import ops
from ..losses import same_rank
from .metric import Mean, MeanMetricWrapper, Metric, registry, weighted_mean


@registry.add()
class RootMeanSquaredError(Mean):
    """The square root of the mean squared error.

    Parameters
    ----------
    name : str, default "root_mean_squared_error"
        The metric's name.
    dtype : str, optional
        Accepted for Keras's sake.
    """

    _direction = "down"

    def __init__(self, name: str = "root_mean_squared_error", dtype: Any = None):
        super().__init__(name, dtype)

    def compute(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> tuple[Any, ...]:  # type: ignore[override]
        y_true, y_pred = same_rank(ops.convert(y_true, "float32"), ops.convert(y_pred, "float32"))
        return weighted_mean(ops.square(y_pred - y_true), sample_weight)

    def result(self) -> Any:
        return np.sqrt(super().result())


def cosine_similarity(y_true: Any, y_pred: Any, axis: int = -1) -> Any:
    """Return the cosine of the angle between targets and predictions along an axis."""
    y_true, y_pred = same_rank(ops.convert(y_true, "float32"), ops.convert(y_pred, "float32"))
    return ops.sum(ops.normalize(y_true, axis) * ops.normalize(y_pred, axis), axis=axis)


@registry.add()
class CosineSimilarity(MeanMetricWrapper):
    """The mean cosine of the angle between targets and predictions (in Keras's losses, and in ours, its negative).

    Parameters
    ----------
    name : str, default "cosine_similarity"
        The metric's name.
    dtype : str, optional
        Accepted for Keras's sake.
    axis : int, default -1
        Along which the vectors lie.
    """

    _direction = "up"

    def __init__(self, name: str = "cosine_similarity", dtype: Any = None, axis: int = -1):
        super().__init__(cosine_similarity, name, dtype, axis=axis)


@registry.add()
class R2Score(Metric):
    """The share of the targets' variance that the predictions explain, 1 - Σ(y - ŷ)² / Σ(y - ȳ)².

    Parameters
    ----------
    class_aggregation : {"uniform_average", "variance_weighted_average", None}, default "uniform_average"
        How the scores of the outputs become one; None: they do not.
    num_regressors : int, default 0
        Above 0, the score is adjusted for that many inputs.
    name, dtype
        As for :class:`Metric`.

    Raises
    ------
    ValueError
        If a setting is not as described, or the targets have not two axes.
    """

    state_names = ("num_samples", "squared_sum", "sum", "total_mse", "count")
    _direction = "up"

    def __init__(
        self,
        class_aggregation: str | None = "uniform_average",
        num_regressors: int = 0,
        name: str | None = "r2_score",
        dtype: Any = None,
    ):
        super().__init__(dtype=dtype, name=name)
        valid = (None, "uniform_average", "variance_weighted_average")
        if class_aggregation not in valid:
            raise ValueError(
                f"Invalid value for argument `class_aggregation`. Expected one of {valid}. "
                f"Received: class_aggregation={class_aggregation}"
            )
        if num_regressors < 0:
            raise ValueError(
                "Invalid value for argument `num_regressors`. Expected a value >= 0. "
                f"Received: num_regressors={num_regressors}"
            )
        self.class_aggregation = class_aggregation
        self.num_regressors = num_regressors

    def compute(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> tuple[Any, ...]:
        y_true, y_pred = same_rank(ops.convert(y_true, "float32"), ops.convert(y_pred, "float32"))
        shape = ops.shape_of(y_true)
        if len(shape) != 2 or len(ops.shape_of(y_pred)) != 2:
            raise ValueError(
                "R2Score expects 2D inputs with shape (batch_size, output_dim). Received input shapes: "
                f"y_pred.shape={ops.shape_of(y_pred)} and y_true.shape={shape}."
            )
        weight = np.float32(1) if sample_weight is None else ops.convert(sample_weight, "float32")
        if len(ops.shape_of(weight)) == 1:
            weight = ops.expand_dims(weight, 1)
        weight = ops.broadcast_to(weight, shape)
        weighted = y_true * weight
        return (
            np.float32(shape[0] * shape[1]),
            ops.sum(y_true * weighted, axis=0),
            ops.sum(weighted, axis=0),
            ops.sum(ops.square(y_true - y_pred) * weight, axis=0),
            ops.sum(weight, axis=0),
        )

    def result(self) -> Any:
        samples, squares, sums, residual, count = (np.atleast_1d(getattr(self, name)) for name in self.state_names)
        with np.errstate(divide="ignore", invalid="ignore"):
            total = squares - sums * (sums / count)
            scores = 1 - residual / total
            scores = np.where(np.isinf(scores), 0.0, scores)
            if self.class_aggregation == "uniform_average":
                score: Any = np.mean(scores)
            elif self.class_aggregation == "variance_weighted_average":
                score = np.sum(total * scores) / np.sum(total)
            else:
                score = scores
        score = self._adjusted(score, float(samples[0]))
        return score.astype(np.float32) if np.ndim(score) else np.float32(score)

    def _adjusted(self, score: Any, samples: float) -> Any:
        if not self.num_regressors:
            return score
        if self.num_regressors >= samples - 1:
            warnings.warn(
                f"The adjusted R2 score of {samples:.0f} data points needs fewer than {samples - 1:.0f} regressors; "
                f"there are {self.num_regressors}. Falling back to standard R2 score.",
                stacklevel=3,
            )
            return score
        return 1 - (1 - score) * (samples - 1) / (samples - self.num_regressors - 1)

    def get_config(self) -> dict[str, Any]:
        settings = {"class_aggregation": self.class_aggregation, "num_regressors": self.num_regressors}
        return {**super().get_config(), **settings}
