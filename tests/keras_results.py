"""What Keras returns, as NumPy arrays."""

import warnings

import numpy as np


def array(result):
    """The numbers of a tensor or variable of Keras, on whatever backend it runs."""
    import keras

    with warnings.catch_warnings():
        # PyTorch's tensors do not know NumPy's newer way of asking for their numbers.
        warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
        return np.asarray(keras.ops.convert_to_numpy(result))
