"""Learning rates that change as training proceeds: a schedule is called with the number of steps taken so far.

Names, defaults and formulas are those of Keras 3; `CyclicalLearningRate`, `OneCycle` and `StepDecay`, which Keras
lacks, say where theirs come from. A schedule takes one step or an array of steps, and returns a float or an array.
"""

from __future__ import annotations

import inspect
import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..numeric import real
from ..registry import Registry

Steps = Any  # a number of steps, or an array of them


class LearningRateSchedule:
    """Base of all schedules: override ``__call__(step)``; the settings of ``__init__`` are saved by their names."""

    def __call__(self, step: Steps) -> Any:
        raise NotImplementedError(
            f"Learning rate schedule '{type(self).__name__}' must override `__call__(self, step)`."
        )

    def get_config(self) -> dict[str, Any]:
        """Return the settings from which :meth:`from_config` makes an equal schedule."""
        names = [name for name in inspect.signature(type(self).__init__).parameters if name != "self"]
        missing = [name for name in names if not hasattr(self, name)]
        if missing:
            raise NotImplementedError(
                f"Learning rate schedule '{type(self).__name__}' must override `get_config()`, or keep its setting "
                f"{missing[0]!r} as an attribute of that name, in order to be serializable."
            )
        return {name: getattr(self, name) for name in names}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> LearningRateSchedule:
        """Make a schedule from the settings that :meth:`get_config` returned."""
        return cls(**config)


registry = Registry("learning rate schedule", LearningRateSchedule)
get, serialize, deserialize = registry.get, registry.serialize, registry.deserialize


class Formula(LearningRateSchedule):
    """Base of the schedules below: override :meth:`rate`, which gets and returns a float64 array of one axis."""

    def __call__(self, step: Steps) -> Any:
        steps = np.asarray(step).astype(np.float64)
        # One step goes through an array too: NumPy's functions may round a scalar otherwise.
        rates = self.rate(steps.reshape(-1)).reshape(steps.shape)
        return float(rates) if rates.ndim == 0 else rates

    def rate(self, step: np.ndarray) -> np.ndarray:
        raise NotImplementedError


def check_positive(**settings: float) -> None:
    """Raise ValueError unless each setting is above 0."""
    for name, value in settings.items():
        if real(value) is None or value <= 0:
            raise ValueError(f"Argument `{name}` must be > 0. Received: {name}={value!r}")


def check_numbers(**settings: Any) -> None:
    """Raise ValueError unless each setting is a finite number."""
    for name, value in settings.items():
        if real(value) is None:
            raise ValueError(f"Argument `{name}` must be a number. Received: {name}={value!r}")


