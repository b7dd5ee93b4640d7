"""Layers that act in training only, and penalties on outputs."""

from __future__ import annotations

from typing import Any

from .. import ops, regularizers
from ..numeric import real
from .arguments import check_data_format, check_rank
from .core import Dropout, check_noise_shape, full_noise_shape
from .layer import Layer, layer_registry


def _check_rate(layer: Layer, rate: Any, name: str = "rate") -> float:
    number = real(rate)
    if number is None or not 0 <= number <= 1:
        raise ValueError(
            f"{type(layer).__name__} {layer.name!r}: Invalid value received for argument `{name}`. "
            f"Expected a float value between 0 and 1. Received: {name}={rate!r}"
        )
    return number


class _SpatialDropout(Dropout):
    rank = 2

    def __init__(
        self,
        rate: float,
        data_format: str | None = None,
        seed: int | None = None,
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ):
        super().__init__(rate, seed=seed, name=name, dtype=dtype, **kwargs)
        check_data_format(self, data_format)
        self.noise_shape = (None, *(1,) * self.rank, None)

    def call(self, inputs: Any, training: bool = False) -> Any:
        check_rank(self, inputs.shape, self.rank)
        return super().call(inputs, training=training)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["noise_shape"]
        return config


class _WithoutDataFormat(_SpatialDropout):
    """Keras's order of arguments in one dimension."""

    def __init__(self, rate: float, seed: int | None = None, name: str | None = None, dtype: Any = None, **kwargs: Any):
        super().__init__(rate, kwargs.pop("data_format", None), seed, name, dtype, **kwargs)


def _spatial(rank: int) -> Any:
    doc = f"Drops whole channels, over {rank} spatial axes; ``rate``, ``seed`` as in Dropout (Tompson et al., 2014)."
    base = _WithoutDataFormat if rank == 1 else _SpatialDropout
    cls = type(f"SpatialDropout{rank}D", (base,), {"rank": rank, "__doc__": doc, "__module__": __name__})
    return layer_registry.add()(cls)


SpatialDropout1D, SpatialDropout2D, SpatialDropout3D = (_spatial(rank) for rank in (1, 2, 3))


class _Noise(Layer):
    """A layer that draws from its own seed in training."""

    def __init__(self, seed: int | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.seed = seed
        self._build_at_init()


@layer_registry.add()
class GaussianNoise(_Noise):
    """In training, adds normal noise.

    Parameters
    ----------
    stddev : float
        The noise's standard deviation.
    seed : int, optional
        By default it follows from the layer's place in the model.
    **kwargs
        Those of :class:`Layer`.
    """

    def __init__(self, stddev: float, seed: int | None = None, **kwargs: Any):
        super().__init__(seed, **kwargs)
        deviation = real(stddev)
        if deviation is None or deviation < 0:
            raise ValueError(
                f"Invalid value received for argument `stddev`. Expected a float value between 0 and 1. "
                f"Received: stddev={stddev!r}"
            )
        self.stddev = deviation

    def call(self, inputs: Any, training: bool = False) -> Any:
        if not training or self.stddev == 0:
            return inputs
        return ops.gaussian_noise(inputs, self.stddev, self.seed)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "stddev": self.stddev, "seed": self.seed}


@layer_registry.add()
class GaussianDropout(_Noise):
    """In training, multiplies by normal noise of mean 1 and standard deviation ``√(rate / (1 - rate))``.

    Parameters
    ----------
    rate : float
        From 0 up to 1.
    seed : int, optional
        By default it follows from the layer's place in the model.
    **kwargs
        Those of :class:`Layer`.
    """

    def __init__(self, rate: float, seed: int | None = None, **kwargs: Any):
        super().__init__(seed, **kwargs)
        self.rate = _check_rate(self, rate)

    def call(self, inputs: Any, training: bool = False) -> Any:
        if not training or self.rate == 0:
            return inputs
        return ops.gaussian_dropout(inputs, self.rate, self.seed)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}


@layer_registry.add()
class AlphaDropout(_Noise):
    """Dropout that keeps the mean and the variance of SELU activations (Klambauer et al., 2017).

    Parameters
    ----------
    rate : float
        From 0 up to 1.
    noise_shape : sequence of int, optional
        The shape of the mask, as in :class:`Dropout`.
    seed : int, optional
        By default it follows from the layer's place in the model.
    **kwargs
        Those of :class:`Layer`.
    """

    def __init__(self, rate: float, noise_shape: Any = None, seed: int | None = None, **kwargs: Any):
        super().__init__(seed, **kwargs)
        self.rate = _check_rate(self, rate)
        self.noise_shape = check_noise_shape(self, noise_shape)

    def call(self, inputs: Any, training: bool = False) -> Any:
        if not training or self.rate == 0:
            return inputs
        return ops.alpha_dropout(inputs, self.rate, full_noise_shape(self, inputs.shape), self.seed)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rate": self.rate, "noise_shape": self.noise_shape, "seed": self.seed}


@layer_registry.add()
class ActivityRegularization(Layer):
    """Adds ``(l1 · Σ|x| + l2 · Σx²) / rows`` of its input to the loss; rows are those of the batch.

    Parameters
    ----------
    l1, l2 : float, default 0.0
        The factors.
    **kwargs
        Those of :class:`Layer`.
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0, **kwargs: Any):
        super().__init__(activity_regularizer=regularizers.L1L2(l1=l1, l2=l2), **kwargs)
        self.l1 = l1
        self.l2 = l2
        self._build_at_init()

    def call(self, inputs: Any) -> Any:
        return inputs

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["activity_regularizer"]
        return {**config, "l1": self.l1, "l2": self.l2}
