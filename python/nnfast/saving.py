"""Models in files: one safetensors file, whose metadata hold the configuration as JSON. Files hold no code.

Metadata ``nnfast``: ``{"format": 1, "version", "model": {"class_name", "config"}, "notes", "compile", "training"}``.
Metadata ``crc32``: the checksum of the tensors, one after the other by their names.
Tensors: ``weights/0000/path`` in the order of `Model.weights`, ``optimizer/slot/0000`` by the weight's number.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from . import _core, losses, metrics, optimizers, registry
from .layers.layer import layer_registry
from .registry import custom_object_scope, get_custom_objects, known_as, register_keras_serializable
from .tensor import flatten

__all__ = [
    "custom_object_scope", "get_custom_objects", "load_model", "load_weights", "register_keras_serializable",
    "restore_training", "save_model", "save_training", "save_weights",
]  # fmt: skip

FORMAT = 1


def save_model(model: Any, filepath: Any, overwrite: bool = True) -> None:
    """Write a model; see `Model.save`.

    Raises
    ------
    ValueError
        If the model has no weights yet, or something of it has no configuration.
    FileExistsError
        If the file is there and `overwrite` is False.
    """
    content, tensors = described(model)
    _write(filepath, tensors, content, overwrite)


def described(model: Any) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return what a file holds of a model: its description, and its tensors by name.

    Raises
    ------
    ValueError
        If the model has no weights yet, or something of it has no configuration.
    """
    _require_weights(model)
    compiled = model._compiled
    content: dict[str, Any] = {"model": layer_registry.serialize(model), "notes": model.notes}
    if not hasattr(model, "outputs"):  # its layers learn the shapes of their inputs when it is called
        content["built_from"] = model.built_from
    tensors = _weight_tensors(model)
    if compiled is not None:
        content["compile"] = {
            "optimizer": optimizers.serialize(compiled.optimizer),
            "loss": _described(compiled.given["loss"], losses),
            "loss_weights": compiled.given["loss_weights"],
            "metrics": _described(compiled.given["metrics"], metrics),
            "weighted_metrics": _described(compiled.given["weighted_metrics"], metrics),
        }
        content["training"] = _training(model)
        tensors.update(_slot_tensors(model))
    return content, tensors


def copied(content: dict[str, Any], tensors: dict[str, np.ndarray], own: Mapping[str, Any]) -> Any:
    """Make the model that :func:`described` tells of; `own` are the classes and functions of the user's, by name."""
    return _made(content, tensors, "copy", own, True)


def own_objects(model: Any) -> dict[str, Any]:
    """Return the classes and functions that a model uses and that are none of nnfast's, by name."""
    used = [type(layer) for layer in (model, *model.layers_inside)]
    if model._compiled is not None:
        used.append(type(model.optimizer))
        for key in ("loss", "metrics", "weighted_metrics"):
            given = [item for item in flatten(model._compiled.given[key]) if callable(item)]
            used += [item if hasattr(item, "__name__") else type(item) for item in given]
    return {known_as(item): item for item in used if not item.__module__.startswith("nnfast.")}


def save_training(model: Any, filepath: Any, notes: dict[str, Any]) -> None:
    """Write where the training of a compiled model stands, without its configuration; see :func:`restore_training`.

    Parameters
    ----------
    model : Model
        The model.
    filepath : path
        The file.
    notes : dict
        Plain values to be handed back.
    """
    _require_weights(model)
    content = {"training": {**_training(model), "notes": notes}}
    _write(filepath, {**_weight_tensors(model), **_slot_tensors(model)}, content, True)


def restore_training(model: Any, filepath: Any) -> dict[str, Any]:
    """Put a compiled model where :func:`save_training` found it: weights, optimizer, learning rate, steps and seed.

    Training then goes on with the same bits as if it had never stopped.

    Returns
    -------
    dict
        The notes.

    Raises
    ------
    ValueError
        If the model has no weights yet, the file is damaged, or its weights are not those of the model.
    """
    _require_weights(model)
    content, tensors = _read(filepath)
    if "training" not in content:
        raise ValueError(f"{filepath}: expected the state of a compiled model; the file holds weights only")
    _set_weights(model, tensors, filepath)
    training = content["training"]
    if isinstance(training["learning_rate"], float):
        model.optimizer.learning_rate = training["learning_rate"]
    _set_training(model, training, tensors)
    return training.get("notes", {})


