"""Initial values of weights: an initializer is called with a shape and returns a float32 array.

Names, defaults and formulas are those of Keras 3; the random bits are our own (NumPy's counter-based Philox), so the
same seed gives other numbers than in Keras, from the same distribution.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from . import random
from .numeric import check_reals, real, to_real
from .registry import Registry

Shape = Sequence[int]


class Initializer:
    """Base of all initializers: override ``__call__`` and, if there are settings, ``get_config``."""

    def __call__(self, shape: Shape, dtype: Any = None) -> np.ndarray:
        raise NotImplementedError(f"{type(self).__name__} must implement __call__(shape, dtype=None)")

    def get_config(self) -> dict[str, Any]:
        """Return the settings from which :meth:`from_config` makes an equal initializer."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Initializer:
        """Make an initializer from the settings that :meth:`get_config` returned."""
        return cls(**config)

    def clone(self) -> Initializer:
        """Return another initializer with the same settings."""
        return self.from_config(self.get_config())


registry = Registry("initializer", Initializer)


@registry.add("zero")
class Zeros(Initializer):
    """All 0."""

    def __call__(self, shape: Shape, dtype: Any = None) -> np.ndarray:
        return np.zeros(shape, dtype or np.float32)


@registry.add("one")
class Ones(Initializer):
    """All 1."""

    def __call__(self, shape: Shape, dtype: Any = None) -> np.ndarray:
        return np.ones(shape, dtype or np.float32)


@registry.add()
class Constant(Initializer):
    """All `value`.

    Parameters
    ----------
    value : float or array-like, default 0.0
        The value; an array must broadcast to the shape asked for.

    Raises
    ------
    ValueError
        If `value` is no number and no array of numbers.
    """

    def __init__(self, value: Any = 0.0):
        check_reals(value, "Constant: value")
        self.value = value

    def __call__(self, shape: Shape, dtype: Any = None) -> np.ndarray:
        return np.full(shape, self.value, dtype or np.float32)

    def get_config(self) -> dict[str, Any]:
        return {"value": self.value.tolist() if isinstance(self.value, (np.ndarray, np.generic)) else self.value}


@registry.add("IdentityInitializer")
class Identity(Initializer):
    """The identity matrix times `gain`; for two dimensions only.

    Parameters
    ----------
    gain : float, default 1.0
        The diagonal's value.

    Raises
    ------
    ValueError
        If `gain` is no finite number; when called, if the shape has not two dimensions.
    """

    def __init__(self, gain: float = 1.0):
        self.gain = to_real(gain, "Identity: gain")

    def __call__(self, shape: Shape, dtype: Any = None) -> np.ndarray:
        if len(shape) != 2:
            raise ValueError(f"Identity: expected a shape of two dimensions; received {tuple(shape)}")
        return (self.gain * np.eye(shape[0], shape[1])).astype(dtype or np.float32)

    def get_config(self) -> dict[str, Any]:
        return {"gain": self.gain}


