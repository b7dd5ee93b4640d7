"""What `compile` settles: optimizer, losses and metrics, each beside the output it belongs to."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from numbers import Real
from typing import Any

from .. import losses, optimizers
from ..losses import Loss
from ..metrics import MeanMetricWrapper, Metric
from ..metrics import registry as metric_registry
from ..registry import Registry

CROSS_ENTROPIES = ("crossentropy", "ce")
BY_SHAPE = {
    "accuracy": ("BinaryAccuracy", "CategoricalAccuracy", "SparseCategoricalAccuracy"),
    "acc": ("BinaryAccuracy", "CategoricalAccuracy", "SparseCategoricalAccuracy"),
    "crossentropy": ("BinaryCrossentropy", "CategoricalCrossentropy", "SparseCategoricalCrossentropy"),
    "ce": ("BinaryCrossentropy", "CategoricalCrossentropy", "SparseCategoricalCrossentropy"),
}


class LossTracker:
    """The mean of a loss over rows, in Python's own numbers: it is asked for after every batch."""

    def __init__(self, name: str):
        self.name = name
        self.reset_state()

    def add(self, total: float, rows: int) -> None:
        """Add the losses of so many rows."""
        self.total += total
        self.rows += rows

    def result(self) -> float:
        """Return the mean, 0 before the first row."""
        return self.total / self.rows if self.rows else 0.0

    def reset_state(self) -> None:
        """Forget all rows."""
        self.total = 0.0
        self.rows = 0


class Compiled:
    """The settings of `compile`, matched to a model's outputs once these are known.

    Parameters
    ----------
    optimizer, loss, loss_weights, metrics, weighted_metrics
        Those of `Model.compile`.
    """

    def __init__(self, optimizer: Any, loss: Any, loss_weights: Any, metrics: Any, weighted_metrics: Any):
        self.optimizer = optimizers.get(optimizer)
        if not isinstance(self.optimizer, optimizers.Optimizer):
            raise ValueError(f"compile: expected an optimizer; received {optimizer!r}")
        self.given = {
            "loss": loss,
            "loss_weights": loss_weights,
            "metrics": metrics,
            "weighted_metrics": weighted_metrics,
        }
        _check("loss", loss, losses.registry, CROSS_ENTROPIES, foreign=Metric)
        for weight in _leaves(loss_weights):
            if weight is not None and not isinstance(weight, Real):
                raise TypeError(f"loss_weights: expected numbers; received {weight!r} of type {type(weight).__name__}")
        for key, items in (("metrics", metrics), ("weighted_metrics", weighted_metrics)):
            if items is not None and not isinstance(items, (list, tuple, dict)):
                raise ValueError(f"{key}: expected a list, or a dictionary by the outputs' names; received {items!r}")
            _check(key, items, metric_registry, BY_SHAPE)
        self.loss_tracker = LossTracker("loss")
        self.matched = False
        self.losses: list[Loss | None] = []
        self.loss_weights: list[float] = []
        self.output_trackers: list[LossTracker | None] = []
        self.metrics: list[list[Metric]] = []
        self.weighted: list[list[Metric]] = []
        self.trackers: list[Any] = [self.loss_tracker]  # and every metric, once they are known
        self._figures: list[tuple[str, Metric, bool]] = []  # prefix, metric, whether it is weighted

    def match(self, output_names: Sequence[str], y_shapes: Sequence[Any], pred_shapes: Sequence[Any]) -> None:
        """Give each output its loss and metrics.

        Raises
        ------
        ValueError
            If the lists or dictionaries given to compile do not fit the outputs.
        """
        if self.matched:
            return
        shapes = list(zip(y_shapes, pred_shapes, strict=True))
        given = _per_output("loss", self.given["loss"], output_names, shared=True)
        self.losses = [_as_loss(_single(item), *pair) for item, pair in zip(given, shapes, strict=True)]
        weights = _per_output("loss_weights", self.given["loss_weights"], output_names, shared=False)
        self.loss_weights = [1.0 if weight is None else float(weight) for weight in weights]
        several = sum(loss is not None for loss in self.losses) > 1
        self.output_trackers = [
            LossTracker(f"{name}_loss") if several and loss is not None else None
            for name, loss in zip(output_names, self.losses, strict=True)
        ]
        for target, key in ((self.metrics, "metrics"), (self.weighted, "weighted_metrics")):
            target.clear()
            lists = _metric_lists(key, self.given[key], output_names)
            for items, (y_shape, pred_shape) in zip(lists, shapes, strict=True):
                target.append([_as_metric(item, y_shape, pred_shape) for item in items])
        prefixes = [""] if len(output_names) == 1 else [f"{name}_" for name in output_names]
        self._figures = [
            (prefix, metric, groups is self.weighted)
            for groups in (self.metrics, self.weighted)
            for prefix, items in zip(prefixes, groups, strict=True)
            for metric in items
        ]
        self.matched = True
        self.trackers = [
            self.loss_tracker,
            *(tracker for tracker in self.output_trackers if tracker is not None),
            *(metric for items in (*self.metrics, *self.weighted) for metric in items),
        ]

    def reset(self) -> None:
        """Reset every metric."""
        for metric in self.trackers:
            metric.reset_state()

    def logs(self) -> dict[str, Any]:
        """Return the figures by name."""
        found: dict[str, Any] = {"loss": self.loss_tracker.result()}
        for tracker in self.output_trackers:
            if tracker is not None:
                found[tracker.name] = tracker.result()
        for prefix, metric, weighted in self._figures:
            value = metric.result()
            key = prefix + metric.name
            if weighted and key in found:
                key = f"{prefix}weighted_{metric.name}"
            values = value if isinstance(value, dict) else {key: value}
            found.update({k: float(v) if getattr(v, "ndim", 0) == 0 else v for k, v in values.items()})
        return found


