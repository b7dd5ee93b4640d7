"""The loops behind fit, evaluate and predict."""

from __future__ import annotations

import itertools
import math
import time
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from .. import _core
from .. import callbacks as callback_module
from ..tensor import flatten, map_structure
from . import data

# Python looks at a run of steps about this often, where a progress bar or a callback wants to.
_SECONDS_BETWEEN_LOOKS = 0.1
# The attribute of the model by which a callback ends each loop.
_STOP = {"train": "stop_training", "test": "stop_evaluating", "predict": "stop_predicting"}


class Source:
    """Arrays to train or evaluate on, cut into batches.

    Parameters
    ----------
    x, structure
        The arrays of the model's inputs, and how its call arranges them.
    y, weights : list of numpy.ndarray
        Targets and sample weights.
    batch_size : int
        Rows of a batch; the last may have fewer.
    """

    def __init__(
        self, x: list[np.ndarray], structure: Any, y: list[np.ndarray], weights: list[np.ndarray], batch_size: int
    ):
        self.x, self.structure, self.y, self.weights = x, structure, y, weights
        self.rows = len(x[0])
        self.batch_size = batch_size
        self.full, self.rest = divmod(self.rows, batch_size)

    @property
    def steps(self) -> int:
        """Batches in an epoch."""
        return self.full + (self.rest > 0)

    @property
    def arrays(self) -> list[np.ndarray]:
        """Everything a program reads."""
        return [*self.x, *self.y, *self.weights]

    def stretches(self, steps: int, begin: int = 0) -> Iterator[tuple[int, int, int]]:
        """Yield (first batch, number of batches, rows of each) for so many steps from batch `begin` on, by size."""
        end = min(begin + steps, self.steps)
        full = min(self.full, end)
        if full > begin:
            yield begin, full - begin, self.batch_size
        if end > full:
            yield full, 1, self.rest


def make_source(model: Any, x: Any, y: Any, sample_weight: Any, class_weight: Any, batch_size: Any) -> Source:
    """Check what the user passed and turn it into a :class:`Source`.

    Raises
    ------
    ValueError
        If something is missing, empty, of the wrong shape or not a number.
    """
    batch_size = 32 if batch_size is None else batch_size
    if not isinstance(batch_size, (int, np.integer)) or isinstance(batch_size, bool) or batch_size < 1:
        raise ValueError(f"batch_size: expected a positive integer; received {batch_size!r}")
    inputs, structure = data.as_inputs(x)
    rows = len(inputs[0])
    if rows == 0:
        raise ValueError(f"x: expected at least one row; received an empty array of shape {inputs[0].shape}")
    model.ensure_built(inputs, structure)
    targets: list[np.ndarray] = []
    weights: list[np.ndarray] = []
    if y is not None:
        targets = data.as_targets(y, model.output_names_or_default(None))
        data.check_rows("y", targets, rows)
        found = data.sample_weights(sample_weight, class_weight, targets, model.output_names_or_default(None))
        weights = found or []
        model.check_targets(inputs, structure, targets)
    return Source(inputs, structure, targets, weights, int(batch_size))


def run_epoch(
    model: Any, source: Source, purpose: str, calls: Any, shuffle: bool, steps: int, begin_batch: int = 0
) -> None:
    """Run the steps of one epoch, from this batch of the data on; metrics are left in the model."""
    mode = "train" if purpose == "train" else "test"
    wish = calls.wants_batches(mode)
    flag = _STOP[mode]
    if getattr(model, flag):  # from an earlier hook, which saves all but one step, as in Keras
        steps = 1
    order = None
    if shuffle:
        # A function of the model's seed and the steps taken: training that is resumed goes on as it would have.
        # Epochs of fewer steps share the order of the pass through the data that they belong to.
        order = _core.permutation(source.rows, model.seed, max(0, model.optimizer.steps - begin_batch))
    begin = getattr(calls, f"on_{mode}_batch_begin")
    end = getattr(calls, f"on_{mode}_batch_end")
    looked = time.perf_counter()
    pace = 1  # steps between two looks
    for first, count, size in source.stretches(steps, begin_batch):
        programs = program = None
        done = 0
        while done < count:
            batch = first + done
            step = batch - begin_batch
            now = 1 if wish == "every" else count - done if wish == "never" else min(pace, count - done)
            if wish == "every":
                begin(step)
            if programs is not model.programs or not programs.are_valid:  # a hook may compile, freeze or unfreeze
                if programs is not None:
                    model.check_targets(source.x, source.structure, source.y)
                programs = model.programs
                program = programs.get(
                    purpose, source.x, source.structure, source.y, source.weights, size, calls.wants_gradients
                )
            row = batch * source.batch_size
            rows = None if order is None else order[row : row + now * size]
            train_steps(model, program, source.arrays, rows, row, now)
            done += now
            if wish == "every":
                end(step, model.compile_settings.logs())
            elif wish == "sometimes":
                elapsed = time.perf_counter() - looked
                looked += elapsed
                end(step + now - 1, model.compile_settings.logs())
                pace = max(1, int(pace * min(4.0, _SECONDS_BETWEEN_LOOKS / max(elapsed, 1e-6))))
            if wish != "never" and getattr(model, flag):
                return