def load_model(
    filepath: Any, custom_objects: Mapping[str, Any] | None = None, compile: bool = True, safe_mode: bool = True
) -> Any:
    """Read a model that `Model.save` wrote.

    Parameters
    ----------
    filepath : path
        The file.
    custom_objects : dict, optional
        Classes and functions of your own that the model uses, by name.
    compile : bool, default True
        Whether to restore optimizer, loss, metrics and the state of training too.
    safe_mode : bool, default True
        Taken so that scripts for Keras run, and without effect: no file holds code.

    Returns
    -------
    Model
        The model, with the weights and the state it was saved with.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is damaged, not a model of nnfast, or of a newer format; or a name in it is unknown.
    """
    content, tensors = _read(filepath)
    if "model" not in content:
        raise ValueError(f"{filepath}: expected a model; the file holds weights only; use model.load_weights")
    try:
        return _made(content, tensors, filepath, custom_objects, compile)
    except (LookupError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
        raise ValueError(
            f"{filepath}: expected the configuration of a model; its own makes none ({type(error).__name__}: {error}); "
            "the file is damaged, or a class of your own has changed since it was saved"
        ) from error


def _made(content: Any, tensors: Any, filepath: Any, custom_objects: Mapping[str, Any] | None, compile: bool) -> Any:
    """Make the model that a file describes."""
    with custom_object_scope(custom_objects):
        model = layer_registry.deserialize(content["model"])
        if not hasattr(model, "programs"):
            raise TypeError(f"it describes a {type(model).__name__}, which is no model")
        model.notes = content.get("notes", {})
        if not model.built and content.get("built_from") is not None:
            model.build_from(content["built_from"])
        settings = content.get("compile") if compile else None
        if settings is not None:
            model.compile(
                optimizer=optimizers.deserialize(settings["optimizer"]),
                loss=_revived(settings["loss"], losses),
                loss_weights=settings["loss_weights"],
                metrics=_revived(settings["metrics"], metrics),
                weighted_metrics=_revived(settings["weighted_metrics"], metrics),
            )
    _set_weights(model, tensors, filepath)
    if settings is not None:
        _set_training(model, content["training"], tensors)
    return model


def _training(model: Any) -> dict[str, Any]:
    optimizer = model.optimizer
    rate = optimizer.get_config()["learning_rate"]  # a schedule follows from the number of steps
    return {
        "steps": optimizer.steps,
        "seed": model.seed,
        "learning_rate": float(rate) if isinstance(rate, (int, float)) else None,
    }


def _set_training(model: Any, training: dict[str, Any], tensors: dict[str, np.ndarray]) -> None:
    model.seed = training["seed"]
    model.optimizer.steps = training["steps"]
    named = ((key.split("/"), value) for key, value in tensors.items() if key.startswith("optimizer/"))
    model.programs.remember({(name, int(number)): value for (_, name, number), value in named})


def save_weights(model: Any, filepath: Any, overwrite: bool = True) -> None:
    """Write a model's weights; see `Model.save_weights`."""
    _require_weights(model)
    _write(filepath, _weight_tensors(model), {}, overwrite)


def load_weights(model: Any, filepath: Any, skip_mismatch: bool = False) -> None:
    """Read weights into a model; see `Model.load_weights`.

    Raises
    ------
    ValueError
        If the file is damaged, or, unless `skip_mismatch` is set, its weights are not those of the model.
    """
    _require_weights(model)
    _, tensors = _read(filepath)
    if not skip_mismatch:
        _set_weights(model, tensors, filepath)
        return
    saved = [tensors[key] for key in sorted(tensors) if key.startswith("weights/")]
    skipped = [weight.path for weight in model.weights[len(saved) :]]
    for weight, value in zip(model.weights, saved, strict=False):
        if value.shape == weight.shape:
            weight.assign(value)
        else:
            skipped.append(weight.path)
    if skipped:
        warnings.warn(
            f"{filepath}: weights of other shapes than the model's, or none, stand in place of {', '.join(skipped)}; "
            "these keep what they hold",
            stacklevel=3,
        )


def _require_weights(model: Any) -> None:
    if not model.built:
        raise ValueError(
            f"Model {model.name!r} has no weights yet; start it with Input(shape), or call it on data once"
        )


def _weight_tensors(model: Any) -> dict[str, np.ndarray]:
    return {f"weights/{i:04d}/{weight.path}": weight.numpy() for i, weight in enumerate(model.weights)}


def _slot_tensors(model: Any) -> dict[str, np.ndarray]:
    slots = model.programs.numbered_slots()
    return {f"optimizer/{slot}/{number:04d}": value for (slot, number), value in slots.items()}


def _set_weights(model: Any, tensors: dict[str, np.ndarray], filepath: Any) -> None:
    saved = {key: value for key, value in tensors.items() if key.startswith("weights/")}
    values = [saved[key] for key in sorted(saved)]
    weights = model.weights
    if len(values) != len(weights):
        raise ValueError(f"{filepath}: expected {len(weights)} weights, as the model has; received {len(values)}")
    for key, value, weight in zip(sorted(saved), values, weights, strict=True):
        if value.shape != weight.shape:
            raise ValueError(
                f"{filepath}: expected {weight.path} of shape {weight.shape}; received {key} of {value.shape}"
            )
    for value, weight in zip(values, weights, strict=True):
        weight.assign(value)


def _described(given: Any, module: Any) -> Any:
    if isinstance(given, dict):
        return {"by_name": {name: _described(item, module) for name, item in given.items()}}
    if isinstance(given, (list, tuple)):
        return [_described(item, module) for item in given]
    return module.serialize(given)


def _revived(described: Any, module: Any) -> Any:
    if isinstance(described, dict) and set(described) == {"by_name"}:
        return {name: _revived(item, module) for name, item in described["by_name"].items()}
    if isinstance(described, list):
        return [_revived(item, module) for item in described]
    if isinstance(described, str):  # a function of the user's own must be found now: the scope ends with the loading
        return registry.custom_objects.get(described, described)
    return module.deserialize(described) if isinstance(described, dict) else described


def as_json(content: dict[str, Any]) -> str:
    """Return a model's description as JSON.

    Raises
    ------
    ValueError
        If it holds something other than plain values.
    """
    import json

    try:
        return json.dumps(content, default=_plain)
    except TypeError as error:
        raise ValueError(f"the model's configuration cannot be written as JSON: {error}") from error


def _write(filepath: Any, tensors: dict[str, np.ndarray], content: dict[str, Any], overwrite: bool) -> None:
    import tempfile
    from pathlib import Path

    from safetensors.numpy import save

    path = Path(filepath)
    if not overwrite and path.exists():
        raise FileExistsError(f"{path} exists; pass overwrite=True to replace it")
    text = as_json({"format": FORMAT, "version": _core.version, **content})
    tensors = {key: np.asarray(value, order="C") for key, value in tensors.items()}
    data = save(tensors, {"nnfast": text, "crc32": _checksum(tensors)})
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path}: expected a file in a folder that exists; there is no {path.parent}")
    # A reader finds the old file or the new one, whole, even after a power cut.
    handle, temporary = tempfile.mkstemp(dir=path.parent or Path(), prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _checksum(tensors: dict[str, np.ndarray]) -> str:
    """Return what tells of a bit that has changed among the numbers, which safetensors does not look at."""
    from zlib import crc32

    found = 0
    for key in sorted(tensors):
        found = crc32(tensors[key].reshape(-1).view(np.uint8).data, found)
    return f"{found:08x}"


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise TypeError(f"{value!r} of type {type(value).__name__} is no plain value; define get_config for what uses it")


def _read(filepath: Any) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    import json
    from pathlib import Path

    from safetensors import SafetensorError, safe_open

    path = Path(filepath)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        with safe_open(str(path), framework="np") as file:
            metadata = file.metadata() or {}
            text = metadata.get("nnfast")
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  not a dictionary
    except (SafetensorError, OSError) as error:
        raise ValueError(
            f"{path}: expected a safetensors file; it is damaged, cut short or of another kind ({error})"
        ) from error
    if text is None:
        raise ValueError(f"{path}: expected a file written by nnfast; received a safetensors file of another program")
    if "crc32" in metadata and metadata["crc32"] != (found := _checksum(tensors)):
        raise ValueError(
            f"{path}: its numbers are damaged: expected the checksum {metadata['crc32']}; received {found}; "
            "take another copy of the file"
        )
    try:
        content = json.loads(text)
        number = content["format"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"{path}: its metadata are damaged ({error})") from error
    if not isinstance(number, int) or number > FORMAT:
        raise ValueError(f"{path}: expected format {FORMAT} or older; received {number}; install a newer nnfast")
    return content, tensors
