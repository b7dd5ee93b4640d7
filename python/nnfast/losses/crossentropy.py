"""Losses of classes: the cross-entropies."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _core, ops
from ..epsilon import EPSILON
from ..numeric import real
from .loss import LossFunctionWrapper, PairedLoss, batch_of, paired, registry


def logits_of(probabilities: Any, activation: str, axis: int | None = None) -> Any:
    """Return the input of the activation (along an axis) that makes `probabilities`, or None where another operation
    does.

    The cross-entropy of logits is stable where that of probabilities is not, and one pass in place of two.
    """
    origin = getattr(probabilities, "origin", None)
    if origin is None or origin[0] != activation:
        return None
    ndim = len(probabilities.shape)
    if axis is not None and ops.canonical_axis(origin[2].get("axis", -1), ndim) != ops.canonical_axis(axis, ndim):
        return None
    return origin[1][0]


def _axis_last(axis: int, *values: Any) -> list[Any]:
    """Move the axis of the classes to the end."""
    return [value if axis == -1 else ops.moveaxis(value, axis, -1) for value in values]


def _log_shares(y_pred: Any) -> Any:
    """Return the logarithms of probabilities, made to sum to 1 along the last axis. They are as good as logits."""
    shares = y_pred / ops.sum(y_pred, axis=-1, keepdims=True)
    return ops.log(ops.clip(shares, EPSILON, 1.0 - EPSILON))


def _check_same_shape(name: str, y_true: Any, y_pred: Any, hint: str = "") -> None:
    if ops.shape_of(y_true) != ops.shape_of(y_pred):
        raise ValueError(
            f"{name}: targets and outputs must have the same shape; expected targets of shape {ops.shape_of(y_pred)}; "
            f"received {ops.shape_of(y_true)}{hint}"
        )


def categorical_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1
) -> Any:
    """Return ``-Σ y_true · log y_pred`` along an axis, for probabilities (or logits) `y_pred` of the same shape.

    Parameters
    ----------
    y_true, y_pred : (…, classes)
        Targets, which sum to 1, and predictions.
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
    y_true, y_pred = ops.convert(y_true, "float32"), ops.convert(y_pred, "float32")
    _check_same_shape(
        "categorical_crossentropy", y_true, y_pred, "; for class numbers use sparse_categorical_crossentropy"
    )
    logits = y_pred if from_logits else logits_of(y_pred, "softmax", axis)
    if logits is not None:
        logits, y_true = _axis_last(axis, logits, y_true)
        return ops.apply("softmax_cross_entropy_dense", [logits, y_true], label_smoothing=float(label_smoothing))
    y_pred, y_true = _axis_last(axis, y_pred, y_true)
    if label_smoothing:
        y_true = y_true * (1.0 - label_smoothing) + label_smoothing / ops.shape_of(y_true)[-1]
    return -ops.sum(y_true * _log_shares(y_pred), axis=-1)


def sparse_categorical_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, ignore_class: int | None = None, axis: int = -1
) -> Any:
    """Return ``-log y_pred[y_true]`` for class numbers `y_true` and probabilities (or logits) along an axis.

    Where `y_true` is `ignore_class`, the loss is 0; where it is none of the classes, NaN.

    Parameters
    ----------
    y_true : (…) or (…, 1)
        Class numbers, the axis of the classes left out.
    y_pred : (…, classes)
        Predictions.
    from_logits : bool, default False
        Whether predictions are logits.
    ignore_class : int, optional
        A class number whose samples have no loss.
    axis : int, default -1
        The axis of the classes.

    Returns
    -------
    (…)
        A loss for each sample.
    """
    y_pred = ops.convert(y_pred, "float32")
    y_true = _class_numbers(y_true, y_pred, axis)
    logits = y_pred if from_logits else logits_of(y_pred, "softmax", axis)
    if logits is None:
        logits = _log_shares(*_axis_last(axis, y_pred))
    else:
        (logits,) = _axis_last(axis, logits)
    return ops.apply("softmax_cross_entropy", [logits, y_true], ignore_class=ignore_class)


