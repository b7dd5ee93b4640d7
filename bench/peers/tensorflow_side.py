"""TensorFlow: `tf.function`, plain (Eigen and oneDNN kernels) and with jit_compile (XLA). Arrays are NHWC and HWIO."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from harness.inputs import labels, learnable, normal
from harness.mode import Mode, Modes
from harness.networks import EPSILON, NETWORKS, Network, forward, initial_weights

from . import tensorflow_ops as ops

raw = tf.raw_ops
KINDS = {"graph": False, "XLA": True}  # mode -> jit_compile


def start(threads: int) -> str:
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    return str(tf.__version__)


def _modes(function: Callable[..., Any], *arrays: np.ndarray) -> Modes:
    """A function of constant arrays, compiled in each way."""
    given = [tf.constant(a) for a in arrays]
    for name, xla in KINDS.items():
        compiled = tf.function(function, jit_compile=xla)

        def run(compiled: Any = compiled) -> list[np.ndarray]:
            return [t.numpy() for t in tf.nest.flatten(compiled(*given))]  # on a CPU numpy() waits and does not copy

        yield Mode(name, run, run)


def gemm(m: int, n: int, k: int, transpose_b: bool) -> Modes:
    b = normal(n, k) if transpose_b else normal(k, n)
    return _modes(lambda a, b: tf.matmul(a, b, transpose_b=transpose_b), normal(m, k), b)


# Training


class Trainer:
    """A network whose weights and slots are variables; updates are TensorFlow's own fused operations."""

    def __init__(self, network: Network, optimizer: dict[str, Any]) -> None:
        self.network, self.settings = network, optimizer
        self.weights = [tf.Variable(w) for w in initial_weights(network)]
        self.slots = [[tf.Variable(tf.zeros_like(w)) for _ in range(2)] for w in self.weights]
        self.time = tf.Variable(0.0)

    def step(self, x: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            logits = forward(self.network.layers, ops, iter(self.weights), x)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, logits))
        t = self.time.assign_add(1.0)
        rate = self.settings["learning_rate"]
        for p, g, s in zip(self.weights, tape.gradient(loss, self.weights), self.slots, strict=True):
            if self.settings["name"] == "adam":
                raw.ResourceApplyAdam(
                    var=p.handle, m=s[0].handle, v=s[1].handle, beta1_power=0.9**t, beta2_power=0.999**t, lr=rate,
                    beta1=0.9, beta2=0.999, epsilon=1e-7, grad=g,
                )  # fmt: skip
            else:
                g += self.settings.get("weight_decay", 0.0) * p
                raw.ResourceApplyMomentum(
                    var=p.handle, accum=s[0].handle, lr=rate, grad=g, momentum=self.settings["momentum"]
                )
        return loss

    def epoch(self, x: Any, y: Any) -> Any:
        losses = tf.TensorArray(tf.float32, x.shape[0])
        for i in tf.range(x.shape[0]):
            losses = losses.write(i, self.step(x[i], y[i]))
        return losses.stack()


def _training(network: str, batch: int, steps: int, optimizer: dict[str, Any], whole: bool) -> Modes:
    net = NETWORKS[network]
    x, y = learnable(batch * steps, net.input_shape, net.classes)
    stacked = tf.constant(x.reshape(steps, batch, *net.input_shape)), tf.constant(y.reshape(steps, batch))
    batches = [(stacked[0][i], stacked[1][i]) for i in range(steps)]
    for name, xla in KINDS.items():
        trainer = Trainer(net, optimizer)
        step = tf.function(trainer.step, jit_compile=xla)

        def one_by_one(step: Any = step) -> np.ndarray:
            return np.array([loss.numpy() for loss in [step(*b) for b in batches]])

        yield _epoch(f"{name} a step", one_by_one, steps, whole)
        if whole:
            trainer = Trainer(net, optimizer)
            epoch = tf.function(trainer.epoch, jit_compile=xla)
            yield _epoch(f"{name} epoch", lambda epoch=epoch: epoch(*stacked).numpy(), steps, whole)  # type: ignore[misc]


