"""nnfast.diagnose on networks made to be healthy and to fail, each in its own way."""

import numpy as np
import pytest

import nnfast
from nnfast import layers, optimizers
from nnfast.callbacks import GradientMonitor
from nnfast.initializers import Constant, RandomNormal

rng = np.random.default_rng(0)
x = rng.normal(size=(300, 20)).astype(np.float32)
y = np.argmax(x @ rng.normal(size=(20, 4)), axis=1)


def mlp(activation, initializer, depth, optimizer="adam", bias=0.0, normalize=False):
    nnfast.utils.set_random_seed(3)
    stack = [layers.Input((20,))]
    for _ in range(depth):
        stack.append(layers.Dense(64, kernel_initializer=initializer, bias_initializer=Constant(bias)))
        if normalize:
            stack.append(layers.BatchNormalization())
        stack.append(layers.Activation(activation))
    model = nnfast.Sequential([*stack, layers.Dense(4, activation="softmax")])
    model.compile(optimizer, "sparse_categorical_crossentropy")
    return model


def problems(model, x=x, y=y):
    return [finding.problem for finding in nnfast.diagnose(model, x, y).findings]


HEALTHY = [
    ("relu", "he_normal", 1, False),
    ("relu", "he_normal", 10, False),
    ("tanh", "glorot_uniform", 10, False),
    ("sigmoid", "glorot_uniform", 2, False),
    ("relu", "glorot_uniform", 10, True),
]


@pytest.mark.parametrize(("activation", "initializer", "depth", "normalize"), HEALTHY)
def test_healthy_networks_stay_healthy(activation, initializer, depth, normalize):
    model = mlp(activation, initializer, depth, normalize=normalize)
    assert problems(model) == []
    model.fit(x, y, epochs=5, verbose=0)
    assert problems(model) == []


