"""Bad input gets a message that says what happened, what was expected, what was received and how to mend it."""

import numpy as np
import pytest

import nnfast
from nnfast import layers, losses, metrics, optimizers


@pytest.fixture
def model():
    model = nnfast.Sequential([layers.Input((4,)), layers.Dense(3)], name="m")
    model.compile("sgd", losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


x = np.zeros((6, 4), np.float32)
y = np.array([0, 1, 2, 0, 1, 2], np.int32)


def test_rows_of_different_lengths():
    ragged = [[1, 2], [3]]
    for use in (layers.Dense(2), nnfast.ops.relu, nnfast.ops.shape, nnfast.ops.sum):
        with pytest.raises(ValueError, match="expected an array of numbers; received rows of different lengths"):
            use(ragged)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda y_true, y_pred: np.mean((y_true - y_pred) ** 2), "np.mean: expected an array; .*; use nnfast.ops.mean"),
        (lambda y_true, y_pred: np.exp(y_true - y_pred), "np.exp: expected an array; .*; use nnfast.ops.exp"),
        (lambda y_true, y_pred: np.cbrt(y_pred), "np.cbrt: expected an array; .*; use the functions of nnfast.ops"),
        (lambda y_true, y_pred: None, "expected a function that returns the loss of each sample; received None"),
    ],
)
def test_losses_of_the_users_own_that_cannot_be_planned(function, message):
    model = nnfast.Sequential([layers.Input((4,)), layers.Dense(1)])
    model.compile("sgd", function)
    with pytest.raises((TypeError, ValueError), match=message):
        model.fit(x, x[:, :1], verbose=0)


def test_numpys_functions_on_symbolic_tensors():
    a = layers.Input((4,))
    assert np.add(np.ones(4, np.float32), a).shape == (np.ones(4, np.float32) - a).shape == (None, 4)
    with pytest.raises(TypeError, match="np.sqrt: expected an array"):
        np.sqrt(a)


class WithinItself(layers.Layer):
    def call(self, inputs):
        return self(inputs)


class Deep(layers.Layer):
    """Layers of one name, one within the other: many, but not without end."""

    def __init__(self, depth):
        super().__init__(name="deep")
        self.inner = Deep(depth - 1) if depth else layers.Activation("relu")

    def call(self, inputs):
        return self.inner(inputs)


def test_a_call_that_leads_back_to_itself():
    with pytest.raises(RecursionError, match="'mirror' is called within its own call without end; expected call"):
        WithinItself(name="mirror")(x)
    with pytest.raises(RecursionError, match="'mirror' is called within its own call"):
        nnfast.Sequential([layers.Input((4,)), WithinItself(name="mirror")])
    np.testing.assert_array_equal(Deep(30)(x), x)


def test_attributes_of_layers_in_dictionaries_with_keys_of_any_types():
    layer = WithinItself()
    layer.table = {1: "a", "b": [{None: layers.Dense(2), 3: (nnfast.Variable(x),)}]}
    assert len(layer.layers_inside) == len(layer.weights) == 1


@pytest.mark.parametrize("extreme", [np.int64(-(2**40)), np.uint32(2**32 - 1), np.uint64(2**63)])
def test_integers_beyond_32_bits(model, extreme):
    with pytest.raises(ValueError, match=f"x: expected integers that fit in 32 bits; received {extreme}$"):
        model.predict(np.array([[0, 1, 2, extreme]], extreme.dtype), verbose=0)


@pytest.mark.parametrize("name", ["learning_rate", "beta_1", "weight_decay"])
def test_settings_of_optimizers_beyond_any_float(name):
    with pytest.raises(ValueError, match=rf"Argument `{name}` .*number >= 0"):
        optimizers.Adam(**{name: 2**2000})


