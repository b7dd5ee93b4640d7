"""Callbacks that write the model to disk while it trains."""

from __future__ import annotations

import os
import warnings
from typing import Any

import numpy as np

from ..messages import say
from ..saving import restore_training, save_training
from .callback import Batches, Callback, Logs
from .monitor import MonitorCallback


class _SaveFrequency(Callback):
    """Counts batches for `save_freq`, which is "epoch" or a number of batches."""

    save_freq: Any

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self._batches_since_save = 0
        self._last_batch = -1
        self._epoch = 0

    def wants_batches(self, mode: str) -> Batches:
        return "every" if mode == "train" and self.save_freq != "epoch" else "never"

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._epoch = epoch
        self._last_batch = -1

    def _is_due(self, batch: int) -> bool:
        if self.save_freq == "epoch":
            return False
        self._batches_since_save += batch - self._last_batch
        self._last_batch = batch
        if self._batches_since_save < self.save_freq:
            return False
        self._batches_since_save = 0
        return True


class ModelCheckpoint(_SaveFrequency, MonitorCallback):
    """Saves the model, or its weights, after each epoch or every so many batches.

    Parameters
    ----------
    filepath : path-like
        The file; it may hold fields like ``{epoch:02d}``, ``{batch}`` and ``{val_loss:.2f}``, epochs and batches being
        counted from 1. Missing folders are made.
    monitor : str, default "val_loss"
        The figure that `save_best_only` compares.
    verbose : int, default 0
        1 reports each decision.
    save_best_only : bool, default False
        Save only when the figure is better than ever.
    save_weights_only : bool, default False
        Call ``model.save_weights`` instead of ``model.save``.
    mode : {"auto", "min", "max"}, default "auto"
        Whether less or more is better; "auto" asks the metric.
    save_freq : "epoch" or int, default "epoch"
        When to save; a number counts batches.
    initial_value_threshold : float, optional
        The best value so far at the beginning.

    Raises
    ------
    ValueError
        If `save_freq` is neither, or, in training, if a field of `filepath` is not in the logs.
    """

    def __init__(
        self,
        filepath: str | os.PathLike[str],
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq: str | int = "epoch",
        initial_value_threshold: float | None = None,
    ) -> None:
        super().__init__(monitor, mode, initial_value_threshold)
        if save_freq != "epoch" and not _is_count(save_freq):
            raise ValueError(f"Unrecognized save_freq: {save_freq!r}; expected 'epoch' or a number of batches")
        self.filepath = os.fspath(filepath)
        self.verbose = verbose
        self.save_best_only = save_best_only
        self.save_weights_only = save_weights_only
        self.save_freq = save_freq

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        if self._is_due(batch):
            self._save(self._epoch, batch, logs or {})

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if self.save_freq == "epoch":
            self._save(epoch, None, logs or {})

    def _save(self, epoch: int, batch: int | None, logs: Logs) -> None:
        fields = {"epoch": epoch + 1, **({} if batch is None else {"batch": batch + 1}), **logs}
        try:
            path = self.filepath.format(**fields)
        except (KeyError, IndexError) as error:
            raise ValueError(
                f"ModelCheckpoint: `filepath` {self.filepath!r} has a field that is not in the logs: {error}; "
                f"there are: {', '.join(fields)}"
            ) from None
        if self.save_best_only and not self._is_best(epoch, logs, path):
            return
        if self.verbose and not self.save_best_only:
            say(f"Epoch {epoch + 1}: saving model to {path}")
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        if self.save_weights_only:
            self.model.save_weights(path, overwrite=True)
        else:
            self.model.save(path, overwrite=True)

    def _is_best(self, epoch: int, logs: Logs, path: str) -> bool:
        value = logs.get(self.monitor)
        if value is None or np.ndim(value):
            warnings.warn(
                f"Can save best model only with {self.monitor} available and a number; received {value!r}. "
                f"Available metrics are: {', '.join(logs)}. Saving anyway",
                stacklevel=4,
            )
            return True
        best = "None" if self.best is None else f"{self.best:.5f}"
        if not self._is_improvement(value, self.best):
            if self.verbose:
                say(f"Epoch {epoch + 1}: {self.monitor} did not improve from {best}")
            return False
        if self.verbose:
            say(f"Epoch {epoch + 1}: {self.monitor} improved from {best} to {value:.5f}, saving model to {path}")
        self.best = value
        return True


class BackupAndRestore(_SaveFrequency):
    """Saves the state of training as it goes on, and restores it when `fit` is called again after an interruption.

    Training resumed after an epoch goes on with the same bits as if it had not been interrupted. Resumed after a
    backup within an epoch, it begins that epoch again, as in Keras.

    Parameters
    ----------
    backup_dir : path-like
        A folder of its own for the backup; it is made, and removed when training has come to its end.
    save_freq : "epoch" or int, default "epoch"
        When to save; a number counts batches.
    double_checkpoint : bool, default False
        Keep the backup before the last, too, and restore that where the last is damaged.
    delete_checkpoint : bool, default True
        Remove the folder at the end of training.

    Raises
    ------
    ValueError
        If `backup_dir` is empty or `save_freq` neither "epoch" nor a number; in training, if the backup is of another
        model.
    """

    def __init__(
        self,
        backup_dir: str | os.PathLike[str],
        save_freq: str | int = "epoch",
        double_checkpoint: bool = False,
        delete_checkpoint: bool = True,
    ) -> None:
        super().__init__()
        if not backup_dir:
            raise ValueError(f"Empty `backup_dir` argument passed: {backup_dir!r}")
        if save_freq != "epoch" and not _is_count(save_freq):
            raise ValueError(
                f"Invalid value for argument `save_freq`. Received: save_freq={save_freq!r}. "
                "Expected either 'epoch' or an integer value."
            )
        self.backup_dir = os.fspath(backup_dir)
        self.save_freq = save_freq
        self.double_checkpoint = double_checkpoint
        self.delete_checkpoint = delete_checkpoint
        self._path = os.path.join(self.backup_dir, "latest.safetensors")
        self._previous_path = os.path.join(self.backup_dir, "previous.safetensors")

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._batches_since_save = 0
        if not os.path.exists(self._path) and not os.path.exists(self._previous_path):
            return
        try:
            notes = restore_training(self.model, self._path)
        except (ValueError, FileNotFoundError):
            if not os.path.exists(self._previous_path):
                raise
            notes = restore_training(self.model, self._previous_path)
        self.model.resume_epoch = notes["epoch"]

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        if self._is_due(batch):
            self._save(self._epoch)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if self.save_freq == "epoch":
            self._save(epoch + 1)

    def on_train_end(self, logs: Logs | None = None) -> None:
        if self.delete_checkpoint and os.path.isdir(self.backup_dir):
            from shutil import rmtree

            rmtree(self.backup_dir)

    def _save(self, next_epoch: int) -> None:
        os.makedirs(self.backup_dir, exist_ok=True)
        if self.double_checkpoint and os.path.exists(self._path):
            os.replace(self._path, self._previous_path)
        save_training(self.model, self._path, {"epoch": next_epoch})


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