def test_a_healthy_convolutional_network():
    nnfast.utils.set_random_seed(1)
    images = rng.normal(size=(100, 8, 8, 1)).astype(np.float32)
    model = nnfast.Sequential(
        [
            layers.Input((8, 8, 1)),
            layers.Conv2D(16, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(4),
        ]
    )
    model.compile("adam", nnfast.losses.SparseCategoricalCrossentropy(from_logits=True))
    found = nnfast.diagnose(model, images, y[:100])
    assert found.findings == []
    assert [layer.name.split()[1] for layer in found.layers] == ["(Conv2D)", "(Dense)"]


FAILING = [
    ("vanishing gradients", lambda: mlp("sigmoid", "glorot_uniform", 10)),
    ("vanishing gradients", lambda: mlp("tanh", RandomNormal(stddev=0.01), 8)),
    ("bad scale", lambda: mlp("tanh", RandomNormal(stddev=0.01), 8)),
    ("exploding gradients", lambda: mlp("relu", RandomNormal(stddev=1.0), 10)),
    ("exploding gradients", lambda: mlp("linear", RandomNormal(stddev=1e6), 12)),  # overflows
    ("bad scale", lambda: mlp("relu", RandomNormal(stddev=1.0), 10)),
    ("dead ReLU", lambda: mlp("relu", "he_normal", 3, bias=-20.0)),
    ("saturation", lambda: mlp("tanh", RandomNormal(stddev=1.0), 3)),
    ("steps too large", lambda: mlp("relu", "he_normal", 2, optimizers.SGD(1e3))),
    ("steps too small", lambda: mlp("relu", "he_normal", 2, optimizers.SGD(1e-10))),
    ("vanishing gradients", lambda: mlp("step", "he_normal", 2)),
]


@pytest.mark.parametrize(("problem", "make"), FAILING)
def test_failing_networks_are_named(problem, make):
    assert problem in problems(make())


def test_cures_help():
    assert problems(mlp("sigmoid", "glorot_uniform", 10, normalize=True)) == []
    assert "exploding gradients" not in problems(mlp("relu", RandomNormal(stddev=1.0), 10, normalize=True))


def test_inputs_on_a_bad_scale():
    model = mlp("relu", "he_normal", 2)
    for given in (x * 1000, x + 500, x * 1e-4):
        found = nnfast.diagnose(model, given, y).findings
        assert found[0].problem == "bad scale" and "Normalization" in found[0].advice
    broken = x.copy()
    broken[5, 3] = np.nan
    found = nnfast.diagnose(model, broken, y, batch_size=300).findings
    assert [finding.problem for finding in found] == ["bad scale", "exploding gradients"]
    assert "NaN" in found[0].text


def test_the_figures_are_those_of_numpy():
    model = mlp("relu", "he_normal", 1)
    found = nnfast.diagnose(model, x, y, batch_size=300)
    (kernel, bias), last = model.layers[0].get_weights(), model.layers[-1]
    hidden = np.maximum(x @ kernel + bias, 0)
    dense, relu, output = found.layers
    assert relu.mean == pytest.approx(hidden.mean(), rel=1e-4)
    assert relu.std == pytest.approx(hidden.std(), rel=1e-4)
    assert relu.dead == pytest.approx((hidden.max(axis=0) == 0).mean())
    assert np.isnan(relu.gradient_norm) and np.isnan(dense.dead) and np.isnan(relu.saturated)
    gradients = model.gradients(x, y)
    expected = np.sqrt(sum(np.sum(gradients[weight.path] ** 2) for weight in last.weights))
    assert output.gradient_norm == pytest.approx(expected, rel=1e-4)
    assert found.loss == pytest.approx(model.evaluate(x, y, batch_size=300, verbose=0), rel=1e-4)
    # Adam's first step moves every weight by the rate.
    assert dense.update_ratio == pytest.approx(0.001 * np.sqrt(kernel.size) / np.linalg.norm(kernel), rel=0.01)


def test_saturated_means_nearly_flat():
    model = mlp("sigmoid", RandomNormal(stddev=1.0), 1)
    kernel, bias = model.layers[0].get_weights()
    hidden = 1 / (1 + np.exp(-(x @ kernel + bias).astype(np.float64)))
    flat = hidden * (1 - hidden) < 1 / 20 / 4
    assert nnfast.diagnose(model, x, y, batch_size=300).layers[1].saturated == pytest.approx(flat.mean(), abs=0.005)


def test_the_model_is_as_before():
    for optimizer in ("adam", optimizers.SGD(0.1, momentum=0.9, gradient_accumulation_steps=2)):
        runs = []
        for looks in (False, True):
            model = mlp("relu", "he_normal", 2, optimizer, normalize=True)
            model.optimizer.steps = 0
            model.fit(x, y, epochs=1, verbose=0)
            if looks:
                nnfast.diagnose(model, x, y)
            model.fit(x, y, epochs=3, initial_epoch=1, verbose=0)
            runs.append(model.get_weights())
        for a, b in zip(*runs, strict=True):
            np.testing.assert_array_equal(a, b)


def test_it_prints_as_a_table():
    model = mlp("sigmoid", "glorot_uniform", 10)
    lines = str(nnfast.diagnose(model, x, y)).splitlines()
    assert lines[0].split() == ["layer", "mean", "std", "dead", "saturated", "gradient", "norm", "update/weight"]
    assert len(lines) >= 2 + 21 + 3
    assert any(line.startswith("• vanishing gradients: the gradient's norm falls from") for line in lines)
    assert "Try relu with he_normal" in lines[-1]
    assert str(nnfast.diagnose(mlp("relu", "he_normal", 2), x, y)).endswith("Nothing stands out.")


def test_models_with_branches_and_shared_layers():
    inputs = layers.Input((20,))
    shared = layers.Dense(20, activation="relu")
    model = nnfast.Model(inputs, layers.Dense(4)(layers.Add()([shared(shared(inputs)), inputs])))
    model.compile("sgd", nnfast.losses.SparseCategoricalCrossentropy(from_logits=True))
    found = nnfast.diagnose(model, x, y)
    assert [layer.name.split()[0] for layer in found.layers] == [shared.name, shared.name, model.layers[-1].name]


def test_messages():
    with pytest.raises(RuntimeError, match="must be compiled"):
        nnfast.diagnose(nnfast.Sequential([layers.Input((20,)), layers.Dense(4)]), x, y)
    with pytest.raises(ValueError, match="expected arrays x and y; received no y"):
        nnfast.diagnose(mlp("relu", "he_normal", 1), x, None)


class TestGradientMonitor:
    def test_norms_are_those_of_the_last_batch(self):
        model = mlp("relu", "he_normal", 1, optimizers.SGD(0.0))
        monitor = GradientMonitor(verbose=0)
        history = model.fit(x, y, batch_size=300, epochs=2, callbacks=[monitor], verbose=0).history
        expected = {path: np.linalg.norm(gradient) for path, gradient in model.gradients(x, y).items()}
        assert set(monitor.norms) == set(expected)
        for path, norms in monitor.norms.items():
            assert norms == pytest.approx([expected[path]] * 2, rel=1e-3, abs=1e-6)
        assert history["gradient_norm"] == pytest.approx([np.sqrt(sum(n**2 for n in expected.values()))] * 2, rel=1e-3)

    def test_before_clipping_and_by_batches(self):
        model = mlp("relu", "he_normal", 1, optimizers.SGD(0.0, global_clipnorm=1e-3))
        monitor = GradientMonitor(frequency=2, verbose=0)
        model.fit(x, y, batch_size=60, epochs=2, callbacks=[monitor], verbose=0)
        assert {len(norms) for norms in monitor.norms.values()} == {5}
        assert max(norms[0] for norms in monitor.norms.values()) > 0.01

    def test_it_warns_once(self, capsys):
        mlp("sigmoid", "glorot_uniform", 12).fit(x, y, epochs=2, callbacks=[GradientMonitor(low=1e-6)], verbose=0)
        said = capsys.readouterr().out
        assert said.count("/kernel vanishes: its norm is") >= 1
        assert "nnfast.diagnose" in said
        lines = said.splitlines()
        assert len(lines) == len({line.split(" is ")[0] for line in lines})
        mlp("relu", RandomNormal(stddev=1.0), 10).fit(x, y, callbacks=[GradientMonitor()], verbose=0)
        assert "explodes" in capsys.readouterr().out

    def test_messages(self):
        with pytest.raises(ValueError, match="expected frequency 'epoch' or an integer >= 1; received 0"):
            GradientMonitor(frequency=0)
        with pytest.raises(ValueError, match="expected 0 <= low < high; received 2 and 1"):
            GradientMonitor(low=2, high=1)
