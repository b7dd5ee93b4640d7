"""The list that calls all callbacks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from .callback import Batches, Callback, Logs, overrides
from .progbar import ProgbarLogger
from .records import History


class CallbackList(Callback):
    """Several callbacks in one; each call reaches those that override the hook, in order.

    Parameters
    ----------
    callbacks : Callback or iterable of Callback, optional
        The callbacks; lists may be nested.
    add_history : bool, default False
        Add a `History` unless there is one.
    add_progbar : bool, default False
        Add a `ProgbarLogger` unless there is one.
    model : Model, optional
        Handed to each callback.
    **params
        Handed to each callback as its ``params``.

    Raises
    ------
    TypeError
        If something in `callbacks` has none of the hooks.
    """

    def __init__(
        self,
        callbacks: Any = None,
        add_history: bool = False,
        add_progbar: bool = False,
        model: Any = None,
        **params: Any,
    ) -> None:
        super().__init__()
        self.callbacks: list[Any] = list(_flat(callbacks))
        self._hooked: dict[str, list[Callable[..., Any]]] = {}
        if add_history and not any(isinstance(callback, History) for callback in self.callbacks):
            self.callbacks.append(History())
        if add_progbar and not any(isinstance(callback, ProgbarLogger) for callback in self.callbacks):
            self.callbacks.append(ProgbarLogger())
        self.set_model(model)
        self.set_params(params)

    @property
    def history(self) -> Any:
        """The `History` among the callbacks, or None."""
        return next((callback for callback in self.callbacks if isinstance(callback, History)), None)

    def append(self, callback: Callback) -> None:
        """Add a callback at the end."""
        self.callbacks.extend(_flat(callback))
        self._hooked.clear()
        callback.set_model(self.model)
        if self.params:
            callback.set_params(self.params)

    def set_params(self, params: Logs) -> None:
        super().set_params(params)
        if params:
            for callback in self.callbacks:
                callback.set_params(params)

    def set_model(self, model: Any) -> None:
        if model is None:
            return
        super().set_model(model)
        if self.history is not None:
            model.history = self.history
        for callback in self.callbacks:
            callback.set_model(model)

    def wants_batches(self, mode: str) -> Batches:
        """Say how often the batch hooks of `mode` must be called: as often as the most curious callback wants."""
        wishes = {_wish(callback, mode) for callback in self.callbacks}
        return "every" if "every" in wishes else "sometimes" if "sometimes" in wishes else "never"

    @property
    def wants_gradients(self) -> bool:  # type: ignore[override]
        """Whether one of the callbacks reads the gradients of the last step."""
        return any(getattr(callback, "wants_gradients", False) for callback in self.callbacks)

    def _call(self, hook: str, *arguments: Any, logs: Logs | None) -> None:
        methods = self._hooked.get(hook)
        if methods is None:
            methods = [getattr(callback, hook) for callback in self.callbacks if overrides(callback, hook)]
            self._hooked[hook] = methods
        if not methods:
            return
        plain = _plain(logs)
        if hook.endswith(("batch_begin", "batch_end")):
            for method in methods:
                method(*arguments, logs=plain)
        else:  # by position: what stands in a LambdaCallback may call the argument what it likes
            for method in methods:
                method(*arguments, plain)

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._call("on_train_begin", logs=logs)

    def on_train_end(self, logs: Logs | None = None) -> None:
        self._call("on_train_end", logs=logs)

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._call("on_epoch_begin", epoch, logs=logs)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self._call("on_epoch_end", epoch, logs=logs)

    def on_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        self.on_train_batch_begin(batch, logs)

    def on_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        self.on_train_batch_end(batch, logs)

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        self._call("on_train_batch_begin", batch, logs=logs)

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        self._call("on_train_batch_end", batch, logs=logs)

    def on_test_begin(self, logs: Logs | None = None) -> None:
        self._call("on_test_begin", logs=logs)

    def on_test_end(self, logs: Logs | None = None) -> None:
        self._call("on_test_end", logs=logs)

    def on_test_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        self._call("on_test_batch_begin", batch, logs=logs)

    def on_test_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        self._call("on_test_batch_end", batch, logs=logs)

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        self._call("on_predict_begin", logs=logs)

    def on_predict_end(self, logs: Logs | None = None) -> None:
        self._call("on_predict_end", logs=logs)

    def on_predict_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        self._call("on_predict_batch_begin", batch, logs=logs)

    def on_predict_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        self._call("on_predict_batch_end", batch, logs=logs)


def _flat(callbacks: Any) -> Iterable[Any]:
    if callbacks is None:
        return
    if isinstance(callbacks, CallbackList):
        callbacks = callbacks.callbacks
    if isinstance(callbacks, (list, tuple)):
        for callback in callbacks:
            yield from _flat(callback)
    elif isinstance(callbacks, type) or not hasattr(callbacks, "set_model"):
        raise TypeError(
            f"callbacks: expected objects of classes derived from nnfast.callbacks.Callback; received {callbacks!r}"
            + ("; call the class to make an object of it" if isinstance(callbacks, type) else "")
        )
    else:
        yield callbacks


def _wish(callback: Any, mode: str) -> Batches:
    if hasattr(callback, "wants_batches"):
        return callback.wants_batches(mode)
    return Callback.wants_batches(callback, mode)


def _plain(logs: Logs | None) -> Logs:
    """Turn figures into Python numbers; what has more than one element stays an array."""
    return {
        name: value if type(value) is float or np.ndim(value) else float(value) for name, value in (logs or {}).items()
    }
