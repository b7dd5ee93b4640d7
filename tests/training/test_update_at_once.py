"""Large kernels are updated where their gradients are made; nobody must be able to tell, but by the time it takes."""

import numpy as np
import pytest

import nnfast
from nnfast import layers, ops, optimizers
from nnfast.callbacks import Callback, GradientMonitor
from nnfast.initializers import RandomNormal

rng = np.random.default_rng(0)

OPTIMIZERS = {
    "sgd": lambda: optimizers.SGD(0.1),
    "momentum": lambda: optimizers.SGD(0.1, momentum=0.9),
    "nesterov": lambda: optimizers.SGD(0.1, momentum=0.9, nesterov=True),
    "adagrad": lambda: optimizers.Adagrad(0.1),
    "rmsprop": lambda: optimizers.RMSprop(0.01),
    "rmsprop momentum centered": lambda: optimizers.RMSprop(0.01, momentum=0.9, centered=True),
    "adadelta": lambda: optimizers.Adadelta(1.0),
    "adam": lambda: optimizers.Adam(0.01),
    "amsgrad": lambda: optimizers.Adam(0.01, amsgrad=True),
    "nadam": lambda: optimizers.Nadam(0.01),
    "adamax": lambda: optimizers.Adamax(0.01),
    "radam": lambda: optimizers.RAdam(0.01),
    "lion": lambda: optimizers.Lion(0.01),
    "decay": lambda: optimizers.Adam(0.01, weight_decay=0.1),
    "clipvalue": lambda: optimizers.SGD(0.1, momentum=0.9, clipvalue=1e-3),
}
# What needs more of the gradients than one at a time.
OTHERS = {
    "clipnorm": lambda: optimizers.SGD(0.1, clipnorm=0.01),
    "global_clipnorm": lambda: optimizers.SGD(0.1, global_clipnorm=0.01),
    "average": lambda: optimizers.SGD(0.1, use_ema=True),
    "accumulation": lambda: optimizers.SGD(0.1, gradient_accumulation_steps=2),
}


class Keep(Callback):
    wants_gradients = True


class Square(layers.Layer):
    """Its second call fails in the backward direction."""

    calls = 0

    def call(self, x):
        def backward(dy, y, x):
            Square.calls += 1
            if Square.calls == 2:
                raise RuntimeError("enough")
            return 2 * x * dy

        return ops.custom(lambda x: x * x, backward)(x)


def network(optimizer, inputs, units, *, first=list, **options):
    nnfast.utils.set_random_seed(1)
    hidden = layers.Dense(units, "relu", kernel_initializer=RandomNormal(stddev=0.05), **options)
    model = nnfast.Sequential([layers.Input((inputs,)), *first(), hidden, layers.Dense(3, "softmax")])
    model.compile(optimizer, "sparse_categorical_crossentropy")
    return model


def hidden_layers(count):
    return [layers.Dense(1280, "relu", kernel_initializer=RandomNormal(stddev=0.05)) for _ in range(count)]


def batch(rows, inputs):
    return rng.normal(size=(rows, inputs)).astype(np.float32), np.arange(rows) % 3


def train(model, x, y, rows, callbacks=()):
    model.fit(x, y, batch_size=rows, epochs=2, shuffle=False, callbacks=list(callbacks), verbose=0)
    return [*model.get_weights(), *model.programs.numbered_slots().values()]


def is_at_once(model, rows, inputs):
    return "+ update" in model.plan(*batch(rows, inputs))


def check_equal(found, expected):
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize(("inputs", "units"), [(1024, 1296), (1283, 1027)])
def test_same_bits_as_afterwards(name, inputs, units):
    x, y = batch(40, inputs)
    model, other = (network(OPTIMIZERS[name](), inputs, units) for _ in range(2))
    model.build()
    before = [weight.copy() for weight in model.get_weights()]
    assert is_at_once(model, 20, inputs)
    found = train(model, x, y, 20)
    assert not np.array_equal(found[0], before[0])
    check_equal(found, train(other, x, y, 20, [Keep()]))


