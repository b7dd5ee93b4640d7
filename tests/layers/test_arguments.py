"""Arguments and masks: what layers do with the less common ones, and what they say of wrong ones."""

import inspect

import numpy as np
import pytest

import nnfast
from nnfast import layers

x = np.random.default_rng(0).normal(size=(4, 6, 8)).astype(np.float32)


def test_masked_softmax():
    mask = np.array([[1, 1, 0, 0], [0, 0, 0, 0], [1, 1, 1, 1]], bool)
    z = x[:3, 0, :4].astype(np.float64)
    e = np.exp(z) * mask
    expected = e / np.maximum(e.sum(-1, keepdims=True), 1e-30)
    np.testing.assert_allclose(layers.Softmax()(z, mask=mask), expected, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(layers.Softmax(axis=[0, 1])(z, mask=mask), e / e.sum(), rtol=1e-5, atol=1e-7)
    narrow = layers.Softmax()(z, mask=np.array([1.0, 0.0, 1.0, 0.2]))  # weights above a half are kept
    np.testing.assert_array_equal(narrow[:, [1, 3]], 0)
    np.testing.assert_allclose(narrow.sum(-1), 1, rtol=1e-6)


def test_masks_of_merged_inputs():
    a, b = np.array([[1, 0, 1]], bool), np.array([[0, 0, 1]], bool)
    parts = [x[:1, :3], x[:1, :3]]
    np.testing.assert_array_equal(layers.Add().compute_mask(parts, [a, b]), [[1, 0, 1]])
    np.testing.assert_array_equal(layers.Concatenate().compute_mask(parts, [a, b]), [[1, 0, 1]])
    for axis in (1, -2):
        joined = layers.Concatenate(axis).compute_mask(parts, [a, b])
        np.testing.assert_array_equal(joined, [[1, 0, 1, 0, 0, 1]])
    assert layers.Dot(-1).compute_mask(parts, [a, b]) is None
    assert layers.Add().compute_mask(parts, [a, None]) is None
    assert layers.Add().compute_mask(parts, None) is None


@pytest.mark.parametrize("kind", [layers.Dropout, layers.AlphaDropout])
@pytest.mark.parametrize("noise_shape", [(None, 1, None), (4, 1, 8)])
def test_noise_shape_shares_the_mask(kind, noise_shape):
    y = kind(0.5, noise_shape=noise_shape)(np.ones((4, 6, 8)), training=True)
    np.testing.assert_array_equal(y, np.broadcast_to(y[:, :1], y.shape))
    assert len(np.unique(y)) == 2
    with pytest.raises(ValueError, match="expected input with 3 axes, as noise_shape"):
        kind(0.5, noise_shape=noise_shape)(np.ones((4, 6)), training=True)


def test_first_contents_of_an_embedding():
    table = np.arange(12.0).reshape(4, 3)
    for weights in (table, [table]):
        np.testing.assert_array_equal(layers.Embedding(4, 3, weights=weights)(np.array([[2, 0]])), [table[[2, 0]]])


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: layers.ReLU(max_value=-1), ValueError, "max_value.*cannot be a negative value.*received -1"),
        (lambda: layers.ReLU(negative_slope=None), ValueError, "negative_slope of a ReLU.*received None"),
        (lambda: layers.ReLU(threshold=-0.5), ValueError, "threshold of a ReLU.*received -0.5"),
        (lambda: layers.LeakyReLU(None), ValueError, "negative_slope.*received None"),
        (lambda: layers.Softmax()(x, mask=np.ones((4, 5, 8))), ValueError, "must be broadcastable.*received one of"),
        (lambda: layers.Softmax()(x[0], mask=np.ones((1, 6, 8))), ValueError, "must not have more dimensions"),
        (lambda: layers.Dropout(1.5), ValueError, "value between 0 and 1. Received: rate=1.5"),
        (lambda: layers.Dropout(0.5, noise_shape=3), ValueError, "tuple or list of integers"),
        (lambda: layers.AlphaDropout(0.5, noise_shape=(2, 1.5)), ValueError, "all elements to be integers or None"),
        (lambda: layers.Dropout(0.5, noise_shape=(2, 0)), ValueError, "positive integers or None"),
        (lambda: layers.GaussianNoise(-1), ValueError, "stddev"),
        (lambda: layers.Reshape((-2, 3)), ValueError, "non-negative integer.*received target_shape"),
        (lambda: layers.Reshape((-1, -1)), ValueError, "at most one unknown dimension"),
        (lambda: layers.Reshape((5, 5))(x), ValueError, "expected samples of 25 elements"),
        (lambda: layers.Permute((0, 1)), ValueError, "Invalid permutation.*each axis once, the first being 1"),
        (lambda: layers.RepeatVector("3"), TypeError, "Expected an integer value for `n`; received '3'"),
        (lambda: layers.RepeatVector(0), ValueError, "positive integer; received 0"),
        (lambda: layers.Embedding(True, 2), ValueError, "expected input_dim to be a positive integer; received True"),
        (lambda: layers.GroupNormalization(0), ValueError, "`groups`: expected a positive integer"),
        (lambda: layers.GroupNormalization(3)(x), ValueError, "must be a multiple of the number of channels"),
        (lambda: layers.GroupNormalization(16)(x), ValueError, "cannot be more than the number of channels"),
        (lambda: layers.LayerNormalization("last"), TypeError, "an int or a list/tuple of ints.*received 'last'"),
        (lambda: layers.RMSNormalization(2.0), TypeError, "an int or a list/tuple of ints.*received 2.0"),
        (lambda: layers.LayerNormalization(3)(x), ValueError, "axis: expected a number from -3 to 2; received 3"),
        (lambda: layers.Concatenate()([x, x[:, :2]]), ValueError, "matching shapes except for the concatenation axis"),
        (lambda: layers.Add()(x), ValueError, "should be called on a list of inputs"),
        (lambda: layers.Add()([x]), ValueError, "a list of at least 2 inputs. Received 1"),
        (lambda: layers.Subtract()([x, x, x]), ValueError, "exactly 2 inputs. Received 3"),
        (lambda: layers.Dot(-1)([x, x, x]), ValueError, "exactly 2 inputs. Received: 3"),
        (lambda: layers.Dot(1)([x, x[:, :2]]), ValueError, "expected equal sizes along the axes"),
        (lambda: layers.Dot("last"), ValueError, "expected axes to be an integer or a pair"),
        (lambda: layers.Add().compute_mask([x, x], x), ValueError, "`mask` should be a list"),
        (lambda: layers.Add().compute_mask(x, [None, None]), ValueError, "`inputs` should be a list"),
        (lambda: layers.Add().compute_mask([x, x], [None]), ValueError, "should have the same length"),
        (lambda: layers.Embedding(4, 2, mask_zero=True), ValueError, "unknown mask_zero; there are no masks: give"),
        (lambda: layers.Embedding(4, 2, lora_rank=1), ValueError, "unknown lora_rank; there are no adapters of low"),
        (lambda: layers.Dense(2, quantization_config={}), ValueError, "there is no quantization: weights are float32"),
        (lambda: layers.BatchNormalization(renorm=True), ValueError, "there is no batch renormalization: leave it out"),
        (lambda: layers.BatchNormalization(synchronized=True), ValueError, "there is one device, whose batch is whole"),
        (lambda: layers.LayerNormalization(rms_scaling=True), ValueError, "use the layer RMSNormalization"),
        (lambda: layers.Lambda(np.abs, mask=x), ValueError, "unknown mask; there are no masks"),
        (lambda: layers.Input((3,), sparse=True), ValueError, "tensors are dense: use x.toarray"),
        (lambda: layers.Input((3,), ragged=True), ValueError, "rows are of one length: pad them"),
        (lambda: layers.Input((3,), optional=True), ValueError, "inputs are never optional: make a model without it"),
        (lambda: layers.Input((3,), tensor=x), ValueError, "symbolic tensors are made by Input"),
    ],
)
def test_wrong_arguments(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_arguments_of_keras_that_ask_for_nothing_pass():
    layers.Embedding(4, 2, mask_zero=False, lora_rank=None, quantization_config=None)
    layers.BatchNormalization(renorm=False, renorm_clipping=None, renorm_momentum=0.99, synchronized=False)
    layers.LayerNormalization(rms_scaling=False)
    layers.Input((3,), sparse=False, ragged=False, optional=False, tensor=None)
    with pytest.raises(ValueError, match="received the unknown mask_zero$"):
        layers.Dense(2, mask_zero=False)


def positional(cls):
    """The arguments that go by position, and whether more of them follow that are handed on."""
    parameters = list(inspect.signature(cls.__init__).parameters.values())[1:]
    names = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    return names, any(p.kind is p.VAR_POSITIONAL for p in parameters)


# Each of Keras's names that hold `padding` or `cropping` for nnfast's `borders`.
RENAMED = {f"{kind}{rank}D" for kind in ("ZeroPadding", "Cropping") for rank in (1, 2, 3)}


@pytest.mark.parametrize("family", ["layers", "losses", "metrics", "callbacks", "initializers", "regularizers"])
def test_arguments_stand_in_the_order_of_keras(family):
    keras = pytest.importorskip("keras")
    pytest.importorskip("torch")
    compared = 0
    for name, cls in vars(getattr(nnfast, family)).items():
        other = getattr(getattr(keras, family), name, None)
        if not (isinstance(cls, type) and isinstance(other, type)) or name in RENAMED:
            continue
        (ours, more), (theirs, _) = positional(cls), positional(other)
        left_out = getattr(cls, "left_out", {})
        count = len(ours) if more else min(len(ours), len(theirs))
        assert ours[:count] == theirs[:count], f"{family}.{name}"
        # What is not taken by position is left out on purpose, or can be given by name only.
        assert more or name in ("InputLayer",) or set(theirs[count:]) <= {*left_out, "renorm_momentum"}, name
        compared += 1
    assert compared > 3


def test_arguments_that_are_handed_on_by_position():
    more = (None, False, "zeros", "ones", None, "l2", None, None, "non_neg")
    for conv in (layers.Conv1DTranspose, layers.Conv2DTranspose):
        layer = conv(2, 3, 1, "same", None, "channels_last", 1, *more)
        assert (layer.use_bias, type(layer.bias_regularizer).__name__) == (False, "L2")
        assert type(layer.bias_constraint or layer.kernel_constraint).__name__ == "NonNeg"
    layer = layers.Conv3DTranspose(2, 3, 2, "same", "channels_last", 1, 1, *more)
    assert (layer.output_padding, layer.groups, layer.use_bias) == ((1, 1, 1), 1, False)
    assert layers.Conv3DTranspose.from_config(layer.get_config()).get_config() == layer.get_config()
    for layer in (
        layers.LayerNormalization(-1, 1e-3, True, True, "ones", "zeros"),
        layers.GroupNormalization(2, -1, 1e-3, True, True, "ones", "zeros"),
        layers.BatchNormalization(-1, 0.9, 1e-3, True, True, "ones", "zeros", "zeros", "ones", "l2"),
    ):
        assert type(layer.beta_initializer).__name__ == "Ones"
    assert type(layer.beta_regularizer).__name__ == "L2"
    assert layers.SpatialDropout1D(0.5, 3, "a").name == layers.SpatialDropout2D(0.5, None, 3, "a").name == "a"


def test_a_reshape_says_what_it_makes_of_unknown_sizes():
    inputs = layers.Input(batch_shape=(4, None, 8))
    assert layers.Reshape((6, 4, 2))(inputs).shape == (4, 6, 4, 2)
    assert layers.Reshape((-1, 4))(inputs).shape == (4, None, 4)
    model = nnfast.Model(inputs, layers.Dense(2)(layers.Flatten()(layers.Reshape((6, 8))(inputs))))
    assert model.predict(x, verbose=0).shape == (4, 2)
    with pytest.raises(ValueError, match="expected samples of 48 elements"):
        model.predict(x[:, :5], verbose=0)


SIZES = [
    (layers.Dense, "units", {}),
    (layers.Conv2D, "filters", {"kernel_size": 3}),
    (layers.Conv2D, "kernel_size", {"filters": 2}),
    (layers.Conv1DTranspose, "strides", {"filters": 2, "kernel_size": 3}),
    (layers.DepthwiseConv2D, "depth_multiplier", {"kernel_size": 3}),
    (layers.MaxPooling2D, "pool_size", {}),
    (layers.UpSampling3D, "size", {}),
    (layers.Embedding, "output_dim", {"input_dim": 3}),
    (layers.Reshape, "target_shape", {}),
    (layers.ZeroPadding2D, "padding", {}),
    (layers.Cropping1D, "cropping", {}),
    (layers.PReLU, "shared_axes", {}),
]


@pytest.mark.parametrize(("cls", "name", "others"), SIZES, ids=lambda value: getattr(value, "__name__", None))
def test_sizes_are_integers_of_python_or_numpy(cls, name, others):
    config = cls(**{name: 2}, **others, name="a").get_config()
    found = cls(**{name: np.int64(2)}, **others, name="a").get_config()
    assert found == config
    assert np.int64 not in map(type, nnfast.tensor.flatten(found[name]))
    for wrong in (2.5, "2", object(), [None]):
        with pytest.raises(ValueError, match=f"{cls.__name__} 'a': expected .*; received "):
            cls(**{name: wrong}, **others, name="a")


@pytest.mark.parametrize("wrong", [2, 2.5, None, (0, 1), (1, 1)])
def test_wrong_permutations(wrong):
    with pytest.raises(ValueError, match="Permute 'a': Invalid permutation argument"):
        layers.Permute(wrong, name="a")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers.BatchNormalization(momentum="a"), "expected momentum from 0 to 1; received 'a'"),
        (lambda: layers.BatchNormalization(momentum=5), "expected momentum from 0 to 1; received 5"),
        (lambda: layers.BatchNormalization(epsilon=np.nan), "expected epsilon of at least 0; received nan"),
        (lambda: layers.RMSNormalization(epsilon="a"), "expected epsilon of at least 0; received 'a'"),
        (lambda: layers.GaussianNoise(np.nan), "received for argument `stddev`"),
        (lambda: layers.Dropout(np.nan), "received for argument `rate`"),
        (lambda: layers.ELU(None, name="a"), "ELU 'a': alpha: expected a finite number; received None"),
        (lambda: layers.Rescaling(None, name="a"), "Rescaling 'a': scale: expected a number or an array of numbers"),
        (lambda: layers.Rescaling(1, ["b"]), r"offset: expected a number or an array of numbers; received \['b'\]"),
        (lambda: nnfast.constraints.MaxNorm("a"), "MaxNorm: max_value: expected a finite number; received 'a'"),
        (lambda: nnfast.constraints.MinMaxNorm(rate="a"), "MinMaxNorm: rate: expected a finite number; received 'a'"),
        (lambda: layers.LeakyReLU(np.inf), "expected a number; received inf"),
        (lambda: layers.ReLU(max_value=10**400), "expected None or a number of at least 0"),
        (lambda: layers.RandomBrightness(0.2, value_range=("a", "b")), "expected value_range to be two numbers"),
        (lambda: layers.RandomRotation(np.nan), "expected factor to be a number"),
        (lambda: layers.RandomRotation(0.1, fill_value="a"), "expected fill_value to be a number; received 'a'"),
        (lambda: nnfast.optimizers.schedules.PolynomialDecay("a", 10), "`initial_learning_rate` must be a number"),
        (lambda: nnfast.optimizers.schedules.ExponentialDecay(0.1, np.nan, 0.5), "`decay_steps` must be > 0"),
    ],
)
def test_what_is_no_finite_number_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_numbers_of_numpy():
    assert layers.Dropout(np.float32(0.5)).get_config()["rate"] == 0.5
    assert layers.GaussianNoise(np.float32(0.5)).get_config()["stddev"] == 0.5
    assert layers.LeakyReLU(np.float32(0.25)).get_config()["negative_slope"] == 0.25
    assert layers.RandomZoom((np.float32(-0.5), np.float32(0.5))).height_factor == (-0.5, 0.5)
