"""The single kernels on NumPy arrays: for teaching, tests and benchmarks. Contiguous float32 is never copied."""

import numpy as np
from numpy.typing import ArrayLike

from nnfast._core import gemm, update_step

__all__ = ["adam_step", "gemm"]


def adam_step(
    p: np.ndarray,
    g: ArrayLike,
    m: np.ndarray,
    v: np.ndarray,
    *,
    step: int,
    learning_rate: float = 0.001,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
) -> None:
    """Take one step of Adam, in place; the formula is that of `nnfast.optimizers.Adam`.

    Parameters
    ----------
    p, m, v : numpy.ndarray of float32, C-ordered, of one shape
        The parameters, the mean gradient and the mean square of the gradient; all three are changed.
    g : array-like of the same size
        The gradient.
    step : int
        The number of the step, from 1.
    learning_rate : float, default 0.001
        The learning rate.
    beta_1, beta_2 : float, default 0.9 and 0.999
        How much of m and v is kept.
    epsilon : float, default 1e-7
        Against division by zero.

    Raises
    ------
    ValueError
        If an array that is to be changed is not writeable, C-ordered float32, the sizes differ, or `step` is below 1.
    """
    hyper = {"beta_1": beta_1, "beta_2": beta_2, "epsilon": epsilon}
    update_step("adam", hyper, p, g, [m, v], step, learning_rate)
