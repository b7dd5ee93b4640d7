import itertools
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnfast import _core
from op_checks import difference_gradient, run_on_each_isa

KINDS = ["sum", "mean", "max", "min", "prod"]
# Around the vector widths, prime, empty; and large enough to be cut into tasks by outputs, by terms and by columns.
SHAPES = [
    (), (1,), (15,), (16,), (17,), (131,), (0, 3), (3, 0), (5, 1), (33, 5), (4, 6, 8), (2, 3, 2, 3, 2, 3),
    (300, 257), (70001, 3), (2, 70001), (2, 50, 40, 33),
]  # fmt: skip


def all_axes(shape):
    return [axes for n in range(len(shape) + 1) for axes in itertools.combinations(range(len(shape)), n)]


def values(shape, kind, rng):
    x = rng.standard_normal(shape)
    # Long products stay in range, and some have one or two factors that are zero.
    x = np.sign(x) * np.abs(x) ** 0.01 if kind == "prod" else np.round(x, 1) if kind in ("max", "min") else x
    if kind == "prod" and x.size:
        x.flat[:: max(1, x.size // 2)] = 0
    return x.astype(np.float32)


def expected(kind, x, axes, keepdims=False):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the mean of nothing
        return getattr(np, kind)(x.astype(np.float64), axis=tuple(axes), keepdims=keepdims)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_values(kind, shape):
    x = values(shape, kind, np.random.default_rng(0))
    for axes in all_axes(shape):
        if kind in ("max", "min") and 0 in [shape[axis] for axis in axes] and 0 not in np.delete(shape, axes):
            with pytest.raises(ValueError, match=r"imum of no elements does not exist: the input has shape \("):
                _core.run_op(kind, [x], {"axes": list(axes)})
            continue
        want = expected(kind, x, axes)
        magnitude = np.max(np.abs(x), initial=1) * (np.sum(np.abs(x)) if kind == "sum" else 1)
        for _, (y,), _ in run_on_each_isa(kind, [x], axes=list(axes)):
            assert y.shape == want.shape
            np.testing.assert_allclose(y, want, rtol=3e-6, atol=2e-7 * magnitude)


@pytest.mark.parametrize("kind", KINDS)
def test_all_axes_negative_axes_and_keepdims(kind):
    x = values((3, 4, 5), kind, np.random.default_rng(1))
    for attributes, axes in [({}, (0, 1, 2)), ({"axes": [-1]}, (2,)), ({"axes": [-3, 1]}, (0, 1))]:
        for keepdims in (False, True):
            ((y,), _) = _core.run_op(kind, [x], {**attributes, "keepdims": keepdims})
            np.testing.assert_allclose(y, expected(kind, x, axes, keepdims), rtol=1e-6, atol=1e-6, strict=False)
            assert y.shape == expected(kind, x, axes, keepdims).shape


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(6,), (3, 5), (2, 3, 4), (2, 3, 2, 2), (1, 17), (17, 2)], ids=str)
def test_gradients_by_differences(kind, shape):
    rng = np.random.default_rng(2)
    x = rng.permutation(np.linspace(-2, 3, int(np.prod(shape)))).reshape(shape).astype(np.float32)  # no equal maxima
    for axes in all_axes(shape):
        dy = rng.standard_normal(expected(kind, x, axes).shape).astype(np.float32)
        want = difference_gradient(lambda x: expected(kind, x, axes), x, dy)  # noqa: B023
        for _, _, (dx,) in run_on_each_isa(kind, [x], grads=[dy], axes=list(axes)):
            np.testing.assert_allclose(dx, want, rtol=2e-5, atol=1e-6 * np.max(np.abs(want)))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(4, 6, 8), (300, 257), (70001, 3), (2, 70001), (2, 50, 40, 33), (3, 0)], ids=str)
def test_gradients_equal_those_of_torch(kind, shape):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(3)
    x = values(shape, kind, rng)
    names = {"max": "amax", "min": "amin"}
    for axes in all_axes(shape):
        if not axes or (kind in ("max", "min") and 0 in shape):
            continue
        tx = torch.tensor(x, dtype=torch.float64, requires_grad=True)
        if kind == "prod":
            y = tx
            for axis in reversed(axes):
                y = torch.prod(y, dim=axis)
        else:
            y = getattr(torch, names.get(kind, kind))(tx, dim=axes)
        dy = rng.standard_normal(tuple(y.shape)).astype(np.float32)
        y.backward(torch.tensor(dy, dtype=torch.float64))
        for _, _, (dx,) in run_on_each_isa(kind, [x], grads=[dy], axes=list(axes)):
            np.testing.assert_allclose(dx, tx.grad.numpy(), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_special_values_spread_as_in_numpy(kind, bad):
    for position in (0, 5, 36):
        x = np.ones((37, 3), np.float32)
        x[position, 1] = bad
        for axes in [(0,), (1,), (0, 1)]:
            for _, (y,), _ in run_on_each_isa(kind, [x], axes=list(axes)):
                np.testing.assert_array_equal(y, expected(kind, x, axes).astype(np.float32))


def test_long_sums_keep_their_accuracy():
    x = np.full(3_000_001, 0.1, np.float32)
    exact = float(np.float32(0.1)) * x.size
    for _, (y,), _ in run_on_each_isa("sum", [x]):
        assert abs(float(y) / exact - 1) < 1e-6  # added one by one, they come to 5e-3
    for _, (y,), _ in run_on_each_isa("mean", [x.reshape(-1, 1)], axes=[0]):
        np.testing.assert_allclose(y, np.float32(0.1), rtol=1e-6)


def test_equal_maxima_share_the_gradient():
    x = np.array([[1, 3, 3, 0], [2, 2, 2, 2]], np.float32)
    for _, _, (dx,) in run_on_each_isa("max", [x], grads=[np.array([6, 8], np.float32)], axes=[1]):
        np.testing.assert_array_equal(dx, [[0, 3, 3, 0], [2, 2, 2, 2]])


def test_the_result_for_a_row_does_not_depend_on_the_batch():
    x = np.random.default_rng(4).standard_normal((64, 1003)).astype(np.float32)
    for isa, (y,), _ in run_on_each_isa("sum", [x], axes=[1]):
        for row in (0, 63):
            alone = {name: out for name, (out,), _ in run_on_each_isa("sum", [x[row : row + 1]], axes=[1])}
            assert alone[isa][0] == y[row]


@given(shape=st.lists(st.integers(1, 5), min_size=1, max_size=6), data=st.data())
def test_any_shape_and_axes(shape, data):
    axes = data.draw(st.lists(st.integers(0, len(shape) - 1), unique=True))
    x = np.random.default_rng(len(shape)).standard_normal(shape).astype(np.float32)
    dy = np.ones(np.delete(shape, axes), np.float32)
    (y,), (dx,) = _core.run_op("mean", [x], {"axes": axes}, output_grads=[dy])
    np.testing.assert_allclose(y, expected("mean", x, axes), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(dx, np.full(shape, dy.size / x.size), rtol=1e-6)


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"axes": [2]}, r"axis 2 does not exist: the input has shape \(2, 3\)"),
        ({"axes": [-3]}, r"axis -3 does not exist"),
        ({"axes": [1, -1]}, "axis -1 is given twice"),
    ],
)
def test_errors(attributes, message):
    with pytest.raises(ValueError, match=message):
        _core.run_op("sum", [np.zeros((2, 3), np.float32)], attributes)


def test_integers_are_refused():
    with pytest.raises(ValueError, match="takes float32 values, received integers"):
        _core.run_op("sum", [np.zeros(3, np.int32)])
