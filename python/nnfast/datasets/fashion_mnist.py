"""Fashion-MNIST: 70,000 pictures of clothes of 28×28, downloaded on first use (31 MB)."""

from __future__ import annotations

import numpy as np

from .mnist import load_idx_files

_BASE = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
_FILES = {
    "train-images-idx3-ubyte.gz": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
    "train-labels-idx1-ubyte.gz": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
    "t10k-images-idx3-ubyte.gz": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
    "t10k-labels-idx1-ubyte.gz": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
}


def load_data() -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Return Fashion-MNIST, divided as published.

    The classes are T-shirt/top, trouser, pullover, dress, coat, sandal, shirt, sneaker, bag and ankle boot.

    Returns
    -------
    (x_train, y_train), (x_test, y_test)
        60,000 and 10,000 images of shape (n, 28, 28), uint8 from 0 to 255; classes of shape (n,), int32.

    Raises
    ------
    OSError
        If the files are not in the cache and cannot be downloaded.
    ValueError
        If a downloaded file has another checksum.

    References
    ----------
    Xiao, Rasul, Vollgraf: https://github.com/zalandoresearch/fashion-mnist
    """
    return load_idx_files("fashion_mnist", _BASE, _FILES)
