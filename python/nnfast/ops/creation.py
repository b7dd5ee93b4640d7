"""Arrays that are the same in every step. Arithmetic is float32, so that is what they are made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .apply import convert
from .manipulation import ones_like


def _made(array: np.ndarray, dtype: str | None) -> np.ndarray:
    return convert(array, "float32" if dtype in (None, "bool") else dtype)


def zeros(shape: int | Sequence[int], dtype: str | None = None) -> np.ndarray:
    """Return an array of zeros."""
    return _made(np.zeros(shape), dtype)


def ones(shape: int | Sequence[int], dtype: str | None = None) -> np.ndarray:
    """Return an array of ones."""
    return _made(np.ones(shape), dtype)


def full(shape: int | Sequence[int], fill_value: Any, dtype: str | None = None) -> np.ndarray:
    """Return an array of one value."""
    return _made(np.full(shape, fill_value), dtype)


def full_like(x: Any, fill_value: Any) -> Any:
    """Return one value in the shape of `x`."""
    return ones_like(x) * fill_value


def eye(N: int, M: int | None = None, k: int = 0, dtype: str | None = None) -> np.ndarray:
    """Return an N × M matrix with ones on the diagonal, `k` columns to the right of the main one."""
    return _made(np.eye(N, M, k), dtype)


def arange(start: float, stop: float | None = None, step: float | None = None, dtype: str | None = None) -> np.ndarray:
    """Return numbers from `start` (0 where only one is given) up to `stop`, without it; integers as int32."""
    numbers = np.arange(0 if stop is None else start, start if stop is None else stop, 1 if step is None else step)
    return convert(numbers, dtype)


def linspace(start: float, stop: float, num: int = 50, dtype: str | None = None) -> np.ndarray:
    """Return `num` numbers at equal distances, from `start` to `stop`."""
    return _made(np.linspace(start, stop, num), dtype)


def convert_to_numpy(x: Any) -> np.ndarray:
    """Return what has numbers already, such as a weight, as an array.

    Raises
    ------
    TypeError
        If `x` is a tensor of a step that is only being planned.
    """
    if not hasattr(x, "__array__") and hasattr(x, "shape"):
        raise TypeError(f"convert_to_numpy: expected something with numbers; received {x!r}, which has none yet")
    return np.array(x)
