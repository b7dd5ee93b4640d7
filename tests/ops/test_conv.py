"""The operations "conv", "depthwise_conv" and "conv_transpose": every algorithm and direction on every ISA."""

import numpy as np
import pytest

from conv_reference import Convolution
from nnfast import _core

EPSILON = np.finfo(np.float32).eps / 2


def attributes_of(conv, padding, **more):
    result = {"strides": conv.strides, "dilation_rate": conv.dilation, "groups": conv.groups, **more}
    if isinstance(padding, str):
        return {**result, "padding": padding}
    return {**result, "padding": "explicit", "pads": [n for pair in padding for n in pair]}


def integers(rng, *shapes):
    # Small integers: every order of summation is exact in float32.
    return [rng.integers(-3, 4, shape).astype(np.float32) for shape in shapes]


def random_case(rng, most=(40, 20, 6)):
    axes = int(rng.choice([1, 2, 2, 2, 3]))
    groups = int(rng.choice([1, 1, 1, 2, 3]))
    window = [int(rng.integers(1, 6 if axes < 3 else 4)) for _ in range(axes)]
    dilation = [int(rng.integers(1, 4)) for _ in range(axes)]
    size = [(k - 1) * d + int(rng.integers(1, most[axes - 1])) for k, d in zip(window, dilation, strict=True)]
    padding = str(rng.choice(["valid", "same", "explicit"]))
    if padding == "explicit":
        padding = [(int(rng.integers(0, 4)), int(rng.integers(0, 4))) for _ in range(axes)]
    channels = groups * int(rng.choice([1, 2, 3, 5, 16, 17]))
    out_channels = groups * int(rng.choice([1, 2, 3, 6, 16, 17, 33]))
    return {
        "x_shape": (int(rng.choice([1, 2, 5])), *size, channels),
        "w_shape": (*window, channels // groups, out_channels),
        "strides": [int(rng.integers(1, 4)) for _ in range(axes)],
        "padding": padding,
        "dilation_rate": dilation,
        "groups": groups,
    }


def check_exact(case, rng, **attributes):
    conv = Convolution(**case)
    x, w, bias, dy = integers(rng, conv.x_shape, conv.w_shape, conv.w_shape[-1:], conv.y_shape)
    (y,), (dx, dw, db) = _core.run_op(
        "conv", [x, w, bias], attributes_of(conv, case.get("padding", "valid"), **attributes), [dy]
    )
    np.testing.assert_array_equal(y, conv.forward(x, w) + bias, str(case))
    np.testing.assert_array_equal(dx, conv.backward_data(dy, w), str(case))
    np.testing.assert_array_equal(dw, conv.backward_weights(x, dy), str(case))
    np.testing.assert_array_equal(db, dy.sum(tuple(range(dy.ndim - 1))), str(case))


def test_random_geometries_are_exact_on_integers(isa):
    rng = np.random.default_rng(7)
    for _ in range(120):
        case = random_case(rng)
        check_exact(case, rng, algorithm="patches")
        check_exact(case, rng)
        if case["groups"] == 1:
            check_exact(case, rng, algorithm="im2col")
        if len(case["x_shape"]) < 5 and case["groups"] == 1 and case["dilation_rate"][-1] == 1:
            check_exact(case, rng, algorithm="rows")


def test_random_transposed_geometries_are_exact_on_integers(isa):
    rng = np.random.default_rng(8)
    for _ in range(150):
        axes = int(rng.choice([1, 2, 2, 3]))
        sizes, window = ([int(n) for n in rng.integers(1, 7 - axes, axes)] for _ in range(2))
        stride = int(rng.choice([1, 1, 2, 3, 5]))
        if rng.random() < 0.2:
            sizes = [1] * axes  # then the product of whole windows may serve
        channels, out_channels = (int(rng.choice([1, 2, 5, 16, 17, 33])) for _ in range(2))
        padding = str(rng.choice(["valid", "same"]))
        grown = [
            n * stride + (max(0, k - stride) if padding == "valid" else 0) for n, k in zip(sizes, window, strict=True)
        ]
        images = int(rng.choice([1, 2, 5]))
        # The convolution whose backward-data it is.
        conv = Convolution((images, *grown, out_channels), (*window, out_channels, channels), stride, padding)
        assert conv.y_shape == (images, *sizes, channels)
        x, w, bias, dy = integers(rng, conv.y_shape, conv.w_shape, (out_channels,), conv.x_shape)
        attributes = {"strides": [stride], "padding": padding}
        for algorithm in ("auto", "patches", "im2col"):
            (y,), (dx, dw, db) = _core.run_op(
                "conv_transpose", [x, w, bias], {**attributes, "algorithm": algorithm}, [dy]
            )
            said = str((conv.x_shape, conv.w_shape, stride, padding, algorithm))
            np.testing.assert_array_equal(y, conv.backward_data(x, w) + bias, said)
            np.testing.assert_array_equal(dx, conv.forward(dy, w), said)
            np.testing.assert_array_equal(dw, conv.backward_weights(dy, x), said)
            np.testing.assert_array_equal(db, dy.sum(tuple(range(dy.ndim - 1))), said)


def test_windows_that_lie_in_the_padding(isa):
    # The first axis has one output pixel, and its window sees zeros alone.
    case = {"x_shape": (1, 1, 7, 3, 4), "w_shape": (1, 1, 3, 4, 3), "strides": [8, 2, 1]}
    case["padding"] = [(4, 2), (3, 2), (1, 1)]
    for algorithm in ("auto", "patches", "im2col"):
        check_exact(case, np.random.default_rng(0), algorithm=algorithm)
    with pytest.raises(ValueError, match="rows"):
        check_exact(case, np.random.default_rng(0), algorithm="rows")


# Shapes that take each way of splitting the work: many pixels, many channels, one image, more channels than a chain,
# a patch longer than a tile, an input row that meets many kernel rows.
LARGE = [
    {"x_shape": (3, 28, 28, 1), "w_shape": (5, 5, 1, 6), "padding": "same"},
    {"x_shape": (5, 14, 14, 6), "w_shape": (5, 5, 6, 16)},
    {"x_shape": (1, 30, 30, 64), "w_shape": (3, 3, 64, 70), "padding": "same"},
    {"x_shape": (1, 7, 7, 400), "w_shape": (3, 3, 400, 96), "padding": "same"},
    {"x_shape": (2, 20, 20, 48), "w_shape": (3, 3, 48, 40), "strides": 2, "padding": "same"},
    {"x_shape": (2, 33, 31, 3), "w_shape": (7, 7, 3, 64), "strides": 2, "padding": [(3, 3), (3, 3)]},
    {"x_shape": (1, 40, 9, 2), "w_shape": (35, 3, 2, 5), "padding": "same"},
    {"x_shape": (1, 3, 3, 1030), "w_shape": (2, 2, 1030, 33), "padding": "same"},
    {"x_shape": (2, 6, 5, 4, 20), "w_shape": (3, 3, 3, 20, 40), "padding": "same", "strides": 2},
    {"x_shape": (4, 100, 40), "w_shape": (9, 40, 50), "padding": "causal", "dilation_rate": 3},
    {"x_shape": (2, 17, 19, 64), "w_shape": (3, 3, 16, 128), "groups": 4, "padding": "same"},
    # Few filters: the patches of whole rows would be larger than all else, so backward-data cuts them along the width,
    # or goes through the window row by row.
    {"x_shape": (1, 8, 70, 40), "w_shape": (5, 5, 40, 3), "padding": "same"},
    {"x_shape": (2, 700, 64), "w_shape": (11, 64, 3), "padding": "same"},
    {"x_shape": (1, 9, 400, 33), "w_shape": (4, 3, 33, 5), "strides": (2, 3), "padding": [(9, 1), (0, 7)]},
    {"x_shape": (1, 12, 400, 20), "w_shape": (3, 5, 20, 4), "dilation_rate": (2, 3), "padding": [(5, 0), (9, 4)]},
    {"x_shape": (1, 3, 6, 90, 20), "w_shape": (2, 3, 7, 20, 3), "padding": "same"},
    {"x_shape": (1, 6, 90, 60), "w_shape": (5, 7, 20, 9), "groups": 3, "strides": (1, 4)},
    {"x_shape": (1, 2, 60, 90), "w_shape": (2, 40, 90, 1), "padding": [(0, 0), (50, 50)]},
]


@pytest.mark.parametrize("case", LARGE, ids=lambda case: "x".join(map(str, case["w_shape"])))
def test_large_shapes_are_exact_on_integers(isa, case):
    check_exact(case, np.random.default_rng(3), algorithm="patches")


# Several images at a time and a rest of fewer, one at a time, rows that see nothing, more rows of the window than are
# summed at once.
IM2COL = [
    {"x_shape": (5, 3, 3, 8), "w_shape": (3, 3, 8, 24), "padding": "same"},
    {"x_shape": (3, 14, 14, 40), "w_shape": (3, 3, 40, 70), "strides": 2, "padding": "same"},
    {"x_shape": (2, 9, 7, 33), "w_shape": (1, 1, 33, 130), "strides": 3},
    {"x_shape": (4, 20, 3, 5), "w_shape": (19, 2, 5, 17), "padding": "same"},
    {"x_shape": (3, 4, 5, 6, 9), "w_shape": (2, 3, 2, 9, 40), "strides": 2},
    {"x_shape": (6, 9, 16), "w_shape": (5, 16, 33), "padding": "causal", "dilation_rate": 2},
    {"x_shape": (9, 4, 4, 256), "w_shape": (3, 3, 256, 128), "strides": 2, "padding": "same"},  # chosen for it
]


@pytest.mark.parametrize("case", IM2COL, ids=lambda case: "x".join(map(str, case["x_shape"] + case["w_shape"])))
def test_im2col_is_exact_on_integers(isa, case):
    check_exact(case, np.random.default_rng(10), algorithm="im2col")


def test_im2col_is_chosen_for_small_images_with_many_weights():
    for size, chosen in [(8, True), (40, False)]:
        shapes, attributes = [(2, size, size, 256), (3, 3, 256, 512)], {"strides": [2], "padding": "same"}
        memory = {
            algorithm: _core.op_memory("conv", shapes, {**attributes, "algorithm": algorithm}, [True, True])
            for algorithm in ("auto", "im2col", "patches")
        }
        assert memory["im2col"] != memory["patches"]
        assert memory["auto"] == memory["im2col" if chosen else "patches"]


@pytest.mark.parametrize("activation", ["linear", "tanh"])
def test_im2col_sums_in_the_order_of_patches(isa, activation):
    rng = np.random.default_rng(12)
    for x_shape, w_shape, strides in [
        ((5, 3, 3, 24), (3, 3, 9, 24), 2),
        ((3, 4, 2, 70), (18, 1, 20, 70), 1),
        ((2, 4, 40), (5, 33, 40), 3),
        ((2, 2, 3, 4, 50), (2, 3, 2, 7, 50), 1),
    ]:
        x, w, bias = (rng.standard_normal(s).astype(np.float32) for s in (x_shape, w_shape, w_shape[-2:-1]))
        attributes = {"strides": [strides], "padding": "same", "activation": activation}
        ways = [("patches", 1), ("im2col", 1), ("im2col", 3)]
        patches, *results = (
            _core.run_op("conv_transpose", [x, w, bias], {**attributes, "algorithm": algorithm}, threads=threads)[0][0]
            for algorithm, threads in ways
        )
        for y in results:
            np.testing.assert_array_equal(y, patches)


# A window of one pixel, or as large as the image: few and many weights, groups, few and many rows, one to three axes.
PRODUCTS = [
    {"x_shape": (2, 5, 7, 17), "w_shape": (1, 1, 17, 33)},
    {"x_shape": (1, 1, 1, 1), "w_shape": (1, 1, 1, 1)},
    {"x_shape": (3, 20, 21, 3), "w_shape": (1, 1, 3, 5)},
    {"x_shape": (4, 18, 16, 45), "w_shape": (1, 1, 45, 19)},
    {"x_shape": (2, 24, 25, 32), "w_shape": (1, 1, 16, 64), "groups": 2},
    {"x_shape": (1, 13, 101, 64), "w_shape": (1, 1, 64, 3), "padding": "same"},
    {"x_shape": (2, 7, 7, 512), "w_shape": (1, 1, 512, 300)},
    {"x_shape": (2, 12, 30, 6), "w_shape": (1, 1, 2, 3), "groups": 3},
    {"x_shape": (5, 5, 5, 16), "w_shape": (5, 5, 16, 120)},
    {"x_shape": (7, 4, 3), "w_shape": (4, 3, 6)},
    {"x_shape": (2, 3, 2, 4, 5), "w_shape": (3, 2, 4, 5, 9)},
    {"x_shape": (1100, 2, 1, 3), "w_shape": (2, 1, 3, 40)},
]


@pytest.mark.parametrize("case", PRODUCTS, ids=lambda case: "x".join(map(str, case["x_shape"] + case["w_shape"])))
def test_products_are_exact_on_integers(isa, case):
    check_exact(case, np.random.default_rng(8), algorithm="product")
    check_exact(case, np.random.default_rng(8), algorithm="patches")


# Few channels, by rows: tiles of pixels and their remainders, bands of rows, one and two axes, rows of zeros alone.
ROWS = [
    {"x_shape": (3, 28, 28, 1), "w_shape": (5, 5, 1, 6), "padding": "same"},
    {"x_shape": (2, 14, 14, 6), "w_shape": (5, 5, 6, 16)},
    {"x_shape": (2, 33, 31, 3), "w_shape": (7, 7, 3, 64), "strides": 2, "padding": [(3, 3), (3, 3)]},
    {"x_shape": (1, 40, 47, 3), "w_shape": (3, 3, 3, 33), "padding": "same"},
    {
        "x_shape": (2, 9, 300, 17),
        "w_shape": (3, 4, 17, 7),
        "strides": (2, 3),
        "dilation_rate": (2, 1),
        "padding": "same",
    },
    {"x_shape": (2, 6, 5, 4), "w_shape": (3, 3, 4, 50), "padding": [(4, 3), (0, 5)]},
    {"x_shape": (3, 100, 4), "w_shape": (9, 4, 50), "padding": "causal"},
    {"x_shape": (1, 5000, 1), "w_shape": (30, 1, 17), "strides": 3},
    # Parts of rows: long ones, and those of too few images for the threads.
    {"x_shape": (2, 20000, 1), "w_shape": (7, 1, 16), "padding": "same"},
    {"x_shape": (2, 5, 3001, 5), "w_shape": (3, 4, 5, 7), "strides": (2, 3), "padding": "same"},
    {"x_shape": (1, 4001, 3), "w_shape": (9, 3, 64), "padding": [(70, 300)]},
    {"x_shape": (1, 20, 20, 80), "w_shape": (16, 9, 80, 4), "padding": "same"},  # more products than are chosen for it
    {"x_shape": (1, 1, 1, 2), "w_shape": (3, 3, 2, 1), "padding": "same"},
]


@pytest.mark.parametrize("case", ROWS, ids=lambda case: "x".join(map(str, case["x_shape"] + case["w_shape"])))
def test_rows_are_exact_on_integers(isa, case):
    check_exact(case, np.random.default_rng(9), algorithm="rows")


def test_rounding_errors_are_those_of_a_sum():
    rng = np.random.default_rng(0)
    for case in LARGE[:6]:
        conv = Convolution(**case)
        x, w, dy = (rng.standard_normal(s).astype(np.float32) for s in (conv.x_shape, conv.w_shape, conv.y_shape))
        (y,), (dx, dw) = _core.run_op(
            "conv", [x, w], attributes_of(conv, case.get("padding", "valid"), algorithm="patches"), [dy]
        )
        for name, got, of, a, b in [
            ("y", y, conv.forward, x, w),
            ("dx", dx, conv.backward_data, dy, w),
            ("dw", dw, conv.backward_weights, x, dy),
        ]:
            terms = of(np.ones_like(a), np.ones_like(b)).max()
            bound = (terms + 2) * EPSILON * of(abs(a), abs(b))
            assert np.all(abs(got - of(a, b)) <= bound), (name, case)


def test_weights_gradient_of_a_long_row_is_summed_in_short_chains(isa):
    rng = np.random.default_rng(0)
    x, dy = ((rng.standard_normal((1, 60000, n)) + 1).astype(np.float32) for n in (1, 16))
    _, (_, dw) = _core.run_op(
        "conv", [x, np.zeros((7, 1, 16), np.float32)], {"padding": "same"}, [dy], wanted=[False, True]
    )
    expected = Convolution(x.shape, (7, 1, 16), 1, "same").backward_weights(x, dy)
    assert np.max(abs(dw - expected)) <= 5e-7 * np.max(abs(expected))  # in one chain 12e-7


# Sizes around the tile of 4×4 pixels, channels around every vector width; both of its schedules, in rounds and in one.
WINOGRAD = [
    {"x_shape": (2, 8, 8, 3), "w_shape": (3, 3, 3, 5), "padding": "same"},
    {"x_shape": (1, 3, 3, 1), "w_shape": (3, 3, 1, 1)},
    {"x_shape": (1, 1, 1, 7), "w_shape": (3, 3, 7, 4), "padding": "same"},
    {"x_shape": (3, 7, 9, 17), "w_shape": (3, 3, 17, 33), "padding": "same"},
    {"x_shape": (3, 6, 10, 20), "w_shape": (3, 3, 20, 40), "padding": [(2, 0), (0, 3)]},
    {"x_shape": (2, 14, 13, 64), "w_shape": (3, 3, 64, 64), "padding": "same"},
    {"x_shape": (30, 5, 6, 32), "w_shape": (3, 3, 32, 16)},
    {"x_shape": (2, 13, 15, 140), "w_shape": (3, 3, 140, 130), "padding": "same"},
    {"x_shape": (6, 7, 7, 400), "w_shape": (3, 3, 400, 96), "padding": "same"},
    {"x_shape": (40, 4, 4, 129), "w_shape": (3, 3, 129, 128), "padding": "same"},
]


@pytest.mark.parametrize("case", WINOGRAD, ids=lambda case: "x".join(map(str, case["x_shape"] + case["w_shape"][2:])))
def test_winograd_has_a_few_times_the_rounding_error_of_a_sum(isa, case):
    conv = Convolution(**case)
    rng = np.random.default_rng(11)
    x, w, dy = (rng.standard_normal(s).astype(np.float32) for s in (conv.x_shape, conv.w_shape, conv.y_shape))
    attributes = attributes_of(conv, case.get("padding", "valid"), algorithm="winograd")
    (y,), (dx, dw) = _core.run_op("conv", [x, w], attributes, [dy])
    for name, got, expected in [
        ("y", y, conv.forward(x, w)),
        ("dx", dx, conv.backward_data(dy, w)),
        ("dw", dw, conv.backward_weights(x, dy)),
    ]:
        rms = np.sqrt(np.mean(expected**2))
        assert np.sqrt(np.mean((got - expected) ** 2)) <= 1.5e-6 * rms, name
        assert np.max(abs(got - expected)) <= 1.5e-5 * rms, name


def test_winograd_adds_bias_and_activation(isa):
    rng = np.random.default_rng(12)
    x = rng.standard_normal((2, 9, 10, 18)).astype(np.float32)
    w = rng.standard_normal((3, 3, 18, 21)).astype(np.float32)
    bias = rng.standard_normal(21).astype(np.float32)
    dy = rng.standard_normal((2, 9, 10, 21)).astype(np.float32)
    for activation in ("linear", "relu", "tanh", "gelu"):
        attributes = {"padding": "same", "activation": activation}
        (y,), gradients = _core.run_op("conv", [x, w, bias], {**attributes, "algorithm": "winograd"}, [dy])
        (y2,), gradients2 = _core.run_op("conv", [x, w, bias], {**attributes, "algorithm": "patches"}, [dy])
        # A relu may fall on either side of zero: compare where both agree on it.
        np.testing.assert_allclose(y, y2, atol=1e-4)
        for a, b in zip(gradients, gradients2, strict=True):
            assert np.mean(abs(a - b)) < 2e-5 * np.mean(abs(b))


def test_winograd_is_chosen_where_it_has_fewer_operations(isa):
    rng = np.random.default_rng(13)
    for x_shape, w_shape, expected in [
        ((1, 28, 28, 64), (3, 3, 64, 64), "winograd"),
        ((1, 14, 14, 256), (3, 3, 256, 256), "winograd"),
        # Three channels fill most of a vector of the baseline's, and little of a wider one.
        ((2, 32, 32, 3), (3, 3, 3, 32), "winograd" if isa == "baseline" else "patches"),
        ((1, 28, 28, 64), (5, 5, 64, 64), "patches"),
    ]:
        x, w = (rng.standard_normal(shape).astype(np.float32) for shape in (x_shape, w_shape))
        (auto,), _ = _core.run_op("conv", [x, w], {"padding": "same"})
        (forced,), _ = _core.run_op("conv", [x, w], {"padding": "same", "algorithm": expected})
        np.testing.assert_array_equal(auto, forced)


def algorithm_of(case):
    lists = {"winograd": WINOGRAD, "im2col": IM2COL, "product": PRODUCTS, "rows": ROWS}
    return next((name for name, cases in lists.items() if case in cases), "patches")


@pytest.mark.parametrize(
    "case", LARGE + IM2COL + WINOGRAD + PRODUCTS + ROWS, ids=lambda case: "x".join(map(str, case["x_shape"]))
)
def test_same_bits_for_any_number_of_threads(case):
    conv = Convolution(**case)
    rng = np.random.default_rng(1)
    x, w, dy = (rng.standard_normal(s).astype(np.float32) for s in (conv.x_shape, conv.w_shape, conv.y_shape))
    attributes = attributes_of(conv, case.get("padding", "valid"), algorithm=algorithm_of(case))
    one = _core.run_op("conv", [x, w], attributes, [dy], threads=1)
    two = _core.run_op("conv", [x, w], attributes, [dy], threads=3)
    for a, b in zip(one[0] + one[1], two[0] + two[1], strict=True):
        np.testing.assert_array_equal(a, b)


def test_an_image_has_the_same_bits_alone_and_in_a_batch():
    rng = np.random.default_rng(1)
    for case in LARGE + IM2COL + WINOGRAD + PRODUCTS + ROWS:
        conv = Convolution(**case)
        x, w = (rng.standard_normal(s).astype(np.float32) for s in (conv.x_shape, conv.w_shape))
        attributes = attributes_of(conv, case.get("padding", "valid"), algorithm=algorithm_of(case))
        (batch,), _ = _core.run_op("conv", [x, w], attributes)
        (alone,), _ = _core.run_op("conv", [x[:1], w], attributes)
        np.testing.assert_array_equal(alone, batch[:1])


def check_moments(op, x, w, bias, attributes):
    """Of what the convolution makes, about as exact as its float32 values allow; the values stay what they were."""
    (plain,), _ = _core.run_op(op, [x, w, bias], attributes)
    (y, mean, variance), _ = _core.run_op(op, [x, w, bias], {**attributes, "moments": True}, threads=1)
    np.testing.assert_array_equal(y, plain)
    exact = y.reshape(-1, y.shape[-1]).astype(np.float64)
    spread = exact.std(0)
    assert (np.abs(mean - exact.mean(0)) <= 1e-6 * np.abs(exact.mean(0)) + 1e-6 * spread).all()
    np.testing.assert_allclose(variance, exact.var(0), rtol=2e-5, atol=1e-12)
    for threads in (2, 3):
        other = _core.run_op(op, [x, w, bias], {**attributes, "moments": True}, threads=threads)[0]
        for a, b in zip((y, mean, variance), other, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("far", [0, 3000], ids=["near zero", "mean much larger than deviation"])
@pytest.mark.parametrize(
    "case", LARGE + IM2COL + WINOGRAD + PRODUCTS + ROWS, ids=lambda case: "x".join(map(str, case["x_shape"]))
)
def test_moments_of_the_output(isa, case, far):
    conv = Convolution(**case)
    rng = np.random.default_rng(4)
    x, w = (rng.standard_normal(s).astype(np.float32) for s in (conv.x_shape, conv.w_shape))
    bias = (rng.standard_normal(w.shape[-1]) + far).astype(np.float32)
    attributes = attributes_of(conv, case.get("padding", "valid"), algorithm=algorithm_of(case))
    check_moments("conv", x, w, bias, attributes)
    if algorithm_of(case) == "winograd":  # the last image makes other numbers of tiles in a task
        check_moments("conv", np.concatenate([x] * 5)[: 2 * len(x) + 1], w, bias, attributes)


@pytest.mark.parametrize("multiplier", [1, 3])
@pytest.mark.parametrize("shape", [(2, 30, 40, 7), (3, 9, 300, 160), (1, 700, 5), (2, 6000, 8)], ids=str)
def test_moments_of_a_depthwise_output(isa, shape, multiplier):
    rng = np.random.default_rng(5)
    w = rng.standard_normal((3,) * (len(shape) - 2) + (shape[-1], multiplier))
    x, bias = rng.standard_normal(shape), rng.standard_normal(shape[-1] * multiplier) + 100
    check_moments("depthwise_conv", *(a.astype(np.float32) for a in (x, w, bias)), {"padding": "same"})


def test_moments_of_nothing_and_of_what_is_no_number():
    x, w = np.zeros((0, 6, 6, 4), np.float32), np.ones((3, 3, 4, 4), np.float32)
    for algorithm in ("winograd", "patches", "rows"):
        (_, mean, variance), _ = _core.run_op("conv", [x, w], {"moments": True, "algorithm": algorithm})
        assert np.isnan(mean).all() and np.isnan(variance).all()
    x = np.ones((2, 9, 9, 4), np.float32)
    x[1, 4, 4, 2] = np.nan
    for algorithm in ("winograd", "patches", "rows"):
        (_, mean, variance), _ = _core.run_op("conv", [x, w], {"moments": True, "algorithm": algorithm})
        assert np.isnan(mean).all() and np.isnan(variance).all()


def test_only_wanted_gradients_are_computed():
    rng = np.random.default_rng(1)
    x, w, bias, dy = integers(rng, (2, 8, 8, 3), (3, 3, 3, 4), (4,), (2, 6, 6, 4))
    everything = _core.run_op("conv", [x, w, bias], {"activation": "relu"}, [dy])[1]
    for wanted in range(8):
        flags = [bool(wanted >> i & 1) for i in range(3)]
        gradients = _core.run_op("conv", [x, w, bias], {"activation": "relu"}, [dy], wanted=flags)[1]
        for flag, got, expected in zip(flags, gradients, everything, strict=True):
            assert (got is not None) == flag
            if flag:
                np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("op", ["conv", "conv_transpose", "depthwise_conv"])
@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "tanh", "gelu", "silu"])
def test_fused_activation_equals_a_separate_one(isa, op, activation):
    # bias → z and dz by hand, the rest by the same operation without an epilogue
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(2)
    x = rng.standard_normal((2, 9, 7, 5)).astype(np.float32)
    w = rng.standard_normal({"conv": (3, 3, 5, 7), "conv_transpose": (3, 3, 7, 5), "depthwise_conv": (3, 3, 5, 2)}[op])
    w = w.astype(np.float32)
    attributes = {"strides": [2, 1], "padding": "same"}
    (plain,), _ = _core.run_op(op, [x, w], attributes)
    bias = rng.standard_normal(plain.shape[-1]).astype(np.float32)
    dy = rng.standard_normal(plain.shape).astype(np.float32)
    z = torch.tensor(plain + bias, dtype=torch.float64, requires_grad=True)
    functions = {"leaky_relu": lambda z: torch.nn.functional.leaky_relu(z, 0.2), "gelu": torch.nn.functional.gelu}
    expected = functions.get(activation, getattr(torch.nn.functional, activation, None))(z)
    expected.backward(torch.tensor(dy, dtype=torch.float64))
    dz = z.grad.numpy().astype(np.float32)

    (y,), (dx, dw, db) = _core.run_op(op, [x, w, bias], {**attributes, "activation": activation}, [dy])
    _, (dx_plain, dw_plain) = _core.run_op(op, [x, w], attributes, [dz])
    np.testing.assert_allclose(y, expected.detach().numpy(), rtol=2e-5, atol=2e-5)
    np.testing.assert_allclose(dx, dx_plain, rtol=2e-5, atol=1e-4)
    np.testing.assert_allclose(dw, dw_plain, rtol=2e-5, atol=1e-4)
    np.testing.assert_allclose(db, dz.sum((0, 1, 2)), rtol=2e-5, atol=1e-4)
    (predicted,), _ = _core.run_op(op, [x, w, bias], {**attributes, "activation": activation})
    np.testing.assert_array_equal(predicted, y)


