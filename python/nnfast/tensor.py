"""Tensors without numbers: while a step is traced they stand for values of the C++ graph."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from . import _core

Shape = tuple[Any, ...]  # of int, and None where a size is not known


# Layers within layers: a call that leads back to itself is told from them before Python's own limit of about a
# thousand calls, of which each layer takes half a dozen.
_DEEPEST = 64


class Operators:
    """Arithmetic, comparisons and indexing, each by the function of :mod:`nnfast.ops` that does it."""

    shape: Shape

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """Keep an operator between an array and what this is nnfast's own; other functions of NumPy are refused."""
        if method == "__call__" and not kwargs and ufunc.__name__ in OPERATIONS:
            return getattr(_ops(), OPERATIONS[ufunc.__name__])(*inputs)
        return self._use_numpy(ufunc, method, inputs, kwargs)

    def _use_numpy(self, ufunc: Any, method: str, inputs: Any, kwargs: Any) -> Any:
        raise TypeError(_without_numbers(ufunc))

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("a scalar has no length")
        return self.shape[0]

    def __bool__(self) -> bool:
        raise TypeError(
            "A tensor has no numbers while it is traced, so Python cannot branch on it; use nnfast.ops.where"
        )

    def __iter__(self) -> Iterator[Any]:
        if not self.shape or self.shape[0] is None:
            raise TypeError("Cannot iterate over a tensor whose first axis has no known length")
        return (self[i] for i in range(self.shape[0]))

    def __neg__(self) -> Any:
        return _ops().negative(self)

    def __abs__(self) -> Any:
        return _ops().abs(self)

    def __getitem__(self, key: Any) -> Any:
        return _ops().get_item(self, key)

    __hash__ = object.__hash__


def _without_numbers(function: Any) -> str:
    name = function.__name__
    return f"np.{name}: expected an array; received a tensor, which has no numbers while a step is traced; use " + (
        f"nnfast.ops.{name}" if name in _ops().__all__ else "the functions of nnfast.ops"
    )


def _ops() -> Any:
    from . import ops

    return ops


def _add_binary(symbol: str, function: str) -> None:
    def forward(self: Any, other: Any) -> Any:
        return getattr(_ops(), function)(self, other)

    def reflected(self: Any, other: Any) -> Any:
        return getattr(_ops(), function)(other, self)

    setattr(Operators, f"__{symbol}__", forward)
    if symbol in ("add", "sub", "mul", "truediv", "pow", "matmul"):
        setattr(Operators, f"__r{symbol}__", reflected)


_BINARY = {
    "add": "add", "sub": "subtract", "mul": "multiply", "truediv": "divide", "pow": "power", "matmul": "matmul",
    "lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal", "eq": "equal", "ne": "not_equal",
}  # fmt: skip
for _symbol, _function in _BINARY.items():
    _add_binary(_symbol, _function)
# By NumPy's names, one of which has changed.
OPERATIONS = {**{name: name for name in _BINARY.values()}, "true_divide": "divide"}
Operators.__hash__ = object.__hash__  # type: ignore[method-assign,assignment]


class Symbolic(Operators):
    """What has no numbers yet, so that NumPy's functions can do nothing with it."""

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        raise TypeError(_without_numbers(function))


class Tensor(Symbolic):
    """A value of the graph that is being traced.

    Attributes
    ----------
    shape : tuple of int
        Its shape, the batch axis included.
    dtype : str
        ``"float32"`` or ``"int32"``.
    """

    __slots__ = ("dtype", "id", "origin", "shape", "trace")

    def __init__(self, trace: Trace, id: int, origin: tuple[str, Sequence[Tensor], dict[str, Any]] | None = None):
        self.trace = trace
        self.origin = origin  # the operation that makes it, its operands and its settings
        self.id = id
        self.shape = trace.graph.shape(id)
        self.dtype = trace.graph.dtype(id)

    def __repr__(self) -> str:
        return f"<Tensor shape={self.shape} dtype={self.dtype}>"


class KerasTensor(Symbolic):
    """A value of a functional model: what a layer called on :func:`nnfast.layers.Input` returns.

    Attributes
    ----------
    shape : tuple of int or None
        Its shape; None where it depends on the batch.
    dtype : str
        ``"float32"`` or ``"int32"``.
    history : tuple
        The node that made it and which of its outputs it is.
    """

    def __init__(
        self, shape: Sequence[int | None], dtype: str = "float32", name: str | None = None, history: Any = None
    ):
        self.shape = tuple(shape)
        self.dtype = dtype
        self.name = name
        self.history = history

    def __repr__(self) -> str:
        return f"<KerasTensor shape={self.shape} dtype={self.dtype} name={self.name}>"


