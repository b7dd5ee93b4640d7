"""Focal losses: cross-entropies that count samples less the better they are told (Lin et al., "Focal Loss for Dense
Object Detection", 2017).
"""

from __future__ import annotations

from typing import Any

from .. import activations, ops
from ..epsilon import EPSILON
from ..numeric import check_reals, to_real
from .crossentropy import binary_crossentropy, check_smoothing
from .loss import PairedLoss, paired, registry


def binary_focal_crossentropy(
    y_true: Any,
    y_pred: Any,
    apply_class_balancing: bool = False,
    alpha: float = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Any:
    """Return the mean of ``(1 - p)^gamma`` times the cross-entropy over an axis, p the probability given to the truth.

    Parameters
    ----------
    y_true, y_pred : (…, outputs)
        Targets 0 and 1, and predictions.
    apply_class_balancing : bool, default False
        Whether ones weigh `alpha` and zeros ``1 - alpha``.
    alpha : float, default 0.25
        The weight of ones.
    gamma : float, default 2.0
        How much less well-told samples count.
    from_logits : bool, default False
        Whether predictions are logits.
    label_smoothing : float, default 0.0
        How far targets are moved towards 1/2.
    axis : int, default -1
        The axis averaged over.

    Returns
    -------
    (…)
        A loss for each sample.
    """
    y_true, y_pred = paired(y_true, y_pred)
    if label_smoothing:
        y_true = y_true * (1.0 - label_smoothing) + 0.5 * label_smoothing
    # An axis of length 1 for the mean: what comes back is the loss of each element.
    losses = binary_crossentropy(ops.expand_dims(y_true, -1), ops.expand_dims(y_pred, -1), from_logits)
    p = activations.sigmoid(y_pred) if from_logits else y_pred
    losses = losses * ops.power(y_true * (1.0 - p) + (1.0 - y_true) * p, gamma)
    if apply_class_balancing:
        losses = losses * (y_true * alpha + (1.0 - y_true) * (1.0 - alpha))
    return ops.mean(losses, axis=axis)


def categorical_focal_crossentropy(
    y_true: Any,
    y_pred: Any,
    alpha: Any = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Any:
    """Return ``-Σ alpha · (1 - y_pred)^gamma · y_true · log y_pred`` along an axis.

    Parameters
    ----------
    y_true, y_pred : (…, classes)
        One-hot targets, and predictions.
    alpha : float or sequence of float, default 0.25
        The weight of all classes, or of each.
    gamma : float, default 2.0
        How much less well-told samples count.
    from_logits : bool, default False
        Whether predictions are logits.
    label_smoothing : float, default 0.0
        How far targets are moved towards equal shares.
    axis : int, default -1
        The axis of the classes.

    Returns
    -------
    (…)
        A loss for each sample.
    """
    y_true, y_pred = paired(y_true, y_pred)
    if label_smoothing:
        y_true = y_true * (1.0 - label_smoothing) + label_smoothing / ops.shape_of(y_true)[-1]
    p = ops.softmax(y_pred, axis) if from_logits else y_pred / ops.sum(y_pred, axis=axis, keepdims=True)
    p = ops.clip(p, EPSILON, 1.0 - EPSILON)
    return -ops.sum(alpha * ops.power(1.0 - p, gamma) * y_true * ops.log(p), axis=axis)


@registry.add()
class BinaryFocalCrossentropy(PairedLoss):
    """The focal cross-entropy of yes or no; see :func:`binary_focal_crossentropy`.

    Parameters
    ----------
    apply_class_balancing : bool, default False
        Whether ones weigh `alpha` and zeros ``1 - alpha``.
    alpha : float, default 0.25
        The weight of ones.
    gamma : float, default 2.0
        How much less well-told samples count.
    from_logits : bool, default False
        Whether predictions are logits.
    label_smoothing : float, default 0.0
        How far targets are moved towards 1/2.
    axis : int, default -1
        The axis averaged over.
    reduction, name, dtype
        As in :class:`Loss`.

    Raises
    ------
    ValueError
        If `label_smoothing` is not from 0 to 1, or `alpha` or `gamma` is no number.
    """

    def __init__(
        self,
        apply_class_balancing: bool = False,
        alpha: float = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str = "binary_focal_crossentropy",
        dtype: Any = None,
    ):
        check_smoothing(label_smoothing)
        to_real(alpha, f"{name}: alpha")
        to_real(gamma, f"{name}: gamma")
        super().__init__(
            binary_focal_crossentropy, reduction, name, dtype, apply_class_balancing=apply_class_balancing,
            alpha=alpha, gamma=gamma, from_logits=from_logits, label_smoothing=label_smoothing, axis=axis,
        )  # fmt: skip


@registry.add()
class CategoricalFocalCrossentropy(PairedLoss):
    """The focal cross-entropy of one-hot targets; see :func:`categorical_focal_crossentropy`.

    Parameters
    ----------
    alpha : float or sequence of float, default 0.25
        The weight of all classes, or of each.
    gamma : float, default 2.0
        How much less well-told samples count.
    from_logits : bool, default False
        Whether predictions are logits.
    label_smoothing : float, default 0.0
        How far targets are moved towards equal shares.
    axis : int, default -1
        The axis of the classes.
    reduction, name, dtype
        As in :class:`Loss`.

    Raises
    ------
    ValueError
        If `label_smoothing` is not from 0 to 1, or `alpha` or `gamma` is no number.
    """

    def __init__(
        self,
        alpha: Any = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str = "categorical_focal_crossentropy",
        dtype: Any = None,
    ):
        check_smoothing(label_smoothing)
        check_reals(alpha, f"{name}: alpha")
        to_real(gamma, f"{name}: gamma")
        super().__init__(
            categorical_focal_crossentropy, reduction, name, dtype, alpha=alpha, gamma=gamma,
            from_logits=from_logits, label_smoothing=label_smoothing, axis=axis,
        )  # fmt: skip
