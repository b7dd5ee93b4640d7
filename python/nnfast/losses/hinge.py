"""Losses of margins: nothing to pay for an output that is on the right side by at least 1."""

from __future__ import annotations

from typing import Any

from .. import ops
from .loss import PairedLoss, paired, registry


def _signs(y_true: Any) -> Any:
    """Turn labels 0 and 1 into -1 and 1, where all are of these."""
    are_binary = ops.all(ops.logical_or(ops.equal(y_true, 0.0), ops.equal(y_true, 1.0)))
    return ops.where(are_binary, 2.0 * y_true - 1.0, y_true)


def hinge(y_true: Any, y_pred: Any) -> Any:
    """Return ``mean(max(1 - y_true · y_pred, 0))`` over the last axis, for targets -1 and 1 (or 0 and 1)."""
    y_true, y_pred = paired(y_true, y_pred)
    return ops.mean(ops.maximum(1.0 - _signs(y_true) * y_pred, 0.0), axis=-1)


def squared_hinge(y_true: Any, y_pred: Any) -> Any:
    """Return ``mean(max(1 - y_true · y_pred, 0)²)`` over the last axis, for targets -1 and 1 (or 0 and 1)."""
    y_true, y_pred = paired(y_true, y_pred)
    return ops.mean(ops.square(ops.maximum(1.0 - _signs(y_true) * y_pred, 0.0)), axis=-1)


def categorical_hinge(y_true: Any, y_pred: Any) -> Any:
    """Return ``max(neg - pos + 1, 0)``: pos is the output of the right class, neg the largest of the others (or 0)."""
    y_true, y_pred = paired(y_true, y_pred)
    right = ops.sum(y_true * y_pred, axis=-1)
    wrong = ops.max((1.0 - y_true) * y_pred, axis=-1)
    return ops.maximum(wrong - right + 1.0, 0.0)


@registry.add()
class Hinge(PairedLoss):
    """The mean of what outputs lack to a margin of 1; see :func:`hinge`."""

    def __init__(self, reduction: str | None = "sum_over_batch_size", name: str = "hinge", dtype: Any = None):
        super().__init__(hinge, reduction, name, dtype)


@registry.add()
class SquaredHinge(PairedLoss):
    """The mean of the squares of what outputs lack to a margin of 1; see :func:`squared_hinge`."""

    def __init__(self, reduction: str | None = "sum_over_batch_size", name: str = "squared_hinge", dtype: Any = None):
        super().__init__(squared_hinge, reduction, name, dtype)


@registry.add()
class CategoricalHinge(PairedLoss):
    """What the right class's output lacks to a margin of 1 over the others; see :func:`categorical_hinge`."""

    def __init__(
        self, reduction: str | None = "sum_over_batch_size", name: str = "categorical_hinge", dtype: Any = None
    ):
        super().__init__(categorical_hinge, reduction, name, dtype)
