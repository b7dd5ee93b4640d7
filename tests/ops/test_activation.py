"""Every activation that C++ registers: value and gradient against float64, PyTorch and Keras, on every ISA."""

import math

import numpy as np
import pytest

from nnfast import _core
from op_checks import run_on_each_isa

DEFAULTS = _core.activations()
ISAS = _core.runnable_isas()
EPSILON = np.finfo(np.float32).eps


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def normal_cdf(x):
    return np.vectorize(math.erfc, otypes=[float])(-x / math.sqrt(2)) / 2


def softplus(x):
    return np.logaddexp(x, 0)


def hard_sigmoid(x):
    return np.clip(x / 6 + 0.5, 0, 1)


def elu(x, alpha):
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


# The definitions, as in the Keras documentation. A new activation needs its line here: a test says so.
REFERENCES = {
    "linear": lambda x, a: x,
    "relu": lambda x, a: np.maximum(x, 0),
    "relu_squared": lambda x, a: np.maximum(x, 0) ** 2,
    "leaky_relu": lambda x, a: np.where(x > 0, x, a * x),
    "relu6": lambda x, a: np.clip(x, 0, 6),
    "elu": elu,
    "selu": lambda x, a: 1.0507009873554805 * elu(x, 1.6732632423543772),
    "celu": lambda x, a: np.maximum(x, 0) + a * np.expm1(np.minimum(x, 0) / a),
    "gelu": lambda x, a: x * normal_cdf(x),
    "gelu_tanh": lambda x, a: 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    "sigmoid": lambda x, a: sigmoid(x),
    "log_sigmoid": lambda x, a: -softplus(-x),
    "hard_sigmoid": lambda x, a: hard_sigmoid(x),
    "tanh": lambda x, a: np.tanh(x),
    "hard_tanh": lambda x, a: np.clip(x, -1, 1),
    "tanh_shrink": lambda x, a: x - np.tanh(x),
    "softplus": lambda x, a: softplus(x),
    "softsign": lambda x, a: x / (1 + abs(x)),
    "silu": lambda x, a: x * sigmoid(x),
    "hard_silu": lambda x, a: x * hard_sigmoid(x),
    "mish": lambda x, a: x * np.tanh(softplus(x)),
    "exponential": lambda x, a: np.exp(x),
    "squareplus": lambda x, a: (x + np.sqrt(x * x + a)) / 2,
    "sparse_plus": lambda x, a: np.where(x <= -1, 0, np.where(x < 1, (x + 1) ** 2 / 4, x)),
    "sparse_sigmoid": lambda x, a: np.clip((x + 1) / 2, 0, 1),
    "soft_shrink": lambda x, a: np.sign(x) * np.maximum(abs(x) - a, 0),
    "hard_shrink": lambda x, a: np.where(abs(x) > a, x, 0),
    "threshold": lambda x, a: np.where(x > a, x, 0),
    "step": lambda x, a: (x >= 0).astype(float),
}
# Where a derivative jumps; its value there is checked apart.
KINKS = {
    "relu": [0], "leaky_relu": [0], "relu6": [0, 6], "elu": [0], "selu": [0], "hard_sigmoid": [-3, 3],
    "hard_tanh": [-1, 1], "hard_silu": [-3, 3], "sparse_sigmoid": [-1, 1], "soft_shrink": [-1.5, -0.5, 0.5, 1.5],
    "hard_shrink": [-1.5, -0.5, 0.5, 1.5], "threshold": [0, 0.7], "step": [0], "celu": [0],
}  # fmt: skip
ALPHAS = {"leaky_relu": [0.2, 0, 1.5], "elu": [1, 0.3], "celu": [1, 0.3], "squareplus": [4, 0.5, 0]}
ALPHAS |= {"soft_shrink": [0.5, 1.5, 0], "hard_shrink": [0.5, 1.5, 0], "threshold": [0, 0.7, -0.7]}
CASES = [(name, alpha) for name in DEFAULTS for alpha in ALPHAS.get(name, [None])]


