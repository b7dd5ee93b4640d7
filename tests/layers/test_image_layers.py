"""Convolutions, poolings, padding, cropping and upsampling as layers: shapes, values and gradients are those of Keras,
with the same weights, over a generated grid of settings."""

import itertools

import numpy as np
import pytest

import nnfast
from keras_results import array
from nnfast import layers
from pool_reference import Pooling

SIZES = {1: (13,), 2: (9, 12), 3: (5, 7, 6)}


def grid(**choices):
    """Each choice of each setting at least once with every choice of every other: all pairs, by a fixed draw."""
    names = list(choices)
    every = list(itertools.product(*choices.values()))
    rng = np.random.default_rng(len(every))
    wanted = {
        (i, a, j, b)
        for (i, x), (j, y) in itertools.combinations(enumerate(names), 2)
        for a in range(len(choices[x]))
        for b in range(len(choices[y]))
    }
    picked = []
    for index in rng.permutation(len(every)):
        case = np.unravel_index(index, [len(choices[name]) for name in names])
        pairs = {(i, case[i], j, case[j]) for i, j in itertools.combinations(range(len(names)), 2)}
        if len(names) < 2 or pairs & wanted:
            wanted -= pairs
            picked.append(dict(zip(names, every[index], strict=True)))
    return picked


def images(rank, channels, seed=0):
    return np.random.default_rng(seed).standard_normal((3, *SIZES[rank], channels)).astype(np.float32)


def gradients(model, x, target):
    """Of the mean squared error with respect to the weights, by one step of gradient descent."""
    before = model.get_weights()
    model.compile(nnfast.optimizers.SGD(1.0), "mse")
    model.train_on_batch(x, target)
    return [a - b for a, b in zip(before, model.get_weights(), strict=True)]


def compare(name, x, settings, tolerance=2e-5):
    """One layer after a scale that is learned for each input element: its gradient is that of the layer's input."""
    keras = pytest.importorskip("keras")
    torch = pytest.importorskip("torch")
    ours, theirs = getattr(layers, name)(**settings), getattr(keras.layers, name)(**settings)
    model = nnfast.Sequential([layers.Input(x.shape[1:]), Scale(), ours])
    rng = np.random.default_rng(1)
    weights = [rng.standard_normal(w.shape).astype(np.float32) for w in model.get_weights()]
    model.set_weights(weights)
    scaled = torch.tensor(x * weights[0], requires_grad=True)
    theirs.build(x.shape)
    theirs.set_weights(weights[1:])
    expected = theirs(scaled)
    y = model.predict(x, verbose=0)
    assert y.shape == tuple(expected.shape) == (3, *model.output_shape[1:])
    np.testing.assert_allclose(y, array(expected), rtol=tolerance, atol=tolerance * np.abs(y).max())
    target = rng.standard_normal(y.shape).astype(np.float32)
    loss = ((expected - torch.tensor(target)) ** 2).mean()
    loss.backward()
    (scale_gradient, *layer_gradients) = gradients(model, x, target)
    expected_scale = (scaled.grad.numpy() * x).sum(axis=0)
    for got, want in [
        (scale_gradient, expected_scale),
        *zip(layer_gradients, [w.value.grad.numpy() for w in theirs.trainable_weights], strict=True),
    ]:
        np.testing.assert_allclose(got, want, rtol=1e-3, atol=1e-5 + tolerance * 10 * np.abs(want).max())


class Scale(layers.Layer):
    """Multiplies each element by a weight of its own."""

    def build(self, input_shape):
        self.factor = self.add_weight(input_shape[1:], "ones", name="factor")

    def call(self, inputs):
        return inputs * self.factor


def ids(cases):
    return [
        "-".join("x".join(map(str, v)) if isinstance(v, tuple) else str(v) for v in case.values()) for case in cases
    ]


def parametrize(cases):
    return pytest.mark.parametrize("settings", cases, ids=ids(cases))


ACTIVATIONS = [None, "relu", "tanh"]

