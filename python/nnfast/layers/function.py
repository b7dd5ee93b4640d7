"""A function as a layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .. import ops, registry
from .layer import Layer, layer_registry


@layer_registry.add()
class Lambda(Layer):
    """Applies a function written with :mod:`nnfast.ops`.

    A saved model holds the function's name, never its code: to load it, the function must be one of `nnfast.ops`,
    registered by `nnfast.utils.register_serializable`, or given as ``custom_objects``.

    Parameters
    ----------
    function : callable
        ``function(inputs, **arguments)``; several inputs are passed one after the other, or as the list they came in.
    output_shape : optional
        For Keras's sake; the shape follows from the function.
    mask : None
        For Keras's sake; there are no masks.
    arguments : dict, optional
        Further arguments by name.
    **kwargs
        Those of :class:`Layer`.

    Raises
    ------
    TypeError
        If `function` cannot be called.
    ValueError
        When it is saved, if the function has no name of its own; when it is loaded, if no function has the name.
    """

    left_out = {"mask": "there are no masks"}

    def __init__(
        self,
        function: Callable[..., Any],
        output_shape: Any = None,
        mask: Any = None,
        arguments: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ):
        super().__init__(mask=mask, **kwargs)
        if not callable(function):
            raise TypeError(f"Lambda {self.name!r}: expected a function; received {function!r}")
        self.function = function
        self.arguments = dict(arguments or {})
        self._build_at_init()

    def call(self, *inputs: Any) -> Any:
        return self.function(*inputs, **self.arguments)

    def get_config(self) -> dict[str, Any]:
        name = getattr(self.function, "__name__", "<lambda>")
        names = [key for key, item in registry.custom_objects.items() if item is self.function] or [name]
        if names[0] == "<lambda>":
            raise ValueError(
                f"Lambda {self.name!r}: expected a function with a name, which a file can hold in place of its code; "
                "received a lambda; define it with def and register it with nnfast.utils.register_serializable"
            )
        return {**super().get_config(), "function": names[0], "arguments": self.arguments}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Lambda:
        name = config["function"]
        function = registry.custom_objects.get(name) or (getattr(ops, name, None) if name in ops.__all__ else None)
        if function is None:
            raise ValueError(
                f"Lambda {config.get('name')!r}: expected the name of a function of nnfast.ops or of a registered one; "
                f"received {name!r}; register it with nnfast.utils.register_serializable, or pass "
                f"custom_objects={{{name!r}: …}}"
            )
        return cls(**{**config, "function": function})
