"""Neural networks on the CPU: Keras-style models whose whole training step is planned once and run in C++."""

from . import data, datasets
from ._core import num_threads as get_num_threads
from ._core import set_num_threads
from ._core import version as __version__

__all__ = ["__version__", "data", "datasets", "get_num_threads", "set_num_threads"]
