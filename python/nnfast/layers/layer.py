"""The base of all layers and models."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from .. import _core, constraints, initializers, ops, random, registry, regularizers
from ..arrays import as_array, to_numpy
from ..node import LayerNode, infer
from ..tensor import KerasTensor, Tensor, Trace, current_trace, flatten, map_structure, tracing
from ..variable import Variable

# How often a `trainable` or a setting of the library has been set, or a weight added: a planned step is valid for one
# count.
_changes = 0


def changes() -> int:
    """Return a number that grows whenever some layer's weights or `trainable`, or `nnfast.config`, change."""
    return _changes


def note_change() -> None:
    """Make all planned steps invalid."""
    global _changes
    _changes += 1


# Arguments of several of Keras's layers; see `Layer.left_out`.
WITHOUT_ADAPTERS = {
    "lora_rank": "there are no adapters of low rank: freeze layers by trainable = False",
    "lora_alpha": "there are no adapters of low rank",
    "quantization_config": "there is no quantization: weights are float32",
}


class Layer:
    """A piece of a model: weights, and a function of its inputs written with :mod:`nnfast.ops`.

    Subclasses create their weights in ``__init__`` or ``build(input_shape)`` and define ``call(inputs)``, or
    ``call(inputs, training=False)``. The gradient follows from the operations used.

    Parameters
    ----------
    activity_regularizer : Regularizer, callable, str or dict, optional
        Applied to the output; divided by the number of rows of the batch, as in Keras 3, and added to the loss.
    trainable : bool, default True
        Whether optimizers change its weights.
    dtype : str, optional
        Only float32 is computed with.
    name : str, optional
        By default the class's name in snake case, with a number after the first.

    Raises
    ------
    ValueError
        If `dtype` is not float32, or an argument is unknown.
    """

    _own_weights: list[Variable]
    _num_made_trainable: int
    _sublayers: list[Layer]
    _trainable: bool
    _arguments: tuple[Any, Any]
    built: bool
    # Keras's arguments for what nnfast does without, each with what to do instead. None and False ask for nothing: they
    # pass.
    left_out: Mapping[str, str] = {}

    def __init_subclass__(cls, **kwargs: Any):
        super().__init_subclass__(**kwargs)
        if "build" in cls.__dict__:
            cls.build = _marking_built(cls.__dict__["build"])  # type: ignore[method-assign]

    def __new__(cls, *args: Any, **kwargs: Any) -> Layer:
        layer = super().__new__(cls)
        # Before __init__, which may set attributes before it calls its parent's.
        object.__setattr__(layer, "_own_weights", [])
        object.__setattr__(layer, "_num_made_trainable", 0)
        object.__setattr__(layer, "_sublayers", [])
        object.__setattr__(layer, "_trainable", True)
        object.__setattr__(layer, "built", False)
        object.__setattr__(layer, "_arguments", (args, kwargs))
        return layer

    def __init__(
        self,
        *,
        activity_regularizer: Any = None,
        trainable: bool = True,
        dtype: Any = None,
        name: str | None = None,
        **kwargs: Any,
    ):
        width = kwargs.pop("input_dim", None)
        self._input_shape_given = kwargs.pop("input_shape", None if width is None else (width,))
        kwargs = {
            key: value
            for key, value in kwargs.items()
            if not (key in self.left_out and (value is None or value is False))
        }
        if kwargs:
            raise ValueError(
                f"{type(self).__name__}: expected arguments of its signature; received the unknown {', '.join(kwargs)}"
                + "".join(f"; {self.left_out[key]}" for key in kwargs if key in self.left_out)
            )
        if dtype is not None and str(getattr(dtype, "name", dtype)) not in ("float32", "int32"):
            raise ValueError(f"{type(self).__name__}: expected dtype 'float32'; received {dtype!r}")
        if name is not None and (not isinstance(name, str) or "/" in name):
            raise ValueError(f"{type(self).__name__}: expected a name without '/'; received {name!r}")
        self.name = name or _unique_name(type(self).__name__)
        self.activity_regularizer = regularizers.get(activity_regularizer)
        self.dtype = "float32"
        self.output_shape_seen: tuple[Any, ...] | None = None
        self._nodes: list[Any] = []
        self._called_losses: list[Any] = []
        self.trainable = trainable

    # --- weights ------------------------------------------------------------------------------------------------

    def __setattr__(self, name: str, value: Any) -> None:
        known: set[int] | None = None
        for item in _held_by(value):
            if not isinstance(item, (Variable, Layer)):
                continue
            if known is None:
                known = {id(one) for one in (self, *self._sublayers, *self._own_weights)}
            if id(item) in known:
                continue
            known.add(id(item))
            if isinstance(item, Variable):
                self._enter_weight(item)
            else:
                self._sublayers.append(item)
                note_change()
        object.__setattr__(self, name, value)

    def add_weight(
        self,
        shape: Sequence[int] | None = None,
        initializer: Any = None,
        dtype: str | None = None,
        trainable: bool = True,
        regularizer: Any = None,
        constraint: Any = None,
        name: str | None = None,
    ) -> Variable:
        """Create a weight.

        Parameters
        ----------
        shape : sequence of int, default ()
            Its shape.
        initializer : Initializer, callable, str or dict, default "glorot_uniform"
            Makes the first contents.
        dtype : str, default "float32"
            ``"float32"`` or ``"int32"``.
        trainable : bool, default True
            Whether optimizers change it.
        regularizer, constraint : callable, str or dict, optional
            Adds to the loss; is applied after each step of the optimizer.
        name : str, optional
            Its name within the layer.

        Returns
        -------
        Variable
            The weight.
        """
        variable = Variable(
            initializers.get("glorot_uniform" if initializer is None else initializer),
            shape=tuple(shape or ()),
            dtype=dtype,
            trainable=trainable,
            name=name or "variable",
        )
        variable.path = f"{self.name}/{variable.name}"
        variable.regularizer = regularizers.get(regularizer)
        variable.constraint = constraints.get(constraint)
        self._enter_weight(variable)
        return variable

    add_variable = add_weight

    def _enter_weight(self, variable: Variable) -> None:
        """Take a weight in: those made to be trained come first, as in Keras."""
        if variable.trainable:
            self._own_weights.insert(self._num_made_trainable, variable)
            self._num_made_trainable += 1
        else:
            self._own_weights.append(variable)
        note_change()

    @property
    def layers_inside(self) -> list[Layer]:
        """All layers below this one, depth first, without repetition."""
        found: dict[int, Layer] = {}
        for layer in self._sublayers:
            found.setdefault(id(layer), layer)
            for inner in layer.layers_inside:
                found.setdefault(id(inner), inner)
        return list(found.values())

    @property
    def weights(self) -> list[Variable]:
        """All weights: the layer's own, then those of the layers inside."""
        found: dict[int, Variable] = {}
        for layer in [self, *self.layers_inside]:
            for weight in layer._own_weights:
                found.setdefault(id(weight), weight)
        return list(found.values())

    variables = weights

    @property
    def trainable_weights(self) -> list[Variable]:
        """The weights that optimizers change."""
        if not self._trainable:
            return []
        found: dict[int, Variable] = {}
        for weight in self._own_weights:
            if weight.trainable:
                found.setdefault(id(weight), weight)
        for layer in self._sublayers:
            for weight in layer.trainable_weights:
                found.setdefault(id(weight), weight)
        return list(found.values())

    trainable_variables = trainable_weights

    @property
    def non_trainable_weights(self) -> list[Variable]:
        """The weights that optimizers leave alone: states, and whatever is frozen."""
        trained = {id(weight) for weight in self.trainable_weights}
        return [weight for weight in self.weights if id(weight) not in trained]

    non_trainable_variables = non_trainable_weights

    @property
    def trainable(self) -> bool:
        """Whether optimizers change its weights; setting it sets the layers inside too."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        note_change()
        object.__setattr__(self, "_trainable", bool(value))
        for layer in self._sublayers:
            layer.trainable = value

    def get_weights(self) -> list[np.ndarray]:
        """Return copies of all weights."""
        return [weight.numpy() for weight in self.weights]

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Replace all weights.

        Raises
        ------
        ValueError
            If their number or a shape differs.
        """
        own = self.weights
        if not hasattr(weights, "__len__"):
            raise ValueError(
                f"{type(self).__name__} {self.name!r}: expected a list of arrays, one for each weight; "
                f"received {weights!r}"
            )
        if len(weights) != len(own):
            raise ValueError(
                f"{type(self).__name__} {self.name!r}: expected {len(own)} arrays, one for each weight; "
                f"received {len(weights)}" + ("" if own else " (is the layer built?)")
            )
        for weight, value in zip(own, weights, strict=True):
            if np.shape(value) != weight.shape:
                raise ValueError(
                    f"{type(self).__name__} {self.name!r}: expected {weight.path} of shape {weight.shape}; "
                    f"received {np.shape(value)}"
                )
        values = [weight.checked(value) for weight, value in zip(own, weights, strict=True)]  # all or nothing
        for weight, value in zip(own, values, strict=True):
            weight.assign(value)

    def count_params(self) -> int:
        """Return the number of elements of all weights."""
        return sum(int(np.prod(weight.shape)) for weight in self.weights)

    # --- building and calling -----------------------------------------------------------------------------------

    def _build_at_init(self) -> None:
        """Count as built from the start, for a layer without weights; a subclass's own ``build`` is still called."""
        self.built = type(self).build is Layer.build

    def build(self, input_shape: Any) -> None:
        """Create the weights that depend on the shape of the inputs (batch axis included)."""
        self.built = True

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the outputs from the inputs, by :mod:`nnfast.ops`."""
        raise NotImplementedError(f"{type(self).__name__} must define call(self, inputs)")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Apply the layer: at once to arrays, later to symbolic tensors.

        Parameters
        ----------
        *args, **kwargs
            What ``call`` takes. `training` (bool) is passed on where ``call`` has it.
        """
        leaves = flatten((args, kwargs))
        if any(isinstance(leaf, KerasTensor) for leaf in leaves):
            return self._call_symbolic(args, kwargs)
        trace = next((leaf.trace for leaf in leaves if isinstance(leaf, Tensor)), None) or current_trace()
        if trace is not None:
            return self._call_traced(trace, args, kwargs)
        return self._call_now(args, kwargs)

    def _call_traced(self, trace: Trace, args: Any, kwargs: Any) -> Any:
        self._ensure_built(args, kwargs)
        training = kwargs.pop("training", None)
        outer = trace.training
        trace.training = outer if training is None else bool(training)
        try:
            with tracing(trace), trace.labelled(self.name):
                if _takes(type(self).call, "training"):
                    kwargs["training"] = trace.training
                outputs = self.call(*args, **kwargs)
                if trace.calls is not None:
                    trace.calls.append((self, args, outputs))
                if self.activity_regularizer is not None:
                    for output in flatten(outputs):
                        rows = output.shape[0] if output.shape else 1
                        self.add_loss(self.activity_regularizer(output) / max(1, rows))
        finally:
            trace.training = outer
        shapes = [output.shape for output in flatten(outputs) if isinstance(output, Tensor)]
        if len(shapes) == 1:
            self.output_shape_seen = (None, *shapes[0][1:])
        return outputs

    def _call_now(self, args: Any, kwargs: Any) -> Any:
        trace = Trace(training=bool(kwargs.get("training") or False))
        arrays: list[np.ndarray] = []

        def enter(leaf: Any) -> Any:
            if not hasattr(leaf, "__array__"):
                return leaf
            array = np.asarray(leaf)
            if array.dtype.kind not in "fb":  # what is neither is checked and refused as data is
                array = as_array(leaf, f"{type(self).__name__} {self.name!r}")
            array = array.astype("int32" if array.dtype.kind in "iu" else "float32", copy=False)
            arrays.append(array)
            return trace.input(array.shape, str(array.dtype))

        # A nested list of numbers is one array; a list of arrays is several inputs.
        args = tuple(_as_arrays(argument, f"{type(self).__name__} {self.name!r}") for argument in args)
        args, kwargs = map_structure(enter, args), map_structure(enter, kwargs)
        if args and not arrays:
            raise TypeError(
                f"{type(self).__name__} {self.name!r}: expected arrays or tensors to be called on; received {args[0]!r}"
            )
        outputs = self._call_traced(trace, args, kwargs)
        leaves = [trace.lift(leaf) for leaf in flatten(outputs)]
        losses = [loss.id for loss in trace.losses]
        program = _core.Program(trace.graph, outputs=[leaf.id for leaf in leaves] + losses)
        results = iter(program.run(arrays, seed=random.next_seed()))
        outputs = map_structure(lambda _: next(results), outputs)
        self._called_losses = [float(loss) for loss in results]
        return outputs

    def _call_symbolic(self, args: Any, kwargs: Any) -> Any:
        self._ensure_built(args, kwargs)
        return LayerNode(self, args, kwargs).structure

    def _ensure_built(self, args: Any, kwargs: Any) -> None:
        if self.built:
            return
        first = args[0] if args else next(iter(kwargs.values()), None)
        shapes = map_structure(lambda leaf: getattr(leaf, "shape", None), first)
        self.build(shapes)
        self.built = True

    @property
    def input(self) -> Any:
        """What the layer was last called on in a functional or sequential model."""
        return self._last_node().args[0]

    @property
    def output(self) -> Any:
        """What it returned: where a model of the layers so far ends, as in ``Model(model.inputs, layer.output)``."""
        return self._last_node().structure

    def _last_node(self) -> Any:
        if not self._nodes:
            raise AttributeError(
                f"{type(self).__name__} {self.name!r} has no symbolic input and output: it has not been called on "
                "symbolic tensors; start the model with Input(shape)"
            )
        return self._nodes[-1]

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """Return the outputs for symbolic inputs, as :class:`KerasTensor` without history."""
        return infer(self._call_traced, args, kwargs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape of the output for the shape of the input (None where it is not known)."""
        if isinstance(input_shape, (list, tuple)) and input_shape and isinstance(input_shape[0], (list, tuple)):
            inputs: Any = [KerasTensor(shape) for shape in input_shape]
        else:
            inputs = KerasTensor(input_shape)
        self._ensure_built((inputs,), {})
        return map_structure(lambda leaf: leaf.shape, self.compute_output_spec(inputs))

    # --- losses -------------------------------------------------------------------------------------------------

    def add_loss(self, loss: Any) -> None:
        """Add a scalar to what training minimizes; called inside ``call``."""
        trace = current_trace()
        if trace is None:
            raise RuntimeError(f"{type(self).__name__}.add_loss: expected to be called inside call()")
        for part in flatten(loss):
            trace.losses.append(ops.sum(part))

    @property
    def losses(self) -> list[Any]:
        """What is added to the loss: the regularizers of the trainable weights, and what the last call on arrays
        added.
        """
        terms = [w.regularizer(w) for w in self.trainable_weights if w.regularizer is not None]
        return terms + self._called_losses

    # --- configuration ------------------------------------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """Return the arguments from which :meth:`from_config` makes the same layer, without its weights."""
        config: dict[str, Any] = {"name": self.name, "trainable": self.trainable, "dtype": self.dtype}
        if self.activity_regularizer is not None:
            config["activity_regularizer"] = regularizers.serialize(self.activity_regularizer)
        if type(self).get_config is Layer.get_config:
            config.update(self._plain_arguments())
        return config

    def _plain_arguments(self) -> dict[str, Any]:
        """Return the arguments given to a class that defines no get_config, where all of them are plain values."""
        args, kwargs = self._arguments
        signature = inspect.signature(type(self).__init__)
        try:
            given = signature.bind(self, *args, **kwargs).arguments
        except TypeError:
            return {}
        for parameter in signature.parameters.values():
            if parameter.kind is parameter.VAR_KEYWORD:
                given.update(given.pop(parameter.name, {}))
        plain = (bool, int, float, str, type(None))
        result = {}
        for name, value in given.items():
            if name in ("self", "name", "trainable", "dtype", "activity_regularizer", "args"):
                continue
            if not all(isinstance(leaf, plain) for leaf in flatten(value)):
                raise NotImplementedError(
                    f"{type(self).__name__}: define get_config, because the argument {name!r} is no plain value"
                )
            result[name] = value
        return result

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Layer:
        """Make a layer from what :meth:`get_config` returned."""
        return cls._from_arguments(config)

    @classmethod
    def _from_arguments(cls, config: dict[str, Any]) -> Any:
        """Call the class; what its ``__init__`` does not let through to that of `Layer` is set afterwards."""
        parameters = inspect.signature(cls.__init__).parameters.values()
        if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
            return cls(**config)
        taken = {parameter.name for parameter in parameters}
        later = {key: config[key] for key in ("name", "trainable", "dtype") if key in config and key not in taken}
        layer = cls(**{key: value for key, value in config.items() if key not in later})
        for key, value in later.items():
            setattr(layer, key, value)
        return layer

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}, built={self.built}>"


def _as_arrays(argument: Any, what: str) -> Any:
    if isinstance(argument, (list, tuple)) and argument:
        leaves = flatten(argument)
        if leaves and all(isinstance(leaf, (bool, int, float)) for leaf in leaves):
            return to_numpy(argument, what)
    return np.asarray(argument) if isinstance(argument, (float, int)) and not isinstance(argument, bool) else argument


def _held_by(value: Any) -> Iterator[Any]:
    """Yield what stands in nested lists, tuples and dictionaries, whose keys may be of any types."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from _held_by(item)
    else:
        yield value


def _marking_built(build: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(build)
    def wrapped(self: Layer, *args: Any, **kwargs: Any) -> None:
        build(self, *args, **kwargs)
        self.built = True

    return wrapped


@functools.cache
def _takes(function: Callable[..., Any], argument: str) -> bool:
    return argument in inspect.signature(function).parameters


_names: dict[str, int] = {}


def _unique_name(class_name: str) -> str:
    base = registry.snake_case(class_name)
    count = _names.get(base, 0)
    _names[base] = count + 1
    return f"{base}_{count}" if count else base


def clear_session() -> None:
    """Start the numbers in default names anew."""
    _names.clear()


layer_registry = registry.Registry("layer", Layer)
get = layer_registry.get
serialize = layer_registry.serialize
deserialize = layer_registry.deserialize
