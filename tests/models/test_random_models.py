"""Small models of random layers: rows by themselves, threads, training, files."""

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import nnfast
from nnfast import layers, ops

# Functions of the sample's shape that give a layer, or None where none fits.
VECTOR = [
    lambda draw, shape: layers.Dense(draw(st.integers(1, 9)), activation=draw(st.sampled_from(ACTIVATIONS))),
    lambda draw, shape: layers.Activation(draw(st.sampled_from(ACTIVATIONS))),
    lambda draw, shape: layers.LayerNormalization(scale=draw(st.booleans())),
    lambda draw, shape: layers.RMSNormalization(),
    lambda draw, shape: layers.GroupNormalization(groups=-1),
    lambda draw, shape: layers.BatchNormalization(momentum=0.9),
    lambda draw, shape: layers.Dropout(draw(st.sampled_from([0.0, 0.3]))),
    lambda draw, shape: layers.GaussianNoise(0.1),
    lambda draw, shape: layers.AlphaDropout(0.2),
    lambda draw, shape: layers.PReLU(),
    lambda draw, shape: layers.Swish(),
    lambda draw, shape: layers.LeakyReLU(),
    lambda draw, shape: layers.Softmax(),
    lambda draw, shape: layers.Rescaling(0.5, 0.1),
    lambda draw, shape: layers.Lambda(ops.tanh),
]
IMAGE = [
    *VECTOR,
    lambda draw, shape: layers.Conv2D(
        draw(st.integers(1, 5)), draw(st.integers(1, 3)), padding="same", activation=draw(st.sampled_from(ACTIVATIONS))
    ),
    lambda draw, shape: layers.DepthwiseConv2D(3, padding="same"),
    lambda draw, shape: layers.MaxPooling2D(2) if min(shape[:2]) > 1 else None,
    lambda draw, shape: layers.AveragePooling2D(2, padding="same"),
    lambda draw, shape: layers.ZeroPadding2D(1),
    lambda draw, shape: layers.SpatialDropout2D(0.2),
    lambda draw, shape: layers.UpSampling2D(2) if max(shape[:2]) < 8 else None,
    lambda draw, shape: layers.Permute((2, 1, 3)),
]
ACTIVATIONS = ["linear", "relu", "tanh", "sigmoid", "gelu", "elu", "softplus", "silu", "softmax"]


@st.composite
def models(draw):
    """A model with a chain of layers, perhaps with a branch that is added or joined again."""
    image = draw(st.booleans())
    shape = (draw(st.integers(2, 7)), draw(st.integers(2, 7)), draw(st.integers(1, 5))) if image else (draw(
        st.integers(1, 20)),)  # fmt: skip
    x = inputs = layers.Input(shape)
    for _ in range(draw(st.integers(1, 4))):
        kinds = IMAGE if len(x.shape) == 4 else VECTOR
        layer = draw(st.sampled_from(kinds))(draw, x.shape[1:])
        if layer is None:
            continue
        y = layer(x)
        join = draw(st.sampled_from(["", "", "add", "concatenate"]))
        if join and y.shape == x.shape:
            y = layers.Add()([x, y]) if join == "add" else layers.Concatenate()([x, y])
        x = y
        if len(x.shape) == 4 and draw(st.integers(0, 3)) == 0:
            x = draw(st.sampled_from([layers.Flatten, layers.GlobalAveragePooling2D, layers.GlobalMaxPooling2D]))()(x)
    outputs = layers.Dense(2)(layers.Flatten()(x))
    return nnfast.Model(inputs, outputs), shape


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(model_and_shape=models(), rows=st.integers(1, 9), batch_size=st.integers(1, 9))
def test_any_model(model_and_shape, rows, batch_size, tmp_path):
    model, shape = model_and_shape
    rng = np.random.default_rng(rows)
    x = rng.normal(size=(rows, *shape)).astype(np.float32)
    y = rng.normal(size=(rows, 2)).astype(np.float32)
    for weight in model.weights:
        value = rng.normal(scale=0.5, size=weight.shape)
        weight.assign(np.abs(value) + 0.5 if "variance" in weight.name else value)
    whole = model.predict(x, batch_size=rows, verbose=0)
    assert whole.shape == (rows, 2)
    np.testing.assert_array_equal(model.predict(x, batch_size=batch_size, verbose=0), whole)
    np.testing.assert_array_equal(np.concatenate([model.predict_on_batch(row[None]) for row in x]), whole)
    np.testing.assert_array_equal(model(x), whole)

    model.compile(nnfast.optimizers.SGD(1e-3), "mse")
    model.save(tmp_path / "m.safetensors")
    before = nnfast.get_num_threads()
    trained = []
    try:
        for threads in (1, 2):
            nnfast.set_num_threads(threads)
            twin = nnfast.load_model(tmp_path / "m.safetensors")
            np.testing.assert_array_equal(twin.predict(x, verbose=0), whole)
            loss = twin.fit(x, y, batch_size=batch_size, verbose=0).history["loss"]
            trained.append((loss, twin.get_weights()))
    finally:
        nnfast.set_num_threads(before)
    np.testing.assert_array_equal(trained[0][0], trained[1][0])
    for one, two in zip(trained[0][1], trained[1][1], strict=True):
        np.testing.assert_array_equal(one, two)
