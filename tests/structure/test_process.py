"""What the package must leave alone in the process that imports it."""

import subprocess
import sys

import pytest

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


@pytest.mark.parametrize("torch_first", [False, True], ids=["nnfast first", "torch first"])
def test_computes_beside_torch_in_one_process(torch_first):
    pytest.importorskip("torch")
    ours = "import numpy as np\nimport nnfast\n" + FIT
    run(TORCH + ours + TORCH if torch_first else ours + TORCH + ours)