@registry.add()
class ExponentialDecay(Formula):
    """``initial_learning_rate · decay_rate^(step / decay_steps)``.

    Parameters
    ----------
    initial_learning_rate : float
        The rate at step 0.
    decay_steps : int
        After this many steps the rate has been multiplied by `decay_rate`.
    decay_rate : float
        What the rate is multiplied by.
    staircase : bool, default False
        Round ``step / decay_steps`` down, so that the rate falls in stairs.
    name : str, default "ExponentialDecay"
        As in Keras; it has no effect.

    Raises
    ------
    ValueError
        If `decay_steps` is not positive.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        decay_rate: float,
        staircase: bool = False,
        name: str = "ExponentialDecay",
    ):
        check_positive(decay_steps=decay_steps)
        check_numbers(initial_learning_rate=initial_learning_rate, decay_rate=decay_rate)
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.decay_rate = decay_rate
        self.staircase = staircase
        self.name = name

    def rate(self, step: np.ndarray) -> np.ndarray:
        times = step / self.decay_steps
        return self.initial_learning_rate * self.decay_rate ** (np.floor(times) if self.staircase else times)


@registry.add()
class PiecewiseConstantDecay(Formula):
    """``values[0]`` up to and including step ``boundaries[0]``, then ``values[1]``, and so on.

    Parameters
    ----------
    boundaries : sequence of int
        The last step of each value but the last, increasing.
    values : sequence of float
        The rates, one more than there are boundaries.
    name : str, default "PiecewiseConstant"
        As in Keras; it has no effect.

    Raises
    ------
    ValueError
        If the numbers of boundaries and values do not fit, or the boundaries do not increase.
    """

    def __init__(self, boundaries: Sequence[float], values: Sequence[float], name: str = "PiecewiseConstant"):
        if len(boundaries) != len(values) - 1:
            raise ValueError(
                "The length of boundaries should be 1 less than the length of values. "
                f"Received: boundaries={boundaries} of length {len(boundaries)}, and values={values} "
                f"of length {len(values)}."
            )
        if any(low >= high for low, high in itertools.pairwise(boundaries)):
            raise ValueError(f"Argument `boundaries` must increase. Received: boundaries={boundaries}")
        self.boundaries = boundaries
        self.values = values
        self.name = name

    def rate(self, step: np.ndarray) -> np.ndarray:
        return np.asarray(self.values, dtype=np.float64)[np.searchsorted(self.boundaries, step, side="left")]


@registry.add()
class PolynomialDecay(Formula):
    """``(initial_learning_rate - end_learning_rate) · (1 - step / decay_steps)^power + end_learning_rate``.

    From `decay_steps` on the rate stays at `end_learning_rate`.

    Parameters
    ----------
    initial_learning_rate : float
        The rate at step 0.
    decay_steps : int
        The step at which `end_learning_rate` is reached.
    end_learning_rate : float, default 0.0001
        The lowest rate.
    power : float, default 1.0
        The power of the polynomial: 1 is a straight line.
    cycle : bool, default False
        Beyond `decay_steps`, start again with `decay_steps` twice, three times, … as large.
    name : str, default "PolynomialDecay"
        As in Keras; it has no effect.

    Raises
    ------
    ValueError
        If `decay_steps` is not positive.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        end_learning_rate: float = 0.0001,
        power: float = 1.0,
        cycle: bool = False,
        name: str = "PolynomialDecay",
    ):
        check_positive(decay_steps=decay_steps)
        check_numbers(initial_learning_rate=initial_learning_rate, end_learning_rate=end_learning_rate, power=power)
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.end_learning_rate = end_learning_rate
        self.power = power
        self.cycle = cycle
        self.name = name

    def rate(self, step: np.ndarray) -> np.ndarray:
        cycles = np.maximum(np.ceil(step / self.decay_steps), 1) if self.cycle else 1
        done = np.minimum(step / (self.decay_steps * cycles), 1)
        return (self.initial_learning_rate - self.end_learning_rate) * (1 - done) ** self.power + self.end_learning_rate


