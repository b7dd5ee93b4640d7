"""Sequential, functional and subclassed models: what they compute and how they train."""

import numpy as np
import pytest

import nnfast
from nnfast import layers, losses, ops

rng = np.random.default_rng(0)
x = rng.normal(size=(40, 6)).astype(np.float32)
y = (x[:, :1] - 2 * x[:, 1:2]).astype(np.float32)


def dense(x, layer, activation=lambda z: z):
    kernel, bias = layer.get_weights()
    return activation(x @ kernel + bias)


@pytest.mark.parametrize(
    ("shape", "given"),
    [((1,), (5,)), ((1,), (5, 1, 1)), ((4,), (5, 4, 1)), ((8, 8, 1), (5, 8, 8)), ((8, 8), (5, 8, 8, 1))],
)
def test_a_last_axis_of_length_1_comes_or_goes(shape, given):
    inputs = layers.Input(shape)
    data = np.random.default_rng(0).normal(size=given).astype(np.float32)
    wanted = data.reshape(5, *shape)
    for model in (nnfast.Model(inputs, layers.Identity()(inputs)), nnfast.Sequential([inputs, layers.Identity()])):
        np.testing.assert_array_equal(model.predict(data, verbose=0), wanted)
        np.testing.assert_array_equal(model.predict_on_batch(data), wanted)
        np.testing.assert_array_equal(model(data), wanted)


def test_a_model_called_on_nothing():
    inputs = [layers.Input((3,), name="a"), layers.Input((3,), name="b")]
    model = nnfast.Model(inputs, layers.Add()(inputs), name="m")
    with pytest.raises(ValueError, match="'m', input 'b': expected an array or tensor of shape .* received None"):
        model([np.zeros((2, 3), np.float32), None])


def test_a_model_that_holds_itself():
    class Knows(nnfast.Model):
        def __init__(self):
            super().__init__()
            self.dense, self.me = layers.Dense(2), self

        def call(self, inputs):
            return self.dense(inputs)

    model = Knows()
    model(np.ones((2, 3)))
    assert [weight.shape for weight in model.weights] == [(3, 2), (2,)]
    model = nnfast.Sequential([layers.Dense(3)])
    for layer in (model, nnfast.Sequential([model])):
        with pytest.raises(ValueError, match="expected layers that it is no part of; received itself"):
            model.add(layer)


@pytest.mark.parametrize("steps", ["x", 0, -1, 1.5, None])
def test_steps_per_execution(steps):
    model = nnfast.Sequential([layers.Input((3,)), layers.Dense(1)])
    with pytest.raises(ValueError, match="steps_per_execution: expected a positive integer; received"):
        model.compile("sgd", "mse", steps_per_execution=steps)
    assert not model.compiled


def test_sequential_computes_its_layers_in_turn():
    model = nnfast.Sequential([layers.Dense(5, activation="relu"), layers.Dense(2)])
    assert not model.built
    found = model.predict(x, verbose=0)
    assert model.built
    expected = dense(dense(x, model.layers[0], lambda z: np.maximum(z, 0)), model.layers[1])
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(model(x), found)
    assert model.output_shape == (None, 2)


def test_several_inputs_and_outputs_and_branches():
    a, b = layers.Input((6,), name="a"), layers.Input((3,), name="b")
    h = layers.Dense(4, activation="tanh", name="h")(a)
    joined = layers.Concatenate()([h, b])
    first = layers.Dense(1, name="first")(joined)
    second = layers.Dense(2, name="second")(h + 1.0)
    model = nnfast.Model([a, b], [first, second])
    xb = rng.normal(size=(40, 3)).astype(np.float32)
    one, two = model.predict([x, xb], verbose=0)
    hidden = dense(x, model.get_layer("h"), np.tanh)
    np.testing.assert_allclose(
        one, dense(np.concatenate([hidden, xb], 1), model.get_layer("first")), rtol=1e-4, atol=1e-5
    )
    np.testing.assert_allclose(two, dense(hidden + 1, model.get_layer("second")), rtol=1e-4, atol=1e-5)

    model.compile("adam", {"first": "mse", "second": "mae"}, loss_weights={"first": 1.0, "second": 0.5})
    target = {"first": y, "second": np.zeros((40, 2), np.float32)}
    history = model.fit({"a": x, "b": xb}, target, epochs=3, verbose=0).history
    assert set(history) == {"loss", "first_loss", "second_loss"}
    np.testing.assert_allclose(
        history["loss"], np.add(history["first_loss"], np.multiply(0.5, history["second_loss"])), rtol=1e-5
    )


