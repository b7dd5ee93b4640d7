"""Every registered layer: shapes, configuration, Keras's values and gradients, differences, training, files.

A new layer fails `test_every_layer_has_a_row` until the table has a row for it.
"""

import numpy as np
import pytest

import nnfast
from keras_results import array
from nnfast import layers, ops
from nnfast.layers.layer import layer_registry

ROWS = 6
SEQUENCE, IMAGE, VOLUME = (7, 4), (6, 8, 4), (4, 5, 6, 2)
MODELS = {"Functional", "Sequential", "InputLayer"}  # see tests/models

# Name: rows of (settings, shape of a sample or shapes of several inputs).
CASES = {
    "Activation": [({"activation": "tanh"}, (5,)), ({"activation": "softmax"}, SEQUENCE)],
    "ActivityRegularization": [({"l1": 0.1, "l2": 0.2}, (5,))],
    "Add": [({}, [(5,), (5,), (5,)]), ({}, [(3, 4), (4,)]), ({}, [(3, 4), (1, 4)])],
    "AlphaDropout": [({"rate": 0.3}, (5,)), ({"rate": 0.5, "noise_shape": (None, 1, 4)}, SEQUENCE)],
    "Average": [({}, [(5,), (5,), (5,)])],
    "AveragePooling1D": [({"pool_size": 3, "strides": 2, "padding": "same"}, SEQUENCE)],
    "AveragePooling2D": [({"pool_size": 2}, IMAGE)],
    "AveragePooling3D": [({"pool_size": 2}, VOLUME)],
    "BatchNormalization": [
        ({}, (5,)), ({"axis": 1, "momentum": 0.9, "epsilon": 1e-2}, IMAGE), ({"center": False}, SEQUENCE),
        ({"scale": False}, IMAGE),
    ],
    "Concatenate": [({}, [(5,), (3,)]), ({"axis": 1}, [(2, 4), (3, 4), (1, 4)])],
    "Conv1D": [({"filters": 3, "kernel_size": 3, "activation": "tanh"}, SEQUENCE)],
    "Conv1DTranspose": [({"filters": 3, "kernel_size": 3, "strides": 2}, SEQUENCE)],
    "Conv2D": [({"filters": 3, "kernel_size": 3}, IMAGE), ({"filters": 4, "kernel_size": 1, "groups": 2}, IMAGE)],
    "Conv2DTranspose": [({"filters": 3, "kernel_size": 3, "strides": 2, "padding": "same"}, IMAGE)],
    "Conv3D": [({"filters": 3, "kernel_size": 2}, VOLUME)],
    "Conv3DTranspose": [({"filters": 3, "kernel_size": 2, "strides": 2}, VOLUME)],
    "Cropping1D": [({"cropping": (1, 2)}, SEQUENCE)],
    "Cropping2D": [({"cropping": ((1, 0), (2, 1))}, IMAGE)],
    "Cropping3D": [({"cropping": 1}, VOLUME)],
    "Dense": [
        ({"units": 3}, (5,)), ({"units": 3, "activation": "gelu", "use_bias": False}, SEQUENCE),
        ({"units": 2, "activation": "softmax"}, IMAGE),
    ],
    "DepthwiseConv1D": [({"kernel_size": 3, "depth_multiplier": 2}, SEQUENCE)],
    "DepthwiseConv2D": [({"kernel_size": 3}, IMAGE)],
    "Dot": [
        ({"axes": 1}, [(5,), (5,)]), ({"axes": (2, 1), "normalize": True}, [(3, 4), (4, 5)]),
        ({"axes": -1}, [(3, 4), (5, 4)]), ({"axes": (1, 2)}, [(4,), (5, 4)]),
    ],
    "Dropout": [({"rate": 0.3}, (5,)), ({"rate": 0.5, "noise_shape": (None, 1, None)}, SEQUENCE)],
    "ELU": [({}, (5,)), ({"alpha": 0.5}, SEQUENCE)],
    "Embedding": [({"input_dim": 9, "output_dim": 3}, (4,))],
    "Flatten": [({}, IMAGE), ({}, (5,))],
    "GaussianDropout": [({"rate": 0.3}, (5,))],
    "GaussianNoise": [({"stddev": 0.3}, (5,))],
    "GlobalAveragePooling1D": [({}, SEQUENCE)],
    "GlobalAveragePooling2D": [({"keepdims": True}, IMAGE)],
    "GlobalAveragePooling3D": [({}, VOLUME)],
    "GlobalMaxPooling1D": [({"keepdims": True}, SEQUENCE)],
    "GlobalMaxPooling2D": [({}, IMAGE)],
    "GlobalMaxPooling3D": [({}, VOLUME)],
    "GroupNormalization": [
        ({"groups": 2}, IMAGE), ({"groups": -1}, IMAGE), ({"groups": 1, "scale": False}, SEQUENCE),
        ({"groups": 2, "axis": 1}, IMAGE), ({"groups": 3, "center": False, "epsilon": 1e-2}, (6,)),
    ],
    "Identity": [({}, SEQUENCE)],
    "Lambda": [({"function": ops.square}, (5,))],
    "LayerNormalization": [
        ({}, (5,)), ({"axis": (1, 2), "epsilon": 1e-2}, IMAGE), ({"axis": 1}, SEQUENCE), ({"center": False}, SEQUENCE),
        ({"scale": False}, (5,)),
    ],
    "LeakyReLU": [({}, (5,)), ({"negative_slope": 0.01}, SEQUENCE)],
    "MaxPooling1D": [({"pool_size": 2}, SEQUENCE)],
    "MaxPooling2D": [({"pool_size": (2, 3), "strides": 1, "padding": "same"}, IMAGE)],
    "MaxPooling3D": [({}, VOLUME)],
    "Maximum": [({}, [(5,), (5,), (5,)])],
    "MinMaxScaling": [({"minimum": -1.0, "maximum": 2.0}, (5,)), ({}, SEQUENCE)],
    "Minimum": [({}, [(5,), (5,)]), ({}, [(3, 4), (4,)])],
    "Multiply": [({}, [(5,), (5,), (5,)])],
    "Normalization": [({"mean": [1, 2, 3, 4, 5], "variance": [1, 2, 3, 4, 5]}, (5,)), ({}, SEQUENCE)],
    "PReLU": [
        ({"alpha_initializer": "ones"}, (5,)), ({"shared_axes": [1, 2]}, IMAGE), ({"shared_axes": 1}, SEQUENCE),
        ({"shared_axes": [-1]}, IMAGE),
    ],
    "Permute": [({"dims": (2, 1)}, SEQUENCE), ({"dims": (3, 1, 2)}, IMAGE)],
    "RMSNormalization": [({}, (5,)), ({"axis": 1, "epsilon": 1e-2}, SEQUENCE), ({"axis": (2, 1)}, IMAGE)],
    "RandomBrightness": [({"factor": 0.2}, IMAGE)],
    "RandomContrast": [({"factor": 0.2}, IMAGE)],
    "RandomCrop": [({"height": 4, "width": 5}, IMAGE)],
    "RandomFlip": [({}, IMAGE)],
    "RandomRotation": [({"factor": 0.1}, IMAGE)],
    "RandomTranslation": [({"height_factor": 0.1, "width_factor": 0.1}, IMAGE)],
    "RandomZoom": [({"height_factor": 0.1}, IMAGE)],
    "ReLU": [
        ({}, (5,)), ({"max_value": 1.0, "negative_slope": 0.2, "threshold": 0.3}, SEQUENCE), ({"max_value": 6}, (5,)),
        ({"threshold": 0.5}, (5,)), ({"negative_slope": 0.1, "max_value": 0.5}, (5,)),
    ],
    "RepeatVector": [({"n": 3}, (5,))],
    "Rescaling": [({"scale": 0.5, "offset": -1.0}, IMAGE)],
    "Reshape": [({"target_shape": (2, -1)}, SEQUENCE), ({"target_shape": (28,)}, SEQUENCE)],
    "SeparableConv1D": [({"filters": 3, "kernel_size": 3}, SEQUENCE)],
    "SeparableConv2D": [({"filters": 3, "kernel_size": 3, "activation": "relu"}, IMAGE)],
    "Softmax": [({}, (5,)), ({"axis": 1}, SEQUENCE), ({"axis": (1, 2)}, IMAGE)],
    "SpatialDropout1D": [({"rate": 0.3}, SEQUENCE)],
    "SpatialDropout2D": [({"rate": 0.3}, IMAGE)],
    "SpatialDropout3D": [({"rate": 0.3}, VOLUME)],
    "Subtract": [({}, [(5,), (5,)]), ({}, [(3, 4), (4,)])],
    "Swish": [({}, (5,)), ({"beta": 0.5, "trainable": False}, SEQUENCE)],
    "UnitNormalization": [({}, (5,)), ({"axis": 1}, SEQUENCE), ({"axis": [1, 2]}, IMAGE)],
    "UpSampling1D": [({"size": 3}, SEQUENCE)],
    "UpSampling2D": [({"size": (2, 3)}, IMAGE), ({"interpolation": "bilinear"}, IMAGE)],
    "UpSampling3D": [({}, VOLUME)],
    "ZeroPadding1D": [({"padding": (1, 2)}, SEQUENCE)],
    "ZeroPadding2D": [({"padding": ((1, 0), (2, 1))}, IMAGE)],
    "ZeroPadding3D": [({}, VOLUME)],
}  # fmt: skip


