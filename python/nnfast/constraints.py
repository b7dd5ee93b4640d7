"""What weights are projected onto after each step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from . import ops
from .epsilon import EPSILON
from .numeric import to_real
from .registry import Registry


class Constraint:
    """Base of all constraints: define ``__call__`` by :mod:`nnfast.ops`, and ``get_config`` if there are settings."""

    def __call__(self, w: Any) -> Any:
        """Return the weights that `w` becomes; here `w` itself."""
        return w

    def get_config(self) -> dict[str, Any]:
        """Return the settings from which :meth:`from_config` makes an equal constraint."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Constraint:
        """Make a constraint from what :meth:`get_config` returned."""
        return cls(**config)


registry = Registry("constraint", Constraint)


@registry.add()
class MaxNorm(Constraint):
    """Scales weights down to a norm of at most `max_value` (Srivastava et al., 2014).

    Parameters
    ----------
    max_value : float, default 2
        The largest norm.
    axis : int or sequence of int, default 0
        Over which the norm is taken: 0 for the inputs of a dense kernel, [0, 1, 2] for those of a kernel of Conv2D.

    Raises
    ------
    ValueError
        If `max_value` is no finite number.
    """

    def __init__(self, max_value: float = 2, axis: int | Sequence[int] = 0):
        self.max_value = to_real(max_value, "MaxNorm: max_value")
        self.axis = axis

    def __call__(self, w: Any) -> Any:
        norms = _norms(w, self.axis)
        return w * (ops.clip(norms, 0, self.max_value) / (norms + EPSILON))

    def get_config(self) -> dict[str, Any]:
        return {"max_value": self.max_value, "axis": self.axis}


@registry.add()
class NonNeg(Constraint):
    """Replaces negative weights by 0."""

    def __call__(self, w: Any) -> Any:
        return ops.maximum(w, 0.0)


@registry.add()
class UnitNorm(Constraint):
    """Scales weights to a norm of 1.

    Parameters
    ----------
    axis : int or sequence of int, default 0
        Over which the norm is taken, as for :class:`MaxNorm`.
    """

    def __init__(self, axis: int | Sequence[int] = 0):
        self.axis = axis

    def __call__(self, w: Any) -> Any:
        return w / (_norms(w, self.axis) + EPSILON)

    def get_config(self) -> dict[str, Any]:
        return {"axis": self.axis}


@registry.add()
class MinMaxNorm(Constraint):
    """Scales weights towards a norm between `min_value` and `max_value`.

    Parameters
    ----------
    min_value : float, default 0.0
        The smallest norm.
    max_value : float, default 1.0
        The largest norm.
    rate : float, default 1.0
        How much of the way is gone at each step: 1 is all of it.
    axis : int or sequence of int, default 0
        Over which the norm is taken, as for :class:`MaxNorm`.

    Raises
    ------
    ValueError
        If a bound or the rate is no finite number.
    """

    def __init__(
        self, min_value: float = 0.0, max_value: float = 1.0, rate: float = 1.0, axis: int | Sequence[int] = 0
    ):
        self.min_value = to_real(min_value, "MinMaxNorm: min_value")
        self.max_value = to_real(max_value, "MinMaxNorm: max_value")
        self.rate = to_real(rate, "MinMaxNorm: rate")
        self.axis = axis

    def __call__(self, w: Any) -> Any:
        norms = _norms(w, self.axis)
        wanted = self.rate * ops.clip(norms, self.min_value, self.max_value) + (1 - self.rate) * norms
        return w * (wanted / (norms + EPSILON))

    def get_config(self) -> dict[str, Any]:
        return {
            "min_value": self.min_value,
            "max_value": self.max_value,
            "rate": self.rate,
            "axis": self.axis,
        }


def _norms(w: Any, axis: int | Sequence[int]) -> Any:
    return ops.sqrt(ops.sum(ops.square(w), axis=axis, keepdims=True))


get = registry.get
serialize = registry.serialize
deserialize = registry.deserialize

# The lower-case names that Keras exports too.
max_norm, non_neg, unit_norm, min_max_norm = MaxNorm, NonNeg, UnitNorm, MinMaxNorm