def test_subclassed_model_trains():
    class Net(nnfast.Model):
        def __init__(self):
            super().__init__()
            self.hidden = layers.Dense(16, activation="relu")
            self.out = layers.Dense(1)

        def call(self, inputs, training=False):
            return self.out(self.hidden(inputs))

    model = Net()
    model.compile(nnfast.optimizers.Adam(0.01), "mse")
    losses_seen = model.fit(x, y, epochs=40, batch_size=8, verbose=0).history["loss"]
    assert losses_seen[-1] < 0.2 * losses_seen[0]
    assert len(model.weights) == 4


def test_nested_and_frozen_models():
    base = nnfast.Sequential([layers.Input((6,)), layers.Dense(8, activation="relu")], name="base")
    head = layers.Dense(1)
    inputs = layers.Input((6,))
    model = nnfast.Model(inputs, head(base(inputs)))
    base.trainable = False
    assert model.trainable_weights == head.weights
    before = base.get_weights()
    model.compile("sgd", "mse")
    model.fit(x, y, epochs=2, verbose=0)
    for a, b in zip(before, base.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    base.trainable = True
    model.fit(x, y, epochs=1, verbose=0)
    assert any((a != b).any() for a, b in zip(before, base.get_weights(), strict=True))


def test_two_models_may_share_layers_and_both_train():
    shared = layers.Dense(4)
    inputs = layers.Input((6,))
    h = shared(inputs)
    one, two = nnfast.Model(inputs, layers.Dense(1)(h)), nnfast.Model(inputs, layers.Dense(1)(h))
    for model in (one, two):
        model.compile("sgd", "mse")
    for _ in range(3):
        one.fit(x, y, verbose=0)
        two.fit(x, y, verbose=0)
        kernel, bias = shared.get_weights()
        hidden = x @ kernel + bias
        for model in (one, two):
            np.testing.assert_allclose(
                model.predict(x, verbose=0), dense(hidden, model.layers[-1]), rtol=1e-4, atol=1e-5
            )


def test_custom_layer_and_loss_get_their_gradients():
    class Quadratic(layers.Layer):
        def build(self, input_shape):
            self.a = self.add_weight((input_shape[-1],), "ones", name="a")

        def call(self, inputs):
            return ops.sum(self.a * inputs * inputs, axis=-1, keepdims=True)

    def my_loss(y_true, y_pred):
        return ops.mean(ops.abs(y_true - y_pred) + 0.1 * ops.square(y_pred), axis=-1)

    model = nnfast.Sequential([layers.Input((6,)), Quadratic()])
    model.compile("sgd", my_loss)
    found = next(iter(model.gradients(x, y).values()))
    a, step = np.ones(6), 1e-6

    def value(a):
        p = (a * x.astype(np.float64) ** 2).sum(-1, keepdims=True)
        return np.mean(np.abs(y - p) + 0.1 * p * p)

    numeric = [(value(a + step * e) - value(a - step * e)) / (2 * step) for e in np.eye(6)]
    np.testing.assert_allclose(found, numeric, rtol=1e-4)


def test_regularizer_and_constraint():
    model = nnfast.Sequential(
        [layers.Input((6,)), layers.Dense(1, kernel_regularizer="l2", kernel_constraint="non_neg", use_bias=False)]
    )
    model.compile("sgd", "mse")
    kernel = model.get_weights()[0]
    error = np.mean((x @ kernel - y) ** 2)
    assert model.evaluate(x, y, verbose=0) == pytest.approx(error + 0.01 * np.sum(kernel**2), rel=1e-5)
    model.fit(x, y, epochs=5, verbose=0)
    assert (model.get_weights()[0] >= 0).all()


def test_sample_and_class_weights():
    labels = (x[:, 0] > 0.5).astype(np.int32)
    model = nnfast.Sequential([layers.Input((6,)), layers.Dense(2)])
    loss = losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss)
    z = model.predict(x, verbose=0).astype(np.float64)
    each = np.log(np.exp(z).sum(-1)) - z[np.arange(40), labels]
    weights = rng.random(40).astype(np.float32)
    found = model.evaluate(x, labels, batch_size=40, sample_weight=weights, verbose=0)
    assert found == pytest.approx(np.mean(each * weights), rel=1e-5)
    counts = np.bincount(labels)
    balanced = (40 / (2 * counts))[labels]
    found = model.train_on_batch(x, labels, class_weight="balanced")
    assert found == pytest.approx(np.mean(each * balanced), rel=1e-5)