@pytest.mark.parametrize(
    ("given_x", "given_y", "message"),
    [
        (x[:, :3], y, r"expected shape \(batch, 4\); received \(.*3\)"),
        (x[..., None, None], y, r"expected shape \(batch, 4\)"),
        (x[0], y, "expected shape"),
        (x[:0], y[:0], "expected at least one row"),
        (x, y[:5], "expected 6 rows, as in x; received 5"),
        (x, np.array([0, 1, 2, 0, 1, 3]), "class numbers from 0 to 2.*received 3"),
        (x, np.array([0, 1, 2, 0, 1, -1]), "class numbers from 0 to 2.*received -1"),
        (x, np.array([0, 1, 2, 0, 1, 0.5]), "received fractions such as 0.5"),
        (x, np.array([0, 1, 2, 0, 1, np.nan]), "expected finite targets; received 1 NaN"),
        (x.astype(object), np.array(["a"] * 6, object), "encode text and categories as numbers"),
        (np.array(["a"] * 24).reshape(6, 4), y, "expected an array of numbers"),
        (np.array([[1, 2, "red", 4]] * 6, object), y, "objects such as 'red'; encode text"),
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
        (lambda: layers.Dropout(1.5), "between 0 and 1. Received: rate=1.5"),
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


@pytest.mark.parametrize(
    ("loss", "target", "message"),
    [
        (
            "mse",
            np.zeros(6),
            r"targets of the outputs' shape \(batch, 3\); received \(batch,\); for class numbers use a",
        ),
        (
            "hinge",
            np.zeros((6, 1)),
            r"hinge: expected targets .* received \(batch, 1\); for class numbers use a sparse",
        ),
        ("cce", np.zeros((6, 3, 4)), r"categorical_crossentropy: expected .* received \(batch, 3, 4\)$"),
        (
            "scce",
            np.zeros((6, 3)),
            r"class numbers of shape \(batch,\), for outputs of shape \(batch, 3\); received \(batch, 3\); for one-hot",
        ),
        ("scce", np.zeros((6, 2)), r"class numbers of shape \(batch,\), .* received \(batch, 2\)$"),
        (losses.huber, np.zeros((6, 2)), r"huber_loss: expected targets of the outputs' shape"),
        ("scc", y, "Unknown loss 'scc'; expected one of: "),
    ],
)
def test_loss_and_targets_that_do_not_belong_together(loss, target, message):
    model = nnfast.Sequential([layers.Input((4,)), layers.Dense(3, "softmax")])
    with pytest.raises(ValueError, match=message):
        model.compile("sgd", loss)
        model.fit(x, target.astype(np.float32), verbose=0)


def test_tensors_do_not_branch():
    class Branching(layers.Layer):
        def call(self, inputs):
            return inputs if inputs else -inputs

    with pytest.raises(TypeError, match=r"nnfast\.ops\.where"):
        Branching()(x)


@pytest.mark.parametrize("steps", [0, -1, 1.5, "a"])
def test_steps_of_evaluate_and_predict(model, steps):
    for use in (lambda: model.evaluate(x, y, steps=steps, verbose=0), lambda: model.predict(x, steps=steps, verbose=0)):
        with pytest.raises(ValueError, match="steps: expected a positive integer; received"):
            use()


def test_a_call_that_returns_nothing():
    class Forgets(layers.Layer):
        def call(self, inputs):
            inputs * 2.0

    with pytest.raises(TypeError, match="Forgets 'f': expected call to return tensors; received None; does it end in"):
        nnfast.Sequential([layers.Input((4,)), Forgets(name="f")])


def test_shapes_beyond_all_memory():
    with pytest.raises(ValueError, match=r"conv_transpose: expected at most 2\^48 elements; received the shape"):
        layers.Conv2DTranspose(2, 2, strides=2**25)(np.ones((1, 4, 4, 1)))
    with pytest.raises(ValueError, match=r"expected at most 2\^48 elements; received 1152921504606846976 repeats"):
        layers.RepeatVector(2**60)(x)
    with pytest.raises(MemoryError):
        layers.RepeatVector(2**44)(x[:1, :1])


@pytest.mark.parametrize(
    "given", [x + 1j, np.full((6, 4), "1"), np.full((6, 4), np.datetime64("2020")), np.full((6, 4), 2**63, np.uint64)]
)
def test_layers_refuse_what_models_refuse(given):
    with pytest.raises(ValueError, match="Dense 'd': expected (an array of numbers|integers that fit in 32 bits)"):
        layers.Dense(2, name="d")(given)


WRONG_INPUTS = [
    (np.ma.masked_array(x, mask=np.arange(24).reshape(6, 4) > 20), "received one with 3 masked elements; fill them"),
    (x[..., None, None], r"expected shape \(batch, 4\); received \(6, 4, 1, 1\)"),
    (x[:, :3], r"expected shape \(batch, 4\); received \(6, 3\)"),
    (x[0], "add a batch axis|expected 4 rows, as in x; received 6"),
    (x[:0], "expected at least one row"),
    (None, "expected an array of numbers; received None"),
    ([[1, 2], [3]], "received rows of different lengths"),
    ("text", "expected an array of numbers"),
    (x.astype(np.complex64), "expected an array of numbers"),
    (np.array([[None, object(), 1, 2]], object), "received objects such as"),
]


@pytest.mark.parametrize(("given", "message"), WRONG_INPUTS)
@pytest.mark.parametrize("fresh", [True, False])
def test_predict_and_evaluate_refuse(model, given, message, fresh):
    if not fresh:
        model.predict(x, verbose=0)
        model.evaluate(x, y, verbose=0)
    with pytest.raises(ValueError, match=message):
        model.predict(given, verbose=0)
    with pytest.raises(ValueError, match=message):
        model.evaluate(given, y, verbose=0)
    with pytest.raises(ValueError, match=message):
        model.gradients(given, y)
    with pytest.raises(ValueError, match=message):
        model.train_on_batch(given, y)
    assert model.predict(x, verbose=0).shape == (6, 3)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (y + 5, "class numbers from 0 to 2.*received 5"),
        (y + 0.25, "received fractions such as 0.25"),
        (np.where(y == 1, np.nan, y), "expected finite targets; received 2 NaN"),
        (np.eye(3)[y], "for one-hot targets use categorical_crossentropy"),
        (y.astype(np.int64) + 2**40, "integers that fit in 32 bits"),
        (3, "expected 6 rows"),
    ],
)
def test_evaluation_and_gradients_refuse_labels(model, labels, message):
    for use in (model.evaluate, model.gradients, model.train_on_batch, model.test_on_batch):
        with pytest.raises(ValueError, match=message):
            use(x, labels)


