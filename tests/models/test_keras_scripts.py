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
