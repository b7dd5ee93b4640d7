"""CIFAR-10: 60,000 colour photographs of 32×32 in ten classes, downloaded on first use (162 MB)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from ..data.readers import read_cifar10

if TYPE_CHECKING:
    from pathlib import Path

_URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
_SHA256 = "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"
_TRAINING = [f"data_batch_{i}.bin" for i in range(1, 6)]
_TEST = "test_batch.bin"


def load_data() -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Return CIFAR-10, divided as published.

    The classes are airplane, automobile, bird, cat, deer, dog, frog, horse, ship and truck.

    Returns
    -------
    (x_train, y_train), (x_test, y_test)
        50,000 and 10,000 images of shape (n, 32, 32, 3), uint8 from 0 to 255, channels last; classes of
        shape (n,), int32 (Keras gives (n, 1)).

    Raises
    ------
    OSError
        If the archive is not in the cache and cannot be downloaded.
    ValueError
        If the downloaded archive has another checksum.

    References
    ----------
    Krizhevsky: https://www.cs.toronto.edu/~kriz/cifar.html
    """
    from ._download import fetch

    archive = fetch(_URL, _SHA256, "cifar10")
    folder = archive.parent / "cifar-10-batches-bin"
    _unpack(archive, folder)
    batches = [read_cifar10(folder / name) for name in _TRAINING]
    x, y = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    return (x, y), read_cifar10(folder / _TEST)


def _unpack(archive: Path, folder: Path) -> None:
    """Write the batches into `folder`, each from the archive's member of that name, whatever folder it is in there."""
    wanted = {*_TRAINING, _TEST}
    if all((folder / name).exists() for name in wanted):
        return
    import tarfile

    folder.mkdir(exist_ok=True)
    with tarfile.open(archive) as tar:
        for member in tar:
            name = os.path.basename(member.name)
            content = tar.extractfile(member) if name in wanted else None
            if content is not None:
                partial = folder / (name + ".partial")
                partial.write_bytes(content.read())
                partial.replace(folder / name)
