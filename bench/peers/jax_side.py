"""JAX: one jitted call a step, and a whole epoch as one compiled `lax.scan`; buffers are donated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from harness.inputs import gradient, labels, learnable, normal
from harness.mode import Mode, Modes
from harness.networks import NETWORKS, Network, forward, initial_weights

from . import jax_ops as ops

State = Any


def start(threads: int) -> str:
    """XLA takes as many threads as the process may use cores, which the worker has set."""
    return jax.__version__


def _mode(name: str, function: Callable[..., Any], *arrays: Any, units: int = 1) -> Mode:
    """A jitted function of constant arrays."""
    arrays = tuple(jnp.asarray(a) for a in arrays)
    jitted = jax.jit(function)
    return Mode(
        name,
        lambda: jax.block_until_ready(jitted(*arrays)),
        lambda: [np.asarray(a) for a in jax.tree.leaves(jitted(*arrays))],
        units,
    )


def gemm(m: int, n: int, k: int, transpose_b: bool) -> Modes:
    if transpose_b:
        yield _mode("jit", lambda a, b: a @ b.T, normal(m, k), normal(n, k))
    else:
        yield _mode("jit", lambda a, b: a @ b, normal(m, k), normal(k, n))


# Training


def _initial(network: Network, optimizer: dict[str, Any]) -> State:
    weights = [jnp.asarray(w) for w in initial_weights(network)]
    name = "momentum" if "momentum" in optimizer else optimizer["name"]
    return weights, [ops.initial_slots(name, w) for w in weights], jnp.zeros((), jnp.int32)


def _stepper(network: Network, optimizer: dict[str, Any]) -> Callable[[State, Any], tuple[State, jax.Array]]:
    settings = {k: v for k, v in optimizer.items() if k != "name"}
    update = getattr(ops, optimizer["name"])

    def loss(weights: list[jax.Array], x: jax.Array, y: jax.Array) -> jax.Array:
        return ops.cross_entropy(forward(network.layers, ops, iter(weights), x), y).mean()

    def step(state: State, data: Any) -> tuple[State, jax.Array]:
        weights, slots, t = state
        value, grads = jax.value_and_grad(loss)(weights, *data)
        done = [
            update(p, g, s, (t + 1).astype(jnp.float32), **settings)
            for p, g, s in zip(weights, grads, slots, strict=True)
        ]
        return ([p for p, _ in done], [s for _, s in done], t + 1), value

    return step


class Runner:
    """Runs an epoch from the present state and keeps the new one."""

    def __init__(self, state: State, epoch: Callable[[State], tuple[State, Any]]) -> None:
        self.state, self.epoch = state, epoch

    def __call__(self) -> np.ndarray:
        self.state, losses = self.epoch(self.state)
        jax.block_until_ready(self.state)
        return np.asarray(losses)


def _training(network: str, batch: int, steps: int, optimizer: dict[str, Any], whole: bool) -> Modes:
    net = NETWORKS[network]
    x, y = learnable(batch * steps, net.input_shape, net.classes)
    step = _stepper(net, optimizer)
    jitted = jax.jit(step, donate_argnums=0)
    batches = [(jnp.asarray(x[i : i + batch]), jnp.asarray(y[i : i + batch])) for i in range(0, len(x), batch)]

    def one_by_one(state: State) -> tuple[State, list[jax.Array]]:
        losses = []
        for data in batches:
            state, loss = jitted(state, data)
            losses.append(loss)
        return state, losses

    def result(run: Runner) -> list[np.ndarray]:
        losses = run()
        return [losses.mean(keepdims=True) if whole else losses[:10]]

    run = Runner(_initial(net, optimizer), one_by_one)
    yield Mode("jit a step", run, lambda: result(run), steps)
    if not whole:
        return
    stacked = jnp.asarray(x).reshape(steps, batch, *net.input_shape), jnp.asarray(y).reshape(steps, batch)
    scan = jax.jit(lambda state, data: lax.scan(step, state, data), donate_argnums=0)
    scanned = Runner(_initial(net, optimizer), lambda state: scan(state, stacked))
    yield Mode("scan", scanned, lambda: result(scanned), steps)


def fit(network: str, batch: int, steps: int, optimizer: dict[str, Any]) -> Modes:
    return _training(network, batch, steps, optimizer, whole=True)


def train_on_batch(network: str, batch: int, steps: int, optimizer: dict[str, Any]) -> Modes:
    return _training(network, batch, steps, optimizer, whole=False)


def predict(network: str, batch: int) -> Modes:
    net = NETWORKS[network]
    weights = [jnp.asarray(w) for w in initial_weights(net)]
    yield _mode("jit", lambda x: forward(net.layers, ops, iter(weights), x), normal(batch, *net.input_shape))


# Single kernels, forward and backward


def _forward_backward(function: Callable[..., jax.Array], dy: np.ndarray, *arrays: np.ndarray) -> Mode:
    def both(dy: jax.Array, *arrays: jax.Array) -> Any:
        y, pull_back = jax.vjp(function, *arrays)
        return y, pull_back(dy)

    return _mode("jit", both, dy, *arrays)


def layer_norm(rows: int, width: int) -> Modes:
    arrays = normal(rows, width), normal(width, seed=2), normal(width, seed=3)
    yield _forward_backward(ops.layer_norm, normal(rows, width, seed=1), *arrays)


def batch_norm(shape: tuple[int, ...], relu: bool) -> Modes:
    def function(x: jax.Array, gamma: jax.Array, beta: jax.Array) -> jax.Array:
        y = ops.batch_norm(x, gamma, beta)
        return ops.relu(y) if relu else y

    channels = shape[-1]
    arrays = normal(*shape), normal(channels, seed=2), normal(channels, seed=3)
    yield _forward_backward(function, normal(*shape, seed=1), *arrays)


def softmax_cross_entropy(rows: int, classes: int) -> Modes:
    def both(logits: jax.Array, y: jax.Array) -> Any:
        def mean(logits: jax.Array) -> tuple[jax.Array, jax.Array]:
            losses = ops.cross_entropy(logits, y)
            return losses.mean(), losses

        (_, losses), grad = jax.value_and_grad(mean, has_aux=True)(logits)
        return losses, grad

    yield _mode("jit", both, normal(rows, classes), labels(rows, classes))


def max_pool(shape: tuple[int, ...]) -> Modes:
    n, height, width, channels = shape
    yield _forward_backward(ops.max_pool, normal(n, height // 2, width // 2, channels, seed=1), normal(*shape))


def conv(
    x_shape: tuple[int, ...], kernel_shape: tuple[int, ...], strides: int, padding: str, groups: int, parts: tuple
) -> Modes:
    def both(x: jax.Array, w: jax.Array, dy: jax.Array) -> list[jax.Array]:
        y, pull_back = jax.vjp(lambda x, w: ops.convolve(x, w, strides, padding, groups), x, w)
        dx, dw = pull_back(dy)
        found = {"forward": y, "data": dx, "weights": dw}
        return [found[part] for part in parts]  # what is not asked for is not computed

    x, w = normal(*x_shape), normal(*kernel_shape, seed=2)
    out = jax.eval_shape(lambda x, w: ops.convolve(x, w, strides, padding, groups), x, w).shape
    yield _mode("jit", both, x, w, normal(*out, seed=1))


# Optimizers


def optimizer(name: str, learning_rate: float, tensors: int, size: int) -> Modes:
    update, settings, _ = ops.OPTIMIZERS[name]
    settings = {**settings, "learning_rate": learning_rate}
    grads = [jnp.asarray(gradient(size, seed=100 + i)) for i in range(tensors)]

    def step(state: State, grads: list[jax.Array]) -> State:
        weights, slots, t = state
        done = [
            update(p, g, s, (t + 1).astype(jnp.float32), **settings)
            for p, g, s in zip(weights, grads, slots, strict=True)
        ]
        return [p for p, _ in done], [s for _, s in done], t + 1

    jitted = jax.jit(step, donate_argnums=0)
    weights = [jnp.asarray(normal(size, seed=i)) for i in range(tensors)]
    initial = weights, [ops.initial_slots(name, w) for w in weights], jnp.zeros((), jnp.int32)
    run = Runner(initial, lambda state: (jitted(state, grads), 0.0))

    def result() -> list[np.ndarray]:
        before = [np.array(weights[i]) for i in (0, -1)]
        for _ in range(3):
            run()
        return [np.asarray(run.state[0][i]) - was for i, was in zip((0, -1), before, strict=True)]

    yield Mode("jit", run, result)


def triad(tensors: int, size: int) -> Modes:
    ones = np.ones(tensors * size, np.float32)
    jitted = jax.jit(lambda a, b, c: b + 3.0 * c, donate_argnums=0)
    b, c = jnp.asarray(ones), jnp.asarray(ones)
    run = Runner(jnp.zeros(tensors * size), lambda a: (jitted(a, b, c), 0.0))

    def result() -> list[np.ndarray]:
        run()
        return [np.asarray(run.state)]

    yield Mode("jit", run, result)
