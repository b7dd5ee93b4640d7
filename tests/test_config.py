import numpy as np
import pytest

import nnfast
from nnfast import _core, kernels, layers


@pytest.fixture(autouse=True)
def restore():
    yield
    nnfast.config.winograd = "auto"


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    return rng.standard_normal((4, 20, 20, 24)).astype(np.float32)


@pytest.fixture
def kernel():
    return np.random.default_rng(1).standard_normal((3, 3, 24, 32)).astype(np.float32)


def forced(images, kernel, algorithm):
    return _core.run_op("conv", [images, kernel], {"algorithm": algorithm})[0][0]


def test_winograd_is_auto_at_first():
    assert nnfast.config.winograd == "auto"


def test_winograd_never_makes_convolutions_direct(images, kernel):
    winograd, direct = (forced(images, kernel, algorithm) for algorithm in ("winograd", "patches"))
    assert not np.array_equal(winograd, direct)
    np.testing.assert_array_equal(kernels.conv2d(images, kernel), winograd)
    nnfast.config.winograd = "never"
    assert nnfast.config.winograd == "never"
    np.testing.assert_array_equal(kernels.conv2d(images, kernel), direct)
    np.testing.assert_array_equal(nnfast.ops.conv(images, kernel), direct)


def test_models_are_planned_anew(images, kernel):
    model = nnfast.Sequential([nnfast.Input((20, 20, 24)), layers.Conv2D(32, 3, use_bias=False)])
    model.set_weights([kernel])
    model.compile("sgd", "mse")
    target = np.zeros((4, 18, 18, 32), np.float32)
    found = {}
    for setting in ("auto", "never", "auto"):
        nnfast.config.winograd = setting
        model.set_weights([kernel])
        for _ in range(2):  # the second time by the short way for a batch seen before
            outputs = model.predict_on_batch(images)
        losses = [model.train_on_batch(images, target) for _ in range(2)]
        found.setdefault(setting, []).append((outputs, losses))
    winograd, direct = (forced(images, kernel, algorithm) for algorithm in ("winograd", "patches"))
    np.testing.assert_array_equal(found["auto"][0][0], winograd)
    np.testing.assert_array_equal(found["never"][0][0], direct)
    np.testing.assert_array_equal(found["auto"][1][0], winograd)
    assert found["auto"][0][1] == found["auto"][1][1]
    np.testing.assert_allclose(found["auto"][0][1], found["never"][0][1], rtol=1e-5)


@pytest.mark.parametrize("value", ["always", None, True])
def test_errors(value):
    with pytest.raises(ValueError, match=r"nnfast\.config\.winograd: expected 'auto' or 'never', received"):
        nnfast.config.winograd = value
