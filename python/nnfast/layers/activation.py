"""Activations as layers, with parameters or weights of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import activations, constraints, initializers, ops, regularizers
from ..numeric import integers, real, to_real
from .layer import Layer, layer_registry


def _non_negative(layer: Layer, kind: str, name: str, value: Any) -> float:
    number = real(value)
    if number is None or number < 0:
        raise ValueError(
            f"{type(layer).__name__} {layer.name!r}: the {name} of a {kind} layer cannot be None or a negative value; "
            f"expected a number of at least 0; received {value!r}"
        )
    return float(number)


@layer_registry.add()
class ReLU(Layer):
    """``max(x, 0)``, with a slope below, an upper bound and a threshold where asked for.

    Parameters
    ----------
    max_value : float, optional
        The largest output.
    negative_slope : float, default 0.0
        Of the part below the threshold.
    threshold : float, default 0.0
        Below which the input is damped.
    **kwargs
        Those of :class:`Layer`.
    """

    def __init__(
        self, max_value: float | None = None, negative_slope: float = 0.0, threshold: float = 0.0, **kwargs: Any
    ):
        super().__init__(**kwargs)
        self.max_value = None
        if max_value is not None:
            if real(max_value) is None or max_value < 0:
                raise ValueError(
                    f"ReLU {self.name!r}: the max_value of a ReLU layer cannot be a negative value; expected None or a "
                    f"number of at least 0; received {max_value!r}"
                )
            self.max_value = float(max_value)
        self.negative_slope = _non_negative(self, "ReLU", "negative_slope", negative_slope)
        self.threshold = _non_negative(self, "ReLU", "threshold", threshold)
        self._build_at_init()

    def call(self, inputs: Any) -> Any:
        return activations.relu(inputs, self.negative_slope, self.max_value, self.threshold)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "max_value": self.max_value,
            "negative_slope": self.negative_slope,
            "threshold": self.threshold,
        }


@layer_registry.add()
class LeakyReLU(Layer):
    """``x`` where positive, else ``negative_slope · x``.

    Parameters
    ----------
    negative_slope : float, default 0.3
        The slope (PyTorch's is 0.01).
    **kwargs
        Those of :class:`Layer`.
    """

    def __init__(self, negative_slope: float = 0.3, **kwargs: Any):
        if "alpha" in kwargs:
            negative_slope = kwargs.pop("alpha")
        super().__init__(**kwargs)
        if real(negative_slope) is None:
            raise ValueError(
                f"LeakyReLU {self.name!r}: The negative_slope value of a Leaky ReLU layer cannot be None; expected a "
                f"number; received {negative_slope!r}"
            )
        self.negative_slope = float(negative_slope)
        self._build_at_init()

    def call(self, inputs: Any) -> Any:
        return activations.leaky_relu(inputs, self.negative_slope)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "negative_slope": self.negative_slope}


@layer_registry.add()
class ELU(Layer):
    """``x`` where positive, else ``alpha · (e^x - 1)``.

    Parameters
    ----------
    alpha : float, default 1.0
        Minus the limit to the left.
    **kwargs
        Those of :class:`Layer`.

    Raises
    ------
    ValueError
        If `alpha` is no finite number.
    """

    def __init__(self, alpha: float = 1.0, **kwargs: Any):
        super().__init__(**kwargs)
        self.alpha = to_real(alpha, f"ELU {self.name!r}: alpha")
        self._build_at_init()

    def call(self, inputs: Any) -> Any:
        return activations.elu(inputs, self.alpha)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "alpha": self.alpha}


@layer_registry.add()
class PReLU(Layer):
    """``x`` where positive, else ``alpha · x`` with a learned alpha for each feature (He et al., 2015).

    Parameters
    ----------
    alpha_initializer : default "Zeros"
        The first alpha.
    alpha_regularizer, alpha_constraint : optional
        Of alpha.
    shared_axes : int or sequence of int, optional
        Axes, counted from 1, along which alpha is shared, for example ``[1, 2]`` after a convolution.
    **kwargs
        Those of :class:`Layer`.
    """

    def __init__(
        self,
        alpha_initializer: Any = "Zeros",
        alpha_regularizer: Any = None,
        alpha_constraint: Any = None,
        shared_axes: int | Sequence[int] | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.alpha_initializer = initializers.get(alpha_initializer)
        self.alpha_regularizer = regularizers.get(alpha_regularizer)
        self.alpha_constraint = constraints.get(alpha_constraint)
        axes = () if shared_axes is None else integers(shared_axes)
        if axes is None:
            raise ValueError(
                f"PReLU {self.name!r}: expected shared_axes to be an axis, counted from 1, or several; "
                f"received {shared_axes!r}"
            )
        self.shared_axes = list(axes) or None

    def build(self, input_shape: Any) -> None:
        shape = list(input_shape[1:])
        for axis in self.shared_axes or ():
            shape[axis - 1] = 1
        self.alpha = self.add_weight(
            shape, self.alpha_initializer, regularizer=self.alpha_regularizer, constraint=self.alpha_constraint,
            name="alpha",
        )  # fmt: skip

    def call(self, inputs: Any) -> Any:
        return activations.relu(inputs) - self.alpha * activations.relu(-inputs)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "alpha_initializer": initializers.serialize(self.alpha_initializer),
            "alpha_regularizer": regularizers.serialize(self.alpha_regularizer),
            "alpha_constraint": constraints.serialize(self.alpha_constraint),
            "shared_axes": self.shared_axes,
        }


@layer_registry.add()
class Swish(Layer):
    """``x · sigmoid(beta · x)`` with a beta that may be learned (Ramachandran et al., 2017).

    Parameters
    ----------
    beta : float, default 1.0
        The first beta; 1 gives SiLU.
    trainable : bool, default True
        Whether it is learned.
    **kwargs
        Those of :class:`Layer`.
    """

    def __init__(self, beta: float = 1.0, trainable: bool = True, **kwargs: Any):
        super().__init__(trainable=trainable, **kwargs)
        self.beta_start = float(beta)

    def build(self, input_shape: Any) -> None:
        self.beta = self.add_weight((), initializers.Constant(self.beta_start), name="beta")

    def call(self, inputs: Any) -> Any:
        return inputs * activations.sigmoid(self.beta * inputs)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "beta": self.beta_start}


@layer_registry.add()
class Softmax(Layer):
    """``e^x / Σ e^x`` along an axis.

    Parameters
    ----------
    axis : int or sequence of int, default -1
        The axis, or axes that sum to 1 together.
    **kwargs
        Those of :class:`Layer`.

    Notes
    -----
    Called with a `mask` that broadcasts to the inputs, it gives 0 where the mask is not above 0.5, and the others sum
    to 1.
    """

    def __init__(self, axis: Any = -1, **kwargs: Any):
        super().__init__(**kwargs)
        self.axis = list(axis) if isinstance(axis, (list, tuple)) else axis
        self._build_at_init()

    def call(self, inputs: Any, mask: Any = None) -> Any:
        if mask is None:
            return self._softmax(inputs)
        self._check_mask(ops.shape_of(mask), ops.shape_of(inputs))
        kept = ops.greater(ops.convert(mask, "float32"), 0.5)
        return ops.where(kept, self._softmax(ops.where(kept, inputs, -3e38)), 0.0)

    def _softmax(self, inputs: Any) -> Any:
        if isinstance(self.axis, list):
            if len(self.axis) > 1:
                return ops.exp(inputs - ops.logsumexp(inputs, axis=self.axis, keepdims=True))
            return ops.softmax(inputs, self.axis[0])
        return ops.softmax(inputs, self.axis)

    def _check_mask(self, mask: Sequence[int], inputs: Sequence[int]) -> None:
        if len(mask) > len(inputs):
            what = "must not have more dimensions than"
        elif any(m not in (1, n) for m, n in zip(mask[::-1], inputs[::-1], strict=False)):
            what = "must be broadcastable to"
        else:
            return
        raise ValueError(
            f"Softmax {self.name!r}: the mask {what} the inputs; expected a mask for inputs of shape {tuple(inputs)}; "
            f"received one of shape {tuple(mask)}"
        )

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "axis": self.axis}
