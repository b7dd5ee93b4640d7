"""What fit, evaluate and predict take beside arrays, and that it trains as the same rows in arrays do."""

import numpy as np
import pytest

import nnfast
from nnfast import layers, optimizers

rng = np.random.default_rng(4)
x = rng.normal(size=(40, 3)).astype(np.float32)
y = (x.sum(axis=1, keepdims=True) > 0).astype(np.float32)
weights = rng.random(40).astype(np.float32)


def make_model(optimizer="adam"):
    nnfast.utils.set_random_seed(0)
    model = nnfast.Sequential([layers.Input((3,)), layers.Dense(8, "tanh"), layers.Dense(1, "sigmoid")])
    model.compile(optimizer, "binary_crossentropy", metrics=["accuracy"])
    return model


def expected(**settings):
    model = make_model()
    history = model.fit(x, y, batch_size=10, shuffle=False, verbose=0, **settings).history
    return model, history


class Batches:
    """Like keras.utils.PyDataset."""

    def __init__(self, weighted=False):
        self.weighted = weighted
        self.epochs_ended = 0

    def __len__(self):
        return 4

    def __getitem__(self, i):
        rows = slice(10 * i, 10 * i + 10)
        return (x[rows], y[rows], weights[rows]) if self.weighted else (x[rows], y[rows])

    def on_epoch_end(self):
        self.epochs_ended += 1


def endless(weighted=False):
    batches = Batches(weighted)
    while True:
        for i in range(len(batches)):
            yield batches[i]