def test_depthwise_is_a_convolution_of_as_many_groups_as_channels(isa):
    rng = np.random.default_rng(5)
    for channels, multiplier, stride, padding in [
        (1, 1, 1, "valid"),
        (3, 1, 2, "same"),
        (17, 1, 1, "same"),
        (32, 1, 1, "same"),
        (5, 3, 2, "valid"),
        (16, 2, 1, "same"),
    ]:
        x, w = integers(rng, (2, 11, 8, channels), (3, 3, channels, multiplier))
        conv = Convolution(x.shape, (3, 3, 1, channels * multiplier), stride, padding, groups=channels)
        (dy,) = integers(rng, conv.y_shape)
        attributes = {"strides": [stride], "padding": padding}
        (y,), (dx, dw) = _core.run_op("depthwise_conv", [x, w], attributes, [dy])
        np.testing.assert_array_equal(y, conv.forward(x, w.reshape(conv.w_shape)))
        np.testing.assert_array_equal(dx, conv.backward_data(dy, w.reshape(conv.w_shape)))
        np.testing.assert_array_equal(dw.reshape(conv.w_shape), conv.backward_weights(x, dy))


def test_random_depthwise_geometries_are_exact_on_integers(isa):
    rng = np.random.default_rng(21)
    for _ in range(60):
        axes = int(rng.choice([1, 2, 2, 2, 3]))
        channels, multiplier = int(rng.choice([1, 2, 3, 16, 17, 40, 67, 150])), int(rng.choice([1, 1, 1, 2, 3]))
        window = [int(rng.integers(1, 6 if axes < 3 else 4)) for _ in range(axes)]
        dilation = [int(rng.integers(1, 3)) for _ in range(axes)]
        size = [
            (k - 1) * d + int(rng.integers(1, (40, 20, 6)[axes - 1])) for k, d in zip(window, dilation, strict=True)
        ]
        conv = Convolution(
            (int(rng.choice([1, 3])), *size, channels), (*window, 1, channels * multiplier),
            [int(rng.integers(1, 4)) for _ in range(axes)], str(rng.choice(["valid", "same"])), dilation, channels,
        )  # fmt: skip
        x, w, bias, dy = integers(rng, conv.x_shape, conv.w_shape, conv.w_shape[-1:], conv.y_shape)
        kernel = w.reshape(*window, channels, multiplier)
        attributes = attributes_of(conv, conv.pads)
        del attributes["groups"]
        (y,), (dx, dw, db) = _core.run_op("depthwise_conv", [x, kernel, bias], attributes, [dy])
        np.testing.assert_array_equal(y, conv.forward(x, w) + bias)
        np.testing.assert_array_equal(dx, conv.backward_data(dy, w))
        np.testing.assert_array_equal(dw.reshape(conv.w_shape), conv.backward_weights(x, dy))
        np.testing.assert_array_equal(db, dy.sum(tuple(range(dy.ndim - 1))))


