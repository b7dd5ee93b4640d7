"""Estimators that work as those of scikit-learn do, in its pipelines and searches (the extra ``sklearn``)."""

try:
    import sklearn  # noqa: F401
except ImportError as error:
    raise ImportError(
        "nnfast.sklearn needs scikit-learn, which is not installed: pip install nnfast[sklearn]"
    ) from error

from .perceptron import Perceptron

__all__ = ["Perceptron"]