def same_weights(one, two):
    for a, b in zip(one.get_weights(), two.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_fewer_steps_of_predict_return_their_rows():
    model = make_model()
    found = model.predict(x, batch_size=16, steps=2, verbose=0)
    np.testing.assert_array_equal(found, model.predict(x, verbose=0)[:32])
    np.testing.assert_array_equal(model.predict(x, batch_size=16, steps=9, verbose=0), model.predict(x, verbose=0))


@pytest.mark.parametrize("shuffle", [False, True])
def test_epochs_of_fewer_steps_go_on_through_the_rows(shuffle):
    whole, parts, anew = make_model(), make_model(), make_model()
    whole.fit(x, y, batch_size=8, shuffle=shuffle, epochs=2, verbose=0)
    with pytest.warns(UserWarning, match="steps_per_epoch=2 steps; there are batches for 1 left in this pass"):
        history = parts.fit(x, y, batch_size=8, shuffle=shuffle, epochs=6, steps_per_epoch=2, verbose=0).history
    assert len(history["loss"]) == 6
    same_weights(whole, parts)
    with pytest.warns(UserWarning, match="steps_per_epoch=7 steps; there are batches for 5"):
        anew.fit(x, y, batch_size=8, shuffle=shuffle, epochs=2, steps_per_epoch=7, verbose=0)
    same_weights(whole, anew)


def test_callbacks_count_the_steps_of_each_epoch_from_0():
    seen = []

    class Watch(nnfast.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            seen.append(batch)

    make_model().fit(x, y, batch_size=10, epochs=2, steps_per_epoch=2, callbacks=[Watch()], verbose=0)
    assert seen == [0, 1, 0, 1]


def test_a_backup_within_a_pass_goes_on_with_its_rows(tmp_path):
    class Stop(nnfast.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                raise KeyboardInterrupt

    whole, other = make_model(), make_model()
    settings = {"batch_size": 10, "epochs": 2, "steps_per_epoch": 2, "verbose": 0}
    whole.fit(x, y, **settings)
    with pytest.raises(KeyboardInterrupt):
        other.fit(x, y, callbacks=[nnfast.callbacks.BackupAndRestore(tmp_path / "b"), Stop()], **settings)
    again = make_model()
    again.fit(x, y, callbacks=[nnfast.callbacks.BackupAndRestore(tmp_path / "b")], **settings)
    same_weights(whole, again)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_tables(library):
    module = pytest.importorskip(library)
    table = module.DataFrame({name: x[:, i] for i, name in enumerate("abc")})
    target = module.DataFrame({"t": y[:, 0]})
    reference, history = expected(epochs=2, sample_weight=weights, validation_split=0.25)
    model = make_model()
    found = model.fit(
        table,
        target,
        sample_weight=module.Series(weights),
        batch_size=10,
        shuffle=False,
        epochs=2,
        validation_split=0.25,
        verbose=0,
    )
    assert found.history == history
    same_weights(model, reference)
    assert model.evaluate(table, target, verbose=0) == reference.evaluate(x, y, verbose=0)
    np.testing.assert_array_equal(model.predict(table, verbose=0), reference.predict(x, verbose=0))


@pytest.mark.parametrize("weighted", [False, True])
def test_batches_by_number(weighted):
    reference, history = expected(epochs=3, sample_weight=weights if weighted else None)
    batches = Batches(weighted)
    model = make_model()
    assert model.fit(batches, epochs=3, verbose=0).history == history
    assert batches.epochs_ended == 3
    same_weights(model, reference)
    assert model.evaluate(Batches(), verbose=0) == pytest.approx(reference.evaluate(x, y, batch_size=10, verbose=0))
    np.testing.assert_array_equal(model.predict(Batches(), verbose=0), reference.predict(x, verbose=0))


def test_a_generator_without_end_for_training_and_validation():
    reference, history = expected(epochs=3, validation_data=(x[:20], y[:20]), validation_batch_size=10)
    model = make_model()

    def validation():
        while True:
            yield x[:10], y[:10]
            yield x[10:20], y[10:20]

    found = model.fit(
        endless(), steps_per_epoch=4, epochs=3, validation_data=validation(), validation_steps=2, verbose=0
    )
    assert found.history == history
    same_weights(model, reference)


def test_class_weights_with_a_generator():
    model, other = make_model(), make_model()
    model.fit(endless(), steps_per_epoch=4, class_weight={0: 1.0, 1: 5.0}, verbose=0)
    factors = np.where(y[:, 0] == 1, 5.0, 1.0)
    other.fit(x, y, batch_size=10, shuffle=False, sample_weight=factors, verbose=0)
    same_weights(model, other)


def test_a_generator_that_ends():
    finite = (Batches()[i] for i in range(4))
    with pytest.raises(ValueError, match="expected at least one batch from the generator; received none"):
        make_model().fit(finite, epochs=2, verbose=0)


def test_a_generator_with_fewer_batches_than_steps():
    with pytest.warns(UserWarning, match="expected 5 batches; the generator ended after 4"):
        make_model().fit((Batches()[i] for i in range(4)), steps_per_epoch=5, verbose=0)


def test_fewer_steps_of_batches_by_number_go_on_through_them():
    whole, parts = make_model(), make_model()
    whole.fit(Batches(), epochs=2, verbose=0)
    parts.fit(Batches(), epochs=4, steps_per_epoch=2, verbose=0)
    same_weights(whole, parts)


def test_batches_and_validation_data_in_lists():
    reference, history = expected(validation_data=(x, y))
    model = make_model()
    batches = [list(Batches()[i]) for i in range(4)]
    assert model.fit(iter(batches), validation_data=[x, y], validation_batch_size=10, verbose=0).history == history
    same_weights(model, reference)
    np.testing.assert_array_equal(model.predict(iter(batches), verbose=0), reference.predict(x, verbose=0))


def test_hooks_of_batches_by_number():
    class Told(nnfast.utils.PyDataset, Batches):
        def __init__(self):
            nnfast.utils.PyDataset.__init__(self)
            Batches.__init__(self)
            self.told = []

        __len__ = Batches.__len__
        __getitem__ = Batches.__getitem__

        def on_epoch_begin(self):
            self.told.append("begin")

        def on_epoch_end(self):
            self.told.append("end")

    model = make_model()
    batches, validation = Told(), Told()
    model.fit(batches, epochs=2, validation_data=validation, verbose=0)
    model.predict(batches, verbose=0)
    assert batches.told == ["begin", "end"] * 3
    assert validation.told == ["begin", "end"] * 2


def test_predict_asks_a_generator_for_no_more_than_its_steps_and_calls_hooks():
    model, seen = make_model(), []
    hook = nnfast.callbacks.LambdaCallback(
        on_predict_begin=lambda logs: seen.append("begin"),
        on_predict_batch_end=lambda batch, logs: seen.append((batch, len(logs["outputs"]))),
        on_predict_end=lambda logs: seen.append("end"),
    )
    batches = endless()
    found = model.predict(batches, steps=3, callbacks=[hook], verbose=0)
    np.testing.assert_array_equal(found, model.predict(x[:30], verbose=0))
    assert seen == ["begin", (0, 10), (1, 10), (2, 10), "end"]
    np.testing.assert_array_equal(next(batches)[0], x[30:])


def test_balanced_classes_beside_a_generator():
    with pytest.raises(ValueError, match="received 'balanced', which needs all targets at once"):
        make_model().fit(endless(), steps_per_epoch=1, class_weight="balanced", verbose=0)


@pytest.mark.parametrize("make", [memoryview, lambda values: values.tolist()])
def test_rows_in_buffers_and_lists(make):
    reference, _ = expected(epochs=2)
    model = make_model()
    model.fit(make(x), make(y), batch_size=10, shuffle=False, epochs=2, verbose=0)
    same_weights(model, reference)


def test_targets_beside_a_generator():
    with pytest.raises(ValueError, match="from the generator; received them beside it"):
        make_model().fit(endless(), y, steps_per_epoch=1, verbose=0)
    with pytest.raises(ValueError, match="evaluate: expected y and sample_weight from the generator"):
        make_model().evaluate(endless(), y, steps=1, verbose=0)


class Stop(nnfast.callbacks.Callback):
    """Ends what runs, in the hook of this name."""

    def __init__(self, hook, flag):
        super().__init__()
        setattr(self, hook, lambda *arguments, **settings: setattr(self.model, flag, True))


class TestStops:
    @pytest.mark.parametrize("make", [lambda: (x, y), lambda: (Batches(),)])
    def test_a_stop_of_training_stops_nothing_else(self, make):
        model, watched = make_model(), nnfast.callbacks.LambdaCallback(on_test_batch_end=lambda batch, logs: None)
        model.fit(x, y, epochs=3, callbacks=[Stop("on_epoch_end", "stop_training")], verbose=0)
        assert len(model.history.epoch) == 1 and model.stop_training
        whole = model.evaluate(x, y, batch_size=10, verbose=0)
        assert model.evaluate(*make(), batch_size=10, callbacks=[watched], verbose=0) == pytest.approx(whole)
        assert model.evaluate(*make(), batch_size=10, verbose=1) == pytest.approx(whole)

    def test_a_stop_within_an_epoch_lets_its_validation_run(self):
        model, batches = make_model(), []
        watched = nnfast.callbacks.LambdaCallback(on_test_batch_end=lambda batch, logs: batches.append(batch))
        stop = Stop("on_train_batch_end", "stop_training")
        model.fit(x, y, batch_size=10, validation_data=(x, y), callbacks=[stop, watched], verbose=0)
        assert model.optimizer.steps == 1
        assert batches == [0, 1, 2, 3]

    @pytest.mark.parametrize("hook", ["on_train_begin", "on_epoch_begin"])
    @pytest.mark.parametrize("make", [lambda: (x, y), lambda: (Batches(),)])
    def test_a_stop_before_the_first_batch_takes_one_step_as_in_keras(self, hook, make):
        model = make_model()
        model.fit(*make(), batch_size=10, epochs=3, callbacks=[Stop(hook, "stop_training")], verbose=0)
        assert model.optimizer.steps == 1

    @pytest.mark.parametrize("make", [lambda: (x, y), lambda: (Batches(),)])
    def test_evaluation_and_prediction_have_stops_of_their_own(self, make):
        model = make_model()
        first = model.evaluate(x[:10], y[:10], verbose=0)
        for _ in range(2):  # the next call begins anew
            stop = Stop("on_test_batch_end", "stop_evaluating")
            assert model.evaluate(*make(), batch_size=10, callbacks=[stop], verbose=0) == pytest.approx(first)
            stop = Stop("on_predict_batch_end", "stop_predicting")
            found = model.predict(make()[0], batch_size=10, callbacks=[stop], verbose=0)
            np.testing.assert_array_equal(found, model.predict(x[:10], verbose=0))
        assert len(model.predict(x, verbose=0)) == 40


class TestOptimizerSettingsInFit:
    def test_accumulated_gradients_are_those_of_the_larger_batch(self):
        small = make_model(optimizers.SGD(0.5, momentum=0.9, gradient_accumulation_steps=4))
        large = make_model(optimizers.SGD(0.5, momentum=0.9))
        small.fit(x, y, batch_size=10, epochs=3, shuffle=False, verbose=0)
        large.fit(x, y, batch_size=40, epochs=3, shuffle=False, verbose=0)
        assert small.optimizer.iterations == large.optimizer.iterations == 3
        for a, b in zip(small.get_weights(), large.get_weights(), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)

    def test_fit_ends_with_the_average_of_the_weights(self):
        model = make_model(optimizers.SGD(0.5, use_ema=True, ema_momentum=0.8))
        plain = make_model(optimizers.SGD(0.5))
        plain.train_on_batch(x, y)
        average = plain.get_weights()  # as in Keras it starts with the first update
        for _ in range(5):
            plain.train_on_batch(x, y)
            average = [0.8 * a + 0.2 * w for a, w in zip(average, plain.get_weights(), strict=True)]
        model.fit(x, y, batch_size=40, epochs=6, shuffle=False, verbose=0)
        for a, b in zip(model.get_weights(), average, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)

    @pytest.mark.parametrize("clipping", ["clipvalue", "clipnorm", "global_clipnorm"])
    def test_clipping(self, clipping):
        limit = 0.01
        model = make_model(optimizers.SGD(1.0, **{clipping: limit}))
        before = model.get_weights()
        gradients = list(model.gradients(x, y).values())
        model.fit(x, y, batch_size=40, epochs=1, shuffle=False, verbose=0)
        total = np.sqrt(sum(np.sum(g**2) for g in gradients))
        assert total > limit
        for old, new, gradient in zip(before, model.get_weights(), gradients, strict=True):
            clipped = {
                "clipvalue": np.clip(gradient, -limit, limit),
                "clipnorm": gradient * min(1, limit / np.linalg.norm(gradient)),
                "global_clipnorm": gradient * (limit / total),
            }[clipping]
            np.testing.assert_allclose(old - new, clipped, rtol=1e-3, atol=1e-6)

    def test_what_is_excluded_does_not_decay(self):
        optimizer = optimizers.SGD(0.1, weight_decay=0.5)
        optimizer.exclude_from_weight_decay(var_names=["bias"])
        model, plain = make_model(optimizer), make_model(optimizers.SGD(0.1))
        for net in (model, plain):
            net.layers[0].bias.assign(np.full(8, 0.3, np.float32))
        before = model.get_weights()
        for net in (model, plain):
            net.fit(x, y, batch_size=40, epochs=1, shuffle=False, verbose=0)
        for weight, old, decayed, other in zip(
            model.weights, before, model.get_weights(), plain.get_weights(), strict=True
        ):
            expected = other if weight.name == "bias" else other - 0.1 * 0.5 * old
            np.testing.assert_allclose(decayed, expected, rtol=1e-4, atol=1e-6)


RESUMED = [
    lambda: optimizers.SGD(0.1, momentum=0.9, dampening=0.5, gradient_accumulation_steps=3),
    lambda: optimizers.Adam(optimizers.schedules.OneCycle(0.01, 20), use_ema=True, global_clipnorm=0.5),
    lambda: optimizers.Nadam(0.01, weight_decay=0.1),
    lambda: optimizers.RMSprop(optimizers.schedules.CyclicalLearningRate(1e-3, 1e-2, 5), momentum=0.5, centered=True),
]


@pytest.mark.parametrize("make", RESUMED)
def test_resuming_to_the_same_bits_whatever_the_optimizer(make, tmp_path):
    unbroken, first = make_model(make()), make_model(make())
    if not unbroken.optimizer.use_ema:  # at the end of fit the weights become their average: a stop is another run
        unbroken.fit(x, y, batch_size=7, epochs=4, verbose=0)
    else:
        unbroken.fit(x, y, batch_size=7, epochs=2, verbose=0)
        unbroken.fit(x, y, batch_size=7, epochs=4, initial_epoch=2, verbose=0)
    first.fit(x, y, batch_size=7, epochs=2, verbose=0)
    first.save(tmp_path / "m.safetensors")
    second = nnfast.load_model(tmp_path / "m.safetensors")
    second.fit(x, y, batch_size=7, epochs=4, initial_epoch=2, verbose=0)
    same_weights(unbroken, second)