class RandomInitializer(Initializer):
    """Base of the initializers that draw random numbers: override :meth:`draw`.

    Parameters
    ----------
    seed : int or SeedGenerator, optional
        An integer gives the same values in each call; a `nnfast.random.SeedGenerator` gives others in each.
        By default an integer drawn, when the initializer is made, from the stream that
        `nnfast.utils.set_random_seed` starts.
    """

    def __init__(self, seed: Any = None):
        self._given_seed = seed
        if seed is None:
            seed = random.next_seed()
        elif isinstance(seed, Mapping):
            seed = random.SeedGenerator(**seed["config"])
            self._given_seed = seed
        elif not hasattr(seed, "next") and not (isinstance(seed, (int, np.integer)) and seed >= 0):
            raise ValueError(
                f"{type(self).__name__}: expected `seed` to be None, an integer of at least 0 or a SeedGenerator; "
                f"received {seed!r}"
            )
        self.seed = seed

    def __call__(self, shape: Shape, dtype: Any = None) -> np.ndarray:
        shape = tuple(int(size) for size in shape)
        return self.draw(random.generator(self._next_seed()), shape).astype(dtype or np.float32, copy=False)

    def draw(self, generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """Return the float32 array of this shape that `generator` gives."""
        raise NotImplementedError(f"{type(self).__name__} must implement draw(generator, shape)")

    def get_config(self) -> dict[str, Any]:
        seed = self._given_seed
        if hasattr(seed, "next"):
            seed = {"class_name": "SeedGenerator", "config": seed.get_config()}
        return {"seed": seed}

    def _next_seed(self) -> int:
        if not hasattr(self.seed, "next"):
            return int(self.seed)
        drawn = self.seed.next()
        # Keras's own generator returns a pair of 32-bit words.
        return int(drawn) if np.ndim(drawn) == 0 else int(drawn[0]) << 32 | int(drawn[1])


@registry.add("normal")
class RandomNormal(RandomInitializer):
    """Normal distribution.

    Parameters
    ----------
    mean : float, default 0.0
        The mean.
    stddev : float, default 0.05
        The standard deviation.
    seed : int or SeedGenerator, optional
        See :class:`RandomInitializer`.

    Raises
    ------
    ValueError
        If `mean` or `stddev` is no finite number.
    """

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: Any = None):
        super().__init__(seed)
        self.mean = to_real(mean, f"{type(self).__name__}: mean")
        self.stddev = to_real(stddev, f"{type(self).__name__}: stddev")

    def draw(self, generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        return _affine(generator.standard_normal(shape, np.float32), self.stddev, self.mean)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "mean": self.mean, "stddev": self.stddev}


@registry.add()
class TruncatedNormal(RandomInitializer):
    """Normal distribution whose draws beyond two standard deviations are drawn again.

    Parameters
    ----------
    mean : float, default 0.0
        The mean.
    stddev : float, default 0.05
        The standard deviation before truncation; after it, 0.87962566 times as much.
    seed : int or SeedGenerator, optional
        See :class:`RandomInitializer`.

    Raises
    ------
    ValueError
        If `mean` or `stddev` is no finite number.
    """

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: Any = None):
        super().__init__(seed)
        self.mean = to_real(mean, f"{type(self).__name__}: mean")
        self.stddev = to_real(stddev, f"{type(self).__name__}: stddev")

    def draw(self, generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        return _affine(_truncated_normal(generator, shape), self.stddev, self.mean)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "mean": self.mean, "stddev": self.stddev}


@registry.add("uniform")
class RandomUniform(RandomInitializer):
    """Uniform distribution over [minval, maxval).

    Parameters
    ----------
    minval : float, default -0.05
        The least value.
    maxval : float, default 0.05
        The bound above, which no draw reaches.
    seed : int or SeedGenerator, optional
        See :class:`RandomInitializer`.

    Raises
    ------
    ValueError
        If `minval` or `maxval` is no finite number.
    """

    def __init__(self, minval: float = -0.05, maxval: float = 0.05, seed: Any = None):
        super().__init__(seed)
        self.minval = to_real(minval, "RandomUniform: minval")
        self.maxval = to_real(maxval, "RandomUniform: maxval")

    def draw(self, generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        return _uniform(generator, shape, self.minval, self.maxval)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "minval": self.minval, "maxval": self.maxval}


