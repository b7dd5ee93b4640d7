"""Metrics: figures that tell how good a model is."""

from .accuracy import BinaryAccuracy, CategoricalAccuracy, SparseCategoricalAccuracy
from .metric import Mean, MeanMetricWrapper, Metric, registry
from .regression import MeanAbsoluteError, MeanSquaredError

get = registry.get
serialize = registry.serialize
deserialize = registry.deserialize

__all__ = [
    "BinaryAccuracy", "CategoricalAccuracy", "Mean", "MeanAbsoluteError", "MeanMetricWrapper", "MeanSquaredError",
    "Metric", "SparseCategoricalAccuracy", "deserialize", "get", "registry", "serialize",
]  # fmt: skip
