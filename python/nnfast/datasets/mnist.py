"""MNIST: 70,000 handwritten digits of 28×28, downloaded on first use (11 MB)."""

from __future__ import annotations

import numpy as np

from ..data.readers import read_idx

_BASE = "https://storage.googleapis.com/cvdf-datasets/mnist/"
_FILES = {
    "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
}


def load_data() -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Return MNIST, divided as published.

    Returns
    -------
    (x_train, y_train), (x_test, y_test)
        60,000 and 10,000 images of shape (n, 28, 28), uint8 from 0 (paper) to 255; digits of shape (n,), int32.

    Raises
    ------
    OSError
        If the files are not in the cache and cannot be downloaded.
    ValueError
        If a downloaded file has another checksum.

    References
    ----------
    LeCun, Cortes, Burges: http://yann.lecun.com/exdb/mnist/
    """
    return load_idx_files("mnist", _BASE, _FILES)


def load_idx_files(
    name: str, base: str, files: dict[str, str]
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Fetch and read four IDX files: training images and labels, test images and labels."""
    from ._download import fetch

    arrays = [read_idx(fetch(base + file, sha256, name)) for file, sha256 in files.items()]
    return (arrays[0], arrays[1].astype(np.int32)), (arrays[2], arrays[3].astype(np.int32))
