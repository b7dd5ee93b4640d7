"""Bad input gets a message that says what happened, what was expected, what was received and how to mend it."""

import numpy as np
import pytest

import nnfast
from nnfast import layers, losses


@pytest.fixture
def model():
    model = nnfast.Sequential([layers.Input((4,)), layers.Dense(3)], name="m")
    model.compile("sgd", losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


x = np.zeros((6, 4), np.float32)
y = np.array([0, 1, 2, 0, 1, 2], np.int32)


@pytest.mark.parametrize(
    ("given_x", "given_y", "message"),
    [
        (x[:, :3], y, r"expected shape \(batch, 4\); received \(.*3\)"),
        (x[..., None], y, r"expected shape \(batch, 4\)"),
        (x[0], y, "expected shape"),
        (x[:0], y[:0], "expected at least one row"),
        (x, y[:5], "expected 6 rows, as in x; received 5"),
        (x, np.array([0, 1, 2, 0, 1, 3]), "class numbers from 0 to 2.*received 3"),
        (x, np.array([0, 1, 2, 0, 1, -1]), "class numbers from 0 to 2.*received -1"),
        (x, np.array([0, 1, 2, 0, 1, 0.5]), "received fractions such as 0.5"),
        (x, np.array([0, 1, 2, 0, 1, np.nan]), "expected finite targets; received 1 NaN"),
        (x.astype(object), np.array(["a"] * 6, object), "encode text and categories as numbers"),
        (np.array(["a"] * 24).reshape(6, 4), y, "expected an array of numbers"),
        (x.astype(np.complex64), y, "expected an array of numbers"),
        (x, None, "expected targets y"),
    ],
)
def test_fit_refuses(model, given_x, given_y, message):
    before = model.get_weights()
    with pytest.raises(ValueError, match=message):
        model.fit(given_x, given_y, verbose=0)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    model.fit(x, y, verbose=0)  # nothing is lost


@pytest.mark.parametrize("batch_size", [0, -3, 2.5, "8"])
def test_batch_size(model, batch_size):
    with pytest.raises(ValueError, match="batch_size: expected a positive integer"):
        model.fit(x, y, batch_size=batch_size, verbose=0)


@pytest.mark.parametrize(
    "convert",
    [
        lambda a: a.astype(np.float64),
        np.asfortranarray,
        lambda a: np.repeat(a, 2, axis=1)[:, ::2],
        lambda a: a.astype(object),
        lambda a: a.tolist(),
        lambda a: a[::-1][::-1],
        lambda a: (a * 0).astype(np.int64),
        lambda a: a.astype(np.float16),
    ],
)
def test_other_layouts_and_types_are_taken(model, convert):
    rng = np.random.default_rng(0)
    base = np.round(rng.normal(size=(6, 4))).astype(np.float32)
    given = convert(base)
    expected = model.predict(np.array(given, np.float32), verbose=0)
    np.testing.assert_array_equal(model.predict(given, verbose=0), expected)


def test_read_only_input_is_taken(model):
    frozen = np.ones((6, 4), np.float32)
    frozen.setflags(write=False)
    model.fit(frozen, y, verbose=0)
    model.train_on_batch(frozen, y)
    assert model.predict_on_batch(frozen).shape == (6, 3)


def test_train_on_batch_checks_each_batch(model):
    model.train_on_batch(x, y)
    with pytest.raises(ValueError, match="class numbers from 0 to 2"):
        model.train_on_batch(x, y + 1)
    with pytest.raises(ValueError, match="expected 6 rows"):
        model.train_on_batch(x, y[:5])


def test_model_that_is_not_compiled():
    model = nnfast.Sequential([layers.Input((4,)), layers.Dense(3)])
    with pytest.raises(RuntimeError, match=r"must be compiled.*model\.compile"):
        model.fit(x, y)
    with pytest.raises(RuntimeError, match="must be compiled"):
        model.evaluate(x, y)
    assert model.predict(x, verbose=0).shape == (6, 3)


def test_model_without_weights_to_train(model):
    model.trainable = False
    with pytest.raises(ValueError, match="expected weights to train"):
        model.fit(x, y, verbose=0)
    model.trainable = True
    model.fit(x, y, verbose=0)


def test_missing_loss():
    model = nnfast.Sequential([layers.Input((4,)), layers.Dense(3)])
    model.compile("sgd")
    with pytest.raises(ValueError, match="expected a loss"):
        model.fit(x, y, verbose=0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers.Dense(0), "units to be a positive integer; received 0"),
        (lambda: layers.Dense(2.5), "units to be a positive integer; received 2.5"),
        (lambda: layers.Dense(3, activation="rleu"), "Unknown activation 'rleu'; expected one of: relu"),
        (lambda: layers.Dense(3, kernel_initializer="he"), "Unknown initializer 'he'"),
        (lambda: layers.Dropout(1.5), "rate from 0 to 1; received 1.5"),
        (lambda: layers.Dense(3, colour="red"), "received the unknown colour"),
        (lambda: layers.Dense(3, dtype="float64"), "expected dtype 'float32'"),
        (lambda: layers.Conv2D(4, 3, padding="full"), "padding to be one of valid, same"),
        (lambda: layers.Conv2D(4, (3, 3, 3)), "kernel_size to be an integer of at least 1, or 2"),
        (lambda: layers.Conv2D(4, 3, data_format="channels_first"), "channels_last.*np.moveaxis"),
        (lambda: layers.Conv2D(4, 3, groups=3), "divisible by groups"),
        (lambda: layers.Input((-1,)), "at least 0"),
        (lambda: layers.Dense(3)(np.zeros(4, np.float32)), r"expected input of shape \(batch"),
        (lambda: layers.Conv2D(4, 3)(np.zeros((2, 8, 8), np.float32)), r"add a channel axis, e.g. x\[..., None\]"),
        (lambda: nnfast.Sequential([layers.Dense(1, name="a"), layers.Dense(1, name="a")]), "two named 'a'"),
        (lambda: nnfast.Model(layers.Input((2,)), layers.Dense(1)(layers.Input((2,)))), "add it to inputs"),
    ],
)
def test_bad_settings(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_sequential_takes_layers_only():
    with pytest.raises(TypeError, match="expected a layer; received 3"):
        nnfast.Sequential([3])


def test_wrong_target_shape_for_a_loss():
    model = nnfast.Sequential([layers.Input((4,)), layers.Dense(3)])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match=r"targets of the outputs' shape \(batch, 3\); received \(batch, 2\)"):
        model.fit(x, np.zeros((6, 2), np.float32), verbose=0)


def test_tensors_do_not_branch():
    class Branching(layers.Layer):
        def call(self, inputs):
            return inputs if inputs else -inputs

    with pytest.raises(TypeError, match=r"nnfast\.ops\.where"):
        Branching()(x)
