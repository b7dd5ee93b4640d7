"""What users pass as numbers, as arrays."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np


def to_numpy(value: Any, what: str) -> np.ndarray:
    """Return an array of whatever type NumPy finds.

    Raises
    ------
    ValueError
        If it is None, a nested list whose rows have different lengths, or complex numbers.
    """
    if value is None:
        raise ValueError(f"{what}: expected an array of numbers; received None")
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{what}: expected an array of numbers; received rows of different lengths") from error
    if array.dtype.kind == "c":
        raise ValueError(f"{what}: expected an array of numbers; received one of dtype {array.dtype}; pass x.real")
    return array


def to_int32(array: np.ndarray, what: str) -> np.ndarray:
    """Return integers as int32; the same array where it already is one.

    Raises
    ------
    ValueError
        If one takes more than 32 bits.
    """
    limits = np.iinfo(np.int32)
    if array.size and not np.can_cast(array.dtype, np.int32):
        worst = max(array.max(), array.min(), key=lambda value: abs(int(value)))
        if not limits.min <= worst <= limits.max:
            raise ValueError(f"{what}: expected integers that fit in 32 bits; received {worst}")
    return array.astype(np.int32, copy=False)


def as_array(value: Any, what: str) -> np.ndarray:
    """Return data as a C-ordered float32 or int32 array; the same object where it already is one.

    Raises
    ------
    ValueError
        If it holds something other than numbers.
    """
    if hasattr(value, "to_numpy") and not isinstance(value, np.ndarray):
        value = value.to_numpy()  # pandas, polars
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise ValueError(
            f"{what}: expected an array of numbers; received one with {np.ma.count_masked(value)} masked elements; "
            "fill them, e.g. x.filled(0), or leave their rows out"
        )
    array = to_numpy(value, what)
    if array.dtype.kind == "O":
        try:
            array = array.astype(np.float32)
        except (TypeError, ValueError):
            raise ValueError(
                f"{what}: expected an array of numbers; received objects such as {_first_other(array)!r}; "
                "encode text and categories as numbers first"
            ) from None
    if array.dtype.kind in "iub":
        return np.ascontiguousarray(to_int32(array, what))
    if array.dtype.kind != "f":
        raise ValueError(f"{what}: expected an array of numbers; received one of dtype {array.dtype}")
    return np.ascontiguousarray(array, np.float32)


def _first_other(array: np.ndarray) -> Any:
    """Return the first object of an array that is no number."""
    return next((item for item in array.flat if not isinstance(item, Real)), array.flat[0])
