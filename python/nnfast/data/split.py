"""Dividing samples into those to train on, those to choose by, and those to judge by."""

from __future__ import annotations

from typing import Any

import numpy as np


def train_validation_test_split(
    *arrays: Any,
    validation_size: float | int = 0.15,
    test_size: float | int = 0.15,
    stratify: Any = None,
    shuffle: bool = True,
    seed: int | None = None,
) -> tuple[Any, Any, Any]:
    """Divide arrays into a training, a validation and a test part, sample by sample.

    ``(x_train, y_train), (x_val, y_val), (x_test, y_test) = train_validation_test_split(x, y, stratify=y, seed=0)``

    Parameters
    ----------
    *arrays : array-like of shape (n, …)
        What to divide, all of the same length; pandas objects stay pandas objects.
    validation_size, test_size : float or int, default 0.15
        A fraction of the samples, or their number. 0 leaves the part empty.
    stratify : array-like of shape (n,), optional
        Labels whose proportions are kept in every part, to within one sample a class. The training part keeps
        at least one sample of each class.
    shuffle : bool, default True
        Whether to draw the parts at random. Otherwise they follow one another: training, validation, test.
    seed : int, optional
        The same seed gives the same parts; without one they differ from call to call.

    Returns
    -------
    training, validation, test : tuple or array
        For several arrays, a tuple of the parts of each; for one array, its part.

    Raises
    ------
    ValueError
        If there is no array, lengths differ, the sizes leave nothing to train on, or ``stratify`` is given
        without ``shuffle``.
    """
    if not arrays:
        raise ValueError("train_validation_test_split: expected at least one array, received none")
    lengths = [len(array) for array in arrays] + ([] if stratify is None else [len(stratify)])
    n = lengths[0]
    if any(length != n for length in lengths):
        raise ValueError(f"train_validation_test_split: expected arrays of one length, received lengths {lengths}")
    num_test = _count("test_size", test_size, n)
    num_validation = _count("validation_size", validation_size, n)
    if n - num_test - num_validation < 1:
        raise ValueError(
            f"train_validation_test_split: {num_validation} samples for validation and {num_test} for testing leave "
            f"none of {n} to train on; lower validation_size or test_size"
        )
    if stratify is not None and not shuffle:
        raise ValueError("train_validation_test_split: stratify draws at random; it needs shuffle=True")

    order = np.arange(n)
    if stratify is not None:
        rng = np.random.default_rng(seed)
        labels = np.unique(np.asarray(stratify), return_inverse=True)[1]
        test, order = _draw_stratified(order, labels, num_test, rng)
        validation, training = _draw_stratified(order, labels, num_validation, rng)
        parts = [training, validation, test]
    else:
        if shuffle:
            order = np.random.default_rng(seed).permutation(n)
        parts = np.split(order, [n - num_test - num_validation, n - num_test])

    divided = [tuple(_take(array, part) for array in arrays) for part in parts]
    if len(arrays) == 1:
        return divided[0][0], divided[1][0], divided[2][0]
    return divided[0], divided[1], divided[2]


def _count(name: str, size: float | int, n: int) -> int:
    if isinstance(size, (int, np.integer)) and 0 <= size <= n:
        return int(size)
    if isinstance(size, (float, np.floating)) and 0 <= size < 1:
        return round(float(size) * n)
    raise ValueError(
        f"train_validation_test_split: {name} must be a fraction from 0 to below 1, or a number of samples "
        f"from 0 to {n}; received {size!r}"
    )


def _draw_stratified(
    samples: np.ndarray, labels: np.ndarray, count: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw `count` of `samples` with the proportions of their labels; return those drawn and the rest, shuffled."""
    samples = rng.permutation(samples)
    classes, sizes = np.unique(labels[samples], return_counts=True)
    quotas = count * sizes / len(samples)
    takes = np.floor(quotas).astype(int)
    # The largest remainders get the samples that rounding down left over; no class gives away its last sample while
    # another has one to spare.
    while left := count - takes.sum():
        spare = takes < sizes - 1
        spare = spare if spare.any() else takes < sizes
        remainders = np.where(spare, quotas - takes, -np.inf)
        by_remainder = np.lexsort((rng.random(len(classes)), -remainders))
        takes[by_remainder[: min(left, spare.sum())]] += 1
    drawn = np.concatenate(
        [np.flatnonzero(labels[samples] == label)[:take] for label, take in zip(classes, takes, strict=True)]
    )
    rest = np.setdiff1d(np.arange(len(samples)), drawn)
    return samples[rng.permutation(drawn)], samples[rest]


def _take(array: Any, indices: np.ndarray) -> Any:
    return array.iloc[indices] if hasattr(array, "iloc") else np.asarray(array)[indices]
