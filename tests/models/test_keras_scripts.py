"""Scripts as people write them for Keras: they run here after their import line is changed, and end as well."""

import importlib

import numpy as np
import pytest

import nnfast

# PyTorch's tensors do not know NumPy's newer way of asking for their numbers.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(params=["nnfast", "keras"])
def keras(request):
    library = pytest.importorskip(request.param)
    if request.param == "keras":
        pytest.importorskip("torch")
    library.utils.set_random_seed(1)
    return library


def epochs(library, count):
    """Keras shows with one epoch that a script is a script of Keras; what is learned is asked of nnfast."""
    return count if library is nnfast else 1


def test_digits_with_a_sequential_mlp(keras, tmp_path):
    layers = importlib.import_module(f"{keras.__name__}.layers")
    (x_train, y_train), (x_test, y_test) = nnfast.datasets.digits.load_data()
    num_classes = 10
    x_train = x_train.reshape(len(x_train), -1).astype("float32") / 16
    x_test = x_test.reshape(len(x_test), -1).astype("float32") / 16
    y_train = keras.utils.to_categorical(y_train, num_classes)
    y_test = keras.utils.to_categorical(y_test, num_classes)

    model = keras.Sequential([
        keras.Input(shape=(64,)),
        layers.Dense(64, activation="relu"),
        layers.Dropout(0.2),
        layers.Dense(64, activation="relu"),
        layers.Dense(num_classes, activation="softmax"),
    ])  # fmt: skip
    model.summary(print_fn=lambda *args, **kwargs: None)
    model.compile(
        loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"], run_eagerly=False,
        steps_per_execution=1, jit_compile=False,
    )  # fmt: skip
    history = model.fit(
        x_train, y_train, batch_size=64, epochs=epochs(keras, 12), validation_split=0.1, verbose=0,
        callbacks=[keras.callbacks.EarlyStopping(monitor="val_loss", patience=5, restore_best_weights=True)],
    )  # fmt: skip
    score = model.evaluate(x_test, y_test, verbose=0)
    assert set(history.history) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    assert score[1] > 0.93 or keras is not nnfast
    assert np.mean(np.argmax(model.predict(x_test, verbose=0), -1) == np.argmax(y_test, -1)) == pytest.approx(score[1])


def test_regression_with_normalization_and_two_inputs(keras):
    rng = np.random.default_rng(0)
    size, rooms = rng.uniform(20, 200, (600, 1)), rng.integers(1, 8, (600, 2))
    price = 3.0 * size + 20.0 * rooms.sum(-1, keepdims=True) + rng.normal(0, 5, (600, 1))
    scale = price.std()

    normalizer = keras.layers.Normalization(axis=-1)
    normalizer.adapt(size.astype("float32"))
    size_input = keras.Input(shape=(1,), name="size")
    rooms_input = keras.Input(shape=(2,), name="rooms")
    x = keras.layers.concatenate([normalizer(size_input), rooms_input])
    x = keras.layers.Dense(32, activation="relu", kernel_initializer="he_normal")(x)
    x = keras.layers.Dense(32, activation="relu", kernel_regularizer=keras.regularizers.l2(1e-4))(x)
    outputs = keras.layers.Dense(1, name="price")(x)
    model = keras.Model(inputs=[size_input, rooms_input], outputs=outputs)
    schedule = keras.optimizers.schedules.ExponentialDecay(0.01, decay_steps=100, decay_rate=0.9)
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate=schedule), loss=keras.losses.Huber(),
        metrics=[keras.metrics.MeanAbsoluteError(name="mae")],
    )  # fmt: skip
    data = {"size": size[:500].astype("float32"), "rooms": rooms[:500].astype("float32")}
    model.fit(data, price[:500] / scale, batch_size=32, epochs=epochs(keras, 25), verbose=0)
    result = model.evaluate(
        {"size": size[500:].astype("float32"), "rooms": rooms[500:].astype("float32")}, price[500:] / scale,
        return_dict=True, verbose=0,
    )  # fmt: skip
    assert result["mae"] < 0.12 or keras is not nnfast


