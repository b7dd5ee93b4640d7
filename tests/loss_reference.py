"""Losses in float64: the specification of nnfast.losses.

LOSSES[class](y_true, y_pred, **settings) gives the loss of each sample.
"""

import numpy as np

EPSILON = 1e-7


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x, axis):
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def squared(y, p):
    return np.mean((y - p) ** 2, -1)


def absolute(y, p):
    return np.mean(np.abs(y - p), -1)


def percentage(y, p):
    return 100 * np.mean(np.abs(y - p) / np.maximum(np.abs(y), EPSILON), -1)


def logarithmic(y, p):
    return np.mean((np.log(1 + np.maximum(y, EPSILON)) - np.log(1 + np.maximum(p, EPSILON))) ** 2, -1)


def huber(y, p, delta=1.0):
    e = np.abs(p - y)
    return np.mean(np.where(e <= delta, e**2 / 2, delta * (e - delta / 2)), -1)


def log_cosh(y, p):
    return np.mean(np.log(np.cosh(p - y)), -1)


def cosine(y, p, axis=-1):
    def unit(v):
        return v / np.sqrt(np.maximum(np.sum(v**2, axis, keepdims=True), 1e-12))

    return -np.sum(unit(y) * unit(p), axis)


def signs(y):
    return 2 * y - 1 if np.isin(y, (0, 1)).all() else y


def hinge(y, p):
    return np.mean(np.maximum(1 - signs(y) * p, 0), -1)


def squared_hinge(y, p):
    return np.mean(np.maximum(1 - signs(y) * p, 0) ** 2, -1)


def categorical_hinge(y, p):
    return np.maximum(np.max((1 - y) * p, -1) - np.sum(y * p, -1) + 1, 0)


def kl_divergence(y, p):
    y, p = np.clip(y, EPSILON, 1), np.clip(p, EPSILON, 1)
    return np.sum(y * np.log(y / p), -1)


def poisson(y, p):
    return np.mean(p - y * np.log(p + EPSILON), -1)


def binary(y, p, from_logits=False, label_smoothing=0.0, axis=-1):
    y = y * (1 - label_smoothing) + label_smoothing / 2
    if from_logits:
        losses = y * np.logaddexp(0, -p) + (1 - y) * np.logaddexp(0, p)
    else:
        p = np.clip(p, EPSILON, 1 - EPSILON)
        losses = -(y * np.log(p) + (1 - y) * np.log(1 - p))
    return np.mean(losses, axis)


def binary_focal(
    y, p, apply_class_balancing=False, alpha=0.25, gamma=2.0, from_logits=False, label_smoothing=0.0, axis=-1
):
    losses = binary(y[..., None], p[..., None], from_logits, label_smoothing)
    y = y * (1 - label_smoothing) + label_smoothing / 2
    p = sigmoid(p) if from_logits else p
    losses = losses * (1 - (y * p + (1 - y) * (1 - p))) ** gamma
    if apply_class_balancing:
        losses = losses * (y * alpha + (1 - y) * (1 - alpha))
    return np.mean(losses, axis)


def shares(p, from_logits, axis):
    return softmax(p, axis) if from_logits else np.clip(p / p.sum(axis, keepdims=True), EPSILON, 1 - EPSILON)


def categorical(y, p, from_logits=False, label_smoothing=0.0, axis=-1):
    y = y * (1 - label_smoothing) + label_smoothing / y.shape[axis]
    return -np.sum(y * np.log(shares(p, from_logits, axis)), axis)


def categorical_focal(y, p, alpha=0.25, gamma=2.0, from_logits=False, label_smoothing=0.0, axis=-1):
    y = y * (1 - label_smoothing) + label_smoothing / y.shape[axis]
    p = shares(p, from_logits, axis)
    return -np.sum(alpha * (1 - p) ** gamma * y * np.log(p), axis)


def sparse_categorical(y, p, from_logits=False, ignore_class=None, axis=-1):
    ignored = np.zeros(y.shape, bool) if ignore_class is None else y == ignore_class
    target = np.moveaxis(np.eye(p.shape[axis])[np.where(ignored, 0, y)], -1, axis)
    return np.where(ignored, 0, -np.sum(target * np.log(shares(p, from_logits, axis)), axis))


def generalized(y, p, q=0.5):
    return (1 - np.sum(np.eye(p.shape[-1])[y] * p, -1) ** q) / q


def tversky(y, p, alpha=0.5, beta=0.5, axis=None):
    both, missed, too_many = (np.sum(v, axis) for v in (y * p, y * (1 - p), (1 - y) * p))
    return 1 - both / (both + alpha * missed + beta * too_many + EPSILON)


def dice(y, p, axis=None):
    return 1 - 2 * np.sum(y * p, axis) / (np.sum(y, axis) + np.sum(p, axis) + EPSILON)


LOSSES = {
    "BinaryCrossentropy": binary,
    "BinaryFocalCrossentropy": binary_focal,
    "CategoricalCrossentropy": categorical,
    "CategoricalFocalCrossentropy": categorical_focal,
    "CategoricalGeneralizedCrossEntropy": generalized,
    "CategoricalHinge": categorical_hinge,
    "CosineSimilarity": cosine,
    "Dice": dice,
    "Hinge": hinge,
    "Huber": huber,
    "KLDivergence": kl_divergence,
    "LogCosh": log_cosh,
    "MeanAbsoluteError": absolute,
    "MeanAbsolutePercentageError": percentage,
    "MeanSquaredError": squared,
    "MeanSquaredLogarithmicError": logarithmic,
    "Poisson": poisson,
    "SparseCategoricalCrossentropy": sparse_categorical,
    "SquaredHinge": squared_hinge,
    "Tversky": tversky,
}
