"""Operations that move elements about: each output element is one of the inputs', or a constant."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnfast import _core, ops
from op_checks import difference_gradient, run_on_each_isa


def cut(begin, sizes, strides):
    return tuple(slice(b, b + n * s, s) for b, n, s in zip(begin, sizes, strides, strict=True))


# For each operation the NumPy function, given the attributes, and (shape, attributes) to try it on: empty shapes,
# shapes around the widths of vectors, and shapes large enough for several tasks of every kind of copy.
FUNCTIONS = {
    "transpose": lambda x, axes: np.transpose(x, axes),
    "flip": lambda x, axes: np.flip(x, tuple(axes)),
    "slice": lambda x, begin, sizes, strides: x[cut(begin, sizes, strides)],
    "broadcast_to": lambda x, shape: np.broadcast_to(x, shape),
    "repeat": lambda x, repeats, axis: np.repeat(x, repeats, axis),
    "tile": lambda x, repeats, axis: np.tile(x, [repeats if k == axis else 1 for k in range(x.ndim)]),
}
CASES = {
    "transpose": [
        *(((3, 4, 5), {"axes": list(order)}) for order in itertools.permutations(range(3))),
        *(((m, n), {"axes": [1, 0]}) for m, n in itertools.product([1, 3, 4, 15, 16, 17, 33], repeat=2)),
        ((), {"axes": []}),
        ((7,), {"axes": [0]}),
        ((3, 0, 2), {"axes": [2, 0, 1]}),
        ((2, 3, 2, 3, 2, 3), {"axes": [5, 0, 3, 2, 4, 1]}),
        ((300, 211), {"axes": [1, 0]}),
        ((3, 50000), {"axes": [1, 0]}),
        ((50000, 3), {"axes": [1, 0]}),
        ((5, 70, 131), {"axes": [0, 2, 1]}),
        ((5, 33, 34, 3), {"axes": [0, 3, 1, 2]}),
        ((5, 3, 33, 34), {"axes": [0, 2, 3, 1]}),
        ((40, 2, 50, 9), {"axes": [0, 2, 1, 3]}),
        ((9, 2, 50, 40), {"axes": [3, 2, 1, 0]}),
    ],
    "flip": [
        ((7,), {"axes": [0]}),
        ((5, 4, 3), {"axes": [1]}),
        ((5, 4, 3), {"axes": [0, 2]}),
        ((5, 4, 3), {"axes": []}),
        ((5, 1, 3), {"axes": [2, 0, 1]}),
        ((0, 4), {"axes": [0, 1]}),
        ((4, 70, 130), {"axes": [1]}),
        ((70, 1300), {"axes": [1, 0]}),
    ],
    "slice": [
        ((), {"begin": [], "sizes": [], "strides": []}),
        ((7,), {"begin": [2], "sizes": [4], "strides": [1]}),
        ((7,), {"begin": [7], "sizes": [0], "strides": [1]}),
        ((7, 5), {"begin": [1, 0], "sizes": [3, 5], "strides": [2, 1]}),
        ((7, 5), {"begin": [0, 1], "sizes": [7, 2], "strides": [1, 3]}),
        ((7, 5), {"begin": [0, 0], "sizes": [7, 5], "strides": [1, 1]}),
        ((0, 5), {"begin": [0, 1], "sizes": [0, 2], "strides": [1, 1]}),
        ((9, 34, 34, 8), {"begin": [0, 1, 1, 0], "sizes": [9, 32, 32, 8], "strides": [1, 1, 1, 1]}),
        ((900, 70), {"begin": [0, 3], "sizes": [450, 33], "strides": [2, 2]}),
        ((100000,), {"begin": [7], "sizes": [90001], "strides": [1]}),
        ((100000,), {"begin": [1], "sizes": [33333], "strides": [3]}),
    ],
    "broadcast_to": [
        ((), {"shape": [3, 2]}),
        ((), {"shape": []}),
        ((1,), {"shape": [0]}),
        ((3, 1), {"shape": [3, 5]}),
        ((1, 3), {"shape": [5, 3]}),
        ((3,), {"shape": [2, 5, 3]}),
        ((2, 1, 3, 1), {"shape": [2, 4, 3, 5]}),
        ((1, 2, 1, 3, 1), {"shape": [2, 2, 3, 3, 2]}),
        ((0, 1), {"shape": [0, 4]}),
        ((1, 33), {"shape": [3000, 33]}),
        ((3000, 1), {"shape": [3000, 33]}),
        ((1,), {"shape": [100003]}),
    ],
    "repeat": [
        ((4,), {"repeats": 3, "axis": 0}),
        ((4, 3), {"repeats": 2, "axis": 0}),
        ((4, 3), {"repeats": 2, "axis": 1}),
        ((4, 3), {"repeats": 1, "axis": 1}),
        ((4, 3), {"repeats": 0, "axis": 1}),
        ((0, 3), {"repeats": 2, "axis": 1}),
        ((5, 30, 40, 8), {"repeats": 2, "axis": 1}),
        ((5, 30, 400), {"repeats": 3, "axis": 2}),
    ],
    "tile": [
        ((4,), {"repeats": 3, "axis": 0}),
        ((4, 3), {"repeats": 2, "axis": 0}),
        ((4, 3), {"repeats": 2, "axis": 1}),
        ((4, 3), {"repeats": 0, "axis": 0}),
        ((0, 3), {"repeats": 2, "axis": 1}),
        ((5, 300, 40), {"repeats": 3, "axis": 1}),
        ((40000,), {"repeats": 3, "axis": 0}),
    ],
}
ALL = [(name, shape, attributes) for name, cases in CASES.items() for shape, attributes in cases]


def numbers(shape, seed=0):
    # Small integers: sums of them are exact in any order.
    return np.random.default_rng(seed).integers(-50, 50, shape).astype(np.float32)


@pytest.mark.parametrize(("name", "shape", "attributes"), ALL, ids=str)
def test_against_numpy(name, shape, attributes):
    x = numbers(shape)
    expected = FUNCTIONS[name](x, **attributes)
    # Which element of x each element of the result is tells where each gradient goes.
    source = FUNCTIONS[name](np.arange(x.size).reshape(shape), **attributes)
    dy = numbers(expected.shape, 1)
    gradient = np.bincount(source.ravel(), weights=dy.ravel(), minlength=x.size).reshape(shape)
    for isa, (y,), (dx,) in run_on_each_isa(name, [x], grads=[dy], **attributes):
        np.testing.assert_array_equal(y, expected, err_msg=isa)
        np.testing.assert_array_equal(dx, gradient, err_msg=isa)


@pytest.mark.parametrize(("name", "shape", "attributes"), ALL, ids=str)
def test_integers_are_moved_too(name, shape, attributes):
    x = np.random.default_rng(0).integers(-(2**31), 2**31, shape, dtype=np.int32)
    (y,), _ = _core.run_op(name, [x], attributes)
    assert y.dtype == np.int32
    np.testing.assert_array_equal(y, FUNCTIONS[name](x, **attributes))


@pytest.mark.parametrize(("name", "shape", "attributes"), [c for c in ALL if 0 < np.prod(c[1]) < 50], ids=str)
def test_gradients_by_differences(name, shape, attributes):
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    dy = np.random.default_rng(1).normal(size=FUNCTIONS[name](x, **attributes).shape)
    expected = difference_gradient(lambda v: FUNCTIONS[name](v, **attributes), x, dy)
    _, (dx,) = _core.run_op(name, [x], attributes, output_grads=[dy])
    np.testing.assert_allclose(dx, expected, rtol=1e-5, atol=1e-6)


PADS = [
    ((), []),
    ((3,), [(2, 1)]),
    ((3,), [(0, 0)]),
    ((0, 2), [(1, 1), (0, 3)]),
    ((3, 4), [(0, 2), (1, 0)]),
    ((2, 3, 2, 3), [(1, 1), (0, 0), (2, 0), (0, 1)]),
    ((4, 30, 30, 8), [(0, 0), (1, 1), (1, 1), (0, 0)]),
    ((400, 70), [(0, 0), (7, 9)]),
]


@pytest.mark.parametrize(("shape", "widths"), PADS, ids=str)
def test_pad(shape, widths):
    x = numbers(shape)
    expected = np.pad(x, widths, constant_values=2.5) if x.ndim else x
    dy = numbers(expected.shape, 1)
    inside = tuple(slice(before, before + size) for (before, _), size in zip(widths, shape, strict=True))
    begin, end = [b for b, _ in widths], [e for _, e in widths]
    for isa, (y,), (dx,) in run_on_each_isa("pad", [x], grads=[dy], begin=begin, end=end, value=2.5):
        np.testing.assert_array_equal(y, expected, err_msg=isa)
        np.testing.assert_array_equal(dx, dy[inside], err_msg=isa)
    np.testing.assert_array_equal(ops.pad(x, widths), np.pad(x, widths) if x.ndim else x)


JOINS = [
    ([(3,)], 0),
    ([(3,), (0,), (4,)], 0),
    ([(2, 3), (5, 3), (1, 3)], 0),
    ([(2, 3), (2, 1), (2, 40)], 1),
    ([(2, 3, 4), (2, 1, 4)], 1),
    ([(0, 3), (0, 4)], 1),
    ([(300, 30, 5), (300, 40, 5)], 1),
    ([(30, 3001), (30, 17), (30, 2000)], 1),
    ([(2, 2)] * 40, 1),
]


@pytest.mark.parametrize(("shapes", "axis"), JOINS, ids=str)
def test_concatenate(shapes, axis):
    xs = [numbers(shape, seed) for seed, shape in enumerate(shapes)]
    expected = np.concatenate(xs, axis)
    dy = numbers(expected.shape, 1000)
    parts = np.split(dy, np.cumsum([shape[axis] for shape in shapes])[:-1], axis)
    wanted = [i % 3 != 1 for i in range(len(xs))]
    for isa, (y,), dxs in run_on_each_isa("concatenate", xs, grads=[dy], wanted=wanted, axis=axis):
        np.testing.assert_array_equal(y, expected, err_msg=isa)
        for dx, part, want in zip(dxs, parts, wanted, strict=True):
            if want:
                np.testing.assert_array_equal(dx, part, err_msg=isa)
            else:
                assert dx is None
    integers = [x.astype(np.int32) for x in xs]
    np.testing.assert_array_equal(_core.run_op("concatenate", integers, {"axis": axis})[0][0], expected)


TAKES = [
    ((5, 3), (4,)),
    ((5,), (2, 3)),
    ((5, 2, 3), ()),
    ((5, 0), (3,)),
    ((0, 3), (0,)),
    ((5, 3), (0, 2)),
    ((1000, 64), (64, 50)),
    ((70000, 3), (500,)),
    ((7, 40000), (3,)),
]


@pytest.mark.parametrize(("table_shape", "index_shape"), TAKES, ids=str)
def test_take(table_shape, index_shape):
    table = numbers(table_shape)
    indices = np.random.default_rng(1).integers(0, max(1, table_shape[0]), index_shape).astype(np.int32)
    expected = table[indices]
    dy = numbers(expected.shape, 2)
    gradient = np.zeros_like(table)
    np.add.at(gradient, indices, dy)
    for isa, (y,), (dtable, _) in run_on_each_isa("take", [table, indices], grads=[dy]):
        np.testing.assert_array_equal(y, expected, err_msg=isa)
        np.testing.assert_array_equal(dtable, gradient, err_msg=isa)


def test_take_sums_gradients_in_the_order_of_the_indices():
    rng = np.random.default_rng(0)
    indices = rng.integers(0, 3, 1000).astype(np.int32)
    dy = rng.normal(size=(1000, 20000)).astype(np.float32)
    expected = np.zeros((3, 20000), np.float32)
    for row, term in zip(indices, dy, strict=True):
        expected[row] += term
    _, (dtable, _) = _core.run_op("take", [np.zeros((3, 20000), np.float32), indices], output_grads=[dy], threads=2)
    np.testing.assert_array_equal(dtable, expected)


@pytest.mark.parametrize("shape", [(), (5,), (2, 3), (0, 4), (70001,)], ids=str)
@pytest.mark.parametrize("classes", [0, 1, 7, 40])
def test_one_hot(shape, classes):
    x = np.random.default_rng(0).integers(-2, classes + 2, shape).astype(np.int32)
    expected = (x[..., None] == np.arange(classes)).astype(np.float32)
    for isa, (y,), _ in run_on_each_isa("one_hot", [x], num_classes=classes):
        assert y.dtype == np.float32
        np.testing.assert_array_equal(y, expected, err_msg=isa)


@st.composite
def basic_indices(draw):
    shape = draw(st.lists(st.integers(0, 6), max_size=4))
    key = []
    for size in shape[: draw(st.integers(0, len(shape)))]:
        if size and draw(st.booleans()):
            key.append(draw(st.integers(-size, size - 1)))
        else:
            bound = st.none() | st.integers(-8, 8)
            key.append(slice(draw(bound), draw(bound), draw(st.none() | st.integers(1, 3))))
    for _ in range(draw(st.integers(0, 1))):
        key.insert(draw(st.integers(0, len(key))), None)
    if draw(st.booleans()):
        key.append(Ellipsis)
    return shape, tuple(key)


@given(basic_indices())
def test_indexing_is_numpy_s(case):
    shape, key = case
    x = numbers(shape)
    np.testing.assert_array_equal(ops.get_item(x, key), x[key])


@given(st.lists(st.integers(0, 5), min_size=1, max_size=5), st.data())
def test_shapes_as_numpy_makes_them(shape, data):
    x = numbers(shape)
    axes = data.draw(st.permutations(range(len(shape))))
    np.testing.assert_array_equal(ops.transpose(x, axes), np.transpose(x, axes))
    np.testing.assert_array_equal(ops.transpose(x), x.T)
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    np.testing.assert_array_equal(ops.flip(x, axis), np.flip(x, axis))
    np.testing.assert_array_equal(ops.flip(x), np.flip(x))
    np.testing.assert_array_equal(ops.concatenate([x, x + 1, x], axis), np.concatenate([x, x + 1, x], axis))
    np.testing.assert_array_equal(ops.repeat(x, 3, axis), np.repeat(x, 3, axis))
    np.testing.assert_array_equal(ops.repeat(x, 2), np.repeat(x, 2))
    repeats = data.draw(st.lists(st.integers(0, 3), max_size=5))
    np.testing.assert_array_equal(ops.tile(x, repeats), np.tile(x, repeats))
    np.testing.assert_array_equal(ops.moveaxis(x, axis, 0), np.moveaxis(x, axis, 0))
    np.testing.assert_array_equal(ops.swapaxes(x, axis, 0), np.swapaxes(x, axis, 0))
    if len(shape) < 5:
        np.testing.assert_array_equal(ops.stack([x, x + 1], axis), np.stack([x, x + 1], axis))
    parts = shape[axis] or 1
    for ours, theirs in zip(ops.split(x, parts, axis), np.split(x, parts, axis), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    cuts = sorted(data.draw(st.lists(st.integers(0, shape[axis]), max_size=3)))
    for ours, theirs in zip(ops.split(x, cuts, axis), np.split(x, cuts, axis), strict=True):
        np.testing.assert_array_equal(ours, theirs)


X = np.zeros((2, 3), np.float32)


@pytest.mark.parametrize(
    ("name", "inputs", "attributes", "message"),
    [
        ("transpose", [X], {"axes": [0]}, r"expected 2 axes for an input of shape \(2, 3\), received 1"),
        ("transpose", [X], {"axes": [0, 0]}, "expected each axis from 0 to 1 once; received 0 twice"),
        ("transpose", [X], {"axes": [0, 2]}, "expected each axis from 0 to 1 once; received 2"),
        ("transpose", [X, X], {"axes": [0, 1]}, "expected one input, received 2"),
        ("flip", [X], {"axes": [2]}, r"axis 2 does not exist: the input has shape \(2, 3\)"),
        ("flip", [X], {"axes": [1, 1]}, "axis 1 is given twice"),
        ("flip", [X, X], {"axes": []}, "expected one input, received 2"),
        ("slice", [X], {"begin": [0], "sizes": [1], "strides": [1]}, "expected begin, sizes and strides of 2 numbers"),
        (
            "slice",
            [X],
            {"begin": [0, 1], "sizes": [2, 3], "strides": [1, 1]},
            "axis 1 has 2 elements from 1 on in steps of 1; received a size of 3",
        ),
        (
            "slice",
            [X],
            {"begin": [3, 0], "sizes": [0, 0], "strides": [1, 1]},
            "expected axis 0 to begin between 0 and 2; received 3",
        ),
        (
            "slice",
            [X],
            {"begin": [0, 0], "sizes": [1, 1], "strides": [1, 0]},
            "expected strides of at least 1; received 0 for axis 1",
        ),
        ("slice", [X, X], {"begin": [0, 0], "sizes": [1, 1], "strides": [1, 1]}, "expected one input, received 2"),
        ("pad", [X], {"begin": [0], "end": [0]}, r"expected a width before and after each of the 2 axes of \(2, 3\)"),
        (
            "pad",
            [X],
            {"begin": [0, -1], "end": [0, 0]},
            r"expected widths of at least 0; received \(-1, 0\) for axis 1",
        ),
        ("pad", [X.astype(np.int32)], {"begin": [0, 0], "end": [0, 0]}, "expected one float32 tensor"),
        ("concatenate", [], {"axis": 0}, "expected at least one input"),
        ("concatenate", [X], {"axis": 2}, r"axis 2 does not exist: the first input has shape \(2, 3\)"),
        ("concatenate", [X, X[:, :2]], {"axis": 0}, r"differ along axis 0 only; received \(2, 3\) and \(2, 2\)"),
        ("concatenate", [X, X[0]], {"axis": 1}, r"differ along axis 1 only; received \(2, 3\) and \(3,\)"),
        ("concatenate", [X, X.astype(np.int32)], {"axis": 0}, "expected one type; received float32 and int32"),
        ("broadcast_to", [X], {"shape": [2, 4]}, r"shape \(2, 3\) cannot be repeated to shape \(2, 4\)"),
        ("broadcast_to", [X], {"shape": [3]}, r"shape \(2, 3\) cannot be repeated to shape \(3,\)"),
        ("broadcast_to", [X, X], {"shape": [3]}, "expected one input, received 2"),
        ("repeat", [X], {"repeats": -1, "axis": 0}, "repeat: expected repeats of at least 0; received -1"),
        ("tile", [X], {"repeats": 2, "axis": 2}, r"tile: axis 2 does not exist: the input has shape \(2, 3\)"),
        ("take", [X], {}, "expected a table and indices, received 1 inputs"),
        ("take", [X, X], {}, "expected indices of type int32"),
        ("take", [X[0, 0], np.array([0])], {}, "expected a table with at least one axis"),
        ("take", [X, np.array([0, 2])], {}, "index 2 is out of range for a table of 2 rows"),
        ("take", [X, np.array([0, -1])], {}, "index -1 is out of range for a table of 2 rows"),
        ("one_hot", [X], {"num_classes": 3}, "expected one int32 tensor"),
        ("one_hot", [np.array([1])], {"num_classes": -1}, "expected num_classes of at least 0; received -1"),
    ],
)
def test_messages(name, inputs, attributes, message):
    with pytest.raises(ValueError, match=f"{name}: .*{message}" if not message.startswith(name) else message):
        _core.run_op(name, inputs, attributes)


def test_a_size_of_minus_one_takes_all_there_are():
    x = numbers((7, 3))
    (y,), _ = _core.run_op("slice", [x], {"begin": [1, 0], "sizes": [-1, -1], "strides": [2, 1]})
    np.testing.assert_array_equal(y, x[1::2])