def test_a_layer_a_model_and_a_loss_of_ones_own(keras):
    ops = keras.ops

    class Linear(keras.layers.Layer):
        def __init__(self, units=32, **kwargs):
            super().__init__(**kwargs)
            self.units = units

        def build(self, input_shape):
            self.w = self.add_weight(
                shape=(input_shape[-1], self.units), initializer="glorot_uniform", trainable=True, name="w"
            )
            self.b = self.add_weight(shape=(self.units,), initializer="zeros", trainable=True, name="b")

        def call(self, inputs):
            return ops.matmul(inputs, self.w) + self.b

    class Classifier(keras.Model):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.first = Linear(24)
            self.norm = keras.layers.BatchNormalization()
            self.drop = keras.layers.Dropout(0.1)
            self.last = Linear(3)

        def call(self, inputs, training=False):
            x = ops.relu(self.norm(self.first(inputs), training=training))
            return self.last(self.drop(x, training=training))

    def smooth_loss(y_true, y_pred):
        probabilities = ops.softmax(y_pred)
        return ops.sum(ops.square(y_true - probabilities), axis=-1)

    rng = np.random.default_rng(1)
    centers = np.array([[2, 0, 0, 1], [-2, 1, 0, 0], [0, -2, 2, 0]])
    labels = rng.integers(0, 3, 450)
    x = (centers[labels] + rng.normal(0, 0.8, (450, 4))).astype("float32")
    y = keras.utils.to_categorical(labels, 3)
    model = Classifier()
    model.compile(optimizer=keras.optimizers.SGD(learning_rate=0.1, momentum=0.9), loss=smooth_loss,
                  metrics=["categorical_accuracy"])  # fmt: skip
    model.fit(x[:400], y[:400], epochs=epochs(keras, 15), batch_size=40, verbose=0)
    _, accuracy = model.evaluate(x[400:], y[400:], verbose=0)
    assert accuracy > 0.9 or keras is not nnfast
    model.first.trainable = False
    model.compile(optimizer="adam", loss=smooth_loss)
    before = np.array(model.get_weights()[0])
    model.train_on_batch(x[:40], y[:40])
    np.testing.assert_array_equal(before, model.get_weights()[0])


def set_equal_weights(model, seed=0):
    draw = np.random.default_rng(seed)
    model.set_weights([np.abs(draw.normal(scale=0.3, size=w.shape)).astype("float32") for w in model.weights])


def test_outputs_by_name_are_those_of_their_layers(keras):
    rng = np.random.default_rng(0)
    x, priority, department = rng.normal(size=(12, 4)), rng.random((12, 1)), rng.integers(0, 3, 12)
    inputs = {"features": keras.Input((4,), name="features")}
    outputs = {
        "priority": keras.layers.Dense(1, activation="sigmoid", name="priority")(inputs["features"]),
        "department": keras.layers.Dense(3, name="department")(inputs["features"]),
    }
    model = keras.Model(inputs, outputs)
    set_equal_weights(model)
    model.compile(
        "sgd", {"priority": "mse", "department": keras.losses.SparseCategoricalCrossentropy(from_logits=True)},
        metrics={"priority": ["mae"], "department": ["accuracy"]}, loss_weights={"priority": 1.0, "department": 0.2},
    )  # fmt: skip
    targets = {"priority": priority, "department": department}
    # Columns that the model does not use may stand beside those that it does, of which Keras warns.
    data = {"features": x, "unused": np.arange(12)} if keras is nnfast else {"features": x}
    found = model.predict(data, verbose=0)
    assert {name: value.shape for name, value in found.items()} == {"priority": (12, 1), "department": (12, 3)}
    called = {
        name: keras.ops.convert_to_numpy(value) for name, value in model({"features": x.astype("float32")}).items()
    }
    for name, value in found.items():
        np.testing.assert_allclose(value, called[name], rtol=1e-5)
    history = model.fit(data, targets, epochs=1, verbose=0, sample_weight={name: rng.random(12) for name in targets})
    assert set(history.history) == {
        "loss", "priority_loss", "department_loss", "priority_mae", "department_accuracy",
    }  # fmt: skip


