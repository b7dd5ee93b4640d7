"""Callbacks that steer training: functions of the user, the learning rate by epoch, reasons to stop."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable
from numbers import Real
from typing import Any

import numpy as np

from ..messages import say
from .callback import Batches, Callback, Logs


class LambdaCallback(Callback):
    """A callback made of functions.

    Parameters
    ----------
    on_epoch_begin, on_epoch_end : callable, optional
        Called with the epoch's number and the logs.
    on_train_begin, on_train_end : callable, optional
        Called with the logs.
    on_train_batch_begin, on_train_batch_end : callable, optional
        Called with the batch's number and ``logs=``.
    **kwargs
        Any other hook of :class:`Callback`, by its name.
    """

    def __init__(
        self,
        on_epoch_begin: Callable[..., Any] | None = None,
        on_epoch_end: Callable[..., Any] | None = None,
        on_train_begin: Callable[..., Any] | None = None,
        on_train_end: Callable[..., Any] | None = None,
        on_train_batch_begin: Callable[..., Any] | None = None,
        on_train_batch_end: Callable[..., Any] | None = None,
        **kwargs: Callable[..., Any],
    ) -> None:
        super().__init__()
        hooks = {
            "on_epoch_begin": on_epoch_begin,
            "on_epoch_end": on_epoch_end,
            "on_train_begin": on_train_begin,
            "on_train_end": on_train_end,
            "on_train_batch_begin": on_train_batch_begin,
            "on_train_batch_end": on_train_batch_end,
            **kwargs,
        }
        for name, function in hooks.items():
            if function is not None:
                setattr(self, name, function)


class TerminateOnNaN(Callback):
    """Ends training when the loss is no longer finite.

    Parameters
    ----------
    raise_error : bool, default False
        Raise an error instead of ending quietly; then no callback's ``on_train_end`` is called.

    Raises
    ------
    RuntimeError
        In training, if the loss is NaN or infinite and `raise_error` is true.
    """

    def __init__(self, raise_error: bool = False) -> None:
        super().__init__()
        self.raise_error = raise_error

    def wants_batches(self, mode: str) -> Batches:
        # The loss of the epoch so far stays NaN once a batch made it so: a look now and then misses nothing.
        return "sometimes" if mode == "train" else "never"

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        self._check((logs or {}).get("loss"), f"batch {batch}")

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if not self.model.stop_training:
            self._check((logs or {}).get("loss"), f"the end of epoch {epoch + 1}")

    def _check(self, loss: float | None, where: str) -> None:
        if loss is None or np.isfinite(loss):
            return
        if self.raise_error:
            raise RuntimeError(
                f"NaN or Inf loss encountered at {where}: the loss is {loss}. Try a lower learning rate, gradient "
                "clipping, or scaling the inputs"
            )
        say(f"Invalid loss ({loss}) at {where}, terminating training")
        self.model.stop_training = True


class MaxTime(Callback):
    """Ends training after so many seconds (not in Keras).

    Parameters
    ----------
    seconds : float
        The time from the beginning of training; it is checked every few dozen milliseconds and after each epoch.
    verbose : int, default 0
        1 says so when the time is over.

    Raises
    ------
    ValueError
        If `seconds` is not above 0.
    """

    def __init__(self, seconds: float, verbose: int = 0) -> None:
        super().__init__()
        if not (isinstance(seconds, (int, float, np.number)) and seconds > 0):
            raise ValueError(f"MaxTime: expected `seconds` above 0; received {seconds!r}")
        self.seconds = seconds
        self.verbose = verbose
        self._end = 0.0

    def wants_batches(self, mode: str) -> Batches:
        return "sometimes" if mode == "train" else "never"

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._end = time.monotonic() + self.seconds

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        self._check()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self._check()

    def _check(self) -> None:
        if time.monotonic() >= self._end and not self.model.stop_training:
            self.model.stop_training = True
            if self.verbose:
                say(f"{self.seconds:g} seconds are over, terminating training")


class LearningRateScheduler(Callback):
    """Sets the learning rate before each epoch, and enters it into the logs after it.

    Parameters
    ----------
    schedule : callable
        Called with the epoch's number, from 0, and the current rate, or with the number alone if it takes no more;
        returns the new rate.
    verbose : int, default 0
        1 reports each rate.

    Raises
    ------
    ValueError
        In training, if `schedule` returns no number.
    TypeError
        If `schedule` is no function; in training, if the optimizer has a schedule of its own.
    """

    def __init__(self, schedule: Callable[..., float], verbose: int = 0) -> None:
        super().__init__()
        if not callable(schedule):
            raise TypeError(f"LearningRateScheduler: expected a function of the epoch; received {schedule!r}")
        self.schedule = schedule
        self.verbose = verbose

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        optimizer = self.model.optimizer
        arguments = (epoch, float(optimizer.learning_rate))
        rate = self.schedule(*arguments[: _positional(self.schedule)])
        if not isinstance(rate, Real) or isinstance(rate, bool):
            raise ValueError(f"The output of the `schedule` function should be a float. Got: {rate!r}")
        optimizer.learning_rate = float(rate)
        if self.verbose:
            say(f"Epoch {epoch + 1}: LearningRateScheduler setting learning rate to {float(rate)}.")

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if logs is not None:
            logs["learning_rate"] = float(self.model.optimizer.learning_rate)


def _positional(function: Callable[..., Any]) -> int:
    """Count the positional arguments a function takes, up to 2."""
    try:
        inspect.signature(function).bind(0, 0.0)
    except TypeError:
        return 1
    except ValueError:  # built-in functions may have no signature
        return 2
    return 2
