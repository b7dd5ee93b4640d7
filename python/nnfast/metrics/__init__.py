"""Metrics: figures that tell how good a model is."""

from .accuracy import BinaryAccuracy, CategoricalAccuracy, SparseCategoricalAccuracy
from .metric import Mean, MeanMetricWrapper, Metric, registry

get = registry.get
serialize = registry.serialize
deserialize = registry.deserialize

__all__ = [
    "BinaryAccuracy", "CategoricalAccuracy", "Mean", "MeanMetricWrapper", "Metric", "SparseCategoricalAccuracy",
    "deserialize", "get", "registry", "serialize",
]  # fmt: skip