def test_models_from_descriptions_of_others(keras, tmp_path):
    @keras.saving.register_keras_serializable(package="Own", name=f"Scale{keras.__name__}")
    class Scale(keras.layers.Layer):
        def __init__(self, start=1.0, **kwargs):
            super().__init__(**kwargs)
            self.start = start

        def build(self, input_shape):
            self.seen = self.add_weight(shape=(), initializer="zeros", trainable=False, name="seen")
            self.factor = self.add_weight(
                shape=(input_shape[-1],), initializer=keras.initializers.Constant(self.start), name="factor"
            )

        def call(self, inputs):
            return inputs * self.factor

        def get_config(self):
            return {**super().get_config(), "start": self.start}

    assert Scale in keras.utils.get_custom_objects().values()
    assert keras.saving.get_custom_objects() is keras.utils.get_custom_objects()
    assert isinstance(keras.Input((3,)), keras.KerasTensor)
    assert issubclass(keras.initializers.Zeros, keras.Initializer)
    assert issubclass(keras.regularizers.L2, keras.Regularizer)
    model = keras.Sequential([keras.Input((3,)), Scale(2.0), keras.layers.Dense(2)])
    assert [w.name for w in model.layers[0].weights] == ["factor", "seen"]
    x = np.ones((2, 3), "float32")
    path = tmp_path / ("model.keras" if keras is not nnfast else "model.safetensors")
    model.save(path)
    for same in (keras.models.load_model(path), keras.saving.load_model(path, safe_mode=True)):
        np.testing.assert_array_equal(same.predict(x, verbose=0), model.predict(x, verbose=0))
    for other in (keras.models.clone_model(model), keras.models.model_from_json(model.to_json())):
        assert [layer.name for layer in other.layers] == [layer.name for layer in model.layers]
        assert (np.array(other.layers[1].kernel) != np.array(model.layers[1].kernel)).any()
        other.set_weights(model.get_weights())
        np.testing.assert_array_equal(other.predict(x, verbose=0), model.predict(x, verbose=0))


