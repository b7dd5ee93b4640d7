"""Layers: the pieces of models."""

from .core import Activation, Dropout, Flatten, Identity, Input, InputLayer
from .dense import Dense
from .layer import Layer, deserialize, get, serialize

__all__ = [
    "Activation", "Dense", "Dropout", "Flatten", "Identity", "Input", "InputLayer", "Layer",
    "deserialize", "get", "serialize",
]  # fmt: skip
