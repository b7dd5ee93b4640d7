"""Operations over axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..numeric import to_integer, to_integers
from .apply import apply, canonical_axis, convert, shape_of
from .elementwise import abs as absolute
from .elementwise import (
    equal,
    exp,
    log,
    logical_not,
    maximum,
    minimum,
    multiply,
    not_equal,
    rsqrt,
    sqrt,
    square,
    subtract,
    where,
)

Axis = int | Sequence[int] | None


def _reduce(op: str, x: Any, axis: Axis, keepdims: bool) -> Any:
    x = convert(x, "float32")
    ndim = len(shape_of(x))
    if axis is None:
        axes = list(range(ndim))
    else:
        axes = [canonical_axis(a, ndim) for a in to_integers(axis, f"{op}: axis")]
    return apply(op, [x], axes=axes, keepdims=bool(keepdims))


def sum(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Return the sum over the axes (all of them by default)."""
    return _reduce("sum", x, axis, keepdims)


def mean(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Return the mean over the axes (all of them by default)."""
    return _reduce("mean", x, axis, keepdims)


def max(x: Any, axis: Axis = None, keepdims: bool = False, initial: float | None = None) -> Any:
    """Return the largest element over the axes (all of them by default), but at least `initial`."""
    result = _reduce("max", x, axis, keepdims)
    return result if initial is None else maximum(result, initial)


def min(x: Any, axis: Axis = None, keepdims: bool = False, initial: float | None = None) -> Any:
    """Return the smallest element over the axes (all of them by default), but at most `initial`."""
    result = _reduce("min", x, axis, keepdims)
    return result if initial is None else minimum(result, initial)


def prod(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Return the product over the axes (all of them by default)."""
    return _reduce("prod", x, axis, keepdims)


def any(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Return 1 where an element over the axes is not 0, else 0."""
    return max(not_equal(x, 0.0), axis, keepdims)


def all(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Return 1 where no element over the axes is 0, else 0."""
    return logical_not(any(equal(x, 0.0), axis, keepdims))


def var(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Return the mean squared distance from the mean over the axes."""
    return mean(square(subtract(x, mean(x, axis, keepdims=True))), axis, keepdims)


def std(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Return the square root of the variance over the axes."""
    return sqrt(var(x, axis, keepdims))


def logsumexp(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Return ``log(sum(exp(x)))`` over the axes, without overflow."""
    top = max(x, axis, keepdims=True)
    total = log(sum(exp(subtract(x, top)), axis, keepdims=True))
    result = total + top
    return result if keepdims else sum(result, axis)


def norm(x: Any, ord: Any = None, axis: Axis = None, keepdims: bool = False) -> Any:
    """Return a norm of the vectors along the axes (all of them by default).

    Parameters
    ----------
    x : tensor
        The vectors.
    ord : {None, 1, 2, inf, "fro"}
        The square root of the sum of squares (None, 2, and of a matrix "fro"), the sum of the absolute values, or the
        largest of them.
    axis : int or sequence of int, optional
        The axes: one where `ord` is a number.
    keepdims : bool, default False
        Whether the axes stay, with length 1.

    Raises
    ------
    ValueError
        If `ord` is another, or belongs to vectors and there are several axes.
    """
    count = len(shape_of(x)) if axis is None else len(to_integers(axis, "norm: axis"))
    if ord is None or (ord == "fro" and count == 2) or (ord == 2 and count == 1):
        return sqrt(sum(square(x), axis, keepdims))
    if count == 1 and ord == 1:
        return sum(absolute(x), axis, keepdims)
    if count == 1 and ord == float("inf"):
        return max(absolute(x), axis, keepdims)
    raise ValueError(f"norm: expected ord None, or along one axis 1, 2 or inf; received {ord!r} along {count}")


def normalize(x: Any, axis: Any = -1, order: int = 2, epsilon: float = 1e-12) -> Any:
    """Divide by the norm along an axis: the sum of absolute values (order 1) or the Euclidean norm (order 2)."""
    if order == 1:
        return x / maximum(sum(absolute(x), axis, keepdims=True), epsilon)
    if order != 2:
        raise ValueError(f"normalize: expected order 1 or 2; received {order}")
    return multiply(x, rsqrt(maximum(sum(square(x), axis, keepdims=True), epsilon)))


def argmax(x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    """Return where the largest element along an axis stands (the first of several), as int32."""
    from .manipulation import expand_dims, reshape

    if axis is None:
        return argmax(reshape(x, (-1,)), 0)
    x = convert(x, "float32")
    axis = canonical_axis(axis, len(shape_of(x)))
    last = len(shape_of(x)) - 1
    result = apply("argmax", [x], axis=-1 if axis == last else axis)
    return expand_dims(result, axis) if keepdims else result


def argmin(x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    """Return where the smallest element along an axis stands (the first of several), as int32."""
    return argmax(-convert(x, "float32"), axis, keepdims)


def count_nonzero(x: Any, axis: Axis = None) -> Any:
    """Return how many elements over the axes are not 0."""
    return sum(not_equal(x, 0.0), axis)


def segment_sum(data: Any, segment_ids: Any, num_segments: int) -> Any:
    """Add up the rows of `data` by the segment each belongs to; rows whose segment does not exist are left out.

    Parameters
    ----------
    data : (N, …)
        The rows.
    segment_ids : (N,)
        The segment of each row, from 0.
    num_segments : int
        How many segments there are.

    Returns
    -------
    (num_segments, …)
        The sums.
    """
    count = to_integer(num_segments, "segment_sum: num_segments")
    return apply("segment_sum", [convert(data, "float32"), convert(segment_ids, "int32")], num_segments=count)


def divide_no_nan(x1: Any, x2: Any) -> Any:
    """Return ``x1 / x2``, and 0 where `x2` is 0."""
    zero = equal(x2, 0.0)
    return where(zero, 0.0, convert(x1, "float32") / where(zero, 1.0, x2))
