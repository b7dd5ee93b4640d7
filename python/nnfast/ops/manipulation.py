"""Operations on shape and order."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from ..numeric import integer, to_integer, to_integers
from .apply import apply, canonical_axis, convert, floats, shape_of


def reshape(x: Any, newshape: Sequence[int]) -> Any:
    """Return the same elements in another shape; one size may be -1, to be inferred."""
    return apply("reshape", [convert(x)], shape=to_integers(newshape, "reshape: newshape"))


def ravel(x: Any) -> Any:
    """Return all elements along one axis."""
    return reshape(x, (-1,))


def expand_dims(x: Any, axis: int) -> Any:
    """Insert an axis of length 1."""
    shape = list(_known(x))
    shape.insert(canonical_axis(axis, len(shape) + 1), 1)
    return reshape(x, shape)


def squeeze(x: Any, axis: int | Sequence[int] | None = None) -> Any:
    """Remove axes of length 1: the given ones, or all."""
    shape = _known(x)
    if axis is None:
        gone = {i for i, size in enumerate(shape) if size == 1}
    else:
        gone = {canonical_axis(a, len(shape)) for a in to_integers(axis, "squeeze: axis")}
        if any(shape[i] != 1 for i in gone):
            raise ValueError(f"squeeze: expected axes of length 1; received axis={axis} for shape {tuple(shape)}")
    return reshape(x, [size for i, size in enumerate(shape) if i not in gone])


def _known(x: Any) -> list[int]:
    """Return the shape with -1 for its only unknown size."""
    return [-1 if size is None else int(size) for size in shape_of(x)]


def transpose(x: Any, axes: Sequence[int] | None = None) -> Any:
    """Reorder the axes; by default, reverse them."""
    ndim = len(shape_of(x))
    order = list(range(ndim))[::-1] if axes is None else [canonical_axis(a, ndim) for a in axes]
    return apply("transpose", [convert(x)], axes=order)


def swapaxes(x: Any, axis1: int, axis2: int) -> Any:
    """Exchange two axes."""
    ndim = len(shape_of(x))
    order = list(range(ndim))
    a, b = canonical_axis(axis1, ndim), canonical_axis(axis2, ndim)
    order[a], order[b] = order[b], order[a]
    return transpose(x, order)


def moveaxis(x: Any, source: int, destination: int) -> Any:
    """Move one axis to another position."""
    ndim = len(shape_of(x))
    order = list(range(ndim))
    order.insert(canonical_axis(destination, ndim), order.pop(canonical_axis(source, ndim)))
    return transpose(x, order)


def concatenate(xs: Sequence[Any], axis: int = 0) -> Any:
    """Join along an axis; all other sizes must be equal."""
    xs = floats(*xs)
    return apply("concatenate", xs, axis=canonical_axis(axis, len(shape_of(xs[0]))))


def stack(x: Sequence[Any], axis: int = 0) -> Any:
    """Join along a new axis."""
    return concatenate([expand_dims(part, axis) for part in x], axis)


def split(x: Any, indices_or_sections: int | Sequence[int], axis: int = 0) -> list[Any]:
    """Cut along an axis: into equal parts, or before the given indices."""
    shape = shape_of(x)
    axis = canonical_axis(axis, len(shape))
    length = shape[axis]
    if (parts := integer(indices_or_sections)) is not None:
        if parts < 1 or length % parts:
            raise ValueError(f"split: expected {parts} equal parts; received an axis of length {length}")
        cuts = [length // parts * i for i in range(parts + 1)]
    else:
        cuts = [0, *to_integers(indices_or_sections, "split: indices_or_sections"), length]
    return [_part(x, axis, a, b, 1) for a, b in pairwise(cuts)]


def _part(x: Any, axis: int, begin: int, end: int, stride: int) -> Any:
    key = [slice(None)] * axis + [slice(begin, end, stride)]
    return get_item(x, tuple(key))


def get_item(x: Any, key: Any) -> Any:
    """Return ``x[key]`` for integers, slices of positive step, ``...`` and ``None``."""
    keys = list(key) if isinstance(key, tuple) else [key]
    shape = shape_of(x)
    used = sum(k is not None and k is not Ellipsis for k in keys)
    if used > len(shape):
        raise IndexError(f"too many indices: the tensor has {len(shape)} axes, received {used}")
    if Ellipsis in keys:
        at = keys.index(Ellipsis)
        keys[at : at + 1] = [slice(None)] * (len(shape) - used)
    else:
        keys += [slice(None)] * (len(shape) - used)

    begin, sizes, strides, result = [], [], [], []
    axis = 0
    for k in keys:
        if k is None:
            result.append(1)
            continue
        length = shape[axis]
        if length is None:
            if k != slice(None):
                raise IndexError("cannot cut the batch axis of a model's tensor, whose length is not known")
            start, size, step = 0, -1, 1
        elif isinstance(k, slice):
            start, stop, step = k.indices(length)
            if step < 1:
                raise IndexError(f"slices must have a positive step, received {step}; use nnfast.ops.flip")
            size = max(0, -(-(stop - start) // step))
        elif isinstance(k, (int, np.integer)):
            if not -length <= k < length:
                raise IndexError(f"index {k} is out of range for axis {axis} of length {length}")
            start, size, step = int(k) % length, 1, 1
        else:
            raise IndexError(f"expected integers and slices, received {k!r}; use nnfast.ops.take for arrays")
        if isinstance(k, slice):
            result.append(size)
        begin.append(start)
        sizes.append(size)
        strides.append(step)
        axis += 1
    if any(b != 0 or (n is not None and z not in (-1, n)) for b, z, n in zip(begin, sizes, shape, strict=True)):
        x = apply("slice", [convert(x)], begin=begin, sizes=sizes, strides=strides)
    return x if len(result) == len(shape) and None not in keys else reshape(x, result)


def flip(x: Any, axis: int | Sequence[int] | None = None) -> Any:
    """Reverse the order along the axes (all of them by default)."""
    ndim = len(shape_of(x))
    axes = range(ndim) if axis is None else to_integers(axis, "flip: axis")
    return apply("flip", [convert(x)], axes=[canonical_axis(a, ndim) for a in axes])


def pad(x: Any, pad_width: Any, mode: str = "constant", constant_values: float | None = None) -> Any:
    """Put a constant, by default 0, around `x`.

    Parameters
    ----------
    x : tensor
        What to put it around.
    pad_width : int, or sequence of int or of pairs of int
        How much before and after: for all axes, or ``pad_width[axis] = (before, after)``.
    mode : {"constant"}
        Nothing else is offered.
    constant_values : float, default 0.0
        The constant.

    Raises
    ------
    ValueError
        If `mode` is another, or there is not a pair for each axis.
    """
    if mode != "constant":
        raise ValueError(f"pad: expected mode='constant', the only one; received {mode!r}")
    axes = len(shape_of(x))
    try:
        widths = np.asarray(pad_width) if axes else np.zeros((0, 2), np.int64)
        if widths.dtype.kind not in "iu":  # fractions, and what 64 bits do not hold
            raise ValueError
        widths = np.broadcast_to(widths, (axes, 2))
    except ValueError:
        raise ValueError(
            f"pad: expected pad_width to be an integer, or a pair of them for each of {axes} axes; "
            f"received {pad_width!r}"
        ) from None
    return apply(
        "pad", floats(x), begin=widths[:, 0].tolist(), end=widths[:, 1].tolist(), value=float(constant_values or 0.0)
    )


def broadcast_to(x: Any, shape: Sequence[int]) -> Any:
    """Repeat axes of length 1, and prepend axes, up to `shape`."""
    return apply("broadcast_to", [convert(x)], shape=to_integers(shape, "broadcast_to: shape"))


def repeat(x: Any, repeats: int, axis: int | None = None) -> Any:
    """Repeat each element along an axis; by default, along the one axis of ``ravel(x)``."""
    if axis is None:
        x, axis = ravel(x), 0
    count = to_integer(repeats, "repeat: repeats")
    return apply("repeat", [convert(x)], repeats=count, axis=canonical_axis(axis, len(shape_of(x))))


def tile(x: Any, repeats: int | Sequence[int]) -> Any:
    """Repeat the whole along each axis; missing axes, of `x` or in `repeats`, are added in front."""
    counts = to_integers(repeats, "tile: repeats")
    ndim = len(shape_of(x))
    if len(counts) > ndim:
        x = reshape(x, [1] * (len(counts) - ndim) + _known(x))
    counts = [1] * (ndim - len(counts)) + counts
    x = convert(x)
    for axis, count in enumerate(counts):
        if count != 1:
            x = apply("tile", [x], repeats=count, axis=axis)
    return x


def take(x: Any, indices: Any, axis: int | None = None) -> Any:
    """Return the elements at `indices` along an axis, by default of ``ravel(x)``. Indices must lie within it."""
    if axis is None:
        x, axis = ravel(x), 0
    axis = canonical_axis(axis, len(shape_of(x)))
    if axis == 0:
        return apply("take", [convert(x, "float32"), convert(indices, "int32")])
    # The axes of the indices stand where that axis was.
    new, rest = len(shape_of(indices)), len(shape_of(x)) - 1
    order = [*range(new, new + axis), *range(new), *range(new + axis, new + rest)]
    return transpose(take(moveaxis(x, axis, 0), indices, 0), order)


def one_hot(x: Any, num_classes: int, axis: int = -1) -> Any:
    """Return zeros with a one at the class, along a new axis; all zeros where the class is out of range."""
    result = apply("one_hot", [convert(x, "int32")], num_classes=to_integer(num_classes, "one_hot: num_classes"))
    return result if axis == -1 else moveaxis(result, -1, axis)


def ones_like(x: Any) -> Any:
    """Return ones in the shape of `x`."""
    return zeros_like(x) + 1.0


def zeros_like(x: Any) -> Any:
    """Return zeros in the shape of `x`."""
    return apply("zeros_like", floats(x))
