"""Augmentation: the transformations against a float64 reference of the same draws and against Keras, in training only,
the same on any number of threads and after a resumed training."""

import numpy as np
import pytest

import nnfast
from affine_reference import affine
from keras_results import array
from nnfast import _core, layers, random

IDENTITY = np.array([1.0, 0, 0, 0, 1, 0])
SHAPE = (6, 9, 12, 3)

LAYERS = {
    "flip": lambda **more: layers.RandomFlip(**more),
    "rotation": lambda **more: layers.RandomRotation(0.2, **more),
    "translation": lambda **more: layers.RandomTranslation((-0.3, 0.1), 0.4, **more),
    "zoom": lambda **more: layers.RandomZoom((-0.5, 0.4), (-0.2, 0.3), **more),
    "brightness": lambda **more: layers.RandomBrightness(0.4, (0, 1), **more),
    "contrast": lambda **more: layers.RandomContrast(0.9, (0, 1), **more),
    "crop": lambda **more: layers.RandomCrop(5, 4, **more),
}


@pytest.fixture(autouse=True)
def fixed_draws():
    """What is drawn must not depend on the tests that ran before."""
    nnfast.utils.set_random_seed(1)


def images(shape=SHAPE, seed=0):
    return np.random.default_rng(seed).random(shape).astype(np.float32)


def drawn(ranges, count=SHAPE[0], op_seed=7):
    """What the next call of a layer of that seed draws, in float64."""
    state = random.get_state()
    seed = random.next_seed()
    random.set_state(state)
    (numbers,), _ = _core.run_op("random_uniform", [], {"shape": [count, len(ranges)], "seed": op_seed}, seed=seed)
    return [low + (high - low) * numbers[:, i].astype(np.float64) for i, (low, high) in enumerate(ranges)]


def maps(**entries):
    """Maps from their entries a … f, the others as in the identity."""
    result = np.tile(IDENTITY, (SHAPE[0], 1))
    for name, value in entries.items():
        result[:, "abcdef".index(name)] = value
    return result


def close(got, expected):
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("mode", ["horizontal", "vertical", "horizontal_and_vertical"])
def test_flip(mode):
    x = images()
    (numbers,) = drawn([(0, 1)])
    flipped = x[:, ::-1] if "vertical" in mode else x
    flipped = flipped[:, :, ::-1] if "horizontal" in mode else flipped
    expected = np.where((numbers <= 0.5)[:, None, None, None], flipped, x)
    np.testing.assert_array_equal(layers.RandomFlip(mode, seed=7)(x), expected)
    assert 0 < np.sum(numbers <= 0.5) < len(x)  # some are flipped, some are not


@pytest.mark.parametrize("interpolation", ["bilinear", "nearest"])
@pytest.mark.parametrize("fill_mode", ["reflect", "wrap", "constant", "nearest"])
def test_rotation(fill_mode, interpolation):
    x = images()
    (turns,) = drawn([(-0.1, 0.4)])
    cos, sin = np.cos(2 * np.pi * turns), np.sin(2 * np.pi * turns)
    cx, cy = 5.5, 4
    transforms = maps(a=cos, b=-sin, c=cx - cx * cos + cy * sin, d=sin, e=cos, f=cy - cx * sin - cy * cos)
    layer = layers.RandomRotation((-0.1, 0.4), fill_mode, interpolation, seed=7, fill_value=0.7)
    got, expected = layer(x), affine(x, transforms, interpolation, fill_mode, 0.7)
    if interpolation == "bilinear":
        close(got, expected)
    else:  # a pixel that lies between two may go either way
        assert np.mean(np.abs(got - expected) < 1e-6) > 0.99


def test_a_positive_angle_turns_counter_clockwise():
    x = np.zeros((1, 3, 3, 1), np.float32)
    x[0, 0, 1] = 1  # at the top
    y = layers.RandomRotation((0.25, 0.25), "constant")(x)
    assert np.unravel_index(y.argmax(), y.shape) == (0, 1, 0, 0)  # at the left