def scaled(layer, x, axes, subtract):
    """The formula of layer and RMS normalization, over axes that Keras cannot take on PyTorch."""
    x = x.astype(np.float64)
    shape = [n if axis in axes else 1 for axis, n in enumerate(x.shape)]
    centred = x - x.mean(axes, keepdims=True) if subtract else x
    y = centred / np.sqrt((centred**2).mean(axes, keepdims=True) + layer.epsilon)
    gamma, *beta = (weight.reshape(shape) for weight in layer.get_weights())
    return y * gamma + (beta[0] if beta else 0)


def min_max(layer, x):
    low, high = (-1.0, 2.0) if not layer.weights else (x.min((0, 1)), x.max((0, 1)))
    return (x - low) / (high - low)


# What Keras does not have, or has not on PyTorch: the formula, by the name of the layer and the number of its row.
FORMULAS = {
    ("Swish", 0): lambda layer, x: x / (1 + np.exp(-layer.beta.numpy() * x)),
    ("Swish", 1): lambda layer, x: x / (1 + np.exp(-layer.beta.numpy() * x)),
    ("MinMaxScaling", 0): min_max,
    ("MinMaxScaling", 1): min_max,
    ("Lambda", 0): lambda layer, x: x**2,
    ("LayerNormalization", 1): lambda layer, x: scaled(layer, x, (1, 2), True),
    ("LayerNormalization", 2): lambda layer, x: scaled(layer, x, (1,), True),
    ("RMSNormalization", 2): lambda layer, x: scaled(layer, x, (1, 2), False),
    ("RMSNormalization", 1): lambda layer, x: scaled(layer, x, (1,), False),
}

