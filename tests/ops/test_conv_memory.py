"""What convolutions need beside their operands: no more scratch memory than input + output + 5 times the weights."""

import runpy
from pathlib import Path

import numpy as np
import pytest

from nnfast import _core

SHAPES = runpy.run_path(str(Path(__file__).parents[2] / "bench" / "harness" / "conv_shapes.py"))
DIRECTIONS = {"forward": [False, False], "data": [True, False], "weights": [False, True]}


@pytest.mark.parametrize("network", SHAPES["SHAPES"])
@pytest.mark.parametrize("single", [False, True], ids=["batch", "one image"])
def test_scratch_memory_is_bounded(network, single):
    for size, channels, filters, kernel, stride, groups in SHAPES["SHAPES"][network]:
        images = 1 if single else SHAPES["BATCH"][network]
        x = (images, size, size, channels)
        w = (kernel, kernel, channels // groups, filters)
        y = images * (-(-size // stride)) ** 2 * filters
        attributes = {"strides": [stride], "padding": "same", "groups": groups}
        for direction, wanted in DIRECTIONS.items():
            if direction == "data" and channels <= 3:
                continue  # images' own gradient is not computed
            memory = _core.op_memory("conv", [x, w], attributes, wanted)
            scratch = memory["forward" if direction == "forward" else "backward"]
            threads = 1 if single else 2
            most = np.prod(x) + y + 5 * np.prod(w)
            assert scratch + threads * memory["worker"] <= most, (x, w, stride, direction, memory)


def test_what_an_activation_keeps_is_no_scratch_of_forward():
    shapes = [(8, 12, 12, 4), (3, 3, 4, 6), (6,)]
    plain = _core.op_memory("conv", shapes, {}, [True] * 3)
    gelu = _core.op_memory("conv", shapes, {"activation": "gelu"}, [True] * 3)
    assert plain["forward"] == gelu["forward"]
    assert plain["kept"] == []
    assert gelu["kept"] == [8 * 10 * 10 * 6]


def test_errors():
    with pytest.raises(ValueError, match="wanted must have one entry for each of the 2 inputs"):
        _core.op_memory("conv", [(8, 12, 12, 4), (3, 3, 4, 6)], {}, [True])
