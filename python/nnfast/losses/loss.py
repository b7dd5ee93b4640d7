"""The base of losses, and how the losses of the samples become one number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import _core, ops
from ..messages import show_shape
from ..registry import Registry, custom_objects

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
            raise ValueError(
                f"Invalid value for argument `reduction`: expected one of {', '.join(map(str, REDUCTIONS))}; "
                f"received {reduction!r}"
            )
        self.name = name or type(self).__name__
        self.reduction = reduction
        self.dtype = "float32"

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the loss of each sample."""
        raise NotImplementedError(f"{type(self).__name__} must define call(self, y_true, y_pred)")

    def counted(self, y_true: Any, y_pred: Any) -> Any:
        """Return 1 for each loss that counts, 0 for those that a mean leaves out; None where all count."""
        return None

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
        y_true, y_pred = ops.convert(y_true), ops.convert(y_pred, "float32")
        counted = self.counted(y_true, y_pred)
        values = self.call(*same_rank(y_true, y_pred))
        if values is None:
            raise ValueError(f"{self.name}: expected a function that returns the loss of each sample; received None")
        return reduce_weighted(values, sample_weight, self.reduction, counted)

    def check_shapes(self, target: tuple[int, ...], output: tuple[int, ...]) -> None:
        """Refuse targets of a shape that the loss would broadcast against the outputs.

        Raises
        ------
        ValueError
            If the shapes do not belong together.
        """

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
        config = {**super().get_config(), **self.arguments}
        if type(self) is LossFunctionWrapper:
            name = getattr(self.fn, "__name__", "")
            # A function that nobody registered stays itself: good for a copy, and refused by a file.
            config["fn"] = name if custom_objects.get(name) is self.fn else self.fn
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Loss:
        if isinstance(name := config.get("fn"), str):
            if name not in custom_objects:
                raise ValueError(
                    f"Unknown loss function {name!r}; make it known by nnfast.utils.register_serializable({name})"
                )
            config = {**config, "fn": custom_objects[name]}
        return cls(**config)


class PairedLoss(LossFunctionWrapper):
    """A loss that compares each output with a target of its own."""

    def check_shapes(self, target: tuple[int, ...], output: tuple[int, ...]) -> None:
        if _same_rank_shapes(target, output):
            return
        hint = ""
        if len(target) == len(output) - 1 or target[-1] == 1:
            hint = "; for class numbers use a sparse loss, or utils.to_categorical(y)"
        raise ValueError(
            f"{self.name}: expected targets of the outputs' shape {batch_of(output)}; received {batch_of(target)}{hint}"
        )


def batch_of(shape: tuple[int, ...]) -> str:
    """Write a shape with "batch" for its first axis."""
    return show_shape((None, *shape[1:]))


def _same_rank_shapes(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    if len(a) != len(b):
        longer, shorter = (a, b) if len(a) > len(b) else (b, a)
        return longer == (*shorter, 1)
    return a == b


def same_rank(first: Any, second: Any) -> tuple[Any, Any]:
    """Add or drop a last axis of length 1 where one of the two has it and the other has not, as Keras does."""
    a, b = ops.shape_of(first), ops.shape_of(second)
    if len(a) == len(b) + 1 and a[-1] == 1:
        return (first, ops.expand_dims(second, -1)) if len(b) == 1 else (ops.squeeze(first, -1), second)
    if len(b) == len(a) + 1 and b[-1] == 1:
        return (ops.expand_dims(first, -1), second) if len(a) == 1 else (first, ops.squeeze(second, -1))
    return first, second


def paired(y_true: Any, y_pred: Any) -> tuple[Any, Any]:
    """Return targets and predictions as float32 of the same rank."""
    return same_rank(ops.convert(y_true, "float32"), ops.convert(y_pred, "float32"))


def reduce_weighted(
    values: Any, sample_weight: Any = None, reduction: str | None = "sum_over_batch_size", counted: Any = None
) -> Any:
    """Weight losses and reduce them as :class:`Loss` says; means leave out those that `counted` has a 0 for."""
    weight = counted
    if sample_weight is not None:
        weight, values = same_rank(ops.convert(sample_weight, "float32"), values)
        while len(ops.shape_of(weight)) < len(ops.shape_of(values)):
            weight = ops.expand_dims(weight, -1)
        if counted is not None:
            weight = weight * counted
    if weight is not None:
        values = values * weight
    if reduction in (None, "none"):
        return values
    if reduction == "sum":
        return ops.sum(values)
    if reduction == "mean_with_sample_weight" and weight is not None:
        return ops.divide_no_nan(ops.sum(values), ops.sum(ops.broadcast_to(weight, ops.shape_of(values))))
    if counted is not None:
        return ops.divide_no_nan(ops.sum(values), ops.sum(counted))
    return ops.mean(values)


registry = Registry("loss", Loss)
