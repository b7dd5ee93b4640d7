"""NumPy: its BLAS (OpenBLAS in the wheels)."""

from __future__ import annotations

import numpy as np

from harness.inputs import normal
from harness.mode import Mode, Modes


def start(threads: int) -> str:
    """OPENBLAS_NUM_THREADS has set the threads already."""
    return np.__version__


def gemm(m: int, n: int, k: int, transpose_b: bool) -> Modes:
    a, b = normal(m, k), normal(n, k).T if transpose_b else normal(k, n)
    out = np.empty((m, n), np.float32)
    yield Mode("out", lambda: np.matmul(a, b, out=out), lambda: [a @ b])
    yield Mode("new", lambda: a @ b, lambda: [a @ b])
