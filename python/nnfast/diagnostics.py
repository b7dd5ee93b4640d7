"""What goes on inside a network: one step of training, looked at layer by layer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from . import _core, ops
from .tensor import Tensor, Trace, flatten, tracing
from .training import loop
from .training.programs import emit_step
from .training.trial import trial

# Where the derivative is below a twentieth of its largest: the output y of each activation lies outside low … high.
_SATURATED = {
    "sigmoid": (0.0127, 0.9873),  # y (1 - y) < 1/20 · 1/4
    "hard_sigmoid": (1e-6, 1 - 1e-6),
    "tanh": (-0.9747, 0.9747),  # 1 - y² < 1/20
    "hard_tanh": (-1 + 1e-6, 1 - 1e-6),
    "softsign": (-0.7764, 0.7764),  # (1 - |y|)² < 1/20
}
# The derivative is 0 where the output is: a unit that is 0 for all samples learns nothing.
_DYING = ("relu", "relu6")

# From the last layer with weights to the first the norm of the gradient may change by this factor.
_SPREAD = 1e3
# And where weights and targets are on a good scale, it stays far below this.
_LARGEST_GRADIENT = 1e4
_DEAD = 0.4
_MOSTLY_SATURATED = 0.5
_LARGEST_SCALE, _SMALLEST_SCALE = 10.0, 0.01
# An update should be about a thousandth of its weights. From a third on they are as good as replaced; below the
# rounding of float32, 6e-8, most updates are lost.
_LARGEST_UPDATE, _SMALLEST_UPDATE = 0.3, 1e-7


class LayerReport(NamedTuple):
    """The figures of one layer; NaN where one does not apply."""

    name: str
    mean: float  # of its output
    std: float  # of its output
    dead: float  # share of the units that are 0 for every sample
    saturated: float  # share of the outputs where the activation is nearly flat
    gradient_norm: float  # of all its trainable weights together
    update_ratio: float  # norm of the step over norm of the weights


class Finding(NamedTuple):
    """Something that stands out: what it is called, where it was seen, and what to try."""

    problem: str
    text: str
    advice: str

    def __str__(self) -> str:
        return f"{self.problem}: {self.text}. Try {self.advice}."


class Diagnosis:
    """What :func:`diagnose` found; printed, it is a table with what stands out below.

    Attributes
    ----------
    loss : float
        The loss of the batch.
    layers : list of LayerReport
        Those with weights or an activation, in the order of their calls.
    findings : list of Finding
        What stands out; empty for a healthy network.
    """

    def __init__(self, loss: float, layers: list[LayerReport], findings: list[Finding]):
        self.loss = loss
        self.layers = layers
        self.findings = findings

    def __str__(self) -> str:
        titles = ("layer", "mean", "std", "dead", "saturated", "gradient norm", "update/weight")
        rows: list[tuple[str, ...]] = [titles]
        for layer in self.layers:
            figures = [_figure(layer.mean), _figure(layer.std), _share(layer.dead), _share(layer.saturated)]
            rows.append((layer.name, *figures, _figure(layer.gradient_norm), _figure(layer.update_ratio)))
        widths = [max(len(row[i]) for row in rows) for i in range(len(titles))]
        lines = ["  ".join(_cells(row, widths)) for row in rows]
        lines.insert(1, "─" * len(lines[0]))
        lines.append("")
        lines.append(f"Loss {_figure(self.loss)}. " + ("" if self.findings else "Nothing stands out."))
        lines += [f"• {finding}" for finding in self.findings]
        return "\n".join(line.rstrip() for line in lines)

    __repr__ = __str__


def _cells(row: tuple[str, ...], widths: list[int]) -> Iterator[str]:
    yield row[0].ljust(widths[0])
    yield from (cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))


def _figure(value: float) -> str:
    if np.isnan(value):
        return "–"
    return f"{value:.3f}" if value == 0 or 0.01 <= abs(value) < 1000 else f"{value:.1e}"


def _share(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.0%}"


def diagnose(model: Any, x: Any, y: Any, batch_size: int = 256, sample_weight: Any = None) -> Diagnosis:
    """Look into a compiled model while it takes one step of training, and say in words what stands out.

    Of each layer with weights or an activation: mean and standard deviation of its outputs; the share of dead units,
    which are 0 for every sample, behind a ReLU; the share of saturated outputs, where a sigmoid or tanh is nearly
    flat; the norm of its weights' gradient; and the norm of the optimizer's step over that of the weights (of kernels,
    not biases), which should be about 1e-3. The model is as before afterwards.

    Parameters
    ----------
    model : Model
        Compiled; trained or not.
    x, y, sample_weight
        As in `Model.fit`; arrays only.
    batch_size : int, default 256
        How many rows to look at, drawn at random.

    Returns
    -------
    Diagnosis
        With ``.layers`` and ``.findings``; print it for a table. Findings are called "vanishing gradients", "exploding
        gradients", "dead ReLU", "saturation", "bad scale", "steps too large" and "steps too small".

    Raises
    ------
    RuntimeError
        If the model has not been compiled.
    ValueError
        If the data do not fit the model.
    """
    optimizer = model.compile_settings.optimizer
    if y is None:
        raise ValueError("diagnose: expected arrays x and y; received no y")
    source = loop.make_source(model, x, y, sample_weight, None, batch_size)
    rows = min(source.rows, source.batch_size)
    order = _core.permutation(source.rows, model.seed, 0)[:rows]
    arrays = [np.ascontiguousarray(array[order]) for array in source.arrays]
    with trial(model):
        looks, loss, norms = _look(model, source, rows, arrays)
        weights = model.trainable_weights
        before = [weight.numpy() for weight in weights]
        program = model.programs.get("train", source.x, source.structure, source.y, source.weights, batch_size=rows)
        program.state.steps_taken = optimizer.steps
        steps = optimizer.gradient_accumulation_steps or 1
        program.core.train(
            arrays, np.tile(np.arange(rows), steps), 0, steps, optimizer.learning_rates(steps), model.seed
        )
        moved = [_norm(weight.numpy() - old) for weight, old in zip(weights, before, strict=True)]
    numbers = {id(weight): i for i, weight in enumerate(weights)}
    layers = []
    for look in looks:
        own = [numbers[id(weight)] for weight in look.layer._own_weights if id(weight) in numbers]
        kernels = [i for i in own if before[i].ndim > 1]
        size = np.sqrt(sum(_norm(before[i]) ** 2 for i in kernels))
        layers.append(
            LayerReport(
                f"{look.layer.name} ({type(look.layer).__name__})",
                *look.figures,
                float(np.sqrt(sum(norms[i] ** 2 for i in own))) if own else np.nan,
                float(np.sqrt(sum(moved[i] ** 2 for i in kernels)) / size) if size > 0 else np.nan,
            )
        )
    return Diagnosis(loss, layers, _judge(layers, looks[0].input_scale if looks else (0.0, 1.0), loss))


def _norm(array: np.ndarray) -> float:
    return float(np.linalg.norm(array.astype(np.float64)))


class _Look:
    """A call of a layer: the tensors that describe it while it is traced, and later their values."""

    def __init__(self, layer: Any, inputs: Tensor, output: Tensor):
        self.layer = layer
        name = _activation_name(layer)
        self.tensors = [ops.mean(inputs), ops.std(inputs), ops.mean(output), ops.std(output)]
        self.dies = name in _DYING
        if self.dies:
            highest = ops.max(ops.abs(output), axis=tuple(range(len(output.shape) - 1)))
            self.tensors.append(ops.mean(ops.cast(ops.equal(highest, 0.0), "float32")))
        self.saturates = name in _SATURATED
        if self.saturates:
            low, high = _SATURATED[name]
            outside = ops.logical_or(ops.less(output, low), ops.greater(output, high))
            self.tensors.append(ops.mean(ops.cast(outside, "float32")))

    def fill(self, values: list[float]) -> None:
        self.input_scale = values[0], values[1]
        self.figures = (
            values[2],
            values[3],
            values[4] if self.dies else np.nan,
            values[-1] if self.saturates else np.nan,
        )


def _activation_name(layer: Any) -> str:
    from .layers import ReLU

    inner = getattr(layer, "activation", None)
    inner = layer if inner is None else inner
    if isinstance(inner, ReLU):
        return "relu" if inner.negative_slope == 0 else ""
    return getattr(inner, "__name__", "")


def _look(
    model: Any, source: loop.Source, rows: int, arrays: list[np.ndarray]
) -> tuple[list[_Look], float, list[float]]:
    """Run forward and backward once; return the layers' figures, the loss, and the norm of each weight's gradient."""
    trace = Trace(training=True)
    trace.calls = []
    looks = []
    with tracing(trace):
        step = emit_step(model, trace, source.x, source.structure, source.y, source.weights, rows)
        for layer, inputs, outputs in trace.calls:
            given = [leaf for leaf in flatten(inputs) if isinstance(leaf, Tensor)]
            made = [leaf for leaf in flatten(outputs) if isinstance(leaf, Tensor) and leaf.dtype == "float32"]
            if given and made and _is_told(layer):
                looks.append(_Look(layer, ops.cast(given[0], "float32"), made[0]))
    block = _core.Block([weight.core for weight in model.trainable_weights])
    wanted = [trace.lift(tensor).id for look in looks for tensor in look.tensors]
    core = _core.Program(trace.graph, outputs=[*wanted, step.total.id], loss=step.total.id, block=block)
    values = [float(value) for value in core.run(arrays, model.seed, model.compile_settings.optimizer.steps)]
    position = 0
    for look in looks:
        look.fill(values[position : position + len(look.tensors)])
        position += len(look.tensors)
    return looks, values[-1], [_norm(block.gradient(i)) for i in range(len(model.trainable_weights))]


def _is_told(layer: Any) -> bool:
    """Whether a layer has weights of its own, or is an activation."""
    return bool(layer._own_weights) or bool(_activation_name(layer))


def _judge(layers: list[LayerReport], input_scale: tuple[float, float], loss: float) -> list[Finding]:
    """Put into words what stands out."""
    found = []
    numbers = np.array([(layer.mean, layer.std) for layer in layers])
    learning = [layer for layer in layers if not np.isnan(layer.gradient_norm)]
    norms = [layer.gradient_norm for layer in learning]
    hidden = layers[:-1]

    mean, std = input_scale
    if not np.isfinite([mean, std]).all():
        found.append(
            Finding("bad scale", "the inputs hold NaN or infinite values", "dropping or filling in these rows")
        )
    elif std > _LARGEST_SCALE or abs(mean) > _LARGEST_SCALE or 0 < std < _SMALLEST_SCALE:
        found.append(
            Finding(
                "bad scale",
                f"the inputs have mean {_figure(mean)} and standard deviation {_figure(std)}",
                "scaling them to mean 0 and standard deviation 1: a layers.Normalization() as the first layer, adapted "
                "to the data",
            )
        )
    if not np.isfinite([loss, *norms]).all():
        found.append(
            Finding(
                "exploding gradients",
                "the loss or a gradient is not finite" + _where(layers, ~np.isfinite(numbers).all(axis=1)),
                "a much lower learning rate, clipping (global_clipnorm=1.0 in the optimizer), and a look for NaN in "
                "the data",
            )
        )
        return found
    dead = [layer for layer in layers if layer.dead > _DEAD]
    if dead:
        worst = max(dead, key=lambda layer: layer.dead)
        found.append(
            Finding(
                "dead ReLU",
                f"{_share(worst.dead)} of the units of {worst.name} are 0 for every sample and cannot learn",
                "a lower learning rate, he_normal with biases of 0, leaky_relu or elu in place of relu, or "
                "BatchNormalization before it",
            )
        )
    large = [layer for layer in hidden if layer.std > _LARGEST_SCALE]
    small = [layer for layer in hidden if layer.std < _SMALLEST_SCALE and layer not in dead]
    if large:
        found.append(
            Finding(
                "bad scale",
                f"the outputs grow to a standard deviation of {_figure(large[-1].std)} in {large[-1].name}",
                "smaller initial weights (he_normal for relu, glorot_uniform for tanh and sigmoid), or a normalization "
                "layer after each weighted sum",
            )
        )
    if small:
        found.append(
            Finding(
                "bad scale",
                f"the outputs shrink to a standard deviation of {_figure(small[-1].std)} in {small[-1].name}",
                "larger initial weights (he_normal for relu, glorot_uniform for tanh and sigmoid), or a normalization "
                "layer after each weighted sum",
            )
        )
    if len(norms) > 1:
        first, last = norms[0], norms[-1]
        if not dead and (min(norms) == 0 < max(norms) or first * _SPREAD < last):
            found.append(
                Finding(
                    "vanishing gradients",
                    f"the gradient's norm falls from {_figure(last)} in {learning[-1].name} to "
                    f"{_figure(first)} in {learning[0].name}, which hardly learns",
                    "relu with he_normal in place of sigmoid or tanh, a BatchNormalization layer after each weighted "
                    "sum, residual branches (Add), or fewer layers",
                )
            )
        elif first > _SPREAD * last or max(norms) > _LARGEST_GRADIENT:
            found.append(
                Finding(
                    "exploding gradients",
                    f"the gradient's norm is {_figure(first)} in {learning[0].name} and {_figure(last)} in "
                    f"{learning[-1].name}",
                    "smaller initial weights (he_normal, glorot_uniform), clipping (global_clipnorm=1.0 in the "
                    "optimizer), normalization layers, or scaled targets",
                )
            )
    if norms and max(norms) == 0:
        found.append(
            Finding(
                "vanishing gradients",
                "all gradients are exactly 0",
                "another activation or loss: a step function, or units that are all dead, pass no gradient on",
            )
        )
    flat = [layer for layer in hidden if layer.saturated > _MOSTLY_SATURATED]
    if flat:
        worst = max(flat, key=lambda layer: layer.saturated)
        found.append(
            Finding(
                "saturation",
                f"{_share(worst.saturated)} of the outputs of {worst.name} lie where its activation is nearly flat",
                "scaled inputs, smaller initial weights (glorot_uniform), BatchNormalization before it, or relu",
            )
        )
    ratios = [layer.update_ratio for layer in layers if not np.isnan(layer.update_ratio)]
    if ratios and max(ratios) > _LARGEST_UPDATE:
        found.append(
            Finding(
                "steps too large",
                f"one step changes weights by {_figure(max(ratios))} of their size; about 0.001 is usual",
                "a lower learning rate (model.find_learning_rate suggests one), or scaled inputs and targets",
            )
        )
    elif ratios and max(norms) > 0 and max(ratios) < _SMALLEST_UPDATE and not dead:
        found.append(
            Finding(
                "steps too small",
                f"one step changes weights by {_figure(max(ratios))} of their size at most, which rounding swallows",
                "a higher learning rate (model.find_learning_rate suggests one), unless training is done",
            )
        )
    return found


def _where(layers: list[LayerReport], mask: np.ndarray) -> str:
    return f", first in {layers[int(np.argmax(mask))].name}" if mask.any() else ""


__all__ = ["Diagnosis", "Finding", "LayerReport", "diagnose"]
