"""MLX on the CPU: one compiled call a step. Images are NHWC, kernels OHWI."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
import numpy as np

from harness.inputs import gradient, labels, learnable, normal
from harness.mode import Mode, Modes, NotOfferedError
from harness.networks import EPSILON, NETWORKS, forward, initial_weights


def start(threads: int) -> str:
    mx.set_default_device(mx.cpu)
    return mx.__version__


# The layers of the MLPs; MLX's convolutions take tens of times as long as PyTorch's, so no network of images


def dense(x, w, b, units):  # type: ignore[no-untyped-def]
    return mx.addmm(b, x, w)


def relu(x):  # type: ignore[no-untyped-def]
    return mx.maximum(x, 0)


OPS = sys.modules[__name__]


def _modes(function: Callable[..., Any], *arrays: np.ndarray) -> Modes:
    given = [mx.array(a) for a in arrays]
    for name, chosen in {"eager": function, "compiled": mx.compile(function)}.items():

        def run(chosen: Callable[..., Any] = chosen) -> Any:
            found = chosen(*given)
            mx.eval(found)
            return found

        def result(run: Callable[[], Any] = run) -> list[np.ndarray]:
            found = run()
            return [np.array(a) for a in (found if isinstance(found, list | tuple) else [found])]

        yield Mode(name, run, result)


def gemm(m: int, n: int, k: int, transpose_b: bool) -> Modes:
    if transpose_b:
        return _modes(lambda a, b: a @ b.T, normal(m, k), normal(n, k))
    return _modes(lambda a, b: a @ b, normal(m, k), normal(k, n))


# Training


def _training(network: str, batch: int, steps: int, optimizer: dict[str, Any], mean: bool) -> Modes:
    net = NETWORKS[network]
    if net.is_image:
        raise NotOfferedError("MLX's convolutions on a CPU take tens of times as long as PyTorch's")
    x, y = learnable(batch * steps, net.input_shape, net.classes)
    batches = [(mx.array(x[i : i + batch]), mx.array(y[i : i + batch])) for i in range(0, len(x), batch)]
    weights = {str(i): mx.array(w) for i, w in enumerate(initial_weights(net))}
    settings = {k: v for k, v in optimizer.items() if k != "name"}
    rule: Any = optim.Adam(**settings, bias_correction=True) if optimizer["name"] == "adam" else optim.SGD(**settings)
    rule.init(weights)
    state = [weights, rule.state]

    def loss(weights: dict[str, Any], x: Any, y: Any) -> Any:
        return nn.losses.cross_entropy(forward(net.layers, OPS, iter(weights.values()), x), y, reduction="mean")

    def step(x: Any, y: Any) -> Any:
        value, grads = mx.value_and_grad(loss)(weights, x, y)
        weights.update(rule.apply_gradients(grads, weights))
        return value

    compiled = mx.compile(step, inputs=state, outputs=state)

    def epoch() -> np.ndarray:
        losses = []
        for data in batches:
            losses.append(compiled(*data))
            mx.async_eval(state)
        mx.eval(state, losses)
        return np.array([float(value.item()) for value in losses])

    yield Mode("compiled", epoch, lambda: [epoch().mean(keepdims=True) if mean else epoch()[:10]], steps)


def fit(network: str, batch: int, steps: int, optimizer: dict[str, Any]) -> Modes:
    return _training(network, batch, steps, optimizer, mean=True)


def train_on_batch(network: str, batch: int, steps: int, optimizer: dict[str, Any]) -> Modes:
    return _training(network, batch, steps, optimizer, mean=False)


def predict(network: str, batch: int) -> Modes:
    net = NETWORKS[network]
    if net.is_image:
        raise NotOfferedError("MLX's convolutions on a CPU take tens of times as long as PyTorch's")
    weights = [mx.array(w) for w in initial_weights(net)]
    return _modes(lambda x: forward(net.layers, OPS, iter(weights), x), normal(batch, *net.input_shape))


# Single kernels, forward and backward


def _forward_backward(function: Callable[..., Any], dy: np.ndarray, *arrays: np.ndarray) -> Modes:
    def both(dy: Any, *arrays: Any) -> list[Any]:
        y, grads = mx.vjp(lambda *given: [function(*given)], list(arrays), [dy])
        return [*y, *grads]

    return _modes(both, dy, *arrays)


def layer_norm(rows: int, width: int) -> Modes:
    arrays = normal(rows, width), normal(width, seed=2), normal(width, seed=3)
    return _forward_backward(
        lambda x, gamma, beta: mx.fast.layer_norm(x, gamma, beta, EPSILON), normal(rows, width, seed=1), *arrays
    )


def batch_norm(shape: tuple[int, ...], relu: bool) -> Modes:
    def function(x: Any, gamma: Any, beta: Any) -> Any:
        mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
        y = (x - mean) * (mx.rsqrt(variance + EPSILON) * gamma) + beta
        return mx.maximum(y, 0) if relu else y

    arrays = normal(*shape), normal(shape[-1], seed=2), normal(shape[-1], seed=3)
    return _forward_backward(function, normal(*shape, seed=1), *arrays)


def softmax_cross_entropy(rows: int, classes: int) -> Modes:
    def both(logits: Any, y: Any) -> list[Any]:
        losses, (grad,) = mx.vjp(lambda a: [nn.losses.cross_entropy(a, y)], [logits], [mx.full(rows, 1 / rows)])
        return [*losses, grad]

    return _modes(both, normal(rows, classes), labels(rows, classes))


def max_pool(shape: tuple[int, ...]) -> Modes:
    n, height, width, channels = shape
    dy = normal(n, height // 2, width // 2, channels, seed=1)
    return _forward_backward(nn.MaxPool2d(2), dy, normal(*shape))


# Optimizers

OPTIMIZERS: dict[str, tuple[Any, dict[str, Any]]] = {
    "sgd": (optim.SGD, {}),
    "momentum": (optim.SGD, {"momentum": 0.9}),
    "nesterov": (optim.SGD, {"momentum": 0.9, "nesterov": True}),
    "rmsprop": (optim.RMSprop, {"alpha": 0.9, "eps": 1e-7}),
    "adagrad": (optim.Adagrad, {"eps": 1e-7}),
    "adadelta": (optim.AdaDelta, {"rho": 0.95, "eps": 1e-7}),
    "adam": (optim.Adam, {"eps": 1e-7, "bias_correction": True}),
    "adamw": (optim.AdamW, {"eps": 1e-7, "bias_correction": True, "weight_decay": 4e-3}),
    "lion": (optim.Lion, {"betas": [0.9, 0.99]}),
}


def optimizer(name: str, learning_rate: float, tensors: int, size: int) -> Modes:
    if name not in OPTIMIZERS:
        raise NotOfferedError(f"mlx.optimizers has no {name} with Keras's formula")
    make, settings = OPTIMIZERS[name]
    rule = make(learning_rate=learning_rate, **settings)
    weights = {str(i): mx.array(normal(size, seed=i)) for i in range(tensors)}
    grads = {str(i): mx.array(gradient(size, seed=100 + i)) for i in range(tensors)}
    rule.init(weights)
    if name == "adagrad":  # Keras starts the sum at 0.1
        for key in weights:
            rule.state[key]["v"] = mx.full(size, 0.1)
    state = [weights, rule.state]

    def step() -> None:
        weights.update(rule.apply_gradients(grads, weights))

    compiled = mx.compile(step, inputs=state, outputs=state)

    def run() -> None:
        compiled()
        mx.eval(state)

    def result() -> list[np.ndarray]:
        before = {key: np.array(weights[key]) for key in ("0", str(tensors - 1))}
        for _ in range(3):
            run()
        return [np.array(weights[key]) - was for key, was in before.items()]

    yield Mode("compiled", run, result)