def _check(what: str, given: Any, family: Registry, by_shape: Collection[str], foreign: Any = ()) -> None:
    """Refuse what can be said before the outputs are known: unknown names and things of the wrong type."""
    for item in _leaves(given):
        if isinstance(item, str):
            if item not in by_shape:
                family.find(item)
        elif not (item is None or isinstance(item, dict) or callable(item)) or isinstance(item, foreign):
            raise TypeError(
                f"{what}: expected a {family.kind}, its name or a function of targets and outputs; "
                f"received {item!r} of type {type(item).__name__}"
            )


def _leaves(given: Any) -> Iterator[Any]:
    if isinstance(given, (list, tuple)):
        for item in given:
            yield from _leaves(item)
    elif isinstance(given, dict) and "class_name" not in given:
        yield from _leaves(list(given.values()))
    else:
        yield given


def _per_output(what: str, given: Any, names: Sequence[str], shared: bool) -> list[Any]:
    if isinstance(given, dict):
        unknown = [name for name in given if name not in names]
        if unknown:
            raise ValueError(f"{what}: expected the outputs' names {list(names)}; received {unknown}")
        return [given.get(name) for name in names]
    if isinstance(given, (list, tuple)):
        if len(given) != len(names):
            raise ValueError(f"{what}: expected {len(names)} entries, one for each output; received {len(given)}")
        return list(given)
    if given is not None and not shared and len(names) > 1:
        raise ValueError(f"{what}: expected a list or dictionary with an entry for each output; received {given!r}")
    return [given] * len(names)


def _metric_lists(what: str, given: Any, names: Sequence[str]) -> list[list[Any]]:
    if given is None:
        return [[] for _ in names]
    if isinstance(given, dict):
        return [_listed(item) for item in _per_output(what, given, names, shared=True)]
    nested = [isinstance(item, (list, tuple)) for item in given]
    if len(names) == 1 and not any(nested):
        return [list(given)]
    if len(given) == len(names):
        return [_listed(item) for item in given]
    if not any(nested):
        return [list(given) for _ in names]
    raise ValueError(f"{what}: expected {len(names)} lists, one for each output; received {len(given)}")


def _single(item: Any) -> Any:
    """Return the one loss of an output, which Keras lets stand in a list."""
    return item[0] if isinstance(item, (list, tuple)) and len(item) == 1 else item


def _listed(item: Any) -> list[Any]:
    return [] if item is None else list(item) if isinstance(item, (list, tuple)) else [item]


def _of_shapes(name: str, y_shape: Any, pred_shape: Any) -> str:
    """Return the class that a name such as "accuracy" stands for, given the shapes of targets and outputs."""
    binary, categorical, sparse = BY_SHAPE[name]
    if pred_shape[-1] == 1:
        return binary
    return sparse if len(y_shape) < len(pred_shape) or y_shape[-1] == 1 else categorical


def _as_loss(item: Any, y_shape: Any, pred_shape: Any) -> Loss | None:
    if isinstance(item, str) and item in CROSS_ENTROPIES:
        item = _of_shapes(item, y_shape, pred_shape)
    return losses.as_loss(item)


def _as_metric(item: Any, y_shape: Any, pred_shape: Any) -> Metric:
    if isinstance(item, str) and item in BY_SHAPE:
        return metric_registry.find(_of_shapes(item, y_shape, pred_shape))(name=item)
    if item is None:
        raise ValueError("metrics: expected a metric, its name or a function of targets and outputs; received None")
    found = metric_registry.get(item)
    if isinstance(item, str) and isinstance(found, Metric):
        found.name = item  # logs go by the name that was given
    if isinstance(found, Loss):
        return MeanMetricWrapper(found.call, name=found.name)
    return found if isinstance(found, Metric) else MeanMetricWrapper(found)