# Rows that are spread in pieces: of the pixels, of the channels, of both.
@pytest.mark.parametrize(
    ("x_shape", "w_shape", "stride", "padding", "dilation"),
    [
        ((2, 5, 900, 4), (3, 3, 4, 3), 1, "same", 1),
        ((2, 3000, 40), (5, 40, 2), 3, "valid", 1),
        ((1, 4, 60, 300), (3, 4, 300, 2), 2, "same", 1),
        ((1, 7, 700, 5), (4, 5, 5, 7), 1, "same", 3),
        ((1, 2, 3, 200, 30), (2, 2, 6, 30, 4), 1, "same", 1),
        ((1, 900, 3), (2, 3, 40), 4, "valid", 1),
    ],
)
def test_depthwise_of_wide_rows_is_exact_on_integers(isa, x_shape, w_shape, stride, padding, dilation):
    rng = np.random.default_rng(22)
    conv = Convolution(
        x_shape, (*w_shape[:-2], 1, w_shape[-2] * w_shape[-1]), stride, padding, dilation, groups=x_shape[-1]
    )
    x, w, dy = integers(rng, x_shape, w_shape, conv.y_shape)
    attributes = {"strides": [stride], "padding": padding, "dilation_rate": [dilation]}
    for threads in (1, 2):
        (y,), (dx, dw) = _core.run_op("depthwise_conv", [x, w], attributes, [dy], threads=threads)
        np.testing.assert_array_equal(y, conv.forward(x, w.reshape(conv.w_shape)))
        np.testing.assert_array_equal(dx, conv.backward_data(dy, w.reshape(conv.w_shape)))
        np.testing.assert_array_equal(dw.reshape(conv.w_shape), conv.backward_weights(x, dy))


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_against_torch(axes):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(axes)
    x = rng.standard_normal((2, *(9, 8, 6)[:axes], 6)).astype(np.float32)
    w = rng.standard_normal((*(3, 2, 3)[:axes], 3, 8)).astype(np.float32)
    to_torch = lambda a: torch.tensor(np.moveaxis(a, -1, 1).copy(), requires_grad=True)  # noqa: E731
    kernel_to_torch = lambda a: torch.tensor(a.transpose(-1, -2, *range(axes)).copy(), requires_grad=True)  # noqa: E731
    tx, tw = to_torch(x), kernel_to_torch(w)
    ty = getattr(torch.nn.functional, f"conv{axes}d")(tx, tw, stride=2, padding=1, groups=2)
    dy = rng.standard_normal(ty.shape).astype(np.float32)
    ty.backward(torch.tensor(dy))
    attributes = {"strides": [2], "padding": "explicit", "pads": [1] * (2 * axes), "groups": 2}
    (y,), (dx, dw) = _core.run_op("conv", [x, w], attributes, [np.moveaxis(dy, 1, -1)])
    np.testing.assert_allclose(np.moveaxis(y, -1, 1), ty.detach(), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(np.moveaxis(dx, -1, 1), tx.grad, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(dw.transpose(-1, -2, *range(axes)), tw.grad, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_transposed_against_keras(axes, padding):
    keras = pytest.importorskip("keras")
    rng = np.random.default_rng(axes)
    layer = getattr(keras.layers, f"Conv{axes}DTranspose")
    for window in (1, 2, 3, 4, 5):
        for stride, dilation, output_padding in [
            (1, 1, None),
            (2, 1, None),
            (3, 1, None),
            (2, 1, 1),
            (3, 1, 0),
            (1, 2, None),
        ]:
            x = rng.standard_normal((2, *(5, 4, 3)[:axes], 3)).astype(np.float32)
            reference = layer(
                4, window, strides=stride, padding=padding, dilation_rate=dilation, output_padding=output_padding
            )
            try:
                expected = np.asarray(reference(x).detach().numpy())
            except (ValueError, RuntimeError):
                continue  # a combination that its backend does not have
            attributes = {"strides": [stride], "padding": padding, "dilation_rate": [dilation]}
            if output_padding is not None:
                attributes["output_padding"] = [output_padding]
            kernel = reference.kernel.value.detach().numpy()
            (y,), _ = _core.run_op("conv_transpose", [x, kernel], attributes)
            np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-5, err_msg=str((window, attributes)))


@pytest.mark.parametrize(
    ("window", "stride", "padding"),
    [((5,), 5, "same"), ((4, 4), 1, "valid"), ((3, 3), 3, "same"), ((2, 3, 2), 2, "valid")],
)
def test_transposed_from_one_pixel(isa, window, stride, padding):
    rng = np.random.default_rng(len(window))
    x, w, bias = integers(rng, (3, *[1] * len(window), 6), (*window, 5, 6), (5,))
    attributes = {"strides": [stride], "padding": padding, "activation": "relu"}
    for threads in (1, 2):
        (y,), _ = _core.run_op("conv_transpose", [x, w, bias], attributes, threads=threads)
        expected = np.einsum("nc,koc->nko", x.reshape(3, 6), w.reshape(-1, 5, 6)) + bias
        np.testing.assert_array_equal(y, np.maximum(expected, 0).reshape(3, *window, 5))


def test_transposed_is_the_adjoint_of_the_convolution(isa):
    rng = np.random.default_rng(4)
    for stride, window, padding in [(1, 3, "same"), (2, 3, "same"), (2, 2, "valid"), (3, 5, "valid")]:
        x, w, bias = integers(rng, (2, 5, 6, 4), (window, window, 9, 4), (9,))
        attributes = {"strides": [stride], "padding": padding}
        (y,), _ = _core.run_op("conv_transpose", [x, w, bias], attributes)
        (dy,) = integers(rng, y.shape)
        (dx, dw, db) = _core.run_op("conv_transpose", [x, w, bias], attributes, [dy])[1]
        # y - bias is linear in x and in w, so its gradients are the other two factors of one trilinear form.
        form = np.sum((y.astype(np.float64) - bias) * dy)
        assert form == np.sum(x.astype(np.float64) * dx) == np.sum(w.astype(np.float64) * dw)
        np.testing.assert_array_equal(db, dy.sum((0, 1, 2)))


@pytest.mark.parametrize("op", ["conv", "conv_transpose", "depthwise_conv"])
def test_no_images(op):
    x, w = np.zeros((0, 6, 6, 4), np.float32), np.zeros((3, 3, 4, 4), np.float32)
    (y,), _ = _core.run_op(op, [x, w])
    dy = np.zeros_like(y)
    _, (dx, dw) = _core.run_op(op, [x, w], {}, [dy])
    assert y.shape[0] == 0
    assert dx.shape == x.shape
    np.testing.assert_array_equal(dw, 0)


F32 = np.float32
BAD = [
    ("conv", [(2, 8), (3, 3)], {}, "add a channel axis"),
    ("conv", [(2, 8, 8, 3), (3, 3, 3)], {}, "need a kernel of 4 axes"),
    ("conv", [(2, 8, 8, 3), (3, 3, 4, 5)], {}, "need a kernel of 3 input channels"),
    ("conv", [(2, 8, 8, 3), (3, 3, 3, 0)], {}, "must not be empty"),
    ("conv", [(2, 8, 8, 3), (9, 9, 3, 4)], {}, "does not fit into 8"),
    ("conv", [(2, 8, 8, 3), (3, 3, 3, 4), (5,)], {}, r"bias must have shape \(4,\)"),
    ("conv", [(2, 8, 8, 3)], {}, "takes images, a kernel"),
    ("conv", [(2, 8, 8, 3), (3, 3, 3, 4)], {"groups": 2}, "groups=2 must divide"),
    ("conv", [(2, 8, 8, 3), (3, 3, 3, 4)], {"groups": 0}, "groups must be positive"),
    ("conv", [(2, 8, 8, 3), (3, 3, 3, 4)], {"strides": [0]}, "strides must be positive"),
    ("conv", [(2, 8, 8, 3), (3, 3, 3, 4)], {"strides": [1, 1, 1]}, "an entry for each of the 2"),
    ("conv", [(2, 8, 8, 3), (3, 3, 3, 4)], {"dilation_rate": [-1]}, "dilation_rate must be positive"),
    ("conv", [(2, 8, 8, 3), (3, 3, 3, 4)], {"padding": "full"}, "padding must be"),
    ("conv", [(2, 8, 8, 3), (3, 3, 3, 4)], {"padding": "causal"}, "for one spatial axis"),
    ("conv", [(2, 8, 8, 3), (3, 3, 3, 4)], {"padding": "explicit", "pads": [1]}, "two entries for each"),
    ("conv", [(2, 8, 8, 3), (3, 3, 3, 4)], {"padding": "explicit", "pads": [1, 1, -1, 1]}, "must not be negative"),
    ("conv", [(2, 8, 8, 3), (3, 3, 3, 4)], {"activation": "rule"}, "no activation is named"),
    ("conv", [(2, 8, 8, 3), (3, 3, 3, 4)], {"algorithm": "magic"}, "algorithm must be"),
    ("conv", [(2, 8, 8, 3), (3, 3, 3, 4)], {"algorithm": "winograd", "strides": [2]}, "window of 3 by 3"),
    (
        "conv",
        [(2, 8, 8, 3), (3, 3, 3, 4)],
        {"algorithm": "product"},
        "window of one pixel and stride 1, or a window as",
    ),
    ("conv", [(2, 8, 8, 3), (3, 3, 3, 3)], {"algorithm": "rows", "dilation_rate": [1, 2]}, "no dilation of the last"),
    ("conv", [(2, 8, 8, 3), (3, 3, 3, 4)], {"algorithm": "depthwise"}, "as many groups as input channels"),
    ("conv", [(2, 8, 8, 4), (3, 3, 2, 4)], {"algorithm": "im2col", "groups": 2}, "needs one group"),
    ("conv", [(2, 8, 8, 3), (3, 3, 3, 4)], {"moments": True, "activation": "relu"}, "of what no activation is applied"),
    ("depthwise_conv", [(2, 8, 8, 3), (3, 3, 4, 1)], {}, "depthwise kernel of shape"),
    ("conv_transpose", [(2, 8, 8, 3), (3, 3, 4, 3)], {"moments": True}, "moments are taken by conv and depthwise_conv"),
    ("conv_transpose", [(2, 8, 8, 3), (3, 3, 3, 4)], {}, r"\(window, out_channels, 3\)"),
    ("conv_transpose", [(2, 8, 8, 3), (3, 3, 4, 3)], {"groups": 3}, "has one group"),
    ("conv_transpose", [(2, 8, 8, 3), (3, 3, 4, 3)], {"padding": "causal"}, "for one spatial axis"),
    ("conv_transpose", [(2, 8, 3), (3, 4, 3)], {"padding": "causal"}, 'must be "valid" or "same"'),
    ("conv_transpose", [(2, 8, 8, 3), (3, 3, 4, 3)], {"strides": [2], "output_padding": [2]}, "less than the stride"),
    ("conv_transpose", [(2, 8, 8, 3), (0, 3, 4, 3)], {}, "must not be empty"),
]


@pytest.mark.parametrize(("op", "shapes", "attributes", "message"), BAD)
def test_errors(op, shapes, attributes, message):
    with pytest.raises(ValueError, match=message):
        _core.run_op(op, [np.zeros(shape, F32) for shape in shapes], attributes)
