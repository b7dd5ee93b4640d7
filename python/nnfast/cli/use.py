"""``nnfast predict`` and ``nnfast evaluate``: a saved model on data."""

from __future__ import annotations

import argparse
import contextlib
import csv
import sys
from typing import Any

import numpy as np

from ..datasets import digits
from ..saving import load_model
from .samples import Samples, is_digits, read_samples
from .train import describe_test, encode


def evaluate(options: argparse.Namespace) -> None:
    """Print how well a saved model answers."""
    model = load_model(options.model)
    notes = _notes(model)
    if is_digits(options.data):
        samples = Samples(*digits.load_data()[1])
    else:
        samples = read_samples(options.data, options.target, columns=notes.get("columns"))
    assert samples.y is not None
    if not notes:
        figures = model.evaluate(samples.x, samples.y, verbose=0, return_dict=True)
        print(", ".join(f"{name} {value:.4f}" for name, value in figures.items()))
        return
    print(describe_test(model, Samples(samples.x, encode(samples.y, notes)), notes))


def predict(options: argparse.Namespace) -> None:
    """Write a saved model's answers as CSV."""
    model = load_model(options.model, compile=False)
    notes = _notes(model)
    if is_digits(options.data):
        samples = Samples(*digits.load_data()[1])
    else:
        samples = read_samples(options.data, answers=False, columns=notes.get("columns"))
    answers = model.predict(samples.x, verbose=0)
    with open(options.out, "w", newline="") if options.out else contextlib.nullcontext(sys.stdout) as file:
        table = csv.writer(file, lineterminator="\n")
        if notes.get("task") == "classification":
            table.writerow(["class", "probability"])
            best = answers.argmax(axis=1)
            for number, probability in zip(best, answers[np.arange(len(best)), best], strict=True):
                table.writerow([notes["classes"][number], f"{probability:.4f}"])
        else:
            flat = answers.reshape(len(answers), -1)
            table.writerow(["value"] if flat.shape[1] == 1 else [f"value {i + 1}" for i in range(flat.shape[1])])
            table.writerows([[f"{value:.7g}" for value in row] for row in flat])


def _notes(model: Any) -> dict[str, Any]:
    """Return what `nnfast train` noted in the file; empty for a model saved by a program."""
    notes: dict[str, Any] = model.notes
    return notes
