"""Models: layers that can be trained, evaluated, used and saved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np

from .. import saving
from ..layers.layer import Layer, layer_registry
from ..registry import custom_object_scope
from ..tensor import Trace, map_structure, tracing
from .summary import summary
from .trainer import Trainer


class Model(Trainer):
    """A layer with the means to train it.

    ``Model(inputs, outputs)`` makes a functional model from symbolic tensors. A subclass defines ``call`` instead, or
    hands inputs and outputs on: ``super().__init__(inputs, outputs)``.

    Parameters
    ----------
    inputs, outputs : KerasTensor, or list, tuple or dict of them
        Where a functional model begins and ends.
    name : str, optional
        The model's name.

    Attributes
    ----------
    notes : dict
        Whatever should stand in the model's file beside it, such as the names of its classes: plain values.
    built_from : structure of dict, or None
        The shapes and types of the inputs that the model was first called on.
    """

    built_from: Any

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        from .functional import Functional

        functional = cls is Model and (len(args) >= 2 or "outputs" in kwargs)
        model = super().__new__(Functional if functional else cls, *args, **kwargs)
        object.__setattr__(model, "built_from", None)
        object.__setattr__(model, "notes", {})
        return model

    def __init__(self, inputs: Any = None, outputs: Any = None, **kwargs: Any):
        if outputs is None:
            super().__init__(**kwargs)
            return
        from .functional import Functional, functional_kind

        self.__class__ = functional_kind(type(self))
        Functional.__init__(cast(Functional, self), inputs, outputs, **kwargs)

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Any:
        """Make a model from what :meth:`get_config` returned.

        Parameters
        ----------
        config : dict
            The description.
        custom_objects : dict, optional
            Classes and functions of your own that the model uses, by name.
        """
        from .functional import functional_kind

        kind = functional_kind(cls) if "nodes" in config else cls
        with custom_object_scope(custom_objects):
            return kind._from_config(config)

    @classmethod
    def _from_config(cls, config: dict[str, Any]) -> Any:
        return cls._from_arguments(config)

    @property
    def layers(self) -> list[Layer]:
        """The layers right below the model."""
        return list(self._sublayers)

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """Return the layer of this name, or at this position.

        Raises
        ------
        ValueError
            If there is none, or neither or both are given.
        """
        if (name is None) == (index is None):
            raise ValueError(f"get_layer: expected a name or an index; received name={name!r}, index={index!r}")
        layers = self.layers
        if index is not None:
            if not -len(layers) <= index < len(layers):
                raise ValueError(f"get_layer: expected an index below {len(layers)}; received {index}")
            return layers[index]
        for layer in layers:
            if layer.name == name:
                return layer
        raise ValueError(
            f"get_layer: no layer is named {name!r}; there are: {', '.join(layer.name for layer in layers)}"
        )

    def _ensure_built(self, args: Any, kwargs: Any) -> None:
        if type(self).build is Model.build:
            self.built = True  # by the call that follows
        else:
            super()._ensure_built(args, kwargs)

    def _call_traced(self, trace: Trace, args: Any, kwargs: Any) -> Any:
        outputs = super()._call_traced(trace, args, kwargs)
        if self.built_from is None and args:  # of the first call that went well

            def describe(leaf: Any) -> dict[str, Any]:
                if not hasattr(leaf, "shape"):
                    return {"value": leaf}
                return {"sample": [None, *leaf.shape[1:]], "dtype": str(leaf.dtype)}

            object.__setattr__(self, "built_from", map_structure(describe, args[0]))
        return outputs

    def build(self, input_shape: Any) -> None:
        """Create the weights of a model that is defined by its ``call``, for float32 inputs of a shape, or of several.

        Parameters
        ----------
        input_shape : sequence of int or None, or list or dict of them
            The shapes, with the batch axis.
        """

        def described(shape: Any) -> Any:
            if isinstance(shape, dict):
                return {key: described(value) for key, value in shape.items()}
            if all(size is None or isinstance(size, (int, np.integer)) for size in shape):
                return {"sample": [None, *shape[1:]], "dtype": "float32"}
            return [described(part) for part in shape]

        self.built = True  # so that the call below does not build again
        try:
            self.build_from(described(input_shape))
        except BaseException:
            self.built = False
            raise

    def build_from(self, described: Any) -> None:
        """Create the weights of a model that is defined by its ``call``, from what :attr:`built_from` said."""
        trace = Trace()

        def make(item: Any) -> Any:
            if isinstance(item, dict) and set(item) == {"sample", "dtype"}:
                return trace.input([2 if size is None else size for size in item["sample"]], item["dtype"])
            if isinstance(item, dict) and set(item) == {"value"}:
                return item["value"]
            if isinstance(item, dict):
                return {key: make(value) for key, value in item.items()}
            return [make(value) for value in item]

        with tracing(trace):
            self(make(described))

    def summary(
        self,
        line_length: int = 88,
        print_fn: Any = None,
        *,
        expand_nested: bool = False,
        show_trainable: bool = False,
    ) -> None:
        """Print the layers, their output shapes and their numbers of weights.

        Parameters
        ----------
        line_length : int, default 88
            The width of the table.
        print_fn : callable, default print
            What is called with the whole table.
        expand_nested : bool, default False
            Whether the layers of a model within the model get rows of their own below it.
        show_trainable : bool, default False
            Whether "frozen" stands beside the weights of layers that are not trained.
        """
        (print_fn or print)(summary(self, line_length, expand_nested, show_trainable))

    # --- files --------------------------------------------------------------------------------------------------

    def save(self, filepath: Any, overwrite: bool = True) -> None:
        """Write architecture, weights and training state to one safetensors file; see :func:`nnfast.load_model`."""
        saving.save_model(self, filepath, overwrite)

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Have ``pickle`` and ``copy`` make a model of its own: what a file holds, and the user's classes by name."""
        if not self.built:
            return super().__reduce_ex__(protocol)
        import json

        content, tensors = saving.described(self)
        return saving.copied, (json.loads(saving.as_json(content)), tensors, saving.own_objects(self))

    def to_json(self, **kwargs: Any) -> str:
        """Return the architecture, without the weights, as JSON; see :func:`nnfast.models.model_from_json`.

        Parameters
        ----------
        **kwargs
            Those of ``json.dumps``.
        """
        import json

        return json.dumps(layer_registry.serialize(self), **kwargs)

    def save_weights(self, filepath: Any, overwrite: bool = True) -> None:
        """Write the weights to a safetensors file."""
        saving.save_weights(self, filepath, overwrite)

    def load_weights(self, filepath: Any, skip_mismatch: bool = False) -> None:
        """Read the weights that :meth:`save_weights` or :meth:`save` wrote.

        Parameters
        ----------
        filepath : path
            The file.
        skip_mismatch : bool, default False
            Leave weights alone in whose place, in the order of `weights`, the file has one of another shape or none; a
            warning names them. By default that is an error, and nothing is read.
        """
        saving.load_weights(self, filepath, skip_mismatch)


__all__ = ["Model"]
