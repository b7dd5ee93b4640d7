"""Operations with Python functions for both directions: their values, gradients, errors, threads and memory."""

import gc
import threading
import weakref

import numpy as np
import pytest

import nnfast
from nnfast import layers, ops, optimizers
from nnfast.layers import Input, Lambda

rng = np.random.default_rng(0)
x = rng.normal(size=(40, 6)).astype(np.float32)
y = rng.normal(size=(40, 3)).astype(np.float32)


def forward(x):
    return np.sin(x)


def backward(gradient, output, x):
    return gradient * np.cos(x)


wave = ops.custom(forward, backward)


class Wave(layers.Layer):
    def __init__(self, function=wave, **kwargs):
        super().__init__(**kwargs)
        self.function = function

    def call(self, inputs):
        return self.function(inputs)


def make_model(middle, width=8):
    nnfast.utils.set_random_seed(3)
    return nnfast.Sequential([Input((6,)), layers.Dense(width, activation="tanh"), middle, layers.Dense(3)])


def test_on_arrays():
    np.testing.assert_allclose(wave(x), np.sin(x), rtol=1e-6)
    assert wave([1, 2]).dtype == np.float32
    outer = ops.custom(lambda a, b: a[:, :, None] * b[:, None, :], output_shape=lambda a, b: (a[0], a[1], b[1]))
    np.testing.assert_allclose(outer(x, y), np.einsum("bi,bj->bij", x, y), rtol=1e-6)


