"""Weights of classes, samples and losses: the same figures and the same trained weights as Keras."""

import numpy as np
import pytest

import nnfast
from keras_results import array
from nnfast import layers

ROWS = 50  # the last batch of 16 has two rows


def data(seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(ROWS, 4)).astype(np.float32)
    return x, rng.integers(0, 3, ROWS), rng.normal(size=(ROWS, 2)).astype(np.float32), rng


def same_weights(source, target):
    target.set_weights(source.get_weights())


def pair(outputs=1, **compiled):
    """The same model in nnfast and in Keras, compiled alike."""
    keras = pytest.importorskip("keras")
    found = []
    for library in (nnfast, keras):
        inputs = library.layers.Input((4,))
        ends = [library.layers.Dense(3, activation="softmax", name="kind")(inputs)]
        if outputs == 2:
            ends.append(library.layers.Dense(2, name="place")(inputs))
        model = library.Model(inputs, ends if outputs == 2 else ends[0])
        model.compile(library.optimizers.SGD(0.1), **compiled)
        found.append(model)
    mine, theirs = found
    theirs.set_weights(mine.get_weights())
    return mine, theirs


def floats(logs):
    return {name: float(value) for name, value in logs.items()}


def assert_same_training(mine, theirs, x, y, **settings):
    ours, keras_history = (
        model.fit(x, y, batch_size=16, epochs=2, shuffle=False, verbose=0, **settings) for model in (mine, theirs)
    )
    assert set(ours.history) == set(keras_history.history)
    for name, values in keras_history.history.items():
        np.testing.assert_allclose(ours.history[name], values, rtol=2e-5, atol=1e-6, err_msg=name)
    for a, b in zip(mine.get_weights(), theirs.weights, strict=True):
        np.testing.assert_allclose(a, array(b), rtol=1e-4, atol=1e-6)


SPARSE = {"loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"], "weighted_metrics": ["accuracy"]}


@pytest.mark.parametrize("one_hot", [False, True])
def test_class_weight(one_hot):
    x, y, _, _ = data()
    weights = {0: 0.3, 1: 2.0, 2: 1.1}
    if one_hot:
        y = np.eye(3, dtype=np.float32)[y]
        mine, theirs = pair(loss="categorical_crossentropy", weighted_metrics=["accuracy"])
    else:
        mine, theirs = pair(**SPARSE)
    assert_same_training(mine, theirs, x, y, class_weight=weights)


