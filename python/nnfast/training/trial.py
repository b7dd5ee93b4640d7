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
    numbers = {id(weight): i for i, (weight, _) in enumerate(values)}
    slots = programs.saved_slots or {(name, numbers[key]): value for (name, key), value in programs.slots().items()}
    steps, seeds = optimizer.steps, random.get_state()
    try:
        yield
    finally:
        for weight, value in values:
            weight.assign(value)
        programs.forget_state()
        programs.saved_slots = slots  # from which the next step makes the optimizer's state, as after loading a file
        optimizer.steps = steps
        random.set_state(seeds)
