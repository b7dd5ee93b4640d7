"""Whole models beside the same ones of Keras: outputs, and two steps of training from the same weights."""

import numpy as np
import pytest

import nnfast
from keras_results import array

keras = pytest.importorskip("keras")
pytest.importorskip("torch")

# PyTorch's tensors do not know NumPy's newer way of asking for their numbers.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

rng = np.random.default_rng(0)
a = rng.normal(size=(24, 6)).astype(np.float32)
b = rng.normal(size=(24, 4)).astype(np.float32)
images = rng.normal(size=(24, 8, 8, 3)).astype(np.float32)
y = rng.normal(size=(24, 2)).astype(np.float32)
labels = rng.integers(0, 3, 24).astype(np.int32)


def several_inputs(k):
    left, right = k.layers.Input((6,), name="left"), k.layers.Input((4,), name="right")
    joined = k.layers.Concatenate()([k.layers.Dense(5, activation="tanh")(left), right])
    return k.Model([left, right], k.layers.Dense(2)(joined)), [a, b], y


def several_outputs(k):
    inputs = k.layers.Input((6,))
    hidden = k.layers.Dense(7, activation="relu")(inputs)
    outputs = [
        k.layers.Dense(2, name="value")(hidden), k.layers.Dense(3, activation="softmax", name="kind")(hidden)
    ]  # fmt: skip
    return k.Model(inputs, outputs), a, [y, labels]


def shared_layer(k):
    left, right = k.layers.Input((6,)), k.layers.Input((6,))
    shared = k.layers.Dense(5, activation="tanh")
    difference = k.layers.Subtract()([shared(left), shared(right)])
    return k.Model([left, right], k.layers.Dense(2)(difference)), [a, a[::-1].copy()], y


def residual(k):
    inputs = k.layers.Input((6,))
    x = inputs
    for _ in range(2):
        h = k.layers.Dense(6, activation="relu")(k.layers.LayerNormalization()(x))
        x = k.layers.Add()([x, k.layers.Dense(6)(h)])
    return k.Model(inputs, k.layers.Dense(2)(x)), a, y


def inception(k):
    inputs = k.layers.Input((8, 8, 3))
    branches = [k.layers.Conv2D(4, size, padding="same", activation="relu")(inputs) for size in (1, 3, 5)]
    branches.append(k.layers.MaxPooling2D(3, strides=1, padding="same")(inputs))
    x = k.layers.BatchNormalization()(k.layers.Concatenate()(branches))
    return k.Model(inputs, k.layers.Dense(2)(k.layers.GlobalAveragePooling2D()(x))), images, y


def frozen_before_compile(k):
    model = k.Sequential([k.layers.Input((6,)), k.layers.Dense(5, activation="relu"), k.layers.Dense(2)])
    model.layers[0].trainable = False
    return model, a, y


def nested(k):
    inner = k.Sequential(
        [k.layers.Input((6,)), k.layers.Dense(5, activation="elu"), k.layers.BatchNormalization()], name="inner"
    )
    inputs = k.layers.Input((6,))
    deeper = k.Model(inputs, k.layers.Dense(4, activation="selu")(inner(inputs)), name="deeper")
    outer = k.layers.Input((6,))
    return k.Model(outer, k.layers.Dense(2)(deeper(outer))), a, y


def nested_and_frozen(k):
    model, x, target = nested(k)
    model.get_layer("deeper").trainable = False
    return model, x, target


def subclassed(k):
    class Net(k.Model):
        def __init__(self):
            super().__init__()
            self.hidden = [k.layers.Dense(6, activation="relu") for _ in range(2)]
            self.norm = k.layers.BatchNormalization()
            self.out = k.layers.Dense(2)

        def call(self, inputs, training=False):
            x = inputs
            for layer in self.hidden:
                x = layer(x) + x
            return self.out(self.norm(x, training=training))

    model = Net()
    model(a)
    return model, a, y


def custom_layer(k):
    class Scaled(k.layers.Layer):
        def __init__(self, power=1.0, **kwargs):
            super().__init__(**kwargs)
            self.power = power

        def build(self, input_shape):
            self.factor = self.add_weight(shape=(input_shape[-1],), initializer="ones", name="factor")

        def call(self, inputs):
            return k.ops.tanh(inputs * self.factor) ** self.power

    return k.Sequential([k.layers.Input((6,)), Scaled(2.0), k.layers.Dense(2)]), a, y


