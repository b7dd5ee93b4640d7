"""Penalties on weights or activations, which training adds to the loss."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any

from . import ops
from .registry import Registry


class Regularizer:
    """Base of all regularizers: define ``__call__`` by :mod:`nnfast.ops`, and ``get_config`` if there are settings."""

    def __call__(self, x: Any) -> Any:
        """Return the penalty on `x`, a scalar."""
        raise NotImplementedError(f"{type(self).__name__} must define __call__(self, x)")

    def get_config(self) -> dict[str, Any]:
        """Return the settings from which :meth:`from_config` makes an equal regularizer."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Regularizer:
        """Make a regularizer from what :meth:`get_config` returned."""
        return cls(**config)


registry = Registry("regularizer", Regularizer)


def validate_float_arg(value: Any, name: str) -> float:
    """Return `value` as a float.

    Raises
    ------
    ValueError
        If it is no finite number of at least 0.
    """
    if not isinstance(value, Real) or not math.isfinite(value) or value < 0:
        raise ValueError(f"Invalid value for argument {name}: expected a non-negative float. Received: {name}={value}")
    return float(value)


@registry.add("l1_l2", "elastic_net")
class L1L2(Regularizer):
    """l1·Σ|x| + l2·Σx²: the elastic net.

    Parameters
    ----------
    l1 : float, default 0.0
        The factor of the absolute values.
    l2 : float, default 0.0
        The factor of the squares.

    Raises
    ------
    ValueError
        If a factor is no finite number of at least 0.
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0):
        self.l1 = validate_float_arg(0.0 if l1 is None else l1, "l1")
        self.l2 = validate_float_arg(0.0 if l2 is None else l2, "l2")

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
class L1(L1L2):
    """l1·Σ|x|, which makes weights sparse.

    Parameters
    ----------
    l1 : float, default 0.01
        The factor.

    Raises
    ------
    ValueError
        If the factor is no finite number of at least 0.
    """

    def __init__(self, l1: float = 0.01):
        super().__init__(l1=0.01 if l1 is None else l1)

    def get_config(self) -> dict[str, Any]:
        return {"l1": self.l1}


@registry.add()
class L2(L1L2):
    """l2·Σx², which keeps weights small (PyTorch's weight decay of w is l2 = w / 2).

    Parameters
    ----------
    l2 : float, default 0.01
        The factor.

    Raises
    ------
    ValueError
        If the factor is no finite number of at least 0.
    """

    def __init__(self, l2: float = 0.01):
        super().__init__(l2=0.01 if l2 is None else l2)

    def get_config(self) -> dict[str, Any]:
        return {"l2": self.l2}


@registry.add()
class OrthogonalRegularizer(Regularizer):
    """The factor times the mean of |cos| of the angles between rows, or columns, of a matrix.

    Parameters
    ----------
    factor : float, default 0.01
        The factor.
    mode : {"rows", "columns"}, default "rows"
        What shall be orthogonal.

    Raises
    ------
    ValueError
        If the factor is no finite number of at least 0, the mode unknown, or, when called, `x` no matrix.
    """

    def __init__(self, factor: float = 0.01, mode: str = "rows"):
        self.factor = validate_float_arg(factor, "factor")
        if mode not in ("rows", "columns"):
            raise ValueError(
                f'Invalid value for argument `mode`. Expected one of {{"rows", "columns"}}. Received: mode={mode}'
            )
        self.mode = mode

    def __call__(self, x: Any) -> Any:
        shape = ops.shape_of(x)
        if len(shape) != 2:
            raise ValueError(f"Inputs to OrthogonalRegularizer must have rank 2. Received: inputs.shape={shape}")
        rows = self.mode == "rows"
        count = shape[0] if rows else shape[1]
        unit = ops.normalize(ops.convert(x, "float32"), axis=1 if rows else 0)
        cosines = ops.abs(ops.apply("matmul", [unit, unit], transpose_a=not rows, transpose_b=rows))
        # The diagonal is 1 but for rows of zeros, and every pair stands there twice.
        off_diagonal = ops.sum(cosines) - ops.sum(ops.square(unit))
        return self.factor / max(count * (count - 1), 1) * off_diagonal

    def get_config(self) -> dict[str, Any]:
        return {"factor": self.factor, "mode": self.mode}


get = registry.get
serialize = registry.serialize
deserialize = registry.deserialize

# The lower-case names that Keras exports too.
l1, l2, l1_l2 = L1, L2, L1L2
orthogonal_regularizer = OrthogonalRegularizer