def test_translation():
    x = images()
    down, across = drawn([(-0.3, 0.1), (-0.4, 0.4)])
    expected = affine(x, maps(c=-across * 12, f=-down * 9), fill_mode="reflect")
    close(layers.RandomTranslation((-0.3, 0.1), 0.4, seed=7)(x), expected)


@pytest.mark.parametrize("width_factor", [None, (-0.2, 0.3)])
def test_zoom(width_factor):
    x = images()
    ranges = [(0.5, 1.4)] + ([] if width_factor is None else [(0.8, 1.3)])
    zooms = drawn(ranges)
    tall, wide = zooms[0], zooms[-1]
    expected = affine(x, maps(a=wide, c=5.5 * (1 - wide), e=tall, f=4 * (1 - tall)), fill_mode="wrap")
    close(layers.RandomZoom((-0.5, 0.4), width_factor, "wrap", seed=7)(x), expected)


def test_brightness():
    x = images() * 255
    (light,) = drawn([(-0.5 * 255, 0.2 * 255)])
    expected = np.clip(x + light[:, None, None, None], 0, 255)
    close(layers.RandomBrightness((-0.5, 0.2), seed=7)(x), expected)
    close(layers.RandomBrightness((1, 1), (2, 3))(x / 255), np.full(SHAPE, 2))


@pytest.mark.parametrize("factor", [0.4, (0.9, 0.2)])
def test_contrast(factor):
    x = images()
    lower, upper = factor if isinstance(factor, tuple) else (factor, factor)
    (contrast,) = drawn([(1 - lower, 1 + upper)])
    mean = x.astype(np.float64).mean(axis=(1, 2), keepdims=True)
    expected = np.clip((x - mean) * contrast[:, None, None, None] + mean, 0.1, 0.8)
    close(layers.RandomContrast(factor, (0.1, 0.8), seed=7)(x), expected)


def test_crop():
    x = images()
    layer = layers.RandomCrop(5, 4, seed=7)
    tops, lefts = (np.floor(numbers).astype(int) for numbers in drawn([(0, 5), (0, 9)]))
    expected = np.stack([x[n, t : t + 5, s : s + 4] for n, (t, s) in enumerate(zip(tops, lefts, strict=True))])
    np.testing.assert_array_equal(layer(x), expected)
    np.testing.assert_array_equal(layer(x, training=False), layers.RandomCrop(5, 4)(x, training=False))


def test_every_place_of_a_crop_is_drawn():
    x = np.broadcast_to(np.arange(4, dtype=np.float32)[None, :, None, None], (400, 4, 3, 1))
    counts = np.bincount(layers.RandomCrop(2, 3, seed=1)(x)[:, 0, 0, 0].astype(int), minlength=4)
    assert counts[3] == 0
    assert counts[:3].min() > 90  # of 133 expected


@pytest.mark.parametrize(
    ("shape", "size", "box"),
    [
        ((10, 8), (5, 4), (0, 10, 0, 8)),  # the same shape: all of it
        ((10, 8), (4, 4), (1, 9, 0, 8)),
        ((6, 20), (8, 8), (0, 6, 7, 13)),  # smaller than the part
        ((7, 9), (7, 3), (0, 7, 3, 6)),
    ],
)
def test_crop_outside_training(shape, size, box):
    torch = pytest.importorskip("torch")
    x = images((2, *shape, 3))
    top, bottom, left, right = box
    part = torch.tensor(x[:, top:bottom, left:right].transpose(0, 3, 1, 2).copy())
    expected = torch.nn.functional.interpolate(part, size=size, mode="bilinear").numpy().transpose(0, 2, 3, 1)
    close(layers.RandomCrop(*size)(x, training=False), expected)


FIXED = [
    ("RandomRotation", {"factor": (0.13, 0.13)}),
    ("RandomTranslation", {"height_factor": (0.2, 0.2), "width_factor": (-0.3, -0.3)}),
    ("RandomZoom", {"height_factor": (0.3, 0.3), "width_factor": (-0.4, -0.4)}),
    ("RandomZoom", {"height_factor": (-0.3, -0.3)}),
]


