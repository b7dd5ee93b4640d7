"""nnfast.kernels.conv2d and its two gradients; the algorithms are tested in tests/ops/test_conv.py."""

import numpy as np
import pytest

from conv_reference import Convolution
from nnfast.kernels import conv2d, conv2d_backward_data, conv2d_backward_weights

SETTINGS = [
    {},
    {"strides": 2, "padding": "same"},
    {"strides": (1, 3), "padding": "same"},
    {"dilation_rate": (2, 1)},
    {"groups": 2, "padding": "same"},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_the_three_directions(settings):
    rng = np.random.default_rng(0)
    conv = Convolution((2, 9, 8, 4), (3, 2, 4 // settings.get("groups", 1), 6), **settings)
    x, kernel, dy = (rng.integers(-3, 4, s).astype(np.float32) for s in (conv.x_shape, conv.w_shape, conv.y_shape))
    y = conv2d(x, kernel, **settings)
    dx = conv2d_backward_data(dy, kernel, x.shape, **settings)
    dw = conv2d_backward_weights(x, dy, kernel.shape, **settings)
    assert y.dtype == dx.dtype == dw.dtype == np.float32
    np.testing.assert_array_equal(y, conv.forward(x, kernel))
    np.testing.assert_array_equal(dx, conv.backward_data(dy, kernel))
    np.testing.assert_array_equal(dw, conv.backward_weights(x, dy))


def test_other_types_and_orders_are_converted():
    rng = np.random.default_rng(0)
    x, kernel = rng.integers(-3, 4, (2, 5, 6, 3)), rng.integers(-3, 4, (2, 2, 3, 4))
    expected = conv2d(x.astype(np.float32), kernel.astype(np.float32))
    np.testing.assert_array_equal(conv2d(x.tolist(), np.asfortranarray(kernel.astype(np.float64))), expected)


X, KERNEL, DY = (np.zeros(shape, np.float32) for shape in [(2, 5, 5, 4), (3, 3, 4, 6), (2, 3, 3, 6)])
BAD = [
    (lambda: conv2d(X[0], KERNEL), r"conv2d: expected x of shape \(batch, height.*received \(5, 5, 4\)"),
    (lambda: conv2d(X, KERNEL[0]), r"conv2d: expected kernel of shape \(kernel_height.*received \(3, 4, 6\)"),
    (lambda: conv2d(X, KERNEL, padding="causal"), "conv2d: expected padding 'valid' or 'same', received 'causal'"),
    (lambda: conv2d(X, KERNEL, strides=0), "strides must be positive"),
    (lambda: conv2d(X, KERNEL, strides=(1, 1, 1)), "an entry for each of the 2"),
    (lambda: conv2d(X, KERNEL, groups=2), "need a kernel of 2 input channels"),
    (lambda: conv2d_backward_data(DY, KERNEL, (2, 5, 5)), r"data: expected input_shape \(batch.*received \(2, 5, 5\)"),
    (lambda: conv2d_backward_data(DY, KERNEL, (2, 5, -5, 4)), r"expected input_shape .* received \(2, 5, -5, 4\)"),
    (lambda: conv2d_backward_data(DY, KERNEL, (2, 6, 5, 4)), "gradient of shape"),
    (lambda: conv2d_backward_weights(X, DY, (3, 3)), r"weights: expected kernel_shape \(kernel.*received \(3, 3\)"),
    (lambda: conv2d_backward_weights(X, DY, (3, 3, 4, 5)), "gradient of shape"),
]


@pytest.mark.parametrize(("call", "message"), BAD)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()
