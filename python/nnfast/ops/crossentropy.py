"""Cross-entropies, each element or sample by itself; :mod:`nnfast.losses` has what models are trained with."""

from __future__ import annotations

from typing import Any

from .manipulation import expand_dims


def binary_crossentropy(target: Any, output: Any, from_logits: bool = False) -> Any:
    """Return the cross-entropy of each yes or no, in the shape of `output`: probabilities, or logits."""
    from .. import losses

    return losses.binary_crossentropy(expand_dims(target, -1), expand_dims(output, -1), from_logits)


def categorical_crossentropy(target: Any, output: Any, from_logits: bool = False, axis: int = -1) -> Any:
    """Return the cross-entropy of each sample, for shares of classes as targets."""
    from .. import losses

    return losses.categorical_crossentropy(target, output, from_logits, axis=axis)


def sparse_categorical_crossentropy(target: Any, output: Any, from_logits: bool = False, axis: int = -1) -> Any:
    """Return the cross-entropy of each sample, for class numbers as targets."""
    from .. import losses

    return losses.sparse_categorical_crossentropy(target, output, from_logits, axis=axis)
