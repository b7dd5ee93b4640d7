"""Regularizers: penalties on weights and outputs, added to the loss."""

from __future__ import annotations

import math
from typing import Any

from . import ops
from .registry import Registry


class Regularizer:
    """Base of regularizers: ``__call__(x)`` gives a scalar, by :mod:`nnfast.ops`."""

    def __call__(self, x: Any) -> Any:
        """Return the penalty."""
        return 0.0

    def get_config(self) -> dict[str, Any]:
        """Return the settings from which :meth:`from_config` makes an equal regularizer."""
        raise NotImplementedError(f"{self} does not implement get_config()")

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Regularizer:
        """Make a regularizer from what :meth:`get_config` returned."""
        return cls(**config)


def _checked(name: str, value: Any) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise ValueError(f"Invalid value for argument {name}: expected a non-negative float. Received: {name}={value}")
    if math.isnan(value) or math.isinf(value) or value < 0:
        raise ValueError(f"Invalid value for argument {name}: expected a non-negative float. Received: {name}={value}")
    return float(value)


registry = Registry("regularizer", Regularizer)


@registry.add("l1_l2")
class L1L2(Regularizer):
    """``l1 · Σ|x| + l2 · Σx²``, the elastic net (Zou and Hastie, 2005).

    Parameters
    ----------
    l1, l2 : float, default 0.0
        The factors, at least 0.

    Raises
    ------
    ValueError
        If a factor is negative or not finite.
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0):
        self.l1 = _checked("l1", 0.0 if l1 is None else l1)
        self.l2 = _checked("l2", 0.0 if l2 is None else l2)

    def __call__(self, x: Any) -> Any:
        penalty: Any = 0.0
        if self.l1:
            penalty = self.l1 * ops.sum(ops.abs(x))
        if self.l2:
            penalty = penalty + self.l2 * ops.sum(ops.square(x))
        return penalty

    def get_config(self) -> dict[str, Any]:
        return {"l1": self.l1, "l2": self.l2}


@registry.add()
class L1(Regularizer):
    """``l1 · Σ|x|``.

    Parameters
    ----------
    l1 : float, default 0.01
        The factor, at least 0.
    """

    def __init__(self, l1: float = 0.01):
        self.l1 = _checked("l1", 0.01 if l1 is None else l1)

    def __call__(self, x: Any) -> Any:
        return self.l1 * ops.sum(ops.abs(x))

    def get_config(self) -> dict[str, Any]:
        return {"l1": self.l1}


@registry.add()
class L2(Regularizer):
    """``l2 · Σx²``. (PyTorch's weight decay of the same name is half of that.)

    Parameters
    ----------
    l2 : float, default 0.01
        The factor, at least 0.
    """

    def __init__(self, l2: float = 0.01):
        self.l2 = _checked("l2", 0.01 if l2 is None else l2)

    def __call__(self, x: Any) -> Any:
        return self.l2 * ops.sum(ops.square(x))

    def get_config(self) -> dict[str, Any]:
        return {"l2": self.l2}


l1, l2, l1_l2 = L1, L2, L1L2

get = registry.get
serialize = registry.serialize
deserialize = registry.deserialize
