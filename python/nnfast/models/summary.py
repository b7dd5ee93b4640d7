"""The table that `Model.summary` prints."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..messages import show_shape


def summary(model: Any, line_length: int = 88, expand_nested: bool = False, show_trainable: bool = False) -> str:
    """Return a table of a model's layers, their output shapes and numbers of weights; see `Model.summary`."""
    rows = list(_rows(model.layers, expand_nested, show_trainable, ""))
    first = max(24, line_length // 2 - 4)
    last = 14
    middle = max(16, line_length - first - last)
    lines = [
        f'Model: "{model.name}"',
        "─" * line_length,
        _row(("Layer (type)", "Output shape", "Weights"), first, middle, last),
    ]
    lines.append("─" * line_length)
    lines += [_row(row, first, middle, last) for row in rows]
    total = _count(model.weights)
    trained = _count(model.trainable_weights)
    lines.append("─" * line_length)
    lines.append(
        f"Weights: {total:,} ({_bytes(4 * total)}); trainable: {trained:,}; not trainable: {total - trained:,}"
    )
    return "\n".join(lines)


def _rows(layers: Any, expand_nested: bool, show_trainable: bool, indent: str) -> Iterator[tuple[str, str, str]]:
    for layer in layers:
        count = f"{layer.count_params():,}"
        if show_trainable and not layer.trainable:
            count += " frozen"
        yield f"{indent}{layer.name} ({type(layer).__name__})", _shape(layer), count
        if expand_nested:
            yield from _rows(getattr(layer, "layers", ()), expand_nested, show_trainable, indent + "  ")


def _row(cells: tuple[str, str, str], first: int, middle: int, last: int) -> str:
    a, b, c = (_cut(cell, width - 1) for cell, width in zip(cells, (first, middle, last), strict=True))
    return f"{a:<{first}}{b:<{middle}}{c:>{last}}"


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def _shape(layer: Any) -> str:
    shape = getattr(layer, "batch_shape", None) or layer.output_shape_seen
    if layer._nodes and len(layer._nodes[-1].outputs) == 1:  # what was seen had sizes where the model has none
        shape = layer._nodes[-1].outputs[0].shape
    return "?" if shape is None else show_shape(shape)


def _count(weights: list[Any]) -> int:
    return sum(int(np.prod(weight.shape)) for weight in weights)


def _bytes(count: float) -> str:
    for unit in ("B", "KB", "MB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} GB"