@registry.add()
class VarianceScaling(RandomInitializer):
    """A distribution of variance scale / n, where n is the number of inputs, of outputs, or their mean.

    Parameters
    ----------
    scale : float, default 1.0
        The factor, above 0.
    mode : {"fan_in", "fan_out", "fan_avg"}, default "fan_in"
        What n is.
    distribution : {"truncated_normal", "untruncated_normal", "uniform"}, default "truncated_normal"
        What to draw from ("normal" is another name of the first).
    seed : int or SeedGenerator, optional
        See :class:`RandomInitializer`.
    input_axes, output_axes : sequence of int, optional
        The axes of the weight that count inputs and outputs; by default the last but one and the last, times the
        size of the kernel's window.

    Raises
    ------
    ValueError
        If a setting is not as described.
    """

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: Any = None,
        input_axes: Sequence[int] | None = None,
        output_axes: Sequence[int] | None = None,
    ):
        if (real(scale) or 0.0) <= 0.0:
            raise ValueError(f"Argument `scale` must be positive float. Received: scale={scale}")
        modes = ("fan_in", "fan_out", "fan_avg")
        if mode not in modes:
            raise ValueError(f"Invalid `mode` argument: {mode!r}. Expected one of: {', '.join(modes)}")
        distribution = {"normal": "truncated_normal"}.get(distribution.lower(), distribution.lower())
        distributions = ("truncated_normal", "untruncated_normal", "uniform")
        if distribution not in distributions:
            raise ValueError(
                f"Invalid `distribution` argument: {distribution!r}. Expected one of: {', '.join(distributions)}"
            )
        super().__init__(seed)
        self.scale = scale
        self.mode = mode
        self.distribution = distribution
        self.input_axes = input_axes
        self.output_axes = output_axes

    def draw(self, generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        fan_in, fan_out = compute_fans(shape, self.input_axes, self.output_axes)
        n = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        variance = self.scale / max(1.0, n)
        if self.distribution == "uniform":
            limit = math.sqrt(3.0 * variance)
            return _uniform(generator, shape, -limit, limit)
        if self.distribution == "untruncated_normal":
            return _affine(generator.standard_normal(shape, np.float32), math.sqrt(variance), 0.0)
        return _affine(_truncated_normal(generator, shape), math.sqrt(variance) / _TRUNCATED_STDDEV, 0.0)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "scale": self.scale,
            "mode": self.mode,
            "distribution": self.distribution,
            "input_axes": self.input_axes,
            "output_axes": self.output_axes,
        }


class _Named(VarianceScaling):
    """A VarianceScaling with scale, mode and distribution settled."""

    settled: tuple[float, str, str]

    def __init__(
        self, seed: Any = None, input_axes: Sequence[int] | None = None, output_axes: Sequence[int] | None = None
    ):
        super().__init__(*self.settled, seed=seed, input_axes=input_axes, output_axes=output_axes)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        return {name: config[name] for name in ("seed", "input_axes", "output_axes")}


@registry.add()
class GlorotUniform(_Named):
    """Uniform within ±√(6 / (fan_in + fan_out)) (Glorot and Bengio, 2010); also called Xavier uniform."""

    settled = (1.0, "fan_avg", "uniform")


@registry.add()
class GlorotNormal(_Named):
    """Truncated normal of variance 2 / (fan_in + fan_out) (Glorot and Bengio, 2010); also called Xavier normal."""

    settled = (1.0, "fan_avg", "truncated_normal")


@registry.add()
class HeUniform(_Named):
    """Uniform within ±√(6 / fan_in), for ReLU (He et al., 2015)."""

    settled = (2.0, "fan_in", "uniform")


@registry.add()
class HeNormal(_Named):
    """Truncated normal of variance 2 / fan_in, for ReLU (He et al., 2015)."""

    settled = (2.0, "fan_in", "truncated_normal")


@registry.add()
class LecunUniform(_Named):
    """Uniform within ±√(3 / fan_in) (LeCun et al., 1998)."""

    settled = (1.0, "fan_in", "uniform")


@registry.add()
class LecunNormal(_Named):
    """Truncated normal of variance 1 / fan_in, for SELU (LeCun et al., 1998; Klambauer et al., 2017)."""

    settled = (1.0, "fan_in", "truncated_normal")


