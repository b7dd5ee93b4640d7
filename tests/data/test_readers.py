import gzip
import struct

import numpy as np
import pytest

from nnfast.data import read_cifar10, read_idx

IDX_CODES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}


def idx_bytes(array):
    code = IDX_CODES[array.dtype.str[1:]]
    header = struct.pack(">BBBB", 0, 0, code, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


@pytest.mark.parametrize("dtype", sorted(IDX_CODES))
@pytest.mark.parametrize("shape", [(5,), (0, 3), (2, 3, 4), ()])
@pytest.mark.parametrize("compress", [False, True])
def test_idx_round_trip(tmp_path, dtype, shape, compress):
    values = np.random.default_rng(0).random(shape) * 250 - (0 if dtype[0] == "u" else 100)
    array = np.asarray(values, dtype)
    content = idx_bytes(array)
    path = tmp_path / "file"
    path.write_bytes(gzip.compress(content) if compress else content)
    read = read_idx(path)
    assert read.dtype == array.dtype
    assert read.dtype.isnative
    assert read.flags.writeable
    np.testing.assert_array_equal(read, array)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected an IDX file"),
        (b"\x89PNG\r\n", "expected an IDX file"),
        (b"\0\0\x07\x01", "expected an IDX file"),
        (b"\0\0\x08\x03\0\0\0\x02", "header ends after 8 of 16 bytes"),
        (b"\0\0\x08\xff" + b"\0\0\0\1" * 255 + b"a", "at most 32 axes"),
        (b"\0\0\x08\x05" + b"\0\0\0\0" + b"\xff" * 16, "at most .* 2\\^48 elements"),
        (gzip.compress(bytes(9))[:10] + b"\xff" * 8, "truncated or damaged"),
        (idx_bytes(np.zeros((2, 3), np.uint8))[:-1], "takes 18 bytes with its header; the file has 17"),
        (idx_bytes(np.zeros((2, 3), np.uint8)) + b"x", "the file has 19"),
        (gzip.compress(idx_bytes(np.zeros(9, np.uint8)))[:-9], "compressed file is truncated or damaged"),
        # A header that promises far more than a machine has must not make us allocate it.
        (b"\0\0\x0e\x03" + b"\xff" * 12, "truncated or damaged"),
    ],
)
def test_idx_errors(tmp_path, content, message):
    path = tmp_path / "bad.idx"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message) as caught:
        read_idx(path)
    assert "bad.idx" in str(caught.value)


def test_cifar10(tmp_path):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    labels = np.array([3, 0, 9, 3], np.int32)
    records = [bytes([label]) + image.transpose(2, 0, 1).tobytes() for image, label in zip(images, labels, strict=True)]
    (tmp_path / "batch.bin").write_bytes(b"".join(records))
    x, y = read_cifar10(tmp_path / "batch.bin")
    np.testing.assert_array_equal(x, images)
    np.testing.assert_array_equal(y, labels)
    assert x.flags.c_contiguous
    assert y.dtype == np.int32


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "received 0 bytes"),
        (bytes(3073 + 1), "received 3074 bytes"),
        (b"\x0a" + bytes(3072), "expected labels from 0 to 9; received 10"),
    ],
)
def test_cifar10_errors(tmp_path, content, message):
    (tmp_path / "batch.bin").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_cifar10(tmp_path / "batch.bin")
