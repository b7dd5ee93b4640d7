"""nnfast, through its public interface. What it does not have yet is reported, never skipped."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from harness.inputs import gradient, labels, learnable, normal
from harness.mode import Mode, Modes, NotOfferedError
from harness.networks import EPSILON, NETWORKS, Layer, initial_weights

_threads = 1


def start(threads: int) -> str:
    global _threads
    _threads = threads
    nnfast = importlib.import_module("nnfast")
    nnfast.set_num_threads(threads)
    return str(nnfast.__version__)


def find(path: str) -> Any:
    """What `nnfast.<path>` names; NotOfferedError says that it is missing."""
    module, _, name = f"nnfast.{path}".rpartition(".")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError):
        raise NotOfferedError(f"nnfast.{path} does not exist") from None


def _mode(work: Callable[[], Any]) -> Mode:
    def result() -> list[np.ndarray]:
        found = work()
        return list(found) if isinstance(found, list | tuple) else [found]

    return Mode("numpy", work, result)


def gemm(m: int, n: int, k: int, transpose_b: bool) -> Modes:
    function = find("kernels.gemm")
    a, b = normal(m, k), normal(n, k) if transpose_b else normal(k, n)
    out = function(a, b, transpose_b=transpose_b)  # of nnfast's own making, as PyTorch writes to a tensor of its own
    yield Mode("out", lambda: function(a, b, transpose_b=transpose_b, out=out),
               lambda: [function(a, b, transpose_b=transpose_b)])  # fmt: skip
    yield _mode(lambda: function(a, b, transpose_b=transpose_b))


# Networks, written as a user of Keras writes them


class Builder:
    """Makes a model of `harness.networks` by the functional API."""

    def __init__(self, network: str) -> None:
        self.network = NETWORKS[network]
        self.weighted: list[Any] = []
        inputs = find("layers.Input")(self.network.input_shape)
        self.model = find("Model")(inputs, self._add(self.network.layers, inputs))
        weights = iter(initial_weights(self.network))
        for layer in self.weighted:
            own = [next(weights) for _ in layer.trainable_weights]
            layer.set_weights(own + [np.asarray(w) for w in layer.weights[len(own) :]])

    def _add(self, layers: list[Layer], x: Any) -> Any:
        for i, (kind, *numbers) in enumerate(layers):
            if kind == "residual":
                main, shortcut = (self._add(branch, x) for branch in numbers)
                x = find("layers.Activation")("relu")(find("layers.Add")()([main, shortcut]))
                continue
            fused = kind in ("dense", "conv_bias") and layers[i + 1 : i + 2] == [("relu",)]
            if kind == "relu" and i and layers[i - 1][0] in ("dense", "conv_bias"):
                continue
            layer = getattr(self, f"_{kind}")(*numbers, **({"activation": "relu"} if fused else {}))
            x = layer(x)
            if kind in ("dense", "conv", "conv_bias", "batch_norm"):
                self.weighted.append(layer)
        return x

    def _dense(self, units: int, **options: Any) -> Any:
        return find("layers.Dense")(units, **options)

    def _conv(self, filters: int, size: int, strides: int, padding: str) -> Any:
        return find("layers.Conv2D")(filters, size, strides=strides, padding=padding, use_bias=False)

    def _conv_bias(self, filters: int, size: int, strides: int, padding: str, **options: Any) -> Any:
        return find("layers.Conv2D")(filters, size, strides=strides, padding=padding, **options)

    def _batch_norm(self) -> Any:
        return find("layers.BatchNormalization")(epsilon=EPSILON)

    def _relu(self) -> Any:
        return find("layers.Activation")("relu")

    def _max_pool(self) -> Any:
        return find("layers.MaxPooling2D")(2)

    def _flatten(self) -> Any:
        return find("layers.Flatten")()

    def _average_all(self) -> Any:
        return find("layers.GlobalAveragePooling2D")()


CLASSES = {"sgd": "SGD", "adam": "Adam"}


def _compiled(network: str, optimizer: dict[str, Any]) -> Any:
    settings = {key: value for key, value in optimizer.items() if key != "name"}
    model = Builder(network).model
    loss = find("losses.SparseCategoricalCrossentropy")(from_logits=True)
    model.compile(optimizer=find(f"optimizers.{CLASSES[optimizer['name']]}")(**settings), loss=loss)
    return model


def fit(network: str, batch: int, steps: int, optimizer: dict[str, Any]) -> Modes:
    model = _compiled(network, optimizer)
    net = NETWORKS[network]
    x, y = learnable(batch * steps, net.input_shape, net.classes)

    def epoch() -> Any:
        return model.fit(x, y, batch_size=batch, epochs=1, shuffle=False, verbose=0)

    yield Mode("fit", epoch, lambda: [np.array(epoch().history["loss"])], steps)


def train_on_batch(network: str, batch: int, steps: int, optimizer: dict[str, Any]) -> Modes:
    model = _compiled(network, optimizer)
    net = NETWORKS[network]
    x, y = learnable(batch * steps, net.input_shape, net.classes)
    batches = [(x[i : i + batch], y[i : i + batch]) for i in range(0, len(x), batch)]

    def epoch() -> list[Any]:
        return [model.train_on_batch(*data) for data in batches]

    yield Mode("train_on_batch", epoch, lambda: [np.array(epoch()[:10])], steps)


def predict(network: str, batch: int) -> Modes:
    model = Builder(network).model
    x = normal(batch, *NETWORKS[network].input_shape)
    yield _mode(lambda: model.predict_on_batch(x))


# Single kernels, forward and backward


def layer_norm(rows: int, width: int) -> Modes:
    forward, backward = find("kernels.layer_norm"), find("kernels.layer_norm_backward")
    x, dy = normal(rows, width), normal(rows, width, seed=1)
    gamma, beta = normal(width, seed=2), normal(width, seed=3)

    def work() -> list[np.ndarray]:
        y, mean, inv_std = forward(x, gamma, beta, EPSILON)
        return [y, *backward(x, dy, gamma, mean, inv_std)]

    yield _mode(work)


def batch_norm(shape: tuple[int, ...], relu: bool) -> Modes:
    forward, backward = find("kernels.batch_norm"), find("kernels.batch_norm_backward")
    x, dy = normal(*shape), normal(*shape, seed=1)
    gamma, beta = normal(shape[-1], seed=2), normal(shape[-1], seed=3)
    activation = "relu" if relu else None

    def work() -> list[np.ndarray]:
        y, mean, inv_std = forward(x, gamma, beta, EPSILON, activation=activation)
        return [y, *backward(x, y, dy, gamma, mean, inv_std, activation=activation)]

    yield _mode(work)


def softmax_cross_entropy(rows: int, classes: int) -> Modes:
    function = find("kernels.softmax_cross_entropy")
    logits, y = normal(rows, classes), labels(rows, classes)
    yield _mode(lambda: function(logits, y))


def max_pool(shape: tuple[int, ...]) -> Modes:
    forward, backward = find("kernels.max_pool2d"), find("kernels.max_pool2d_backward")
    n, height, width, channels = shape
    x, dy = normal(*shape), normal(n, height // 2, width // 2, channels, seed=1)

    def work() -> list[np.ndarray]:
        y = forward(x, 2)
        return [y, backward(x, y, dy, 2)]

    yield _mode(work)


def conv(
    x_shape: tuple[int, ...], kernel_shape: tuple[int, ...], strides: int, padding: str, groups: int, parts: tuple
) -> Modes:
    forward, data, weights = (find(f"kernels.conv2d{part}") for part in ("", "_backward_data", "_backward_weights"))
    x, kernel = normal(*x_shape), normal(*kernel_shape, seed=2)
    settings = {"strides": strides, "padding": padding, "groups": groups}
    dy = normal(*forward(x, kernel, **settings).shape, seed=1)
    calls = {
        "forward": lambda: forward(x, kernel, **settings),
        "data": lambda: data(dy, kernel, x_shape, **settings),
        "weights": lambda: weights(x, dy, kernel_shape, **settings),
    }
    yield _mode(lambda: [calls[part]() for part in parts])


# Optimizers

OPTIMIZERS: dict[str, tuple[str, dict[str, Any]]] = {
    "sgd": ("SGD", {}),
    "momentum": ("SGD", {"momentum": 0.9}),
    "nesterov": ("SGD", {"momentum": 0.9, "nesterov": True}),
    "adagrad": ("Adagrad", {}),
    "rmsprop": ("RMSprop", {}),
    "adadelta": ("Adadelta", {}),
    "adam": ("Adam", {}),
    "adamw": ("AdamW", {"weight_decay": 4e-3}),
    "nadam": ("Nadam", {}),
    "adamax": ("Adamax", {}),
    "radam": ("RAdam", {}),
    "lion": ("Lion", {}),
}


def optimizer(name: str, learning_rate: float, tensors: int, size: int) -> Modes:
    """The update stage of a training step: parameters and gradients lie in its flat blocks, as in a model."""
    class_name, settings = OPTIMIZERS[name]
    rule = find(f"optimizers.{class_name}")(learning_rate=learning_rate, **settings)
    blocks = find("_core.Update")(rule.settings(), [(size, True, 1.0)] * tensors)
    for i, at in enumerate(blocks.offsets):
        blocks.parameters[at : at + size] = normal(size, seed=i)
        blocks.gradients[at : at + size] = gradient(size, seed=100 + i)
    done = 0

    def step() -> None:
        nonlocal done
        blocks.step(done, float(rule.learning_rate), threads=_threads)
        done += 1

    def result() -> list[np.ndarray]:
        parts = [blocks.parameters[at : at + size] for at in (blocks.offsets[0], blocks.offsets[-1])]
        before = [part.copy() for part in parts]
        for _ in range(3):
            step()
        return [part - was for part, was in zip(parts, before, strict=True)]

    yield Mode("step", step, result)


def triad(tensors: int, size: int) -> Modes:
    raise NotOfferedError("triad measures the machine's bandwidth by the peers")
    yield