@registry.add("OrthogonalInitializer")
class Orthogonal(RandomInitializer):
    """An orthogonal matrix times `gain` (Saxe et al., 2014).

    Weights of more dimensions are taken as a matrix of prod(shape[:-1]) rows; the shorter side is orthonormal.

    Parameters
    ----------
    gain : float, default 1.0
        The factor.
    seed : int or SeedGenerator, optional
        See :class:`RandomInitializer`.

    Raises
    ------
    ValueError
        If `gain` is no finite number; when called, if the shape has fewer than two dimensions.
    """

    def __init__(self, gain: float = 1.0, seed: Any = None):
        super().__init__(seed)
        self.gain = to_real(gain, "Orthogonal: gain")

    def draw(self, generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        if len(shape) < 2:
            raise ValueError(f"Orthogonal: expected a shape of two or more dimensions; received {shape}")
        rows, columns = math.prod(shape[:-1]), shape[-1]
        q, r = np.linalg.qr(generator.standard_normal((max(rows, columns), min(rows, columns))))
        q *= np.where(np.diagonal(r) < 0, -1.0, 1.0)  # makes the draw uniform over the orthogonal matrices
        return (self.gain * (q if rows >= columns else q.T)).reshape(shape).astype(np.float32)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "gain": self.gain}


def compute_fans(
    shape: Shape, input_axes: Sequence[int] | None = None, output_axes: Sequence[int] | None = None
) -> tuple[int, int]:
    """Return how many inputs feed one output of a weight of this shape, and how many outputs one input feeds.

    A kernel of a convolution is (window…, inputs, outputs); the window's size multiplies both.
    """
    shape = tuple(int(size) for size in shape)
    if input_axes is not None and output_axes is not None:
        return math.prod(shape[axis] for axis in input_axes), math.prod(shape[axis] for axis in output_axes)
    if len(shape) < 2:
        size = math.prod(shape)
        return size, size
    window = math.prod(shape[:-2])
    return window * shape[-2], window * shape[-1]


# The standard deviation that a standard normal distribution keeps when cut at ±2.
_TRUNCATED_STDDEV = 0.87962566103423978


def _truncated_normal(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    values = generator.standard_normal(math.prod(shape), np.float32)
    outside = np.flatnonzero(np.abs(values) > 2)
    while outside.size:
        values[outside] = generator.standard_normal(outside.size, np.float32)
        outside = outside[np.abs(values[outside]) > 2]
    return values.reshape(shape)


def _uniform(generator: np.random.Generator, shape: tuple[int, ...], low: float, high: float) -> np.ndarray:
    values = _affine(generator.random(shape, np.float32), high - low, low)
    # The rounding of the last addition may reach the bound, which does not belong to the interval.
    return np.minimum(values, np.nextafter(np.float32(high), np.float32(low)), out=values)


def _affine(values: np.ndarray, scale: float, offset: float) -> np.ndarray:
    values *= np.float32(scale)
    if offset:
        values += np.float32(offset)
    return values


def get(identifier: Any) -> Any:
    """Return the initializer that a name, a configuration, a class, a function or an array of values stands for.

    Raises
    ------
    ValueError
        If the name is unknown; the message lists the names there are, the closest first.
    """
    if isinstance(identifier, (np.ndarray, np.generic)):
        return _given(identifier)
    return registry.get(identifier)


def _given(values: np.ndarray | np.generic) -> Callable[..., np.ndarray]:
    def initialize(shape: Shape, dtype: Any = None) -> np.ndarray:
        if tuple(shape) != values.shape:
            raise ValueError(
                f"Expected `shape` to be {values.shape}, that of the array used as initializer; received {tuple(shape)}"
            )
        return np.array(values, dtype or np.float32)

    return initialize


serialize = registry.serialize
deserialize = registry.deserialize

# The lower-case names that Keras exports too.
zeros, ones, constant, identity, orthogonal = Zeros, Ones, Constant, Identity, Orthogonal
random_normal, random_uniform, truncated_normal = RandomNormal, RandomUniform, TruncatedNormal
variance_scaling, glorot_normal, glorot_uniform = VarianceScaling, GlorotNormal, GlorotUniform
he_normal, he_uniform, lecun_normal, lecun_uniform = HeNormal, HeUniform, LecunNormal, LecunUniform
