"""Fused steps give what the single operations give."""

import numpy as np
import pytest

import nnfast
from nnfast import layers


def gradients(activation, apart, rows=37):
    """Gradients of three dense layers; `apart`: something else reads what stands between them, so nothing is fused."""
    nnfast.utils.set_random_seed(1)
    inputs = nnfast.Input((19,))
    hidden = layers.Dense(33, activation=activation, name="first")(inputs)
    second = layers.Dense(45, activation=activation, name="second")(hidden)
    outputs = layers.Dense(3, name="third")(second)
    if apart:
        zero = [layers.Lambda(lambda x: 0 * nnfast.ops.sum(x, axis=-1, keepdims=True))(x) for x in (hidden, second)]
        outputs = layers.Add()([outputs, *(layers.Concatenate()([z, z, z]) for z in zero)])
    model = nnfast.Model(inputs, outputs)
    model.compile("sgd", "mse")
    rng = np.random.default_rng(2)
    x, y = (rng.standard_normal((rows, width), dtype=np.float32) for width in (19, 3))
    return model.gradients(x, y)


@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "tanh", "sigmoid", "elu", "silu", "gelu"])
def test_gradients_through_dense_layers_one_behind_the_other(activation):
    fused, single = gradients(activation, apart=False), gradients(activation, apart=True)
    assert fused.keys() == single.keys()
    for name, gradient in fused.items():
        assert np.any(gradient)
        np.testing.assert_allclose(gradient, single[name], rtol=2e-5, atol=1e-6, err_msg=name)
