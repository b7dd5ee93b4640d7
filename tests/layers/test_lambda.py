import numpy as np
import pytest

import nnfast
from nnfast import Input, Sequential, layers, ops
from nnfast.layers import Lambda

x = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)


@nnfast.utils.register_serializable
def stretch(inputs, factor=2.0):
    return ops.concatenate([inputs, inputs * factor], axis=-1)


def unregistered(inputs):
    return inputs + 1.0


def test_values_shapes_and_arguments():
    np.testing.assert_allclose(Lambda(lambda x: x**2)(x), x**2, rtol=1e-6)
    layer = Lambda(stretch, arguments={"factor": 3.0})
    np.testing.assert_allclose(layer(x), np.concatenate([x, 3 * x], -1), rtol=1e-6)
    assert layer.compute_output_shape((None, 4)) == (None, 8)
    a, b = Input((4,)), Input((4,))
    model = nnfast.Model([a, b], [Lambda(lambda x: x[0] - x[1])([a, b]), Lambda(ops.maximum)(a, b)])
    minus, larger = model.predict([x, 2 * x], verbose=0)
    np.testing.assert_array_equal(minus, -x)
    np.testing.assert_array_equal(larger, np.maximum(x, 2 * x))


@pytest.mark.parametrize("function", [stretch, ops.square])
def test_files_hold_the_name(function, tmp_path):
    model = Sequential([Input((4,)), layers.Dense(3), Lambda(function)])
    model.save(tmp_path / "m.safetensors")
    again = nnfast.load_model(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))


def test_functions_that_are_not_registered(tmp_path):
    model = Sequential([Input((4,)), Lambda(unregistered), layers.Dense(3)])
    model.save(tmp_path / "m.safetensors")
    with pytest.raises(ValueError, match="received 'unregistered'; register it"):
        nnfast.load_model(tmp_path / "m.safetensors")
    again = nnfast.load_model(tmp_path / "m.safetensors", custom_objects={"unregistered": unregistered})
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))
    with pytest.raises(ValueError, match="received a lambda; define it with def"):
        Sequential([Input((4,)), Lambda(lambda x: x), layers.Dense(3)]).save(tmp_path / "n.safetensors")


def test_no_function():
    with pytest.raises(TypeError, match="expected a function; received 'relu'"):
        Lambda("relu")
