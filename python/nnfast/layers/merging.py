"""Layers that merge several inputs into one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import ops
from .layer import Layer, layer_registry


class Merge(Layer):
    """Merges a list of inputs whose shapes broadcast; subclasses define how."""

    def call(self, inputs: Any) -> Any:
        self._check(inputs)
        inputs = self._same_rank(inputs)
        return self.merge(inputs)

    def merge(self, inputs: Sequence[Any]) -> Any:
        """Return the inputs merged."""
        raise NotImplementedError

    def _check(self, inputs: Any, least: int = 2) -> None:
        if not isinstance(inputs, (list, tuple)):
            raise ValueError(
                f"{type(self).__name__} {self.name!r}: A merge layer should be called on a list of inputs. "
                f"Received: {inputs} (not a list of tensors)"
            )
        if len(inputs) < least:
            raise ValueError(
                f"{type(self).__name__} {self.name!r}: A merge layer should be called on a list of at least "
                f"{least} inputs. Received {len(inputs)}"
            )

    @staticmethod
    def _same_rank(inputs: Sequence[Any]) -> list[Any]:
        """Add axes of length 1 after the batch axis where an input has fewer than the others."""
        ndim = max(len(x.shape) for x in inputs)
        result = []
        for x in inputs:
            while len(x.shape) < ndim:
                x = ops.expand_dims(x, 1)
            result.append(x)
        return result

    def _folded(self, function: Any, inputs: Sequence[Any]) -> Any:
        result = inputs[0]
        for x in inputs[1:]:
            result = function(result, x)
        return result


@layer_registry.add()
class Add(Merge):
    """The sum of the inputs."""

    def merge(self, inputs: Sequence[Any]) -> Any:
        return self._folded(ops.add, inputs)


@layer_registry.add()
class Subtract(Merge):
    """The first input minus the second."""

    def merge(self, inputs: Sequence[Any]) -> Any:
        if len(inputs) != 2:
            raise ValueError(f"A `Subtract` layer should be called on exactly 2 inputs. Received: {len(inputs)} inputs")
        return ops.subtract(*inputs)


@layer_registry.add()
class Multiply(Merge):
    """The product of the inputs, element by element."""

    def merge(self, inputs: Sequence[Any]) -> Any:
        return self._folded(ops.multiply, inputs)


@layer_registry.add()
class Average(Merge):
    """The mean of the inputs."""

    def merge(self, inputs: Sequence[Any]) -> Any:
        return self._folded(ops.add, inputs) / float(len(inputs))


@layer_registry.add()
class Maximum(Merge):
    """The largest of the inputs, element by element."""

    def merge(self, inputs: Sequence[Any]) -> Any:
        return self._folded(ops.maximum, inputs)


@layer_registry.add()
class Minimum(Merge):
    """The smallest of the inputs, element by element."""

    def merge(self, inputs: Sequence[Any]) -> Any:
        return self._folded(ops.minimum, inputs)


@layer_registry.add()
class Concatenate(Merge):
    """Joins the inputs along an axis.

    Parameters
    ----------
    axis : int, default -1
        The axis; all other sizes must be equal.
    **kwargs
        Those of :class:`Layer`.
    """

    def __init__(self, axis: int = -1, **kwargs: Any):
        super().__init__(**kwargs)
        self.axis = axis

    def call(self, inputs: Any) -> Any:
        self._check(inputs, least=1)
        return ops.concatenate(list(inputs), axis=self.axis)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "axis": self.axis}


@layer_registry.add()
class Dot(Merge):
    """Products along an axis of each of two inputs, sample by sample.

    Parameters
    ----------
    axes : int or pair of int
        The axis of each input that is summed over, the batch axis 0 excluded.
    normalize : bool, default False
        Whether to divide by the norms first: the result is then the cosine of the angle.
    **kwargs
        Those of :class:`Layer`.
    """

    def __init__(self, axes: Any, normalize: bool = False, **kwargs: Any):
        super().__init__(**kwargs)
        if not isinstance(axes, int) and not (
            isinstance(axes, (list, tuple)) and len(axes) == 2 and all(isinstance(axis, int) for axis in axes)
        ):
            raise ValueError(f"Dot {self.name!r}: expected axes to be an integer or a pair of them; received {axes!r}")
        self.axes = list(axes) if isinstance(axes, tuple) else axes
        self.normalize = normalize

    def call(self, inputs: Any) -> Any:
        self._check(inputs)
        if len(inputs) != 2:
            raise ValueError(f"A `Dot` layer should be called on exactly 2 inputs. Received: {len(inputs)} inputs")
        a, b = inputs
        first, second = (self.axes, self.axes) if isinstance(self.axes, int) else self.axes
        first, second = ops.canonical_axis(first, len(a.shape)), ops.canonical_axis(second, len(b.shape))
        if a.shape[first] != b.shape[second]:
            raise ValueError(
                f"Dot {self.name!r}: expected equal sizes along the axes; received {tuple(a.shape)} and "
                f"{tuple(b.shape)} with axes={self.axes}"
            )
        if self.normalize:
            a, b = ops.normalize(a, axis=first), ops.normalize(b, axis=second)
        rest_a = [n for i, n in enumerate(a.shape) if i not in (0, first)]
        rest_b = [n for i, n in enumerate(b.shape) if i not in (0, second)]
        a = ops.reshape(ops.moveaxis(a, first, -1), (a.shape[0], -1, a.shape[first]))
        b = ops.reshape(ops.moveaxis(b, second, 1), (b.shape[0], b.shape[second], -1))
        product = ops.matmul(a, b)
        return ops.reshape(product, [a.shape[0], *(rest_a + rest_b or [1])])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "axes": self.axes, "normalize": self.normalize}


def add(inputs: Any, **kwargs: Any) -> Any:
    """Return the sum of the inputs."""
    return Add(**kwargs)(inputs)


def subtract(inputs: Any, **kwargs: Any) -> Any:
    """Return the first input minus the second."""
    return Subtract(**kwargs)(inputs)


def multiply(inputs: Any, **kwargs: Any) -> Any:
    """Return the product of the inputs."""
    return Multiply(**kwargs)(inputs)


def average(inputs: Any, **kwargs: Any) -> Any:
    """Return the mean of the inputs."""
    return Average(**kwargs)(inputs)


def maximum(inputs: Any, **kwargs: Any) -> Any:
    """Return the largest of the inputs."""
    return Maximum(**kwargs)(inputs)


def minimum(inputs: Any, **kwargs: Any) -> Any:
    """Return the smallest of the inputs."""
    return Minimum(**kwargs)(inputs)


def concatenate(inputs: Any, axis: int = -1, **kwargs: Any) -> Any:
    """Return the inputs joined along an axis."""
    return Concatenate(axis=axis, **kwargs)(inputs)


def dot(inputs: Any, axes: Any = -1, **kwargs: Any) -> Any:
    """Return products along an axis of each of two inputs."""
    return Dot(axes=axes, **kwargs)(inputs)