@pytest.mark.parametrize("fill_mode", ["constant", "nearest"])
@pytest.mark.parametrize("interpolation", ["bilinear", "nearest"])
@pytest.mark.parametrize(("name", "factors"), FIXED)
def test_fixed_maps_equal_those_of_keras(name, factors, interpolation, fill_mode):
    keras = pytest.importorskip("keras")
    x = images()
    settings = {**factors, "interpolation": interpolation, "fill_mode": fill_mode, "fill_value": 0.3}
    theirs = array(getattr(keras.layers, name)(**settings)(x, training=True))
    ours = getattr(layers, name)(**settings)(x)
    if interpolation == "bilinear":
        close(ours, theirs)
    else:
        assert np.mean(np.abs(ours - theirs) < 1e-6) > 0.99


@pytest.mark.parametrize(
    ("name", "settings"), [("RandomBrightness", {"factor": (0.3, 0.3)}), ("RandomContrast", {"factor": (0.0, 0.0)})]
)
def test_fixed_tones_equal_those_of_keras(name, settings):
    keras = pytest.importorskip("keras")
    x = images() * 300 - 20
    close(getattr(layers, name)(**settings)(x), array(getattr(keras.layers, name)(**settings)(x, training=True)))


@pytest.mark.parametrize("name", LAYERS)
def test_each_image_is_changed_in_its_own_way(name):
    x = np.repeat(images((1, *SHAPE[1:])), 8, axis=0)
    y = LAYERS[name](seed=3)(x)
    assert len(np.unique(y.reshape(8, -1), axis=0)) >= (2 if name == "flip" else 5)


@pytest.mark.parametrize("name", LAYERS)
def test_only_in_training(name):
    x = images()
    layer = LAYERS[name]()
    model = nnfast.Sequential([layers.Input(SHAPE[1:]), layer])
    expected = layer(x, training=False)
    if name != "crop":
        np.testing.assert_array_equal(expected, x)
    np.testing.assert_array_equal(model.predict(x, verbose=0), expected)
    np.testing.assert_array_equal(model(x), expected)
    assert model.output_shape == (None, *expected.shape[1:])
    assert not np.array_equal(model(x, training=True), expected)


@pytest.mark.parametrize("name", LAYERS)
def test_a_single_image_and_integers(name):
    x = (images() * 255).astype(np.uint8)
    layer = LAYERS[name](seed=5)
    nnfast.utils.set_random_seed(4)
    one = layer(x[0])
    nnfast.utils.set_random_seed(4)
    np.testing.assert_array_equal(layer(x[:1])[0], one)
    assert one.dtype == np.float32


@pytest.mark.parametrize("name", LAYERS)
def test_configuration(name):
    layer = LAYERS[name](seed=5)
    again = type(layer).from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    x = images()
    nnfast.utils.set_random_seed(4)
    y = layer(x)
    nnfast.utils.set_random_seed(4)
    np.testing.assert_array_equal(again(x), y)