@pytest.mark.parametrize(
    "convert",
    [
        lambda a: a.astype(np.float64), lambda a: a.astype(np.int64), lambda a: a.astype(np.uint8),
        lambda a: a.astype(object), lambda a: np.repeat(a, 2)[::2], lambda a: a.tolist(), lambda a: a[::-1][::-1],
        lambda a: a[:, None],
    ],
)  # fmt: skip
def test_other_layouts_and_types_of_labels_are_taken(model, convert):
    given = convert(y)
    if isinstance(given, np.ndarray):
        given.setflags(write=False)
    assert model.evaluate(x, given, verbose=0) == model.evaluate(x, y, verbose=0)
    model.fit(x, given, verbose=0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epochs": -1}, "epochs: expected an integer of at least 0; received -1"),
        ({"epochs": 1.5}, "epochs: expected an integer"),
        ({"batch_size": True}, "batch_size: expected a positive integer; received True"),
        ({"steps_per_epoch": 0}, "steps_per_epoch: expected a positive integer; received 0"),
        ({"steps_per_epoch": -2}, "steps_per_epoch: expected a positive integer; received -2"),
        ({"steps_per_epoch": 1.5}, "steps_per_epoch: expected a positive integer; received 1.5"),
        ({"steps_per_epoch": "3"}, "steps_per_epoch: expected a positive integer; received '3'"),
        (
            {"validation_freq": "a"},
            "validation_freq: expected a positive integer or a collection of epochs; received 'a'",
        ),
        ({"validation_split": "a"}, "validation_split: expected a share between 0 and 1; received 'a'"),
        ({"validation_split": 2.0}, "validation_split: expected a share between 0 and 1"),
        ({"validation_split": 0.5, "validation_freq": 0}, "validation_freq: expected a positive integer"),
        ({"validation_data": (x,)}, "validation_data: expected .* received no y"),
        ({"validation_data": (x[:, :2], y)}, r"expected shape \(batch, 4\); received \(6, 2\)"),
        ({"sample_weight": np.ones(5)}, "sample_weight: expected 6 rows, as in x; received 5"),
        ({"sample_weight": np.full(6, np.nan)}, "expected finite weights"),
        ({"sample_weight": ["a"] * 6}, "sample_weight: expected an array of numbers"),
        ({"class_weight": "even"}, "or 'balanced'; received 'even'"),
        ({"class_weight": {0: "a"}}, "expected a number for each class"),
        ({"class_weight": {"0": 2.0}}, "class_weight: expected class numbers as keys; received '0'"),
        ({"class_weight": {0: 2.0}, "sample_weight": np.ones(6)}, "sample_weight or class_weight; received both"),
        ({"verbose": "loud"}, "verbose: expected"),
    ],
)
def test_settings_of_fit(model, settings, message):
    with pytest.raises(ValueError, match=message):
        model.fit(x, y, **{"verbose": 0, **settings})
    model.fit(x, y, verbose=0)