def train_steps(
    model: Any, program: Any, arrays: list[np.ndarray], rows: np.ndarray | None, first_row: int, steps: int
) -> None:
    """Run a program on so many batches and give the metrics what it sums."""
    optimizer = model.compile_settings.optimizer
    state = program.state
    if state is None:
        sums = program.core.train(arrays, rows, first_row, steps, np.zeros(steps), model.seed)
    else:
        state.steps_taken = optimizer.steps
        try:
            sums = program.core.train(arrays, rows, first_row, steps, optimizer.learning_rates(steps), model.seed)
        finally:  # an interrupted run has taken some of its steps
            optimizer.steps = state.steps_taken
    program.add_sums(sums, steps)


def _check_count(name: str, count: Any) -> None:
    if count is not None and (not isinstance(count, (int, np.integer)) or count < 1):
        raise ValueError(f"{name}: expected a positive integer; received {count!r}")


def fit(
    model: Any, x: Any, y: Any, batch_size: Any, epochs: int, verbose: Any, callbacks: Any, validation_split: float,
    validation_data: Any, shuffle: bool, class_weight: Any, sample_weight: Any, initial_epoch: int,
    steps_per_epoch: int | None, validation_steps: int | None, validation_batch_size: int | None,
    validation_freq: Any,
) -> Any:  # fmt: skip
    """Train; see `Model.fit`."""
    for name, value, least in (("epochs", epochs, 0), ("initial_epoch", initial_epoch, 0)):
        if not isinstance(value, (int, np.integer)) or value < least:
            raise ValueError(f"{name}: expected an integer of at least {least}; received {value!r}")
    for name, count in (
        ("steps_per_epoch", steps_per_epoch), ("validation_steps", validation_steps),
        ("validation_freq", validation_freq if isinstance(validation_freq, (int, np.integer)) else None),
    ):  # fmt: skip
        _check_count(name, count)
    if not isinstance(validation_freq, (int, np.integer, list, tuple, set, range)):
        raise ValueError(
            f"validation_freq: expected a positive integer or a collection of epochs; received {validation_freq!r}"
        )
    if not isinstance(validation_split, (int, float, np.number)):
        raise ValueError(f"validation_split: expected a share between 0 and 1; received {validation_split!r}")
    generator = data.is_generator(x)
    source: Source | None = None
    if generator:
        if y is not None or sample_weight is not None or validation_split:
            raise ValueError(
                "fit: expected y, sample_weight and validation data from the generator; received them beside it"
            )
        if class_weight == "balanced":
            raise ValueError(
                "class_weight: expected a dictionary from class to weight beside a generator; received 'balanced', "
                "which needs all targets at once"
            )
        steps = _length(x) if steps_per_epoch is None else steps_per_epoch
    else:
        if y is None:
            raise ValueError("fit: expected targets y; received None")
        if validation_split and validation_data is None:
            x, y, sample_weight, validation_data = _split(x, y, sample_weight, validation_split)
        source = make_source(model, x, y, sample_weight, class_weight, batch_size)
        steps = min(source.steps, steps_per_epoch or source.steps)
    validation: Source | None = None
    if validation_data is not None and not data.is_generator(validation_data):
        vx, vy, vw = data.unpack(validation_data)
        if vy is None:
            raise ValueError("validation_data: expected (x, y) or (x, y, sample_weight); received no y")
        validation = make_source(model, vx, vy, vw, None, validation_batch_size or batch_size)

    calls = callback_module.CallbackList(
        callbacks, add_history=True, add_progbar=verbose != 0, model=model, verbose=verbose, epochs=epochs, steps=steps
    )
    model.stop_training = False
    model.resume_epoch = None
    first_epoch = initial_epoch
    calls.on_train_begin()
    if model.resume_epoch is not None:  # a callback has restored a backup
        initial_epoch = model.resume_epoch
    logs: dict[str, Any] = {}
    for epoch in range(initial_epoch, epochs):
        model.compile_settings.reset()
        calls.on_epoch_begin(epoch)
        if source is not None:
            count = steps or source.steps
            begin = (epoch - first_epoch) % math.ceil(source.steps / count) * count
            _warn_of_the_end(min(count, source.steps - begin), steps_per_epoch)
            run_epoch(model, source, "train", calls, shuffle, count, begin)
        else:
            begin, count = 0, steps
            if steps_per_epoch is not None and (total := _length(x)) is not None and hasattr(x, "__getitem__"):
                begin = (epoch - first_epoch) % math.ceil(total / steps_per_epoch) * steps_per_epoch
                count = min(steps_per_epoch, total - begin)
                _warn_of_the_end(count, steps_per_epoch)
            _run_generator(model, x, "train", calls, count, class_weight, begin)
        logs = model.compile_settings.logs()
        if validation_data is not None and _is_due(epoch + 1, validation_freq):
            found = _evaluate(model, validation, validation_data, calls, validation_steps)
            logs.update({f"val_{name}": value for name, value in found.items()})
        calls.on_epoch_end(epoch, logs)
        if model.stop_training:
            break
    if model.compile_settings.optimizer.use_ema and epochs > 0:
        model.programs.average_weights()
    calls.on_train_end(logs)
    return model.history


