"""Activation functions, by the names of Keras 3; ``step`` is ours.

Each is one operation in C++ (cpp/kernels/activations.h), with its gradient, and is fused into the layer before it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from . import ops
from .ops.apply import apply, floats
from .registry import Registry, closest_first, custom_objects, families

_functions: dict[str, Callable[..., Any]] = {}


def _enter(*aliases: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def enter(function: Callable[..., Any]) -> Callable[..., Any]:
        for name in (function.__name__, *aliases):
            _functions[name] = function
        return function

    return enter


def _simple(name: str, formula: str, *aliases: str) -> Callable[[Any], Any]:
    """Make an activation without parameters: the operation of its name."""

    def activation(x: Any) -> Any:
        return apply(name, floats(x))

    activation.__name__ = activation.__qualname__ = name
    activation.__doc__ = f"Return {formula}, for each element."
    return _enter(*aliases)(activation)


relu6 = _simple("relu6", "min(max(x, 0), 6)")
relu_squared = _simple("relu_squared", "max(x, 0)² (So et al., 2021); not in Keras")
selu = _simple("selu", "1.0507 x for x > 0, else 1.7581 (e^x - 1) (Klambauer et al., 2017)")
sigmoid = _simple("sigmoid", "1 / (1 + e^-x)")
log_sigmoid = _simple("log_sigmoid", "log(1 / (1 + e^-x))")
hard_sigmoid = _simple("hard_sigmoid", "x / 6 + 1/2, kept in 0 … 1")
tanh = _simple("tanh", "the hyperbolic tangent of x")
hard_tanh = _simple("hard_tanh", "x, kept in -1 … 1")
tanh_shrink = _simple("tanh_shrink", "x - tanh(x)")
softplus = _simple("softplus", "log(1 + e^x)")
softsign = _simple("softsign", "x / (1 + |x|)")
silu = _simple("silu", "x / (1 + e^-x)", "swish")
hard_silu = _simple("hard_silu", "x · hard_sigmoid(x)", "hard_swish")
mish = _simple("mish", "x · tanh(softplus(x)) (Misra, 2019)")
exponential = _simple("exponential", "e^x")
sparse_plus = _simple("sparse_plus", "0 for x ≤ -1, x for x ≥ 1, else (x + 1)² / 4")
sparse_sigmoid = _simple("sparse_sigmoid", "0 for x ≤ -1, 1 for x ≥ 1, else (x + 1) / 2")
step = _simple("step", "1 for x ≥ 0, else 0 (gradient 0; Rosenblatt's perceptron, 1958)")
swish = silu
hard_swish = hard_silu


@_enter()
def linear(x: Any) -> Any:
    """Return x."""
    return ops.convert(x)


@_enter()
def relu(x: Any, negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0) -> Any:
    """Return max(x, 0), for each element.

    Parameters
    ----------
    x : array or tensor
        The input.
    negative_slope : float, default 0.0
        Of the part below the threshold: ``negative_slope · (x - threshold)``.
    max_value : float, optional
        Where the output is cut off.
    threshold : float, default 0.0
        Below which the input is damped.
    """
    x = ops.convert(x, "float32")
    if negative_slope == 0 and threshold == 0:
        if max_value is None:
            return apply("relu", [x])
        return apply("relu6", [x]) if max_value == 6 else ops.clip(x, 0.0, max_value)
    if threshold == 0 and max_value is None:
        return leaky_relu(x, negative_slope)
    above = ops.where(ops.greater(x, threshold), x, 0.0)
    if max_value is not None:
        above = ops.minimum(above, float(max_value))
    return above + negative_slope * ops.minimum(x - threshold, 0.0) if negative_slope else above


@_enter()
def leaky_relu(x: Any, negative_slope: float = 0.2) -> Any:
    """Return x for x > 0, else ``negative_slope · x`` (Maas et al., 2013; PyTorch's default slope is 0.01)."""
    return apply("leaky_relu", floats(x), alpha=float(negative_slope))


@_enter()
def elu(x: Any, alpha: float = 1.0) -> Any:
    """Return x for x > 0, else ``alpha · (e^x - 1)`` (Clevert et al., 2015)."""
    return apply("elu", floats(x), alpha=float(alpha))


@_enter()
def celu(x: Any, alpha: float = 1.0) -> Any:
    """Return x for x > 0, else ``alpha · (e^(x / alpha) - 1)`` (Barron, 2017)."""
    return apply("celu", floats(x), alpha=float(alpha))


@_enter()
def gelu(x: Any, approximate: bool = False) -> Any:
    """Return ``x · Φ(x)``, or its approximation by tanh (Hendrycks and Gimpel, 2016).

    Both within 4 ULP over the whole range, where most functions keep to 2: they are products of several rounded
    factors.
    """
    return apply("gelu_tanh" if approximate else "gelu", floats(x))


@_enter()
def squareplus(x: Any, b: float = 4) -> Any:
    """Return ``(x + √(x² + b)) / 2`` (Barron, 2021)."""
    return apply("squareplus", floats(x), alpha=float(b))


@_enter()
def soft_shrink(x: Any, threshold: float = 0.5) -> Any:
    """Return x moved towards 0 by `threshold`, and 0 where it is nearer."""
    return apply("soft_shrink", floats(x), alpha=float(threshold))


@_enter()
def hard_shrink(x: Any, threshold: float = 0.5) -> Any:
    """Return x where ``|x| > threshold``, else 0."""
    return apply("hard_shrink", floats(x), alpha=float(threshold))


@_enter()
def threshold(x: Any, threshold: float = 0.0, default_value: float = 0.0) -> Any:
    """Return x where ``x > threshold``, else `default_value`."""
    x = ops.convert(x, "float32")
    if default_value == 0:
        return apply("threshold", [x], alpha=float(threshold))
    return ops.where(ops.greater(x, threshold), x, float(default_value))


@_enter()
def softmax(x: Any, axis: int | Sequence[int] = -1) -> Any:
    """Return ``e^x / Σ e^x`` along an axis, or several.

    Raises
    ------
    ValueError
        If `x` is a single number.
    """
    _check_rank("softmax", x)
    return ops.softmax(x, axis)


@_enter()
def log_softmax(x: Any, axis: int | Sequence[int] = -1) -> Any:
    """Return ``x - log Σ e^x`` along an axis, or several."""
    return ops.log_softmax(x, axis)


@_enter()
def glu(x: Any, axis: int = -1) -> Any:
    """Return ``a · sigmoid(b)``, where a and b are the halves of x along an axis (Dauphin et al., 2017)."""
    a, b = ops.split(x, 2, axis)
    return a * sigmoid(b)


def _check_rank(name: str, x: Any) -> None:
    if len(ops.shape_of(x)) < 1:
        raise ValueError(f"{name}: expected an axis to sum over; received a single number")


def get(identifier: Any) -> Callable[..., Any]:
    """Return the activation function of a name; a function is returned as it is, None gives `linear`.

    Raises
    ------
    ValueError
        If the name is unknown; the message lists the names there are, the closest first.
    TypeError
        If `identifier` is neither a name nor callable.
    """
    if identifier is None:
        return linear
    if isinstance(identifier, dict):
        return deserialize(identifier)
    if isinstance(identifier, str):
        for names in (_functions, custom_objects):
            if identifier in names:
                found = names[identifier]
                return found() if isinstance(found, type) else found
        known = ", ".join(closest_first(identifier, [*_functions, *custom_objects]))
        raise ValueError(f"Unknown activation {identifier!r}; expected one of: {known}")
    if isinstance(identifier, type):
        return identifier()
    if callable(identifier):
        return identifier
    raise TypeError(f"Expected the name of an activation or a function; received {identifier!r}")


# The name of a function; of a layer that serves as an activation, its configuration.
serialize = Registry.serialize


def deserialize(config: Any, custom_objects: Any = None) -> Callable[..., Any]:
    """Return the activation that :func:`serialize` described: a function, or a layer used as one."""
    if isinstance(config, dict):
        return families["layer"].deserialize(config, custom_objects)
    return (custom_objects or {}).get(config) or get(config)
