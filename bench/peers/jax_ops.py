"""The layers of `harness.networks` and the optimizers' formulas in JAX."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from harness.networks import EPSILON

Array = jax.Array


def dense(x: Array, w: Array, b: Array, units: int) -> Array:
    return x @ w + b


def convolve(x: Array, w: Array, strides: int, padding: str, groups: int = 1) -> Array:
    return lax.conv_general_dilated(
        x, w, (strides, strides), padding.upper(), feature_group_count=groups,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )  # fmt: skip


def conv(x: Array, w: Array, filters: int, size: int, strides: int, padding: str) -> Array:
    return convolve(x, w, strides, padding)


def conv_bias(x: Array, w: Array, b: Array, filters: int, size: int, strides: int, padding: str) -> Array:
    return convolve(x, w, strides, padding) + b


def batch_norm(x: Array, gamma: Array, beta: Array) -> Array:
    axes = tuple(range(x.ndim - 1))
    mean = x.mean(axes)
    variance = jnp.square(x - mean).mean(axes)
    return (x - mean) * (lax.rsqrt(variance + EPSILON) * gamma) + beta


def layer_norm(x: Array, gamma: Array, beta: Array) -> Array:
    mean = x.mean(-1, keepdims=True)
    variance = jnp.square(x - mean).mean(-1, keepdims=True)
    return (x - mean) * lax.rsqrt(variance + EPSILON) * gamma + beta


def relu(x: Array) -> Array:
    return jax.nn.relu(x)


def max_pool(x: Array) -> Array:
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")


def flatten(x: Array) -> Array:
    return x.reshape(x.shape[0], -1)


def average_all(x: Array) -> Array:
    return x.mean((1, 2))


def cross_entropy(logits: Array, labels: Array) -> Array:
    """One loss a row."""
    picked = jnp.take_along_axis(logits, labels[:, None], axis=1)[:, 0]
    return jax.nn.logsumexp(logits, axis=1) - picked


# Optimizers. Each: (p, g, slots, t) -> (p, slots), t the number of this step, from 1; formulas and defaults as Keras.


def sgd(p, g, s, t, learning_rate=0.01, momentum=0.0, weight_decay=0.0, nesterov=False):  # type: ignore[no-untyped-def]
    p = p - p * (weight_decay * learning_rate) if weight_decay else p
    if not momentum:
        return p - learning_rate * g, s
    m = momentum * s[0] - learning_rate * g
    return (p + momentum * m - learning_rate * g if nesterov else p + m), [m]


def adagrad(p, g, s, t, learning_rate=1e-3, epsilon=1e-7):  # type: ignore[no-untyped-def]
    a = s[0] + g * g
    return p - learning_rate * g / jnp.sqrt(a + epsilon), [a]


def rmsprop(p, g, s, t, learning_rate=1e-3, rho=0.9, epsilon=1e-7):  # type: ignore[no-untyped-def]
    v = rho * s[0] + (1 - rho) * g * g
    return p - learning_rate * g / jnp.sqrt(v + epsilon), [v]


def adadelta(p, g, s, t, learning_rate=1e-3, rho=0.95, epsilon=1e-7):  # type: ignore[no-untyped-def]
    a = rho * s[0] + (1 - rho) * g * g
    delta = jnp.sqrt((s[1] + epsilon) / (a + epsilon)) * g
    return p - learning_rate * delta, [a, rho * s[1] + (1 - rho) * delta * delta]


def adam(p, g, s, t, learning_rate=1e-3, beta_1=0.9, beta_2=0.999, epsilon=1e-7, weight_decay=0.0):  # type: ignore[no-untyped-def]
    p = p - p * (weight_decay * learning_rate) if weight_decay else p
    rate = learning_rate * jnp.sqrt(1 - beta_2**t) / (1 - beta_1**t)
    m = s[0] + (g - s[0]) * (1 - beta_1)
    v = s[1] + (g * g - s[1]) * (1 - beta_2)
    return p - rate * m / (jnp.sqrt(v) + epsilon), [m, v]


def nadam(p, g, s, t, learning_rate=1e-3, beta_1=0.9, beta_2=0.999, epsilon=1e-7):  # type: ignore[no-untyped-def]
    # s[2] is the product of all momenta so far; a scalar, and it starts at 1 as 1 + 0
    now, following = (beta_1 * (1 - 0.5 * 0.96 ** (t + i)) for i in (0, 1))
    product = (1 + s[2]) * now
    m = s[0] + (g - s[0]) * (1 - beta_1)
    v = s[1] + (g * g - s[1]) * (1 - beta_2)
    m_hat = following * m / (1 - product * following) + (1 - now) * g / (1 - product)
    return p - learning_rate * m_hat / (jnp.sqrt(v / (1 - beta_2**t)) + epsilon), [m, v, product - 1]


def adamax(p, g, s, t, learning_rate=1e-3, beta_1=0.9, beta_2=0.999, epsilon=1e-7):  # type: ignore[no-untyped-def]
    m = s[0] + (g - s[0]) * (1 - beta_1)
    u = jnp.maximum(beta_2 * s[1], jnp.abs(g))
    return p - learning_rate / (1 - beta_1**t) * m / (u + epsilon), [m, u]


def radam(p, g, s, t, learning_rate=1e-3, beta_1=0.9, beta_2=0.999, epsilon=1e-7):  # type: ignore[no-untyped-def]
    m = s[0] + (g - s[0]) * (1 - beta_1)
    v = s[1] + (g * g - s[1]) * (1 - beta_2)
    seen, longest = 1 - beta_2**t, 2 / (1 - beta_2) - 1
    length = longest - 2 * t * (1 - seen) / seen
    squared = (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)
    rectified = jnp.sqrt(jnp.maximum(squared, 0) * seen) / (jnp.sqrt(v) + epsilon)
    return p - learning_rate / (1 - beta_1**t) * m * jnp.where(length > 5, rectified, 1.0), [m, v]


def lion(p, g, s, t, learning_rate=1e-3, beta_1=0.9, beta_2=0.99):  # type: ignore[no-untyped-def]
    step = jnp.sign(s[0] * beta_1 + g * (1 - beta_1))
    return p - learning_rate * step, [s[0] * beta_2 + g * (1 - beta_2)]


# name -> (formula, settings, number of slots)
OPTIMIZERS: dict[str, tuple[Any, dict[str, Any], int]] = {
    "sgd": (sgd, {}, 0),
    "momentum": (sgd, {"momentum": 0.9}, 1),
    "nesterov": (sgd, {"momentum": 0.9, "nesterov": True}, 1),
    "adagrad": (adagrad, {}, 1),
    "rmsprop": (rmsprop, {}, 1),
    "adadelta": (adadelta, {}, 2),
    "adam": (adam, {}, 2),
    "adamw": (adam, {"weight_decay": 4e-3}, 2),
    "nadam": (nadam, {}, 3),
    "adamax": (adamax, {}, 2),
    "radam": (radam, {}, 2),
    "lion": (lion, {}, 1),
}


def initial_slots(name: str, p: Array) -> list[Array]:
    count = OPTIMIZERS[name][2]
    start = jnp.full_like(p, 0.1) if name == "adagrad" else jnp.zeros_like(p)
    slots = [start.copy() for _ in range(count)]
    return [*slots[:2], jnp.zeros(())] if name == "nadam" else slots