def _warn_of_the_end(steps: int, steps_per_epoch: int | None) -> None:
    if steps_per_epoch is not None and steps < steps_per_epoch:
        warnings.warn(
            f"fit: expected data for steps_per_epoch={steps_per_epoch} steps; there are batches for {steps} left in "
            "this pass, which end the epoch; the next epoch begins with the first row",
            stacklevel=4,
        )


def evaluate(
    model: Any, x: Any, y: Any, batch_size: Any, verbose: Any, sample_weight: Any, steps: int | None, callbacks: Any
) -> dict[str, Any]:
    """Evaluate; see `Model.evaluate`."""
    _check_count("steps", steps)
    generator = data.is_generator(x)
    if generator and (y is not None or sample_weight is not None):
        raise ValueError("evaluate: expected y and sample_weight from the generator; received them beside it")
    source = None if generator else make_source(model, x, y, sample_weight, None, batch_size)
    total = source.steps if source is not None else steps or _length(x)
    calls = callback_module.CallbackList(
        callbacks, add_progbar=verbose != 0, model=model, verbose=verbose, epochs=1, steps=total
    )
    return _evaluate(model, source, x, calls, steps)


def _evaluate(model: Any, source: Source | None, batches: Any, calls: Any, steps: int | None) -> dict[str, Any]:
    model.compile_settings.reset()
    model.stop_evaluating = False
    calls.on_test_begin()
    if source is not None:
        run_epoch(model, source, "test", calls, False, min(source.steps, steps or source.steps))
    else:
        _run_generator(model, batches, "test", calls, steps, None)
    logs = model.compile_settings.logs()
    calls.on_test_end(logs)
    return logs


def predict(model: Any, x: Any, batch_size: Any, verbose: Any, steps: int | None, callbacks: Any) -> Any:
    """Compute outputs; see `Model.predict`."""
    _check_count("steps", steps)
    source = None if data.is_generator(x) else make_source(model, x, None, None, None, batch_size)
    total = source.steps if source is not None else _length(x)
    steps = total if steps is None else steps if total is None else min(steps, total)
    calls = callback_module.CallbackList(
        callbacks, add_progbar=verbose != 0, model=model, verbose=verbose, epochs=1, steps=steps
    )
    model.stop_predicting = False
    calls.on_predict_begin()
    if source is not None:
        outputs = _predict_rows(model, source, calls, source.steps if steps is None else steps)
    else:
        outputs = _predict_batches(model, x, calls, steps)
    calls.on_predict_end()
    return outputs


def _predict_rows(model: Any, source: Source, calls: Any, steps: int) -> Any:
    wish = calls.wants_batches("predict")
    results: list[np.ndarray] = []
    structure: Any = None
    rows = min(source.rows, steps * source.batch_size)
    done = 0
    looked = time.perf_counter()
    for first, count, size in source.stretches(steps):
        program = model.programs.get("predict", source.x, source.structure, batch_size=size)
        structure = program.output_structure
        for step in range(first, first + count):
            if wish == "every":
                calls.on_predict_batch_begin(step)
            row = step * source.batch_size
            outputs = program.core.run([array[row : row + size] for array in source.x])
            if not results:
                results = [np.empty((rows, *output.shape[1:]), output.dtype) for output in outputs]
            for result, output in zip(results, outputs, strict=True):
                result[row : row + size] = output
            done = row + size
            if wish == "every":
                calls.on_predict_batch_end(step, {"outputs": outputs})
            elif wish == "sometimes" and time.perf_counter() - looked > _SECONDS_BETWEEN_LOOKS:
                looked = time.perf_counter()
                calls.on_predict_batch_end(step)
            if model.stop_predicting:
                break
        if model.stop_predicting:
            break
    it = iter(results)
    return map_structure(lambda _: next(it)[:done], structure)


