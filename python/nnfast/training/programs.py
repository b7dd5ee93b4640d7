"""Plans a model's steps: one program for each purpose and shape of batch, made once and kept while there is room."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any
from weakref import WeakKeyDictionary, ref

import numpy as np

from .. import _core, ops
from ..layers.layer import changes
from ..tensor import Tensor, Trace, flatten, map_structure, tracing
from .compiled import Compiled

# Batches of ever new sizes, such as a server has, must not fill the memory with their programs. As many as a training
# alternates between (full and last batches, of training and validation) are kept whatever they take.
ALWAYS_KEPT = 8
KEPT_BYTES = 256 << 20
BESIDE_ARENA = 64 << 10  # bytes a program takes too: 60 to 120 KiB were seen


class Program:
    """A planned step, with the metrics that its sums belong to.

    Attributes
    ----------
    core : _core.Program
        What runs.
    batch_size : int
        Rows of each step.
    state : _core.OptimizerState or None
        What it trains.
    block : _core.Block or None
        Where it leaves gradients.
    size : int
        Bytes of memory that it takes, about.
    """

    def __init__(
        self, core: Any, batch_size: int, step: _Step | None = None, output_structure: Any = None, state: Any = None,
        block: Any = None,
    ):  # fmt: skip
        self.core = core
        self.state = state
        self.block = block
        self.batch_size = batch_size
        self.trackers = step.trackers if step else []
        self.sums = step.sums if step else []  # (metric, shape of one of its sums), in order
        self.output_structure = output_structure
        self.size = BESIDE_ARENA + core.arena_bytes

    def add_sums(self, flat: np.ndarray, batches: int) -> None:
        """Give the metrics what a run of so many batches has summed. Losses are weighted by their batch's rows."""
        for tracker, total in zip(self.trackers, flat.tolist(), strict=False):
            tracker.add(total * self.batch_size, batches * self.batch_size)
        if not self.sums:
            return
        position = len(self.trackers)
        parts: dict[int, tuple[Any, list[np.ndarray]]] = {}
        for metric, shape in self.sums:
            size = int(np.prod(shape))
            part = flat[position : position + size].reshape(shape)
            position += size
            parts.setdefault(id(metric), (metric, []))[1].append(part)
        for metric, increments in parts.values():
            metric.add(increments)


# Which model each optimizer has taken steps for.
_owners: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()


def _claim(optimizer: Any, model: Any) -> None:
    """Give an optimizer to a model.

    Raises
    ------
    ValueError
        If it has taken steps for a model of other weights, of which its state and its number of steps tell.
    """
    if optimizer in _owners and optimizer.steps:
        owner = _owners[optimizer]()
        if owner is None or not {id(weight) for weight in owner.weights} & {id(weight) for weight in model.weights}:
            raise ValueError(
                f"Model {model.name!r}: expected an optimizer of its own; received {optimizer.name!r}, which has taken "
                f"{optimizer.steps} steps for another model; make a new one for each model, e.g. "
                f"nnfast.optimizers.{type(optimizer).__name__}(…)"
            )
    _owners[optimizer] = ref(model)


