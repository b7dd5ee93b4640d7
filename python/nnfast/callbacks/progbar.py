"""The callback that shows progress."""

from __future__ import annotations

from ..progress import Progress, resolve_verbose
from .callback import Batches, Callback, Logs


class ProgbarLogger(Callback):
    """Shows progress; `fit`, `evaluate` and `predict` add one by themselves."""

    def __init__(self) -> None:
        super().__init__()
        self.epochs = 1
        self.steps: int | None = None
        self._progress = Progress(0)
        self._in_fit = False

    def set_params(self, params: Logs) -> None:
        super().set_params(params)
        self.epochs = params.get("epochs") or 1
        self.steps = params.get("steps")
        self._progress = Progress(resolve_verbose(params.get("verbose", "auto")))

    def wants_batches(self, mode: str) -> Batches:
        return "never" if self._progress.verbose != 1 or (mode == "test" and self._in_fit) else "sometimes"

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._in_fit = True  # validation is part of its epoch and shows nothing of its own

    def on_train_end(self, logs: Logs | None = None) -> None:
        self._in_fit = False
        self._progress.end()

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._progress.start(f"Epoch {epoch + 1:{len(str(self.epochs))}}/{self.epochs}", self.steps)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self._progress.end(logs or {})

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        self._progress.update(batch + 1, logs)

    def on_test_begin(self, logs: Logs | None = None) -> None:
        if not self._in_fit:
            self._progress.start("Evaluate", self.steps)

    def on_test_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        if not self._in_fit:
            self._progress.update(batch + 1, logs)

    def on_test_end(self, logs: Logs | None = None) -> None:
        if not self._in_fit:
            self._progress.end(logs or {})

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        self._progress.start("Predict", self.steps)

    def on_predict_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        self._progress.update(batch + 1)

    def on_predict_end(self, logs: Logs | None = None) -> None:
        self._progress.end()
