"""Products of matrices."""

from __future__ import annotations

from typing import Any

from .apply import apply, floats, shape_of
from .elementwise import multiply
from .manipulation import reshape
from .reduction import sum


def matmul(x1: Any, x2: Any) -> Any:
    """Return the matrix product over the last two axes, the others broadcast, as NumPy's ``@``."""
    x1, x2 = floats(x1, x2)
    first, second = shape_of(x1), shape_of(x2)
    if len(first) == 1 and len(second) == 1:
        return sum(multiply(x1, x2))
    if len(first) == 1:
        product = apply("matmul", [reshape(x1, (1, first[0])), x2])
        return reshape(product, [*_known(second[:-2]), second[-1]])
    if len(second) == 1:
        product = apply("matmul", [x1, reshape(x2, (second[0], 1))])
        return reshape(product, _known(first[:-1]))
    return apply("matmul", [x1, x2])


def dot(x1: Any, x2: Any) -> Any:
    """Return the product of two tensors of at most two axes, as NumPy's ``dot``; of more, as :func:`matmul`."""
    if not shape_of(x1) or not shape_of(x2):
        return multiply(x1, x2)
    return matmul(x1, x2)


def _known(shape: tuple[Any, ...]) -> list[int]:
    return [-1 if size is None else size for size in shape]
