"""New models from the descriptions of others."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..layers.layer import layer_registry
from ..registry import custom_object_scope


def clone_model(model: Any) -> Any:
    """Return a model of the same architecture with weights of its own, freshly initialized.

    Classes of your own in it need not be registered.

    Parameters
    ----------
    model : Model
        The model, which need not be built or compiled; the clone is not compiled.

    Returns
    -------
    Model
        The clone. ``clone.set_weights(model.get_weights())`` copies the weights.
    """
    used = {type(layer).__name__: type(layer) for layer in [model, *model.layers, *model.layers_inside]}
    with custom_object_scope(used):
        return layer_registry.deserialize(layer_registry.serialize(model))


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
    try:
        described = json.loads(json_string)
    except ValueError as error:
        raise ValueError(f"model_from_json: expected what Model.to_json returned; received no JSON ({error})") from None
    with custom_object_scope(custom_objects):
        return layer_registry.deserialize(described)