@pytest.mark.parametrize("threads", [1, 2])
def test_in_a_model_it_is_the_operation_of_the_same_formula(threads):
    before = nnfast.get_num_threads()
    nnfast.set_num_threads(threads)
    try:
        ours, builtin = make_model(Wave()), make_model(Lambda(ops.sin))
        for model in (ours, builtin):
            model.compile(optimizers.Adam(0.01), "mse", metrics=["mae"])
        np.testing.assert_allclose(ours.predict(x, verbose=0), builtin.predict(x, verbose=0), rtol=1e-5, atol=1e-6)
        found, expected = ours.gradients(x, y), builtin.gradients(x, y)
        for a, b in zip(found.values(), expected.values(), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
        a, b = (model.fit(x, y, epochs=3, batch_size=16, shuffle=False, verbose=0).history for model in (ours, builtin))
        np.testing.assert_allclose(a["loss"], b["loss"], rtol=1e-5)
        np.testing.assert_allclose(ours.evaluate(x, y, verbose=0), builtin.evaluate(x, y, verbose=0), rtol=1e-5)
    finally:
        nnfast.set_num_threads(before)


def test_numpy_keeps_its_denormals_inside():
    halve = ops.custom(lambda x: x * np.float32(0.5), output_shape=lambda shape: shape)
    x = np.full((2, 3), 2e-38, np.float32)
    np.testing.assert_array_equal(halve(x), np.full((2, 3), 1e-38, np.float32))


def test_several_inputs_a_weight_and_no_gradient_for_one():
    scale = ops.custom(lambda x, w: x * w, lambda dy, y, x, w: (None, (dy * x).sum(0)))

    class Scale(layers.Layer):
        def build(self, input_shape):
            self.w = self.add_weight((input_shape[-1],), "ones", name="w")

        def call(self, inputs):
            return scale(inputs, self.w)

    model = nnfast.Sequential([Input((6,)), layers.Dense(3, name="d"), Scale(name="s")])
    model.compile("sgd", "mse")
    found = model.gradients(x, y)
    p = model.predict(x, verbose=0)
    np.testing.assert_allclose(found["s/w"], (2 * (p - y) / p.size * p).sum(0), rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(found["d/kernel"], 0)


def test_as_a_loss():
    mean_square = ops.custom(
        lambda p, t: np.mean((p - t) ** 2, axis=-1),
        lambda dy, y, p, t: (dy[:, None] * 2 * (p - t) / p.shape[-1], None),
        output_shape=lambda p, t: p[:1],
    )
    ours, builtin = make_model(Lambda(ops.sin)), make_model(Lambda(ops.sin))
    ours.compile("sgd", lambda y_true, y_pred: mean_square(y_pred, y_true))
    builtin.compile("sgd", "mse")
    a, b = (model.fit(x, y, epochs=2, shuffle=False, verbose=0).history["loss"] for model in (ours, builtin))
    np.testing.assert_allclose(a, b, rtol=1e-5)
    for one, other in zip(ours.get_weights(), builtin.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_in_a_functional_model_and_a_file(tmp_path):
    nnfast.utils.register_serializable(wave, "wave")
    inputs = Input((6,))
    model = nnfast.Model(inputs, layers.Dense(2)(wave(inputs)) + 1.0)
    assert model.layers[1].output_shape_seen == (None, 6)
    model.save(tmp_path / "m.safetensors")
    again = nnfast.load_model(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))


@pytest.mark.parametrize("where", ["forward", "backward"])
@pytest.mark.parametrize("width", [8, 4096])  # the wide one runs on the team of threads
def test_what_it_raises_reaches_the_user_and_the_model_goes_on(where, width):
    calls = {"count": 0, "fail": -1}

    def counted(name, function):
        def call(*args):
            if name == where:
                calls["count"] += 1
                if calls["count"] == calls["fail"]:
                    raise ZeroDivisionError("from the function")
            return function(*args)

        return call

    model = make_model(Wave(ops.custom(counted("forward", forward), counted("backward", backward))), width)
    model.compile(optimizers.Adam(0.01), "mse")
    model.fit(x, y, batch_size=10, verbose=0, shuffle=False)
    assert model.optimizer.iterations == 4
    calls["fail"] = calls["count"] + 3
    with pytest.raises(ZeroDivisionError, match="from the function"):
        model.fit(x, y, batch_size=10, verbose=0, shuffle=False)
    assert model.optimizer.iterations == 6  # the third step is not taken

    twin = make_model(Wave(), width)
    twin.compile(optimizers.Adam(0.01), "mse")
    twin.fit(x, y, batch_size=10, verbose=0, shuffle=False)
    twin.fit(x[:20], y[:20], batch_size=10, verbose=0, shuffle=False)
    for model_again in (model, twin):
        model_again.fit(x, y, batch_size=10, verbose=0, shuffle=False)
    for a, b in zip(model.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("operation", "message"),
    [
        (ops.custom(lambda x: x[:, :2], backward), r"expected an array of shape \(40, 8\); received one of shape"),
        (ops.custom(forward, lambda *a: a[0][:1]), r"backward, gradient 0: expected an array of shape \(40, 8\)"),
        (ops.custom(forward, lambda *a: (a[0], a[0])), "expected backward to return 1 gradients.*received 2"),
        (ops.custom(forward), "a gradient is wanted, but the operation was given no backward function"),
    ],
)
def test_wrong_results(operation, message):
    model = make_model(Wave(operation))
    model.compile("sgd", "mse")
    before = model.get_weights()
    with pytest.raises(ValueError, match=message):
        model.fit(x, y, batch_size=40, verbose=0)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("value", ["text", None, {}])
def test_results_that_are_no_arrays(value):
    with pytest.raises(TypeError, match="expected an array of numbers"):
        ops.custom(lambda x: value)(x)


def test_settings():
    with pytest.raises(TypeError, match="expected forward to be a function; received 3"):
        ops.custom(3)
    with pytest.raises(TypeError, match="expected backward to be a function; received 'sin'"):
        ops.custom(forward, "sin")
    with pytest.raises(ValueError, match="expected at least one input"):
        wave()


def test_without_backward_it_serves_where_no_gradient_is_wanted():
    plain = ops.custom(forward)
    model = make_model(Wave(plain))
    model.compile("sgd", "mse")
    np.testing.assert_array_equal(model.predict(x, verbose=0), make_model(Wave()).predict(x, verbose=0))
    first = nnfast.Sequential([Input((6,)), Wave(plain), layers.Dense(3)])  # no weight before it
    first.compile("sgd", "mse")
    first.fit(x, y, verbose=0)
    behind = nnfast.Sequential([Input((6,)), layers.Dense(6), Lambda(ops.stop_gradient), Wave(plain), layers.Dense(3)])
    behind.compile("sgd", "mse")
    assert not behind.gradients(x, y)[f"{behind.layers[0].name}/kernel"].any()


def test_arrays_that_it_keeps_stay_what_they_were():
    kept = []

    def keeping(x):
        kept.append(x)
        return x + 1

    model = nnfast.Sequential([Input((6,)), Lambda(ops.custom(keeping)), layers.Dense(3)])
    model.predict(x, batch_size=10, verbose=0)
    model = None
    gc.collect()
    np.testing.assert_array_equal(np.concatenate(kept[-4:]), x)


def test_a_model_may_be_used_inside():
    inner = make_model(Lambda(ops.tanh), 4096)
    outer = nnfast.Sequential(
        [Input((6,)), Lambda(ops.custom(lambda x: inner.predict(x, verbose=0), output_shape=lambda s: (s[0], 3)))]
    )
    np.testing.assert_array_equal(outer.predict(x, verbose=0), inner.predict(x, verbose=0))


def test_several_python_threads_do_not_block_each_other():
    wide = make_model(Wave(), 4096)
    wide.compile("sgd", "mse")
    expected = wide.predict(x, verbose=0)
    small = make_model(Wave())
    wrong, done = [], []

    def predict():
        for _ in range(30):
            if not np.array_equal(wide.predict_on_batch(x), expected):
                wrong.append("differs")
        done.append(1)

    def train():
        small.compile("sgd", "mse")
        small.fit(x, y, epochs=30, batch_size=8, verbose=0)
        done.append(1)

    workers = [threading.Thread(target=work, daemon=True) for work in (predict, predict, train)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    assert len(done) == 3, "threads are stuck"
    assert not wrong


def test_a_model_that_its_own_operation_leads_back_to_is_collected():
    class Net(nnfast.Model):
        def __init__(self):
            super().__init__()
            self.out = layers.Dense(3)
            self.operation = ops.custom(self.double, lambda dy, y, x: 2 * dy)

        def double(self, x):
            return 2 * x

        def call(self, inputs):
            return self.out(self.operation(inputs))

    model = Net()
    model.compile("sgd", "mse")
    model.fit(x, y, verbose=0)
    model.predict(x, verbose=0)
    alive = weakref.ref(model)
    del model
    gc.collect()
    assert alive() is None
