"""The layers of `harness.networks` in TensorFlow."""

from __future__ import annotations

import tensorflow as tf

from harness.networks import EPSILON


def dense(x, w, b, units):  # type: ignore[no-untyped-def]
    return tf.nn.bias_add(tf.matmul(x, w), b)


def conv(x, w, filters, size, strides, padding):  # type: ignore[no-untyped-def]
    return tf.nn.conv2d(x, w, strides, padding.upper())


def conv_bias(x, w, b, filters, size, strides, padding):  # type: ignore[no-untyped-def]
    return tf.nn.bias_add(tf.nn.conv2d(x, w, strides, padding.upper()), b)


def batch_norm(x, gamma, beta):  # type: ignore[no-untyped-def]
    return tf.compat.v1.nn.fused_batch_norm(x, gamma, beta, epsilon=EPSILON, is_training=True)[0]


def relu(x):  # type: ignore[no-untyped-def]
    return tf.nn.relu(x)


def max_pool(x):  # type: ignore[no-untyped-def]
    return tf.nn.max_pool2d(x, 2, 2, "VALID")


def flatten(x):  # type: ignore[no-untyped-def]
    return tf.reshape(x, [x.shape[0], -1])


def average_all(x):  # type: ignore[no-untyped-def]
    return tf.reduce_mean(x, [1, 2])
