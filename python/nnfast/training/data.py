"""What users pass as data, as arrays the core takes."""

from __future__ import annotations

from array import array as packed_array
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ..arrays import as_array
from ..tensor import flatten, map_structure


def as_inputs(x: Any) -> tuple[list[np.ndarray], Any]:
    """Return the arrays of a model's inputs, and the structure (with indices for leaves) they came in."""
    if isinstance(x, (list, tuple)) and not _is_several(x):
        x = as_array(x, "x")
    leaves: list[np.ndarray] = []

    def enter(leaf: Any) -> int:
        array = as_array(leaf, "x")
        if array.ndim == 0:
            raise ValueError("x: expected an array with a batch axis; received a single number; use x[None]")
        leaves.append(array)
        return len(leaves) - 1

    structure = map_structure(enter, dict(sorted(x.items())) if isinstance(x, Mapping) else x)
    if not leaves:
        raise ValueError("x: expected at least one array; received none")
    check_rows("x", leaves, len(leaves[0]))
    return leaves, structure


def _is_several(x: Any) -> bool:
    """Whether a list holds the inputs of a model with several, rather than the rows of one."""
    return any(isinstance(item, np.ndarray) or hasattr(item, "to_numpy") for item in x)


def as_targets(y: Any, names: list[str]) -> list[np.ndarray]:
    """Return one array for each output."""
    if isinstance(y, Mapping):
        missing = [name for name in names if name not in y]
        if missing:
            raise ValueError(f"y: expected the outputs {names}; missing {missing}")
        y = [y[name] for name in names]
    if isinstance(y, (list, tuple)) and (len(names) > 1 or _is_several(y)):
        parts = list(y)
        if len(parts) != len(names):
            raise ValueError(f"y: expected {len(names)} arrays, one for each output {names}; received {len(parts)}")
    elif len(names) > 1:
        raise ValueError(f"y: expected a list or dictionary with an array for each output {names}; received one array")
    else:
        parts = [y]
    return [as_array(part, "y") for part in parts]


def check_rows(what: str, arrays: Iterable[np.ndarray], rows: int) -> None:
    """Check that arrays have the same number of rows.

    Raises
    ------
    ValueError
        If one has another.
    """
    for array in arrays:
        have = len(array) if array.ndim else 0
        if have != rows:
            raise ValueError(f"{what}: expected {rows} rows, as in x; received {have}, in shape {array.shape}")


def sample_weights(
    sample_weight: Any, class_weight: Any, y: list[np.ndarray], names: list[str]
) -> list[np.ndarray] | None:
    """Return the weights of the samples for each output of these names, or None where all weigh the same.

    `sample_weight` is an array for all outputs, or a list or dictionary with one (or None) for each; `class_weight` is
    a dictionary from class to weight, or "balanced": each class's weights sum to the same.

    Raises
    ------
    ValueError
        If both are given, a shape is wrong, or weights are negative or not finite.
    """
    if sample_weight is not None and class_weight is not None:
        raise ValueError("expected sample_weight or class_weight; received both; multiply them yourself")
    if class_weight is not None:
        if len(names) != 1:
            raise ValueError(f"class_weight: expected a model with one output; this one has {len(names)}")
        classes = y[0]
        if classes.ndim > 1 and classes.shape[-1] > 1:
            if classes.ndim > 2 or classes.min() < 0 or not np.allclose(classes.sum(axis=-1), 1, atol=1e-3):
                raise ValueError(
                    f"class_weight: expected one class for each row, as a number or one-hot; received y of shape "
                    f"{classes.shape} with several; pass sample_weight with the weight of each target instead"
                )
            classes = classes.argmax(axis=-1)
        classes = classes.reshape(len(classes), -1)[:, 0].astype(np.int64)
        return [class_weights(classes, class_weight)]
    if sample_weight is None:
        return None
    if isinstance(sample_weight, Mapping):
        if unknown := [name for name in sample_weight if name not in names]:
            raise ValueError(f"sample_weight: expected the outputs' names {names}; received {unknown}")
        parts = [sample_weight.get(name) for name in names]
    elif isinstance(sample_weight, (list, tuple)) and len(names) > 1:
        parts = list(sample_weight)
        if len(parts) != len(names):
            raise ValueError(f"sample_weight: expected {len(names)} arrays, one for each output; received {len(parts)}")
    else:
        parts = [sample_weight] * len(names)
    weights = [
        np.ones(len(y[0]), np.float32)
        if part is None
        else as_array(part, "sample_weight").astype(np.float32, copy=False)
        for part in parts
    ]
    for weight in weights:
        check_rows("sample_weight", [weight], len(y[0]))
        if not np.isfinite(weight).all():
            raise ValueError("sample_weight: expected finite weights; received NaN or infinite ones")
    return weights


def class_weights(classes: np.ndarray, class_weight: Any) -> np.ndarray:
    """Return the weight of each sample from that of its class."""
    if class_weight == "balanced":
        found, counts = np.unique(classes, return_counts=True)
        class_weight = {int(c): len(classes) / (len(found) * n) for c, n in zip(found, counts, strict=True)}
    if not isinstance(class_weight, Mapping):
        raise ValueError(
            f"class_weight: expected a dictionary from class to weight, or 'balanced'; received {class_weight!r}"
        )
    if not all(isinstance(weight, (int, float, np.number)) for weight in class_weight.values()):
        raise ValueError(f"class_weight: expected a number for each class; received {dict(class_weight)}")
    if wrong := [c for c in class_weight if not isinstance(c, (int, float, np.number))]:
        raise ValueError(f"class_weight: expected class numbers as keys; received {wrong[0]!r}")
    weights = np.ones(len(classes), np.float32)
    for c, weight in class_weight.items():
        if not np.isfinite(weight):
            raise ValueError(f"class_weight: expected finite weights; received {weight} for class {c}")
        weights[classes == c] = weight
    return weights


def split_last(arrays: list[np.ndarray], share: float) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Cut off the last `share` of the rows, for validation.

    Raises
    ------
    ValueError
        If `share` is not within 0 … 1, or a part would be empty.
    """
    if not 0 < share < 1:
        raise ValueError(f"validation_split: expected a share between 0 and 1; received {share}")
    rows = len(arrays[0])
    cut = int(np.floor(rows * (1 - share)))
    if cut == 0 or cut == rows:
        raise ValueError(f"validation_split: expected rows on both sides; {share} of {rows} rows leaves none on one")
    return [array[:cut] for array in arrays], [array[cut:] for array in arrays]


def unpack(batch: Any) -> tuple[Any, Any, Any]:
    """Return x, y and sample_weight of what a generator yields or `validation_data` holds."""
    if isinstance(batch, (tuple, list)) and 1 <= len(batch) <= 3:
        return (*batch, None, None)[:3]
    return batch, None, None


def is_generator(x: Any) -> bool:
    """Whether `x` yields batches, rather than being an array, a list of arrays or a table."""
    if isinstance(x, (np.ndarray, list, tuple, Mapping, str, bytes, bytearray, memoryview, range, packed_array)):
        return False
    if hasattr(x, "to_numpy") or hasattr(x, "__array__"):
        return False
    return hasattr(x, "__next__") or hasattr(x, "__getitem__") or hasattr(x, "__iter__")


def rows_of(arrays: Any) -> int:
    """Return the number of rows of the first array."""
    return len(flatten(arrays)[0])
