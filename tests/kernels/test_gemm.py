from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnfast import _core
from nnfast.kernels import gemm

EPSILON = np.finfo(np.float32).eps / 2


@pytest.fixture
def threads():
    before = _core.num_threads()
    yield _core.set_num_threads
    _core.set_num_threads(before)


def operands(m, n, k, transpose_a=False, transpose_b=False, seed=0):
    rng = np.random.default_rng(seed)
    a = rng.standard_normal((k, m) if transpose_a else (m, k), dtype=np.float32)
    b = rng.standard_normal((n, k) if transpose_b else (k, n), dtype=np.float32)
    return a, b


def reference(a, b, transpose_a=False, transpose_b=False, bias=0.0, relu=False):
    """The product in float64, and a bound on the rounding error of any order of summation in float32."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    a, b = (a.T if transpose_a else a), (b.T if transpose_b else b)
    c = a @ b + bias
    bound = (a.shape[1] + 2) * EPSILON * (abs(a) @ abs(b) + abs(np.asarray(bias)))
    return np.maximum(c, 0) if relu else c, bound


def assert_product(c, a, b, transpose_a=False, transpose_b=False, **epilogue):
    expected, bound = reference(a, b, transpose_a, transpose_b, **epilogue)
    assert c.dtype == np.float32
    assert c.shape == expected.shape
    assert np.all(abs(c - expected) <= bound)


# 0, 1, around the tile edges of every ISA (3, 6, 14 rows; 12, 16, 32 columns), primes; the last around the chain.
SIZES = [0, 1, 2, 3, 4, 5, 6, 7, 11, 12, 13, 14, 15, 16, 17, 31, 32, 33, 43, 64, 65, 97]
DEPTHS = [0, 1, 2, 7, 8, 15, 16, 17, 33, 100, 383, 384, 385, 769]


@pytest.mark.parametrize("transpose_b", [False, True])
@pytest.mark.parametrize("transpose_a", [False, True])
def test_sizes_around_tile_edges(isa, transpose_a, transpose_b):
    # Small integers: every order of summation is exact.
    rng = np.random.default_rng(1)
    for m in SIZES:
        for n in SIZES:
            k = int(rng.choice(DEPTHS))
            a = rng.integers(-4, 5, (k, m) if transpose_a else (m, k)).astype(np.float32)
            b = rng.integers(-4, 5, (n, k) if transpose_b else (k, n)).astype(np.float32)
            c = gemm(a, b, transpose_a=transpose_a, transpose_b=transpose_b)
            np.testing.assert_array_equal(c, (a.T if transpose_a else a) @ (b.T if transpose_b else b))


@pytest.mark.slow
@pytest.mark.parametrize("transpose_b", [False, True])
@pytest.mark.parametrize("transpose_a", [False, True])
@pytest.mark.parametrize(
    ("m", "n", "k"),
    [
        (300, 400, 1000),
        (1, 1000, 1000),
        (3, 2000, 513),
        (1000, 1, 1000),
        (1000, 10, 385),
        (2000, 3, 64),
        (64, 1500, 1100),
        (8192, 64, 64),
        (64, 64, 8192),
        (10, 10, 20000),
        (513, 511, 517),
        (512, 512, 512),
        (700, 769, 190),
        (703, 800, 389),
        (200, 1024, 1500),
        (140, 1277, 2048),
        (240, 1021, 2048),
    ],
)
def test_large(isa, m, n, k, transpose_a, transpose_b):
    a, b = operands(m, n, k, transpose_a, transpose_b)
    bias = np.random.default_rng(2).standard_normal(n).astype(np.float32)
    c = gemm(a, b, transpose_a=transpose_a, transpose_b=transpose_b, bias=bias, activation="relu")
    assert_product(c, a, b, transpose_a, transpose_b, bias=bias, relu=True)


@given(data=st.data())
@settings(max_examples=200)
def test_any_shape_and_stride(data):
    size = st.integers(0, 80)
    m, n, k = data.draw(size), data.draw(size), data.draw(st.integers(0, 900))
    transpose_a, transpose_b, fortran = data.draw(st.booleans()), data.draw(st.booleans()), data.draw(st.booleans())
    a, b = operands(m, n, k, transpose_a, transpose_b)
    if fortran:
        a, b = np.asfortranarray(a), np.asfortranarray(b)
    if gap := data.draw(st.integers(0, 5)):
        a, b = (np.pad(x, ((0, gap), (gap, 0)))[: x.shape[0], gap:] for x in (a, b))
    bias = np.linspace(-1, 1, n, dtype=np.float32) if data.draw(st.booleans()) else None
    relu = data.draw(st.booleans())
    c = gemm(a, b, transpose_a=transpose_a, transpose_b=transpose_b, bias=bias, activation="relu" if relu else None)
    assert_product(c, a, b, transpose_a, transpose_b, bias=0.0 if bias is None else bias, relu=relu)


ACTIVATIONS = {
    "linear": lambda x: x,
    "relu": lambda x: np.maximum(x, 0),
    "leaky_relu": lambda x: np.where(x < 0, 0.2 * x, x),  # its parameter at the default
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "tanh": np.tanh,
    "silu": lambda x: x / (1 + np.exp(-x)),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize(
    ("m", "n", "k"), [(30, 50, 20), pytest.param(300, 500, 400, marks=pytest.mark.slow), (7, 64, 64)]
)
def test_activations(isa, name, m, n, k):
    a, b = operands(m, n, k)
    expected, bound = reference(a, b)
    np.testing.assert_array_less(abs(gemm(a, b, activation=name) - ACTIVATIONS[name](expected)), 1.2 * bound + 1e-6)


def test_against_torch():
    torch = pytest.importorskip("torch")
    a, b = operands(123, 234, 345)
    bias = np.linspace(-1, 1, 234, dtype=np.float32)
    theirs = torch.relu(torch.addmm(torch.from_numpy(bias), torch.from_numpy(a), torch.from_numpy(b)))
    np.testing.assert_allclose(gemm(a, b, bias=bias, activation="relu"), theirs.numpy(), atol=1e-4)


LARGE = [
    (64, 4096, 1030),
    (64, 4001, 1030),
    (19, 2001, 1030),
    (1000, 1000, 1000),
    (128, 512, 784),
    (2100, 33, 400),
    (160, 1024, 1024),
    (140, 1277, 2048),
]
SMALL = [(100, 70, 50), (37, 2, 2000), (1, 700, 900), (3, 70, 770), (150, 10, 400), (40, 20, 30)]
SHAPES = [*SMALL, *(pytest.param(*shape, marks=pytest.mark.slow) for shape in LARGE)]


@pytest.mark.parametrize(("m", "n", "k"), SHAPES)
def test_bits_of_an_element_depend_on_the_inner_size_alone(isa, m, n, k):
    a, b = operands(m, n, k)
    whole = gemm(a, b)
    for rows in (1, 2, 5, 15, 29):
        np.testing.assert_array_equal(gemm(a[:rows], b), whole[:rows])
        np.testing.assert_array_equal(gemm(a[-rows:], b), whole[-rows:])
    for columns in (1, 2, 5, 17, 33):
        np.testing.assert_array_equal(gemm(a, b[:, :columns]), whole[:, :columns])
    np.testing.assert_array_equal(gemm(a[:3], b[:, :7]), whole[:3, :7])
    np.testing.assert_array_equal(gemm(b, a, transpose_a=True, transpose_b=True), whole.T)


@pytest.mark.parametrize(("m", "n", "k"), SHAPES)
def test_bits_do_not_depend_on_how_the_operands_lie(isa, m, n, k):
    a, b = operands(m, n, k)
    whole = gemm(a, b)
    at, bt = np.ascontiguousarray(a.T), np.ascontiguousarray(b.T)
    np.testing.assert_array_equal(gemm(at, b, transpose_a=True), whole)
    np.testing.assert_array_equal(gemm(a, bt, transpose_b=True), whole)
    np.testing.assert_array_equal(gemm(at, bt, transpose_a=True, transpose_b=True), whole)
    np.testing.assert_array_equal(gemm(at.T, bt.T), whole)
    np.testing.assert_array_equal(gemm(np.pad(a, ((0, 0), (1, 2)))[:, 1:-2], b), whole)


@pytest.mark.parametrize(("m", "n", "k"), SHAPES)
def test_bits_do_not_depend_on_the_number_of_threads(isa, threads, m, n, k):
    a, b = operands(m, n, k)
    threads(1)
    alone = gemm(a, b)
    for count in (2, 3, 8):
        threads(count)
        np.testing.assert_array_equal(gemm(a, b), alone)


@pytest.mark.slow
def test_summation_is_blocked():
    # One chain over all of k would stop growing at 2**24.
    ones = np.ones((1, 3 << 24), np.float32)
    assert gemm(ones, ones, transpose_b=True)[0, 0] == 3 << 24


def test_not_a_number_and_infinity_propagate(isa):
    a, b = operands(20, 40, 30)
    a[3, 4], a[7, 8] = np.nan, np.inf
    for activation in (None, "relu"):
        c = gemm(a, b, activation=activation)
        assert np.isnan(c[3]).all()
        assert not np.isnan(np.delete(c, [3, 7], 0)).any()
        assert np.isposinf(c[7, b[8] > 0]).all()
    b[:, 5] = 0
    assert np.isnan(gemm(a, b)[7, 5])  # ∞ · 0 is not skipped


def test_out_receives_the_product(isa):
    a, b = operands(30, 50, 20)
    out = np.full((40, 70), 7, np.float32)
    view = out[3:33, 11:61]
    assert gemm(a, b, out=view) is view
    assert_product(view, a, b)
    view[...] = 7
    assert (out == 7).all()


def test_out_may_overlap_the_operands():
    a, b = operands(40, 40, 40)
    expected = gemm(a, b)
    for operand in (0, 1):
        copies = [a.copy(), b.copy()]
        assert gemm(*copies, out=copies[operand]) is copies[operand]
        np.testing.assert_array_equal(copies[operand], expected)
    square = a.copy()
    np.testing.assert_array_equal(gemm(square.T, b, out=square), gemm(a.T, b))


def test_converts_what_holds_numbers():
    a, b = operands(5, 4, 3)
    expected = gemm(a, b)
    for dtype in ("float64", ">f4"):
        np.testing.assert_array_equal(gemm(a.astype(dtype), b), expected)
        np.testing.assert_array_equal(gemm(a, b.astype(dtype)), expected)
    np.testing.assert_array_equal(gemm(np.repeat(a, 2, 1)[:, ::2], b), expected)
    np.testing.assert_array_equal(gemm(a[::-1, ::-1], b[::-1]), gemm(a[::-1, ::-1].copy(), b[::-1].copy()))
    np.testing.assert_array_equal(gemm(np.broadcast_to(a[:1], (5, 3)), b), np.repeat(expected[:1], 5, 0))
    packed = np.zeros(5, np.dtype({"names": ["x"], "formats": [("f4", 3)], "offsets": [1], "itemsize": 13}))
    packed["x"] = a
    np.testing.assert_array_equal(gemm(packed["x"], b), expected)  # not aligned
    assert gemm([[1, 2], [3, 4]], [[True], [False]]).tolist() == [[1], [3]]
    np.testing.assert_array_equal(gemm(a, b, bias=[1, 2, 3, 4]), gemm(a, b, bias=np.arange(1, 5, dtype="f4")))
    np.testing.assert_array_equal(gemm(a, b, bias=np.arange(8, dtype="f4")[::2]), gemm(a, b, bias=[0, 2, 4, 6]))


def test_reads_read_only_operands():
    a, b = operands(5, 4, 3)
    expected = gemm(a, b)
    a.flags.writeable = b.flags.writeable = False
    np.testing.assert_array_equal(gemm(a, b), expected)


def test_several_python_threads_at_once():
    a, b = operands(150, 300, 700)
    expected = gemm(a, b)
    with ThreadPoolExecutor(4) as pool:
        for c in pool.map(lambda _: gemm(a, b), range(80)):
            np.testing.assert_array_equal(c, expected)


A, B = np.ones((4, 3), np.float32), np.ones((3, 5), np.float32)


def read_only(shape):
    array = np.zeros(shape, np.float32)
    array.flags.writeable = False
    return array


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (((A, A), {}), ValueError, r"inner sizes to agree.*\(4, 3\).*\(4, 3\).*3 and 4.*transpose"),
        (((A, B), {"transpose_a": True}), ValueError, r"a of shape \(4, 3\) transposed and b"),
        (((A[0], B), {}), ValueError, r"a to be a matrix with two axes.*\(3,\).*x\[None, :\]"),
        (((A, B[None]), {}), ValueError, r"b to be a matrix with two axes.*\(1, 3, 5\).*matmul"),
        (((A, 3.0), {}), ValueError, r"b to be a matrix"),
        (((A.astype(complex), B), {}), TypeError, r"a to hold real numbers.*complex128.*astype"),
        (((A.astype(object), B), {}), TypeError, r"a to hold real numbers.*object"),
        ((("abc", B), {}), TypeError, r"a to hold real numbers"),
        (((A, B), {"bias": np.ones(4)}), ValueError, r"bias of shape \(5,\), received \(4,\)"),
        (((A, B), {"bias": np.ones((1, 5))}), ValueError, r"bias of shape \(5,\), received \(1, 5\)"),
        (((A, B), {"bias": "xyz"}), TypeError, r"bias to hold real numbers"),
        (((A, B), {"activation": 3}), TypeError, r"activation to be a name or None, received int"),
        (((A, B), {"activation": "rleu"}), ValueError, r"unknown activation 'rleu'; it can be linear, relu, "),
        (((A, B), {"out": np.zeros((4, 4), np.float32)}), ValueError, r"out of shape \(4, 5\), received \(4, 4\)"),
        (((A, B), {"out": np.zeros((4, 5))}), TypeError, r"out to be an array of float32.*float64"),
        (((A, B), {"out": [1]}), TypeError, r"out to be an array of float32, received list"),
        (((A, B), {"out": read_only((4, 5))}), ValueError, r"out is read-only"),
        (
            ((A, B), {"out": np.zeros((5, 4), np.float32).T}),
            ValueError,
            r"rows of out to lie densely.*strides \(4, 16\)",
        ),
        (((A, B), {"alpha": 1}), TypeError, r"no argument 'alpha'; it takes a, b"),
        (((A, B, B), {}), TypeError, r"2 positional arguments, received 3"),
        (((A,), {}), TypeError, r"needs two matrices"),
        (((A, B), {"a": A}), TypeError, r"two values for argument 'a'"),
    ],
)
def test_errors(arguments, error, message):
    positional, named = arguments
    with pytest.raises(error, match=message):
        gemm(*positional, **named)
