"""The fully connected layer."""

from __future__ import annotations

from typing import Any

from .. import activations, constraints, initializers, ops, regularizers
from .arguments import positive
from .layer import WITHOUT_ADAPTERS, Layer, layer_registry


@layer_registry.add()
class Dense(Layer):
    """A fully connected layer: ``y = activation(x · kernel + bias)``.

    Parameters
    ----------
    units : int
        The length of the last axis of the output, at least 1.
    activation : str or callable, optional
        Applied to the weighted sum; none by default.
    use_bias : bool, default True
        Whether to add a bias.
    kernel_initializer, bias_initializer : default "glorot_uniform", "zeros"
        The first contents of kernel and bias.
    kernel_regularizer, bias_regularizer, activity_regularizer : optional
        Penalties on kernel, bias and output.
    kernel_constraint, bias_constraint : optional
        Applied to kernel and bias after each step of the optimizer.
    **kwargs
        Those of :class:`Layer`.

    Notes
    -----
    Input ``(…, in)``, kernel ``(in, units)``, bias ``(units,)``, output ``(…, units)``. With one unit and a step
    activation it is Rosenblatt's perceptron (1958).

    Raises
    ------
    ValueError
        If `units` is not a positive integer, or the input has no last axis of known length.
    """

    left_out = WITHOUT_ADAPTERS

    def __init__(
        self,
        units: int,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ):
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.units = positive(self, "units", units)
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.kernel: Any = None
        self.bias: Any = None

    def build(self, input_shape: Any) -> None:
        if len(input_shape) < 2 or input_shape[-1] is None:
            raise ValueError(
                f"Dense {self.name!r}: expected input of shape (batch, …, features) with a known number of features; "
                f"received {tuple(input_shape)}; add an axis, e.g. x[:, None]"
            )
        self.kernel = self.add_weight(
            (input_shape[-1], self.units),
            self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
            name="kernel",
        )
        if self.use_bias:
            self.bias = self.add_weight(
                (self.units,),
                self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
                name="bias",
            )

    def call(self, inputs: Any) -> Any:
        if len(inputs.shape) < 2 or inputs.shape[-1] != self.kernel.shape[0]:
            raise ValueError(
                f"Dense {self.name!r}: expected input of shape (batch, …, {self.kernel.shape[0]}); "
                f"received {tuple(inputs.shape)}"
            )
        outputs = ops.dense(inputs, self.kernel, self.bias)
        return outputs if self.activation is None else self.activation(outputs)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "units": self.units,
            "activation": activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "kernel_initializer": initializers.serialize(self.kernel_initializer),
            "bias_initializer": initializers.serialize(self.bias_initializer),
            "kernel_regularizer": regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": regularizers.serialize(self.bias_regularizer),
            "kernel_constraint": constraints.serialize(self.kernel_constraint),
            "bias_constraint": constraints.serialize(self.bias_constraint),
        }
