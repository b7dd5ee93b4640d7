import json

import numpy as np
import pytest

from keras_results import array
from nnfast import constraints

RNG = np.random.default_rng(0)
KERNEL = (RNG.normal(size=(3, 3, 4, 5)) * RNG.uniform(0, 2, 5)).astype(np.float32)
KERNEL[..., 0] = 0
SETTINGS = [
    ("MaxNorm", {}),
    ("MaxNorm", {"max_value": 0.5, "axis": [0, 1, 2]}),
    ("NonNeg", {}),
    ("UnitNorm", {}),
    ("UnitNorm", {"axis": (0, 1, 2)}),
    ("MinMaxNorm", {}),
    ("MinMaxNorm", {"min_value": 1.0, "max_value": 2.0, "rate": 0.5, "axis": [0, 1, 2]}),
]


def norms(w, axis=(0, 1, 2)):
    return np.sqrt((np.asarray(w, np.float64) ** 2).sum(axis=axis))


def test_norms_afterwards():
    before, some = norms(KERNEL), slice(1, None)
    bounded = constraints.MaxNorm(3, axis=[0, 1, 2])(KERNEL)
    np.testing.assert_allclose(norms(bounded), np.minimum(before, 3), rtol=1e-5)
    np.testing.assert_allclose(norms(constraints.UnitNorm([0, 1, 2])(KERNEL))[some], 1, rtol=1e-5)
    between = constraints.MinMaxNorm(4, 6, axis=[0, 1, 2])(KERNEL)
    np.testing.assert_allclose(norms(between)[some], np.clip(before, 4, 6)[some], rtol=1e-5)
    half = constraints.MinMaxNorm(4, 6, 0.5, [0, 1, 2])(KERNEL)
    np.testing.assert_allclose(norms(half)[some], (np.clip(before, 4, 6) / 2 + before / 2)[some], rtol=1e-5)
    for result in (bounded, between, half):
        assert np.isfinite(result).all() and not result[..., 0].any()


def test_signs_afterwards():
    np.testing.assert_array_equal(constraints.NonNeg()(KERNEL), np.where(KERNEL > 0, KERNEL, 0))


@pytest.mark.parametrize(("name", "settings"), SETTINGS)
def test_as_keras(name, settings):
    keras = pytest.importorskip("keras")
    mine, theirs = (getattr(family, name)(**settings) for family in (constraints, keras.constraints))
    want = array(theirs(keras.ops.convert_to_tensor(KERNEL)))
    np.testing.assert_allclose(mine(KERNEL), want, rtol=1e-5, atol=1e-7)
    assert mine.get_config() == theirs.get_config()
    again = constraints.deserialize(json.loads(json.dumps(constraints.serialize(mine))))
    assert type(again) is type(mine)
    np.testing.assert_array_equal(again(KERNEL), mine(KERNEL))


def test_every_constraint_is_compared():
    assert {name for name, _ in SETTINGS} == set(constraints.registry.classes)


@pytest.mark.parametrize("name", ["max_norm", "non_neg", "unit_norm", "min_max_norm"])
def test_names(name):
    assert isinstance(constraints.get(name), getattr(constraints, name))


def test_base_and_unknown_name():
    assert constraints.Constraint.from_config({})(KERNEL) is KERNEL
    assert constraints.Constraint().get_config() == {}
    with pytest.raises(ValueError, match="Unknown constraint 'maxnorm'; expected one of: max_norm, min_max_norm"):
        constraints.get("maxnorm")
