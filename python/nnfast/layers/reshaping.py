"""Layers that change shapes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from .. import ops
from ..numeric import integer, integers
from ..tensor import KerasTensor
from .arguments import check_data_format, check_rank, per_axis
from .layer import Layer, layer_registry


@layer_registry.add()
class Reshape(Layer):
    """Gives each sample another shape.

    Parameters
    ----------
    target_shape : sequence of int
        Without the batch axis; one size may be -1.
    **kwargs
        Those of :class:`Layer`.
    """

    def __init__(self, target_shape: Sequence[int], **kwargs: Any):
        super().__init__(**kwargs)
        shape = integers(target_shape)
        if shape is None or min(shape, default=0) < -1:
            raise ValueError(
                f"Reshape {self.name!r}: expected each size to be a non-negative integer, or -1 for what is left; "
                f"received target_shape={target_shape}"
            )
        if shape.count(-1) > 1:
            raise ValueError(
                f"Reshape {self.name!r}: expected at most one unknown dimension (-1); "
                f"received target_shape={target_shape}"
            )
        self.target_shape = shape
        self._build_at_init()

    def call(self, inputs: Any) -> Any:
        elements = int(np.prod(inputs.shape[1:]))
        known = int(np.prod([size for size in self.target_shape if size != -1]))
        sizes = [elements // max(1, known) if size == -1 else size for size in self.target_shape]
        if int(np.prod(sizes)) != elements:
            raise ValueError(
                f"Reshape {self.name!r}: expected samples of {known} elements, as {self.target_shape} has; "
                f"received shape {tuple(inputs.shape[1:])}"
            )
        return ops.reshape(inputs, (inputs.shape[0], *sizes))

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        (inputs,) = args
        if None in inputs.shape[1:] and -1 not in self.target_shape:  # the samples' size must be this
            return KerasTensor((inputs.shape[0], *self.target_shape), inputs.dtype)
        return super().compute_output_spec(inputs)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "target_shape": self.target_shape}


@layer_registry.add()
class Permute(Layer):
    """Reorders the axes of each sample.

    Parameters
    ----------
    dims : sequence of int
        The axes, counted from 1, in their new order.
    **kwargs
        Those of :class:`Layer`.
    """

    def __init__(self, dims: Sequence[int], **kwargs: Any):
        super().__init__(**kwargs)
        axes = integers(dims)
        if axes is None or sorted(axes) != list(range(1, len(axes) + 1)):
            raise ValueError(
                f"Permute {self.name!r}: Invalid permutation argument `dims`: expected each axis once, the first being "
                f"1; received dims={dims!r}"
            )
        self.dims = axes
        self._build_at_init()

    def call(self, inputs: Any) -> Any:
        return ops.transpose(inputs, (0, *self.dims))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "dims": self.dims}


@layer_registry.add()
class RepeatVector(Layer):
    """Repeats each row: ``(batch, features)`` becomes ``(batch, n, features)``.

    Parameters
    ----------
    n : int
        How often.
    **kwargs
        Those of :class:`Layer`.
    """

    def __init__(self, n: int, **kwargs: Any):
        super().__init__(**kwargs)
        if not isinstance(n, int):
            raise TypeError(f"RepeatVector {self.name!r}: Expected an integer value for `n`; received {n!r}")
        if n < 1:
            raise ValueError(f"RepeatVector {self.name!r}: `n` should be a positive integer; received {n}")
        self.n = n
        self._build_at_init()

    def call(self, inputs: Any) -> Any:
        return ops.repeat(ops.expand_dims(inputs, 1), self.n, axis=1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "n": self.n}


def _borders(layer: Layer, name: str, value: Any, rank: int) -> tuple[tuple[int, int], ...]:
    """Return (before, after) for each spatial axis from an integer, one for each axis, or pairs."""
    if integer(value) is not None:
        value = (value,) * rank
    elif rank == 1:
        value = (value,)
    parts = value if isinstance(value, Iterable) else ()
    pairs = [(n, n) if (n := integer(part)) is not None else integers(part) or () for part in parts]
    if len(pairs) != rank or any(len(pair) != 2 or min(pair) < 0 for pair in pairs):
        raise ValueError(
            f"{type(layer).__name__} {layer.name!r}: expected {name} to be an integer of at least 0"
            + (", or two of them" if rank == 1 else f", {rank} of them, or {rank} pairs")
            + f" (before, after); received {value!r}"
        )
    return tuple((before, after) for before, after in pairs)


class _Borders(Layer):
    rank = 2
    setting = "padding"
    default: Any = 1

    def __init__(self, borders: Any = None, data_format: str | None = None, **kwargs: Any):
        borders = kwargs.pop(self.setting, self.default if borders is None else borders)
        super().__init__(**kwargs)
        check_data_format(self, data_format)
        self.borders = _borders(self, self.setting, borders, self.rank)
        setattr(self, self.setting, self.borders if self.rank > 1 else self.borders[0])
        self._build_at_init()

    def get_config(self) -> dict[str, Any]:
        value = getattr(self, self.setting)
        return {**super().get_config(), self.setting: value, "data_format": "channels_last"}


class _ZeroPadding(_Borders):
    def call(self, inputs: Any) -> Any:
        check_rank(self, inputs.shape, self.rank)
        return ops.pad(inputs, [(0, 0), *self.borders, (0, 0)])


class _Cropping(_Borders):
    setting = "cropping"

    def call(self, inputs: Any) -> Any:
        check_rank(self, inputs.shape, self.rank)
        key = [slice(None)]
        for (before, after), size in zip(self.borders, inputs.shape[1:-1], strict=True):
            if before + after >= size:
                raise ValueError(
                    f"{type(self).__name__} {self.name!r}: expected images larger than the {before} + {after} pixels "
                    f"cut off; received shape {tuple(inputs.shape)}"
                )
            key.append(slice(before, size - after))
        return inputs[tuple(key)]


class _UpSampling(Layer):
    rank = 2

    def __init__(self, size: Any = 2, data_format: str | None = None, interpolation: str = "nearest", **kwargs: Any):
        super().__init__(**kwargs)
        check_data_format(self, data_format)
        if interpolation != "nearest" and not (self.rank == 2 and interpolation == "bilinear"):
            allowed = "'nearest' or 'bilinear'" if self.rank == 2 else "'nearest'"
            raise ValueError(
                f"{type(self).__name__} {self.name!r}: expected interpolation {allowed}; received {interpolation!r}"
            )
        self.size = per_axis(self, "size", size, self.rank)
        self.interpolation = interpolation
        self._build_at_init()

    def call(self, inputs: Any) -> Any:
        check_rank(self, inputs.shape, self.rank)
        x = ops.convert(inputs, "float32")
        if self.interpolation == "bilinear":
            return ops.resize(x, [size * factor for size, factor in zip(x.shape[1:3], self.size, strict=True)])
        for axis, factor in enumerate(self.size, start=1):
            if factor > 1:
                x = ops.repeat(x, factor, axis=axis)
        return x

    def get_config(self) -> dict[str, Any]:
        config = {**super().get_config(), "size": self.size if self.rank > 1 else self.size[0]}
        if self.rank == 2:
            config["interpolation"] = self.interpolation
        return {**config, "data_format": "channels_last"}


def _make(name: str, base: type, rank: int, doc: str, **attributes: Any) -> Any:
    cls = type(name, (base,), {"rank": rank, "__doc__": doc, "__module__": __name__, **attributes})
    return layer_registry.add()(cls)


_AXES = {1: "steps", 2: "height and width", 3: "depth, height and width"}
ZeroPadding1D, ZeroPadding2D, ZeroPadding3D = (
    _make(
        f"ZeroPadding{r}D",
        _ZeroPadding,
        r,
        f"Puts zeros around {_AXES[r]}: ``padding``, an integer (1), one an axis, or pairs.",
    )
    for r in (1, 2, 3)
)
Cropping1D, Cropping2D, Cropping3D = (
    _make(f"Cropping{r}D", _Cropping, r,
          f"Cuts off borders of {_AXES[r]}: ``cropping``, an integer, one an axis, or pairs.",
          default=1 if r != 2 else ((0, 0), (0, 0)))
    for r in (1, 2, 3)
)  # fmt: skip
UpSampling1D, UpSampling2D, UpSampling3D = (
    _make(f"UpSampling{r}D", _UpSampling, r, f"Enlarges {_AXES[r]} by the factors ``size`` (2), repeating pixels"
          + ("; ``interpolation='bilinear'`` interpolates." if r == 2 else "."))
    for r in (1, 2, 3)
)  # fmt: skip
