"""Operations of the user's own, with both directions in Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .apply import convert, trace_of


class CustomOperation:
    """What :func:`custom` returns: a function of one or more arrays or tensors."""

    def __init__(
        self, forward: Callable[..., Any], backward: Callable[..., Any] | None, output_shape: Callable[..., Any] | None
    ):
        for name, function in (("forward", forward), ("backward", backward), ("output_shape", output_shape)):
            if not callable(function) and (function is not None or name == "forward"):
                raise TypeError(f"ops.custom: expected {name} to be a function; received {function!r}")
        self.forward = forward
        self.backward = backward
        self.output_shape = output_shape
        self.__name__ = getattr(forward, "__name__", type(forward).__name__)
        self.__doc__ = getattr(forward, "__doc__", None)

    def __call__(self, *inputs: Any) -> Any:
        if not inputs:
            raise ValueError(f"{self.__name__}: expected at least one input; received none")
        trace = trace_of(inputs)
        if trace is None:
            # Symbolic tensors of a functional model; or arrays, which are then a step of this one operation.
            from ..layers.function import Lambda

            return Lambda(self)(*(convert(x) for x in inputs))
        tensors = [trace.lift(x) for x in inputs]
        shapes = [tensor.shape for tensor in tensors]
        shape = shapes[0] if self.output_shape is None else self.output_shape(*shapes)
        return trace.custom(self.__name__, self.forward, self.backward, tensors, shape)


def custom(
    forward: Callable[..., Any],
    backward: Callable[..., Any] | None = None,
    output_shape: Callable[..., Any] | None = None,
) -> CustomOperation:
    """Make an operation from a forward and a backward function on NumPy arrays.

    The result can be called on arrays, in a layer's ``call``, in a loss or metric, and on symbolic tensors. Python's
    lock (the GIL) is taken for the time these functions run; the rest of the step runs without it. What they raise
    ends the call of ``fit`` or ``predict``, and the weights are those of the step before.

    Parameters
    ----------
    forward : callable
        ``forward(*inputs) -> output``, arrays of float32 (int32 where the input is).
    backward : callable, optional
        ``backward(gradient, output, *inputs)`` returns the gradient of the loss by each input, as one array for one
        input, else as a list or tuple; None stands for zeros. `gradient` is that by the output. Without `backward`
        the operation cannot be trained through.
    output_shape : callable, optional
        ``output_shape(*input_shapes) -> shape``, batch axis included; by default the shape of the first input.

    Returns
    -------
    callable
        ``operation(*inputs)``.

    Raises
    ------
    TypeError
        If an argument is not a function.
    ValueError
        When it runs: if an array that a function returns has the wrong shape. When it is planned: if a gradient is
        wanted and there is no `backward`.

    Examples
    --------
    >>> import numpy as np
    >>> from nnfast import ops
    >>> cube = ops.custom(lambda x: x**3, lambda gradient, y, x: gradient * 3 * x**2)
    >>> cube(np.array([1.0, 2.0]))
    array([1., 8.], dtype=float32)
    """
    return CustomOperation(forward, backward, output_shape)


__all__ = ["CustomOperation", "custom"]