CONV1D = grid(
    filters=[4, 6], kernel_size=[1, 3, 4], strides=[1, 2], padding=["valid", "same", "causal"],
    dilation_rate=[1, 2], groups=[1, 2], activation=ACTIVATIONS, use_bias=[True, False],
)  # fmt: skip
CONV2D = grid(
    filters=[4, 10], kernel_size=[1, (3, 2), 3, 5], strides=[1, 2, (2, 1)], padding=["valid", "same"],
    dilation_rate=[1, (1, 2)], groups=[1, 2], activation=ACTIVATIONS, use_bias=[True, False],
)  # fmt: skip
CONV3D = grid(
    filters=[2, 4], kernel_size=[1, (2, 3, 1), 3], strides=[1, 2], padding=["valid", "same"],
    dilation_rate=[1, 2], groups=[1, 2], use_bias=[True, False],
)  # fmt: skip
DEPTHWISE1D = grid(kernel_size=[1, 3, 4], strides=[1, 2], padding=["valid", "same"], depth_multiplier=[1, 3],
                   dilation_rate=[1, 2])  # fmt: skip
DEPTHWISE2D = grid(kernel_size=[1, 3, (2, 5)], strides=[1, 2], padding=["valid", "same"], depth_multiplier=[1, 3],
                   dilation_rate=[1, 2], activation=ACTIVATIONS, use_bias=[True, False])  # fmt: skip
SEPARABLE = grid(filters=[3, 8], kernel_size=[1, 3], strides=[1, 2], padding=["valid", "same"],
                 depth_multiplier=[1, 2], dilation_rate=[1, 2], use_bias=[True, False])  # fmt: skip
TRANSPOSE = grid(filters=[2, 7], kernel_size=[1, 2, 3, 4], strides=[1, 2, 3], padding=["valid", "same"],
                 activation=ACTIVATIONS, use_bias=[True, False])  # fmt: skip


def possible(cases):
    """Without strides and dilation at once, which neither library takes, and PyTorch's gaps."""

    def above_one(value):
        return max(value) > 1 if isinstance(value, tuple) else value > 1

    return [
        case for case in cases if not (above_one(case.get("strides", 1)) and above_one(case.get("dilation_rate", 1)))
    ]


@parametrize(possible(CONV1D))
def test_conv1d(settings):
    compare("Conv1D", images(1, 4), settings)


@parametrize(possible(CONV2D))
def test_conv2d(settings):
    compare("Conv2D", images(2, 6), settings)


@parametrize(possible(CONV3D))
def test_conv3d(settings):
    compare("Conv3D", images(3, 2), settings)


@parametrize(possible(DEPTHWISE1D))
def test_depthwise_conv1d(settings):
    compare("DepthwiseConv1D", images(1, 5), settings)


@parametrize(possible(DEPTHWISE2D))
def test_depthwise_conv2d(settings):
    compare("DepthwiseConv2D", images(2, 5), settings)


@pytest.mark.parametrize("rank", [1, 2])
@parametrize(possible(SEPARABLE))
def test_separable_conv(settings, rank):
    compare(f"SeparableConv{rank}D", images(rank, 4), settings)


@pytest.mark.parametrize("rank", [1, 2, 3])
@parametrize(TRANSPOSE)
def test_conv_transpose(settings, rank):
    compare(f"Conv{rank}DTranspose", images(rank, 3), settings)


POOLING = grid(pool_size=[1, 2, 3], strides=[None, 1, 2, 3], padding=["valid", "same"])