def _epoch(name: str, run: Callable[[], np.ndarray], steps: int, mean: bool) -> Mode:
    return Mode(name, run, lambda: [run().mean(keepdims=True) if mean else run()[:10]], steps)


def fit(network: str, batch: int, steps: int, optimizer: dict[str, Any]) -> Modes:
    return _training(network, batch, steps, optimizer, whole=True)


def train_on_batch(network: str, batch: int, steps: int, optimizer: dict[str, Any]) -> Modes:
    return _training(network, batch, steps, optimizer, whole=False)


def predict(network: str, batch: int) -> Modes:
    net = NETWORKS[network]
    weights = [tf.constant(w) for w in initial_weights(net)]
    return _modes(lambda x: forward(net.layers, ops, iter(weights), x), normal(batch, *net.input_shape))


# Single kernels, forward and backward


def _forward_backward(function: Callable[..., Any], dy: np.ndarray, *arrays: np.ndarray) -> Modes:
    def both(dy: Any, *arrays: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(arrays)
            y = function(*arrays)
        return y, tape.gradient(y, arrays, dy)

    return _modes(both, dy, *arrays)


def layer_norm(rows: int, width: int) -> Modes:
    def function(x: Any, gamma: Any, beta: Any) -> Any:
        mean, variance = tf.nn.moments(x, [1], keepdims=True)
        return tf.nn.batch_normalization(x, mean, variance, beta, gamma, EPSILON)

    arrays = normal(rows, width), normal(width, seed=2), normal(width, seed=3)
    return _forward_backward(function, normal(rows, width, seed=1), *arrays)


def batch_norm(shape: tuple[int, ...], relu: bool) -> Modes:
    def function(x: Any, gamma: Any, beta: Any) -> Any:
        y = ops.batch_norm(x, gamma, beta)
        return tf.nn.relu(y) if relu else y

    arrays = normal(*shape), normal(shape[-1], seed=2), normal(shape[-1], seed=3)
    return _forward_backward(function, normal(*shape, seed=1), *arrays)


def softmax_cross_entropy(rows: int, classes: int) -> Modes:
    def both(logits: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(logits)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(y, logits)
            mean = tf.reduce_mean(losses)
        return losses, tape.gradient(mean, logits)

    return _modes(both, normal(rows, classes), labels(rows, classes))


def max_pool(shape: tuple[int, ...]) -> Modes:
    n, height, width, channels = shape
    return _forward_backward(ops.max_pool, normal(n, height // 2, width // 2, channels, seed=1), normal(*shape))


def conv(
    x_shape: tuple[int, ...], kernel_shape: tuple[int, ...], strides: int, padding: str, groups: int, parts: tuple
) -> Modes:
    x, w = normal(*x_shape), normal(*kernel_shape, seed=2)
    step, pad = [1, strides, strides, 1], padding.upper()
    depthwise = groups == x_shape[3] and groups > 1

    def convolve(x: Any, w: Any) -> Any:
        if depthwise:
            return tf.nn.depthwise_conv2d(x, tf.transpose(w, [0, 1, 3, 2]), step, pad)
        return tf.nn.conv2d(x, w, step, pad)

    def both(x: Any, w: Any, dy: Any) -> list[Any]:
        with tf.GradientTape() as tape:
            tape.watch([x, w])
            y = convolve(x, w)
        dx, dw = tape.gradient(y, [x, w], dy)
        found = {"forward": y, "data": dx, "weights": dw}
        return [found[part] for part in parts]

    out = convolve(tf.constant(x), tf.constant(w)).shape
    return _modes(both, x, w, normal(*out, seed=1))


def triad(tensors: int, size: int) -> Modes:
    ones = np.ones(tensors * size, np.float32)
    return _modes(lambda b, c: b + 3.0 * c, ones, ones)
