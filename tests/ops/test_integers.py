"""Sizes, axes and seeds: NumPy's integers serve, fractions are not cut off, and what 64 bits do not hold is refused."""

import numpy as np
import pytest

import nnfast
from nnfast import kernels, layers, ops

x = np.ones((1, 4, 4, 2), np.float32)
kernel = np.ones((3, 3, 2, 3), np.float32)
dy = np.ones((1, 2, 2, 3), np.float32)
LARGE = 2**63


def on_images(layer):
    return nnfast.Sequential([layers.Input((4, 4, 2)), layer])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ops.pad(x, 1.5), "expected pad_width to be an integer"),
        (lambda: ops.pad(x, LARGE), "an integer of at most 64 bits"),
        (lambda: ops.pad(x, LARGE - 1), "widths of at most 2\\^48"),
        (lambda: ops.pad(x, 2**45), "pad: expected at most 2\\^48 elements"),
        (lambda: on_images(layers.ZeroPadding2D(LARGE - 1)), "widths of at most 2\\^48"),
        (lambda: kernels.conv2d(x, kernel, strides="2"), "conv2d: strides: expected integers; received '2'"),
        (lambda: kernels.conv2d(x, kernel, strides=1.5), "conv2d: strides: expected integers; received 1.5"),
        (lambda: kernels.conv2d(x, kernel, strides=LARGE), "strides: expected an integer of at most 64 bits"),
        (lambda: kernels.conv2d(x, kernel, dilation_rate=(1, LARGE)), "dilation_rate: .* at most 64 bits"),
        (lambda: kernels.conv2d(x, kernel, groups=1.5), "conv2d: groups: expected an integer; received 1.5"),
        (lambda: kernels.conv2d_backward_data(dy, kernel, (1, 2**40, 2**40, 2)), "at most 2\\^48 elements"),
        (lambda: kernels.conv2d_backward_data(dy, kernel, (2**62, 4, 4, 2)), "sizes from 0 to 2\\^48"),
        (lambda: kernels.conv2d_backward_data(dy, kernel, (1, 4.5, 4, 2)), "input_shape: expected integers"),
        (lambda: kernels.conv2d_backward_weights(x, dy, (3, 3, 2, 2**60)), "sizes from 0 to 2\\^48"),
        (lambda: kernels.max_pool2d(x, 2.5), "pool_size: expected integers; received 2.5"),
        (lambda: ops.max_pool(x, (2, 2.5)), "pool_size: expected integers"),
        (lambda: ops.resize(x, (0, 3)), "resize: expected a positive height and width"),
        (lambda: ops.resize(x, (2.5, 3)), "resize: size: expected integers"),
        (lambda: ops.affine_transform(x, np.ones((1, 6)), size=(2**31, 2**31)), "at most 2\\^48 elements"),
        (lambda: ops.reshape(x, (16.0, 2)), "reshape: newshape: expected integers"),
        (lambda: ops.broadcast_to(x, (1.0, 4, 4, 2)), "broadcast_to: shape: expected integers"),
        (lambda: ops.repeat(x, 2.5, axis=0), "repeat: repeats: expected an integer"),
        (lambda: ops.tile(x, 1.5), "tile: repeats: expected integers"),
        (lambda: ops.one_hot([1], 2.5), "one_hot: num_classes: expected an integer"),
        (lambda: ops.one_hot([2**32], 3), "integers that fit in 32 bits; received 4294967296"),
        (lambda: ops.take(x, 2**40, axis=0), "integers that fit in 32 bits"),
        (lambda: ops.split(x, 0, axis=1), "split: expected 0 equal parts"),
        (lambda: ops.split(x, [1.5], axis=1), "split: indices_or_sections: expected integers"),
        (lambda: ops.transpose(x, (0, 1, 2, 2.5)), "axis: expected an integer"),
        (lambda: ops.sum(x, axis=1.5), "sum: axis: expected integers"),
        (lambda: ops.flip(x, 1.5), "flip: axis: expected integers"),
        (lambda: ops.softmax(x, axis=1.5), "softmax: axis: expected an integer"),
        (lambda: ops.dropout(x, 0.5, seed=1.5), "seed: expected an integer; received 1.5"),
        (lambda: ops.dropout(x, 0.5, seed=2**70), "seed: expected an integer of at most 64 bits"),
        (lambda: ops.segment_sum(x[0], [0] * 4, 2.5), "num_segments: expected an integer"),
        (lambda: on_images(layers.BatchNormalization(axis=7)), "axis: expected a number from -4 to 3; received 7"),
        (lambda: on_images(layers.SpatialDropout1D(0.5)), "expected input of 3 axes"),
    ],
)
def test_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("function", [kernels.gemm, kernels.conv2d, ops.matmul, ops.add])
def test_complex_numbers_are_refused(function):
    with pytest.raises((TypeError, ValueError), match="received (one of )?dtype complex64"):
        function(x + 1j, x + 1j)


def test_integers_of_numpy():
    two, last = np.int64(2), np.int32(-1)
    assert ops.sum(x, axis=last).shape == (1, 4, 4)
    assert ops.squeeze(x, axis=np.int64(0)).shape == (4, 4, 2)
    assert ops.tile(x, two).shape == (1, 4, 4, 4)
    assert [part.shape for part in ops.split(x, two, axis=two)] == [(1, 4, 2, 2)] * 2
    assert ops.max_pool(x, two).shape == (1, 2, 2, 2)
    assert kernels.max_pool2d(x, two).shape == (1, 2, 2, 2)
    assert kernels.conv2d(x, kernel, strides=two).shape == (1, 1, 1, 3)
    assert ops.resize(x, np.array([8, 6])).shape == (1, 8, 6, 2)