def pads_alike(settings, rank):
    """Whether as many pixels are missing at both ends of each axis.

    Where not, Keras on PyTorch repeats a pixel and counts it in the mean; on its other backends it does not.
    """
    size, stride = settings["pool_size"], settings["strides"] or settings["pool_size"]
    missing = [max(0, (-(-n // stride) - 1) * stride + size - n) for n in SIZES[rank]]
    return settings["padding"] == "valid" or all(n % 2 == 0 for n in missing)


@pytest.mark.parametrize("rank", [1, 2, 3])
@parametrize(POOLING)
def test_max_pooling(settings, rank):
    compare(f"MaxPooling{rank}D", images(rank, 5), settings)


@pytest.mark.parametrize(
    ("rank", "settings"), [(rank, case) for rank in SIZES for case in POOLING if pads_alike(case, rank)]
)
def test_average_pooling(rank, settings):
    compare(f"AveragePooling{rank}D", images(rank, 5), settings)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("pool_size", [2, 3, 4])
def test_average_pooling_with_uneven_padding(pool_size, rank):
    for strides in (1, 2, 3):
        x = images(rank, 5)
        reference = Pooling("average", x.shape, [pool_size] * rank, [strides] * rank, "same")
        layer = getattr(layers, f"AveragePooling{rank}D")(pool_size, strides, "same")
        np.testing.assert_allclose(layer(x), reference.forward(x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("kind", ["Max", "Average"])
def test_global_pooling(kind, rank, keepdims):
    compare(f"Global{kind}Pooling{rank}D", images(rank, 5), {"keepdims": keepdims})


PER_AXIS = [1, 2, "each", "pairs"]


def borders(choice, rank):
    if choice == "each":
        return (2, 1, 0)[:rank] if rank > 1 else (2, 1)
    if choice == "pairs":
        return ((1, 2), (0, 1), (2, 0))[:rank] if rank > 1 else (0, 3)
    return choice


@pytest.mark.parametrize("choice", PER_AXIS)
@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize(("name", "setting"), [("ZeroPadding", "padding"), ("Cropping", "cropping")])
def test_borders(name, setting, rank, choice):
    compare(f"{name}{rank}D", images(rank, 4), {setting: borders(choice, rank)})


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_upsampling(rank, size):
    compare(f"UpSampling{rank}D", images(rank, 4), {"size": size})


@pytest.mark.parametrize("size", [2, (1, 3), (4, 2)])
@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
def test_upsampling2d(interpolation, size):
    compare("UpSampling2D", images(2, 20), {"size": size, "interpolation": interpolation})


def test_mean_over_the_steps_that_count():
    keras = pytest.importorskip("keras")
    x = images(1, 4)
    mask = np.random.default_rng(0).integers(0, 2, x.shape[:2]).astype(np.int32)
    mask[:, 0] = 1
    for keepdims in (False, True):
        expected = array(keras.layers.GlobalAveragePooling1D(keepdims=keepdims)(x, mask=mask))
        got = layers.GlobalAveragePooling1D(keepdims=keepdims)(x, mask=mask)
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)


def test_images_of_unknown_size():
    x = layers.Input((None, None, 3))
    y = layers.Conv2D(4, 5)(x)
    y = layers.MaxPooling2D()(y)
    y = layers.Conv2D(4, 3, strides=2, padding="same")(layers.Cropping2D(3)(y))
    y = layers.UpSampling2D(interpolation="bilinear")(layers.ZeroPadding2D(2)(y))
    assert y.shape == (None, None, None, 4)
    model = nnfast.Model(x, layers.GlobalAveragePooling2D()(y))
    assert model.output_shape == (None, 4)
    for size in (20, 33):
        assert model.predict(np.zeros((2, size, size + 1, 3), np.float32), verbose=0).shape == (2, 4)


@pytest.mark.parametrize("alias", ["MaxPool", "AvgPool", "GlobalMaxPool", "GlobalAvgPool"])
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_short_names(alias, rank):
    name = alias.replace("Pool", "Pooling").replace("Avg", "Average")
    assert getattr(layers, f"{alias}{rank}D") is getattr(layers, f"{name}{rank}D")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers.MaxPooling2D(0), "pool_size to be an integer of at least 1"),
        (lambda: layers.MaxPooling2D(2, padding="full"), "padding to be one of valid, same"),
        (lambda: layers.AveragePooling3D(2, strides=(1, 2)), "strides"),
        (lambda: layers.MaxPooling2D(5)(np.zeros((1, 4, 4, 1))), "does not fit"),
        (lambda: layers.MaxPooling2D(2)(np.zeros((1, 4, 4))), "add a channel axis"),
        (lambda: layers.ZeroPadding1D((1,)), "or two of them"),
        (lambda: layers.ZeroPadding2D((1, 2, 3)), "2 of them, or 2 pairs"),
        (lambda: layers.ZeroPadding2D(-1), "an integer of at least 0"),
        (lambda: layers.Cropping1D("1"), "or two of them"),
        (lambda: layers.Cropping2D(2)(np.zeros((1, 4, 9, 1))), "larger than the 2 [+] 2 pixels cut off"),
        (lambda: layers.UpSampling2D(0), "size to be an integer of at least 1"),
        (lambda: layers.UpSampling2D(2, interpolation="bicubic"), "interpolation 'nearest' or 'bilinear'"),
        (lambda: layers.UpSampling3D(2, interpolation="bilinear"), "interpolation 'nearest'"),
    ],
)
def test_errors(make, message):
    with pytest.raises(ValueError, match=message):
        make()
