"""What a functional model remembers: each call on symbolic tensors is a node between them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .tensor import KerasTensor, Tensor, Trace, flatten, map_structure

# Stand in for a size that is not known (None): what differs between two traces depends on it. Sizes beside the batch
# are so many times as large, since windows must fit into them, and still differ after a few halvings.
_UNKNOWN = (2, 3)
_UNKNOWN_SCALE = 256


class Node:
    """One call: what was called, on what, and what came out."""

    def __init__(self, args: Any, kwargs: Any):
        self.args = args
        self.kwargs = kwargs
        self.outputs: list[KerasTensor] = []

    @property
    def inputs(self) -> list[KerasTensor]:
        """The symbolic tensors among the arguments."""
        return [leaf for leaf in flatten((self.args, self.kwargs)) if isinstance(leaf, KerasTensor)]

    def run(self, args: Any, kwargs: Any) -> Any:
        """Emit the call on traced tensors."""
        raise NotImplementedError

    def _claim(self, outputs: Any, name: str) -> Any:
        for tensor in flatten(outputs):
            tensor.history = (self, len(self.outputs))
            tensor.name = name
            self.outputs.append(tensor)
        return outputs


class InputNode(Node):
    """Where arrays enter."""

    def __init__(self, layer: Any):
        super().__init__((), {})
        self.layer = layer
        self.output = self._claim(KerasTensor(layer.batch_shape, layer.input_dtype), layer.name)


class LayerNode(Node):
    """A call of a layer."""

    def __init__(self, layer: Any, args: Any, kwargs: Any):
        super().__init__(args, kwargs)
        self.layer = layer
        outputs = layer.compute_output_spec(*args, **kwargs)
        for leaf in flatten(outputs):
            if not isinstance(leaf, KerasTensor):
                raise TypeError(
                    f"{type(layer).__name__} {layer.name!r}: expected call to return tensors; received {leaf!r}; "
                    "does it end in return?"
                )
        self.structure = self._claim(outputs, layer.name)
        layer._nodes.append(self)

    def run(self, args: Any, kwargs: Any) -> Any:
        return self.layer(*args, **kwargs)


def nodes_between(inputs: list[KerasTensor], outputs: list[KerasTensor]) -> list[Node]:
    """Return the nodes that compute `outputs` from `inputs`, each after those it needs.

    Raises
    ------
    ValueError
        If an output depends on an input that is not listed.
    """
    known = {id(tensor) for tensor in inputs}
    order: list[Node] = []
    done: set[int] = set()
    pending: list[tuple[KerasTensor, bool]] = [(tensor, False) for tensor in reversed(outputs)]
    while pending:
        tensor, inputs_done = pending.pop()
        if id(tensor) in known:
            continue
        node = tensor.history[0] if tensor.history else None
        if node is None or isinstance(node, InputNode):
            raise ValueError(
                f"Model: expected outputs that follow from the inputs given; received one that needs the further input "
                f"{tensor.name!r} of shape {tensor.shape}; add it to inputs"
            )
        if id(node) in done:
            continue
        if inputs_done:
            done.add(id(node))
            order.append(node)
        else:
            pending.append((tensor, True))
            pending.extend((needed, False) for needed in reversed(node.inputs))
    return order


def infer(function: Callable[[Trace, Any, Any], Any], args: Any, kwargs: Any) -> Any:
    """Return what ``function(trace, args, kwargs)`` makes of symbolic tensors, as :class:`KerasTensor` without history.

    The function runs on tensors of two traces, in which the sizes that are not known differ: a size of the outputs
    that differs, too, is not known either.
    """
    seen = []
    for size in _UNKNOWN:
        trace = Trace()

        def enter(leaf: Any, trace: Trace = trace, size: int = size) -> Any:
            if not isinstance(leaf, KerasTensor):
                return leaf
            scales = [1, *[_UNKNOWN_SCALE] * (len(leaf.shape) - 1)]
            sizes = [size * scale if n is None else n for n, scale in zip(leaf.shape, scales, strict=False)]
            return trace.input(sizes, leaf.dtype)

        seen.append(function(trace, map_structure(enter, args), map_structure(enter, kwargs)))
    others = iter(flatten(seen[1]))

    def merge(leaf: Any) -> Any:
        other = next(others)
        if not isinstance(leaf, Tensor):
            return leaf
        return KerasTensor([a if a == b else None for a, b in zip(leaf.shape, other.shape, strict=True)], leaf.dtype)

    return map_structure(merge, seen[0])


__all__ = ["InputNode", "LayerNode", "Node", "infer", "nodes_between"]