def operators(k):
    inputs = k.layers.Input((6,))
    x = k.layers.Dense(6)(inputs)
    x = (x * inputs - 0.5) / (k.ops.abs(x) + 1.0)
    x = k.ops.concatenate([x, k.ops.mean(x, axis=-1, keepdims=True)], axis=-1)
    return k.Model(inputs, k.layers.Dense(2)(x[:, 1:])), a, y


def regularized(k):
    return k.Sequential([
        k.layers.Input((6,)), k.layers.Dense(5, activation="relu", kernel_regularizer="l2", activity_regularizer="l1"),
        k.layers.Dense(2, kernel_constraint="unit_norm", bias_regularizer=k.regularizers.L1L2(0.1, 0.2)),
    ]), a, y  # fmt: skip


MODELS = [
    several_inputs, several_outputs, shared_layer, residual, inception, frozen_before_compile, nested,
    nested_and_frozen, subclassed, custom_layer, operators, regularized,
]  # fmt: skip


@pytest.mark.parametrize("make", MODELS)
def test_outputs_and_two_steps_of_training(make):
    ours, x, target = make(nnfast)
    theirs, _, _ = make(keras)
    assert ours.count_params() == theirs.count_params()
    draw = np.random.default_rng(3)
    values = [draw.normal(scale=0.4, size=w.shape).astype(np.float32) for w in theirs.weights]
    values = [
        np.abs(value) + 0.5 if "var" in w.name else value for value, w in zip(values, theirs.weights, strict=True)
    ]
    ours.set_weights(values)
    theirs.set_weights(values)
    as_list = (lambda found: found) if isinstance(target, list) else (lambda found: [found])
    for mine, other in zip(as_list(ours.predict(x, verbose=0)), as_list(theirs.predict(x, verbose=0)), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-4, atol=1e-5)
    several = isinstance(target, list)
    for k, model in ((nnfast, ours), (keras, theirs)):
        model.compile(
            k.optimizers.SGD(0.05, momentum=0.9), ["mse", "sparse_categorical_crossentropy"] if several else "mse",
            loss_weights=[1.0, 0.3] if several else None, metrics=[["mae"], ["accuracy"]] if several else ["mae"],
        )  # fmt: skip
        assert len(model.trainable_weights) == len(ours.trainable_weights)
    settings = {"batch_size": 12, "epochs": 2, "shuffle": False, "verbose": 0}
    mine, other = (model.fit(x, target, **settings).history for model in (ours, theirs))
    assert set(mine) == set(other)
    for name in mine:
        np.testing.assert_allclose(mine[name], other[name], rtol=2e-4, atol=1e-5, err_msg=name)
    for mine, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-3, atol=1e-4)


def test_freezing_after_compile_takes_effect_as_the_docstring_says():
    """Keras asks for a new compile and trains on meanwhile; here the next step already leaves frozen layers alone."""
    model, x, target = frozen_before_compile(nnfast)
    model.layers[0].trainable = True
    model.compile("sgd", "mse")
    model.fit(x, target, verbose=0)
    model.layers[0].trainable = False
    for compile_again in (False, True):
        if compile_again:
            model.compile("sgd", "mse")
        before = [w.copy() for w in model.get_weights()]
        model.fit(x, target, verbose=0)
        changed = [(p != q).any() for p, q in zip(before, model.get_weights(), strict=True)]
        assert changed == [False, False, True, True]
    theirs, _, _ = frozen_before_compile(keras)
    theirs.compile("sgd", "mse")
    before = [array(w.value).copy() for w in theirs.weights]
    theirs.fit(x, target, verbose=0)
    changed = [(p != array(w.value)).any() for p, w in zip(before, theirs.weights, strict=True)]
    assert changed == [False, False, True, True]


