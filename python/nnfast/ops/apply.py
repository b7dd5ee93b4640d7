"""How a function of nnfast.ops reaches the C++ operation of its name: at once, or later in a planned step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import _core, random
from ..arrays import to_int32, to_numpy
from ..node import Node, infer
from ..numeric import to_integer
from ..tensor import KerasTensor, Tensor, Trace, current_trace
from ..variable import Variable


def apply(op: str, inputs: Sequence[Any], **attributes: Any) -> Any:
    """Apply one operation.

    Parameters
    ----------
    op : str
        The name under which it is registered in C++.
    inputs : sequence
        Its operands. A :class:`Tensor` among them: the operation joins the graph that is traced. A
        :class:`KerasTensor`: it becomes a node of a functional model. Otherwise it is computed at once.
    **attributes
        Its settings; None is left out.

    Returns
    -------
    Tensor, KerasTensor or numpy.ndarray
        The output, or a tuple of them where there are several.
    """
    attributes = {name: value for name, value in attributes.items() if value is not None}
    outputs: Any
    if any(isinstance(x, KerasTensor) for x in inputs):
        outputs = OperationNode(op, list(inputs), attributes).outputs
    elif (trace := trace_of(inputs)) is not None:
        outputs = trace.emit(op, [trace.lift(x) for x in inputs], attributes)
    else:
        arrays = [np.asarray(x) for x in inputs]
        outputs, _ = _core.run_op(op, arrays, attributes, threads=_core.num_threads(), seed=random.next_seed())
    return outputs[0] if len(outputs) == 1 else tuple(outputs)


class OperationNode(Node):
    """An operation applied to symbolic tensors of a functional model."""

    def __init__(self, op: str, inputs: list[Any], attributes: dict[str, Any]):
        super().__init__(tuple(inputs), {})
        self.op = op
        self.attributes = attributes
        self._claim(infer(lambda trace, args, kwargs: self.run(args, kwargs), self.args, {}), op)

    def run(self, args: Any, kwargs: Any) -> Any:
        return apply(self.op, args, **self.attributes)


def trace_of(values: Sequence[Any]) -> Trace | None:
    """Return the trace that an operation on `values` belongs to: that of a tensor among them, or, where a variable is,
    the current one.
    """
    for value in values:
        if isinstance(value, Tensor):
            return value.trace
    return current_trace() if any(isinstance(value, Variable) for value in values) else None


def is_symbolic(value: Any) -> bool:
    """Whether a value has no numbers yet."""
    return isinstance(value, (Tensor, KerasTensor))


def convert(x: Any, dtype: str | None = None) -> Any:
    """Return `x` as something operations take: symbolic values and variables as they are, the rest as an array.

    Floating-point and boolean arrays become float32, integers int32, unless `dtype` says otherwise.
    """
    if isinstance(x, (Tensor, KerasTensor, Variable)):
        if dtype is not None and x.dtype != dtype:
            return apply("cast", [x], dtype=dtype)
        return x
    array = to_numpy(x, "nnfast.ops")
    if dtype is None:
        dtype = "int32" if array.dtype.kind in "iu" else "float32"
    if dtype == "int32" and array.dtype.kind in "iu":
        return to_int32(array, "nnfast.ops")
    return array.astype(dtype, copy=False)


def floats(*values: Any) -> list[Any]:
    """Convert operands to float32, the type of all arithmetic."""
    return [convert(value, "float32") for value in values]


def shape_of(x: Any) -> tuple[Any, ...]:
    """Return the shape of a tensor, variable, array or nested list."""
    return tuple(x.shape) if hasattr(x, "shape") else to_numpy(x, "nnfast.ops").shape


def canonical_axis(axis: int, ndim: int) -> int:
    """Return the axis counted from the front.

    Raises
    ------
    ValueError
        If there is no such axis, or it is no integer.
    """
    axis = to_integer(axis, "axis")
    if not -ndim <= axis < ndim:
        raise ValueError(f"axis: expected a number from {-ndim} to {ndim - 1}; received {axis}")
    return axis % ndim
