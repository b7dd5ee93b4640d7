"""Callbacks that watch one figure: stop early, lower the learning rate."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Callable
from numbers import Real
from typing import Any

from ..messages import say
from .callback import Callback, Logs


def _number(callback: Callback, name: str, value: Any) -> Any:
    if not isinstance(value, Real):
        raise ValueError(f"{type(callback).__name__}: expected {name} to be a number; received {value!r}")
    return value


class MonitorCallback(Callback):
    """Base of the callbacks that compare a figure with the best so far.

    Parameters
    ----------
    monitor : str, default "val_loss"
        The figure's name in the logs.
    mode : {"auto", "min", "max"}, default "auto"
        Whether less or more is better; "auto" asks the metric.
    baseline : float, optional
        The best so far at the beginning.
    min_delta : float, default 0
        By how much a value must be better than the best.

    Raises
    ------
    ValueError
        After the first epoch, if `mode` is "auto" and the model has no metric of that name.
    """

    def __init__(
        self, monitor: str = "val_loss", mode: str = "auto", baseline: float | None = None, min_delta: float = 0
    ) -> None:
        super().__init__()
        if mode not in ("auto", "min", "max"):
            warnings.warn(
                f"{type(self).__name__} mode '{mode}' is unknown, fallback to auto mode; there are 'min' and 'max'",
                stacklevel=3,
            )
            mode = "auto"
        self.monitor = monitor
        self.mode = mode
        self.best = baseline
        self.min_delta = abs(_number(self, "min_delta", min_delta))
        self.monitor_op: Callable[[Any, Any], bool] | None = None

    def _set_monitor_op(self) -> None:
        """Settle the direction; only after the first epoch are all metrics known."""
        more_is_better = {"min": False, "max": True}.get(self.mode)
        if more_is_better is None:
            more_is_better = self._direction()
        self.monitor_op = operator.gt if more_is_better else operator.lt
        if not more_is_better:
            self.min_delta = -self.min_delta

    def _direction(self) -> bool:
        name = self.monitor.removeprefix("val_")
        if name.endswith("loss"):
            return False
        metrics = getattr(self.model, "metrics", None) or []
        for metric in metrics:
            if metric.name == name and getattr(metric, "_direction", None) in ("up", "down"):
                return metric._direction == "up"
        raise ValueError(
            f"{type(self).__name__} callback received monitor={self.monitor!r}, and cannot tell whether more of it is "
            f"better; the model's metrics are: {', '.join(metric.name for metric in metrics) or 'none'}. Correct "
            "the name, or pass mode='max' or mode='min'"
        )

    def _is_improvement(self, value: Any, reference: Any) -> bool:
        if reference is None:
            return True
        if self.monitor_op is None:
            self._set_monitor_op()
        assert self.monitor_op is not None
        return bool(self.monitor_op(value - self.min_delta, reference))

    def _monitored(self, logs: Logs | None, purpose: str) -> Any:
        if self.monitor_op is None:
            self._set_monitor_op()
        value = (logs or {}).get(self.monitor)
        if value is None:
            warnings.warn(
                f"{purpose} metric `{self.monitor}` which is not available. "
                f"Available metrics are: {', '.join(logs or {})}",
                stacklevel=3,
            )
        return value


class EarlyStopping(MonitorCallback):
    """Ends training when a figure has not become better for some epochs.

    Parameters
    ----------
    monitor : str, default "val_loss"
        The figure's name in the logs.
    min_delta : float, default 0
        A change by less counts as none.
    patience : int, default 0
        After how many epochs without a better value training ends.
    verbose : int, default 0
        1 reports it.
    mode : {"auto", "min", "max"}, default "auto"
        Whether less or more is better; "auto" asks the metric.
    baseline : float, optional
        The patience is spent, too, while values are not better than this.
    restore_best_weights : bool, default False
        At the end put the weights of the best epoch back.
    start_from_epoch : int, default 0
        How many epochs pass before the figure is watched.

    Raises
    ------
    ValueError
        If what should be a number is none.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        super().__init__(monitor, mode, min_delta=min_delta)
        self.patience = _number(self, "patience", patience)
        self.verbose = verbose
        self.baseline = baseline
        self.restore_best_weights = restore_best_weights
        self.start_from_epoch = _number(self, "start_from_epoch", start_from_epoch)
        self.wait = 0
        self.stopped_epoch = 0
        self.best_epoch = 0
        self.best_weights: Any = None

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.wait = 0
        self.stopped_epoch = 0
        self.best = None
        self.best_epoch = 0
        self.best_weights = None

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        value = self._monitored(logs, "Early stopping conditioned on")
        if value is None or epoch < self.start_from_epoch:
            return
        self.wait += 1
        better = self._is_improvement(value, self.best)
        if better:
            self.best = value
            self.best_epoch = epoch
            if self.restore_best_weights:
                self.best_weights = self.model.get_weights()
            if self.baseline is None or self._is_improvement(value, self.baseline):
                self.wait = 0
        elif self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: Logs | None = None) -> None:
        if self.stopped_epoch > 0 and self.verbose:
            say(f"Epoch {self.stopped_epoch + 1}: early stopping")
        if self.best_weights is not None:
            if self.verbose:
                say(f"Restoring model weights from the end of the best epoch: {self.best_epoch + 1}.")
            self.model.set_weights(self.best_weights)


