"""Pooling in one, two and three dimensions, channels last."""

from __future__ import annotations

from typing import Any

from .. import ops
from .arguments import Sizes, check_data_format, check_padding, check_rank, per_axis
from .layer import Layer, layer_registry


class BasePooling(Layer):
    """What poolings have in common.

    Parameters
    ----------
    pool_size : int or sequence of int, default 2
        The size of the window.
    strides : int or sequence of int, optional
        How far the window moves; by default its size.
    padding : str, default "valid"
        ``"valid"``: windows stay inside; ``"same"``: they reach outside, so that with stride 1 the size stays, and
        what lies outside does not count.
    data_format : str, optional
        Only ``"channels_last"``.
    name, **kwargs
        Those of :class:`Layer`.
    """

    rank = 0
    pool: Any = None

    def __init__(
        self, pool_size: Sizes = 2, strides: Sizes | None = None, padding: str = "valid",
        data_format: str | None = None, name: str | None = None, **kwargs: Any,
    ):  # fmt: skip
        super().__init__(name=name, **kwargs)
        check_data_format(self, data_format)
        self.pool_size = per_axis(self, "pool_size", pool_size, self.rank)
        self.strides = self.pool_size if strides is None else per_axis(self, "strides", strides, self.rank)
        self.padding = check_padding(self, padding)
        self._build_at_init()

    def call(self, inputs: Any) -> Any:
        check_rank(self, inputs.shape, self.rank)
        return type(self).pool(inputs, self.pool_size, self.strides, self.padding)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "pool_size": self.pool_size,
            "strides": self.strides,
            "padding": self.padding,
            "data_format": "channels_last",
        }


class BaseGlobalPooling(Layer):
    """Pools over all pixels of each channel.

    Parameters
    ----------
    data_format : str, optional
        Only ``"channels_last"``.
    keepdims : bool, default False
        Whether to keep the spatial axes, of length 1.
    **kwargs
        Those of :class:`Layer`.
    """

    rank = 0
    reduce: Any = None

    def __init__(self, data_format: str | None = None, keepdims: bool = False, **kwargs: Any):
        super().__init__(**kwargs)
        check_data_format(self, data_format)
        self.keepdims = keepdims
        self._build_at_init()

    def call(self, inputs: Any) -> Any:
        check_rank(self, inputs.shape, self.rank)
        return type(self).reduce(inputs, axis=list(range(1, self.rank + 1)), keepdims=self.keepdims)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "data_format": "channels_last", "keepdims": self.keepdims}


def _make(rank: int, name: str, base: type, **attributes: Any) -> Any:
    kind = "the largest element" if "Max" in name else "the mean"
    where = "of all pixels" if base is BaseGlobalPooling else "in a window"
    doc = f"Takes {kind} {where} over {rank} spatial axes; parameters as in :class:`{base.__name__}`."
    cls = type(name, (base,), {"rank": rank, "__doc__": doc, "__module__": __name__, **attributes})
    short = name.replace("Pooling", "Pool").replace("Average", "Avg")
    return layer_registry.add(short)(cls)


MaxPooling1D, MaxPooling2D, MaxPooling3D = (
    _make(rank, f"MaxPooling{rank}D", BasePooling, pool=staticmethod(ops.max_pool)) for rank in (1, 2, 3)
)
AveragePooling1D, AveragePooling2D, AveragePooling3D = (
    _make(rank, f"AveragePooling{rank}D", BasePooling, pool=staticmethod(ops.average_pool)) for rank in (1, 2, 3)
)
GlobalMaxPooling1D, GlobalMaxPooling2D, GlobalMaxPooling3D = (
    _make(rank, f"GlobalMaxPooling{rank}D", BaseGlobalPooling, reduce=staticmethod(ops.max)) for rank in (1, 2, 3)
)
GlobalAveragePooling2D, GlobalAveragePooling3D = (
    _make(rank, f"GlobalAveragePooling{rank}D", BaseGlobalPooling, reduce=staticmethod(ops.mean)) for rank in (2, 3)
)


@layer_registry.add("GlobalAvgPool1D")
class GlobalAveragePooling1D(BaseGlobalPooling):
    """Takes the mean over the steps; parameters as in :class:`BaseGlobalPooling`.

    Called with a `mask` of shape (batch, steps), only steps where it is not 0 count.
    """

    rank = 1
    reduce = staticmethod(ops.mean)

    def call(self, inputs: Any, mask: Any = None) -> Any:
        if mask is None:
            return super().call(inputs)
        check_rank(self, inputs.shape, self.rank)
        counts = ops.expand_dims(ops.cast(ops.not_equal(mask, 0), "float32"), 2)
        total = ops.sum(inputs * counts, axis=1, keepdims=self.keepdims)
        return total / ops.sum(counts, axis=1, keepdims=self.keepdims)
