"""``nnfast train``."""

from __future__ import annotations

import argparse
import errno
import math
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from .. import Sequential, callbacks, layers, optimizers, utils
from ..data import train_validation_test_split
from ..datasets import digits
from .networks import build
from .samples import Samples, is_digits, read_samples

# A numeric target with at most so many distinct whole numbers is taken for classes.
_MOST_CLASSES = 20


def train(options: argparse.Namespace) -> None:
    """Train a network, report each epoch, test the network and save it."""
    path = Path(options.out or f"{Path(options.data).stem}-{options.model}.safetensors")
    _check_place(path)
    utils.set_random_seed(options.seed)
    train_part, test_part, notes = _load(options)
    model = _compile(options, train_part.x, train_part.y, notes)
    model.notes = notes
    print(
        f"{options.model} with {model.count_params():,} weights: {len(train_part.x):,} samples to train on, "
        f"{len(test_part.x):,} to test with"
    )
    began = time.perf_counter()
    history = model.fit(
        train_part.x,
        train_part.y,
        epochs=options.epochs,
        batch_size=options.batch_size,
        verbose=0,
        callbacks=[EpochTable(options.epochs)],
    )
    seconds = time.perf_counter() - began
    if not math.isfinite(history.history["loss"][-1]):
        raise ValueError("the loss is no longer a number; try a lower --learning-rate, or a target in smaller units")
    print(describe_test(model, test_part, notes))
    print(f"trained in {seconds:.1f} s")
    model.save(path)
    print(f"saved in {path}")


def _check_place(path: Path) -> None:
    """Refuse a file that cannot be written: now, not when the training is done."""
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        tempfile.TemporaryFile(dir=path.parent).close()
    except OSError as error:
        raise ValueError(
            f"--out {path}: expected a file in a folder that exists and may be written to; received: "
            f"{error.strerror}; create the folder {path.parent}, or name another file"
        ) from error


class EpochTable(callbacks.Callback):
    """A row of figures an epoch and, on a terminal, a bar below them."""

    def __init__(self, epochs: int) -> None:
        super().__init__()
        self._epochs = epochs
        self._bar: Any = None

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        if sys.stderr.isatty():
            from tqdm import tqdm

            self._bar = tqdm(total=self._epochs, unit="epoch", leave=False)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        figures = logs or {}
        widths = [max(10, len(name)) for name in figures]
        if epoch == 0:
            self._write("epoch  " + "  ".join(f"{name:>{width}}" for name, width in zip(figures, widths, strict=True)))
        values = zip(figures.values(), widths, strict=True)
        self._write(f"{epoch + 1:>5}  " + "  ".join(f"{value:>{width}.4f}" for value, width in values))
        if self._bar is not None:
            self._bar.update()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        if self._bar is not None:
            self._bar.close()

    def _write(self, line: str) -> None:
        if self._bar is None:
            print(line)
        else:
            self._bar.write(line)


def describe_test(model: Sequential, part: Samples, notes: dict[str, Any]) -> str:
    """Return in words how well a model answers data that it was not trained on."""
    figures = model.evaluate(part.x, part.y, verbose=0, return_dict=True)
    if notes["task"] == "classification":
        right = round(figures["accuracy"] * len(part.x))
        return f"test accuracy {figures['accuracy']:.4f} ({right} of {len(part.x)})"
    assert part.y is not None
    explained = 1 - figures["loss"] / max(float(np.var(part.y, dtype=float)), 1e-12)
    return f"test error {math.sqrt(figures['loss']):.4g} (root of the mean square), R² {explained:.4f}"


def encode(y: np.ndarray, notes: dict[str, Any]) -> np.ndarray:
    """Return the answers as the model wants them: numbers of classes (int32), or values (float32).

    Raises
    ------
    ValueError
        If an answer is none of the classes, or no number.
    """
    if notes["task"] == "regression":
        if y.dtype.kind not in "biuf":
            raise ValueError(f"expected numbers to predict; received text such as {y[0].item()!r}")
        return y.astype(np.float32)
    classes = np.array(notes["classes"])
    if classes.dtype.kind != y.dtype.kind and "U" in (classes.dtype.kind, y.dtype.kind):
        classes, y = classes.astype(str), y.astype(str)
    order = np.argsort(classes)
    places = np.searchsorted(classes, y, sorter=order).clip(max=len(classes) - 1)
    numbers = order[places]
    unknown = classes[numbers] != y
    if unknown.any():
        raise ValueError(
            f"{y[unknown][0].item()!r} is none of the classes that the model knows: {', '.join(map(str, classes))}"
        )
    return numbers.astype(np.int32)


def _load(options: argparse.Namespace) -> tuple[Samples, Samples, dict[str, Any]]:
    """Return what to train on, what to test with, and the notes that `predict` and `evaluate` will need."""
    if is_digits(options.data):
        (x, y), (x_test, y_test) = digits.load_data(test_size=options.test_size)
        return Samples(x, y), Samples(x_test, y_test), {"task": "classification", "classes": list(range(10))}
    samples = read_samples(options.data, options.target)
    assert samples.y is not None
    notes: dict[str, Any] = {"task": _task(options.task, samples.y), "columns": samples.columns or samples.x.shape[1]}
    if notes["task"] == "classification":
        notes["classes"] = np.unique(_without_fractions(samples.y)).tolist()
        if len(notes["classes"]) < 2:
            raise ValueError(f"{options.data}: expected at least two classes; all answers are {samples.y[0].item()!r}")
    y = encode(_without_fractions(samples.y), notes)
    # The same samples are held out whatever the seed of the training.
    (x, y_train), _, (x_test, y_test) = train_validation_test_split(
        samples.x,
        y,
        validation_size=0,
        test_size=options.test_size,
        stratify=y if notes["task"] == "classification" else None,
        seed=0,
    )
    return Samples(x, y_train), Samples(x_test, y_test), notes


def _task(wish: str, y: np.ndarray) -> str:
    if wish != "auto":
        return wish
    if y.dtype.kind not in "biuf":
        return "classification"
    whole = np.array_equal(y, np.round(y))
    return "classification" if whole and len(np.unique(y)) <= _MOST_CLASSES else "regression"


def _without_fractions(y: np.ndarray) -> np.ndarray:
    """Whole numbers as integers, so that a class is called 3, not 3.0."""
    return y.astype(np.int64) if y.dtype.kind == "f" and np.array_equal(y, np.round(y)) else y


def _compile(options: argparse.Namespace, x: np.ndarray, y: np.ndarray | None, notes: dict[str, Any]) -> Sequential:
    assert y is not None
    # A rate that falls to nothing at the end leaves the weights in the middle of where they would wander otherwise.
    steps = options.epochs * math.ceil(len(x) / options.batch_size)
    optimizer = optimizers.Adam(optimizers.schedules.CosineDecay(options.learning_rate, steps))
    if notes["task"] == "classification":
        model = build(options.model, x, [layers.Dense(len(notes["classes"]), activation="softmax")])
        model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    else:
        # The network learns the answer as so many standard deviations from the mean; the last layer puts it back.
        unscale = layers.Rescaling(max(float(y.std(dtype=float)), 1e-6), offset=float(y.mean(dtype=float)))
        model = build(options.model, x, [layers.Dense(1), unscale])
        model.compile(optimizer, "mean_squared_error")
    return model