class Programs:
    """The programs of one model, and the optimizer's state they share."""

    def __init__(self, model: Any):
        self.model = model
        self._cache: OrderedDict[Any, Program] = OrderedDict()  # the one used last is the last
        self._batches: dict[Any, Any] = {}
        self._count = -1
        self.state: Any = None  # _core.OptimizerState
        self._state_weights: list[Any] = []
        # What the optimizer remembers of weights that are not in its state: frozen ones, or all before the first step.
        self._aside: dict[tuple[str, int], np.ndarray] = {}

    def clear(self) -> None:
        """Forget all programs, not the optimizer's state."""
        self._cache.clear()
        self._batches.clear()

    def forget_state(self) -> None:
        """Forget what the optimizer remembers, too."""
        self.clear()
        self.state = None
        self._aside = {}

    @property
    def are_valid(self) -> bool:
        """Whether no weight, `trainable` or setting has changed since they were planned."""
        return self._count == changes()

    def of_batch(self, key: Any) -> Any:
        """Return what was remembered for a batch."""
        return self._batches.get(key) if self.are_valid else None

    def remember_batch(self, key: Any, program: Any) -> None:
        """Remember a program, or how to run it, for batches like this one."""
        self._batches[key] = program

    def get(
        self, purpose: str, x: Sequence[np.ndarray], structure: Any, y: Sequence[np.ndarray] = (),
        weights: Sequence[np.ndarray] = (), batch_size: int | None = None, keep_gradients: bool = False,
    ) -> Program:  # fmt: skip
        """Return the program for arrays of these shapes.

        Parameters
        ----------
        purpose : {"train", "gradients", "test", "predict"}
            What the program does.
        x, y, weights : sequences of numpy.ndarray
            The arrays it will be run on.
        structure
            How `x` is arranged in the call of the model.
        batch_size : int, optional
            Rows of a step; by default all rows.
        keep_gradients : bool
            Whether the gradients of a training step will be read.
        """
        keep_gradients = keep_gradients and purpose == "train"  # other programs serve both
        if not self.are_valid:
            self.clear()
            self._count = changes()
        rows = len(x[0]) if batch_size is None else batch_size
        kinds = tuple((a.shape[1:], a.dtype.char) for part in (x, y, weights) for a in part)
        key = (purpose, rows, kinds, len(y), repr(structure), keep_gradients)
        program = self._cache.get(key)
        if program is not None:
            with suppress(KeyError):  # another thread may just have made room
                self._cache.move_to_end(key)
        else:
            program = self._plan(purpose, x, structure, y, weights, rows, keep_gradients)
            if not self.are_valid:  # building the model added weights
                self.clear()
                self._count = changes()
            self._make_room(program)
            self._cache[key] = program
        return program

    def _make_room(self, new: Program) -> None:
        kept = list(self._cache.items())  # other threads may use the model meanwhile
        taken = new.size + sum(program.size for _, program in kept)
        for key, program in kept[: 1 - ALWAYS_KEPT]:
            if taken <= KEPT_BYTES:
                break
            taken -= program.size
            self._cache.pop(key, None)
            self._batches.clear()

    def _plan(
        self, purpose: str, x: Sequence[np.ndarray], structure: Any, y: Sequence[np.ndarray],
        weights: Sequence[np.ndarray], rows: int, keep_gradients: bool,
    ) -> Program:  # fmt: skip
        model = self.model
        training = purpose in ("train", "gradients")
        if training and purpose == "train":
            self._build_first(x, structure, rows)
        trace = Trace(training=training)
        with tracing(trace):
            if purpose == "predict":
                outputs, leaves = _emit_outputs(model, trace, x, structure, rows)
                core = _core.Program(trace.graph, outputs=[leaf.id for leaf in leaves])
                return Program(core, rows, output_structure=map_structure(lambda _: 0, outputs))
            step = emit_step(model, trace, x, structure, y, weights, rows)
        state = block = None
        if purpose == "test":
            core = _core.Program(trace.graph, outputs=[], accumulate=step.accumulate)
        elif purpose == "gradients":
            block = _core.Block([weight.core for weight in model.trainable_weights])
            core = _core.Program(trace.graph, outputs=[step.total.id], loss=step.total.id, block=block)
        else:
            state = self._prepare_state()
            trace.assigned.clear()  # constraints are of what the variables contain after the optimizer's step
            for weight in model.trainable_weights:
                if weight.constraint is not None:
                    with tracing(trace):
                        trace.assign(weight, weight.constraint(weight), after_update=True)
            core = _core.Program(
                trace.graph, outputs=[], accumulate=step.accumulate, loss=step.total.id, optimizer=state,
                keep_gradients=keep_gradients,
            )  # fmt: skip
        return Program(core, rows, step, state=state, block=block)

    def _build_first(self, x: Sequence[np.ndarray], structure: Any, rows: int) -> None:
        """Create the weights of a model that has never been called."""
        if self.model.built and self.state is not None:
            return
        trace = Trace()
        with tracing(trace):
            inputs = [trace.input((rows, *a.shape[1:]), str(a.dtype)) for a in x]
            self.model(map_structure(lambda i: inputs[i], structure))

    def _prepare_state(self) -> Any:
        """Gather the trainable weights into one block; keep what the optimizer remembers of them."""
        weights = self.model.trainable_weights
        if not weights:
            raise ValueError(
                f"Model {self.model.name!r}: expected weights to train; it has none that are trainable; "
                "set trainable = True on the model or a layer"
            )
        if self.state is not None and _are_same(weights, self._state_weights) and self.state.block.owns_all():
            return self.state
        optimizer = self.model.compile_settings.optimizer
        _claim(optimizer, self.model)
        remembered = self.slots()
        self.state = _core.OptimizerState(
            _core.Block([weight.core for weight in weights]),
            optimizer.settings(),
            [optimizer.uses_weight_decay(weight) for weight in weights],
            [weight.learning_rate_multiplier for weight in weights],
        )
        self._state_weights = weights
        for slot, view in self._slot_views().items():
            if slot in remembered:
                view[...] = remembered.pop(slot)
        self._aside = remembered
        return self.state

    def slots(self) -> dict[tuple[str, int], np.ndarray]:
        """Return copies of what the optimizer remembers, by the slot's name and the weight's id."""
        return {**self._aside, **{key: view.copy() for key, view in self._slot_views().items()}}

    def numbered_slots(self) -> dict[tuple[str, int], np.ndarray]:
        """Return the same by the weight's number in the model, for a file."""
        numbers = {id(weight): i for i, weight in enumerate(self.model.weights)}
        return {(name, numbers[key]): value for (name, key), value in self.slots().items() if key in numbers}

    def remember(self, slots: Mapping[tuple[str, int], np.ndarray]) -> None:
        """Have the next step make the optimizer's state from what :meth:`numbered_slots` returned."""
        self.forget_state()
        weights = self.model.weights
        self._aside = {(name, id(weights[number])): value for (name, number), value in slots.items()}

    def _slot_views(self) -> dict[tuple[str, int], np.ndarray]:
        found: dict[tuple[str, int], np.ndarray] = {}
        if self.state is None:
            return found
        for i, name in enumerate(self.state.slot_names):
            flat, position = self.state.slot(i), 0
            for weight in self._state_weights:
                size = int(np.prod(weight.shape))
                found[name, id(weight)] = flat[position : position + size].reshape(weight.shape)
                position += -(-size // 16) * 16  # every weight starts on a cache line
        return found

    def average_weights(self) -> None:
        """Replace the weights by their moving average, where the optimizer keeps one."""
        if self.state is not None and self.state.average_slot >= 0:
            self.state.values()[:] = self.state.slot(self.state.average_slot)


def _are_same(some: Sequence[Any], others: Sequence[Any]) -> bool:
    return len(some) == len(others) and all(one is other for one, other in zip(some, others, strict=True))


def _emit_outputs(
    model: Any, trace: Trace, x: Sequence[np.ndarray], structure: Any, rows: int
) -> tuple[Any, list[Tensor]]:
    """Emit a model's outputs; return them as they are arranged, and in a list."""
    inputs = [trace.input((rows, *a.shape[1:]), str(a.dtype)) for a in x]
    outputs = model(map_structure(lambda i: inputs[i], structure), training=trace.training)
    return outputs, [trace.lift(leaf) for leaf in flatten(outputs)]


def emit_step(
    model: Any, trace: Trace, x: Sequence[np.ndarray], structure: Any, y: Sequence[np.ndarray],
    weights: Sequence[np.ndarray], rows: int,
) -> _Step:  # fmt: skip
    """Emit outputs, losses and metrics for arrays of these shapes; the trace must be the current one."""
    outputs, leaves = _emit_outputs(model, trace, x, structure, rows)
    model.output_names_or_default(outputs)
    targets = [trace.input((rows, *a.shape[1:]), str(a.dtype)) for a in y]
    sample_weights: list[Tensor | None] = [trace.input((rows, *a.shape[1:]), str(a.dtype)) for a in weights] or [
        None
    ] * len(leaves)
    return _Step(model, trace, leaves, targets, sample_weights, rows)


class _Step:
    """Emits losses and metrics after a model's outputs; collects what is to be summed."""

    def __init__(
        self, model: Any, trace: Trace, outputs: list[Tensor], targets: list[Tensor],
        weights: Sequence[Tensor | None], rows: int,
    ):  # fmt: skip
        compiled: Compiled = model.compile_settings
        compiled.match(model.output_names_or_default(None), [t.shape for t in targets], [o.shape for o in outputs])
        self.accumulate: list[int] = []
        self.sums: list[tuple[Any, tuple[int, ...]]] = []
        terms: list[Any] = []
        tracked: list[tuple[Any, Any]] = []
        weights = list(weights) if len(weights) == len(outputs) else [weights[0]] * len(outputs)
        for i, (output, loss) in enumerate(zip(outputs, compiled.losses, strict=True)):
            if loss is None:
                continue
            with trace.labelled(loss.name):
                loss.check_shapes(targets[i].shape, output.shape)
                value: Any = trace.lift(loss(targets[i], output, weights[i]))
                if value.shape != ():
                    value = trace.lift(ops.mean(value))
                if (tracker := compiled.output_trackers[i]) is not None:
                    tracked.append((tracker, value))
                terms.append(value if compiled.loss_weights[i] == 1.0 else value * compiled.loss_weights[i])
        for weight in model.trainable_weights:
            if weight.regularizer is not None:
                with trace.labelled(weight.path):
                    terms.append(trace.lift(weight.regularizer(weight)))
        terms.extend(trace.losses)
        if not terms:
            raise ValueError(
                f"Model {model.name!r}: expected a loss; compile was given none and no layer adds one; "
                "pass loss= to compile"
            )
        total = terms[0]
        for term in terms[1:]:
            total = total + term
        self.total = total
        tracked.insert(0, (compiled.loss_tracker, total))
        self.trackers = [tracker for tracker, _ in tracked]
        self.accumulate.extend(value.id for _, value in tracked)
        for i, output in enumerate(outputs):
            for metric in compiled.metrics[i]:
                self._metric(trace, metric, targets[i], output, None)
            for metric in compiled.weighted[i]:
                self._metric(trace, metric, targets[i], output, weights[i])

    def _metric(self, trace: Trace, metric: Any, y_true: Tensor, y_pred: Tensor, weight: Tensor | None) -> None:
        with trace.labelled(metric.name):
            for part in metric.compute(y_true, y_pred, weight):
                tensor = trace.lift(part)
                self.accumulate.append(tensor.id)
                self.sums.append((metric, tensor.shape))
