import json

import numpy as np
import pytest

from keras_results import array
from nnfast import regularizers

MATRIX = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
SETTINGS = {"L1": {"l1": 0.3}, "L2": {"l2": 0.2}, "L1L2": {"l1": 0.3, "l2": 0.2}, "OrthogonalRegularizer": {}}


def mean_cosine(rows):
    pairs = [(a, b) for i, a in enumerate(rows) for b in rows[:i]]
    return np.mean([abs(a @ b) / np.linalg.norm(a) / np.linalg.norm(b) for a, b in pairs])


def test_values():
    x = MATRIX.astype(np.float64)
    assert regularizers.L1(0.3)(MATRIX) == pytest.approx(0.3 * np.abs(x).sum(), rel=1e-6)
    assert regularizers.L2(0.2)(MATRIX) == pytest.approx(0.2 * (x**2).sum(), rel=1e-6)
    both = regularizers.L1L2(0.3, 0.2)(MATRIX)
    assert both == pytest.approx(0.3 * np.abs(x).sum() + 0.2 * (x**2).sum(), rel=1e-6)
    assert regularizers.L1L2()(MATRIX) == 0
    assert regularizers.L1()(MATRIX) == pytest.approx(0.01 * np.abs(x).sum(), rel=1e-6)
    assert regularizers.L2()(MATRIX) == pytest.approx(0.01 * (x**2).sum(), rel=1e-6)


def test_orthogonality():
    x = MATRIX.astype(np.float64)
    assert regularizers.OrthogonalRegularizer(2.0)(MATRIX) == pytest.approx(2 * mean_cosine(x), rel=1e-5)
    columns = regularizers.OrthogonalRegularizer(mode="columns")(MATRIX)
    assert columns == pytest.approx(0.01 * mean_cosine(x.T), rel=1e-5)
    assert regularizers.OrthogonalRegularizer()(np.eye(3, dtype=np.float32)) == pytest.approx(0, abs=1e-8)
    assert regularizers.OrthogonalRegularizer()(MATRIX[:1]) == pytest.approx(0, abs=1e-8)


@pytest.mark.parametrize("name", regularizers.registry.classes)
def test_as_keras(name):
    keras = pytest.importorskip("keras")
    mine, theirs = (getattr(family, name)(**SETTINGS[name]) for family in (regularizers, keras.regularizers))
    want = float(array(theirs(keras.ops.convert_to_tensor(MATRIX))))
    assert mine(MATRIX) == pytest.approx(want, rel=1e-5)
    config = theirs.get_config()
    assert mine.get_config() == {k: v if isinstance(v, str) else pytest.approx(v) for k, v in config.items()}
    again = regularizers.deserialize(json.loads(json.dumps(regularizers.serialize(mine))))
    assert type(again) is type(mine) and again.get_config() == mine.get_config()


@pytest.mark.parametrize(("name", "cls"), [("l1", "L1"), ("l2", "L2"), ("l1l2", "L1L2"), ("l1_l2", "L1L2"),
                                           ("orthogonal_regularizer", "OrthogonalRegularizer")])  # fmt: skip
def test_names(name, cls):
    assert type(regularizers.get(name)).__name__ == cls
    if hasattr(regularizers, name):
        assert getattr(regularizers, name) is getattr(regularizers, cls)


@pytest.mark.parametrize("wrong", [-1, float("nan"), float("inf"), "0.1", [0.1], 1j])
@pytest.mark.parametrize(
    "cls", [regularizers.L1, regularizers.L2, regularizers.L1L2, regularizers.OrthogonalRegularizer]
)
def test_wrong_factors(cls, wrong):
    with pytest.raises(ValueError, match="expected a non-negative float. Received: (l1|l2|factor)="):
        cls(wrong)


def test_errors():
    with pytest.raises(ValueError, match='Expected one of {"rows", "columns"}. Received: mode=row'):
        regularizers.OrthogonalRegularizer(mode="row")
    with pytest.raises(ValueError, match=r"must have rank 2. Received: inputs.shape=\(3,\)"):
        regularizers.OrthogonalRegularizer()(np.zeros(3))
    with pytest.raises(ValueError, match="Unknown regularizer 'l3'; expected one of: l1, l2, l1l2, "):
        regularizers.get("l3")
    with pytest.raises(NotImplementedError, match="Regularizer must define __call__"):
        regularizers.Regularizer()(MATRIX)
    assert regularizers.Regularizer.from_config({}).get_config() == {}
