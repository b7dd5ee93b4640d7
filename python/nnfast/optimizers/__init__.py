"""Optimizers: how gradients change the weights. Names, formulas and defaults are those of Keras 3."""

from . import rules, schedules
from .optimizer import Optimizer, registry
from .rules import *  # noqa: F403  whatever rules.py names

__all__ = [*rules.__all__, "Optimizer", "deserialize", "get", "schedules", "serialize"]

get, serialize, deserialize = registry.get, registry.serialize, registry.deserialize
