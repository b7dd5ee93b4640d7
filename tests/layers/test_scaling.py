import numpy as np
import pytest

from keras_results import array
from nnfast import Input, Sequential, layers
from nnfast.layers import MinMaxScaling, Normalization, Rescaling

RNG = np.random.default_rng(0)
X = RNG.normal([5, -3, 0], [2, 0.1, 1], (50, 3)).astype(np.float32)
IMAGES = RNG.uniform(0, 255, (6, 4, 5, 2)).astype(np.float32)


def test_rescaling():
    np.testing.assert_allclose(Rescaling(0.5, offset=-1)(X), X * 0.5 - 1, rtol=1e-6)
    np.testing.assert_allclose(Rescaling([1, 2, 3], offset=[0, 0, 1])(X), X * [1, 2, 3] + [0, 0, 1], rtol=1e-6)
    np.testing.assert_allclose(Rescaling(1 / 255)(np.array([[0, 51, 255]], np.uint8)), [[0, 0.2, 1]], rtol=1e-6)


@pytest.mark.parametrize(
    ("axis", "x", "axes"),
    [(-1, X, (0,)), (None, X, (0, 1)), (1, IMAGES, (0, 2, 3)), ((1, -1), IMAGES, (0, 2)), ((-1, 2), IMAGES, (0, 1))],
)
def test_adapted_statistics_are_those_of_the_data(axis, x, axes):
    mean, std = x.mean(axes, keepdims=True, dtype=np.float64), x.std(axes, keepdims=True, dtype=np.float64)
    layer = Normalization(axis)
    layer.adapt(x)
    np.testing.assert_allclose(layer(x), (x - mean) / std, rtol=1e-4, atol=1e-5)
    layer = Normalization(axis, invert=True)
    layer.adapt(x)
    np.testing.assert_allclose(layer(x), x * std + mean, rtol=1e-4, atol=1e-5)
    layer = MinMaxScaling(axis)
    layer.adapt(x)
    low, high = x.min(axes, keepdims=True), x.max(axes, keepdims=True)
    np.testing.assert_allclose(layer(x), (x - low) / (high - low), rtol=1e-4, atol=1e-6)


def test_weights_of_a_normalization_are_those_of_keras():
    keras = pytest.importorskip("keras")
    pytest.importorskip("torch")
    ours, theirs = Normalization(), keras.layers.Normalization()
    theirs.adapt(np.arange(12.0).reshape(4, 3))
    ours.build((None, 3))
    assert [(w.name, w.shape, w.dtype) for w in ours.weights] == [
        (w.name, tuple(w.shape), w.dtype) for w in theirs.weights
    ]
    ours.set_weights([array(w) for w in theirs.weights])
    np.testing.assert_allclose(ours(np.eye(3)), array(theirs(np.eye(3, dtype="float32"))), rtol=1e-5)


@pytest.mark.parametrize("kind", [Normalization, MinMaxScaling])
def test_batches_of_unequal_size_give_the_statistics_of_the_whole(kind):
    whole, parts = kind(), kind()
    whole.adapt(X)
    parts.adapt(iter([X[:7], X[7:8], X[8:8], X[8:]]))
    np.testing.assert_allclose(parts(X), whole(X), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("axis", "x", "mean", "variance"),
    [
        (-1, X, [1, 2, 3], [4, 1, 9]),
        (-1, X, 1.5, 4.0),
        (None, X, 1.5, 4.0),
        (1, IMAGES, [0, 1, 2, 3], [1, 2, 3, 4]),
        (-1, X, [1, 2, 3], [4, 0, 9]),
    ],
)
def test_given_statistics_as_keras(axis, x, mean, variance):
    keras = pytest.importorskip("keras")
    ours = Normalization(axis, mean=mean, variance=variance)
    theirs = keras.layers.Normalization(axis, mean=mean, variance=variance)
    np.testing.assert_allclose(ours(x), np.asarray(theirs(x)), rtol=1e-5, atol=1e-5)
    again = Normalization.from_config(ours.get_config())
    np.testing.assert_array_equal(again(x), ours(x))


def test_adapt_as_keras():
    keras = pytest.importorskip("keras")
    for axis in (-1, 1, (1, 2)):
        ours, theirs = Normalization(axis), keras.layers.Normalization(axis)
        ours.adapt(IMAGES)
        theirs.adapt(IMAGES)
        np.testing.assert_allclose(ours(IMAGES), np.asarray(theirs(IMAGES)), rtol=1e-4, atol=1e-5)


def test_constant_features_stay_finite():
    for layer in (Normalization(), MinMaxScaling()):
        layer.adapt(np.full((4, 2), 3.0))
        np.testing.assert_array_equal(layer(np.full((4, 2), 3.0)), np.zeros((4, 2)))


def test_they_are_saved_with_the_model(tmp_path):
    from nnfast import load_model

    scaling = Normalization()
    scaling.adapt(X)
    model = Sequential([Input((3,)), scaling, MinMaxScaling(minimum=-3, maximum=[3, 3, 4]), layers.Rescaling(2.0)])
    model.save(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(load_model(tmp_path / "m.safetensors").predict(X), model.predict(X))
    assert model.trainable_weights == []


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Normalization("a"), "expected axis to be integers, or None; received 'a'"),
        (lambda: MinMaxScaling(0.5), "expected axis to be integers, or None; received 0.5"),
        (lambda: Normalization(mean=1.0), "expected both mean and variance, or neither"),
        (lambda: MinMaxScaling(maximum=1.0), "expected both minimum and maximum, or neither"),
        (lambda: Normalization(2)(X), r"expected input with an axis 2; received shape \(50, 3\)"),
        (lambda: Normalization(mean=[1, 2], variance=[1, 2])(X), r"expected mean to be a number or of shape \(3,\)"),
        (lambda: Normalization(mean=1, variance=1).adapt(X), "mean and variance were given"),
        (lambda: Normalization().adapt(X[:0]), "expected samples to adapt to; received none"),
        (lambda: Sequential([Input((None, 2)), Normalization(1)]), "the sizes of axis 1 must be known"),
    ],
)
def test_errors(make, message):
    with pytest.raises(ValueError, match=message):
        make()