def test_batches_by_number_and_features_scaled(keras):
    rng = np.random.default_rng(0)
    x, y = rng.normal(3, 2, (20, 4)).astype("float32"), rng.normal(size=(20, 1)).astype("float32")

    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 3

        def __getitem__(self, index):
            return x[7 * index : 7 * index + 7], y[7 * index : 7 * index + 7]

    scaled = keras.layers.Normalization()
    scaled.adapt(x)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(scaled.mean), x.mean(0, keepdims=True), rtol=1e-5)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(scaled.variance), x.var(0, keepdims=True), rtol=1e-5)
    model = keras.Sequential([keras.Input((4,)), scaled, keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    batches = Batches(workers=1)
    assert len(model.fit(batches, epochs=2, shuffle=False, verbose=0).history["loss"]) == 2
    np.testing.assert_allclose(model.predict(batches, verbose=0), model.predict(x, verbose=0), rtol=1e-5)
    # Each call speaks of its own batch.
    for rows in (slice(5), slice(5, 20)):
        assert model.test_on_batch(x[rows], y[rows]) == pytest.approx(model.evaluate(x[rows], y[rows], verbose=0))
    np.testing.assert_allclose(keras.utils.normalize(x), x / np.linalg.norm(x, axis=-1, keepdims=True), rtol=1e-5)


def test_settings_that_scripts_ask_for(keras):
    assert keras.config.epsilon() == keras.backend.epsilon() == 1e-7
    assert keras.config.floatx() == keras.backend.floatx() == "float32"
    assert keras.config.image_data_format() == keras.backend.image_data_format() == "channels_last"
    keras.backend.clear_session()
    keras.utils.clear_session()
    assert keras.layers.Dense(1).name == "dense"


def test_the_operations_that_scripts_use(keras):
    ops = keras.ops
    x = np.arange(1, 7, dtype="float32").reshape(2, 3)
    p, t = np.array([[0.2, 0.7, 0.1]], "float32"), np.array([[0.0, 1.0, 0.0]], "float32")
    for found, expected in [
        (ops.concatenate([x, x]), np.concatenate([x, x])), (ops.take(x, [4, 0]), x.ravel()[[4, 0]]),
        (ops.take(x, [[2, 0]], axis=1), x[:, [[2, 0]]]), (ops.take(x, [1, 0], axis=0), x[::-1]),
        (ops.one_hot([0, 2], 3, axis=0), np.eye(3)[[0, 2]].T), (ops.round(x / 7, 2), np.round(x / 7, 2)),
        (ops.norm(x, axis=1), np.linalg.norm(x, axis=1)), (ops.norm(x, 1, axis=1), np.linalg.norm(x, 1, axis=1)),
        (ops.norm(x, np.inf, axis=0), np.linalg.norm(x, np.inf, axis=0)), (ops.norm(x, "fro"), np.linalg.norm(x)),
        (ops.max(x, initial=9.0), 9.0), (ops.min(x, axis=0, initial=2.0), np.minimum(x.min(0), 2)),
        (ops.pad(x, ((0, 1), (2, 0)), constant_values=3.0), np.pad(x, ((0, 1), (2, 0)), constant_values=3.0)),
        (ops.stack([x, x], axis=-1), np.stack([x, x], axis=-1)),
        (ops.eye(2, 3, 1), np.eye(2, 3, 1)), (ops.arange(2, 8, 3), [2, 5]), (ops.arange(3), [0, 1, 2]),
        (ops.linspace(0, 1, 3), [0, 0.5, 1]), (ops.full((2,), 4.0), [4, 4]), (ops.full_like(x, 2.0), x * 0 + 2),
        (ops.zeros((1, 2)), [[0, 0]]), (ops.ones(2), [1, 1]), (ops.log2(x), np.log2(x)), (ops.log10(x), np.log10(x)),
        (ops.floor_divide(x, 2.0), x // 2), (ops.isinf(np.array([1, -np.inf])), [False, True]),
        (ops.logical_xor([True, True], [False, True]), [True, False]), (ops.ndim(x), 2), (ops.amax(x), 6),
        (ops.binary_crossentropy(t, p), -np.log(np.where(t == 1, p, 1 - p))), (ops.amin(x, axis=0), x.min(0)),
        (ops.categorical_crossentropy(t, p), -np.log([0.7])),
        (ops.max_pool(inputs=x[None], pool_size=2), [[[4, 5, 6]]]),
        (ops.sparse_categorical_crossentropy(np.array([1]), p), -np.log([0.7])),
        (ops.stop_gradient(variable=ops.convert_to_tensor(x=x)), x), (ops.swish(x), x / (1 + np.exp(-x))),
    ]:  # fmt: skip
        found = ops.convert_to_numpy(found)
        assert found.shape == np.shape(expected)
        np.testing.assert_allclose(found.astype("float64"), expected, rtol=1e-5)


def test_steps_of_ones_own_are_refused_rather_than_ignored():
    class Own(nnfast.Model):
        def train_step(self, data):
            return {}

    with pytest.raises(NotImplementedError, match=r"a train_step of its own, which would never be called; write"):
        Own().compile("sgd", "mse")


def test_what_is_no_setting_here_is_refused():
    np.testing.assert_array_equal(nnfast.ops.pad(np.ones((1, 2)), 1), np.pad(np.ones((1, 2)), 1))
    nnfast.config.set_floatx("float32")
    nnfast.config.set_image_data_format("channels_last")
    for call, message in [
        (lambda: nnfast.config.set_floatx("float64"), "expected 'float32', the type of all arithmetic"),
        (lambda: nnfast.config.set_image_data_format("channels_first"), "'channels_last', the only layout"),
        (lambda: nnfast.models.model_from_json("no"), "received no JSON"),
        (lambda: nnfast.ops.pad(np.ones(2), 1, "reflect"), "expected mode='constant'"),
        (lambda: nnfast.ops.pad(np.ones(2), [1, 2, 3]), "or a pair of them for each of 1 axes"),
        (lambda: nnfast.ops.norm(np.ones((2, 2)), 1), "expected ord None, or along one axis"),
    ]:
        with pytest.raises(ValueError, match=message):
            call()
    with pytest.raises(TypeError, match=r"expected to be called, as in @register_keras_serializable\(\)"):
        nnfast.utils.register_keras_serializable(nnfast.Model)
    with pytest.raises(TypeError, match="which has none yet"):
        nnfast.ops.convert_to_numpy(nnfast.Input((2,)))
