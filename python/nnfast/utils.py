"""Small things that scripts need around training."""

from __future__ import annotations

from typing import Any

import numpy as np

from .layers.layer import clear_session
from .random import set_random_seed
from .registry import custom_object_scope, register_keras_serializable
from .registry import register as register_serializable

__all__ = [
    "clear_session", "custom_object_scope", "register_keras_serializable", "register_serializable", "set_random_seed",
    "to_categorical",
]  # fmt: skip


def to_categorical(x: Any, num_classes: int | None = None) -> np.ndarray:
    """Turn class numbers into rows of zeros with a one at the class.

    Parameters
    ----------
    x : array-like of int
        Class numbers from 0; a last axis of length 1 is dropped if there are others.
    num_classes : int, optional
        How long the rows are; by default the largest class number plus one.

    Returns
    -------
    numpy.ndarray
        float32, shape ``x.shape + (num_classes,)``.

    Raises
    ------
    ValueError
        If a class number is negative or not below `num_classes`, or `x` holds no integers.
    """
    labels = np.asarray(x)
    if labels.ndim > 1 and labels.shape[-1] == 1:
        labels = labels[..., 0]
    numbers = labels.astype(np.int64)
    if not np.array_equal(numbers, labels):
        raise ValueError(
            f"to_categorical: expected integers; received {labels[numbers != labels].flat[0]!r} among them"
        )
    if num_classes is None:
        num_classes = int(numbers.max(initial=-1)) + 1
    if numbers.size and not (numbers.min() >= 0 and numbers.max() < num_classes):
        raise ValueError(
            f"to_categorical: expected class numbers from 0 to {num_classes - 1}; "
            f"received {numbers.min()} to {numbers.max()}"
        )
    return np.eye(num_classes, dtype=np.float32)[numbers]
