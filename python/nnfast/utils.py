"""Small things that scripts need around training."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import ops
from .layers.layer import clear_session
from .models.diagram import plot_model
from .random import set_random_seed
from .registry import custom_object_scope, get_custom_objects, register_keras_serializable
from .registry import register as register_serializable

__all__ = [
    "PyDataset", "Sequence", "clear_session", "custom_object_scope", "get_custom_objects", "normalize", "plot_model",
    "register_keras_serializable", "register_serializable", "set_random_seed", "to_categorical",
]  # fmt: skip


class PyDataset:
    """Base of data that come in batches by number; ``fit``, ``evaluate`` and ``predict`` take objects of it.

    Subclasses define ``__len__``, the number of batches, and ``__getitem__(index)``: inputs and targets as a tuple,
    or these and sample weights.

    Parameters
    ----------
    workers, use_multiprocessing, max_queue_size
        Taken so that scripts for Keras run, and without effect: batches are fetched one after the other.
    """

    def __init__(self, workers: int = 1, use_multiprocessing: bool = False, max_queue_size: int = 10):
        self.workers = workers
        self.use_multiprocessing = use_multiprocessing
        self.max_queue_size = max_queue_size

    def __getitem__(self, index: int) -> Any:
        raise NotImplementedError(f"{type(self).__name__} must define __getitem__(self, index)")

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__} must define __len__(self)")

    def on_epoch_begin(self) -> None:
        """Be called before the batches of each epoch of `fit`, and of an evaluation or a prediction."""

    def on_epoch_end(self) -> None:
        """Be called after them, for example to shuffle."""


Sequence = PyDataset


def normalize(x: Any, axis: int = -1, order: int = 2) -> Any:
    """Divide an array by the norms of its vectors along an axis.

    Parameters
    ----------
    x : array-like
        The array.
    axis : int, default -1
        The axis of the vectors.
    order : {1, 2}, default 2
        The norm: the sum of absolute values, or the square root of the sum of squares.

    Returns
    -------
    numpy.ndarray
        float32, in the shape of `x`; vectors of zeros stay zeros.
    """
    return ops.normalize(np.asarray(x, np.float32), axis, order)


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