def _predict_batches(model: Any, x: Any, calls: Any, steps: int | None) -> Any:
    parts: list[Any] = []
    _tell(x, "on_epoch_begin")
    for step, batch in enumerate(itertools.islice(_batches(x), steps)):
        calls.on_predict_batch_begin(step)
        parts.append(model.predict_on_batch(data.unpack(batch)[0]))
        calls.on_predict_batch_end(step, {"outputs": parts[-1]})
        if model.stop_predicting:
            break
    _tell(x, "on_epoch_end")
    if not parts:
        raise ValueError("predict: expected at least one batch; received none")
    columns = [np.concatenate(leaves) for leaves in zip(*(flatten(part) for part in parts), strict=True)]
    it = iter(columns)
    return map_structure(lambda _: next(it), parts[0])


def _split(x: Any, y: Any, sample_weight: Any, share: float) -> tuple[Any, Any, Any, Any]:
    leaves, structure = data.as_inputs(x)

    def enter(value: Any, what: str) -> Any:
        if isinstance(value, (list, tuple, dict)) and not _numbers(value):
            return map_structure(lambda part: enter(part, what), value)
        if value is None:
            return None
        array = data.as_array(value, what)
        data.check_rows(what, [array], len(leaves[0]))
        leaves.append(array)
        return len(leaves) - 1

    given = (structure, enter(y, "y"), enter(sample_weight, "sample_weight"))
    before, after = (
        map_structure(lambda i: None if i is None else parts[i], given)  # noqa: B023  used at once
        for parts in data.split_last(leaves, share)
    )
    return (*before, after)


def _numbers(values: Any) -> bool:
    return all(isinstance(leaf, (bool, int, float, np.number)) for leaf in flatten(values))


def _is_due(epoch: int, frequency: Any) -> bool:
    return epoch in frequency if isinstance(frequency, (list, tuple, set, range)) else epoch % frequency == 0


def _length(x: Any) -> int | None:
    """Return the number of batches, where an iterable knows it."""
    return len(x) if hasattr(x, "__len__") else None


def _batches(x: Any, begin: int = 0) -> Iterator[Any]:
    """Start anew where `x` can, at this batch if they have numbers; a generator goes on from where it stands."""
    if hasattr(x, "__getitem__") and hasattr(x, "__len__"):
        return (x[i] for i in range(begin, len(x)))
    return iter(x)


def _tell(x: Any, hook: str) -> None:
    """Call a hook of a PyDataset, which other iterables need not have."""
    getattr(x, hook, lambda: None)()


def _run_generator(
    model: Any, batches: Any, purpose: str, calls: Any, steps: int | None, class_weight: Any, begin: int = 0
) -> None:
    mode = "train" if purpose == "train" else "test"
    count = 0
    _tell(batches, "on_epoch_begin")
    for step, batch in enumerate(itertools.islice(_batches(batches, begin), steps)):
        x, y, weight = data.unpack(batch)
        if y is None:
            raise ValueError(
                "x: expected a generator of tuples (x, y) or (x, y, sample_weight); "
                f"received {type(batch).__name__}" + (f" of {len(batch)}" if isinstance(batch, (tuple, list)) else "")
            )
        source = make_source(model, x, y, weight, class_weight, rows_of_batch(x))
        getattr(calls, f"on_{mode}_batch_begin")(step)
        program = model.programs.get(
            purpose, source.x, source.structure, source.y, source.weights, keep_gradients=calls.wants_gradients
        )
        train_steps(model, program, source.arrays, None, 0, 1)
        getattr(calls, f"on_{mode}_batch_end")(step, model.compile_settings.logs())
        count = step + 1
        if getattr(model, _STOP[mode]):
            break
    else:
        if count == 0:
            raise ValueError(
                "expected at least one batch from the generator; received none; does it start anew each epoch?"
            )
        if steps is not None and count < steps:
            warnings.warn(
                f"expected {steps} batches; the generator ended after {count}; have it yield more, or ask for fewer "
                "steps",
                stacklevel=4,
            )
    _tell(batches, "on_epoch_end")


def rows_of_batch(x: Any) -> int:
    """Return the number of rows of a batch, at least 1."""
    return max(1, len(data.as_inputs(x)[0][0]))
