"""Normalization layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import constraints, initializers, ops, regularizers
from ..numeric import real
from .layer import Layer, layer_registry


def _checked_epsilon(layer: Layer, epsilon: Any) -> float:
    number = real(epsilon)
    if number is None or number < 0:
        raise ValueError(f"{type(layer).__name__} {layer.name!r}: expected epsilon of at least 0; received {epsilon!r}")
    return number


class _Normalization(Layer):
    """Scale and offset: what normalization layers have in common."""

    def __init__(
        self,
        axis: Any,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.axis = axis
        self.epsilon = _checked_epsilon(self, epsilon)
        self.center = center
        self.scale = scale
        self.beta_initializer = initializers.get(beta_initializer)
        self.gamma_initializer = initializers.get(gamma_initializer)
        self.beta_regularizer = regularizers.get(beta_regularizer)
        self.gamma_regularizer = regularizers.get(gamma_regularizer)
        self.beta_constraint = constraints.get(beta_constraint)
        self.gamma_constraint = constraints.get(gamma_constraint)
        self.gamma: Any = None
        self.beta: Any = None

    def _add_scale_and_offset(self, shape: Sequence[int]) -> None:
        if self.scale:
            self.gamma = self.add_weight(
                shape, self.gamma_initializer, regularizer=self.gamma_regularizer,
                constraint=self.gamma_constraint, name="gamma",
            )  # fmt: skip
        if self.center:
            self.beta = self.add_weight(
                shape, self.beta_initializer, regularizer=self.beta_regularizer,
                constraint=self.beta_constraint, name="beta",
            )  # fmt: skip

    def _operands(self, inputs: Any, *more: Any) -> list[Any]:
        return [x for x in (inputs, self.gamma, self.beta, *more) if x is not None]

    def get_config(self) -> dict[str, Any]:
        config = {**super().get_config(), "axis": self.axis, "epsilon": self.epsilon, "center": self.center}
        config["scale"] = self.scale
        for name in ("beta", "gamma"):
            config[f"{name}_initializer"] = initializers.serialize(getattr(self, f"{name}_initializer"))
            config[f"{name}_regularizer"] = regularizers.serialize(getattr(self, f"{name}_regularizer"))
            config[f"{name}_constraint"] = constraints.serialize(getattr(self, f"{name}_constraint"))
        return config


@layer_registry.add()
class BatchNormalization(_Normalization):
    """``y = gamma · (x - mean) / √(variance + epsilon) + beta`` over the batch, channel by channel.

    ``moving = momentum · moving + (1 - momentum) · batch`` (PyTorch's momentum is one minus Keras's). In training the
    batch's own mean and (biased) variance are used, otherwise, and when frozen, the moving averages.
    Source: Ioffe and Szegedy, 2015.

    Parameters
    ----------
    axis : int, default -1
        The axis of the channels.
    momentum : float, default 0.99
        Of the moving averages.
    epsilon : float, default 1e-3
        Added to the variance.
    center, scale : bool, default True
        Whether to add beta, to multiply by gamma.
    *more, **kwargs
        Initializers, regularizers and constraints of beta and gamma, ``moving_mean_initializer`` ("zeros"),
        ``moving_variance_initializer`` ("ones"), and those of :class:`Layer`.
    """

    left_out = {
        "renorm": "there is no batch renormalization: leave it out, or use LayerNormalization or GroupNormalization, "
        "which do not depend on the batch",
        "renorm_clipping": "there is no batch renormalization",
        "synchronized": "there is one device, whose batch is whole: leave it out",
    }

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        moving_mean_initializer: Any = "zeros",
        moving_variance_initializer: Any = "ones",
        *more: Any,
        **kwargs: Any,
    ):
        kwargs.pop("renorm_momentum", None)  # means something beside renorm=True only
        super().__init__(axis, epsilon, center, scale, beta_initializer, gamma_initializer, *more, **kwargs)
        if not isinstance(axis, int):
            raise ValueError(f"BatchNormalization {self.name!r}: expected one axis; received {axis!r}")
        if real(momentum) is None or not 0 <= momentum <= 1:
            raise ValueError(f"BatchNormalization {self.name!r}: expected momentum from 0 to 1; received {momentum!r}")
        self.momentum = momentum
        self.moving_mean_initializer = initializers.get(moving_mean_initializer)
        self.moving_variance_initializer = initializers.get(moving_variance_initializer)

    def build(self, input_shape: Any) -> None:
        size = input_shape[ops.canonical_axis(self.axis, len(input_shape))]
        if size is None:
            raise ValueError(
                f"BatchNormalization {self.name!r}: expected a known size of axis {self.axis}; "
                f"received {tuple(input_shape)}"
            )
        self._add_scale_and_offset((size,))
        self.moving_mean = self.add_weight((size,), self.moving_mean_initializer, trainable=False, name="moving_mean")
        self.moving_variance = self.add_weight(
            (size,), self.moving_variance_initializer, trainable=False, name="moving_variance"
        )

    def call(self, inputs: Any, training: bool = False) -> Any:
        last = self.axis in (-1, len(inputs.shape) - 1)
        x = inputs if last else ops.moveaxis(inputs, self.axis, -1)
        settings: dict[str, Any] = {"epsilon": float(self.epsilon), "scale": self.scale, "center": self.center}
        if training and self.trainable:
            y, mean, variance = ops.apply("batch_norm", self._operands(x), **settings)
            kept = self.momentum
            for average, value in ((self.moving_mean, mean), (self.moving_variance, variance)):
                average.assign(ops.multiply(average, kept) + value * (1 - kept))
        else:
            y = ops.apply("batch_norm_inference", self._operands(x, self.moving_mean, self.moving_variance), **settings)
        return y if last else ops.moveaxis(y, -1, self.axis)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "momentum": self.momentum,
            "moving_mean_initializer": initializers.serialize(self.moving_mean_initializer),
            "moving_variance_initializer": initializers.serialize(self.moving_variance_initializer),
        }


def _checked_axis(axis: Any) -> Any:
    """Return an axis, or several as a list."""
    axes = list(axis) if isinstance(axis, (list, tuple)) else [axis]
    if not all(isinstance(item, int) for item in axes):
        raise TypeError(f"Expected an int or a list/tuple of ints for the argument 'axis'; received {axis!r}")
    return axes if isinstance(axis, (list, tuple)) else axis


def _at_the_end(axis: Any, ndim: int) -> tuple[list[int], int]:
    """Return the order of axes that puts those of `axis` last, and how many they are."""
    axes = sorted(ops.canonical_axis(item, ndim) for item in (axis if isinstance(axis, list) else [axis]))
    return [item for item in range(ndim) if item not in axes] + axes, len(axes)


def _moved(x: Any, order: list[int]) -> Any:
    return x if order == list(range(len(order))) else ops.transpose(x, order)


@layer_registry.add()
class LayerNormalization(_Normalization):
    """``y = gamma · (x - mean) / √(variance + epsilon) + beta`` over the features of each sample.

    Source: Ba, Kiros and Hinton, 2016. (PyTorch's epsilon is 1e-5.)

    Parameters
    ----------
    axis : int or sequence of int, default -1
        The axes normalized over.
    epsilon : float, default 1e-3
        Added to the variance.
    center, scale : bool, default True
        Whether to add beta, to multiply by gamma.
    *more, **kwargs
        Initializers, regularizers and constraints of beta and gamma, and those of :class:`Layer`.
    """

    left_out = {"rms_scaling": "use the layer RMSNormalization"}

    def __init__(
        self, axis: Any = -1, epsilon: float = 1e-3, center: bool = True, scale: bool = True, *more: Any, **kwargs: Any
    ):
        super().__init__(_checked_axis(axis), epsilon, center, scale, *more, **kwargs)

    def build(self, input_shape: Any) -> None:
        order, count = _at_the_end(self.axis, len(input_shape))
        self._add_scale_and_offset([input_shape[axis] for axis in order[-count:]])

    def call(self, inputs: Any) -> Any:
        order, count = _at_the_end(self.axis, len(inputs.shape))
        y = ops.apply(
            "layer_norm", self._operands(_moved(inputs, order)), axes=count, epsilon=float(self.epsilon),
            scale=self.scale, center=self.center,
        )  # fmt: skip
        return _moved(y[0] if isinstance(y, tuple) else y, [int(i) for i in np.argsort(order)])


@layer_registry.add()
class GroupNormalization(_Normalization):
    """``y = gamma · (x - mean) / √(variance + epsilon) + beta`` over groups of channels of each sample.

    Source: Wu and He, 2018. ``groups=-1`` takes each channel by itself: instance normalization (Ulyanov et al., 2016).

    Parameters
    ----------
    groups : int, default 32
        The number of groups, a divisor of the number of channels.
    axis : int, default -1
        The axis of the channels.
    epsilon : float, default 1e-3
        Added to the variance.
    center, scale : bool, default True
        Whether to add beta, to multiply by gamma.
    *more, **kwargs
        Initializers, regularizers and constraints of beta and gamma, and those of :class:`Layer`.
    """

    def __init__(
        self,
        groups: int = 32,
        axis: int = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        *more: Any,
        **kwargs: Any,
    ):
        super().__init__(axis, epsilon, center, scale, *more, **kwargs)
        if not isinstance(groups, int) or (groups < 1 and groups != -1):
            raise ValueError(
                f"GroupNormalization {self.name!r}: Invalid value for argument `groups`: expected a positive integer, "
                f"or -1 for a group of each channel; received {groups!r}"
            )
        self.groups = groups

    def build(self, input_shape: Any) -> None:
        channels = input_shape[self.axis]
        if channels is None:
            raise ValueError(
                f"Axis {self.axis} of input tensor should have a defined dimension but the layer received an input "
                f"with shape {tuple(input_shape)}."
            )
        groups = channels if self.groups == -1 else self.groups
        if channels < groups:
            raise ValueError(f"Number of groups ({groups}) cannot be more than the number of channels ({channels}).")
        if groups < 1 or channels % groups:
            raise ValueError(f"Number of groups ({groups}) must be a multiple of the number of channels ({channels}).")
        self._add_scale_and_offset((channels,))

    def call(self, inputs: Any) -> Any:
        last = self.axis in (-1, len(inputs.shape) - 1)
        x = inputs if last else ops.moveaxis(inputs, self.axis, -1)
        groups = x.shape[-1] if self.groups == -1 else self.groups
        y = ops.apply(
            "group_norm", self._operands(x), groups=groups, epsilon=float(self.epsilon), scale=self.scale,
            center=self.center,
        )  # fmt: skip
        return y if last else ops.moveaxis(y, -1, self.axis)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "groups": self.groups}


@layer_registry.add()
class RMSNormalization(Layer):
    """``y = scale · x / √(mean(x²) + epsilon)`` over the features of each sample (Zhang and Sennrich, 2019).

    Parameters
    ----------
    axis : int or sequence of int, default -1
        The axes normalized over.
    epsilon : float, default 1e-6
        Added to the mean square.
    **kwargs
        Those of :class:`Layer`.
    """

    def __init__(self, axis: Any = -1, epsilon: float = 1e-6, **kwargs: Any):
        super().__init__(**kwargs)
        self.axis = _checked_axis(axis)
        self.epsilon = _checked_epsilon(self, epsilon)

    def build(self, input_shape: Any) -> None:
        order, count = _at_the_end(self.axis, len(input_shape))
        self.scale = self.add_weight([input_shape[axis] for axis in order[-count:]], "ones", name="scale")

    def call(self, inputs: Any) -> Any:
        order, count = _at_the_end(self.axis, len(inputs.shape))
        y = ops.apply("rms_norm", [_moved(inputs, order), self.scale], axes=count, epsilon=float(self.epsilon))
        return _moved(y, [int(i) for i in np.argsort(order)])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "axis": self.axis, "epsilon": self.epsilon}


@layer_registry.add()
class UnitNormalization(Layer):
    """``y = x / √(max(sum(x²), 1e-12))``: each sample is scaled to Euclidean norm 1, without weights.

    Parameters
    ----------
    axis : int or sequence of int, default -1
        The axes over which the norm is taken.
    **kwargs
        Those of :class:`Layer`.

    Raises
    ------
    TypeError
        If `axis` is something else.
    """

    def __init__(self, axis: Any = -1, **kwargs: Any):
        super().__init__(**kwargs)
        self.axis = _checked_axis(axis)
        self._build_at_init()

    def call(self, inputs: Any) -> Any:
        return ops.normalize(inputs, axis=tuple(self.axis) if isinstance(self.axis, list) else self.axis)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "axis": self.axis}
