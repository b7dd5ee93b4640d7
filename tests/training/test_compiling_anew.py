"""Compiling a model again, between fits and within one, and freezing layers meanwhile."""

import numpy as np
import pytest

import nnfast
from nnfast import callbacks, layers, optimizers

rng = np.random.default_rng(7)
x = rng.normal(size=(40, 3)).astype(np.float32)
y = x.sum(axis=1, keepdims=True)


def make_model(optimizer="adam", loss="mse"):
    nnfast.utils.set_random_seed(0)
    model = nnfast.Sequential([layers.Input((3,)), layers.Dense(8, "tanh"), layers.Dense(1)])
    model.compile(optimizer, loss)
    return model


def fit(model, epochs=1, **settings):
    return model.fit(x, y, batch_size=10, epochs=epochs, shuffle=False, verbose=0, **settings)


def same_weights(one, two):
    for a, b in zip(one.get_weights(), two.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_same_optimizer_goes_on_where_it_stands(tmp_path):
    unbroken, again, loaded = make_model(), make_model(), make_model()
    fit(unbroken, 4)
    fit(again, 2)
    again.compile(again.optimizer, "mse", metrics=["mae"])
    fit(again, 2)
    same_weights(again, unbroken)
    fit(loaded, 2)
    loaded.compile(loaded.optimizer, "mse")
    loaded.save(tmp_path / "m.safetensors")  # before a step has made the optimizer's state anew
    loaded = nnfast.load_model(tmp_path / "m.safetensors")
    fit(loaded, 2)
    same_weights(loaded, unbroken)


def test_another_optimizer_begins_anew():
    model, fresh = make_model(), make_model()
    fit(model, 2)
    fresh.set_weights(model.get_weights())
    model.compile("adam", "mse")
    fit(model, 2)
    fit(fresh, 2)
    same_weights(model, fresh)


def test_an_optimizer_belongs_to_one_model():
    optimizer = optimizers.Adam()
    first, second = make_model(optimizer), make_model(optimizer)
    fit(first)
    with pytest.raises(ValueError, match=r"expected an optimizer of its own; received .*, which has taken 4 steps"):
        fit(second)
    sharing = nnfast.Sequential([layers.Input((3,)), first.layers[0], layers.Dense(1)])
    sharing.compile(optimizer, "mse")
    assert np.isfinite(fit(sharing).history["loss"][0])


@pytest.mark.parametrize("hook", ["on_train_batch_begin", "on_train_batch_end"])
def test_compiled_within_an_epoch_the_rest_of_it_is_trained_so(hook):
    model, steps = make_model(), []

    def compile_anew(batch, logs=None):
        steps.append(batch)
        if len(steps) == 2:
            model.compile(optimizers.SGD(0.5), "mae")

    history = fit(model, callbacks=[callbacks.LambdaCallback(**{hook: compile_anew})]).history
    first = 1 if hook == "on_train_batch_begin" else 2  # the first batch of SGD
    by_hand = make_model()
    losses = []
    for i in range(4):
        if i == first:
            by_hand.compile(optimizers.SGD(0.5), "mae")
        loss = by_hand.train_on_batch(x[10 * i : 10 * i + 10], y[10 * i : 10 * i + 10])
        losses += [loss] if i >= first else []
    assert model.optimizer.steps == 4 - first
    same_weights(model, by_hand)
    assert history["loss"] == [pytest.approx(np.mean(losses))]


def test_frozen_within_an_epoch_a_layer_stays_as_it_is():
    model, kernels = make_model(), []

    def freeze(batch, logs):
        kernels.append(model.layers[0].kernel.numpy())
        model.layers[0].trainable = batch < 1

    fit(model, callbacks=[callbacks.LambdaCallback(on_train_batch_end=freeze)])
    assert not np.array_equal(kernels[0], kernels[1])
    np.testing.assert_array_equal(kernels[1], kernels[3])


def test_the_optimizer_remembers_frozen_weights(tmp_path):
    def thaw(model):
        model.layers[0].trainable = True
        fit(model)

    reference, saved = make_model(optimizers.SGD(0.01, momentum=0.9)), make_model(optimizers.SGD(0.01, momentum=0.9))
    for model in (reference, saved):
        fit(model)
        model.layers[0].trainable = False
        fit(model)
    slots = reference.programs.numbered_slots()
    assert sorted(number for _, number in slots) == [0, 1, 2, 3]
    assert all(np.any(value) for value in slots.values())
    saved.save(tmp_path / "m.safetensors")
    saved = nnfast.load_model(tmp_path / "m.safetensors")
    thaw(reference)
    thaw(saved)
    same_weights(reference, saved)