def _class_numbers(y_true: Any, y_pred: Any, axis: int) -> Any:
    """Return class numbers as integers, without an axis of length 1 in place of the classes'."""
    y_true = ops.convert(y_true)
    shape = ops.shape_of(y_true)
    if len(shape) == len(ops.shape_of(y_pred)) and shape[axis] == 1:
        y_true = ops.squeeze(y_true, axis)
    return ops.convert(y_true, "int32")


def binary_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1
) -> Any:
    """Return the mean of ``-y_true · log y_pred - (1 - y_true) · log(1 - y_pred)`` over an axis.

    Parameters
    ----------
    y_true, y_pred : (…, outputs)
        Targets from 0 to 1, and predictions.
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
    y_pred = ops.convert(y_pred, "float32")
    logits = y_pred if from_logits else logits_of(y_pred, "sigmoid")
    y_true, y_pred = paired(y_true, y_pred if logits is None else logits)
    _check_same_shape("binary_crossentropy", y_true, y_pred)
    if logits is not None:
        return ops.apply(
            "sigmoid_cross_entropy", _axis_last(axis, y_pred, y_true), label_smoothing=float(label_smoothing)
        )
    if label_smoothing:
        y_true = y_true * (1.0 - label_smoothing) + 0.5 * label_smoothing
    p = ops.clip(y_pred, EPSILON, 1.0 - EPSILON)
    return ops.mean(-(y_true * ops.log(p) + (1.0 - y_true) * ops.log(1.0 - p)), axis=axis)


def categorical_generalized_cross_entropy(y_true: Any, y_pred: Any, q: float) -> Any:
    """Return ``(1 - y_pred[y_true]^q) / q`` for class numbers and probabilities along the last axis: between the
    cross-entropy (q → 0) and the absolute error (q = 1), which bears wrong labels better (Zhang and Sabuncu, 2018).
    """
    y_pred = ops.convert(y_pred, "float32")
    target = ops.one_hot(_class_numbers(y_true, y_pred, -1), ops.shape_of(y_pred)[-1])
    return (1.0 - ops.power(ops.sum(target * y_pred, axis=-1), q)) / q


class SparseLoss(LossFunctionWrapper):
    """A loss whose targets are class numbers."""

    def _num_classes(self, output: tuple[int, ...]) -> int:
        return output[self.arguments.get("axis", -1)]

    def check_shapes(self, target: tuple[int, ...], output: tuple[int, ...]) -> None:
        axis = ops.canonical_axis(self.arguments.get("axis", -1), len(output))
        expected = output[:axis] + output[axis + 1 :]
        with_axis = (*output[:axis], 1, *output[axis + 1 :])
        if target not in (expected, with_axis):
            hint = "; for one-hot targets use categorical_crossentropy" if target == output else ""
            raise ValueError(
                f"{self.name}: expected class numbers of shape {batch_of(expected)}, for outputs of shape "
                f"{batch_of(output)}; received {batch_of(target)}{hint}"
            )

    def check_target(self, y_true: np.ndarray, output_shape: tuple[int, ...]) -> None:
        classes = self._num_classes(output_shape)
        if not _core.are_classes(y_true, classes):
            super().check_target(y_true, output_shape)
            check_classes(self.name, y_true, classes, self.arguments.get("ignore_class"))


@registry.add("bce", "BCE")
class BinaryCrossentropy(PairedLoss):
    """The cross-entropy of yes or no; see :func:`binary_crossentropy`.

    Parameters
    ----------
    from_logits : bool, default False
        Whether predictions are logits rather than probabilities. (Probabilities that a sigmoid makes are planned as
        logits anyway.)
    label_smoothing : float, default 0.0
        How far targets are moved towards 1/2.
    axis : int, default -1
        The axis averaged over.
    reduction, name, dtype
        As in :class:`Loss`.
    """

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str = "binary_crossentropy",
        dtype: Any = None,
    ):
        check_smoothing(label_smoothing)
        super().__init__(
            binary_crossentropy, reduction, name, dtype, from_logits=from_logits, label_smoothing=label_smoothing,
            axis=axis,
        )  # fmt: skip


@registry.add("cce")
class CategoricalCrossentropy(PairedLoss):
    """The cross-entropy of one-hot or soft targets; see :func:`categorical_crossentropy`.

    Parameters
    ----------
    from_logits : bool, default False
        Whether predictions are logits rather than probabilities. (Probabilities that a softmax makes are planned as
        logits anyway.)
    label_smoothing : float, default 0.0
        How far targets are moved towards equal shares.
    axis : int, default -1
        The axis of the classes.
    reduction, name, dtype
        As in :class:`Loss`.
    """

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str = "categorical_crossentropy",
        dtype: Any = None,
    ):
        check_smoothing(label_smoothing)
        super().__init__(
            categorical_crossentropy, reduction, name, dtype, from_logits=from_logits,
            label_smoothing=label_smoothing, axis=axis,
        )  # fmt: skip


@registry.add("scce")
class SparseCategoricalCrossentropy(SparseLoss):
    """The cross-entropy of class numbers; see :func:`sparse_categorical_crossentropy`.

    Parameters
    ----------
    from_logits : bool, default False
        Whether predictions are logits rather than probabilities. (Probabilities that a softmax makes are planned as
        logits anyway.)
    ignore_class : int, optional
        A class number whose samples have no loss.
    reduction, axis, name, dtype
        As in :class:`Loss`.
    """

    def __init__(
        self,
        from_logits: bool = False,
        ignore_class: int | None = None,
        reduction: str | None = "sum_over_batch_size",
        axis: int = -1,
        name: str = "sparse_categorical_crossentropy",
        dtype: Any = None,
    ):
        super().__init__(
            sparse_categorical_crossentropy, reduction, name, dtype, from_logits=from_logits,
            ignore_class=ignore_class, axis=axis,
        )  # fmt: skip

    def counted(self, y_true: Any, y_pred: Any) -> Any:
        ignored = self.arguments["ignore_class"]
        if ignored is None:
            return None
        return ops.not_equal(_class_numbers(y_true, y_pred, self.arguments["axis"]), ignored)


@registry.add()
class CategoricalGeneralizedCrossEntropy(SparseLoss):
    """A cross-entropy that bears wrong labels; see :func:`categorical_generalized_cross_entropy`.

    Parameters
    ----------
    q : float, default 0.5
        From near 0 (the cross-entropy) to 1 (the absolute error).
    reduction, name, dtype
        As in :class:`Loss`.

    Raises
    ------
    ValueError
        If `q` is not above 0 and below 1.
    """

    def __init__(
        self,
        q: float = 0.5,
        reduction: str | None = "sum_over_batch_size",
        name: str = "categorical_generalized_cross_entropy",
        dtype: Any = None,
    ):
        if not 0 < (real(q) or 0.0) < 1:
            raise ValueError(f"CategoricalGeneralizedCrossEntropy: expected q above 0 and below 1; received {q!r}")
        super().__init__(categorical_generalized_cross_entropy, reduction, name, dtype, q=q)


def check_smoothing(label_smoothing: float) -> None:
    """Check that label smoothing is a share.

    Raises
    ------
    ValueError
        If it is not from 0 to 1.
    """
    number = real(label_smoothing)
    if number is None or not 0 <= number <= 1:
        raise ValueError(f"label_smoothing: expected a share from 0 to 1; received {label_smoothing!r}")


def check_classes(name: str, y_true: np.ndarray, num_classes: int, ignore_class: int | None = None) -> None:
    """Check that targets are class numbers.

    Raises
    ------
    ValueError
        If they are not integers from 0 to ``num_classes - 1`` (or `ignore_class`).
    """
    if y_true.dtype.kind == "f" and not (y_true == np.floor(y_true)).all():
        raise ValueError(
            f"{name}: expected class numbers from 0 to {num_classes - 1}; received fractions such as "
            f"{y_true[y_true != np.floor(y_true)].flat[0]}; for probabilities use categorical_crossentropy"
        )
    valid = (y_true >= 0) & (y_true < num_classes)
    if ignore_class is not None:
        valid |= y_true == ignore_class
    if not valid.all():
        raise ValueError(
            f"{name}: expected class numbers from 0 to {num_classes - 1}, the model has {num_classes} outputs; "
            f"received {y_true[~valid].flat[0]}"
        )