every_case = pytest.mark.parametrize(
    ("name", "settings", "shapes"),
    [(name, settings, shape) for name, rows in CASES.items() for settings, shape in rows],
    ids=[f"{name}-{i}" for name, rows in CASES.items() for i in range(len(rows))],
)


def test_every_layer_has_a_row():
    assert set(CASES) | MODELS == set(layer_registry.classes)
    assert all(cls.__doc__ for cls in layer_registry.classes.values())


def several(shapes):
    return isinstance(shapes, list)


def make_input(name, shapes, seed=0):
    rng = np.random.default_rng(seed)
    if name == "Embedding":
        return rng.integers(0, 9, (ROWS, *shapes)).astype(np.int32)
    made = [rng.normal(size=(ROWS, *shape)).astype(np.float32) for shape in (shapes if several(shapes) else [shapes])]
    return made if several(shapes) else made[0]


def run(layer, x, training=False):
    """Apply a layer; those that change images at random do so unless told otherwise."""
    return layer(x, training=training) if hasattr(layer, "seed") or training else layer(x)


def make_layer(name, settings, x):
    """A built layer whose weights are all different from each other."""
    layer = layer_registry.classes[name](**settings)
    if hasattr(layer, "adapt") and not settings:
        layer.adapt(x)
        return layer
    run(layer, x)
    rng = np.random.default_rng(1)
    layer.set_weights([np.abs(rng.normal(size=w.shape)) + 0.1 for w in layer.weights])
    return layer


