"""The memory of large arrays that nnfast returns, which is used again once they are gone."""

import numpy as np

from nnfast import kernels


def test_arrays_that_live_at_once_do_not_share_memory():
    rng = np.random.default_rng(0)
    a, b = rng.integers(-3, 4, (2, 300, 300)).astype(np.float32)
    first = kernels.gemm(a, a)
    kept = first.copy()
    results = [kernels.conv2d(x.reshape(1, 300, 300, 1), np.ones((1, 1, 1, 3), np.float32)) for x in (a, b, a)]
    for x, y in zip((a, b, a), results, strict=True):
        np.testing.assert_array_equal(y, np.repeat(x[None, ..., None], 3, axis=-1))
    np.testing.assert_array_equal(first, kept)


def test_memory_is_used_again_and_arrays_are_the_users_own():
    # 36 MB, more than other tests leave: what they have left must not fit.
    x, kernel = np.ones((1, 1511, 1497, 2), np.float32), np.ones((1, 1, 2, 4), np.float32)
    y = kernels.conv2d(x, kernel)
    assert y.ctypes.data % 64 == 0
    y += 1.0
    view = y[0, 0]
    del y
    other = kernels.conv2d(x, kernel)
    np.testing.assert_array_equal(view, 3.0)  # a view keeps the memory
    address = other.ctypes.data
    del other
    assert kernels.conv2d(x, kernel).ctypes.data == address
