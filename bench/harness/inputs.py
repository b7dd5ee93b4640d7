"""The data of every case, drawn from a seed so that each process makes the same without sending any."""

from __future__ import annotations

import numpy as np


def normal(*shape: int, seed: int = 0, scale: float = 1.0) -> np.ndarray:
    """float32 normal draws of the given shape, from the beginning of a cache line on, as in a library's own memory."""
    draws = np.random.default_rng([seed, *shape]).standard_normal(shape, dtype=np.float32)
    memory = np.empty(draws.size + 16, np.float32)
    first = -memory.ctypes.data % 64 // 4
    return np.multiply(draws, np.float32(scale), out=memory[first : first + draws.size].reshape(shape))


def labels(count: int, classes: int, seed: int = 0) -> np.ndarray:
    """int32 class labels in [0, classes)."""
    return np.random.default_rng([seed, count, classes]).integers(classes, size=count, dtype=np.int32)


def learnable(count: int, shape: tuple[int, ...], classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Inputs (count, *shape) and labels that a linear teacher gives them, so that a loss can fall."""
    x = normal(count, *shape, seed=seed)
    teacher = normal(int(np.prod(shape)), classes, seed=seed + 1)
    return x, (x.reshape(count, -1) @ teacher).argmax(axis=1).astype(np.int32)


def gradient(size: int, seed: int = 0) -> np.ndarray:
    """float32 values at least 0.5 from zero, where optimizers' conventions on epsilon make no difference."""
    values = normal(size, seed=seed)
    return values + np.copysign(np.float32(0.5), values)
