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


def random_convolution(rng):
    """Return a convolution as (operation, shape of x, of the kernel, of y, attributes); None where no window fits."""
    axes = int(rng.integers(1, 4))

    def size(most):
        return round(np.exp(rng.uniform(0, np.log(most))))

    window = [int(rng.choice([1, 2, 3, 3, 3, 4, 5, 7, 9, 11])) for _ in range(axes)]
    strides = [int(rng.choice([1, 1, 1, 2, 2, 3, 4])) for _ in range(axes)]
    dilation = int(rng.integers(1, 5)) if max(strides) == 1 and rng.random() < 0.2 else 1
    groups, channels, filters = 1, size(600), size(600)
    operation = str(rng.choice(["conv", "conv", "conv", "conv_transpose"]))
    if operation == "conv" and rng.random() < 0.25:
        groups = size(64)
        channels, filters = (channels, groups) if rng.random() < 0.5 else (groups, groups * int(rng.integers(1, 4)))
        channels = -(-channels // groups) * groups
    pixels = [size({1: 4096, 2: 300, 3: 48}[axes]) for _ in range(axes)]
    x = (size(32), *pixels, channels)
    w = (*window, channels // groups, filters) if operation == "conv" else (*window, filters, channels)
    attributes = {
        "strides": strides, "padding": str(rng.choice(["same", "valid"])), "dilation_rate": [dilation], "groups": groups
    }  # fmt: skip
    if np.prod(x) > 1e8 or np.prod(w) > 3e7:
        return None
    graph = _core.Graph()
    try:
        (y,) = graph.add(operation, [graph.input(x), graph.input(w)], attributes)
    except ValueError:
        return None
    return operation, x, w, graph.shape(y), attributes


def test_scratch_memory_of_any_shape_is_bounded(isa):
    # Beyond the bound go tiles of a fixed size alone, which count where all else is small.
    tiles = 64 * 1024
    rng = np.random.default_rng(5)
    tried = 0
    while tried < 1500:
        found = random_convolution(rng)
        if found is None:
            continue
        tried += 1
        operation, x, w, y, attributes = found
        most = np.prod(x) + np.prod(y) + 5 * np.prod(w) + tiles
        for direction, wanted in DIRECTIONS.items():
            memory = _core.op_memory(operation, [x, w], attributes, wanted)
            scratch = memory["forward" if direction == "forward" else "backward"]
            assert scratch + 2 * memory["worker"] <= most, (found, direction, memory)


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
