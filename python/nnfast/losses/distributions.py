"""Losses of probabilities and counts."""

from __future__ import annotations

from typing import Any

from .. import ops
from ..epsilon import EPSILON
from .loss import PairedLoss, paired, registry


def kl_divergence(y_true: Any, y_pred: Any) -> Any:
    """Return ``Σ y_true · log(y_true / y_pred)`` over the last axis, both kept from 1e-7 to 1."""
    y_true, y_pred = (ops.clip(y, EPSILON, 1.0) for y in paired(y_true, y_pred))
    return ops.sum(y_true * ops.log(y_true / y_pred), axis=-1)


def poisson(y_true: Any, y_pred: Any) -> Any:
    """Return ``mean(y_pred - y_true · log(y_pred + 1e-7))`` over the last axis, for counts and expected counts."""
    y_true, y_pred = paired(y_true, y_pred)
    return ops.mean(y_pred - y_true * ops.log(y_pred + EPSILON), axis=-1)


@registry.add("kld", "KLD", "kullback_leibler_divergence")
class KLDivergence(PairedLoss):
    """The Kullback-Leibler divergence of the predicted probabilities from the targets; see :func:`kl_divergence`."""

    def __init__(self, reduction: str | None = "sum_over_batch_size", name: str = "kl_divergence", dtype: Any = None):
        super().__init__(kl_divergence, reduction, name, dtype)


@registry.add()
class Poisson(PairedLoss):
    """Minus the likelihood's logarithm of counts, short of a constant, where outputs are expected counts."""

    def __init__(self, reduction: str | None = "sum_over_batch_size", name: str = "poisson", dtype: Any = None):
        super().__init__(poisson, reduction, name, dtype)
