"""The stated accuracy of the vector functions (cpp/kernels/math.h), over the whole of float32 and on every ISA.

Errors are counted in units in the last place (ULP) of the float32 number nearest to the true value. None of at most
twice the least normal number counts: what lies below that number, also on the way to a result, is flushed to zero.
"""

import math
from pathlib import Path

import mpmath
import numpy as np
import pytest

from nnfast import _core

ISAS = _core.runnable_isas()


def reference(function):
    """A float64 reference of one number, for arrays."""
    return lambda x: np.array([function(v) for v in x.tolist()], np.float64)


def sigmoid(x):
    e = np.exp(-abs(x))
    return np.where(x < 0, e, 1) / (1 + e)


def softplus(x):
    return np.maximum(x, 0) + np.log1p(np.exp(-abs(x)))


def gelu(x):
    a = np.minimum(abs(x), 50)
    tail = 0.5 * a * reference(math.erfc)(a * math.sqrt(0.5))
    return np.where(x < 0, -tail, x - tail)


def gelu_tanh(x):
    t = np.clip(x, -50, 50)
    return np.where(x < 0, np.where(x < -50, -0.0, t), x) * sigmoid(2 * math.sqrt(2 / math.pi) * (t + 0.044715 * t**3))


def silu(x):
    return np.where(np.isinf(x) & (x < 0), -0.0, x) * sigmoid(x)


def mish(x):
    e = np.exp(-abs(x))
    top = np.where(x < 0, e * (e + 2), 1 + 2 * e)
    return np.where(np.isinf(x) & (x < 0), -0.0, x) * top / (top + np.where(x < 0, 2, 2 * e * e))


def softsign(x):
    return np.where(np.isinf(x), np.sign(x), x / (1 + abs(x)))


# The operation, its reference, the most ULP it may be off: two, or more where that many roundings follow each other
# (silu, mish, gelu_tanh: exponential, sum, quotient, product; gelu: exponential, tail, two products).
FUNCTIONS = {
    "exp": (np.exp, 1),
    "expm1": (np.expm1, 2),
    "log": (np.log, 1),
    "log1p": (np.log1p, 2),
    "tanh": (np.tanh, 2),
    "erf": (reference(math.erf), 1.2),
    "sigmoid": (sigmoid, 2),
    "softplus": (softplus, 2),
    "log_sigmoid": (lambda x: -softplus(-x), 2),
    "gelu": (gelu, 3.7),
    "gelu_tanh": (gelu_tanh, 3.1),
    "silu": (silu, 3),
    "mish": (mish, 4),
    "elu": (lambda x: np.where(x < 0, np.expm1(np.minimum(x, 0)), x), 2),
    "exponential": (np.exp, 1),
    "softsign": (softsign, 2),
    "sqrt": (np.sqrt, 0.5),
    "rsqrt": (lambda x: 1 / np.sqrt(x), 1.5),
    "reciprocal": (lambda x: 1 / x, 0.5),
    "sin": (np.sin, 0.6),
    "cos": (np.cos, 0.6),
}

# Where a function changes its method, or its result leaves the normal numbers or the range.
CORNERS = [0.35, 0.4142135, 0.6, 0.625, 0.70710678, 0.925, 1, 1.41421356, 1.7, 2, 4, 9, 10, 13.2, 14.2, 14.8, 15, 17.3]
CORNERS += [87.3, 88.72, 103.27, 103.97, 104.5, 116, 2.0**23, 2.0**28, 1e18, 1.2e-38, 5e-324]


def walk(step=2053, near=400):
    """Bit patterns all over float32, and every number near the corners."""
    patterns = [np.arange(0, 2**32, step, dtype=np.uint64).astype(np.uint32)]
    for corner in CORNERS:
        at = int(np.float32(corner).view(np.uint32))
        above = np.arange(max(0, at - near), at + near, dtype=np.uint32)
        patterns += [above, above | np.uint32(0x80000000)]
    patterns.append(np.array([0x7F800000, 0xFF800000, 0x7FC00000, 0x7F7FFFFF, 0xFF7FFFFF, 1, 0x80000001], np.uint32))
    return np.concatenate(patterns).view(np.float32)


def ulp_error(y, expected):
    """|y - expected| in ULP; 0 where both are the same special number, infinite where only one is."""
    with np.errstate(all="ignore"):
        rounded = expected.astype(np.float32)
        spacing = np.spacing(np.minimum(abs(rounded), np.finfo(np.float32).max)).astype(np.float64)
        error = abs(y.astype(np.float64) - expected) / spacing
        special = ~np.isfinite(rounded) | ~np.isfinite(y)
        same = (np.isnan(y) & np.isnan(rounded)) | (y == rounded)
        # Just above the largest number both it and infinity are within a rounding.
        near_limit = np.isfinite(expected) & (abs(expected) < 3.4028236e38 * (1 + 2e-7))
        error[abs(y - expected) <= 2 * np.finfo(np.float32).smallest_normal] = 0
    error[special] = np.where(same[special] | near_limit[special], 0, np.inf)
    return error


def compute(name, x, isa):
    before = _core.isa()
    _core.use_isa(isa)
    try:
        return _core.run_op(name, [x], {})[0][0]
    finally:
        _core.use_isa(before)


@pytest.fixture(scope="module")
def points():
    return walk()


