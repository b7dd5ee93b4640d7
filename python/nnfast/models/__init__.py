"""Models: layers that can be trained, evaluated, used and saved."""

from .functional import Functional
from .model import Model
from .sequential import Sequential

__all__ = ["Functional", "Model", "Sequential"]
