"""Numbers as users pass them: Python's or NumPy's, and no integer that would first have to be cut off."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any, TypeVar

import numpy as np

Found = TypeVar("Found")


def integer(value: Any) -> int | None:
    """Return an integer as Python's, None for anything else."""
    return int(value) if isinstance(value, (int, np.integer)) and not isinstance(value, bool) else None


def integers(value: Any) -> tuple[int, ...] | None:
    """Return one integer or several as a tuple, None for anything else."""
    if (one := integer(value)) is not None:
        return (one,)
    several = [integer(part) for part in value] if isinstance(value, Iterable) else [None]
    return None if None in several else tuple(part for part in several if part is not None)


def real(value: Any) -> float | None:
    """Return a finite number as Python's, None for anything else."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.integer, np.floating)):
        return None
    number = value.item() if isinstance(value, np.generic) else value
    return number if abs(number) <= sys.float_info.max else None


def _found(found: Found | None, value: Any, what: str, kind: str) -> Found:
    if found is None:
        raise ValueError(f"{what}: expected {kind}; received {value!r}")
    return found


def to_integer(value: Any, what: str) -> int:
    """Return an integer as Python's.

    Raises
    ------
    ValueError
        If it is anything else.
    """
    return _found(integer(value), value, what, "an integer")


def to_integers(value: Any, what: str) -> list[int]:
    """Return one integer or several as a list.

    Raises
    ------
    ValueError
        If it is anything else.
    """
    return list(_found(integers(value), value, what, "integers"))


def to_real(value: Any, what: str) -> float:
    """Return a finite number as Python's.

    Raises
    ------
    ValueError
        If it is anything else.
    """
    return _found(real(value), value, what, "a finite number")


def check_reals(value: Any, what: str) -> None:
    """Check that a value is a number or an array of numbers.

    Raises
    ------
    ValueError
        If it is anything else.
    """
    if np.asarray(value).dtype.kind not in "biuf":
        raise ValueError(f"{what}: expected a number or an array of numbers; received {value!r}")
