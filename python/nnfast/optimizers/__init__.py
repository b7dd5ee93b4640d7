"""Optimizers: how gradients change the weights. Names, formulas and defaults are those of Keras 3."""

from . import schedules
from .optimizer import Optimizer, registry
from .rules import SGD, Adadelta, Adagrad, Adam, Adamax, AdamW, Lion, Nadam, RMSprop

__all__ = [
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Lion",
    "Nadam",
    "Optimizer",
    "RMSprop",
    "deserialize",
    "get",
    "schedules",
    "serialize",
]

get, serialize, deserialize = registry.get, registry.serialize, registry.deserialize