def augmented_model():
    nnfast.utils.set_random_seed(3)
    model = nnfast.Sequential(
        [
            layers.Input((10, 10, 3)),
            layers.RandomFlip("horizontal"),
            layers.RandomRotation(0.1),
            layers.RandomTranslation(0.1, 0.1),
            layers.RandomZoom(0.2),
            layers.RandomBrightness(0.1, (0, 1)),
            layers.RandomContrast(0.1, (0, 1)),
            layers.RandomCrop(8, 8),
            layers.Flatten(),
            layers.Dense(5, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def test_the_same_images_on_any_number_of_threads_and_after_a_resume(tmp_path):
    x, y = images((300, 10, 10, 3)), np.random.default_rng(1).integers(0, 5, 300).astype(np.int32)
    before = nnfast.get_num_threads()
    weights = []
    try:
        for threads in (1, 2, 3):
            nnfast.set_num_threads(threads)
            model = augmented_model()
            model.fit(x, y, batch_size=64, epochs=4, verbose=0)
            weights.append(model.get_weights())
    finally:
        nnfast.set_num_threads(before)
    backup = [nnfast.callbacks.BackupAndRestore(tmp_path / "backup", delete_checkpoint=False)]
    augmented_model().fit(x, y, batch_size=64, epochs=2, verbose=0, callbacks=backup)
    model = augmented_model()
    model.fit(x, y, batch_size=64, epochs=4, verbose=0, callbacks=backup)
    for other in [*weights[1:], model.get_weights()]:
        for a, b in zip(other, weights[0], strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", ["rotation", "zoom", "brightness", "contrast", "crop", "flip"])
def test_gradients_pass_through(name):
    # In the middle of a model: the gradient of the weights before it by differences, with the same draws.
    nnfast.utils.set_random_seed(2)
    model = nnfast.Sequential([layers.Input((6, 7, 2)), layers.Conv2D(3, 1), LAYERS[name](seed=1), layers.Flatten()])
    model.compile("sgd", "mse")
    x = images((4, 6, 7, 2))
    target = np.zeros(model.predict(x, verbose=0).shape, np.float32)
    weights = model.get_weights()

    def step():
        """The loss of one step of gradient descent from the same start, and the gradient that it followed."""
        model.compile(nnfast.optimizers.SGD(1.0), "mse")
        loss = model.train_on_batch(x, target)
        gradients = [before - after for before, after in zip(current, model.get_weights(), strict=True)]
        return loss, gradients

    current = [w.copy() for w in weights]
    current[1] += 0.4  # away from where values are cut off
    model.set_weights(current)
    nnfast.utils.set_random_seed(9)
    _, gradients = step()
    for index in [(0, (0, 0, 1, 2)), (0, (0, 0, 0, 0)), (1, (1,))]:
        losses = []
        for sign in (1, -1):
            changed = [w.copy() for w in current]
            changed[index[0]][index[1]] += sign * 1e-2
            model.set_weights(changed)
            nnfast.utils.set_random_seed(9)
            model.compile(nnfast.optimizers.SGD(0.0), "mse")
            losses.append(model.train_on_batch(x, target))
        np.testing.assert_allclose((losses[0] - losses[1]) / 2e-2, gradients[index[0]][index[1]], rtol=0.02, atol=2e-3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers.RandomFlip("diagonal"), "expected mode"),
        (lambda: layers.RandomRotation(1.5), "factor to be a number, or two of them, from -1 to 1"),
        (lambda: layers.RandomRotation((0.1, 0.2, 0.3)), "received"),
        (lambda: layers.RandomRotation("0.1"), "received '0.1'"),
        (lambda: layers.RandomRotation(0.1, "mirror"), "fill_mode to be one of reflect, wrap, constant, nearest"),
        (lambda: layers.RandomRotation(0.1, interpolation="cubic"), "interpolation to be one of bilinear, nearest"),
        (lambda: layers.RandomTranslation(0.1, -2), "width_factor"),
        (lambda: layers.RandomZoom(-1), "height_factor to be a number, or two of them, above -1 and up to 1"),
        (lambda: layers.RandomZoom(0.1, (0.1, 1.1)), "width_factor"),
        (lambda: layers.RandomBrightness(2), "factor"),
        (lambda: layers.RandomBrightness(0.1, 255), "value_range to be two numbers"),
        (lambda: layers.RandomContrast((-0.1, 0.1)), "from 0 to 1"),
        (lambda: layers.RandomCrop(0, 3), "height to be a positive integer"),
        (lambda: layers.RandomFlip(data_format="channels_first"), "channels_last"),
        (lambda: layers.RandomFlip()(np.zeros((3, 4))), "expected input of 4 axes"),
    ],
)
def test_errors(make, message):
    with pytest.raises(ValueError, match=message):
        make()