def test_two_inputs():
    a, b = layers.Input((4,), name="a"), layers.Input((2,), name="b")
    model = nnfast.Model([a, b], layers.Dense(1, name="o")(layers.Concatenate()([a, b])))
    model.compile("sgd", "mse")
    for given, message in [
        (x, r"expected 2 inputs \(a, b\); received 1"),
        ([x, x[:5, :2]], "expected 6 rows, as in x; received 5"),
        ([x[:, :2], x], r"input 'a': expected shape \(batch, 4\); received \(6, 2\)"),
        ({"a": x}, r"expected inputs \['a', 'b'\]; missing \['b'\]"),
    ]:
        with pytest.raises(ValueError, match=message):
            model.predict(given, verbose=0)
    with pytest.raises(ValueError, match=r"expected the outputs \['o'\]; missing \['o'\]"):
        model.fit([x, x[:, :2]], {"other": y}, verbose=0)


@pytest.mark.parametrize("given", [None, "text", object()])
def test_layers_and_models_are_called_on_arrays(model, given):
    for called in (model, layers.Dense(3), layers.Activation("relu")):
        with pytest.raises(TypeError, match="expected arrays or tensors to be called on; received"):
            called(given)


@pytest.mark.parametrize(
    ("batches", "message"),
    [
        ([], "expected at least one batch"),
        ([(x,)], r"generator of tuples \(x, y\) .*; received tuple of 1"),
        ([3], "received int"),
        ([(x, y, None, y)], "received tuple of 4"),
        ([[x]], "received list of 1"),
    ],
)
def test_generators_that_do_not_yield_batches(model, batches, message):
    with pytest.raises(ValueError, match=message):
        model.fit(iter(batches), verbose=0)
    with pytest.raises(ValueError, match=message):
        model.evaluate(iter(batches), verbose=0)


def test_models_that_are_not_built_or_not_compiled(tmp_path):
    model = nnfast.Sequential([layers.Dense(3)])
    for use in (model.evaluate, model.gradients, model.train_on_batch, model.test_on_batch, model.find_learning_rate):
        with pytest.raises(RuntimeError, match=r"must be compiled.*call model\.compile"):
            use(x, y)
    with pytest.raises(ValueError, match="has no weights yet; start it with Input"):
        model.save(tmp_path / "m.safetensors")
    with pytest.raises(ValueError, match="has no weights yet"):
        model.load_weights(tmp_path / "m.safetensors")
    with pytest.raises(AttributeError, match="has no input shape yet; start it with Input"):
        _ = model.output_shape
    with pytest.raises(ValueError, match=r"expected 0 arrays.*is the layer built\?"):
        model.set_weights([x])
    model.summary(print_fn=lambda text: None)
    assert model.predict(x, verbose=0).shape == (6, 3)
    with pytest.raises(FileNotFoundError, match="a folder that exists; there is no"):
        model.save(tmp_path / "absent" / "m.safetensors")


