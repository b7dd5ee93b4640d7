"""Training that leaves no trace: what looks into a model by training it a little puts everything back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .. import random


@contextmanager
def trial(model: Any) -> Iterator[None]:
    """Undo what happens to a compiled model inside, also when it fails.

    Put back are the weights and states of layers, the optimizer's slots and its count of steps, and the global stream
    of seeds: training afterwards has the same bits as if the trial had never been.
    """
    programs, optimizer = model.programs, model.compile_settings.optimizer
    values = [(weight, weight.numpy()) for weight in model.weights]
    slots = programs.numbered_slots()
    steps, seeds = optimizer.steps, random.get_state()
    try:
        yield
    finally:
        for weight, value in values:
            weight.assign(value)
        programs.remember(slots)
        optimizer.steps = steps
        random.set_state(seeds)
