"""Operations on each element of one and of two operands: values, gradients, broadcasting, on every ISA."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnfast import _core
from op_checks import run_on_each_isa

UNARY = {  # reference, derivative, range of inputs
    "negative": (lambda x: -x, lambda x: -np.ones_like(x), (-9, 9)),
    "exp": (np.exp, np.exp, (-9, 9)),
    "log": (np.log, lambda x: 1 / x, (0.01, 9)),
    "log1p": (np.log1p, lambda x: 1 / (1 + x), (-0.9, 9)),
    "expm1": (np.expm1, np.exp, (-9, 9)),
    "sqrt": (np.sqrt, lambda x: 0.5 / np.sqrt(x), (0.01, 9)),
    "rsqrt": (lambda x: x**-0.5, lambda x: -0.5 * x**-1.5, (0.01, 9)),
    "square": (lambda x: x * x, lambda x: 2 * x, (-9, 9)),
    "abs": (abs, np.sign, (-9, 9)),
    "sign": (np.sign, np.zeros_like, (-9, 9)),
    "reciprocal": (lambda x: 1 / x, lambda x: -1 / x**2, (0.1, 9)),
    "sin": (np.sin, np.cos, (-9, 9)),
    "cos": (np.cos, lambda x: -np.sin(x), (-9, 9)),
    "erf": (np.vectorize(math.erf, otypes=[float]), lambda x: 2 / math.sqrt(math.pi) * np.exp(-x * x), (-4, 4)),
    "floor": (np.floor, np.zeros_like, (-9, 9)),
    "ceil": (np.ceil, np.zeros_like, (-9, 9)),
    "round": (np.rint, np.zeros_like, (-9, 9)),
    "isfinite": (np.isfinite, np.zeros_like, (-9, 9)),
    "isnan": (np.isnan, np.zeros_like, (-9, 9)),
    "isinf": (np.isinf, np.zeros_like, (-9, 9)),
    "logical_not": (np.logical_not, np.zeros_like, (-9, 9)),
}


def half_at_ties(wins):
    """The gradient of maximum or minimum: all to the operand that wins, half where both are equal."""
    return lambda a, b: (wins(a, b) + 0.5 * (a == b), wins(b, a) + 0.5 * (a == b))


def zeros(a, b):
    return np.zeros(np.broadcast(a, b).shape), np.zeros(np.broadcast(a, b).shape)


BINARY = {  # reference, derivatives
    "add": (np.add, lambda a, b: (1 + 0 * b, 1 + 0 * a)),
    "subtract": (np.subtract, lambda a, b: (1 + 0 * b, -1 + 0 * a)),
    "multiply": (np.multiply, lambda a, b: (b + 0 * a, a + 0 * b)),
    "divide": (np.divide, lambda a, b: (1 / b + 0 * a, -a / b**2)),
    "power": (np.power, lambda a, b: (b * a ** (b - 1), a**b * np.log(a))),
    "maximum": (np.maximum, half_at_ties(np.greater)),
    "minimum": (np.minimum, half_at_ties(np.less)),
    "prelu": (lambda x, a: np.where(x < 0, a * x, x), lambda x, a: (np.where(x > 0, 1, a), np.where(x < 0, x, 0 * a))),
    "equal": (np.equal, zeros),
    "not_equal": (np.not_equal, zeros),
    "less": (np.less, zeros),
    "less_equal": (np.less_equal, zeros),
    "greater": (np.greater, zeros),
    "greater_equal": (np.greater_equal, zeros),
    "logical_and": (np.logical_and, zeros),
    "logical_or": (np.logical_or, zeros),
}


def reduce_to(gradient, shape):
    """Sum a gradient over the axes along which an operand of this shape was repeated."""
    gradient = gradient.sum(tuple(range(gradient.ndim - len(shape))))
    axes = tuple(i for i, size in enumerate(shape) if size == 1 and gradient.shape[i] != 1)
    return gradient.sum(axes, keepdims=True)


@pytest.mark.parametrize("name", UNARY)
@pytest.mark.parametrize("shape", [(0,), (), (1,), (3, 5), (7, 31), (16385,), (3, 13331)])
def test_unary(name, shape):
    function, derivative, (low, high) = UNARY[name]
    rng = np.random.default_rng(0)
    x = rng.uniform(low, high, shape).astype(np.float32)
    dy = rng.normal(0, 1, shape).astype(np.float32)
    x64 = x.astype(np.float64)
    for isa, (y,), (dx,) in run_on_each_isa(name, [x], grads=[dy]):
        assert y.shape == dx.shape == shape
        np.testing.assert_allclose(y, function(x64), rtol=2e-7, atol=1e-7, err_msg=isa)
        np.testing.assert_allclose(dx, dy * derivative(x64), rtol=2e-6, atol=1e-6, err_msg=isa)


def test_tests_of_single_numbers():
    x = np.array([np.nan, np.inf, -np.inf, 0, -0.0, 1, -2, 1e-45], np.float32)
    for name in ("isfinite", "isnan", "isinf"):
        for _, (y,), _ in run_on_each_isa(name, [x]):
            np.testing.assert_array_equal(y, getattr(np, name)(x))
    for _, (y,), _ in run_on_each_isa("logical_not", [x]):
        np.testing.assert_array_equal(y, np.logical_not(x))
    for _, (y,), _ in run_on_each_isa("sign", [x]):
        np.testing.assert_array_equal(y, np.sign(x))


@pytest.mark.parametrize("name", [*UNARY, *BINARY, "clip", "where", "add_n"])
def test_nan_passes_unless_the_result_is_a_truth_value(name):
    truth = {"isfinite": 0, "isnan": 1, "isinf": 0, "logical_not": 0, "not_equal": 1, "logical_and": 1, "logical_or": 1}
    truth |= dict.fromkeys(["equal", "less", "less_equal", "greater", "greater_equal"], 0)
    nan, one = np.float32([np.nan]), np.float32([1])
    for inputs in [[nan]] if name in UNARY else [[nan, one], [one, nan]]:
        attributes = {}
        if name == "clip":
            inputs, attributes = [nan], {"lo": -1, "hi": 1}
        if name == "where":
            inputs = [one, nan, one]
        if name == "power" and np.isnan(inputs[1][0]):
            continue  # 1 to any power is 1
        if name == "prelu" and np.isnan(inputs[1][0]):
            continue  # not used above 0
        for isa, (y,), _ in run_on_each_isa(name, inputs, **attributes):
            if name in truth:
                assert y[0] == truth[name], isa
            else:
                assert np.isnan(y[0]), isa


def operands(name, shapes, seed):
    """Operands that make every sum exact, so that gradients can be compared to the bit; none for power and divide."""
    rng = np.random.default_rng(seed)
    if name in ("divide", "power"):
        return [rng.uniform(0.5, 2, shape).astype(np.float32) for shape in shapes]
    return [rng.integers(-3, 4, shape).astype(np.float32) for shape in shapes]


def check_binary(name, shapes, seed=0):
    function, derivatives = BINARY[name]
    a, b = operands(name, shapes, seed)
    a64, b64 = a.astype(np.float64), b.astype(np.float64)
    expected = function(a64, b64)
    dy = np.random.default_rng(seed + 1).integers(-4, 5, expected.shape).astype(np.float32)
    gradients = [reduce_to(dy * d, shape) for d, shape in zip(derivatives(a64, b64), shapes, strict=True)]
    scale = max(1.0, expected.size / max(1, min(a.size, b.size))) if name in ("divide", "power") else 0.0
    for isa, (y,), (da, db) in run_on_each_isa(name, [a, b], grads=[dy]):
        np.testing.assert_allclose(y, expected, rtol=2e-7 if scale else 0, err_msg=isa)
        for d, gradient in zip((da, db), gradients, strict=True):
            assert d.shape == gradient.shape
            np.testing.assert_allclose(d, gradient, rtol=3e-6 if scale else 0, atol=2e-5 * scale, err_msg=isa)


SHAPES = [
    ((), ()),
    ((1,), (1, 1)),
    ((5,), (5,)),
    ((0,), (0,)),
    ((0,), (1,)),
    ((3, 0), (1,)),
    ((7,), (1,)),
    ((), (3, 7)),
    ((13, 17), (17,)),  # a bias
    ((13, 17), (13, 1)),  # a column
    ((13, 1), (1, 17)),
    ((4, 1, 3), (4, 5, 1)),
    ((2, 3, 1, 5), (3, 7, 1)),
    ((6, 5, 4, 3, 2, 2), (1, 5, 1, 3, 1, 2)),
    ((20011,), (1,)),
    ((3, 40009), (40009,)),  # wider than a task
    ((20000, 3), (3,)),  # more rows than a chunk
    ((500, 90), (500, 1)),
    ((30, 1, 700), (1, 40, 700)),
    ((2, 9000, 3), (2, 1, 3)),  # two groups of several chunks
    ((9, 2, 5000), (2, 1)),
]


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize("shapes", SHAPES)
def test_binary(name, shapes):
    check_binary(name, shapes)
    check_binary(name, shapes[::-1], seed=5)


@settings(max_examples=60)
@given(data=st.data())
def test_broadcasting(data):
    rank = data.draw(st.integers(0, 6))
    full = data.draw(st.lists(st.sampled_from([1, 2, 3, 5, 17]), min_size=rank, max_size=rank))
    shapes = []
    for _ in range(2):
        kept = data.draw(st.lists(st.booleans(), min_size=rank, max_size=rank))
        shape = [size if keep else 1 for size, keep in zip(full, kept, strict=True)]
        shapes.append(tuple(shape[data.draw(st.integers(0, rank)) if not any(kept) else 0 :]))
    check_binary("multiply", shapes)


def test_only_the_wanted_gradient():
    a, b = np.ones((3, 4), np.float32), np.ones(4, np.float32)
    for wanted in ([True, False], [False, True]):
        for _, _, gradients in run_on_each_isa("multiply", [a, b], grads=[a], wanted=wanted):
            assert [g is not None for g in gradients] == wanted


def test_gradient_of_power_at_zero():
    a, b = np.float32([0, 0, 0, 2]), np.float32([0, 1, 2, 0])
    for _, _, (da, db) in run_on_each_isa("power", [a, b], grads=[np.ones(4, np.float32)]):
        np.testing.assert_array_equal(da, [0, 1, 0, 0])  # as PyTorch
        np.testing.assert_allclose(db, [0, 0, 0, math.log(2)], rtol=1e-6)


def test_shapes_that_do_not_fit():
    with pytest.raises(ValueError, match=r"add: expected shapes whose sizes.*received \(3, 4\) and \(3,\)"):
        _core.run_op("add", [np.zeros((3, 4), np.float32), np.zeros(3, np.float32)])
    with pytest.raises(ValueError, match=r"add: expected 2 operands, received 1"):
        _core.run_op("add", [np.zeros(3, np.float32)])
    with pytest.raises(ValueError, match=r"add: expected float32 operands; convert int32 ones with cast"):
        _core.run_op("add", [np.zeros(3, np.float32), np.zeros(3, np.int32)])


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("shape", [(), (0,), (3, 7), (20011,)])
def test_add_n(count, shape):
    rng = np.random.default_rng(0)
    xs = [rng.integers(-9, 9, shape).astype(np.float32) for _ in range(count)]
    dy = rng.normal(0, 1, shape).astype(np.float32)
    for _, (y,), gradients in run_on_each_isa("add_n", xs, grads=[dy]):
        np.testing.assert_array_equal(y, np.sum(xs, axis=0))
        for gradient in gradients:
            np.testing.assert_array_equal(gradient, dy)


def test_add_n_of_unequal_shapes():
    with pytest.raises(ValueError, match=r"add_n: expected float32 tensors of one shape, received \(3,\) and \(1,\)"):
        _core.run_op("add_n", [np.zeros(3, np.float32), np.zeros(1, np.float32)])


def test_cast():
    x = np.array([0, -0.0, 1.9, -1.9, 2**31 - 128, -(2**31), np.nan, np.inf, 3e9, -3e9], np.float32)
    least = np.iinfo(np.int32).min
    for _, (y,), (dx,) in run_on_each_isa("cast", [x], dtype="int32", grads=[np.ones_like(x)]):
        assert y.dtype == np.int32
        np.testing.assert_array_equal(y, [0, 0, 1, -1, 2**31 - 128, least, least, least, least, least])
        np.testing.assert_array_equal(dx, 0)
    numbers = np.arange(-20000, 20000, dtype=np.int32)
    for _, (y,), _ in run_on_each_isa("cast", [numbers], dtype="float32"):
        assert y.dtype == np.float32
        np.testing.assert_array_equal(y, numbers)
    (y,), (dx,) = _core.run_op("cast", [x], {"dtype": "float32"}, [np.ones_like(x)])
    np.testing.assert_array_equal(y, x)
    np.testing.assert_array_equal(dx, 1)
    with pytest.raises(ValueError, match="cast: expected dtype 'float32' or 'int32', received 'bool'"):
        _core.run_op("cast", [x], {"dtype": "bool"})


def test_parity_with_torch():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(3)
    a, b = rng.uniform(0.1, 2, (5, 1, 7)).astype(np.float32), rng.uniform(0.1, 2, (4, 1)).astype(np.float32)
    a[0, 0, 0] = b[0, 0]
    for name in ("add", "subtract", "multiply", "divide", "pow", "maximum", "minimum"):
        x, y = torch.tensor(a, requires_grad=True), torch.tensor(b, requires_grad=True)
        expected = getattr(torch, name)(x, y)
        dy = rng.normal(0, 1, expected.shape).astype(np.float32)
        expected.backward(torch.tensor(dy))
        for isa, (out,), (da, db) in run_on_each_isa("power" if name == "pow" else name, [a, b], grads=[dy]):
            np.testing.assert_allclose(out, expected.detach().numpy(), rtol=1e-6, err_msg=f"{name} on {isa}")
            np.testing.assert_allclose(da, x.grad.numpy(), rtol=1e-5, atol=1e-5, err_msg=f"{name} on {isa}")
            np.testing.assert_allclose(db, y.grad.numpy(), rtol=1e-5, atol=1e-5, err_msg=f"{name} on {isa}")
