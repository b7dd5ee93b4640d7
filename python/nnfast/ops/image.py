"""Operations on images: (batch, height, width, channels)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..numeric import to_integers
from .apply import apply, floats, shape_of


def affine_transform(
    images: Any, transforms: Any, interpolation: str = "bilinear", fill_mode: str = "constant",
    fill_value: float = 0.0, size: Sequence[int] | None = None,
) -> Any:  # fmt: skip
    """Return each image under an affine map.

    Pixel (u, v) of the output, u along the width, shows the input at ``(a u + b v + c, d u + e v + f)``. The gradient
    reaches the images, not the transforms.

    Parameters
    ----------
    images : tensor of shape (batch, height, width, channels)
    transforms : tensor of shape (batch, 6) or (1, 6)
        a, b, c, d, e, f for each image, or for all of them.
    interpolation : {"bilinear", "nearest"}
        Between the four pixels around a place, or the nearest one.
    fill_mode : {"constant", "reflect", "wrap", "nearest"}
        What lies outside: `fill_value`; the image mirrored, its edge pixel twice; the image again; the nearest pixel.
    fill_value : float, default 0.0
        The constant.
    size : sequence of two int, optional
        Height and width of the output; by default those of the images.
    """
    return apply(
        "affine_transform", floats(images, transforms), interpolation=interpolation, fill_mode=fill_mode,
        fill_value=float(fill_value), size=None if size is None else to_integers(size, "size"),
    )  # fmt: skip


def resize(images: Any, size: Sequence[int]) -> Any:
    """Return images of another height and width, by bilinear interpolation: pixels are squares of the same picture.

    Raises
    ------
    ValueError
        If `size` is not two positive integers.
    """
    _, height, width, _ = shape_of(images)
    # The middle of pixel u is at u + 1/2.
    sizes = to_integers(size, "resize: size")
    if len(sizes) != 2 or min(sizes) < 1:
        raise ValueError(f"resize: expected a positive height and width; received size={size!r}")
    down, across = height / sizes[0], width / sizes[1]
    transform = np.array([[across, 0, across / 2 - 0.5, 0, down, down / 2 - 0.5]], np.float32)
    return affine_transform(images, transform, fill_mode="nearest", size=sizes)
