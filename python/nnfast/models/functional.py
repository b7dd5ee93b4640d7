"""Functional models: what lies between symbolic inputs and outputs."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any

import numpy as np

from .. import ops
from ..layers.layer import Layer, deserialize, layer_registry, serialize
from ..messages import show_shape
from ..node import InputNode, LayerNode, Node, nodes_between
from ..ops.apply import OperationNode, apply
from ..tensor import KerasTensor, flatten, map_structure
from .model import Model
from .trainer import keys_of


def layers_by_depth(inputs: list[KerasTensor], outputs: list[KerasTensor], order: list[Node]) -> list[Layer]:
    """Return the layers of a model as Keras orders them, so that lists of weights fit.

    A layer's depth is its largest number of calls before an output, its own included; the deepest come first. Of equal
    depth comes first what is met first on the way from the outputs, in their order, back to the inputs.

    Parameters
    ----------
    inputs, outputs : list of KerasTensor
        Where the model begins and ends.
    order : list of Node
        The nodes between, each after those it needs.
    """
    entering = [leaf.history[0] for leaf in inputs if leaf.history and isinstance(leaf.history[0], InputNode)]
    inside = {id(node) for node in [*entering, *order]}
    known = {id(tensor) for tensor in inputs}

    def maker(tensor: KerasTensor) -> Node | None:
        node = tensor.history[0] if tensor.history else None
        return node if id(node) in inside and (id(tensor) not in known or isinstance(node, InputNode)) else None

    met: dict[int, int] = {}
    pending = [maker(tensor) for tensor in reversed(outputs)]
    while pending:
        node = pending.pop()
        if node is not None and id(node) not in met:
            met[id(node)] = len(met)
            pending.extend(maker(tensor) for tensor in reversed(node.inputs))

    node_depth: dict[int, int] = {}
    depth: dict[int, int] = {}  # of what is called: a layer is as deep as the deepest of its calls
    first: dict[int, int] = {}
    layers: dict[int, Layer] = {}
    for node in [*reversed(order), *entering]:
        called = getattr(node, "layer", node)
        own = max(node_depth.get(id(node), 0), depth.get(id(called), 0))
        depth[id(called)] = own
        first[id(called)] = min(first.get(id(called), len(met)), met.get(id(node), -1))
        if isinstance(called, Layer):
            layers[id(called)] = called
        for tensor in node.inputs:
            if (before := maker(tensor)) is not None:
                node_depth[id(before)] = max(node_depth.get(id(before), 0), own + 1)
    return sorted(layers.values(), key=lambda layer: (-depth[id(layer)], first[id(layer)]))


@layer_registry.add()
class Functional(Model):
    """A model from symbolic inputs to symbolic outputs. Use ``Model(inputs, outputs)``.

    Parameters
    ----------
    inputs, outputs : KerasTensor, or list, tuple or dict of them
        Where the model begins and ends.
    name : str, optional
        Its name.
    """

    def __init__(self, inputs: Any, outputs: Any, name: str | None = None, **kwargs: Any):
        super().__init__(name=name, **kwargs)
        for leaf in [*flatten(inputs), *flatten(outputs)]:
            if not isinstance(leaf, KerasTensor):
                raise ValueError(
                    f"Model: expected inputs and outputs made by Input and by layers called on it; received {leaf!r}"
                )
        self._inputs_structure = inputs
        self._outputs_structure = outputs
        self.inputs: list[KerasTensor] = flatten(inputs)
        self.outputs: list[KerasTensor] = flatten(outputs)
        self._order = nodes_between(self.inputs, self.outputs)
        self._layers = layers_by_depth(self.inputs, self.outputs, self._order)
        if not self.trainable:
            self.trainable = False  # of the layers too, which have become known by now
        self.built = True

    @property
    def layers(self) -> list[Layer]:
        """The layers, those farthest from the outputs first: the order in which Keras lists them and their weights."""
        return self._layers

    @property
    def input_names(self) -> list[str]:
        """The names of the inputs, in order."""
        return [str(tensor.name) for tensor in self.inputs]

    @property
    def output_names(self) -> list[str]:
        """The names of the outputs, in order: the keys of a dictionary, else the layers that make them."""
        return keys_of(self._outputs_structure) or distinct(str(tensor.name) for tensor in self.outputs)

    @property
    def input(self) -> Any:
        """The symbolic input or inputs."""
        return self._inputs_structure

    @property
    def output(self) -> Any:
        """The symbolic output or outputs."""
        return self._outputs_structure

    @property
    def input_shape(self) -> Any:
        """The shape of the input or inputs."""
        return map_structure(lambda tensor: tensor.shape, self._inputs_structure)

    @property
    def output_shape(self) -> Any:
        """The shape of the output or outputs."""
        return map_structure(lambda tensor: tensor.shape, self._outputs_structure)

    def call(self, inputs: Any) -> Any:
        given = self._arranged(inputs)
        values: dict[int, Any] = {}
        for tensor, value in zip(self.inputs, given, strict=True):
            values[id(tensor)] = _checked_input(self.name, tensor, value)

        def value_of(leaf: Any) -> Any:
            return values[id(leaf)] if isinstance(leaf, KerasTensor) else leaf

        for node in self._order:
            outputs = node.run(map_structure(value_of, node.args), map_structure(value_of, node.kwargs))
            for tensor, value in zip(node.outputs, flatten(outputs), strict=True):
                values[id(tensor)] = value
        return map_structure(value_of, self._outputs_structure)

    def _arranged(self, inputs: Any) -> list[Any]:
        """Return the given inputs in the order of self.inputs; a dictionary goes by names."""
        if isinstance(inputs, dict):
            by_key = isinstance(self._inputs_structure, dict)
            names = list(self._inputs_structure) if by_key else self.input_names
            missing = [name for name in names if name not in inputs]
            if missing:
                raise ValueError(f"Model {self.name!r}: expected inputs {names}; missing {missing}")
            # What a dictionary holds beside the inputs, such as columns that are not used, is left alone.
            inputs = {name: inputs[name] for name in names} if by_key else [inputs[name] for name in names]
        given = flatten(inputs)
        if len(given) != len(self.inputs):
            raise ValueError(
                f"Model {self.name!r}: expected {len(self.inputs)} inputs ({', '.join(self.input_names)}); "
                f"received {len(given)}"
            )
        return given

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        return Layer.compute_output_spec(self, *args, **kwargs)

    def get_config(self) -> dict[str, Any]:
        if not _takes_outputs(type(self)):
            return {"name": self.name, "trainable": self.trainable, **self._plain_arguments()}
        # A layer's calls within this model are numbered in the order in which they run.
        positions: dict[int, tuple[int, int]] = {}
        nodes: list[dict[str, Any]] = []
        for tensor in self.inputs:
            positions[id(tensor)] = (len(nodes), 0)
            nodes.append({"input": self._layers.index(tensor.history[0].layer)})

        def encode(leaf: Any) -> Any:
            if isinstance(leaf, KerasTensor):
                return {"tensor": list(positions[id(leaf)])}
            return leaf.tolist() if isinstance(leaf, (np.ndarray, np.generic)) else leaf

        for node in self._order:
            for i, tensor in enumerate(node.outputs):
                positions[id(tensor)] = (len(nodes), i)
            what: dict[str, Any]
            if isinstance(node, LayerNode):
                what = {"layer": next(i for i, layer in enumerate(self._layers) if layer is node.layer)}
            elif isinstance(node, OperationNode):
                what = {"op": node.op, "attributes": node.attributes}
            args = map_structure(encode, list(node.args))
            nodes.append({**what, "args": args, "kwargs": map_structure(encode, node.kwargs)})
        return {
            "name": self.name,
            "trainable": self.trainable,
            "layers": [serialize(layer) for layer in self._layers],
            "nodes": nodes,
            "inputs": _plain(map_structure(encode, self._inputs_structure)),
            "outputs": _plain(map_structure(encode, self._outputs_structure)),
        }

    @classmethod
    def _from_config(cls, config: dict[str, Any]) -> Functional:
        if not _takes_outputs(cls):
            return cls._from_arguments(config)
        missing = [key for key in ("layers", "nodes", "inputs", "outputs") if key not in config]
        if missing:
            raise ValueError(
                f"{cls.__name__}: expected the configuration of a functional model, as get_config returns it; "
                f"missing {missing}"
            )
        config = dict(config)
        layers = [deserialize(item) for item in config.pop("layers")]
        made: list[list[KerasTensor]] = []

        def decode(item: Any) -> Any:
            if isinstance(item, dict) and set(item) == {"tensor"}:
                node, index = item["tensor"]
                return made[node][index]
            if isinstance(item, dict) and set(item) == {"tuple"}:
                return tuple(decode(value) for value in item["tuple"])
            if isinstance(item, dict):
                return {key: decode(value) for key, value in item.items()}
            return [decode(value) for value in item] if isinstance(item, (list, tuple)) else item

        for node in config.pop("nodes"):
            if "input" in node:
                made.append([layers[node["input"]].output])
                continue
            args, kwargs = decode(node["args"]), decode(node["kwargs"])
            if "layer" in node:
                outputs = layers[node["layer"]](*args, **kwargs)
            else:
                outputs = apply(node["op"], args, **node["attributes"])
            made.append(flatten(outputs))
        return cls(decode(config.pop("inputs")), decode(config.pop("outputs")), **config)


def _takes_outputs(cls: type[Functional]) -> bool:
    """Whether a class is called with inputs and outputs, and does not make them itself."""
    parameters = inspect.signature(cls.__init__).parameters
    return "outputs" in parameters or any(item.kind is item.VAR_POSITIONAL for item in parameters.values())


def _plain(structure: Any) -> Any:
    """Make tuples known as such in JSON."""
    if isinstance(structure, dict):
        return {key: _plain(value) for key, value in structure.items()}
    if isinstance(structure, tuple):
        return {"tuple": [_plain(value) for value in structure]}
    return [_plain(value) for value in structure] if isinstance(structure, list) else structure


_kinds: dict[type[Model], type[Any]] = {Model: Functional}


def functional_kind(cls: type[Model]) -> type[Any]:
    """Return the functional form of a class: its own methods, on a model from symbolic inputs to outputs."""
    if issubclass(cls, Functional):
        return cls
    if cls not in _kinds:
        attributes = {"__module__": cls.__module__, "__doc__": cls.__doc__}
        _kinds[cls] = type(cls.__name__, (cls, Functional), attributes)
    return _kinds[cls]


def distinct(names: Iterable[str]) -> list[str]:
    """Return the names with a number behind those that have been there before."""
    counts: dict[str, int] = {}
    result = []
    for name in names:
        count = counts.get(name, 0)
        counts[name] = count + 1
        result.append(f"{name}_{count}" if count else name)
    return result


def _checked_input(name: str, expected: KerasTensor, value: Any) -> Any:
    """Return what enters a model, with a last axis of length 1 added or dropped where that makes it fit, as in Keras.

    Raises
    ------
    ValueError
        If it does not fit.
    """
    if not hasattr(value, "shape"):
        raise ValueError(
            f"Model {name!r}, input {expected.name!r}: expected an array or tensor of shape "
            f"{show_shape(expected.shape)}; received {value!r}"
        )
    shape, wanted = tuple(value.shape), expected.shape
    if len(shape) == len(wanted) - 1 and shape and wanted[-1] == 1 and _fits(shape, wanted[:-1]):
        return ops.expand_dims(value, -1)
    if len(shape) == len(wanted) + 1 and shape[-1] == 1 and _fits(shape[:-1], wanted):
        return ops.squeeze(value, -1)
    if len(shape) == len(wanted) and _fits(shape, wanted):
        return value
    raise ValueError(
        f"Model {name!r}, input {expected.name!r}: expected shape {show_shape(wanted)}; received {show_shape(shape)}"
        + ("; add a batch axis, e.g. x[None]" if wanted[1:] == shape else "")
    )


def _fits(shape: tuple[Any, ...], wanted: tuple[Any, ...]) -> bool:
    """Whether all sizes but the first agree: the last batch may have fewer rows than Input's batch_size."""
    return all(want is None or have is None or want == have for want, have in zip(wanted[1:], shape[1:], strict=True))


__all__ = ["Functional"]
