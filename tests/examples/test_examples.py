"""The scripts of examples/ run as a user runs them, on what needs no network."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(name, *arguments, **environment):
    return subprocess.run(
        [sys.executable, EXAMPLES / name, *arguments],
        env={**os.environ, **environment}, capture_output=True, text=True, timeout=300,
    )  # fmt: skip


def test_cifar10_resnet_on_generated_images():
    ended = run("cifar10_resnet.py", "--synthetic")
    assert ended.returncode == 0, ended.stderr
    assert len(re.findall(r"^Epoch \d/3 ", ended.stdout, flags=re.MULTILINE)) == 3
    assert float(re.search(r"test accuracy ([\d.]+)", ended.stdout)[1]) > 0.9


def test_cifar10_resnet_on_files(tmp_path):
    rng = np.random.default_rng(0)
    for name in [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]:
        records = rng.integers(0, 256, (2, 3073), np.uint8)
        records[:, 0] %= 10
        (tmp_path / name).write_bytes(records.tobytes())
    ended = run("cifar10_resnet.py", "--data", tmp_path, "--epochs", "1")
    assert ended.returncode == 0, ended.stderr
    assert "10 images to train on, 2 to test with" in ended.stdout


def test_cifar10_resnet_without_data(tmp_path):
    ended = run("cifar10_resnet.py", "--data", tmp_path / "none")
    assert ended.returncode == 1
    assert "--synthetic" in ended.stderr
    assert "Traceback" not in ended.stderr
    # No network: a proxy that nothing listens to.
    proxy = {"https_proxy": "http://127.0.0.1:9", "NNFAST_CACHE": str(tmp_path / "cache")}
    ended = run("cifar10_resnet.py", **proxy)
    assert ended.returncode == 1
    assert "could not download" in ended.stderr
    assert "--synthetic" in ended.stderr
