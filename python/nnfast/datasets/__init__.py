"""Small data sets to learn and test with, each with a Keras-style ``load_data``.

``digits`` is part of the package. The others are downloaded on first use, checked, and kept in
``~/.cache/nnfast`` (or ``$NNFAST_CACHE``).
"""

from . import cifar10, digits, fashion_mnist, mnist

__all__ = ["cifar10", "digits", "fashion_mnist", "mnist"]
