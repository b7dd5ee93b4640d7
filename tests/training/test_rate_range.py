"""The learning-rate range test: what it finds, and that it leaves no trace."""

import numpy as np
import pytest

import nnfast
from nnfast import layers, optimizers


def make_data(rows=200):
    rng = np.random.default_rng(2)
    x = rng.normal(size=(rows, 6)).astype(np.float32)
    return x, (np.tanh(x @ rng.normal(size=(6, 2)))).astype(np.float32)


def make_model(optimizer="adam", dropout=0.0):
    nnfast.utils.set_random_seed(5)
    model = nnfast.Sequential(
        [
            layers.Input((6,)),
            layers.Dense(16, activation="relu"),
            layers.BatchNormalization(),
            layers.Dropout(dropout),
            layers.Dense(2),
        ]
    )
    model.compile(optimizer, "mse")
    return model


def test_the_losses_are_those_of_training_at_these_rates():
    x, y = make_data(40)
    found = make_model("sgd").find_learning_rate(x, y, batch_size=40, min_rate=1e-4, max_rate=0.1, steps=10)
    np.testing.assert_allclose(found.rates, np.geomspace(1e-4, 0.1, 10))
    # One batch holds all rows, so their order hardly matters.
    model = make_model("sgd")
    for rate, loss in zip(found.rates, found.losses, strict=True):
        model.optimizer.learning_rate = rate
        assert model.train_on_batch(x, y) == pytest.approx(loss, rel=1e-4)


def test_the_test_ends_where_the_loss_grows():
    x, y = make_data()
    found = make_model("sgd").find_learning_rate(x, y, max_rate=1e4)
    assert len(found.rates) == len(found.losses) == len(found.smoothed) < 200
    assert found.losses[-1] > 2 * found.losses.min()
    assert found.rates[-1] < 1e4


@pytest.mark.parametrize("name", ["sgd", "adam", "rmsprop"])
def test_the_suggestion_trains_well(name):
    x, y = make_data()
    suggestion = make_model(name).find_learning_rate(x, y).suggestion

    def train(rate):
        model = make_model(type(optimizers.get(name))(rate))
        return model.fit(x, y, epochs=5, verbose=0).history["loss"][-1]

    best = min(train(rate) for rate in suggestion * np.array([0.03, 0.1, 0.3, 3.0, 10.0]))
    assert train(suggestion) < 2.5 * best
    assert not train(suggestion / 100) < 4 * best
    assert not train(suggestion * 300) < 4 * best  # maybe NaN


OPTIMIZERS = [
    lambda: optimizers.SGD(0.1),
    lambda: optimizers.Adam(0.01),
    lambda: optimizers.Adam(optimizers.schedules.CosineDecay(0.01, 50), use_ema=True, global_clipnorm=1.0),
    lambda: optimizers.SGD(0.1, momentum=0.9, gradient_accumulation_steps=3),
]


@pytest.mark.parametrize("make", OPTIMIZERS)
@pytest.mark.parametrize("epochs_before", [0, 2])
@pytest.mark.parametrize("fails", [False, True])
def test_training_goes_on_as_if_there_had_been_no_test(make, epochs_before, fails, monkeypatch):
    x, y = make_data(70)

    def run(with_test):
        model = make_model(make(), dropout=0.3)
        model.fit(x, y, epochs=epochs_before, verbose=0)
        if with_test and fails:
            from nnfast.training import rate_range

            def fail(*_):
                raise KeyboardInterrupt

            monkeypatch.setattr(rate_range, "_core", type("Core", (), {"permutation": fail}))
            with pytest.raises(KeyboardInterrupt):
                model.find_learning_rate(x, y, batch_size=16)
        elif with_test:
            model.find_learning_rate(x, y, batch_size=16)
        rate = float(model.optimizer.learning_rate)
        seed = nnfast.random.next_seed()
        history = model.fit(x, y, epochs=epochs_before + 3, initial_epoch=epochs_before, verbose=0).history
        return rate, seed, history["loss"], model.get_weights()

    plain, tested = run(False), run(True)
    assert plain[:3] == tested[:3]
    for a, b in zip(plain[3], tested[3], strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_test_that_fails_halfway_puts_everything_back():
    x, y = make_data(64)
    model = make_model()
    before = model.get_weights()
    model.train_on_batch(x, y)  # so that there is optimizer state
    after = model.get_weights()
    x[3] = np.nan
    with pytest.raises(ValueError, match="the loss was not finite after 0 steps"):
        model.find_learning_rate(x, y, batch_size=64)
    assert any((a != b).any() for a, b in zip(before, after, strict=True))
    for a, b in zip(after, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert model.optimizer.iterations == 1


def test_nothing_is_suggested_where_the_loss_does_not_fall():
    x, y = make_data()
    found = make_model("sgd").find_learning_rate(x, y, min_rate=1e-12, max_rate=1e-10, steps=20)
    assert found.suggestion is None
    assert "the loss hardly fell" in str(found)


def test_its_text_names_the_suggestion():
    x, y = make_data()
    found = make_model().find_learning_rate(x, y)
    assert f"suggestion {found.suggestion:.3g}" in str(found)


def test_messages():
    x, y = make_data()
    model = make_model()
    with pytest.raises(ValueError, match="expected 0 < min_rate < max_rate; received 1 and 0.1"):
        model.find_learning_rate(x, y, min_rate=1, max_rate=0.1)
    with pytest.raises(ValueError, match="expected at least 10 steps; received 3"):
        model.find_learning_rate(x, y, steps=3)
    with pytest.raises(ValueError, match="expected arrays x and y; take some batches of a generator together"):
        model.find_learning_rate(iter([(x, y)]), None)
    with pytest.raises(RuntimeError, match="must be compiled"):
        nnfast.Sequential([layers.Input((6,)), layers.Dense(2)]).find_learning_rate(x, y)


def test_the_drawing():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("agg")
    x, y = make_data()
    found = make_model().find_learning_rate(x, y)
    panel = found.plot()
    drawn = {line.get_label(): np.asarray(line.get_xdata()) for line in panel.lines}
    np.testing.assert_array_equal(drawn["loss"], found.rates)
    assert drawn[f"suggestion {found.suggestion:.3g}"][0] == found.suggestion
    assert panel.get_xscale() == "log"
    matplotlib.pyplot.close("all")
