"""The learning-rate range test: train for a while at rates that grow from step to step, and see how the loss fares.

Leslie N. Smith, "Cyclical learning rates for training neural networks", 2017, https://arxiv.org/abs/1506.01186.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _core
from . import data, loop
from .trial import trial

# The test ends where the smoothed loss is this many times the lowest so far: from there on it only grows.
_DIVERGED = 4.0
# Of the mean that this is judged by, over the last ten steps or so.
_MEMORY = 0.9
# How far the losses are smoothed for the suggestion, as a standard deviation in factors of ten of the rate.
_WIDTH = 0.2
# The smoothed loss must have fallen by this share of where it began, or nothing is suggested.
_LEAST_FALL = 0.05


class LearningRateRange:
    """What `Model.find_learning_rate` found.

    Attributes
    ----------
    rates : numpy.ndarray
        The learning rate of each step, growing by the same factor each time; float64.
    losses : numpy.ndarray
        The loss of the batch of each step, before the step; float64.
    smoothed : numpy.ndarray
        The losses, smoothed along the rates.
    suggestion : float or None
        A good rate to begin with: the geometric mean of the rate at which the smoothed loss fell fastest, which is
        on the safe side, and the one at which it was lowest, which is too high. None where the loss hardly fell.
    """

    def __init__(self, rates: np.ndarray, losses: np.ndarray):
        self.rates = rates
        self.losses = losses
        self.smoothed = _smooth(np.log10(rates), losses)
        self.suggestion = self._suggest()

    def _suggest(self) -> float | None:
        lowest = int(np.argmin(self.smoothed))
        begin = self.smoothed[0]
        if lowest < 2 or begin - self.smoothed[lowest] < _LEAST_FALL * abs(begin):
            return None
        slopes = np.gradient(self.smoothed[: lowest + 1], np.log10(self.rates[: lowest + 1]))
        # Over 32 small trainings (4 data sets, 4 optimizers, with batch normalization and without) the loss after 8
        # epochs was 1.3 times that at the best rate of a grid (median; 2.3 at worst); at the steepest rate 1.8 (5.7).
        return float(np.sqrt(self.rates[np.argmin(slopes)] * self.rates[lowest]))

    def plot(self, axes: Any = None) -> Any:
        """Draw the losses over the rates, with the suggestion; see `nnfast.plots.plot_learning_rate`."""
        from ..plots import plot_learning_rate

        return plot_learning_rate(self, axes)

    def __str__(self) -> str:
        head = f"Learning-rate range test: {len(self.rates)} steps from {self.rates[0]:.3g} to {self.rates[-1]:.3g}, "
        if self.suggestion is None:
            return head + "in which the loss hardly fell: nothing to suggest; look at .plot(), try more steps"
        return head + f"suggestion {self.suggestion:.3g}"

    __repr__ = __str__


def find_learning_rate(
    model: Any, x: Any, y: Any, batch_size: Any, sample_weight: Any, class_weight: Any, min_rate: float,
    max_rate: float, steps: int,
) -> LearningRateRange:  # fmt: skip
    """Run the test; see `Model.find_learning_rate`."""
    if not 0 < min_rate < max_rate < np.inf:
        raise ValueError(
            f"find_learning_rate: expected 0 < min_rate < max_rate; received {min_rate!r} and {max_rate!r}"
        )
    if not isinstance(steps, (int, np.integer)) or steps < 10:
        raise ValueError(f"find_learning_rate: expected at least 10 steps; received {steps!r}")
    if y is None or data.is_generator(x):
        raise ValueError("find_learning_rate: expected arrays x and y; take some batches of a generator together")
    source = loop.make_source(model, x, y, sample_weight, class_weight, batch_size)
    size = min(source.batch_size, source.rows)
    rates = np.geomspace(min_rate, max_rate, steps)
    losses: list[float] = []
    with trial(model):
        program = model.programs.get("train", source.x, source.structure, source.y, source.weights, batch_size=size)
        program.state.steps_taken = model.compile_settings.optimizer.steps
        per_pass = source.rows // size
        mean = weight = 0.0
        lowest = np.inf
        for step in range(steps):
            if step % per_pass == 0:
                order = _core.permutation(source.rows, model.seed, step)
            begin = step % per_pass * size
            rows = order[begin : begin + size]
            loss = float(program.core.train(source.arrays, rows, 0, 1, rates[step : step + 1], model.seed)[0])
            if not np.isfinite(loss):
                break
            losses.append(loss)
            mean = _MEMORY * mean + (1 - _MEMORY) * loss
            weight = _MEMORY * weight + (1 - _MEMORY)
            lowest = min(lowest, mean / weight)
            if mean / weight > _DIVERGED * lowest > 0:
                break
    if len(losses) < 3:
        raise ValueError(
            f"find_learning_rate: expected finite losses at the lowest rates; the loss was not finite after "
            f"{len(losses)} steps at {min_rate:g}; lower min_rate, or look at the model with nnfast.diagnose"
        )
    return LearningRateRange(rates[: len(losses)], np.array(losses))


def _smooth(position: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Average over neighbours, weighted by a Gaussian of their distance."""
    # What has blown up counts no more than the highest loss before the test's lowest: it would drown its neighbours.
    values = np.minimum(values, 2 * np.abs(values[: int(np.argmin(values)) + 1]).max())
    weights = np.exp(-0.5 * ((position[:, None] - position) / _WIDTH) ** 2)
    return weights @ values / weights.sum(axis=1)
