"""where and clip: values, gradients, broadcasting, on every ISA."""

import numpy as np
import pytest

from nnfast import _core
from op_checks import run_on_each_isa


def summed(gradient, shape):
    gradient = gradient.sum(tuple(range(gradient.ndim - len(shape))))
    return gradient.sum(tuple(i for i, n in enumerate(shape) if n == 1 and gradient.shape[i] != 1), keepdims=True)


@pytest.mark.parametrize(
    "shapes",
    [
        [(), (), ()],
        [(5,), (5,), (5,)],
        [(0,), (0,), ()],
        [(33, 7), (33, 7), ()],
        [(33, 1), (7,), (33, 7)],
        [(7,), (33, 1), (1,)],
        [(4, 1, 3), (1, 5, 3), (4, 5, 1)],
        [(20011,), (1,), (20011,)],
        [(5000, 1), (5000, 9), (9,)],
    ],
)
def test_where(shapes):
    rng = np.random.default_rng(0)
    condition = rng.integers(0, 2, shapes[0]).astype(np.float32) * rng.choice([-2, 1], shapes[0]).astype(np.float32)
    a, b = (rng.integers(-9, 9, shape).astype(np.float32) for shape in shapes[1:])
    expected = np.where(condition != 0, a, b)
    dy = rng.integers(-4, 5, expected.shape).astype(np.float32)
    da, db = (summed(np.where((condition != 0) == side, dy, 0), s) for side, s in ((True, a.shape), (False, b.shape)))
    for isa, (y,), gradients in run_on_each_isa("where", [condition, a, b], grads=[dy]):
        for got, want in zip([y, *gradients], [expected, np.zeros_like(condition), da, db], strict=True):
            assert got.shape == want.shape
            np.testing.assert_array_equal(got, want, err_msg=isa)


def test_where_hides_what_is_not_chosen():
    """A NaN or infinite gradient factor on the other side must not come through."""
    condition = np.float32([1, 0])
    for _, (y,), (_, da, db) in run_on_each_isa(
        "where", [condition, np.float32([1, np.nan]), np.float32([np.inf, 2])], grads=[np.float32([np.inf, np.nan])]
    ):
        np.testing.assert_array_equal(y, [1, 2])
        np.testing.assert_array_equal(da, [np.inf, 0])
        np.testing.assert_array_equal(db, [0, np.nan])


@pytest.mark.parametrize("shape", [(), (0,), (3, 5), (16385,)])
def test_clip(shape):
    rng = np.random.default_rng(0)
    x = rng.normal(0, 2, shape).astype(np.float32)
    dy = rng.normal(0, 1, shape).astype(np.float32)
    for isa, (y,), (dx,) in run_on_each_isa("clip", [x], grads=[dy], lo=-1.5, hi=1):
        np.testing.assert_array_equal(y, np.clip(x, np.float32(-1.5), np.float32(1)), err_msg=isa)
        np.testing.assert_array_equal(dx, np.where((x >= -1.5) & (x <= 1), dy, 0), err_msg=isa)


def test_clip_at_and_beyond_its_bounds():
    x = np.float32([-1, 1, -np.inf, np.inf, np.nan, -0.0])
    for _, (y,), (dx,) in run_on_each_isa("clip", [x], grads=[np.ones_like(x)], lo=-1, hi=1):
        np.testing.assert_array_equal(y, [-1, 1, -1, 1, np.nan, 0])
        np.testing.assert_array_equal(dx, [1, 1, 0, 0, 0, 1])
    for _, (y,), _ in run_on_each_isa("clip", [x], lo=-np.inf, hi=np.inf):
        np.testing.assert_array_equal(y, x)
    with pytest.raises(ValueError, match=r"clip: expected lo <= hi, received 2 and 1"):
        _core.run_op("clip", [x], {"lo": 2, "hi": 1})


def test_parity_with_torch():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(1)
    x, a, b = (rng.normal(0, 1, (4, 33)).astype(np.float32) for _ in range(3))
    dy = rng.normal(0, 1, (4, 33)).astype(np.float32)
    tensors = [torch.tensor(v, requires_grad=True) for v in (x, a, b)]
    clipped = torch.clamp(tensors[0], -0.5, 0.25)
    chosen = torch.where(tensors[0] > 0, tensors[1], tensors[2])
    (clipped * torch.tensor(dy)).sum().backward()
    (chosen * torch.tensor(dy)).sum().backward()
    for _, (y,), (dx,) in run_on_each_isa("clip", [x], grads=[dy], lo=-0.5, hi=0.25):
        np.testing.assert_array_equal(y, clipped.detach().numpy())
        np.testing.assert_array_equal(dx, tensors[0].grad.numpy())
    for _, (y,), (_, da, db) in run_on_each_isa("where", [(x > 0).astype(np.float32), a, b], grads=[dy]):
        np.testing.assert_array_equal(y, chosen.detach().numpy())
        np.testing.assert_array_equal(da, tensors[1].grad.numpy())
        np.testing.assert_array_equal(db, tensors[2].grad.numpy())