@pytest.mark.parametrize("make", [m for m in MODELS if m not in (subclassed,)])
def test_files(make, tmp_path):
    model, x, target = make(nnfast)
    loss = ["mse", "sparse_categorical_crossentropy"] if isinstance(target, list) else "mse"
    model.compile("adam", loss)
    model.fit(x, target, verbose=0)
    model.save(tmp_path / "m.safetensors")
    custom = {type(layer).__name__: type(layer) for layer in model.layers}
    again = nnfast.load_model(tmp_path / "m.safetensors", custom_objects=custom if make is custom_layer else None)
    expected, found = model.predict(x, verbose=0), again.predict(x, verbose=0)
    for p, q in zip(expected, found, strict=True):
        np.testing.assert_array_equal(p, q)
    assert again.evaluate(x, target, verbose=0) == model.evaluate(x, target, verbose=0)
    assert [w.trainable for w in again.weights] == [w.trainable for w in model.weights]
    assert len(again.trainable_weights) == len(model.trainable_weights)
    for one in (model, again):
        one.fit(x, target, shuffle=False, verbose=0)
    for p, q in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(p, q)
    assert again.get_config() == model.get_config()


def test_a_subclassed_model_in_a_file(tmp_path):
    @nnfast.utils.register_serializable
    class Plain(nnfast.Model):
        def __init__(self, units, **kwargs):
            super().__init__(**kwargs)
            self.hidden = nnfast.layers.Dense(units, activation="relu")
            self.out = nnfast.layers.Dense(2)

        def call(self, inputs):
            return self.out(self.hidden(inputs))

    model = Plain(5)
    model.compile("adam", "mse")
    model.fit(a, y, verbose=0)
    model.save_weights(tmp_path / "w.safetensors")
    other = Plain(5)
    with pytest.raises(ValueError, match="has no weights yet"):
        other.load_weights(tmp_path / "w.safetensors")
    other(a)
    other.load_weights(tmp_path / "w.safetensors")
    np.testing.assert_array_equal(other.predict(a, verbose=0), model.predict(a, verbose=0))
    model.save(tmp_path / "m.safetensors")
    again = nnfast.load_model(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(again.predict(a, verbose=0), model.predict(a, verbose=0))
    assert again.evaluate(a, y, verbose=0) == model.evaluate(a, y, verbose=0)


@pytest.mark.parametrize("make", MODELS)
def test_summary_counts_every_weight(make):
    model, _, _ = make(nnfast)
    lines = []
    model.summary(print_fn=lines.append)
    text = "\n".join(lines)
    assert f"Weights: {model.count_params():,}" in text
    trained = sum(int(np.prod(w.shape)) for w in model.trainable_weights)
    assert f"trainable: {trained:,}" in text
    for layer in model.layers:
        assert layer.name in text


def random_graph(k, seed):
    draw = np.random.default_rng(seed)
    tensors = [k.Input((4,), name=f"in{i}") for i in range(draw.integers(1, 4))]
    inputs = list(tensors)
    shared = [k.layers.Dense(4, name=f"shared{i}") for i in range(2)]
    for step in range(draw.integers(3, 12)):
        a, b = (tensors[i] for i in draw.integers(0, len(tensors), 2))
        which = shared[draw.integers(2)]
        tensors.append([
            lambda a=a, step=step: k.layers.Dense(4, name=f"dense{step}")(a),
            lambda a=a, which=which: which(a),
            lambda a=a, b=b, step=step: k.layers.Add(name=f"add{step}")([a, b]),
            lambda a=a, b=b: k.ops.add(a, b),
            lambda a=a, step=step: k.layers.BatchNormalization(name=f"norm{step}")(a),
        ][draw.integers(0, 5)]())  # fmt: skip
    return inputs, tensors[-2:] if draw.random() < 0.5 else tensors[-1:]


@pytest.mark.parametrize("seed", range(20))
def test_layers_stand_in_the_order_of_keras_and_weights_with_them(seed):
    models = []
    for k in (nnfast, keras):
        inputs, outputs = random_graph(k, seed)
        try:
            models.append(k.Model(inputs, outputs))
        except ValueError:  # some input leads nowhere, or an output is an input: refused by both
            models.append(None)
    ours, theirs = models
    if theirs is None or ours is None:
        assert theirs is ours
        return
    assert [layer.name for layer in ours.layers] == [layer.name for layer in theirs.layers]
    draw = np.random.default_rng(seed)
    values = [draw.random(w.shape, np.float32) for w in theirs.weights]
    theirs.set_weights(values)
    ours.set_weights(values)
    x = [draw.normal(size=(3, 4)).astype(np.float32) for _ in ours.inputs]
    mine, other = ours.predict(x, verbose=0), theirs.predict(x, verbose=0)
    for p, q in zip(*(found if isinstance(found, list) else [found] for found in (mine, other)), strict=True):
        np.testing.assert_allclose(p, q, rtol=1e-4, atol=1e-4)