@pytest.mark.parametrize("rows", [1, 13, 383, 400, 512])
def test_any_size_of_batch(rows):
    x, y = batch(rows, 1280)
    model, other = (network(optimizers.Adam(0.01), 1280, 1027) for _ in range(2))
    check_equal(train(model, x, y, rows), train(other, x, y, rows, [Keep()]))


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_same_bits_on_any_number_of_threads(threads):
    x, y = batch(64, 1280)
    before = nnfast.get_num_threads()
    results = []
    try:
        for count in (1, threads):
            nnfast.set_num_threads(count)
            model = network(optimizers.Adam(0.01), 1280, 1056, first=lambda: hidden_layers(1))
            results.append(train(model, x, y, 64))
    finally:
        nnfast.set_num_threads(before)
    check_equal(results[0], results[1])


def test_the_gradient_before_it_is_of_the_old_kernel():
    x, y = batch(40, 1280)

    model, other = (network(optimizers.SGD(0.5), 1280, 1024, first=lambda: hidden_layers(2)) for _ in range(2))
    assert model.plan(x, y).count("+ update") == 3
    check_equal(train(model, x, y, 40), train(other, x, y, 40, [Keep()]))


@pytest.mark.parametrize("name", OTHERS)
def test_not_where_an_update_needs_more_than_one_gradient(name):
    model = network(OTHERS[name](), 1280, 1024)
    assert not is_at_once(model, 20, 1280)


def test_not_where_the_kernel_is_used_elsewhere():
    regularized = network("sgd", 1280, 1024, kernel_regularizer="l2")
    assert not is_at_once(regularized, 20, 1280)
    shared = layers.Dense(1280, "relu")
    inputs = layers.Input((1280,))
    model = nnfast.Model(inputs, layers.Dense(3, "softmax")(shared(shared(inputs))))
    model.compile("sgd", "sparse_categorical_crossentropy")
    assert not is_at_once(model, 20, 1280)
    frozen = network("sgd", 1280, 1024)
    frozen.layers[0].trainable = False
    assert not is_at_once(frozen, 20, 1280)


def test_not_where_gradients_are_read():
    x, y = batch(60, 1280)
    model = network(optimizers.SGD(0.0), 1280, 1024)
    expected = {path: np.linalg.norm(gradient) for path, gradient in model.gradients(x, y).items()}
    monitor = GradientMonitor(verbose=0)
    for data in ({"x": x, "y": y, "batch_size": 60}, {"x": iter([(x, y)]), "steps_per_epoch": 1}):
        model.fit(**data, callbacks=[monitor], verbose=0)
        assert {path: norms[-1] for path, norms in monitor.norms.items()} == pytest.approx(expected, rel=1e-4)
    model.fit(x, y, batch_size=60, verbose=0)  # without the callback
    assert is_at_once(model, 60, 1280)


def test_constraints_come_after_it():
    x, y = batch(40, 1280)
    model, other = (network(optimizers.SGD(0.5), 1280, 1024, kernel_constraint="max_norm") for _ in range(2))
    assert is_at_once(model, 20, 1280)
    check_equal(train(model, x, y, 20), train(other, x, y, 20, [Keep()]))


def test_rates_of_single_weights():
    x, y = batch(40, 1280)
    models = [network(optimizers.SGD(0.5), 1280, 1024) for _ in range(3)]
    for model in models[:2]:
        model.layers[0].kernel.learning_rate_multiplier = 0.25
    results = [train(model, x, y, 20, [Keep()] if i == 1 else []) for i, model in enumerate(models)]
    check_equal(results[0], results[1])
    assert not np.array_equal(results[0][0], results[2][0])


def test_a_step_that_fails_changes_nothing():
    Square.calls = 0
    x, y = batch(40, 1280)
    model = network(optimizers.SGD(0.5), 1280, 1024, first=lambda: [layers.Dense(1280), Square()])
    assert not is_at_once(model, 40, 1280)
    model.train_on_batch(x, y)
    before = [weight.copy() for weight in model.get_weights()]
    with pytest.raises(RuntimeError, match="enough"):
        model.train_on_batch(x, y)
    check_equal(model.get_weights(), before)


def test_a_profile_changes_nothing():
    x, y = batch(40, 1280)
    model = network(optimizers.Adam(0.01), 1280, 1024)
    before = train(model, x, y, 20)
    assert "dense + relu + update" in model.plan(x, y, profile=True)
    check_equal([*model.get_weights(), *model.programs.numbered_slots().values()], before)
