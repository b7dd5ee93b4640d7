"""Images under an affine map in float64: the specification of the operation "affine_transform"."""

import numpy as np


def pixel_for(index, size, fill_mode):
    """The pixel that stands for each index, and whether there is one."""
    if fill_mode == "constant":
        return np.clip(index, 0, size - 1), (index >= 0) & (index < size)
    if fill_mode == "nearest":
        index = np.clip(index, 0, size - 1)
    elif fill_mode == "wrap":
        index = index % size
    else:
        index = index % (2 * size)
        index = np.where(index < size, index, 2 * size - 1 - index)
    return index, np.full(index.shape, True)


def mixes(shape, transform, size, interpolation, fill_mode):
    """For one image, up to four times: rows, columns, whether they exist, and weights of the pixels of the output."""
    u, v = np.meshgrid(np.arange(size[1], dtype=np.float64), np.arange(size[0], dtype=np.float64))
    a, b, c, d, e, f = (float(value) for value in transform)
    x, y = a * u + b * v + c, d * u + e * v + f
    if interpolation == "nearest":
        corners = [(np.floor(y + 0.5), np.floor(x + 0.5), np.ones_like(x))]
    else:
        left, top = np.floor(x), np.floor(y)
        corners = [
            (top + i, left + j, (y - top if i else 1 - y + top) * (x - left if j else 1 - x + left))
            for i in (0, 1)
            for j in (0, 1)
        ]
    for row, column, weight in corners:
        row, has_row = pixel_for(row.astype(np.int64), shape[0], fill_mode)
        column, has_column = pixel_for(column.astype(np.int64), shape[1], fill_mode)
        yield row, column, has_row & has_column, weight


def affine(images, transforms, interpolation="bilinear", fill_mode="constant", fill_value=0.0, size=None):
    images = np.asarray(images, np.float64)
    size = size or images.shape[1:3]
    out = np.zeros((len(images), *size, images.shape[-1]))
    for n, image in enumerate(images):
        transform = transforms[n % len(transforms)]
        for row, column, inside, weight in mixes(image.shape, transform, size, interpolation, fill_mode):
            out[n] += weight[..., None] * np.where(inside[..., None], image[row, column], fill_value)
    return out


def affine_gradient(images, transforms, dy, interpolation="bilinear", fill_mode="constant", size=None):
    size = size or images.shape[1:3]
    dx = np.zeros(images.shape)
    for n, gradient in enumerate(dy.astype(np.float64)):
        transform = transforms[n % len(transforms)]
        for row, column, inside, weight in mixes(images.shape[1:], transform, size, interpolation, fill_mode):
            np.add.at(dx[n], (row, column), (weight * inside)[..., None] * gradient)
    return dx