def test_softmax_output_is_planned_as_logits():
    model = nnfast.Sequential([layers.Input((6,)), layers.Dense(3, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    labels = rng.integers(0, 3, 40)
    text = model.plan(x, labels)
    assert "softmax_cross_entropy" in text
    assert "softmax " not in text.replace("softmax_cross_entropy", "")
    model.set_weights([np.full((6, 3), 1000.0) * np.arange(3), np.zeros(3)])
    assert np.isfinite(model.evaluate(x, labels, verbose=0)[0])  # the loss of huge logits


def test_activation_is_fused_into_dense():
    model = nnfast.Sequential([layers.Input((6,)), layers.Dense(8), layers.Activation("relu"), layers.Dense(1)])
    assert "dense + relu" in model.plan(x)


def test_validation_and_history():
    model = nnfast.Sequential([layers.Input((6,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    history = model.fit(x, y, epochs=3, validation_split=0.25, verbose=0)
    assert list(history.history) == ["loss", "val_loss"]
    assert history.epoch == [0, 1, 2]
    assert history.history["val_loss"][-1] == pytest.approx(model.evaluate(x[30:], y[30:], verbose=0))


def test_generators_of_batches():
    model = nnfast.Sequential([layers.Input((6,)), layers.Dense(1)])
    model.compile("sgd", "mse")

    def batches():
        while True:
            for i in range(0, 40, 10):
                yield x[i : i + 10], y[i : i + 10]

    history = model.fit(batches(), steps_per_epoch=4, epochs=2, verbose=0)
    assert len(history.history["loss"]) == 2
    assert model.optimizer.iterations == 8


def test_weights_of_the_wrong_length():
    model = nnfast.Sequential([layers.Input((6,)), layers.Dense(1)])
    with pytest.raises(ValueError, match="expected 2 arrays, one for each weight; received 1"):
        model.set_weights([np.zeros((6, 1))])
    with pytest.raises(ValueError, match=r"kernel of shape \(6, 1\); received \(5, 1\)"):
        model.set_weights([np.zeros((5, 1)), np.zeros(1)])


def test_summary(capsys):
    nnfast.Sequential([layers.Input((6,)), layers.Dense(4, name="first"), layers.Dense(1)]).summary()
    text = capsys.readouterr().out
    assert "first (Dense)" in text
    assert "(batch, 4)" in text
    assert "Weights: 33" in text


def test_summary_of_models_within_models():
    inner = nnfast.Sequential([layers.Input((None, 3)), layers.Dense(4, name="inside")], name="inner")
    model = nnfast.Sequential([inner, layers.GlobalAveragePooling1D(name="mean"), layers.Dense(1, name="last")])
    model.get_layer("last").trainable = False

    def rows(**settings):
        lines = []
        model.summary(print_fn=lines.append, **settings)
        return [line.split() for line in lines[0].splitlines()[4:-2]]

    plain = [
        ["inner", "(Sequential)", "(batch,", "?,", "4)", "16"],
        ["mean", "(GlobalAveragePooling1D)", "(batch,", "4)", "0"],
        ["last", "(Dense)", "(batch,", "1)", "5"],
    ]
    assert rows() == plain
    inside = ["inside", "(Dense)", "(batch,", "?,", "4)", "16"]
    assert rows(expand_nested=True, show_trainable=True) == [plain[0], inside, plain[1], [*plain[2], "frozen"]]


def test_batch_size_of_an_input_is_no_bound():
    model = nnfast.Sequential([layers.Input((2,), batch_size=4), layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(np.ones((5, 2), np.float32), np.ones((5, 1), np.float32), batch_size=4, verbose=0)
    assert model.predict(np.ones((3, 2), np.float32), verbose=0).shape == (3, 1)


def test_a_model_may_end_at_any_layer_of_another():
    whole = nnfast.Sequential([layers.Dense(5, activation="relu", input_dim=6), layers.Dense(4, name="features")])
    whole.add(layers.Dense(1))
    features = nnfast.Model(inputs=whole.inputs, outputs=whole.get_layer("features").output)
    hidden = dense(x, whole.layers[0], lambda z: np.maximum(z, 0))
    np.testing.assert_allclose(features.predict(x, verbose=0), dense(hidden, whole.layers[1]), rtol=1e-4, atol=1e-5)
    assert whole.get_layer("features").input.shape == (None, 5)
    assert features.input_shape == [(None, 6)]
    every = nnfast.Model(whole.inputs, [layer.output for layer in whole.layers])
    assert [out.shape for out in every.predict(x, verbose=0)] == [(40, 5), (40, 4), (40, 1)]
    with pytest.raises(AttributeError, match="has not been called on symbolic tensors; start the model with Input"):
        _ = layers.Dense(2).output


def test_the_same_arrays_by_list_and_by_name():
    b, a = layers.Input((2,), name="b"), layers.Input((2,), name="a")
    model = nnfast.Model([b, a], layers.Subtract()([b, a]))
    high, low = np.full((1, 2), 5, np.float32), np.ones((1, 2), np.float32)
    for given in ([high, low], {"b": high, "a": low}, {"a": low, "b": high}, (high, low)):
        np.testing.assert_array_equal(model.predict(given, verbose=0), high - low)
        np.testing.assert_array_equal(model.predict_on_batch(given), high - low)


def test_outputs_of_one_layer_have_names_of_their_own():
    shared = layers.Dense(1, name="value")
    first, second = layers.Input((2,)), layers.Input((2,))
    model = nnfast.Model([first, second], [shared(first), shared(second)])
    assert model.output_names == ["value", "value_1"]
    model.compile("sgd", {"value": "mse", "value_1": "mae"})
    x, y = np.ones((3, 2), np.float32), np.ones((3, 1), np.float32)
    assert set(model.evaluate([x, x], [y, y], return_dict=True, verbose=0)) == {"loss", "value_loss", "value_1_loss"}


def test_a_subclassed_model_names_its_outputs_by_the_keys_it_returns():
    class Two(nnfast.Model):
        def __init__(self):
            super().__init__()
            self.value, self.kind = layers.Dense(1), layers.Dense(3)

        def call(self, inputs):
            return {"value": self.value(inputs), "kind": self.kind(inputs)}

    model = Two()
    model.compile("sgd", {"value": "mse", "kind": losses.SparseCategoricalCrossentropy(from_logits=True)})
    x, y = np.ones((4, 2), np.float32), {"value": np.ones((4, 1)), "kind": np.array([0, 1, 2, 0])}
    assert set(model.fit(x, y, verbose=0).history) == {"loss", "value_loss", "kind_loss"}
    found = model.predict(x, verbose=0)
    assert {name: value.shape for name, value in found.items()} == {"value": (4, 1), "kind": (4, 3)}


class Scaled(nnfast.Model):
    """Is called with inputs and outputs, and has more to say."""

    def __init__(self, *args, factor=1.0, **kwargs):
        super().__init__(*args, **kwargs)
        self.factor = factor

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}


class Narrow(nnfast.Model):
    """Makes its inputs and outputs itself, and takes nothing else."""

    def __init__(self, units=3):
        start = layers.Input((6,))
        super().__init__(start, layers.Dense(units)(start))


@pytest.mark.parametrize("make", [lambda i: Scaled(i, layers.Dense(3)(i), factor=2.0), lambda i: Narrow(units=3)])
def test_classes_of_functional_models(make, tmp_path):
    """A class of one's own may be functional: it trains, and comes back from its configuration and from a file."""
    model = make(layers.Input((6,)))
    assert isinstance(model, (Scaled, Narrow)) and model.built and model.output_shape == (None, 3)
    model.compile("sgd", "mse")
    model.fit(x, np.zeros((40, 3)), verbose=0)
    with nnfast.saving.custom_object_scope({"Scaled": Scaled, "Narrow": Narrow}):
        model.save(tmp_path / "model.nnfast")
        loaded = nnfast.models.load_model(tmp_path / "model.nnfast")
    for other in (loaded, nnfast.models.clone_model(model), type(model).from_config(model.get_config())):
        assert type(other).__name__ == type(model).__name__ and isinstance(other, (Scaled, Narrow))
        assert other.name == model.name and getattr(other, "factor", None) == getattr(model, "factor", None)
        other.set_weights(model.get_weights())
        np.testing.assert_array_equal(other.predict(x, verbose=0), model.predict(x, verbose=0))


def test_a_configuration_names_a_class_of_ones_own():
    class Doubled(layers.Layer):
        def call(self, inputs):
            return inputs * 2.0

    a = layers.Input((6,))
    for model in (nnfast.Model(a, Doubled(name="d")(a)), nnfast.Sequential([layers.Input((6,)), Doubled(name="d")])):
        with pytest.raises(ValueError, match="Unknown layer 'Doubled'"):
            type(model).from_config(model.get_config())
        again = type(model).from_config(model.get_config(), custom_objects={"Doubled": Doubled})
        np.testing.assert_array_equal(again.predict(x, verbose=0), x * 2)


def test_functional_from_another_configuration_is_refused():
    with pytest.raises(ValueError, match=r"Functional: expected the configuration of a functional.*missing \['layers'"):
        nnfast.models.Functional.from_config({"name": "a"})


def test_a_model_that_is_frozen_from_the_start():
    a = layers.Input((6,))
    model = nnfast.models.Functional(a, layers.Dense(3)(a), trainable=False)
    assert not model.layers[-1].trainable
    assert nnfast.models.clone_model(model).get_config()["layers"][1] == model.get_config()["layers"][1]


def test_tuples_of_outputs_come_back_as_tuples(tmp_path):
    a = layers.Input((6,))
    model = nnfast.Model(a, (layers.Dense(2)(a), {"b": layers.Dense(3)(a), "c": (a * np.arange(6.0),)}))
    model.save(tmp_path / "model.nnfast")
    found = nnfast.models.load_model(tmp_path / "model.nnfast").predict(x, verbose=0)
    assert isinstance(found, tuple) and isinstance(found[1]["c"], tuple)
    np.testing.assert_allclose(found[1]["c"][0], x * np.arange(6.0), rtol=1e-6)


def test_a_sequential_model_that_begins_with_a_built_model():
    first = nnfast.Sequential([layers.Input((6,)), layers.Dense(4)])
    model = nnfast.Sequential([first, layers.Dense(1)])
    assert model.built and model.input_shape == (None, 6) and len(model.weights) == 4
    ids = layers.Input((3,), dtype="int32")
    model = nnfast.Sequential([nnfast.Model(ids, layers.Embedding(5, 2)(ids)), layers.Flatten(), layers.Dense(1)])
    assert model.built and model.predict(np.ones((2, 3), int), verbose=0).shape == (2, 1)


def test_clones_are_compiled_as_the_model_is():
    model = nnfast.Sequential([layers.Input((6,)), layers.Dense(1)])
    assert not nnfast.models.clone_model(model).compiled
    model.compile(nnfast.optimizers.Adam(0.01), "mse", metrics=[nnfast.metrics.MeanAbsoluteError(), "mse"])
    model.fit(x, y, verbose=0)
    clone = nnfast.models.clone_model(model)
    assert clone.compiled and clone.optimizer is not model.optimizer and clone.optimizer.steps == 0
    clone.set_weights(model.get_weights())
    before = model.evaluate(x, y, verbose=0)
    assert clone.evaluate(x, y, verbose=0) == before
    clone.fit(x, y, verbose=0)
    assert model.evaluate(x, y, verbose=0) == before


def test_one_loss_of_several_outputs_is_not_named_twice():
    a = layers.Input((6,))
    model = nnfast.Model(a, {"p": layers.Dense(1)(a), "q": layers.Dense(1)(a)})
    model.compile("sgd", {"q": ["mse"]})
    assert set(model.fit(x, {"p": y, "q": y}, verbose=0).history) == {"loss"}
    model.compile("sgd", {"p": "mae", "q": ["mse"]})
    assert set(model.fit(x, {"p": y, "q": y}, verbose=0).history) == {"loss", "p_loss", "q_loss"}


def test_numpy_functions_of_variables():
    variable = nnfast.Variable([[1.0, -2.0], [3.0, 4.0]])
    values = variable.numpy()
    for function in (np.min, np.sum, np.abs, np.exp, np.linalg.norm, np.mean, np.isnan):
        np.testing.assert_array_equal(function(variable), function(values))
    ones = np.ones((2, 2), np.float32)
    np.testing.assert_array_equal(ones - variable, ones - values)
    np.testing.assert_array_equal(ones @ variable, ones @ values)
    ones += variable
    np.testing.assert_array_equal(ones, 1 + values)


def test_numpy_functions_of_variables_in_a_layer_are_refused():
    """They would take the contents out of the step: the variable would get no gradient."""

    class Absolute(layers.Layer):
        def build(self, input_shape):
            self.scale = self.add_weight((input_shape[-1],), "ones", name="scale")

        def call(self, inputs):
            return inputs * self.function(self.scale)

    layer = Absolute(name="absolute")
    layer.function = lambda scale: np.float32(2) * scale - np.ones(6)
    np.testing.assert_array_equal(layer(x), x)
    layer.function = np.abs
    with pytest.raises(TypeError, match=r"np.absolute would make a constant of variable 'absolute/scale'.*nnfast.ops"):
        layer(x)
