"""Handwritten digits: 1,797 images of 8×8, part of the package (digits.txt has their source and licence)."""

from __future__ import annotations

import os

import numpy as np

from ..data.split import train_validation_test_split


def load_data(
    test_size: float | int = 0.2, seed: int | None = 0
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Return the handwritten digits of the UCI repository, divided with equal proportions of each digit.

    Parameters
    ----------
    test_size : float or int, default 0.2
        The fraction or number of images held out for testing.
    seed : int or None, default 0
        Chooses which ones; None draws anew with each call.

    Returns
    -------
    (x_train, y_train), (x_test, y_test)
        Images of shape (n, 8, 8), uint8 from 0 (paper) to 16 (ink); digits of shape (n,), int32.

    Raises
    ------
    ValueError
        If ``test_size`` leaves nothing to train on.
    """
    with np.load(os.path.join(os.path.dirname(__file__), "digits.npz"), allow_pickle=False) as archive:
        x, y = archive["x"], archive["y"].astype(np.int32)
    train, _, test = train_validation_test_split(x, y, validation_size=0, test_size=test_size, stratify=y, seed=seed)
    return train, test
