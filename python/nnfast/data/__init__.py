"""Reading data from files and dividing it into parts."""

from .readers import read_cifar10, read_idx
from .split import train_validation_test_split

__all__ = ["read_cifar10", "read_idx", "train_validation_test_split"]
