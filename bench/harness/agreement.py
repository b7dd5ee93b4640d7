"""Do two libraries compute the same thing? Compared on a sample of each array, small enough to send."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

SAMPLE = 4096  # elements kept of one array

Sample = list[np.ndarray]


def sample(arrays: Sequence[np.ndarray]) -> Sample:
    """At most `SAMPLE` elements of each array, at places that depend on its size alone, as float64."""
    kept = []
    for array in arrays:
        flat = np.asarray(array, dtype=np.float64).reshape(-1)
        if flat.size > SAMPLE:
            flat = flat[np.random.default_rng(flat.size).integers(flat.size, size=SAMPLE)]
        kept.append(flat)
    return kept


def consensus(samples: Sequence[Sample]) -> Sample:
    """The element-wise median of several libraries' samples, of those whose shapes most of them have."""
    shapes = [[array.shape for array in arrays] for arrays in samples]
    usual = max(shapes, key=shapes.count)
    alike = [arrays for arrays, found in zip(samples, shapes, strict=True) if found == usual]
    return [np.median(np.stack(arrays), axis=0) for arrays in zip(*alike, strict=True)]


def error(found: Sample, expected: Sample) -> float:
    """The largest difference, relative to the root mean square of the expected array; inf where shapes differ."""
    if [a.shape for a in found] != [a.shape for a in expected]:
        return float("inf")
    worst = 0.0
    for a, b in zip(found, expected, strict=True):
        size = float(np.sqrt(np.mean(b * b))) if b.size else 0.0
        difference = float(np.max(np.abs(a - b))) / max(size, 1e-30) if b.size else 0.0
        worst = max(worst, difference if np.isfinite(difference) else float("inf"))
    return worst
