"""Convolutions in one, two and three dimensions, channels last."""

from __future__ import annotations

from typing import Any

from .. import activations, constraints, initializers, ops, regularizers
from .arguments import Sizes, check_data_format, check_padding, per_axis, positive
from .layer import Layer, layer_registry


class BaseConv(Layer):
    """What convolutions have in common; see :class:`Conv2D`.

    Parameters
    ----------
    filters : int or None
        The number of output channels.
    kernel_size, strides, dilation_rate : int or sequence of int
        Of each spatial axis.
    padding : str
        ``"valid"``, ``"same"``, or in one dimension ``"causal"``.
    groups : int
        Into how many parts the channels are divided.
    """

    rank = 0
    transposed = False

    def __init__(
        self,
        filters: int | None,
        kernel_size: Sizes,
        strides: Sizes = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Sizes = 1,
        groups: int = 1,
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
        check_data_format(self, data_format)
        rank = self.rank
        filters = None if filters is None else positive(self, "filters", filters)
        groups = positive(self, "groups", groups)
        if filters is not None and filters % groups:
            raise ValueError(f"{self._who()}: expected filters divisible by groups; received {filters} and {groups}")
        self.filters = filters
        self.groups = groups
        self.kernel_size = per_axis(self, "kernel_size", kernel_size, rank)
        self.strides = per_axis(self, "strides", strides, rank)
        self.dilation_rate = per_axis(self, "dilation_rate", dilation_rate, rank)
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ValueError(
                f"{self._who()}: expected strides or dilation_rate above 1, not both; "
                f"received strides={self.strides}, dilation_rate={self.dilation_rate}"
            )
        self.padding = check_padding(
            self, padding, ("valid", "same", "causal") if rank == 1 and not self.transposed else ("valid", "same")
        )
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

    def _who(self) -> str:
        return f"{type(self).__name__} {self.name!r}"

    def _channels(self, input_shape: Any) -> int:
        self._check_input(input_shape)
        channels = input_shape[-1]
        if channels is None:
            raise ValueError(f"{self._who()}: expected a known number of channels; received {tuple(input_shape)}")
        if channels % self.groups:
            raise ValueError(
                f"{self._who()}: expected input channels divisible by groups={self.groups}; received {channels}"
            )
        return channels

    def _check_input(self, shape: Any) -> None:
        if len(shape) != self.rank + 2:
            axes = {1: "steps", 2: "height, width", 3: "depth, height, width"}[self.rank]
            hint = "; add a channel axis, e.g. x[..., None]" if len(shape) == self.rank + 1 else ""
            raise ValueError(
                f"{self._who()}: expected input of shape (batch, {axes}, channels); received {tuple(shape)}{hint}"
            )

    def kernel_shape(self, channels: int) -> tuple[int, ...]:
        """Return the kernel's shape: (window, channels / groups, filters)."""
        return (*self.kernel_size, channels // self.groups, self.filters or 0)

    def bias_size(self, channels: int) -> int:
        """Return the number of output channels."""
        return self.filters or channels

    def build(self, input_shape: Any) -> None:
        channels = self._channels(input_shape)
        self.kernel = self.add_weight(
            self.kernel_shape(channels),
            self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
            name="kernel",
        )
        if self.use_bias:
            self.bias = self.add_weight(
                (self.bias_size(channels),),
                self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
                name="bias",
            )

    def convolve(self, inputs: Any) -> Any:
        """Return the convolution with the bias added."""
        return ops.conv(
            inputs, self.kernel, self.strides, self.padding, self.dilation_rate, self.groups, bias=self.bias
        )

    def call(self, inputs: Any) -> Any:
        self._check_input(inputs.shape)
        return self.activation(self.convolve(inputs))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "data_format": "channels_last",
            "dilation_rate": self.dilation_rate,
            "groups": self.groups,
            "activation": activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "kernel_initializer": initializers.serialize(self.kernel_initializer),
            "bias_initializer": initializers.serialize(self.bias_initializer),
            "kernel_regularizer": regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": regularizers.serialize(self.bias_regularizer),
            "kernel_constraint": constraints.serialize(self.kernel_constraint),
            "bias_constraint": constraints.serialize(self.bias_constraint),
        }


_DOC = """A convolution over {axes}: ``y = activation(x * kernel + bias)``.

    Parameters
    ----------
    filters : int
        The number of output channels, at least 1.
    kernel_size : int or {rank} int
        The size of the window.
    strides : int or {rank} int, default 1
        How far the window moves.
    padding : str, default "valid"
        ``"valid"``: the window stays inside; ``"same"``: zeros around, so that with stride 1 the size stays{causal}.
    data_format : str, optional
        Only ``"channels_last"``.
    dilation_rate : int or {rank} int, default 1
        The distance between the window's elements.
    groups : int, default 1
        The channels are divided into so many parts, each with filters of its own.
    activation : str or callable, optional
        Applied to the result.
    use_bias : bool, default True
        Whether to add a bias.
    **kwargs
        Initializers, regularizers and constraints as in :class:`Dense`, and those of :class:`Layer`.

    Notes
    -----
    Input ``(batch, {axes}, channels)``, kernel ``(window, channels / groups, filters)``, bias ``(filters,)``.
    Convolution here is cross-correlation, as everywhere in the field: the window is not mirrored.

    Raises
    ------
    ValueError
        If a setting is out of range or the input has not {total} axes.
    """


def _make(name: str, rank: int, axes: str) -> type[BaseConv]:
    causal = '; ``"causal"``: all zeros before' if rank == 1 else ""
    doc = _DOC.format(axes=axes, rank=rank, total=rank + 2, causal=causal)
    cls = type(name, (BaseConv,), {"rank": rank, "__doc__": doc, "__module__": __name__})
    return layer_registry.add(f"Convolution{rank}D")(cls)


Conv1D = _make("Conv1D", 1, "steps")
Conv2D = _make("Conv2D", 2, "height, width")
Conv3D = _make("Conv3D", 3, "depth, height, width")


class BaseConvTranspose(BaseConv):
    """What transposed convolutions have in common; see :class:`Conv2DTranspose`."""

    transposed = True

    def __init__(
        self,
        filters: int,
        kernel_size: Sizes,
        strides: Sizes = 1,
        padding: str = "valid",
        output_padding: Any = None,
        data_format: str | None = None,
        dilation_rate: Sizes = 1,
        *more: Any,
        **kwargs: Any,
    ):
        super().__init__(filters, kernel_size, strides, padding, data_format, dilation_rate, 1, *more, **kwargs)
        self.output_padding = (
            None if output_padding is None else per_axis(self, "output_padding", output_padding, self.rank, least=0)
        )

    def kernel_shape(self, channels: int) -> tuple[int, ...]:
        return (*self.kernel_size, self.filters or 0, channels)

    def convolve(self, inputs: Any) -> Any:
        return ops.conv_transpose(
            inputs, self.kernel, self.strides, self.padding, self.output_padding, self.dilation_rate, bias=self.bias
        )

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["groups"]
        return {**config, "output_padding": self.output_padding}


_TRANSPOSE_DOC = """The gradient of a convolution over {axes} as a layer: it enlarges where that makes smaller.

    Parameters
    ----------
    filters, kernel_size, strides, padding, data_format, dilation_rate, *more, **kwargs
        As in :class:`Conv{rank}D`, without its groups.
    output_padding : int or {rank} int, optional
        How much larger the output is than the smallest that fits; by default `padding` decides.

    Notes
    -----
    Input ``(batch, {axes}, channels)``, kernel ``(window, filters, channels)``, bias ``(filters,)``.
    """


class _DataFormatFirst(BaseConvTranspose):
    """Keras's order of arguments in three dimensions."""

    def __init__(
        self,
        filters: int,
        kernel_size: Sizes,
        strides: Sizes = 1,
        padding: str = "valid",
        data_format: str | None = None,
        output_padding: Any = None,
        *more: Any,
        **kwargs: Any,
    ):
        super().__init__(filters, kernel_size, strides, padding, output_padding, data_format, *more, **kwargs)


def _make_transpose(name: str, rank: int, axes: str) -> type[BaseConvTranspose]:
    doc = _TRANSPOSE_DOC.format(axes=axes, rank=rank)
    base = _DataFormatFirst if rank == 3 else BaseConvTranspose
    cls = type(name, (base,), {"rank": rank, "__doc__": doc, "__module__": __name__})
    return layer_registry.add(f"Convolution{rank}DTranspose")(cls)


Conv1DTranspose = _make_transpose("Conv1DTranspose", 1, "steps")
Conv2DTranspose = _make_transpose("Conv2DTranspose", 2, "height, width")
Conv3DTranspose = _make_transpose("Conv3DTranspose", 3, "depth, height, width")


class BaseDepthwiseConv(BaseConv):
    """What depthwise convolutions have in common; see :class:`DepthwiseConv2D`."""

    def __init__(
        self,
        kernel_size: Sizes,
        strides: Sizes = 1,
        padding: str = "valid",
        depth_multiplier: int = 1,
        data_format: str | None = None,
        dilation_rate: Sizes = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ):
        super().__init__(
            None, kernel_size, strides, padding, data_format, dilation_rate, 1, activation, use_bias,
            depthwise_initializer, bias_initializer, depthwise_regularizer, bias_regularizer, activity_regularizer,
            depthwise_constraint, bias_constraint, **kwargs,
        )  # fmt: skip
        self.depth_multiplier = positive(self, "depth_multiplier", depth_multiplier)

    def kernel_shape(self, channels: int) -> tuple[int, ...]:
        return (*self.kernel_size, channels, self.depth_multiplier)

    def bias_size(self, channels: int) -> int:
        return channels * self.depth_multiplier

    def convolve(self, inputs: Any) -> Any:
        return ops.depthwise_conv(inputs, self.kernel, self.strides, self.padding, self.dilation_rate, bias=self.bias)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        for name in ("filters", "groups"):
            del config[name]
        for part in ("initializer", "regularizer", "constraint"):
            config[f"depthwise_{part}"] = config.pop(f"kernel_{part}")
        return {**config, "depth_multiplier": self.depth_multiplier}


_DEPTHWISE_DOC = """A convolution over {axes} of each channel by itself.

    Parameters
    ----------
    kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias
        As in :class:`Conv{rank}D`.
    depth_multiplier : int, default 1
        The number of output channels for each input channel.
    **kwargs
        ``depthwise_initializer``, ``bias_initializer``, regularizers and constraints likewise; those of :class:`Layer`.

    Notes
    -----
    Input ``(batch, {axes}, channels)``, kernel ``(window, channels, depth_multiplier)``.
    """


def _make_depthwise(name: str, rank: int, axes: str) -> type[BaseDepthwiseConv]:
    doc = _DEPTHWISE_DOC.format(axes=axes, rank=rank)
    cls = type(name, (BaseDepthwiseConv,), {"rank": rank, "__doc__": doc, "__module__": __name__})
    return layer_registry.add()(cls)


DepthwiseConv1D = _make_depthwise("DepthwiseConv1D", 1, "steps")
DepthwiseConv2D = _make_depthwise("DepthwiseConv2D", 2, "height, width")


class BaseSeparableConv(BaseConv):
    """What separable convolutions have in common; see :class:`SeparableConv2D`."""

    def __init__(
        self,
        filters: int,
        kernel_size: Sizes,
        strides: Sizes = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Sizes = 1,
        depth_multiplier: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        pointwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        pointwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        pointwise_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ):
        super().__init__(
            filters, kernel_size, strides, padding, data_format, dilation_rate, 1, activation, use_bias,
            pointwise_initializer, bias_initializer, pointwise_regularizer, bias_regularizer, activity_regularizer,
            pointwise_constraint, bias_constraint, **kwargs,
        )  # fmt: skip
        self.depth_multiplier = positive(self, "depth_multiplier", depth_multiplier)
        self.depthwise_initializer = initializers.get(depthwise_initializer)
        self.depthwise_regularizer = regularizers.get(depthwise_regularizer)
        self.depthwise_constraint = constraints.get(depthwise_constraint)
        self.depthwise_kernel: Any = None

    def build(self, input_shape: Any) -> None:
        channels = self._channels(input_shape)
        self.depthwise_kernel = self.add_weight(
            (*self.kernel_size, channels, self.depth_multiplier),
            self.depthwise_initializer,
            regularizer=self.depthwise_regularizer,
            constraint=self.depthwise_constraint,
            name="depthwise_kernel",
        )
        self.pointwise_kernel = self.add_weight(
            (*(1,) * self.rank, channels * self.depth_multiplier, self.filters or 0),
            self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
            name="pointwise_kernel",
        )
        if self.use_bias:
            self.bias = self.add_weight(
                (self.filters or 0,),
                self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
                name="bias",
            )

    def convolve(self, inputs: Any) -> Any:
        apart = ops.depthwise_conv(inputs, self.depthwise_kernel, self.strides, self.padding, self.dilation_rate)
        return ops.conv(apart, self.pointwise_kernel, 1, "valid", 1, 1, bias=self.bias)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["groups"]
        for part in ("initializer", "regularizer", "constraint"):
            config[f"pointwise_{part}"] = config.pop(f"kernel_{part}")
        return {
            **config,
            "depth_multiplier": self.depth_multiplier,
            "depthwise_initializer": initializers.serialize(self.depthwise_initializer),
            "depthwise_regularizer": regularizers.serialize(self.depthwise_regularizer),
            "depthwise_constraint": constraints.serialize(self.depthwise_constraint),
        }


_SEPARABLE_DOC = """A depthwise convolution over {axes}, then one of window 1 that mixes the channels.

    Parameters
    ----------
    filters, kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias
        As in :class:`Conv{rank}D`.
    depth_multiplier : int, default 1
        The number of channels in between for each input channel.
    **kwargs
        ``depthwise_initializer``, ``pointwise_initializer``, ``bias_initializer``, regularizers and constraints
        likewise; those of :class:`Layer`.
    """


def _make_separable(name: str, rank: int, axes: str) -> type[BaseSeparableConv]:
    doc = _SEPARABLE_DOC.format(axes=axes, rank=rank)
    cls = type(name, (BaseSeparableConv,), {"rank": rank, "__doc__": doc, "__module__": __name__})
    return layer_registry.add(f"SeparableConvolution{rank}D")(cls)


SeparableConv1D = _make_separable("SeparableConv1D", 1, "steps")
SeparableConv2D = _make_separable("SeparableConv2D", 2, "height, width")
