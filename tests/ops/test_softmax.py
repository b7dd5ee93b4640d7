import numpy as np
import pytest

from nnfast import _core, ops
from op_checks import difference_gradient, run_on_each_isa

# Around the vector widths, the length up to which rows are turned (16), prime; one row; empty.
SHAPES = [(1, 1), (1, 2), (32, 2), (33, 3), (17, 15), (16, 16), (16, 17), (5, 31), (3, 130), (300, 257), (0, 4)]


def softmax(x, axis=-1):
    e = np.exp(x - np.max(x, axis, keepdims=True, initial=-np.inf))
    return e / np.sum(e, axis, keepdims=True)


def log_softmax(x, axis=-1):
    d = x - np.max(x, axis, keepdims=True, initial=-np.inf)
    return d - np.log(np.sum(np.exp(d), axis, keepdims=True))


REFERENCES = {"softmax": softmax, "log_softmax": log_softmax}


@pytest.mark.parametrize("name", REFERENCES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_values(name, shape):
    x = np.random.default_rng(0).normal(scale=5, size=shape).astype(np.float32)
    want = REFERENCES[name](x.astype(np.float64))
    for _, (y,), _ in run_on_each_isa(name, [x]):
        np.testing.assert_allclose(y, want, rtol=2e-6, atol=2e-6 if name == "log_softmax" else 1e-12)


# Far below the largest element, up to where an exponential ends; by rows that are turned, whole rows, and columns.
@pytest.mark.parametrize("repeats", [1, 5], ids=["short", "long"])
@pytest.mark.parametrize("axis", [0, 1])
def test_far_below_the_largest(repeats, axis):
    far = [0, -1e-3, -50, -86, -87, -87.33, -87.34, -90, -100, -104, -117, -1e4, -1e30, -np.inf]
    x = np.array([far * repeats] * 3, np.float32) - np.float32([[0], [8], [-8]])
    with np.errstate(all="ignore"):
        want = softmax(x.astype(np.float64), 1)
    e = want / want[:, :1]
    normal = e >= 2.0**-126
    for _, (y,), _ in run_on_each_isa("softmax", [np.ascontiguousarray(x.T) if axis == 0 else x], axis=axis):
        y = y.T if axis == 0 else y
        np.testing.assert_allclose(y[normal], want[normal], rtol=2e-6, atol=2.0**-126)  # less is flushed
        assert np.all((y[~normal] >= 0) & (y[~normal] < 2.0**-126))
        assert np.all(y[e < 2.0**-150] == 0)
    x[:, 3] = np.nan
    for _, (y,), _ in run_on_each_isa("softmax", [np.ascontiguousarray(x.T) if axis == 0 else x], axis=axis):
        assert np.all(np.isnan(y))


@pytest.mark.parametrize("name", REFERENCES)
@pytest.mark.parametrize("axis", [0, 1, 2, -1, -2])
def test_any_axis(name, axis):
    x = np.random.default_rng(1).normal(size=(5, 19, 37)).astype(np.float32)
    want = REFERENCES[name](x.astype(np.float64), axis)
    for _, (y,), _ in run_on_each_isa(name, [x], axis=axis):
        np.testing.assert_allclose(y, want, rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("name", REFERENCES)
@pytest.mark.parametrize("shape", [(1, 1), (3, 2), (2, 17), (5, 7)], ids=str)
@pytest.mark.parametrize("axis", [0, 1])
def test_gradients_by_differences(name, shape, axis):
    rng = np.random.default_rng(2)
    x, dy = rng.normal(size=(2, *shape)).astype(np.float32)
    want = difference_gradient(lambda x: REFERENCES[name](x, axis), x, dy)
    for _, _, (dx,) in run_on_each_isa(name, [x], grads=[dy], axis=axis):
        np.testing.assert_allclose(dx, want, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", REFERENCES)
@pytest.mark.parametrize("shape", [*SHAPES, (4, 33, 20)], ids=str)
def test_gradients_equal_those_of_torch(name, shape):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(3)
    x, dy = rng.normal(scale=3, size=(2, *shape)).astype(np.float32)
    for axis in (-1, 1):
        tx = torch.tensor(x, dtype=torch.float64, requires_grad=True)
        getattr(torch, name)(tx, dim=axis).backward(torch.tensor(dy, dtype=torch.float64))
        for _, _, (dx,) in run_on_each_isa(name, [x], grads=[dy], axis=axis):
            np.testing.assert_allclose(dx, tx.grad.numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("classes", [3, 16, 17, 100])
def test_extremes(classes):
    x = np.zeros((4, classes), np.float32)
    x[0, 1] = 1e4
    x[1] = -1e4
    x[2, :2] = -np.inf
    x[3] = -np.inf
    for _, (y,), _ in run_on_each_isa("softmax", [x]):
        np.testing.assert_array_equal(y[0], np.eye(classes)[1])
        np.testing.assert_allclose(y[1], 1 / classes, rtol=1e-6)
        np.testing.assert_allclose(y[2, 2:], 1 / (classes - 2), rtol=1e-6)
        assert (y[2, :2] == 0).all()
        assert np.isnan(y[3]).all()  # as in PyTorch: there is nothing to divide among
    for _, (y,), _ in run_on_each_isa("log_softmax", [x]):
        assert y[0, 0] == -1e4
        assert y[0, 1] == 0
        assert (y[2, :2] == -np.inf).all()


@pytest.mark.parametrize("name", REFERENCES)
@pytest.mark.parametrize("classes", [5, 16, 33])
def test_a_row_has_the_same_bits_alone(name, classes):
    x = np.random.default_rng(4).normal(size=(40, classes)).astype(np.float32)
    for isa, (y,), _ in run_on_each_isa(name, [x]):
        for row in (0, 17, 39):
            alone = {each: out for each, (out,), _ in run_on_each_isa(name, [x[row : row + 1]])}
            np.testing.assert_array_equal(alone[isa][0], y[row])


def test_errors():
    with pytest.raises(ValueError, match=r"softmax over axis 2: it does not exist in an input of shape \(2, 3\)"):
        _core.run_op("softmax", [np.zeros((2, 3), np.float32)], {"axis": 2})
    with pytest.raises(ValueError, match="takes float32 values, received integers"):
        _core.run_op("log_softmax", [np.zeros((2, 3), np.int32)])


@pytest.mark.parametrize("axes", [(0, 2), [-1, 1], (1,), (2, 0, 1)])
def test_several_axes(axes):
    x = np.random.default_rng(7).normal(size=(3, 4, 5)).astype(np.float32)
    e = np.exp(x.astype(np.float64))
    want = e / e.sum(tuple(axes), keepdims=True)
    np.testing.assert_allclose(ops.softmax(x, axes), want, rtol=1e-6)
    np.testing.assert_allclose(ops.log_softmax(x, axes), np.log(want), rtol=1e-5)
