"""Layers that bring features to a common scale. They belong into the model: then its file has all that it needs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from .. import ops
from ..epsilon import EPSILON
from ..numeric import check_reals, integers
from .layer import Layer, layer_registry


@layer_registry.add()
class Rescaling(Layer):
    """Computes ``inputs * scale + offset``, for instance pixels from 0 … 255 to 0 … 1 by ``Rescaling(1 / 255)``.

    Parameters
    ----------
    scale : float or array-like
        The factor; an array is broadcast to the inputs.
    offset : float or array-like, default 0.0
        What is added.
    **kwargs
        Those of :class:`Layer`.

    Raises
    ------
    ValueError
        If `scale` or `offset` is neither a number nor an array of numbers.
    """

    def __init__(self, scale: Any, offset: Any = 0.0, **kwargs: Any):
        super().__init__(**kwargs)
        for key, value in (("scale", scale), ("offset", offset)):
            check_reals(value, f"Rescaling {self.name!r}: {key}")
        self.scale = scale
        self.offset = offset
        self._build_at_init()

    def call(self, inputs: Any) -> Any:
        outputs = inputs * np.asarray(self.scale, np.float32)
        return outputs + np.asarray(self.offset, np.float32) if np.any(self.offset) else outputs

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "scale": _plain(self.scale), "offset": _plain(self.offset)}


class _Adapted(Layer):
    """Base of the layers that look at the data first: two statistics for each feature.

    Parameters
    ----------
    axis : int, sequence of int, or None
        The axes whose positions have statistics of their own, counted with the batch axis; None: one for all.
    given : sequence of (array-like or None)
        The statistics, if they are known.
    **kwargs
        Those of :class:`Layer`.
    """

    statistics: tuple[str, str]  # their names
    initial: tuple[str, str]  # the initializers of the weights that hold them

    def __init__(self, axis: int | Sequence[int] | None, given: Sequence[Any], **kwargs: Any):
        super().__init__(**kwargs)
        if axis is not None and integers(axis) is None:
            raise ValueError(
                f"{type(self).__name__} {self.name!r}: expected axis to be integers, or None; received {axis!r}"
            )
        self.axis = axis
        if (given[0] is None) != (given[1] is None):
            names = " and ".join(self.statistics)
            raise ValueError(f"{type(self).__name__} {self.name!r}: expected both {names}, or neither; received one")
        self._given = None if given[0] is None else [np.asarray(value, np.float32) for value in given]
        self._weights: list[Any] = []

    def _kept_axes(self, shape: Sequence[int | None]) -> list[int]:
        axes = integers(() if self.axis is None else self.axis) or ()
        if any(not -len(shape) <= axis < len(shape) for axis in axes):
            raise ValueError(
                f"{type(self).__name__} {self.name!r}: expected input with an axis {self.axis}; "
                f"received shape {tuple(shape)}"
            )
        kept = sorted(axis % len(shape) for axis in axes)
        if any(shape[axis] is None for axis in kept):
            raise ValueError(
                f"{type(self).__name__} {self.name!r}: the sizes of axis {self.axis} must be known; "
                f"received shape {tuple(shape)}"
            )
        return kept

    def build(self, input_shape: Any) -> None:
        kept = self._kept_axes(input_shape)
        self._broadcast = tuple(size if axis in kept else 1 for axis, size in enumerate(input_shape))
        shape = tuple(input_shape[axis] for axis in kept)
        if self._given is not None:
            for name, value in zip(self.statistics, self._given, strict=True):
                if value.ndim and value.size != math.prod(shape):
                    raise ValueError(
                        f"{type(self).__name__} {self.name!r}: expected {name} to be a number or of shape {shape}, "
                        f"the sizes of axis {self.axis} of the input; received shape {value.shape}"
                    )
            return
        self._weights = [
            self.add_weight(shape, initializer, trainable=False, name=name)
            for name, initializer in zip(self.statistics, self.initial, strict=True)
        ]

    def adapt(self, data: Any) -> None:
        """Take the statistics from data.

        Parameters
        ----------
        data : array-like, or iterable of them
            All samples, or batches of them.

        Raises
        ------
        ValueError
            If the statistics were given to the constructor, or there are no samples.
        """
        if self._given is not None:
            raise ValueError(
                f"{type(self).__name__} {self.name!r}: its {' and '.join(self.statistics)} were given; "
                "make the layer without them to adapt it"
            )
        single = isinstance(data, (np.ndarray, list, tuple)) or hasattr(data, "__array__")
        batches: Iterable[Any] = [data] if single else data
        parts = []
        for batch in batches:
            array = np.asarray(batch, np.float64)
            if not self.built:
                self.build(array.shape)
            kept = self._kept_axes(array.shape)
            dropped = tuple(axis for axis in range(array.ndim) if axis not in kept)
            if array.size:
                parts.append(self._measure(array, dropped))
        if not parts:
            raise ValueError(f"{type(self).__name__} {self.name!r}: expected samples to adapt to; received none")
        for weight, value in zip(self._weights, self._combine(parts), strict=True):
            weight.assign(np.reshape(value, weight.shape))

    def _measure(self, array: np.ndarray, axes: tuple[int, ...]) -> tuple[Any, ...]:
        raise NotImplementedError

    def _combine(self, parts: list[tuple[Any, ...]]) -> tuple[np.ndarray, np.ndarray]:
        raise NotImplementedError

    def _statistic(self, index: int) -> np.ndarray | None:
        if not self.built:
            return None
        value = self._weights[index].numpy() if self._given is None else self._given[index]
        return value.reshape(self._broadcast) if value.ndim or self._given is None else value

    def _values(self) -> list[Any]:
        """Return the two statistics, broadcast to the inputs."""
        if self._given is not None:
            return [value.reshape(self._broadcast) if value.ndim else value for value in self._given]
        return [ops.reshape(weight, self._broadcast) for weight in self._weights]

    def get_config(self) -> dict[str, Any]:
        given = self._given or (None, None)
        values = {name: _plain(value) for name, value in zip(self.statistics, given, strict=True)}
        return {**super().get_config(), "axis": self.axis, **values}


@layer_registry.add()
class Normalization(_Adapted):
    """Computes ``(inputs - mean) / sqrt(variance)`` for each feature (z-score), the statistics taken by :meth:`adapt`.

    Parameters
    ----------
    axis : int, sequence of int or None, default -1
        The axes whose positions have statistics of their own, counted with the batch axis; None: one for all.
    mean, variance : float or array-like, optional
        The statistics, if they are known; then there is nothing to adapt.
    invert : bool, default False
        Compute the inverse, ``mean + inputs * sqrt(variance)``.
    **kwargs
        Those of :class:`Layer`.

    Raises
    ------
    ValueError
        If one of `mean` and `variance` is missing, or the input has no such axis.
    """

    statistics = ("mean", "variance")
    initial = ("zeros", "ones")

    def __init__(self, axis: Any = -1, mean: Any = None, variance: Any = None, invert: bool = False, **kwargs: Any):
        super().__init__(axis, (mean, variance), **kwargs)
        self.invert = invert

    @property
    def mean(self) -> np.ndarray | None:
        """The mean, of a shape that broadcasts to the inputs; None before the layer is built."""
        return self._statistic(0)

    @property
    def variance(self) -> np.ndarray | None:
        """The variance, likewise."""
        return self._statistic(1)

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        if self._given is None:  # Keras's third weight, which it leaves at 0: lists of weights fit
            self.add_weight((), "zeros", dtype="int32", trainable=False, name="count")

    def call(self, inputs: Any) -> Any:
        mean, variance = self._values()
        deviation = ops.maximum(ops.sqrt(variance), EPSILON)
        return mean + inputs * deviation if self.invert else (inputs - mean) / deviation

    def _measure(self, array: np.ndarray, axes: tuple[int, ...]) -> tuple[Any, ...]:
        mean = array.mean(axis=axes)
        return array.size / mean.size, mean, array.var(axis=axes)

    def _combine(self, parts: list[tuple[Any, ...]]) -> tuple[np.ndarray, np.ndarray]:
        counts, means, variances = (np.array(part) for part in zip(*parts, strict=True))
        mean = np.average(means, axis=0, weights=counts)
        return mean, np.average(variances + np.square(means - mean), axis=0, weights=counts)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "invert": self.invert}


@layer_registry.add()
class MinMaxScaling(_Adapted):
    """Maps each feature linearly from the range seen by :meth:`adapt` to 0 … 1. Ours; Keras has none.

    Parameters
    ----------
    axis : int, sequence of int or None, default -1
        The axes whose positions have ranges of their own, counted with the batch axis; None: one for all.
    minimum, maximum : float or array-like, optional
        The ranges, if they are known; then there is nothing to adapt.
    **kwargs
        Those of :class:`Layer`.

    Raises
    ------
    ValueError
        If one of `minimum` and `maximum` is missing, or the input has no such axis.
    """

    statistics = ("minimum", "maximum")
    initial = ("zeros", "ones")

    def __init__(self, axis: Any = -1, minimum: Any = None, maximum: Any = None, **kwargs: Any):
        super().__init__(axis, (minimum, maximum), **kwargs)

    @property
    def minimum(self) -> np.ndarray | None:
        """The least value, of a shape that broadcasts to the inputs; None before the layer is built."""
        return self._statistic(0)

    @property
    def maximum(self) -> np.ndarray | None:
        """The largest value, likewise."""
        return self._statistic(1)

    def call(self, inputs: Any) -> Any:
        minimum, maximum = self._values()
        return (inputs - minimum) / ops.maximum(maximum - minimum, EPSILON)

    def _measure(self, array: np.ndarray, axes: tuple[int, ...]) -> tuple[Any, ...]:
        return array.min(axis=axes), array.max(axis=axes)

    def _combine(self, parts: list[tuple[Any, ...]]) -> tuple[np.ndarray, np.ndarray]:
        minima, maxima = zip(*parts, strict=True)
        return np.minimum.reduce(minima), np.maximum.reduce(maxima)


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value