def attributes_of(alpha):
    return {} if alpha is None else {"alpha": float(alpha)}


def inputs(name, size=1601, seed=0):
    rng = np.random.default_rng(seed)
    x = np.concatenate([rng.normal(0, 2, size // 2), rng.uniform(-12, 12, size - size // 2)]).astype(np.float32)
    for kink in [*KINKS.get(name, []), -0.7]:
        x[abs(x - kink) < 1e-3] += np.float32(0.01)
    return x


def test_every_activation_has_a_reference():
    assert set(REFERENCES) == set(DEFAULTS)


@pytest.mark.parametrize(("name", "alpha"), CASES)
def test_value_and_gradient(name, alpha):
    x = inputs(name)
    dy = np.random.default_rng(1).normal(0, 1, x.shape).astype(np.float32)
    a = DEFAULTS[name] if alpha is None else alpha
    x64 = x.astype(np.float64)
    expected = REFERENCES[name](x64, a)
    step = 1e-6
    slope = (REFERENCES[name](x64 + step, a) - REFERENCES[name](x64 - step, a)) / (2 * step)
    for isa, (y,), (dx,) in run_on_each_isa(name, [x], grads=[dy], **attributes_of(alpha)):
        np.testing.assert_allclose(y, expected, rtol=2e-6, atol=3e-7, err_msg=isa)
        np.testing.assert_allclose(dx, dy * slope, rtol=3e-6, atol=2e-6 + 1e-9 * abs(dy * slope).max(), err_msg=isa)


@pytest.mark.parametrize("name", DEFAULTS)
def test_sizes_around_a_vector_and_a_task(name):
    for size in [0, 1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 67, 16384, 16385, 40009]:
        x = inputs(name, size)
        for _, (y,), (dx,) in run_on_each_isa(name, [x], grads=[np.ones_like(x)]):
            assert y.shape == dx.shape == x.shape
            np.testing.assert_allclose(y, REFERENCES[name](x.astype(float), DEFAULTS[name]), rtol=2e-6, atol=3e-7)
            assert np.isfinite(dx).all()


@pytest.mark.parametrize("name", DEFAULTS)
def test_same_gradient_wherever_an_element_stands(name):
    x, dy = inputs(name, 203), inputs(name, 203, seed=9)
    whole = list(run_on_each_isa(name, [x], grads=[dy]))
    for begin, size in ((0, 1), (1, 40), (7, 33), (5, 16), (3, 15)):
        cut = slice(begin, begin + size)
        parts = run_on_each_isa(name, [x[cut].copy()], grads=[dy[cut].copy()])
        for (_, (y,), (dx,)), (_, (part_y,), (part_dx,)) in zip(whole, parts, strict=True):
            np.testing.assert_array_equal(part_y, y[cut])
            np.testing.assert_array_equal(part_dx, dx[cut])


def limits(name):
    """The definition's limits at -∞ and +∞."""
    with np.errstate(over="ignore"):
        far = REFERENCES[name](np.array([-1e100, 1e100]), DEFAULTS[name])
    far[abs(far) > 1e50] *= np.inf
    return far


@pytest.mark.parametrize("name", DEFAULTS)
def test_infinities_and_nan(name):
    x = np.array([-np.inf, np.inf, np.nan, -3e38, 3e38], np.float32)
    for isa, (y,), (dx,) in run_on_each_isa(name, [x], grads=[np.ones_like(x)]):
        np.testing.assert_allclose(y[:2], limits(name), rtol=1e-6, err_msg=isa)
        assert np.isnan(y[2]), "a NaN must be seen, not become a number"
        assert not np.isnan(y[3:]).any()
        assert not np.isnan(dx[[0, 1, 3, 4]]).any()


@pytest.mark.parametrize(
    ("name", "x", "slope"),
    [
        ("relu", 0, 0),
        ("relu6", 0, 0),
        ("relu6", 6, 0),
        ("leaky_relu", 0, 0.2),
        ("elu", 0, 1),
        ("hard_tanh", 1, 0),
        ("hard_sigmoid", 3, 0),
        ("hard_sigmoid", -3, 0),
        ("soft_shrink", 0.5, 0),
        ("hard_shrink", 0.5, 0),
        ("threshold", 0, 0),
        ("step", 0, 0),
        ("softsign", 0, 1),
        ("gelu", 0, 0.5),
    ],
)
def test_gradient_at_kinks_is_pytorchs(name, x, slope):
    for _, _, (dx,) in run_on_each_isa(name, [np.float32([x])], grads=[np.float32([1])]):
        assert dx[0] == np.float32(slope)


@pytest.mark.parametrize("name", ["leaky_relu", "elu", "celu", "soft_shrink", "hard_shrink", "squareplus"])
def test_negative_alpha_is_refused(name):
    with pytest.raises(ValueError, match=f"{name}: expected alpha >= 0, received -0.5"):
        _core.run_op(name, [np.zeros(3, np.float32)], {"alpha": -0.5})


def test_int_input_is_refused():
    with pytest.raises(ValueError, match="relu: expected one float32 tensor"):
        _core.run_op("relu", [np.zeros(3, np.int32)])


def torch_functions(torch):
    functions = torch.nn.functional
    return {
        "relu": functions.relu,
        "leaky_relu": lambda x: functions.leaky_relu(x, 0.2),
        "relu6": functions.relu6,
        "elu": functions.elu,
        "selu": functions.selu,
        "celu": functions.celu,
        "gelu": functions.gelu,
        "gelu_tanh": lambda x: functions.gelu(x, approximate="tanh"),
        "sigmoid": torch.sigmoid,
        "log_sigmoid": functions.logsigmoid,
        "hard_sigmoid": functions.hardsigmoid,
        "tanh": torch.tanh,
        "hard_tanh": functions.hardtanh,
        "tanh_shrink": functions.tanhshrink,
        "softplus": functions.softplus,
        "softsign": functions.softsign,
        "silu": functions.silu,
        "hard_silu": functions.hardswish,
        "mish": functions.mish,
        "exponential": torch.exp,
        "soft_shrink": functions.softshrink,
        "hard_shrink": functions.hardshrink,
        "threshold": lambda x: functions.threshold(x, 0.0, 0.0),
    }


def test_parity_with_torch():
    torch = pytest.importorskip("torch")
    for name, function in torch_functions(torch).items():
        x = inputs(name)
        dy = np.random.default_rng(2).normal(0, 1, x.shape).astype(np.float32)
        theirs = torch.tensor(x.astype(np.float64), requires_grad=True)
        out = function(theirs)
        out.backward(torch.tensor(dy.astype(np.float64)))
        # PyTorch's softplus turns linear above 20.
        for isa, (y,), (dx,) in run_on_each_isa(name, [x], grads=[dy]):
            message = f"{name} on {isa}"
            np.testing.assert_allclose(y, out.detach().numpy(), rtol=2e-6, atol=3e-7, err_msg=message)
            np.testing.assert_allclose(dx, theirs.grad.numpy(), rtol=3e-6, atol=2e-6, err_msg=message)


def test_parity_with_keras():
    keras = pytest.importorskip("keras")
    names = {name for name in DEFAULTS if hasattr(keras.activations, name)} - {"threshold"}  # which has other arguments
    assert len(names) >= 25
    for name in names:
        x = inputs(name)
        expected = np.asarray(getattr(keras.activations, name)(keras.ops.convert_to_tensor(x)).detach().numpy())
        for isa, (y,), _ in run_on_each_isa(name, [x]):
            np.testing.assert_allclose(y, expected, rtol=3e-6, atol=2e-6, err_msg=f"{name} on {isa}")