def test_compile_names_what_it_does_not_know(model):
    with pytest.raises(ValueError, match="Unknown loss 'mze'; expected one of"):
        model.compile("sgd", "mze")
    with pytest.raises(ValueError, match="Unknown optimizer 'sdg'; expected one of: sgd"):
        model.compile("sdg", "mse")
    with pytest.raises(ValueError, match="expected an optimizer; received None"):
        model.compile(None, "mse")
    with pytest.raises(ValueError, match="Unknown metric 'acurracy'; expected one of: accuracy"):
        model.compile("sgd", "mse", metrics=["acurracy"])
    with pytest.raises(ValueError, match="get_layer: no layer is named 'zz'; there are: "):
        model.get_layer("zz")


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"optimizer": 3}, TypeError, "for the optimizer; received 3 of type int"),
        ({"optimizer": len}, ValueError, "expected an optimizer; received <built-in function len>"),
        ({"optimizer": losses.MeanSquaredError()}, ValueError, "expected an optimizer; received <.*MeanSquaredError"),
        ({"loss": 3}, TypeError, "loss: expected a loss, its name or a function .* received 3 of type int"),
        ({"loss": ["mse", 3]}, TypeError, "received 3 of type int"),
        ({"loss": {"output": 3}}, TypeError, "received 3 of type int"),
        ({"loss": optimizers.SGD()}, TypeError, "of type SGD"),
        ({"loss": metrics.MeanSquaredError()}, TypeError, "loss: expected a loss, .* of type MeanSquaredError"),
        ({"loss_weights": "x"}, TypeError, "loss_weights: expected numbers; received 'x' of type str"),
        ({"loss_weights": [1.0, None, "x"]}, TypeError, "loss_weights: expected numbers; received 'x' of type str"),
        ({"metrics": 3}, ValueError, "^metrics: expected a list, or a dictionary by the outputs' names; received 3"),
        ({"metrics": "mae"}, ValueError, "^metrics: expected a list, .* received 'mae'"),
        ({"weighted_metrics": 3}, ValueError, "^weighted_metrics: expected a list, .* received 3"),
        ({"metrics": [["mae"], [3]]}, TypeError, "^metrics: expected a metric, its name .* received 3 of type int"),
        ({"weighted_metrics": {"output": 3}}, TypeError, "^weighted_metrics: expected a metric, .* received 3 of"),
    ],
)
def test_compile_refuses_what_is_of_the_wrong_type(model, given, error, message):
    with pytest.raises(error, match=message):
        model.compile(**{"optimizer": "sgd", "loss": "mse", **given})


def test_no_metric(model):
    model.compile("sgd", "mse", metrics=[None])
    with pytest.raises(ValueError, match="metrics: expected a metric, its name or a function .* received None"):
        model.fit(x, y, verbose=0)


def test_nan_in_the_inputs_reaches_the_outputs_of_its_row_only(model):
    broken = x.copy()
    broken[2, 1] = np.nan
    found = model.predict(broken, verbose=0)
    assert np.isnan(found[2]).all()
    assert np.isfinite(np.delete(found, 2, 0)).all()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.ones(3) + 1j, "expected an array of numbers; received one of dtype complex128"),
        (np.array(["1", "2", "3"]), "expected an array of numbers; received one of dtype <U1"),
        (np.array(["2020"] * 3, "datetime64[Y]"), "expected an array of numbers; received one of dtype datetime64"),
        (np.array([1, object(), 2], object), "expected an array of numbers; received objects"),
        (
            np.ma.masked_array(np.ones(3), [0, 1, 0]),
            "expected an array of numbers; received one with 1 masked elements; fill them",
        ),
    ],
)
def test_what_is_no_number_is_no_weight(value, message):
    layer = layers.Dense(3, name="d")
    layer.build((None, 2))
    before = layer.get_weights()
    with pytest.raises(ValueError, match="Variable 'd/bias': " + message):
        layer.bias.assign(value)
    with pytest.raises(ValueError, match="Variable 'd/bias': " + message):
        layer.set_weights([np.zeros((2, 3)), value])
    with pytest.raises(ValueError, match="Dense 'd': expected a list of arrays, one for each weight; received 3"):
        layer.set_weights(3)
    for weight, kept in zip(layer.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, kept)
