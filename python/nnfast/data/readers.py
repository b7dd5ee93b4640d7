"""Readers of the binary formats in which small images are published."""

from __future__ import annotations

import math
import os

import numpy as np

# The third byte of an IDX file names its type; numbers are big-endian.
_IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_MOST_AXES, _MOST_ELEMENTS = 32, 1 << 48  # what every NumPy can do, though an axis is empty

_CIFAR10_SHAPE = (3, 32, 32)


def read_idx(path: str | os.PathLike[str]) -> np.ndarray:
    """Read an IDX file, the format of MNIST and its relatives.

    Parameters
    ----------
    path : path-like
        The file, plain or compressed with gzip.

    Returns
    -------
    numpy.ndarray
        The array with the type and shape that the file states, in native byte order.

    Raises
    ------
    ValueError
        If the file is no IDX file, or is shorter or longer than its header says.

    References
    ----------
    The format is described at the end of http://yann.lecun.com/exdb/mnist/.
    """
    content = _read_bytes(path)
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in _IDX_TYPES:
        raise ValueError(
            f"{os.fspath(path)}: expected an IDX file, which begins with two zero bytes and a type among "
            f"{', '.join(f'{code:#04x}' for code in _IDX_TYPES)}; received {content[:4]!r}. Is it the right file?"
        )
    dtype = np.dtype(_IDX_TYPES[content[2]])
    start = 4 + 4 * content[3]
    if len(content) < start:
        raise ValueError(
            f"{os.fspath(path)}: the IDX header ends after {len(content)} of {start} bytes; fetch it again"
        )
    shape = tuple(np.frombuffer(content[4:start], ">u4").tolist())
    if len(shape) > _MOST_AXES or math.prod(size or 1 for size in shape) > _MOST_ELEMENTS:
        raise ValueError(
            f"{os.fspath(path)}: expected at most {_MOST_AXES} axes and 2^48 elements; the IDX header says {shape}. "
            "It is truncated or damaged, or no IDX file"
        )
    expected = start + math.prod(shape) * dtype.itemsize
    if len(content) != expected:
        raise ValueError(
            f"{os.fspath(path)}: an array of shape {shape} and type {dtype.newbyteorder('=')} takes {expected} bytes "
            f"with its header; the file has {len(content)}. It is truncated or damaged: fetch it again"
        )
    return np.frombuffer(content[start:], dtype).reshape(shape).astype(dtype.newbyteorder("="))


def read_cifar10(path: str | os.PathLike[str]) -> tuple[np.ndarray, np.ndarray]:
    """Read one batch of CIFAR-10 in its binary version.

    Parameters
    ----------
    path : path-like
        The file, e.g. ``data_batch_1.bin``, plain or compressed with gzip.

    Returns
    -------
    images : numpy.ndarray, shape (n, 32, 32, 3), uint8
        Red, green and blue from 0 to 255, channels last.
    labels : numpy.ndarray, shape (n,), int32
        The classes, from 0 to 9.

    Raises
    ------
    ValueError
        If the file is not a whole number of records, or a label is above 9.

    References
    ----------
    https://www.cs.toronto.edu/~kriz/cifar.html, "Binary version".
    """
    content = _read_bytes(path)
    record = 1 + math.prod(_CIFAR10_SHAPE)
    if len(content) == 0 or len(content) % record != 0:
        raise ValueError(
            f"{os.fspath(path)}: expected records of {record} bytes (a label and an image of 32×32×3); received "
            f"{len(content)} bytes, which is no whole number of them. Is it the binary version of CIFAR-10?"
        )
    records = np.frombuffer(content, np.uint8).reshape(-1, record)
    labels = records[:, 0].astype(np.int32)
    if labels.max() > 9:
        raise ValueError(
            f"{os.fspath(path)}: expected labels from 0 to 9; received {labels.max()}. "
            "Is it CIFAR-10 (CIFAR-100 has two labels a record)?"
        )
    images = records[:, 1:].reshape(-1, *_CIFAR10_SHAPE).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(images), labels


def _read_bytes(path: str | os.PathLike[str]) -> bytes:
    with open(path, "rb") as file:
        content = file.read()
    if content[:2] != b"\x1f\x8b":
        return content
    import gzip
    import zlib

    try:
        return gzip.decompress(content)
    except (EOFError, OSError, zlib.error) as error:
        raise ValueError(
            f"{os.fspath(path)}: the compressed file is truncated or damaged ({error}); fetch it again"
        ) from error