def make_model(name, layer, shapes):
    dtype = "int32" if name == "Embedding" else "float32"
    if not several(shapes):
        return nnfast.Sequential([layers.Input(shapes, dtype=dtype), layer])
    inputs = [layers.Input(shape, dtype=dtype) for shape in shapes]
    return nnfast.Model(inputs, layer(inputs))


@every_case
def test_shapes_and_configuration(name, settings, shapes):
    x = make_input(name, shapes)
    layer = make_layer(name, settings, x)
    y = run(layer, x)
    batch = [(None, *shape) for shape in shapes] if several(shapes) else (None, *shapes)
    assert layer.compute_output_shape(batch) == (None, *y.shape[1:])
    fresh = type(layer)(**settings)
    assert fresh.compute_output_shape(batch) == (None, *y.shape[1:])
    again = type(layer).from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    run(again, x)
    again.set_weights(layer.get_weights())
    np.testing.assert_array_equal(run(again, x), y)
    model = make_model(name, layer, shapes)
    assert model.output_shape == (None, *y.shape[1:])
    np.testing.assert_array_equal(model.predict(x, verbose=0), y)


@every_case
def test_values_and_gradients_are_those_of_keras(name, settings, shapes):
    x = make_input(name, shapes)
    layer = make_layer(name, settings, x)
    if name == "RandomCrop":
        pytest.skip("Keras's leaves whole images as they are; see test_augmentation")
    formula = FORMULAS.get((name, CASES[name].index((settings, shapes))))
    if formula is not None:
        np.testing.assert_allclose(run(layer, x), formula(layer, x), rtol=1e-4, atol=1e-5)
        return
    keras, torch = pytest.importorskip("keras"), pytest.importorskip("torch")
    theirs = getattr(keras.layers, name)(**settings)
    if name == "Normalization" and not settings:
        theirs.adapt(x)
    training = "Normalization" in name and name != "Normalization"
    as_tensor = [torch.tensor(part, requires_grad=part.dtype == np.float32) for part in (x if several(shapes) else [x])]
    theirs_in = as_tensor if several(shapes) else as_tensor[0]
    run(theirs, theirs_in)
    if not (name == "Normalization" and not settings):
        theirs.set_weights(layer.get_weights())
    np.testing.assert_allclose(run(layer, x), array(run(theirs, theirs_in)), rtol=1e-4, atol=1e-5)
    expected = run(theirs, theirs_in, training)
    model = make_model(name, layer, shapes)
    model.compile("sgd", weighted_sum)
    factors = np.random.default_rng(2).normal(size=expected.shape).astype(np.float32)
    if training:
        np.testing.assert_allclose(layer(x, training=True), array(expected), rtol=1e-4, atol=1e-5)
        for ours, other in zip(layer.weights, theirs.weights, strict=True):
            np.testing.assert_allclose(ours.numpy(), array(other.value), rtol=1e-5, atol=1e-6)
    if not model.trainable_weights:
        return
    (expected * torch.tensor(factors)).sum().backward()
    found = list(model.gradients(x, factors).values())
    for ours, other in zip(found, theirs.trainable_weights, strict=True):
        wanted = array(other.value.grad) / ROWS
        np.testing.assert_allclose(ours, wanted, rtol=1e-3, atol=1e-5 + 1e-4 * np.abs(wanted).max())


def weighted_sum(y_true, y_pred):
    return ops.sum(ops.reshape(y_true * y_pred, (y_pred.shape[0], -1)), axis=-1)


class Shift(layers.Layer):
    """Adds a weight to each element of a sample: its gradient is that of the next layer's input, over the batch."""

    def build(self, input_shape):
        self.by = self.add_weight(input_shape[1:], "zeros", name="by")

    def call(self, inputs):
        return inputs + self.by


# Layers that round, draw or cut where a difference of inputs may see a corner.
RANDOM = {
    "AlphaDropout", "Dropout", "GaussianDropout", "GaussianNoise", "SpatialDropout1D", "SpatialDropout2D",
    "SpatialDropout3D",
}  # fmt: skip


