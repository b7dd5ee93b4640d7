"""The downloaded data sets, on files of the same formats that stand in for the real ones."""

import hashlib
import io
import struct
import tarfile

import numpy as np
import pytest

from nnfast.datasets import _download, cifar10, fashion_mnist, mnist


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv("NNFAST_CACHE", str(folder))
    return folder


@pytest.fixture
def server(tmp_path):
    folder = tmp_path / "server"
    folder.mkdir()
    return folder


def publish(path, content):
    path.write_bytes(content)
    return hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("module", [mnist, fashion_mnist])
def test_idx_data_sets(module, server, monkeypatch):
    rng = np.random.default_rng(0)
    arrays = [rng.integers(0, 255, shape, np.uint8) for shape in [(6, 28, 28), (6,), (2, 28, 28), (2,)]]
    files = {
        name: publish(
            server / name,
            struct.pack(">BBBB", 0, 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes(),
        )
        for name, array in zip(module._FILES, arrays, strict=True)
    }
    monkeypatch.setattr(module, "_BASE", server.as_uri() + "/")
    monkeypatch.setattr(module, "_FILES", files)
    (x_train, y_train), (x_test, y_test) = module.load_data()
    for read, array in zip([x_train, y_train, x_test, y_test], arrays, strict=True):
        np.testing.assert_array_equal(read, array)
    assert y_train.dtype == y_test.dtype == np.int32


def test_cifar10(server, monkeypatch):
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as tar:
        for i, name in enumerate([*cifar10._TRAINING, cifar10._TEST, "readme.html"]):
            record = bytes([i]) + bytes([i]) * 3072
            member = tarfile.TarInfo("cifar-10-batches-bin/" + name)
            member.size = len(record)
            tar.addfile(member, io.BytesIO(record))
    monkeypatch.setattr(cifar10, "_SHA256", publish(server / "cifar-10-binary.tar.gz", content.getvalue()))
    monkeypatch.setattr(cifar10, "_URL", (server / "cifar-10-binary.tar.gz").as_uri())
    for _ in range(2):  # the second time from the unpacked files
        (x_train, y_train), (x_test, y_test) = cifar10.load_data()
        assert x_train.shape == (5, 32, 32, 3)
        assert y_train.tolist() == [0, 1, 2, 3, 4]
        assert (x_train == np.arange(5)[:, None, None, None]).all()
        assert x_test.shape == (1, 32, 32, 3)
        assert y_test.tolist() == [5]


def test_a_file_is_downloaded_once(server):
    checksum = publish(server / "file", b"content")
    url = (server / "file").as_uri()
    path = _download.fetch(url, checksum, "set")
    (server / "file").unlink()
    assert _download.fetch(url, checksum, "set") == path
    assert path.read_bytes() == b"content"


def test_a_damaged_copy_is_replaced(server):
    checksum = publish(server / "file", b"content")
    url = (server / "file").as_uri()
    path = _download.fetch(url, checksum, "set")
    path.write_bytes(b"damage")
    assert _download.fetch(url, checksum, "set").read_bytes() == b"content"


def test_a_wrong_checksum_is_refused_and_nothing_kept(server, cache):
    publish(server / "file", b"other content")
    with pytest.raises(ValueError, match=f"expected a file with SHA-256 {'0' * 64}, received"):
        _download.fetch((server / "file").as_uri(), "0" * 64, "set")
    assert list((cache / "set").iterdir()) == []


def test_offline_the_error_says_where_to_put_the_file(server, cache):
    with pytest.raises(OSError, match="could not download .*missing.*Connect to the network") as caught:
        _download.fetch((server / "missing").as_uri(), "0" * 64, "set")
    assert str(cache / "set" / "missing") in str(caught.value)
    assert list((cache / "set").iterdir()) == []


def test_the_cache_is_in_the_users_cache(monkeypatch, tmp_path):
    monkeypatch.delenv("NNFAST_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert _download.cache_folder() == tmp_path / "nnfast"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert _download.cache_folder() == tmp_path / ".cache" / "nnfast"
