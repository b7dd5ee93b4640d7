"""Variables: parameters and states of layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import _core
from .arrays import as_array
from .tensor import Operators


class Variable(Operators):
    """An array that layers keep from one step to the next.

    Parameters
    ----------
    initializer : array-like or callable
        The first contents, or a function of ``(shape, dtype)`` that makes them.
    shape : sequence of int, optional
        Its shape; needed where `initializer` is a function.
    dtype : str, default "float32"
        ``"float32"`` or ``"int32"``.
    trainable : bool, default True
        Whether optimizers change it.
    name : str, default "variable"
        Its name.

    Raises
    ------
    ValueError
        If the shape is missing, or a value assigned has another shape.
    """

    def __init__(
        self,
        initializer: Any,
        shape: Sequence[int] | None = None,
        dtype: str | None = None,
        trainable: bool = True,
        name: str = "variable",
    ):
        self.dtype = dtype or "float32"
        if callable(initializer):
            if shape is None:
                raise ValueError(f"Variable {name!r}: expected a shape beside the initializer; received none")
            initializer = initializer(tuple(shape), dtype=self.dtype)
        value = np.asarray(initializer, self.dtype)
        if shape is not None and value.shape != tuple(shape):
            raise ValueError(
                f"Variable {name!r}: expected an initial value of shape {tuple(shape)}; received {value.shape}"
            )
        self.name = name
        self.path = name
        self.trainable = trainable
        self.regularizer: Callable[[Any], Any] | None = None
        self.constraint: Callable[[Any], Any] | None = None
        self.learning_rate_multiplier = 1.0
        self.core = _core.Variable(name, value.shape, self.dtype)
        self.core.assign(value)

    @property
    def shape(self) -> tuple[int, ...]:  # type: ignore[override]
        """Its shape."""
        return self.core.shape

    @property
    def value(self) -> np.ndarray:
        """A copy of the contents."""
        return self.core.numpy()

    def numpy(self) -> np.ndarray:
        """Return a copy of the contents."""
        return self.core.numpy()

    def assign(self, value: Any) -> Variable:
        """Replace the contents by an array of the same shape.

        While a step is traced (inside a layer's ``call``), the assignment becomes part of the step. What the layer
        computes from the variable afterwards is computed, and differentiated, from the new value.
        """
        from .tensor import Tensor, current_trace

        if isinstance(value, Tensor):
            value.trace.assign(self, value)
            return self
        array = self.checked(value)
        if (trace := current_trace()) is not None:
            trace.assign(self, array)
        else:
            self.core.assign(array)
        return self

    def checked(self, value: Any) -> np.ndarray:
        """Return a value as an array like the variable.

        Raises
        ------
        ValueError
            If it has another shape, or is no number.
        """
        array = np.asarray(value)
        if array.dtype.kind not in "fiub" or isinstance(value, np.ma.MaskedArray):
            array = as_array(value, f"Variable {self.path!r}")
        if array.shape != self.shape:
            raise ValueError(f"Variable {self.path!r}: expected a value of shape {self.shape}; received {array.shape}")
        return array.astype(self.dtype, copy=False)

    def assign_add(self, value: Any) -> Variable:
        """Add to the contents."""
        return self.assign(self + value if _traced() else self.value + value)

    def assign_sub(self, value: Any) -> Variable:
        """Subtract from the contents."""
        return self.assign(self - value if _traced() else self.value - value)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        array = self.core.numpy()
        return array if dtype is None else array.astype(dtype)

    def _use_numpy(self, ufunc: Any, method: str, inputs: Any, kwargs: Any) -> Any:
        """Give NumPy's functions the contents."""
        if _traced():
            raise TypeError(
                f"np.{ufunc.__name__} would make a constant of variable {self.path!r} in the step that is traced; "
                "use nnfast.ops"
            )
        contents = (item.numpy() if isinstance(item, Variable) else item for item in inputs)
        return getattr(ufunc, method)(*contents, **kwargs)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "core": self.numpy()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.core = _core.Variable(self.name, state["core"].shape, self.dtype)
        self.core.assign(state["core"])

    def __bool__(self) -> bool:
        return bool(self.numpy())

    def __float__(self) -> float:
        return float(self.numpy())

    def __int__(self) -> int:
        return int(self.numpy())

    def __repr__(self) -> str:
        return f"<Variable path={self.path} shape={self.shape} dtype={self.dtype}>"


def _traced() -> bool:
    from .tensor import current_trace

    return current_trace() is not None
