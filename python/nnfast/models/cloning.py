"""New models from the descriptions of others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..layers.layer import layer_registry
from ..metrics import Metric
from ..optimizers import Optimizer
from ..registry import custom_object_scope
from ..tensor import map_structure


def clone_model(model: Any) -> Any:
    """Return a model of the same architecture with weights of its own, freshly initialized.

    Classes of your own in it need not be registered.

    Parameters
    ----------
    model : Model
        The model, which need not be built. If it is compiled, the clone is compiled alike.

    Returns
    -------
    Model
        The clone. ``clone.set_weights(model.get_weights())`` copies the weights.
    """
    used = {type(layer).__name__: type(layer) for layer in [model, *model.layers, *model.layers_inside]}
    with custom_object_scope(used):
        clone = layer_registry.deserialize(layer_registry.serialize(model))
    if model.compiled:
        # A loss has no state; optimizers and metrics have, so the clone gets its own.
        given = {key: map_structure(_fresh, value) for key, value in model.compile_settings.given.items()}
        clone.compile(optimizer=_fresh(model.optimizer), **given)
    return clone


def _fresh(item: Any) -> Any:
    return type(item).from_config(item.get_config()) if isinstance(item, (Metric, Optimizer)) else item


def model_from_json(json_string: str, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Return a model, without the weights, from what :meth:`Model.to_json` returned.

    Parameters
    ----------
    json_string : str
        The description.
    custom_objects : dict, optional
        Classes and functions of your own that the model uses, by name.

    Raises
    ------
    ValueError
        If it is no JSON, or describes no model.
    """
    import json

    try:
        described = json.loads(json_string)
    except ValueError as error:
        raise ValueError(f"model_from_json: expected what Model.to_json returned; received no JSON ({error})") from None
    with custom_object_scope(custom_objects):
        return layer_registry.deserialize(described)