@pytest.fixture(scope="module")
def expected(points):
    known = {}

    def of(name):
        if name not in known:
            with np.errstate(all="ignore"):
                known[name] = FUNCTIONS[name][0](points.astype(np.float64))
        return known[name]

    return of


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_error_stays_within_the_stated_bound(name, isa, points, expected):
    y = compute(name, points, isa)
    error = ulp_error(y, expected(name))
    worst = np.argmax(error)
    assert error[worst] <= FUNCTIONS[name][1], f"{name}({points[worst]!r}) = {y[worst]!r}: {error[worst]} ULP"


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_zeros_and_small_results_keep_their_sign(name, isa, points, expected):
    y = compute(name, points, isa)
    known = ~np.isnan(expected(name)) & ~np.isnan(y)
    assert np.array_equal(np.signbit(y[known]), np.signbit(expected(name)[known]))


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("name", sorted({*FUNCTIONS, "floor", "ceil", "round", "square", "abs", "sign"}))
def test_same_bits_wherever_an_element_stands(name, isa):
    x = np.random.default_rng(1).normal(0, 3, 203).astype(np.float32)
    whole = compute(name, x, isa)
    for begin, size in ((0, 1), (1, 1), (1, 40), (7, 33), (100, 103), (5, 16), (3, 15), (2, 17)):
        part = compute(name, x[begin : begin + size].copy(), isa)
        np.testing.assert_array_equal(part, whole[begin : begin + size])


MPMATH = {
    "exp": mpmath.exp,
    "expm1": mpmath.expm1,
    "log": mpmath.log,
    "log1p": mpmath.log1p,
    "tanh": mpmath.tanh,
    "erf": mpmath.erf,
    "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
    "softplus": lambda x: mpmath.log1p(mpmath.exp(x)),
    "gelu": lambda x: x * mpmath.erfc(-x / mpmath.sqrt(2)) / 2,
    "gelu_tanh": lambda x: x / (1 + mpmath.exp(-2 * mpmath.sqrt(2 / mpmath.pi) * (x + mpmath.mpf("0.044715") * x**3))),
    "silu": lambda x: x / (1 + mpmath.exp(-x)),
    "mish": lambda x: x * mpmath.tanh(mpmath.log1p(mpmath.exp(x))),
    "sin": mpmath.sin,
    "cos": mpmath.cos,
}


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("name", MPMATH)
def test_agrees_with_mpmath(name, isa):
    rng = np.random.default_rng(3)
    x = np.concatenate([rng.normal(0, 4, 150), rng.uniform(-100, 100, 50), 10 ** rng.uniform(-30, 1, 50)])
    x = abs(x.astype(np.float32)) if name.startswith("log") else x.astype(np.float32)
    with mpmath.workdps(60):
        expected = np.array([float(MPMATH[name](mpmath.mpf(float(v)))) for v in x])
    assert ulp_error(compute(name, x, isa), expected).max() <= FUNCTIONS[name][1]


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("name", ["exp", "expm1", "log", "log1p", "tanh", "sin", "cos"])
def test_numpy_validation_set(name, isa):
    """NumPy's tables of inputs where float32 implementations went wrong."""
    table = Path(np.__file__).parent / "_core/tests/data" / f"umath-validation-set-{name}.csv"
    if not table.exists():
        table = Path(np.__file__).parent / "core/tests/data" / f"umath-validation-set-{name}.csv"  # NumPy 1
    if not table.exists():
        pytest.skip("this NumPy comes without its tests' data")
    rows = [line.split(",") for line in table.read_text().splitlines() if line.startswith("np.float32")]
    assert len(rows) > 50
    x, expected = (np.array([int(row[i], 16) for row in rows], np.uint32).view(np.float32) for i in (1, 2))
    y = compute(name, x, isa)
    # The tables hold the correctly rounded value, itself half an ULP off.
    error = ulp_error(y, expected.astype(np.float64))
    worst = np.argmax(error)
    assert error[worst] <= FUNCTIONS[name][1] + 0.5, f"{name}({x[worst]!r}) = {y[worst]!r}, not {expected[worst]!r}"


@pytest.mark.parametrize("isa", ISAS)
def test_rounding(isa, points):
    halves = (np.arange(-3000, 3000) / 2).astype(np.float32)
    for name, function in {"floor": np.floor, "ceil": np.ceil, "round": np.rint}.items():
        for x in (points, halves):
            with np.errstate(invalid="ignore"):
                expected = function(x)
            y = compute(name, x, isa)
            np.testing.assert_array_equal(y, expected)
            known = ~np.isnan(x)
            np.testing.assert_array_equal(np.signbit(y[known]), np.signbit(expected[known]))


@pytest.mark.parametrize("isa", ISAS)
def test_power_of_all_kinds_of_operands(isa):
    special = [
        0.0,
        -0.0,
        1.0,
        -1.0,
        2.0,
        -2.0,
        0.5,
        -0.5,
        3.0,
        -3.0,
        1e-45,
        -1e-45,
        3e38,
        -3e38,
        16777217.0,
        33554433.0,
    ]
    special += [math.inf, -math.inf, math.nan, 1e-39, -7.0, 8388609.0, -8388609.0, 127.5]
    rng = np.random.default_rng(5)
    a, b = (g.ravel().astype(np.float32) for g in np.meshgrid(special, special))
    a = np.concatenate([a, np.exp(rng.normal(0, 8, 60000)), rng.normal(0, 3, 20000)]).astype(np.float32)
    b = np.concatenate([b, rng.normal(0, 5, 60000), rng.integers(-9, 9, 20000)]).astype(np.float32)
    before = _core.isa()
    _core.use_isa(isa)
    try:
        (y,), _ = _core.run_op("power", [a, b])
    finally:
        _core.use_isa(before)
    with np.errstate(all="ignore"):
        expected = a.astype(np.float64) ** b.astype(np.float64)
    error = ulp_error(y, expected)
    worst = np.argmax(error)
    assert error[worst] <= 0.6, f"{a[worst]!r} ** {b[worst]!r} = {y[worst]!r}, not {expected[worst]!r}"
    known = ~np.isnan(expected)
    assert np.array_equal(np.signbit(y[known]), np.signbit(expected[known]))
