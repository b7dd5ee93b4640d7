"""Checks of what several layers are made with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..numeric import integer, integers

if TYPE_CHECKING:
    from .layer import Layer

Sizes = int | Sequence[int]


def positive(layer: Layer, name: str, value: Any) -> int:
    """Return a setting that counts something.

    Raises
    ------
    ValueError
        If it is no integer of at least 1.
    """
    number = integer(value)
    if number is None or number < 1:
        raise ValueError(
            f"{type(layer).__name__} {layer.name!r}: expected {name} to be a positive integer; received {value!r}"
        )
    return number


def per_axis(layer: Layer, name: str, value: Any, rank: int, least: int = 1) -> tuple[int, ...]:
    """Return a setting for each spatial axis.

    Raises
    ------
    ValueError
        If it is not one integer, or one for each axis, of at least `least`.
    """
    sizes = integers(value) or ()
    if integer(value) is not None:
        sizes *= rank
    if len(sizes) != rank or min(sizes) < least:
        raise ValueError(
            f"{type(layer).__name__} {layer.name!r}: expected {name} to be an integer of at least {least}, or {rank} "
            f"of them; received {value!r}"
        )
    return sizes


def check_padding(layer: Layer, padding: Any, allowed: Sequence[str] = ("valid", "same")) -> str:
    """Return a padding in lower case.

    Raises
    ------
    ValueError
        If it is not among those allowed.
    """
    if not isinstance(padding, str) or padding.lower() not in allowed:
        raise ValueError(
            f"{type(layer).__name__} {layer.name!r}: expected padding to be one of {', '.join(allowed)}; "
            f"received {padding!r}"
        )
    return padding.lower()


def check_data_format(layer: Layer, data_format: str | None) -> None:
    """Refuse all but channels last.

    Raises
    ------
    ValueError
        If `data_format` is anything else.
    """
    if data_format not in (None, "channels_last"):
        raise ValueError(
            f"{type(layer).__name__} {layer.name!r}: expected data_format='channels_last', the only layout; "
            f"received {data_format!r}; move the channels to the last axis, e.g. np.moveaxis(x, 1, -1)"
        )


def check_rank(layer: Layer, shape: Any, rank: int) -> None:
    """Check that an input has batch, `rank` spatial axes and channels.

    Raises
    ------
    ValueError
        If it has not.
    """
    if len(shape) != rank + 2:
        hint = "; add a channel axis, e.g. x[..., None]" if len(shape) == rank + 1 else ""
        raise ValueError(
            f"{type(layer).__name__} {layer.name!r}: expected input of {rank + 2} axes (batch, {rank} spatial, "
            f"channels); received {tuple(shape)}{hint}"
        )