class ReduceLROnPlateau(MonitorCallback):
    """Lowers the learning rate when a figure has not become better for some epochs.

    Parameters
    ----------
    monitor : str, default "val_loss"
        The figure's name in the logs.
    factor : float, default 0.1
        What the rate is multiplied by; below 1.
    patience : int, default 10
        After how many epochs without a better value the rate is lowered.
    verbose : int, default 0
        1 reports it.
    mode : {"auto", "min", "max"}, default "auto"
        Whether less or more is better; "auto" asks the metric.
    min_delta : float, default 1e-4
        A change by less counts as none.
    cooldown : int, default 0
        How many epochs pass after that before the figure is watched again.
    min_lr : float, default 0.0
        The rate is never set lower.

    Raises
    ------
    ValueError
        If `factor` is not below 1, or what should be a number is none.
    TypeError
        In training, if the optimizer has a schedule of its own.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        super().__init__(monitor, mode, min_delta=min_delta)
        if _number(self, "factor", factor) >= 1.0:
            raise ValueError(f"ReduceLROnPlateau does not support a factor >= 1.0. Received factor={factor}")
        self.factor = factor
        self.patience = _number(self, "patience", patience)
        self.verbose = verbose
        self.cooldown = _number(self, "cooldown", cooldown)
        self.min_lr = _number(self, "min_lr", min_lr)
        self.wait = 0
        self.cooldown_counter = 0

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.best = None
        self.wait = 0
        self.cooldown_counter = 0

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if logs is not None:
            logs["learning_rate"] = float(self.model.optimizer.learning_rate)
        value = self._monitored(logs, "Learning rate reduction is conditioned on")
        if value is None:
            return
        if self.in_cooldown():
            self.cooldown_counter -= 1
            self.wait = 0
        if self._is_improvement(value, self.best):
            self.best = value
            self.wait = 0
        elif not self.in_cooldown():
            self.wait += 1
            if self.wait >= self.patience:
                self._reduce(epoch)

    def in_cooldown(self) -> bool:
        """Say whether the rate was lowered less than `cooldown` epochs ago."""
        return self.cooldown_counter > 0

    def _reduce(self, epoch: int) -> None:
        optimizer = self.model.optimizer
        rate = float(optimizer.learning_rate)
        if rate <= self.min_lr * (1 + 1e-6):  # the optimizer may hold the rate in float32
            return
        rate = max(rate * self.factor, self.min_lr)
        optimizer.learning_rate = rate
        self.cooldown_counter = self.cooldown
        self.wait = 0
        if self.verbose:
            say(f"Epoch {epoch + 1}: ReduceLROnPlateau reducing learning rate to {rate:g}.")
