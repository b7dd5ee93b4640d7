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

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """Return the mask of the output from those of the inputs: True where one of them is.

        Parameters
        ----------
        inputs : list
            What the layer is called on.
        previous_mask : list of (array-like or None), or None
            A mask for each input, without its last axis; None where all counts.

        Returns
        -------
        array or None
            None where an input has no mask.
        """
        if previous_mask is None:
            return None
        for name, value in (("mask", previous_mask), ("inputs", inputs)):
            if not isinstance(value, (list, tuple)):
                raise ValueError(f"{type(self).__name__} {self.name!r}: `{name}` should be a list. Received: {value!r}")
        if len(previous_mask) != len(inputs):
            raise ValueError(
                f"{type(self).__name__} {self.name!r}: The lists `inputs` and `mask` should have the same length. "
                f"Received {len(inputs)} inputs and {len(previous_mask)} masks"
            )
        if any(mask is None for mask in previous_mask):
            return None
        return self.merge_masks(previous_mask)

    def merge_masks(self, masks: Sequence[Any]) -> Any:
        """Return the mask of the output."""
        return self._folded(ops.logical_or, masks)

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
        return ops.subtract(*inputs)

    def _check(self, inputs: Any, least: int = 2) -> None:
        if isinstance(inputs, (list, tuple)) and len(inputs) != 2:
            raise ValueError(
                f"Subtract {self.name!r}: the layer should be called on exactly 2 inputs. Received {len(inputs)}"
            )
        super()._check(inputs, least)


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
        shapes = [ops.shape_of(x) for x in inputs]
        axis = ops.canonical_axis(self.axis, len(shapes[0]))
        if len({(len(shape), *shape[:axis], *shape[axis + 1 :]) for shape in shapes}) > 1:
            raise ValueError(
                f"Concatenate {self.name!r}: the layer requires inputs with matching shapes except for the "
                f"concatenation axis {self.axis}; received {', '.join(map(str, shapes))}"
            )
        return ops.concatenate(list(inputs), axis=self.axis)

    def merge_masks(self, masks: Sequence[Any]) -> Any:
        # A mask lacks the last axis: what is joined along it keeps a position if one of the parts does.
        if self.axis in (-1, len(ops.shape_of(masks[0]))):
            return super().merge_masks(masks)
        return ops.concatenate(list(masks), axis=self.axis + (self.axis < 0))

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

    def merge_masks(self, masks: Sequence[Any]) -> Any:
        return None

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
