"""What scripts for Keras ask of ``keras.backend``; see :mod:`nnfast.config`."""

from .config import backend, epsilon, floatx, image_data_format, set_floatx, set_image_data_format
from .layers.layer import clear_session

__all__ = [
    "backend", "clear_session", "epsilon", "floatx", "image_data_format", "set_floatx", "set_image_data_format",
]  # fmt: skip
