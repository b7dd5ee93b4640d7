"""Callbacks that keep or write what training reports."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import IO, Any

import numpy as np

from .callback import Callback, Logs


class History(Callback):
    """What `fit` returns: the loss and metrics of each epoch.

    Attributes
    ----------
    history : dict of list
        For each figure its values, epoch by epoch.
    epoch : list of int
        The numbers of the epochs, from 0.
    rows : list of dict
        What was reported together, epoch by epoch: validation may have missed some of them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.history: dict[str, list[Any]] = {}
        self.epoch: list[int] = []
        self.rows: list[Logs] = []

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.epoch = []

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self.epoch.append(epoch)
        self.rows.append({"epoch": epoch, **(logs or {})})
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)
        self.model.history = self

    def to_frame(self) -> Any:
        """Return a pandas DataFrame with a row an epoch and a column a figure; what was not reported is NaN.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise ImportError("History.to_frame() needs pandas, which is not installed: pip install pandas") from error
        return pd.DataFrame.from_records(self.rows, columns=["epoch", *self.history]).set_index("epoch")

    def plot(self, metrics: Sequence[str] | str | None = None, axes: Any = None) -> Any:
        """Draw the learning curves; see `nnfast.plots.plot_history`."""
        from ..plots import plot_history

        return plot_history(self, metrics=metrics, axes=axes)


class CSVLogger(Callback):
    """Writes the loss and metrics of each epoch to a CSV file.

    Parameters
    ----------
    filename : path-like
        The file. Its columns are ``epoch`` and the figures of the first epoch in alphabetical order; if none of them is
        of validation data, columns for those follow. What an epoch does not report is ``NA``.
    separator : str, default ","
        What stands between two columns.
    append : bool, default False
        Go on with the file if there is one, instead of beginning it anew.
    """

    def __init__(self, filename: str | os.PathLike[str], separator: str = ",", append: bool = False) -> None:
        super().__init__()
        self.filename = os.fspath(filename)
        self.sep = separator
        self.append = append
        self.keys: list[str] | None = None
        self.csv_file: IO[str] | None = None
        self.writer: Any = None
        self._wants_header = True

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._close()
        self._wants_header = not (self.append and os.path.exists(self.filename) and os.path.getsize(self.filename))
        self.csv_file = open(self.filename, "a" if self.append else "w", newline="", encoding="utf-8")  # noqa: SIM115
        self.keys = None
        self.writer = None

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        logs = logs or {}
        if self.csv_file is None:
            raise RuntimeError("CSVLogger: on_epoch_end was called before on_train_begin, which opens the file")
        if self.keys is None:
            self.keys = sorted(logs)
            if not any(key.startswith("val_") for key in self.keys):
                self.keys += [f"val_{key}" for key in self.keys if not key.startswith("learning_rate")]
            import csv

            self.writer = csv.writer(self.csv_file, delimiter=self.sep)
            if self._wants_header:
                self.writer.writerow(["epoch", *self.keys])
        self.writer.writerow([epoch, *(_cell(logs.get(key, "NA")) for key in self.keys)])
        self.csv_file.flush()

    def on_train_end(self, logs: Logs | None = None) -> None:
        self._close()

    def _close(self) -> None:
        if self.csv_file is not None:
            self.csv_file.close()
            self.csv_file = None


def _cell(value: Any) -> Any:
    return f"[{', '.join(map(str, np.ravel(value).tolist()))}]" if np.ndim(value) else value
