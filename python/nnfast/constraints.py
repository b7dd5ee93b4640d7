"""Constraints: what weights are projected onto after each step of the optimizer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from . import ops
from .registry import Registry

EPSILON = 1e-7


class Constraint:
    """Base of constraints: ``__call__(w)`` gives the weight to use instead, by :mod:`nnfast.ops`."""

    def __call__(self, w: Any) -> Any:
        """Return the projected weight."""
        raise NotImplementedError(f"{type(self).__name__} must define __call__(self, w)")

    def get_config(self) -> dict[str, Any]:
        """Return the settings from which :meth:`from_config` makes an equal constraint."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Constraint:
        """Make a constraint from what :meth:`get_config` returned."""
        return cls(**config)


registry = Registry("constraint", Constraint)


def _norm(w: Any, axis: Any) -> Any:
    return ops.sqrt(ops.sum(ops.square(w), axis=axis, keepdims=True))


@registry.add()
class MaxNorm(Constraint):
    """Scales down weights whose norm along an axis exceeds a bound (Srivastava et al., 2014).

    Parameters
    ----------
    max_value : float, default 2
        The largest norm.
    axis : int or sequence of int, default 0
        The axes of one norm: 0 for a Dense kernel, ``[0, 1, 2]`` for a Conv2D kernel.
    """

    def __init__(self, max_value: float = 2, axis: int | Sequence[int] = 0):
        self.max_value = max_value
        self.axis = axis

    def __call__(self, w: Any) -> Any:
        norms = _norm(w, self.axis)
        return w * (ops.clip(norms, 0.0, self.max_value) / (EPSILON + norms))

    def get_config(self) -> dict[str, Any]:
        return {"max_value": self.max_value, "axis": self.axis}


@registry.add()
class NonNeg(Constraint):
    """Sets negative weights to 0."""

    def __call__(self, w: Any) -> Any:
        return ops.maximum(w, 0.0)


@registry.add()
class UnitNorm(Constraint):
    """Scales weights to norm 1 along an axis.

    Parameters
    ----------
    axis : int or sequence of int, default 0
        The axes of one norm.
    """

    def __init__(self, axis: int | Sequence[int] = 0):
        self.axis = axis

    def __call__(self, w: Any) -> Any:
        return w / (EPSILON + _norm(w, self.axis))

    def get_config(self) -> dict[str, Any]:
        return {"axis": self.axis}


@registry.add()
class MinMaxNorm(Constraint):
    """Moves weights towards norms between two bounds along an axis.

    Parameters
    ----------
    min_value, max_value : float, default 0.0, 1.0
        The smallest and the largest norm.
    rate : float, default 1.0
        How far to go: 1 all the way.
    axis : int or sequence of int, default 0
        The axes of one norm.
    """

    def __init__(
        self, min_value: float = 0.0, max_value: float = 1.0, rate: float = 1.0, axis: int | Sequence[int] = 0
    ):
        self.min_value = min_value
        self.max_value = max_value
        self.rate = rate
        self.axis = axis

    def __call__(self, w: Any) -> Any:
        norms = _norm(w, self.axis)
        wanted = self.rate * ops.clip(norms, self.min_value, self.max_value) + (1 - self.rate) * norms
        return w * (wanted / (EPSILON + norms))

    def get_config(self) -> dict[str, Any]:
        return {"min_value": self.min_value, "max_value": self.max_value, "rate": self.rate, "axis": self.axis}


max_norm, non_neg, unit_norm, min_max_norm = MaxNorm, NonNeg, UnitNorm, MinMaxNorm

get = registry.get
serialize = registry.serialize
deserialize = registry.deserialize