def test_class_weight_of_some_classes():
    """The classes that are not named weigh 1."""
    x, y, _, _ = data()
    assert_same_training(*pair(**SPARSE), x, y, class_weight={0: 1.0, 1: 3.0, 2: 1.0})
    one, two = pair(**SPARSE)[0], pair(**SPARSE)[0]
    same_weights(one, two)
    for model, weights in ((one, {1: 3.0}), (two, {0: 1.0, 1: 3.0, 2: 1.0})):
        model.fit(x, y, class_weight=weights, shuffle=False, verbose=0)
    for a, b in zip(one.get_weights(), two.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_balanced_weights_are_those_of_scikit_learn():
    utilities = pytest.importorskip("sklearn.utils.class_weight")
    x, y, _, _ = data()
    y = np.minimum(y, 1) * 2  # unequal numbers, and a class that does not occur
    weights = utilities.compute_class_weight("balanced", classes=np.array([0, 2]), y=y)
    one, two = pair(**SPARSE)[0], pair(**SPARSE)[0]
    same_weights(one, two)
    for model, given in ((one, "balanced"), (two, {0: weights[0], 2: weights[1]})):
        model.fit(x, y, class_weight=given, shuffle=False, verbose=0)
    for a, b in zip(one.get_weights(), two.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_sample_weight_in_fit_evaluate_and_on_a_batch():
    x, y, _, rng = data()
    weight = rng.uniform(0, 2, ROWS).astype(np.float32)
    mine, theirs = pair(**SPARSE)
    assert_same_training(mine, theirs, x, y, sample_weight=weight)
    ours, expected = (
        model.evaluate(x, y, batch_size=16, sample_weight=weight, verbose=0, return_dict=True)
        for model in (mine, theirs)
    )
    assert ours == pytest.approx(floats(expected), rel=1e-5)
    for name in ("train_on_batch", "test_on_batch"):
        for rows in (slice(9), slice(9, 20)):  # each call speaks of its batch only
            ours, expected = (
                getattr(model, name)(x[rows], y[rows], sample_weight=weight[rows], return_dict=True)
                for model in (mine, theirs)
            )
            assert ours == pytest.approx(floats(expected), rel=1e-5)
    ours, expected = (
        model.train_on_batch(x[:9], y[:9], class_weight={0: 0.5, 1: 2.0, 2: 1.0}, return_dict=True)
        for model in (mine, theirs)
    )
    for a, b in zip(mine.get_weights(), theirs.weights, strict=True):
        np.testing.assert_allclose(a, array(b), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("target", [np.array([[0, 1, 1], [1, 0, 0]]), np.zeros((2, 3, 2)), np.array([[1, -1, 1]] * 2)])
def test_class_weights_are_for_one_class_a_row(target):
    model = nnfast.Sequential([nnfast.layers.Input((3,)), nnfast.layers.Dense(3)])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="expected one class for each row, as a number or one-hot; received y of"):
        model.fit(np.ones((2, 3)), target, class_weight={0: 1.0, 1: 2.0}, verbose=0)


def test_validation_data_has_weights_of_its_own():
    x, y, _, rng = data()
    weight = rng.uniform(0, 2, ROWS).astype(np.float32)
    held = (x[::-1].copy(), y[::-1].copy(), weight[::-1].copy())
    assert_same_training(*pair(**SPARSE), x, y, validation_data=held)


def test_losses_weights_and_metrics_of_each_output():
    x, kind, place, rng = data()
    weight = rng.uniform(0, 2, ROWS).astype(np.float32)
    settings = {
        "loss": ["sparse_categorical_crossentropy", "mse"],
        "loss_weights": [0.7, 2.0],
        "metrics": [["accuracy"], ["mae", "mse"]],
        "weighted_metrics": [["accuracy"], ["mae"]],
    }
    mine, theirs = pair(2, **settings)
    named, _ = pair(2, **{key: dict(zip(("kind", "place"), each, strict=True)) for key, each in settings.items()})
    same_weights(mine, named)
    weights = [weight, 1 + weight]
    assert_same_training(mine, theirs, x, [kind, place], sample_weight=weights)
    ours, expected = (
        model.evaluate(x, [kind, place], batch_size=16, sample_weight=weights, verbose=0, return_dict=True)
        for model in (mine, theirs)
    )
    assert ours == pytest.approx(floats(expected), rel=1e-5)
    y, weights = {"place": place, "kind": kind}, {"place": 1 + weight, "kind": weight}
    history = named.fit(x, y, batch_size=16, epochs=2, shuffle=False, verbose=0, sample_weight=weights).history
    assert history == mine.history.history
    assert named.evaluate(x, y, batch_size=16, sample_weight=weights, verbose=0, return_dict=True) == ours


def test_weights_of_one_output_and_a_split_of_them():
    """An output without weights counts each sample as 1; validation_split takes every output's weights along."""
    x, kind, place, rng = data()
    weight = rng.uniform(0, 2, ROWS).astype(np.float32)
    losses = {"kind": "sparse_categorical_crossentropy", "place": "mse"}
    y = {"place": place, "kind": kind}
    whole, one, split = (pair(2, loss=losses)[0] for _ in range(3))
    for model in (one, split):
        same_weights(whole, model)
    settings = {"batch_size": 40, "shuffle": False, "verbose": 0}
    full = {"kind": np.ones(40), "place": weight[:40]}
    held = (x[40:], {name: part[40:] for name, part in y.items()}, {"kind": np.ones(10), "place": weight[40:]})
    first = {name: part[:40] for name, part in y.items()}
    expected = whole.fit(x[:40], first, sample_weight=full, validation_data=held, **settings).history
    assert one.fit(x[:40], first, sample_weight={"place": weight[:40]}, validation_data=held, **settings).history == (
        expected
    )
    given = {"place": weight, "kind": np.ones(ROWS)}
    assert split.fit(x, y, sample_weight=given, validation_split=0.2, **settings).history == expected


def test_weights_for_too_few_outputs():
    x, kind, place, _ = data()
    mine, _ = pair(2, loss=["sparse_categorical_crossentropy", "mse"])
    with pytest.raises(ValueError, match="sample_weight: expected 2 arrays, one for each output; received 1"):
        mine.fit(x, [kind, place], sample_weight=[np.ones(ROWS)], verbose=0)
    with pytest.raises(ValueError, match="class_weight: expected a model with one output; this one has 2"):
        mine.fit(x, [kind, place], class_weight={0: 1.0}, verbose=0)


@pytest.mark.parametrize("name", ["crossentropy", "ce"])
@pytest.mark.parametrize(
    ("outputs", "make", "chosen"),
    [
        (3, lambda y: y, "sparse_categorical_crossentropy"),
        (3, lambda y: y[:, None], "sparse_categorical_crossentropy"),
        (3, lambda y: np.eye(3, dtype=np.float32)[y], "categorical_crossentropy"),
        (1, lambda y: np.minimum(y, 1), "binary_crossentropy"),
    ],
)
def test_crossentropy_is_chosen_by_the_shapes(name, outputs, make, chosen):
    x, y, _, _ = data()
    results = []
    for loss in (name, chosen):
        model = nnfast.Sequential(
            [
                layers.Input((4,)),
                layers.Dense(outputs, "softmax" if outputs > 1 else "sigmoid", kernel_initializer="zeros"),
            ]
        )
        model.compile("sgd", loss)
        results.append(model.evaluate(x, make(y), verbose=0))
    assert results[0] == results[1]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"class_weight": "even"}, "class_weight: expected a dictionary from class to weight, or 'balanced'"),
        ({"class_weight": {0: 1.0}, "sample_weight": np.ones(ROWS)}, "expected sample_weight or class_weight"),
        ({"sample_weight": np.ones(ROWS - 1)}, "sample_weight: expected 50 rows, as in x; received 49"),
        ({"sample_weight": np.full(ROWS, np.nan)}, "sample_weight: expected finite weights"),
        ({"sample_weight": {"left": np.ones(ROWS)}}, "sample_weight: expected the outputs' names .*received .'left'"),
        ({"class_weight": {0: np.nan}}, "class_weight: expected finite weights; received nan for class 0"),
    ],
)
def test_bad_weights(settings, message):
    x, y, _, _ = data()
    model = nnfast.Sequential([layers.Input((4,)), layers.Dense(3)])
    model.compile("sgd", nnfast.losses.SparseCategoricalCrossentropy(from_logits=True))
    with pytest.raises(ValueError, match=message):
        model.fit(x, y, verbose=0, **settings)
