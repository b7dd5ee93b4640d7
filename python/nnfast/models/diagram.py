"""A drawing of a model's layers and of what flows between them."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

from ..messages import show_shape
from ..node import InputNode, Node
from ..plots import pyplot
from ..tensor import KerasTensor
from .functional import Functional

# Inches.
_CHARACTER, _LINE, _MARGIN = 0.085, 0.19, 0.1
_BESIDE, _BELOW, _BEND = 0.25, 0.4, 0.25
_SWEEPS = 8


class _Box(NamedTuple):
    """A layer, or where an arrow passes a row of layers: then without lines of text."""

    lines: tuple[str, ...]
    row: int

    @property
    def width(self) -> float:
        return max((len(line) for line in self.lines), default=0) * _CHARACTER + 2 * _MARGIN if self.lines else _BEND

    @property
    def height(self) -> float:
        return len(self.lines) * _LINE + 2 * _MARGIN if self.lines else 0.0


def plot_model(
    model: Any, to_file: str | os.PathLike[str] | None = "model.png", show_shapes: bool = False,
    show_layer_names: bool = False, rankdir: str = "TB", dpi: int = 200, show_layer_activations: bool = False,
    show_trainable: bool = False,
) -> Any:  # fmt: skip
    """Draw a model: a box for each call of a layer, an arrow for each tensor. Needs matplotlib, nothing else.

    Parameters
    ----------
    model : Sequential or functional Model
        The model, with a known input shape.
    to_file : str or path, default "model.png"
        Where to write the picture: PNG, SVG or PDF by its suffix. None: nowhere.
    show_shapes : bool, default False
        Also write the output shapes.
    show_layer_names : bool, default False
        Also write the layers' names.
    rankdir : {"TB", "LR"}, default "TB"
        Whether the model goes from top to bottom or from left to right.
    dpi : int, default 200
        Pixels an inch.
    show_layer_activations : bool, default False
        Also write the activations of layers that have one.
    show_trainable : bool, default False
        Also write which layers are frozen.

    Returns
    -------
    matplotlib Axes
        The panel.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError
        If the model is defined by its `call` or not built, or `rankdir` is unknown.
    """
    graph = getattr(model, "_functional", None) or model
    if not isinstance(graph, Functional):
        raise ValueError(
            f"plot_model: expected a functional model, or a sequential one whose input shape is known; received "
            f"{model!r}; begin a sequential model with Input"
        )
    if rankdir not in ("TB", "LR"):
        raise ValueError(f"plot_model: expected rankdir 'TB' or 'LR'; received {rankdir!r}")

    def lines_of(node: Node | None, tensors: list[KerasTensor]) -> tuple[str, ...]:
        layer = getattr(node, "layer", None)
        lines = [getattr(node, "op", "Input") if layer is None else type(layer).__name__]
        if show_layer_names and layer is not None:
            lines.append(layer.name)
        activation = getattr(layer, "activation", None)
        if show_layer_activations and activation is not None:
            lines.append(getattr(activation, "__name__", type(activation).__name__))
        if show_shapes:
            lines += [show_shape(tensor.shape) for tensor in tensors]
        if show_trainable and layer is not None and layer.weights and not layer.trainable:
            lines.append("frozen")
        return tuple(lines)

    boxes, arrows = _boxes_and_arrows(graph, lines_of)
    places = _places(boxes, arrows, "width" if rankdir == "TB" else "height")
    axes = _drawn(boxes, arrows, places, rankdir)
    if to_file is not None:
        axes.figure.savefig(to_file, dpi=dpi)
    return axes


def _boxes_and_arrows(graph: Functional, lines_of: Any) -> tuple[list[_Box], list[tuple[int, int]]]:
    """Return the boxes and, by their numbers, the arrows, each from one row to the next."""
    boxes: list[_Box] = []
    arrows: list[tuple[int, int]] = []
    made_by: dict[int, int] = {}

    def enter(lines: tuple[str, ...], row: int, tensors: list[KerasTensor]) -> int:
        boxes.append(_Box(lines, row))
        made_by.update({id(tensor): len(boxes) - 1 for tensor in tensors})
        return len(boxes) - 1

    for tensor in graph.inputs:
        node = tensor.history[0] if tensor.history else None
        enter(lines_of(node if isinstance(node, InputNode) else None, [tensor]), 0, [tensor])
    for node in graph._order:
        sources = [made_by[id(tensor)] for tensor in node.inputs]
        target = enter(lines_of(node, node.outputs), 1 + max((boxes[i].row for i in sources), default=-1), node.outputs)
        for source in dict.fromkeys(sources):
            for row in range(boxes[source].row + 1, boxes[target].row):
                boxes.append(_Box((), row))
                arrows.append((source, len(boxes) - 1))
                source = len(boxes) - 1
            arrows.append((source, target))
    return boxes, arrows


def _neighbours(count: int, arrows: list[tuple[int, int]]) -> tuple[list[list[int]], list[list[int]]]:
    """Return for each box those above it, and those below."""
    above: list[list[int]] = [[] for _ in range(count)]
    below: list[list[int]] = [[] for _ in range(count)]
    for source, target in arrows:
        above[target].append(source)
        below[source].append(target)
    return above, below


def _arranged(boxes: list[_Box], arrows: list[tuple[int, int]]) -> list[list[int]]:
    """Return the boxes of each row in an order with few crossings: each near the mean of its neighbours (Sugiyama)."""
    rows: list[list[int]] = [[] for _ in range(1 + max((box.row for box in boxes), default=0))]
    for i, box in enumerate(boxes):
        rows[box.row].append(i)
    above, below = _neighbours(len(boxes), arrows)
    place = {i: float(k) for row in rows for k, i in enumerate(row)}
    for sweep in range(_SWEEPS):
        down = sweep % 2 == 0
        for row in rows if down else reversed(rows):
            near = above if down else below
            wished = {i: _mean([place[j] for j in near[i]], place[i]) for i in row}
            row.sort(key=wished.__getitem__)
            place.update({i: float(k) for k, i in enumerate(row)})
    return rows


def _places(boxes: list[_Box], arrows: list[tuple[int, int]], across: str) -> list[tuple[float, float]]:
    """Return the middle of each box: how far across, and how far along the way of the model."""
    rows = _arranged(boxes, arrows)
    along = "height" if across == "width" else "width"
    above, below = _neighbours(len(boxes), arrows)
    middle = [0.0] * len(boxes)
    for sweep in range(_SWEEPS):
        for row in rows if sweep % 2 == 0 else rows[::-1]:
            wished = [_mean([middle[j] for j in above[i] + below[i]], middle[i]) for i in row]
            found: list[float] = []
            for i, wish in zip(row, wished, strict=True):
                least = wish
                if found:
                    before = row[len(found) - 1]
                    gap = (getattr(boxes[before], across) + getattr(boxes[i], across)) / 2 + _BESIDE
                    least = max(wish, found[-1] + gap)
                found.append(least)
            shift = _mean([w - f for w, f in zip(wished, found, strict=True)], 0.0)
            for i, value in zip(row, found, strict=True):
                middle[i] = value + shift
    places = [(0.0, 0.0)] * len(boxes)
    at = 0.0
    for row in rows:
        size = max(getattr(boxes[i], along) for i in row)
        for i in row:
            places[i] = (middle[i], at + size / 2)
        at += size + _BELOW
    return places


def _mean(values: list[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _drawn(boxes: list[_Box], arrows: list[tuple[int, int]], places: list[tuple[float, float]], rankdir: str) -> Any:
    """Return a new figure's axes with the boxes and arrows, an inch a unit."""
    points = [(a, -b) if rankdir == "TB" else (b, -a) for a, b in places]
    left = min(x - box.width / 2 for (x, _), box in zip(points, boxes, strict=True)) - _BESIDE
    right = max(x + box.width / 2 for (x, _), box in zip(points, boxes, strict=True)) + _BESIDE
    low = min(y - box.height / 2 for (_, y), box in zip(points, boxes, strict=True)) - _BESIDE
    high = max(y + box.height / 2 for (_, y), box in zip(points, boxes, strict=True)) + _BESIDE
    figure, axes = pyplot().subplots(figsize=(right - left, high - low))
    figure.subplots_adjust(0, 0, 1, 1)
    axes.set(xlim=(left, right), ylim=(low, high))
    axes.axis("off")
    for source, target in arrows:
        begin, end = points[source], points[target]
        if rankdir == "TB":
            begin = (begin[0], begin[1] - boxes[source].height / 2)
            end = (end[0], end[1] + boxes[target].height / 2)
        else:
            begin = (begin[0] + (boxes[source].width / 2 if boxes[source].lines else 0), begin[1])
            end = (end[0] - (boxes[target].width / 2 if boxes[target].lines else 0), end[1])
        if boxes[target].lines:
            axes.annotate("", end, begin, arrowprops={"arrowstyle": "-|>", "color": "0.3", "shrinkA": 0, "shrinkB": 0})
        else:
            axes.plot(*zip(begin, end, strict=True), color="0.3", linewidth=1)
    for (x, y), box in zip(points, boxes, strict=True):
        if not box.lines:
            continue
        corner = (x - box.width / 2, y - box.height / 2)
        axes.add_patch(pyplot().Rectangle(corner, box.width, box.height, facecolor="#eef3fa", edgecolor="0.3"))
        for k, line in enumerate(box.lines):
            top = y + box.height / 2 - _MARGIN - (k + 0.5) * _LINE
            axes.text(x, top, line, ha="center", va="center", fontsize=9, weight="normal" if k else "bold")
    return axes
