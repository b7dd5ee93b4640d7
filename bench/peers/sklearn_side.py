"""scikit-learn's MLPClassifier, an epoch or a batch at a time by `partial_fit`."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import sklearn
from sklearn.neural_network import MLPClassifier

from harness.inputs import learnable
from harness.mode import Mode, Modes, NotOfferedError
from harness.networks import NETWORKS, initial_weights

NEVER = -30.0  # the bias of an output that softmax makes 1e-13


def start(threads: int) -> str:
    """OMP_NUM_THREADS and OPENBLAS_NUM_THREADS have set the threads already."""
    warnings.filterwarnings("ignore")
    return str(sklearn.__version__)


def _classifier(network: str, batch: int, optimizer: dict[str, Any], x: np.ndarray, y: np.ndarray) -> MLPClassifier:
    net = NETWORKS[network]
    if net.is_image:
        raise NotOfferedError("scikit-learn has no convolutions")
    weights = initial_weights(net)
    # With two classes scikit-learn trains one sigmoid; a third that never occurs makes it a softmax as elsewhere.
    classes = max(net.classes, 3)
    if classes > net.classes:
        weights[-2] = np.pad(weights[-2], ((0, 0), (0, 1)))
        weights[-1] = np.append(weights[-1], np.float32(NEVER))
    model = MLPClassifier(
        [len(bias) for bias in weights[1:-2:2]], solver=optimizer["name"], alpha=0.0, batch_size=batch, shuffle=False,
        learning_rate_init=optimizer["learning_rate"], momentum=optimizer.get("momentum", 0.9),
        nesterovs_momentum=False, epsilon=1e-7,
    )  # fmt: skip
    model.partial_fit(x[:batch], y[:batch], classes=range(classes))
    # The first call made the arrays that the solver updates; put the common start into them.
    for array, weight in zip(model.coefs_ + model.intercepts_, weights[::2] + weights[1::2], strict=True):
        array[...] = weight
    del model._optimizer
    model.loss_curve_.clear()
    return model


def _training(network: str, batch: int, steps: int, optimizer: dict[str, Any], whole: bool) -> Modes:
    net = NETWORKS[network]
    x, y = learnable(batch * steps, net.input_shape, net.classes)
    model = _classifier(network, batch, optimizer, x, y)
    batches = [(x, y)] if whole else [(x[i : i + batch], y[i : i + batch]) for i in range(0, len(x), batch)]

    def epoch() -> None:
        for data in batches:
            model.partial_fit(*data)

    def result() -> list[np.ndarray]:
        epoch()
        return [np.array(model.loss_curve_[:10])]

    yield Mode("partial_fit", epoch, result, steps)


def fit(network: str, batch: int, steps: int, optimizer: dict[str, Any]) -> Modes:
    return _training(network, batch, steps, optimizer, whole=True)


def train_on_batch(network: str, batch: int, steps: int, optimizer: dict[str, Any]) -> Modes:
    return _training(network, batch, steps, optimizer, whole=False)
