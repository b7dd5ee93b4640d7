"""What the examples share: where a figure goes (--out FOLDER), and data to draw."""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib

matplotlib.use("agg")  # draws into files, needs no screen
import matplotlib.pyplot as plt
import numpy as np

_parser = argparse.ArgumentParser()
_parser.add_argument("--out", type=Path, default=Path(), help="the folder for the figure (default: this one)")
_arguments = _parser.parse_args()


def save(figure, script: str) -> None:
    """Write a figure beside the name of the script that drew it, and say where."""
    _arguments.out.mkdir(parents=True, exist_ok=True)
    path = _arguments.out / f"{Path(script).stem}.png"
    figure.savefig(path, dpi=110)
    plt.close(figure)
    print(f"\nFigure: {path}")


def two_moons(samples: int, noise: float = 0.2, seed: int = 0):
    """Two half circles that reach into each other: points (samples, 2) and their class, 0 or 1."""
    rng = np.random.default_rng(seed)
    y = np.arange(samples) % 2
    angle = rng.uniform(0, np.pi, samples)
    first = np.where(y, 1 - np.cos(angle), np.cos(angle))
    second = np.where(y, 0.5 - np.sin(angle), np.sin(angle))
    x = np.stack([first, second], axis=1)
    return (x + noise * rng.normal(size=x.shape)).astype(np.float32), y.astype(np.int32)


def draw_boundary(axes, predict, x, y, size: float = 24) -> None:
    """Colour the plane by what `predict` says of each point, and draw the samples over it, as large as `size`."""
    low, high = x.min(axis=0) - 0.4, x.max(axis=0) + 0.4
    a, b = np.meshgrid(np.linspace(low[0], high[0], 200), np.linspace(low[1], high[1], 200))
    shade = predict(np.stack([a.ravel(), b.ravel()], axis=1).astype(np.float32)).reshape(a.shape)
    axes.contourf(a, b, shade, levels=np.linspace(0, 1, 11), cmap="RdBu_r", alpha=0.6)
    axes.contour(a, b, shade, levels=[0.5], colors="k", linewidths=1)
    for label, colour in ((0, "royalblue"), (1, "firebrick")):
        axes.scatter(*x[y == label].T, color=colour, edgecolors="white", s=size, linewidths=0.6 if size < 50 else 2)
