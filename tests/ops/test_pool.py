"""The operations "max_pool" and "average_pool": values and gradients, on every ISA."""

import numpy as np
import pytest

from nnfast import _core, kernels, ops
from op_checks import run_on_each_isa
from pool_reference import Pooling

KINDS = ["max", "average"]


def settings_of(pool_size, strides, padding):
    return {"pool_size": list(pool_size), "strides": list(strides), "padding": padding}


def random_case(rng):
    axes = int(rng.choice([1, 2, 2, 3]))
    most = {1: 40, 2: 12, 3: 7}[axes]
    pool_size = [int(rng.integers(1, 5)) for _ in range(axes)]
    strides = pool_size if rng.random() < 0.3 else [int(rng.integers(1, 5)) for _ in range(axes)]
    padding = str(rng.choice(["valid", "same"]))
    size = [int(rng.integers(k if padding == "valid" else 1, most)) for k in pool_size]
    channels = int(rng.choice([1, 2, 3, 4, 5, 8, 15, 16, 17, 33, 64, 70]))
    return (int(rng.choice([1, 2, 3])), *size, channels), pool_size, strides, padding


# More channels or columns than a task, and windows whose places need more than a byte.
LARGE = [
    ((3, 30, 30, 67), [2, 2], [2, 2], "valid"),
    ((2, 29, 31, 16), [3, 3], [2, 2], "same"),
    ((1, 700, 3), [300], [150], "valid"),
    ((2, 18, 20, 5), [17, 16], [1, 2], "same"),
    ((1, 9, 8, 7, 3), [8, 8, 7], [1, 1, 1], "same"),
    ((2, 5, 130), [9], [2], "same"),
    ((0, 4, 4, 3), [2, 2], [2, 2], "valid"),
    ((2, 4, 4, 0), [2, 2], [1, 1], "same"),
]


def cases():
    rng = np.random.default_rng(11)
    return LARGE + [random_case(rng) for _ in range(60)]


@pytest.mark.parametrize("kind", KINDS)
def test_random_geometries(kind):
    rng = np.random.default_rng(5)
    for case in cases():
        reference = Pooling(kind, *case)
        # Few values: equal ones in most windows.
        x = rng.integers(-3, 3, reference.x_shape).astype(np.float32)
        dy = rng.integers(-3, 4, reference.y_shape).astype(np.float32)
        for isa, (y,), (dx,) in run_on_each_isa(f"{kind}_pool", [x], grads=[dy], **settings_of(*case[1:])):
            np.testing.assert_allclose(y, reference.forward(x), 1e-6, 1e-6, err_msg=f"{isa} {case}")
            np.testing.assert_allclose(dx, reference.backward(x, dy), 1e-6, 1e-6, err_msg=f"{isa} {case}")


@pytest.mark.parametrize("kind", KINDS)
def test_strides_are_the_pool_size_by_default(kind):
    x = np.arange(48, dtype=np.float32).reshape(1, 6, 4, 2)
    got = ops.max_pool(x, (3, 2)) if kind == "max" else ops.average_pool(x, (3, 2))
    np.testing.assert_array_equal(got, Pooling(kind, x.shape, [3, 2], [3, 2]).forward(x))
    (y,), _ = _core.run_op(f"{kind}_pool", [x], {"pool_size": [3, 2]})
    np.testing.assert_array_equal(got, y)


@pytest.mark.parametrize("padding", ["valid", "same"])
# Image sizes for which "same" pads alike on both sides, as PyTorch does.
@pytest.mark.parametrize(("size", "stride", "height"), [(2, 2, 8), (3, 2, 9), (3, 1, 8), (2, 3, 9), (5, 2, 11)])
@pytest.mark.parametrize("kind", KINDS)
def test_equals_pytorch(kind, size, stride, height, padding):
    torch = pytest.importorskip("torch")
    pad = (size - 1) // 2 if padding == "same" and size > stride else 0
    rng = np.random.default_rng(size * 10 + stride)
    x = rng.integers(-2, 3, (2, height, height, 19)).astype(np.float32)
    theirs = torch.tensor(x.transpose(0, 3, 1, 2), requires_grad=True)
    if kind == "max":
        expected = torch.nn.functional.max_pool2d(theirs, size, stride, pad)
    else:
        expected = torch.nn.functional.avg_pool2d(theirs, size, stride, pad, count_include_pad=False)
    dy = rng.standard_normal((2, *expected.shape[2:], 19)).astype(np.float32)
    expected.backward(torch.tensor(dy.transpose(0, 3, 1, 2)))
    (y,), (dx,) = _core.run_op(f"{kind}_pool", [x], settings_of([size] * 2, [stride] * 2, padding), [dy])
    np.testing.assert_allclose(y, expected.detach().numpy().transpose(0, 2, 3, 1), 1e-6)
    np.testing.assert_allclose(dx, theirs.grad.numpy().transpose(0, 2, 3, 1), 1e-5, 1e-6)


def test_nan_and_infinity():
    nan, inf = np.nan, np.inf
    x = np.array([[1, nan, 2, 3], [nan, 1, 3, 3], [-inf, -inf, inf, 1], [-inf, -inf, nan, nan]], np.float32)
    x = np.repeat(x.reshape(1, 4, 4, 1), 20, axis=-1)
    dy = np.ones((1, 2, 2, 20), np.float32)
    attributes = {"pool_size": [2, 2]}
    for isa, (y,), (dx,) in run_on_each_isa("max_pool", [x], grads=[dy], **attributes):
        np.testing.assert_array_equal(y[0, :, :, 0], [[nan, 3], [-inf, nan]], err_msg=isa)
        places = [[0, 0, 0, 1], [1, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]]
        np.testing.assert_array_equal(dx[0], np.repeat(np.array(places)[..., None], 20, -1), err_msg=isa)
    for isa, (y,), _ in run_on_each_isa("average_pool", [x], grads=[dy], **attributes):
        np.testing.assert_array_equal(y[0, :, :, 3], [[nan, 2.75], [-inf, nan]], err_msg=isa)


