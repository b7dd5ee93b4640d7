"""Layers without weights that every model needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import activations, ops
from ..node import InputNode
from ..numeric import real
from ..tensor import KerasTensor
from .arguments import check_data_format
from .layer import Layer, layer_registry


@layer_registry.add()
class InputLayer(Layer):
    """The place where arrays enter a model. Use :func:`Input`."""

    left_out = {
        "sparse": "tensors are dense: use x.toarray()",
        "ragged": "rows are of one length: pad them",
        "optional": "inputs are never optional: make a model without it",
        "input_tensor": "symbolic tensors are made by Input(shape)",
        "tensor": "symbolic tensors are made by Input(shape)",
    }

    def __init__(
        self,
        shape: Sequence[int | None] | None = None,
        batch_size: int | None = None,
        dtype: str | None = None,
        *,
        batch_shape: Sequence[int | None] | None = None,
        name: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(name=name, **kwargs)
        if (shape is None) == (batch_shape is None):
            raise ValueError(
                "Input: expected shape or batch_shape; received " + ("both" if shape is not None else "neither")
            )
        if batch_size is not None and batch_shape is not None:
            raise ValueError(
                f"Input: expected batch_size beside shape only; received batch_size={batch_size} and "
                f"batch_shape={tuple(batch_shape)}, which holds the number of samples already"
            )
        if batch_shape is None:
            shape = (shape,) if isinstance(shape, int) else shape
            batch_shape = (batch_size, *(shape or ()))
        self.batch_shape = tuple(batch_shape)
        for size in self.batch_shape:
            if size is not None and (not isinstance(size, (int, np.integer)) or size < 0):
                raise ValueError(
                    f"Input: expected sizes that are integers of at least 0, or None; received {self.batch_shape}"
                )
        self.input_dtype = "int32" if dtype is not None and np.dtype(dtype).kind in "iu" else "float32"
        self._build_at_init()
        self._symbol = InputNode(self).output

    @property
    def output(self) -> Any:
        """The symbolic tensor that stands for the arrays."""
        return self._symbol

    def call(self, inputs: Any) -> Any:
        return inputs

    def get_config(self) -> dict[str, Any]:
        return {"batch_shape": list(self.batch_shape), "dtype": self.input_dtype, "name": self.name}


def Input(  # noqa: N802  Keras's name
    shape: Sequence[int | None] | None = None,
    batch_size: int | None = None,
    dtype: str | None = None,
    *,
    batch_shape: Sequence[int | None] | None = None,
    name: str | None = None,
    **kwargs: Any,
) -> KerasTensor:
    """Return a symbolic tensor for a model to start from.

    Parameters
    ----------
    shape : sequence of int
        The shape of one sample.
    batch_size : int, optional
        The number of samples, if it is fixed.
    dtype : str, default "float32"
        ``"float32"``, or an integer type, which becomes int32.
    batch_shape : sequence of int, optional
        Instead of `shape`: with the batch axis.
    name : str, optional
        The input's name.
    **kwargs
        Those of :class:`Layer`; Keras's ``sparse``, ``ragged``, ``optional`` and ``tensor`` where they ask for nothing.

    Raises
    ------
    ValueError
        If both or neither of `shape` and `batch_shape` are given, or `batch_size` beside `batch_shape`; or a size is
        negative.
    """
    return InputLayer(
        shape=shape, batch_size=batch_size, dtype=dtype, batch_shape=batch_shape, name=name, **kwargs
    ).output


@layer_registry.add()
class Activation(Layer):
    """Applies an activation function to each element.

    Parameters
    ----------
    activation : str or callable
        Its name or the function.
    **kwargs
        Those of :class:`Layer`.
    """

    def __init__(self, activation: Any, **kwargs: Any):
        super().__init__(**kwargs)
        self.activation = activations.get(activation)
        self._build_at_init()

    def call(self, inputs: Any) -> Any:
        return self.activation(inputs)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "activation": activations.serialize(self.activation)}


@layer_registry.add()
class Flatten(Layer):
    """Joins all axes but the first: ``(batch, …)`` becomes ``(batch, features)``.

    Parameters
    ----------
    data_format : str, optional
        Only ``"channels_last"``.
    **kwargs
        Those of :class:`Layer`.
    """

    def __init__(self, data_format: str | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        check_data_format(self, data_format)
        self._build_at_init()

    def call(self, inputs: Any) -> Any:
        if len(inputs.shape) == 1:
            return ops.expand_dims(inputs, -1)
        return ops.reshape(inputs, (inputs.shape[0], int(np.prod(inputs.shape[1:]))))


@layer_registry.add()
class Dropout(Layer):
    """In training, zeroes each element with probability `rate` and divides the others by ``1 - rate``.

    The mask follows from the seed, the training step and the element's position, so it is the same for any number
    of threads. Source: Srivastava et al., "Dropout", JMLR 15 (2014); scaled in training ("inverted").

    Parameters
    ----------
    rate : float
        From 0 up to 1.
    noise_shape : sequence of int, optional
        The shape of the mask, which is broadcast: 1 where all positions of an axis share it, None for the input's size.
    seed : int, optional
        By default it follows from the layer's place in the model; masks also depend on the model's own seed.
    **kwargs
        Those of :class:`Layer`.

    Raises
    ------
    ValueError
        If `rate` is outside 0 … 1.
    """

    def __init__(
        self, rate: float, noise_shape: Sequence[int | None] | None = None, seed: int | None = None, **kwargs: Any
    ):
        super().__init__(**kwargs)
        number = real(rate)
        if number is None or not 0 <= number <= 1:
            raise ValueError(
                f"Dropout {self.name!r}: Invalid value received for argument `rate`. Expected a float value between "
                f"0 and 1. Received: rate={rate!r}"
            )
        self.rate = number
        self.noise_shape = check_noise_shape(self, noise_shape)
        self.seed = seed
        self._build_at_init()

    def call(self, inputs: Any, training: bool = False) -> Any:
        if not training or self.rate == 0:
            return inputs
        return ops.dropout(inputs, self.rate, full_noise_shape(self, inputs.shape), self.seed)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rate": self.rate, "noise_shape": self.noise_shape, "seed": self.seed}


def check_noise_shape(layer: Layer, shape: Any) -> tuple[int | None, ...] | None:
    """Return the shape of a mask as a tuple.

    Raises
    ------
    ValueError
        If it holds something other than positive integers and None.
    """
    if shape is None:
        return None
    if not isinstance(shape, (list, tuple)):
        expected = "Expected a tuple or list of integers."
    elif not all(size is None or isinstance(size, int) for size in shape):
        expected = "Expected all elements to be integers or None."
    elif any(size is not None and size < 1 for size in shape):
        expected = "Expected all dimensions to be positive integers or None."
    else:
        return tuple(shape)
    raise ValueError(
        f"{type(layer).__name__} {layer.name!r}: Invalid value received for argument `noise_shape`. {expected} "
        f"Received: noise_shape={shape!r}"
    )


def full_noise_shape(layer: Any, inputs: Sequence[int]) -> tuple[int, ...] | None:
    """Return the shape of a layer's mask for inputs of a shape.

    Raises
    ------
    ValueError
        If it has another number of axes.
    """
    shape = layer.noise_shape
    if shape is None:
        return None
    if len(shape) != len(inputs):
        raise ValueError(
            f"{type(layer).__name__} {layer.name!r}: expected input with {len(shape)} axes, as noise_shape={shape} "
            f"has; received shape {tuple(inputs)}"
        )
    return tuple(n if size is None else size for size, n in zip(shape, inputs, strict=True))


@layer_registry.add()
class Identity(Layer):
    """Returns its input."""

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self._build_at_init()

    def call(self, inputs: Any) -> Any:
        return inputs
