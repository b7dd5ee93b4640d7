"""Losses of regions: how far masks are from covering each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import ops
from ..epsilon import EPSILON
from ..numeric import to_real
from .loss import PairedLoss, paired, registry

Axis = int | Sequence[int] | None


def tversky(y_true: Any, y_pred: Any, alpha: float = 0.5, beta: float = 0.5, axis: Axis = None) -> Any:
    """Return ``1 - TP / (TP + alpha · FN + beta · FP + 1e-7)``, with ``TP = Σ y_true · y_pred``, the share missed
    ``FN = Σ y_true · (1 - y_pred)`` and the share too many ``FP = Σ (1 - y_true) · y_pred`` over axes (by default all;
    Salehi, Erdogmus and Gholipour, "Tversky loss function for image segmentation", 2017).
    """
    y_true, y_pred = paired(y_true, y_pred)
    both = ops.sum(y_true * y_pred, axis=axis)
    missed = ops.sum(y_true * (1.0 - y_pred), axis=axis)
    too_many = ops.sum((1.0 - y_true) * y_pred, axis=axis)
    return 1.0 - both / (both + alpha * missed + beta * too_many + EPSILON)


def dice(y_true: Any, y_pred: Any, axis: Axis = None) -> Any:
    """Return ``1 - 2 Σ y_true · y_pred / (Σ y_true + Σ y_pred + 1e-7)`` over axes (by default all)."""
    y_true, y_pred = paired(y_true, y_pred)
    both = ops.sum(y_true * y_pred, axis=axis)
    return 1.0 - 2.0 * both / (ops.sum(y_true, axis=axis) + ops.sum(y_pred, axis=axis) + EPSILON)


@registry.add()
class Dice(PairedLoss):
    """1 less the Sørensen-Dice coefficient of two masks; see :func:`dice`.

    Parameters
    ----------
    axis : int or tuple of int, optional
        The axes of a mask; by default all, the batch included.
    reduction, name, dtype
        As in :class:`Loss`.
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str = "dice",
        axis: Axis = None,
        dtype: Any = None,
    ):
        super().__init__(dice, reduction, name, dtype, axis=axis)


@registry.add()
class Tversky(PairedLoss):
    """Dice's loss with weights of its own for what is missed and what is too many; see :func:`tversky`.

    Parameters
    ----------
    alpha, beta : float, default 0.5
        The weights of what is missed and of what is too many.
    axis : int or tuple of int, optional
        The axes of a mask; by default all, the batch included.
    reduction, name, dtype
        As in :class:`Loss`.

    Raises
    ------
    ValueError
        If `alpha` or `beta` is no finite number.
    """

    def __init__(
        self,
        alpha: float = 0.5,
        beta: float = 0.5,
        reduction: str | None = "sum_over_batch_size",
        name: str = "tversky",
        axis: Axis = None,
        dtype: Any = None,
    ):
        to_real(alpha, f"{name}: alpha")
        to_real(beta, f"{name}: beta")
        super().__init__(tversky, reduction, name, dtype, alpha=alpha, beta=beta, axis=axis)