@registry.add()
class InverseTimeDecay(Formula):
    """``initial_learning_rate / (1 + decay_rate · step / decay_steps)``.

    Parameters
    ----------
    initial_learning_rate : float
        The rate at step 0.
    decay_steps : int
        How many steps count as one unit of time.
    decay_rate : float
        How fast the rate falls.
    staircase : bool, default False
        Round ``step / decay_steps`` down, so that the rate falls in stairs.
    name : str, default "InverseTimeDecay"
        As in Keras; it has no effect.

    Raises
    ------
    ValueError
        If `decay_steps` is not positive.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        decay_rate: float,
        staircase: bool = False,
        name: str = "InverseTimeDecay",
    ):
        check_positive(decay_steps=decay_steps)
        check_numbers(initial_learning_rate=initial_learning_rate, decay_rate=decay_rate)
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.decay_rate = decay_rate
        self.staircase = staircase
        self.name = name

    def rate(self, step: np.ndarray) -> np.ndarray:
        time = step / self.decay_steps
        return self.initial_learning_rate / (1 + self.decay_rate * (np.floor(time) if self.staircase else time))


@registry.add()
class CosineDecay(Formula):
    """Half a cosine from the initial rate down to `alpha` times that, after a linear warm-up if one is asked for.

    Without a warm-up ``initial_learning_rate · ((1 - alpha) · (1 + cos(π · step / decay_steps)) / 2 + alpha)``, and the
    last rate from `decay_steps` on (Loshchilov & Hutter, https://arxiv.org/abs/1608.03983). With one, the rate first
    goes in a straight line from `initial_learning_rate` to `warmup_target` (Goyal et al.,
    https://arxiv.org/abs/1706.02677), from which the cosine then starts.

    Parameters
    ----------
    initial_learning_rate : float
        The rate at step 0.
    decay_steps : int
        How long the cosine takes.
    alpha : float, default 0.0
        The last rate, as a share of the one the cosine starts from.
    name : str, default "CosineDecay"
        As in Keras; it has no effect.
    warmup_target : float, optional
        The rate at the end of the warm-up; None for no warm-up.
    warmup_steps : int, default 0
        How long the warm-up takes.

    Raises
    ------
    ValueError
        If `decay_steps` is not positive.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        alpha: float = 0.0,
        name: str = "CosineDecay",
        warmup_target: float | None = None,
        warmup_steps: int = 0,
    ):
        check_positive(decay_steps=decay_steps)
        check_numbers(initial_learning_rate=initial_learning_rate, alpha=alpha)
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.alpha = alpha
        self.name = name
        self.warmup_target = warmup_target
        self.warmup_steps = warmup_steps

    def rate(self, step: np.ndarray) -> np.ndarray:
        start, warmup = self.initial_learning_rate, 0
        if self.warmup_target is not None:
            start, warmup = self.warmup_target, self.warmup_steps
        done = np.clip((step - warmup) / self.decay_steps, 0, 1)
        decayed = start * ((1 - self.alpha) * 0.5 * (1 + np.cos(np.pi * done)) + self.alpha)
        if warmup <= 0:
            return decayed
        warm = self.initial_learning_rate + (start - self.initial_learning_rate) * step / warmup
        return np.where(step < warmup, warm, decayed)


@registry.add()
class CosineDecayRestarts(Formula):
    """Half a cosine again and again, each `t_mul` times as long and starting `m_mul` times as high as the one before.

    Loshchilov & Hutter, https://arxiv.org/abs/1608.03983. As in Keras, the lowest rate is `alpha` times the very first
    in every period.

    Parameters
    ----------
    initial_learning_rate : float
        The rate at step 0.
    first_decay_steps : int
        How long the first cosine takes.
    t_mul : float, default 2.0
        How many times longer each is than the one before.
    m_mul : float, default 1.0
        How many times higher each starts than the one before.
    alpha : float, default 0.0
        The lowest rate, as a share of `initial_learning_rate`.
    name : str, default "SGDRDecay"
        As in Keras; it has no effect.

    Raises
    ------
    ValueError
        If `first_decay_steps` is not positive, or `t_mul` is below 1.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        first_decay_steps: int,
        t_mul: float = 2.0,
        m_mul: float = 1.0,
        alpha: float = 0.0,
        name: str = "SGDRDecay",
    ):
        check_positive(first_decay_steps=first_decay_steps)
        if not t_mul >= 1:
            raise ValueError(f"Argument `t_mul` must be >= 1. Received: t_mul={t_mul}")
        check_numbers(initial_learning_rate=initial_learning_rate, t_mul=t_mul, m_mul=m_mul, alpha=alpha)
        self.initial_learning_rate = initial_learning_rate
        self.first_decay_steps = first_decay_steps
        self.t_mul = t_mul
        self.m_mul = m_mul
        self.alpha = alpha
        self.name = name

    def rate(self, step: np.ndarray) -> np.ndarray:
        time = step / self.first_decay_steps
        if self.t_mul == 1:
            period = np.floor(time)
            done = time - period
        else:
            # Period i starts at (t_mul^i - 1) / (t_mul - 1); rounding must not put its first step into the one before.
            period = np.floor(np.log1p(time * (self.t_mul - 1)) / math.log(self.t_mul) + 1e-9)
            length = self.t_mul**period
            done = (time - (length - 1) / (self.t_mul - 1)) / length
        cosine = 0.5 * self.m_mul**period * (1 + np.cos(np.pi * done))
        return self.initial_learning_rate * ((1 - self.alpha) * cosine + self.alpha)


@registry.add()
class CyclicalLearningRate(Formula):
    """Up and down in straight lines between two rates, again and again (Smith, https://arxiv.org/abs/1506.01186).

    Not in Keras; the formula is the paper's, and that of PyTorch's ``CyclicLR``.

    Parameters
    ----------
    initial_learning_rate : float
        The lower rate, at step 0.
    maximal_learning_rate : float
        The upper rate.
    step_size : int
        How many steps half a cycle takes; the paper advises 2 to 8 epochs.
    mode : {"triangular", "triangular2", "exp_range"}, default "triangular"
        Whether all cycles are as high, each half as high as the one before, or the height shrinks by `gamma` each step.
    gamma : float, default 1.0
        For "exp_range".
    name : str, default "CyclicalLearningRate"
        It has no effect.

    Raises
    ------
    ValueError
        If `step_size` is not positive or `mode` is none of the three.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        maximal_learning_rate: float,
        step_size: int,
        mode: str = "triangular",
        gamma: float = 1.0,
        name: str = "CyclicalLearningRate",
    ):
        check_positive(step_size=step_size)
        if mode not in ("triangular", "triangular2", "exp_range"):
            raise ValueError(
                f"Argument `mode` must be 'triangular', 'triangular2' or 'exp_range'. Received: mode={mode!r}"
            )
        check_numbers(
            initial_learning_rate=initial_learning_rate, maximal_learning_rate=maximal_learning_rate, gamma=gamma
        )
        self.initial_learning_rate = initial_learning_rate
        self.maximal_learning_rate = maximal_learning_rate
        self.step_size = step_size
        self.mode = mode
        self.gamma = gamma
        self.name = name

    def rate(self, step: np.ndarray) -> np.ndarray:
        cycle = np.floor(step / (2 * self.step_size))
        height = 1 - np.abs(step / self.step_size - 2 * cycle - 1)
        if self.mode == "triangular2":
            height = height * 0.5**cycle
        elif self.mode == "exp_range":
            height = height * self.gamma**step
        return self.initial_learning_rate + (self.maximal_learning_rate - self.initial_learning_rate) * height


@registry.add()
class OneCycle(Formula):
    """One cycle for the whole training: up, then down far below the start (Smith & Topin, arXiv:1708.07120).

    Not in Keras; names, defaults and formula are those of PyTorch's ``OneCycleLR``, whose momentum this leaves alone.
    Steps beyond the last keep the last rate.

    Parameters
    ----------
    maximal_learning_rate : float
        The highest rate.
    total_steps : int
        The steps of the whole training: epochs times batches an epoch.
    pct_start : float, default 0.3
        The share of the steps in which the rate rises.
    anneal_strategy : {"cos", "linear"}, default "cos"
        The shape of each part.
    div_factor : float, default 25.0
        The first rate is ``maximal_learning_rate / div_factor``.
    final_div_factor : float, default 10000.0
        The last rate is the first divided by this.
    three_phase : bool, default False
        Come down as fast as up, to the first rate, and spend the rest of the steps on the way to the last.
    name : str, default "OneCycle"
        It has no effect.

    Raises
    ------
    ValueError
        If `total_steps` is not positive, `pct_start` is not between 0 and 1, or `anneal_strategy` is neither.
    """

    def __init__(
        self,
        maximal_learning_rate: float,
        total_steps: int,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        name: str = "OneCycle",
    ):
        check_positive(total_steps=total_steps, div_factor=div_factor, final_div_factor=final_div_factor)
        if not 0 <= pct_start <= 1:
            raise ValueError(f"Argument `pct_start` must be between 0 and 1. Received: pct_start={pct_start}")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                f"Argument `anneal_strategy` must be 'cos' or 'linear'. Received: anneal_strategy={anneal_strategy!r}"
            )
        self.maximal_learning_rate = maximal_learning_rate
        self.total_steps = total_steps
        self.pct_start = pct_start
        self.anneal_strategy = anneal_strategy
        self.div_factor = div_factor
        self.final_div_factor = final_div_factor
        self.three_phase = three_phase
        self.name = name

    def rate(self, step: np.ndarray) -> np.ndarray:
        first = self.maximal_learning_rate / self.div_factor
        top = self.pct_start * self.total_steps - 1
        ends = [0.0, top, self.total_steps - 1]
        rates = [first, self.maximal_learning_rate, first / self.final_div_factor]
        if self.three_phase:
            ends.insert(2, 2 * top)
            rates.insert(2, first)
        result = np.full_like(step, rates[-1])
        parts = zip(itertools.pairwise(ends), itertools.pairwise(rates), strict=True)
        for (begin, end), (low, high) in reversed(list(parts)):
            if end > begin:
                done = (step - begin) / (end - begin)
                part = done if self.anneal_strategy == "linear" else 0.5 * (1 - np.cos(np.pi * done))
                result = np.where(step <= end, low + (high - low) * part, result)
        return result


@registry.add()
class StepDecay(Formula):
    """``initial_learning_rate · gamma^⌊step / step_size⌋``: PyTorch's ``StepLR``, counting steps rather than epochs.

    Not in Keras.

    Parameters
    ----------
    initial_learning_rate : float
        The rate of the first `step_size` steps.
    step_size : int
        How many steps each rate lasts.
    gamma : float, default 0.1
        What the rate is multiplied by after each `step_size` steps.
    name : str, default "StepDecay"
        It has no effect.

    Raises
    ------
    ValueError
        If `step_size` is not positive.
    """

    def __init__(self, initial_learning_rate: float, step_size: int, gamma: float = 0.1, name: str = "StepDecay"):
        check_positive(step_size=step_size)
        check_numbers(initial_learning_rate=initial_learning_rate, gamma=gamma)
        self.initial_learning_rate = initial_learning_rate
        self.step_size = step_size
        self.gamma = gamma
        self.name = name

    def rate(self, step: np.ndarray) -> np.ndarray:
        return self.initial_learning_rate * self.gamma ** np.floor(step / self.step_size)