@every_case
def test_gradients_are_those_of_differences(name, settings, shapes):
    """Along random directions of inputs and weights; in training mode, where that is not random."""
    if name.startswith("Random") or name in RANDOM or name == "ActivityRegularization":
        pytest.skip("its gradient in training is tested with the mask it draws, in tests/ops")
    x = make_input(name, shapes, seed=5)
    layer = make_layer(name, settings, x)
    floats = name != "Embedding"
    shapes_list = shapes if several(shapes) else [shapes]
    inputs = [layers.Input(shape, dtype="float32" if floats else "int32") for shape in shapes_list]
    shifts = [Shift(name=f"shift_{i}") for i in range(len(inputs))] if floats else []
    shifted = [shift(tensor) for shift, tensor in zip(shifts, inputs, strict=True)] if floats else inputs
    model = nnfast.Model(inputs, layer(shifted if several(shapes) else shifted[0]))
    model.compile("sgd", weighted_sum)
    rng = np.random.default_rng(3)
    factors = rng.normal(size=(ROWS, *model.output_shape[1:])).astype(np.float32)
    found = model.gradients(x, factors)
    states = model.get_weights()
    weights = model.trainable_weights

    def loss(move):
        model.set_weights(states)
        for weight, direction in move:
            weight.assign(weight.numpy() + direction)
        y = model(x, training=True)
        return np.sum(y.astype(np.float64) * factors) / ROWS

    step = 2e-3
    for weight in weights:
        for _ in range(3):
            direction = rng.normal(size=weight.shape).astype(np.float32)
            gradient = found[weight.path].astype(np.float64)
            numeric = (loss([(weight, step * direction)]) - loss([(weight, -step * direction)])) / (2 * step)
            expected = np.sum(gradient * direction)
            assert abs(expected - numeric) < 5e-3 + 0.02 * np.linalg.norm(gradient) * np.linalg.norm(direction)


@every_case
def test_trains_and_comes_back_from_a_file(name, settings, shapes, tmp_path):
    x = make_input(name, shapes)
    layer = make_layer(name, settings, x)
    inner = make_model(name, layer, shapes)
    head = layers.Dense(1)(layers.Flatten()(inner.outputs[0]))
    model = nnfast.Model(inner.inputs if several(shapes) else inner.inputs[0], head)
    model.compile("adam", "mse")
    rows = len(x[0]) if several(shapes) else len(x)
    y = np.random.default_rng(4).normal(size=(rows, 1)).astype(np.float32)
    before = model.get_weights()
    history = model.fit(x, y, batch_size=rows // 2, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    assert model.optimizer.iterations == 2
    assert any((a != b).any() for a, b in zip(before, model.get_weights(), strict=True))
    model.save(tmp_path / "m.safetensors")
    again = nnfast.load_model(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))
    assert again.get_config() == model.get_config()


@pytest.mark.parametrize(
    "make",
    [
        lambda f: layers.Flatten(data_format=f), lambda f: layers.SpatialDropout1D(0.5, data_format=f),
        lambda f: layers.SpatialDropout2D(0.5, data_format=f), lambda f: layers.SpatialDropout3D(0.5, data_format=f),
        lambda f: layers.Conv2D(2, 3, data_format=f), lambda f: layers.MaxPooling2D(data_format=f),
        lambda f: layers.GlobalAveragePooling2D(data_format=f), lambda f: layers.ZeroPadding2D(data_format=f),
        lambda f: layers.UpSampling2D(data_format=f), lambda f: layers.Cropping2D(data_format=f),
        lambda f: layers.Conv2DTranspose(2, 3, data_format=f), lambda f: layers.DepthwiseConv2D(3, data_format=f),
        lambda f: layers.SeparableConv2D(2, 3, data_format=f), lambda f: layers.RandomFlip(data_format=f),
    ],
)  # fmt: skip
def test_channels_come_last(make):
    make("channels_last")
    with pytest.raises(ValueError, match=r"expected data_format='channels_last'.*received 'channels_first'"):
        make("channels_first")