@pytest.mark.parametrize("strides", [[2, 2], [3, 2], [2, 1]])
@pytest.mark.parametrize("kind", KINDS)
def test_a_gradient_past_the_cache_is_that_of_each_image(kind, strides):
    # All images together are written past the cache, each by itself is not.
    rng = np.random.default_rng(6)
    x = rng.integers(0, 4, (4, 129, 257, 32)).astype(np.float32)
    settings = {"pool_size": [2, 2], "strides": strides, "padding": "same"}
    dy = rng.standard_normal((4, -(-129 // strides[0]), -(-257 // strides[1]), 32), dtype=np.float32)
    single = [run_on_each_isa(f"{kind}_pool", [x[i : i + 1]], grads=[dy[i : i + 1]], **settings) for i in range(4)]
    for together, *apart in zip(run_on_each_isa(f"{kind}_pool", [x], grads=[dy], **settings), *single, strict=True):
        isa, _, (dx,) = together
        np.testing.assert_array_equal(dx, np.concatenate([gradients[0] for _, _, gradients in apart]), err_msg=isa)


@pytest.mark.parametrize("kind", KINDS)
def test_each_row_is_written_by_one_task(kind):
    # Windows that overlap in every direction, over many tasks: the sums must not depend on who comes first.
    rng = np.random.default_rng(0)
    case = ((2, 40, 40, 48), [3, 3], [1, 1], "same")
    reference = Pooling(kind, *case)
    x = rng.standard_normal(reference.x_shape).astype(np.float32)
    dy = rng.standard_normal(reference.y_shape).astype(np.float32)
    for isa, (y,), (dx,) in run_on_each_isa(f"{kind}_pool", [x], grads=[dy], **settings_of(*case[1:])):
        np.testing.assert_allclose(y, reference.forward(x), 1e-5, 1e-6, err_msg=isa)
        np.testing.assert_allclose(dx, reference.backward(x, dy), 1e-5, 1e-5, err_msg=isa)


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("pool_size", [2, (3, 2)])
def test_kernels(pool_size, padding):
    rng = np.random.default_rng(1)
    x = rng.integers(-3, 3, (3, 7, 8, 21)).astype(np.float32)
    sizes = [2, 2] if pool_size == 2 else [3, 2]
    for strides in (None, 1, (2, 1)):
        each = sizes if strides is None else [1, 1] if strides == 1 else list(strides)
        reference = Pooling("max", x.shape, sizes, each, padding)
        y = kernels.max_pool2d(x, pool_size, strides, padding)
        dy = rng.integers(-3, 4, y.shape).astype(np.float32)
        np.testing.assert_array_equal(y, reference.forward(x))
        dx = kernels.max_pool2d_backward(x, y, dy, pool_size, strides, padding)
        np.testing.assert_array_equal(dx, reference.backward(x, dy))


@pytest.mark.parametrize(
    ("shape", "attributes", "message"),
    [
        ((2, 3), {"pool_size": [2]}, "images must have shape"),
        ((2, 3, 3, 1), {"pool_size": [2]}, "must have an entry for each of the 2 spatial axes"),
        ((2, 3, 3, 1), {"pool_size": [2, 0]}, "pool_size must be positive"),
        ((2, 3, 3, 1), {"pool_size": [2, -1], "strides": [1, 1]}, "pool_size must be positive"),
        ((2, 3, 3, 1), {"pool_size": [2, 2], "strides": [1, 0]}, "strides must be positive"),
        ((2, 3, 3, 1), {"pool_size": [4, 1]}, "does not fit"),
        ((2, 3, 3, 1), {"pool_size": [2**40, 2**40], "padding": "same"}, "cover at most"),
        ((2, 3, 1), {"pool_size": [1], "padding": "causal"}, 'must be "valid" or "same"'),
        ((2, 3, 3, 1), {"pool_size": [1, 1], "padding": "full"}, "padding"),
    ],
)
def test_errors(shape, attributes, message):
    for kind in KINDS:
        with pytest.raises(ValueError, match=message):
            _core.run_op(f"{kind}_pool", [np.zeros(shape, np.float32)], attributes)


def test_a_window_much_larger_than_the_image():
    x = np.arange(8, dtype=np.float32).reshape(1, 4, 2)
    (y,), (dx,) = _core.run_op(
        "max_pool", [x], {"pool_size": [2**28], "strides": [4], "padding": "same"}, [np.ones((1, 1, 2), np.float32)]
    )
    np.testing.assert_array_equal(y, [[[6, 7]]])
    np.testing.assert_array_equal(dx[0], [[0, 0], [0, 0], [0, 0], [1, 1]])


def test_errors_of_kernels():
    x = np.zeros((2, 4, 4, 3), np.float32)
    with pytest.raises(ValueError, match="expected images of shape"):
        kernels.max_pool2d(x[0], 2)
    with pytest.raises(ValueError, match="an output of shape"):
        kernels.max_pool2d_backward(x, x, x, 2)
    with pytest.raises(ValueError, match="output's gradient of shape"):
        kernels.max_pool2d_backward(x, x[:, ::2, ::2], x, 2)
