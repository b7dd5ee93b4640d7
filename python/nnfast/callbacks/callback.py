"""The base of callbacks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeVar

Logs = dict[str, Any]
Batches = Literal["never", "sometimes", "every"]
Method = TypeVar("Method", bound=Callable[..., Any])


def default(method: Method) -> Method:
    """Mark a hook that does nothing, so that nobody needs to call it (Keras marks its own by the same attribute)."""
    method._is_default = True  # type: ignore[attr-defined]
    return method


class Callback:
    """Base of callbacks: override the hooks you need.

    Attributes
    ----------
    model : Model
        The model; set ``model.stop_training = True`` to end training after the batch or the epoch of the hook,
        ``model.stop_evaluating`` or ``model.stop_predicting`` to end the others.
    params : dict
        ``verbose``, ``epochs`` and ``steps`` of the call.
    """

    #: Whether it reads the gradients of the last step, which are kept only then.
    wants_gradients: bool = False

    def __init__(self) -> None:
        self.params: Logs | None = None
        self._model: Any = None

    def set_params(self, params: Logs) -> None:
        """Take note of the settings of the call."""
        self.params = params

    def set_model(self, model: Any) -> None:
        """Take note of the model."""
        self._model = model

    @property
    def model(self) -> Any:
        """The model in training."""
        return self._model

    def wants_batches(self, mode: str) -> Batches:
        """Say how often the batch hooks of `mode` ("train", "test" or "predict") must be called.

        Between two calls a whole run of batches goes through C++ without Python, so "sometimes" (every now and then,
        and after the last batch of an epoch) or "never" is far cheaper than "every". By default it is "every" for a
        class that overrides such a hook, else "never".
        """
        hooks = (f"on_{mode}_batch_begin", f"on_{mode}_batch_end")
        return "every" if any(overrides(self, hook) for hook in hooks) else "never"

    @default
    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Be told that training begins."""

    @default
    def on_train_end(self, logs: Logs | None = None) -> None:
        """Be told the end; `logs` is what the last :meth:`on_epoch_end` got."""

    @default
    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Be told that an epoch begins."""

    @default
    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Be told the epoch's loss and metrics; the names of those of the validation data begin with ``val_``."""

    @default
    def on_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Be called as :meth:`on_train_batch_begin`, of which this is the older name."""

    @default
    def on_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Be called as :meth:`on_train_batch_end`, of which this is the older name."""

    @default
    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Be told that a batch begins."""
        self.on_batch_begin(batch, logs=logs)

    @default
    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Be told the loss and metrics over the batches of the epoch so far."""
        self.on_batch_end(batch, logs=logs)

    @default
    def on_test_begin(self, logs: Logs | None = None) -> None:
        """Be told that an evaluation begins, be it the validation within an epoch."""

    @default
    def on_test_end(self, logs: Logs | None = None) -> None:
        """Be told that an evaluation ends; `logs` holds its figures."""

    @default
    def on_test_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Be told that a batch of an evaluation begins."""

    @default
    def on_test_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Be told the loss and metrics over the batches of the evaluation so far."""

    @default
    def on_predict_begin(self, logs: Logs | None = None) -> None:
        """Be told that a prediction begins."""

    @default
    def on_predict_end(self, logs: Logs | None = None) -> None:
        """Be told that a prediction ends."""

    @default
    def on_predict_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Be told that a batch of a prediction begins."""

    @default
    def on_predict_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Be told that a batch of a prediction ends; `logs` holds its outputs."""


# The train hooks that by default pass on to the hook of the older name.
_OLDER = {"on_train_batch_begin": "on_batch_begin", "on_train_batch_end": "on_batch_end"}


def overrides(callback: Any, hook: str) -> bool:
    """Say whether a hook of `callback` does anything."""
    method = getattr(callback, hook, None)
    if method is not None and not getattr(method, "_is_default", False):
        return True
    return hook in _OLDER and overrides(callback, _OLDER[hook])
