"""Sequential models: a list of layers, each fed by the one before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..layers.core import Input, InputLayer
from ..layers.layer import Layer, deserialize, layer_registry, serialize
from ..node import InputNode
from ..tensor import KerasTensor
from .functional import Functional
from .model import Model


def _input_of(layer: Layer) -> InputLayer | None:
    """Return an input like the one that a first layer is known to take."""
    if layer._input_shape_given is not None:
        return InputLayer(shape=layer._input_shape_given)
    inputs = layer.inputs if isinstance(layer, Model) and layer.built and hasattr(layer, "inputs") else []
    return InputLayer(batch_shape=inputs[0].shape, dtype=inputs[0].dtype) if len(inputs) == 1 else None


@layer_registry.add()
class Sequential(Model):
    """A list of layers, each fed by the one before.

    Parameters
    ----------
    layers : sequence of Layer, optional
        The layers; ``Input(shape)`` as the first says the shape of a sample, so that the weights exist at once.
        Without it they are created at the first call.
    trainable : bool, default True
        Whether optimizers change the weights.
    name : str, optional
        The model's name.

    Raises
    ------
    TypeError
        If something other than a layer is added.
    ValueError
        If a layer does not fit the one before, or two share a name.
    """

    def __init__(self, layers: Sequence[Any] | None = None, trainable: bool = True, name: str | None = None):
        super().__init__(name=name, trainable=trainable)
        self._input_layer: InputLayer | None = None
        self._list: list[Layer] = []
        self._functional: Functional | None = None
        for layer in layers or ():
            self._append(layer)
        self._rebuild()

    def add(self, layer: Any) -> None:
        """Append a layer."""
        self._append(layer)
        self._rebuild()

    def pop(self) -> Layer:
        """Remove the last layer and return it."""
        if not self._list:
            raise ValueError(f"Sequential {self.name!r}: expected a layer to remove; received an empty model")
        layer = self._list.pop()
        self._sublayers = [inner for inner in self._sublayers if inner is not layer]
        self._rebuild()
        return layer

    def _append(self, layer: Any) -> None:
        if isinstance(layer, KerasTensor) and layer.history and isinstance(layer.history[0], InputNode):
            layer = layer.history[0].layer
        if not isinstance(layer, Layer):
            raise TypeError(
                f"Sequential {self.name!r}: expected a layer; received {layer!r} of type {type(layer).__name__}"
            )
        if layer is self or self in layer.layers_inside:
            raise ValueError(f"Sequential {self.name!r}: expected layers that it is no part of; received itself")
        if isinstance(layer, InputLayer):
            if self._list or self._input_layer:
                raise ValueError(f"Sequential {self.name!r}: expected Input as the first layer only")
            self._input_layer = layer
            return
        if any(layer.name == other.name for other in self._list):
            raise ValueError(
                f"Sequential {self.name!r}: expected layers of different names; received two named {layer.name!r}"
            )
        if not self._list and self._input_layer is None:
            self._input_layer = _input_of(layer)
        self._list = [*self._list, layer]

    def _rebuild(self) -> None:
        self._functional = None
        self.built = False
        if self._input_layer is None or not self._list:
            return
        x = self._input_layer.output
        for layer in self._list:
            x = layer(x)
        # Not an attribute through Layer: its layers are this model's own.
        object.__setattr__(self, "_functional", Functional(self._input_layer.output, x, name=self.name))
        self.built = True

    def build(self, input_shape: Any = None) -> None:
        if self._functional is None and input_shape is not None:
            self._input_layer = Input(batch_shape=(None, *tuple(input_shape)[1:])).history[0].layer
            self._rebuild()

    @property
    def layers(self) -> list[Layer]:
        """The layers, without the input."""
        return list(self._list)

    @property
    def inputs(self) -> list[KerasTensor]:
        """The symbolic input, in a list."""
        return self._symbolic().inputs

    @property
    def outputs(self) -> list[KerasTensor]:
        """The symbolic output, in a list."""
        return self._symbolic().outputs

    @property
    def input_shape(self) -> Any:
        """The shape of the input, the batch axis None."""
        return self._symbolic().input_shape

    @property
    def output_shape(self) -> Any:
        """The shape of the output, the batch axis None."""
        return self._symbolic().output_shape

    def _symbolic(self) -> Functional:
        if self._functional is None:
            raise AttributeError(
                f"Sequential {self.name!r} has no input shape yet; start it with Input(shape), or call it once"
            )
        return self._functional

    def call(self, inputs: Any) -> Any:
        if self._functional is not None:
            return self._functional.call(inputs)
        for layer in self._list:
            inputs = layer(inputs)
        return inputs

    def get_config(self) -> dict[str, Any]:
        first = [] if self._input_layer is None else [self._input_layer]
        return {
            "name": self.name,
            "trainable": self.trainable,
            "layers": [serialize(layer) for layer in [*first, *self._list]],
        }

    @classmethod
    def _from_config(cls, config: dict[str, Any]) -> Sequential:
        return cls([deserialize(item) for item in config["layers"]], config.get("trainable", True), config.get("name"))
