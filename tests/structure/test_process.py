"""What the package must leave alone in the process that imports it."""

import platform
import subprocess
import sys

import numpy as np
import pytest

import nnfast
from nnfast import _core

FIT = """
x = np.ones((64, 8), np.float32)
model = nnfast.Sequential([nnfast.Input((8,)), nnfast.layers.Dense(4, activation="gelu"), nnfast.layers.Dense(1)])
model.compile("adam", "mse")
model.fit(x, x[:, :1], epochs=2, verbose=0)
assert np.isfinite(model.predict(x, verbose=0)).all()
"""

TORCH = """
import torch
layer = torch.nn.Linear(8, 4)
assert torch.isfinite(layer(torch.ones(64, 8))).all()
"""


def run(program):
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)


def test_denormals_are_kept_by_import_and_by_a_fit():
    kept = "assert (np.full(64, 1e-40, np.float32) * np.float32(1)).all()\n"
    run(f"import numpy as np\n{kept}import nnfast\n{kept}{FIT}{kept}")


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="denormals are flushed on x86 only")
@pytest.mark.parametrize("threads", [1, 2])
def test_denormal_results_are_flushed_and_denormal_operands_are_read(threads):
    before = nnfast.get_num_threads()
    nnfast.set_num_threads(threads)
    try:
        # Elements enough for every thread to take part.
        small, denormal, half, large = (np.full(1 << 20, x, np.float32) for x in (2e-38, 1e-40, 0.5, 1e10))
        flushed, product = (_core.run_op("multiply", pair)[0][0] for pair in ([small, half], [denormal, large]))
    finally:
        nnfast.set_num_threads(before)
    assert not flushed.any()
    np.testing.assert_array_equal(product, denormal * large)
    assert (small * half).all()  # by NumPy, on the calling thread


@pytest.mark.parametrize("torch_first", [False, True], ids=["nnfast first", "torch first"])
def test_computes_beside_torch_in_one_process(torch_first):
    pytest.importorskip("torch")
    ours = "import numpy as np\nimport nnfast\n" + FIT
    run(TORCH + ours + TORCH if torch_first else ours + TORCH + ours)
