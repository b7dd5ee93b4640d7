"""Losses: what training minimizes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import _core, ops
from .registry import Registry

REDUCTIONS = ("sum_over_batch_size", "mean", "mean_with_sample_weight", "sum", "none", None)


class Loss:
    """Base of losses: ``call(y_true, y_pred)`` gives the loss of each sample, by :mod:`nnfast.ops`.

    Parameters
    ----------
    name : str, optional
        The loss's name.
    reduction : str or None, default "sum_over_batch_size"
        How the losses of the samples become one number: ``"sum_over_batch_size"`` or ``"mean"`` (sum of the weighted
        losses over their number), ``"mean_with_sample_weight"`` (over the sum of the weights), ``"sum"``, or
        ``"none"`` for no reduction.
    dtype : str, optional
        Only float32 is computed with.

    Raises
    ------
    ValueError
        If `reduction` is unknown.
    """

    def __init__(self, name: str | None = None, reduction: str | None = "sum_over_batch_size", dtype: Any = None):
        if reduction not in REDUCTIONS:
            raise ValueError(f"Unknown reduction {reduction!r}; expected one of: {', '.join(map(str, REDUCTIONS))}")
        self.name = name or type(self).__name__
        self.reduction = reduction
        self.dtype = "float32"

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the loss of each sample."""
        raise NotImplementedError(f"{type(self).__name__} must define call(self, y_true, y_pred)")

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Return the loss.

        Parameters
        ----------
        y_true, y_pred : array or tensor
            Targets and predictions, ``(batch, …)``.
        sample_weight : array or tensor, optional
            A weight for each sample, or of a shape that broadcasts to the losses.

        Returns
        -------
        array or tensor
            A scalar, unless the reduction is none.
        """
        y_true, y_pred = same_rank(ops.convert(y_true), ops.convert(y_pred, "float32"))
        return reduce_weighted(self.call(y_true, y_pred), sample_weight, self.reduction)

    def check_target(self, y_true: np.ndarray, output_shape: tuple[int, ...]) -> None:
        """Look at targets before training: what a planned step cannot say in words.

        Raises
        ------
        ValueError
            If there are NaN or infinite values among them.
        """
        if y_true.dtype.kind == "f" and not _core.all_finite(y_true):
            bad = int(np.size(y_true) - np.isfinite(y_true).sum())
            raise ValueError(
                f"{self.name}: expected finite targets; received {bad} NaN or infinite values in y of shape "
                f"{y_true.shape}; remove these samples, or give them a sample_weight of 0 and a finite target"
            )

    def get_config(self) -> dict[str, Any]:
        """Return the settings from which :meth:`from_config` makes an equal loss."""
        return {"name": self.name, "reduction": self.reduction}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Loss:
        """Make a loss from what :meth:`get_config` returned."""
        return cls(**config)


class LossFunctionWrapper(Loss):
    """A loss from a function of ``(y_true, y_pred)`` that returns the loss of each sample.

    Parameters
    ----------
    fn : callable
        The function.
    reduction, name, dtype
        As in :class:`Loss`.
    **kwargs
        Passed to `fn`.
    """

    def __init__(
        self,
        fn: Callable[..., Any],
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ):
        super().__init__(name=name or getattr(fn, "__name__", type(self).__name__), reduction=reduction, dtype=dtype)
        self.fn = fn
        self.arguments = kwargs

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return self.fn(y_true, y_pred, **self.arguments)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self.arguments}


def same_rank(first: Any, second: Any) -> tuple[Any, Any]:
    """Add or drop a last axis of length 1 where one of the two has it and the other has not, as Keras does."""
    a, b = ops.shape_of(first), ops.shape_of(second)
    if len(a) == len(b) + 1 and a[-1] == 1:
        return (first, ops.expand_dims(second, -1)) if len(b) == 1 else (ops.squeeze(first, -1), second)
    if len(b) == len(a) + 1 and b[-1] == 1:
        return (ops.expand_dims(first, -1), second) if len(a) == 1 else (first, ops.squeeze(second, -1))
    return first, second


def reduce_weighted(values: Any, sample_weight: Any = None, reduction: str | None = "sum_over_batch_size") -> Any:
    """Weight losses and reduce them to one number, as :class:`Loss` says."""
    if sample_weight is not None:
        sample_weight, values = same_rank(ops.convert(sample_weight, "float32"), values)
        weight = sample_weight
        while len(ops.shape_of(weight)) < len(ops.shape_of(values)):
            weight = ops.expand_dims(weight, -1)
        values = values * weight
    if reduction in (None, "none"):
        return values
    if reduction == "sum":
        return ops.sum(values)
    if reduction == "mean_with_sample_weight" and sample_weight is not None:
        return ops.divide_no_nan(ops.sum(values), ops.sum(ops.broadcast_to(weight, ops.shape_of(values))))
    return ops.mean(values)


registry = Registry("loss", Loss)


def mean_squared_error(y_true: Any, y_pred: Any) -> Any:
    """Return ``mean((y_true - y_pred)²)`` over the last axis."""
    y_true, y_pred = same_rank(ops.convert(y_true, "float32"), y_pred)
    return ops.mean(ops.square(y_true - y_pred), axis=-1)


def mean_absolute_error(y_true: Any, y_pred: Any) -> Any:
    """Return ``mean(|y_true - y_pred|)`` over the last axis."""
    y_true, y_pred = same_rank(ops.convert(y_true, "float32"), y_pred)
    return ops.mean(ops.abs(y_true - y_pred), axis=-1)


EPSILON = 1e-7


def logits_of(probabilities: Any, activation: str) -> Any:
    """Return the input of the activation that makes `probabilities`, or None where another operation does.

    The cross-entropy of logits is stable where that of probabilities is not, and one pass in place of two.
    """
    origin = getattr(probabilities, "origin", None)
    if origin is None or origin[0] != activation:
        return None
    axis = origin[2].get("axis", -1)
    return origin[1][0] if axis in (-1, len(probabilities.shape) - 1) else None


def _axis_last(axis: int, *values: Any) -> list[Any]:
    """Move the axis of the classes to the end."""
    return [value if axis == -1 else ops.moveaxis(value, axis, -1) for value in values]


def _smooth_attribute(label_smoothing: float) -> float | None:
    return float(label_smoothing) or None


def categorical_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1
) -> Any:
    """Return ``-Σ y_true · log y_pred`` along an axis, for probabilities (or logits) `y_pred` of the same shape."""
    y_true, y_pred = ops.convert(y_true, "float32"), ops.convert(y_pred, "float32")
    if ops.shape_of(y_true) != ops.shape_of(y_pred):
        raise ValueError(
            f"categorical_crossentropy: expected targets of the outputs' shape {ops.shape_of(y_pred)}; "
            f"received {ops.shape_of(y_true)}; for class numbers use sparse_categorical_crossentropy"
        )
    logits = y_pred if from_logits else logits_of(y_pred, "softmax")
    if logits is not None:
        logits, y_true = _axis_last(axis, logits, y_true)
        return ops.apply(
            "softmax_cross_entropy_dense", [logits, y_true], label_smoothing=_smooth_attribute(label_smoothing)
        )
    y_pred, y_true = _axis_last(axis, y_pred, y_true)
    if label_smoothing:
        y_true = y_true * (1.0 - label_smoothing) + label_smoothing / ops.shape_of(y_true)[-1]
    y_pred = y_pred / ops.sum(y_pred, axis=-1, keepdims=True)
    return -ops.sum(y_true * ops.log(ops.clip(y_pred, EPSILON, 1.0 - EPSILON)), axis=-1)


def sparse_categorical_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, ignore_class: int | None = None, axis: int = -1
) -> Any:
    """Return ``-log y_pred[y_true]`` for class numbers `y_true` and probabilities (or logits) along an axis.

    Where `y_true` is `ignore_class`, the loss is 0.
    """
    y_pred = ops.convert(y_pred, "float32")
    if len(ops.shape_of(y_true)) == len(ops.shape_of(y_pred)):
        y_true = ops.squeeze(y_true, -1)
    y_true = ops.convert(y_true, "int32")
    logits = y_pred if from_logits else logits_of(y_pred, "softmax")
    if logits is None:
        (y_pred,) = _axis_last(axis, y_pred)
        # The logarithm of probabilities that sum to 1 is as good as logits.
        y_pred = y_pred / ops.sum(y_pred, axis=-1, keepdims=True)
        target = ops.one_hot(y_true, ops.shape_of(y_pred)[-1])
        return -ops.sum(target * ops.log(ops.clip(y_pred, EPSILON, 1.0 - EPSILON)), axis=-1)
    (logits,) = _axis_last(axis, logits)
    return ops.apply("softmax_cross_entropy", [logits, y_true], ignore_class=ignore_class)


def binary_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1
) -> Any:
    """Return the mean of ``-y_true · log y_pred - (1 - y_true) · log(1 - y_pred)`` over an axis."""
    y_true, y_pred = same_rank(ops.convert(y_true, "float32"), ops.convert(y_pred, "float32"))
    if label_smoothing:
        y_true = y_true * (1.0 - label_smoothing) + 0.5 * label_smoothing
    logits = y_pred if from_logits else logits_of(y_pred, "sigmoid")
    if logits is not None and ops.shape_of(logits) == ops.shape_of(y_true):
        # -y log σ(z) - (1 - y) log(1 - σ(z)), without overflow
        losses = ops.maximum(logits, 0.0) - logits * y_true + ops.apply("softplus", [-ops.abs(logits)])
    else:
        p = ops.clip(y_pred, EPSILON, 1.0 - EPSILON)
        losses = -(y_true * ops.log(p) + (1.0 - y_true) * ops.log(1.0 - p))
    return ops.mean(losses, axis=axis)


@registry.add("mse")
class MeanSquaredError(LossFunctionWrapper):
    """The mean of the squared errors."""

    def __init__(
        self, reduction: str | None = "sum_over_batch_size", name: str = "mean_squared_error", dtype: Any = None
    ):
        super().__init__(mean_squared_error, reduction, name, dtype)


@registry.add("mae")
class MeanAbsoluteError(LossFunctionWrapper):
    """The mean of the absolute errors."""

    def __init__(
        self, reduction: str | None = "sum_over_batch_size", name: str = "mean_absolute_error", dtype: Any = None
    ):
        super().__init__(mean_absolute_error, reduction, name, dtype)


@registry.add("bce")
class BinaryCrossentropy(LossFunctionWrapper):
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
        _check_smoothing(label_smoothing)
        super().__init__(
            binary_crossentropy, reduction, name, dtype, from_logits=from_logits, label_smoothing=label_smoothing,
            axis=axis,
        )  # fmt: skip


@registry.add("cce")
class CategoricalCrossentropy(LossFunctionWrapper):
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
        _check_smoothing(label_smoothing)
        super().__init__(
            categorical_crossentropy, reduction, name, dtype, from_logits=from_logits,
            label_smoothing=label_smoothing, axis=axis,
        )  # fmt: skip


@registry.add("scce")
class SparseCategoricalCrossentropy(LossFunctionWrapper):
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
        self.ignore_class = ignore_class
        super().__init__(
            sparse_categorical_crossentropy, reduction, name, dtype, from_logits=from_logits,
            ignore_class=ignore_class, axis=axis,
        )  # fmt: skip

    def check_target(self, y_true: np.ndarray, output_shape: tuple[int, ...]) -> None:
        super().check_target(y_true, output_shape)
        check_classes(self.name, y_true, output_shape[-1], self.ignore_class)


def _check_smoothing(label_smoothing: float) -> None:
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"label_smoothing: expected a share from 0 to 1; received {label_smoothing}")


def check_classes(name: str, y_true: np.ndarray, num_classes: int, ignore_class: int | None = None) -> None:
    """Check that targets are class numbers.

    Raises
    ------
    ValueError
        If they are not integers from 0 to ``num_classes - 1`` (or `ignore_class`).
    """
    if _core.are_classes(y_true, num_classes):
        return
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


def get(identifier: Any) -> Any:
    """Return the loss or loss function that `identifier` stands for; None stays None."""
    return registry.get(identifier)


serialize = registry.serialize
deserialize = registry.deserialize
