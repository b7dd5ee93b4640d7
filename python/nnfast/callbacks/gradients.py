"""A callback that watches the gradients."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..messages import say
from .callback import Batches, Callback, Logs


class GradientMonitor(Callback):
    """Keeps the norms of the gradients, and warns of those that vanish or explode (not in Keras).

    The norms are those of the last batch of each epoch, or of every so many batches, before any clipping. The norm of
    the whole gradient is entered into the logs as ``gradient_norm``, and so into the history. Look at single layers
    of a model with :func:`nnfast.diagnose`.

    Parameters
    ----------
    frequency : "epoch" or int, default "epoch"
        When to look; a number counts batches.
    low, high : float, default 1e-7 and 1e3
        A norm of a weight's gradient below `low` is said to vanish, one above `high` or not finite to explode.
    verbose : int, default 1
        0 says nothing.

    Attributes
    ----------
    norms : dict of list
        For each trainable weight, by its path, the norms in the order in which they were seen.

    Raises
    ------
    ValueError
        If `frequency` is neither, or not ``0 <= low < high``.
    """

    wants_gradients = True

    def __init__(self, frequency: Any = "epoch", low: float = 1e-7, high: float = 1e3, verbose: int = 1) -> None:
        super().__init__()
        if frequency != "epoch" and not (isinstance(frequency, (int, np.integer)) and frequency >= 1):
            raise ValueError(f"GradientMonitor: expected frequency 'epoch' or an integer >= 1; received {frequency!r}")
        if not 0 <= low < high:
            raise ValueError(f"GradientMonitor: expected 0 <= low < high; received {low!r} and {high!r}")
        self.frequency = frequency
        self.low = low
        self.high = high
        self.verbose = verbose
        self.norms: dict[str, list[float]] = {}
        self._batches = 0
        self._warned: set[tuple[str, str]] = set()

    def wants_batches(self, mode: str) -> Batches:
        return "every" if mode == "train" and self.frequency != "epoch" else "never"

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.norms = {}
        self._batches = 0
        self._warned.clear()

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        self._batches += 1
        if self.frequency != "epoch" and self._batches % self.frequency == 0:
            self._look()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if self.frequency == "epoch":
            self._look()
        if logs is not None and self.norms:
            logs["gradient_norm"] = float(np.sqrt(sum(norms[-1] ** 2 for norms in self.norms.values())))

    def _look(self) -> None:
        block = self.model.programs.state.block
        for i, weight in enumerate(self.model.trainable_weights):
            norm = float(np.linalg.norm(block.gradient(i).astype(np.float64)))
            self.norms.setdefault(weight.path, []).append(norm)
            if not norm <= self.high:
                self._warn(weight.path, "explodes", norm)
            elif norm < self.low:
                self._warn(weight.path, "vanishes", norm)

    def _warn(self, path: str, what: str, norm: float) -> None:
        if self.verbose and (path, what) not in self._warned:
            self._warned.add((path, what))  # once is enough
            say(f"GradientMonitor: the gradient of {path} {what}: its norm is {norm:.3g}; see nnfast.diagnose")