class Trace:
    """Collects a graph while Python code runs on :class:`Tensor` objects.

    Attributes
    ----------
    graph : _core.Graph
        What has been collected.
    training : bool
        Whether layers should behave as in training.
    losses : list of Tensor
        Scalars that layers added to the loss.
    assigned : dict
        What each variable has been assigned so far: reading the variable gives this from then on.
    calls : list of tuple, or None
        Each call of a layer, as (layer, what it was called on, what it returned), where somebody asks for them.
    """

    def __init__(self, training: bool = False):
        self.graph = _core.Graph()
        self.training = training
        self.losses: list[Tensor] = []
        self.assigned: dict[Any, Tensor] = {}
        self.calls: list[tuple[Any, Any, Any]] | None = None
        self._labels: list[str] = []
        self._random = 0

    def input(self, shape: Sequence[int], dtype: str = "float32") -> Tensor:
        """Add an input, which a run is given an array for."""
        return Tensor(self, self.graph.input(tuple(shape), dtype))

    def lift(self, value: Any) -> Tensor:
        """Return the tensor that stands for a tensor, a variable, an array or a number."""
        if isinstance(value, Tensor):
            if value.trace is not self:
                raise ValueError(
                    "A tensor of another trace was used: it was kept from an earlier call of a layer or loss. "
                    "Keep arrays or variables instead"
                )
            return value
        from .variable import Variable

        if isinstance(value, Variable):
            if value in self.assigned:
                return self.assigned[value]
            return Tensor(self, self.graph.variable(value.core))
        return Tensor(self, self.graph.constant(np.asarray(value)))

    def emit(self, op: str, inputs: Sequence[Tensor], attributes: dict[str, Any]) -> list[Tensor]:
        """Add a node; return its outputs."""
        label = self._labels[-1] if self._labels else ""
        ids = self.graph.add(op, [tensor.id for tensor in inputs], attributes, label)
        return [Tensor(self, id, (op, inputs, attributes)) for id in ids]

    def custom(self, name: str, forward: Any, backward: Any, inputs: Sequence[Tensor], shape: Sequence[int]) -> Tensor:
        """Add a node whose directions are Python functions on arrays."""
        label = self._labels[-1] if self._labels else ""
        ids = [tensor.id for tensor in inputs]
        return Tensor(self, self.graph.custom(name, forward, backward, ids, tuple(shape), label))

    def count_random(self) -> int:
        """Return another number each time: what a random operation draws from beside the seed of the run."""
        self._random += 1
        return self._random

    def assign(self, variable: Any, value: Any, after_update: bool = False) -> None:
        """Have each run copy a value into a variable, at its end or after the optimizer's step."""
        tensor = self.lift(_ops().cast(self.lift(value), variable.dtype))
        self.graph.assign(variable.core, tensor.id, after_update)
        self.assigned[variable] = tensor

    @contextmanager
    def labelled(self, label: str) -> Iterator[None]:
        """Name the layer that emits what follows.

        Raises
        ------
        RecursionError
            If it does so within itself time and again.
        """
        if len(self._labels) >= _DEEPEST and self._labels.count(label) >= _DEEPEST // 2:
            raise RecursionError(
                f"{label!r} is called within its own call without end; expected call() to use other layers and "
                "nnfast.ops, and to return"
            )
        self._labels.append(label)
        try:
            yield
        finally:
            self._labels.pop()


class _Current(threading.local):
    def __init__(self) -> None:
        self.stack: list[Trace] = []


_current = _Current()


def current_trace() -> Trace | None:
    """Return the trace that runs in this thread, if one does."""
    return _current.stack[-1] if _current.stack else None


@contextmanager
def tracing(trace: Trace) -> Iterator[Trace]:
    """Make `trace` the current one."""
    _current.stack.append(trace)
    try:
        yield trace
    finally:
        _current.stack.pop()


def map_structure(function: Any, structure: Any) -> Any:
    """Apply `function` to each leaf of nested lists, tuples and dictionaries, in the order of :func:`flatten`."""
    if isinstance(structure, dict):
        mapped = {key: map_structure(function, structure[key]) for key in sorted(structure)}
        return {key: mapped[key] for key in structure}
    if isinstance(structure, (list, tuple)):
        values = [map_structure(function, value) for value in structure]
        return type(structure)(*values) if hasattr(structure, "_fields") else type(structure)(values)
    return function(structure)


def flatten(structure: Any) -> list[Any]:
    """Return the leaves of nested lists, tuples and dictionaries (these in the order of their keys)."""
    if isinstance(structure, dict):
        return [leaf for key in sorted(structure) for leaf in flatten(structure[key])]
    if isinstance(structure, (list, tuple)):
        return [leaf for value in structure for leaf in flatten(value)]
    return [structure]
