import numpy as np
import pytest

from nnfast import _core, ops
from op_checks import difference_gradient, run_on_each_isa


def expected(data, segments, count):
    sums = np.zeros((count, *data.shape[1:]))
    for row, segment in zip(np.asarray(data, np.float64), segments, strict=True):
        if 0 <= segment < count:
            sums[segment] += row
    return sums


@pytest.mark.parametrize("shape", [(0,), (1,), (17,), (131,), (5, 0), (33, 2), (1000, 3, 4)], ids=str)
@pytest.mark.parametrize("count", [0, 1, 7, 50])
def test_values_and_gradients(shape, count):
    rng = np.random.default_rng(0)
    data = rng.standard_normal(shape).astype(np.float32)
    segments = rng.integers(-2, count + 2, shape[0]).astype(np.int32)
    dy = rng.standard_normal((count, *shape[1:])).astype(np.float32)
    for _, (y,), (dx, _) in run_on_each_isa(
        "segment_sum", [data, segments], grads=[dy], wanted=[True, False], num_segments=count
    ):
        np.testing.assert_allclose(y, expected(data, segments, count), rtol=1e-6, atol=1e-7)
        if data.size < 200:
            want = difference_gradient(lambda x: expected(x, segments, count), data, dy)
            np.testing.assert_allclose(dx, want, rtol=1e-6, atol=1e-6)
        exists = (segments >= 0) & (segments < count)
        assert not dx[~exists].any()


def test_long_sums_do_not_drift():
    ((y,), _) = _core.run_op("segment_sum", [np.full(3_000_000, 0.1, np.float32), np.zeros(3_000_000, np.int32)],
                             {"num_segments": 1})  # fmt: skip
    assert y[0] == np.float32(np.float64(np.float32(0.1)) * 3_000_000)


def test_as_a_function():
    np.testing.assert_array_equal(ops.segment_sum([1, 2, 3], [0, 2, 0], 3), [4, 0, 2])


@pytest.mark.parametrize(
    ("data", "segments", "count", "message"),
    [
        (np.zeros((2, 3), np.float32), np.zeros(3, np.int32), 1, r"received \(2, 3\) and \(3,\)"),
        (np.zeros((), np.float32), np.zeros(1, np.int32), 1, r"received \(\) and \(1,\)"),
        (np.zeros(2, np.int32), np.zeros(2, np.int32), 1, "the data must be float32"),
        (np.zeros(2, np.float32), np.zeros(2, np.float32), 1, "the segments must be integers"),
        (np.zeros(2, np.float32), np.zeros(2, np.int32), -1, "num_segments must be from 0 to 2147483647, received -1"),
    ],
)
def test_errors(data, segments, count, message):
    with pytest.raises(ValueError, match=message):
        _core.run_op("segment_sum", [data, segments], {"num_segments": count})
