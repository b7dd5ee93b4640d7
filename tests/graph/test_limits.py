"""Sizes that no memory holds, and settings that would overflow, are refused where they are given."""

import pytest

from nnfast import _core

IMAGES = (2, 5, 6, 3)
KERNEL = (3, 3, 3, 4)
LARGE = 2**62


@pytest.mark.parametrize(
    ("op", "shapes", "settings", "message"),
    [
        ("reshape", [(6, 4)], {"shape": [LARGE, LARGE]}, "reshape: expected sizes from 0 to 2\\^48"),
        ("reshape", [(6, 4)], {"shape": [-1, 2**40, 2**40]}, "reshape: expected at most 2\\^48 elements"),
        ("reshape", [(6, 4)], {"shape": [-1, -1]}, "one -1 at most"),
        ("broadcast_to", [(1, 1)], {"shape": [2**31, 2**31]}, "broadcast_to: expected at most 2\\^48 elements"),
        ("repeat", [(6, 4)], {"repeats": LARGE, "axis": 0}, "received 4611686018427387904 repeats"),
        ("tile", [(6, 4)], {"repeats": 2**46, "axis": 1}, "tile: expected at most 2\\^48 elements"),
        ("pad", [(6, 4)], {"begin": [0, LARGE], "end": [0, LARGE]}, "pad: expected widths of at most 2\\^48"),
        ("pad", [(6, 4)], {"begin": [2**40, 0], "end": [0, 2**40]}, "pad: expected at most 2\\^48 elements"),
        ("conv", [IMAGES, KERNEL], {"strides": [LARGE]}, "strides must be positive and at most 2\\^30"),
        ("conv", [IMAGES, KERNEL], {"dilation_rate": [2**31]}, "dilation_rate must be positive and at most 2\\^30"),
        ("conv", [IMAGES, KERNEL], {"padding": "explicit", "pads": [0, 0, 0, LARGE]}, "pads must .* at most 2\\^30"),
        ("conv", [(1, 2**31, 1, 1), (1, 1, 1, 1)], {}, "at most 2\\^30 pixels along an axis"),
        ("conv", [(1, 4, 4, 1), (2**31, 1, 1, 1)], {}, "windows have at most 2\\^30 pixels"),
        ("conv_transpose", [IMAGES, (3, 3, 4, 3)], {"output_padding": [LARGE]}, "less than the stride"),
        ("conv_transpose", [(1, 2**31, 1, 1), (1, 1, 1, 1)], {}, "at most 2\\^30 pixels along an axis"),
    ],
)
def test_refused(op, shapes, settings, message):
    graph = _core.Graph()
    with pytest.raises(ValueError, match=message):
        graph.add(op, [graph.input(shape) for shape in shapes], settings)
