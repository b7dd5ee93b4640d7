"""Seeds: one global stream from which whatever was given no seed of its own draws one.

Every random number in nnfast comes from a counter-based generator started from a seed, so the same seed gives the
same bits on any number of threads.
"""

from __future__ import annotations

import operator
import os
import threading
from typing import Any

import numpy as np

_MASK = (1 << 64) - 1


def _mix(state: int) -> int:
    """Scramble 64 bits (the finalizer of SplitMix64; Steele, Lea and Flood, 2014)."""
    state = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9 & _MASK
    state = (state ^ (state >> 27)) * 0x94D049BB133111EB & _MASK
    return state ^ (state >> 31)


def _checked(seed: int) -> int:
    try:
        seed = operator.index(seed)
    except TypeError:
        raise ValueError(f"seed: expected an integer or None; received {seed!r}") from None
    if seed < 0:
        raise ValueError(f"seed: expected an integer of at least 0; received {seed}")
    return seed


class SeedGenerator:
    """A stream of seeds: each call of :meth:`next` returns another.

    Parameters
    ----------
    seed : int, optional
        Where the stream starts; by default a draw from the global stream.
    name : str, optional
        Its name.

    Raises
    ------
    ValueError
        If `seed` is negative.
    """

    def __init__(self, seed: int | None = None, name: str | None = None):
        self.seed = next_seed() if seed is None else _checked(seed)
        self.name = name
        self.count = 0

    def next(self) -> int:
        """Return the next seed, an integer of 31 bits."""
        self.count += 1
        # 0x9E37… is 2^64 over the golden ratio: consecutive counts lie far apart.
        return _mix((self.seed * 0xD1342543DE82EF95 + self.count * 0x9E3779B97F4A7C15) & _MASK) >> 33

    def get_config(self) -> dict[str, Any]:
        return {"seed": self.seed, "name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> SeedGenerator:
        return cls(**config)


_lock = threading.Lock()
_global = SeedGenerator(int.from_bytes(os.urandom(8), "little"))


def set_random_seed(seed: int) -> None:
    """Seed Python's and NumPy's global generators and nnfast's stream of default seeds.

    Models that are built and trained after it in the same order get the same weights, bit for bit.

    Parameters
    ----------
    seed : int
        At least 0 and below 2**32.

    Raises
    ------
    ValueError
        If `seed` is out of range.
    """
    seed = _checked(seed)
    if seed >= 1 << 32:
        raise ValueError(f"seed: expected an integer below 2**32, which NumPy's generator asks for; received {seed}")
    import random

    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002  data pipelines of users draw from it
    with _lock:
        _global.seed = seed
        _global.count = 0


def next_seed() -> int:
    """Draw a seed from the global stream, which :func:`set_random_seed` starts anew."""
    with _lock:
        return _global.next()


def get_state() -> dict[str, int]:
    """Return where the global stream stands, for a checkpoint."""
    with _lock:
        return {"seed": _global.seed, "count": _global.count}


def set_state(state: dict[str, int]) -> None:
    """Put the global stream where :func:`get_state` found it."""
    with _lock:
        _global.seed, _global.count = state["seed"], state["count"]


def generator(seed: int) -> np.random.Generator:
    """Return NumPy's counter-based Philox generator for `seed`."""
    return np.random.Generator(np.random.Philox(key=seed))
