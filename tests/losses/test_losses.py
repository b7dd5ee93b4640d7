"""Every loss against float64, against Keras and, where it has it, PyTorch: values, gradients and settings."""

import inspect

import numpy as np
import pytest

from keras_results import array
from loss_reference import LOSSES
from nnfast import _core, activations, losses, ops
from nnfast.tensor import Trace, tracing
from nnfast.variable import Variable
from op_checks import difference_gradient

N, C = 13, 5


def numbers(rng):
    return rng.normal(size=(N, C)), rng.normal(size=(N, C))


def positive(rng):
    return rng.uniform(0.1, 3, (N, C)), rng.uniform(0.1, 3, (N, C))


def counts(rng):
    return rng.integers(0, 5, (N, C)), rng.uniform(0.1, 3, (N, C))


def distributions(rng):
    return rng.dirichlet(np.full(C, 5), N), rng.dirichlet(np.full(C, 5), N)


def yes_or_no(rng):
    return rng.integers(0, 2, (N, C)), rng.uniform(0.02, 0.98, (N, C))


def yes_or_no_logits(rng):
    return rng.integers(0, 2, (N, C)), rng.normal(scale=4, size=(N, C))


def margins(rng):
    return 2 * rng.integers(0, 2, (N, C)) - 1, rng.normal(size=(N, C))


def one_hot(rng):
    return np.eye(C)[rng.integers(0, C, N)], rng.uniform(0.1, 1, (N, C))


def one_hot_logits(rng):
    return np.eye(C)[rng.integers(0, C, N)], rng.normal(scale=3, size=(N, C))


def classes(rng):
    return rng.integers(0, C, N), rng.uniform(0.1, 1, (N, C))


def probabilities(rng):
    return rng.integers(0, C, N), rng.dirichlet(np.full(C, 5), N)


def class_logits(rng):
    return rng.integers(0, C, N), rng.normal(scale=3, size=(N, C))


def images(rng):
    """Class logits and probabilities along axis 1 of (batch, classes, height, width)."""
    return rng.integers(0, C, (2, 3, 4)), rng.uniform(0.1, 1, (2, C, 3, 4))


def one_hot_images(rng):
    y, p = images(rng)
    return np.moveaxis(np.eye(C)[y], -1, 1), p


def masks(rng):
    return rng.integers(0, 2, (3, 4, 4, 1)), rng.random((3, 4, 4, 1))


CASES = [
    *((name, {}, numbers) for name in ("MeanSquaredError", "MeanAbsoluteError", "MeanAbsolutePercentageError",
                                       "Huber", "LogCosh", "CosineSimilarity")),
    ("MeanSquaredLogarithmicError", {}, positive),
    ("Huber", {"delta": 0.3}, numbers),
    ("CosineSimilarity", {"axis": 0}, numbers),
    ("KLDivergence", {}, distributions),
    ("Poisson", {}, counts),
    *((name, {}, data) for name in ("Hinge", "SquaredHinge") for data in (margins, yes_or_no_logits, numbers)),
    ("CategoricalHinge", {}, one_hot_logits),
    *((name, {"from_logits": logits, "label_smoothing": smoothing}, data)
      for name, both in (("BinaryCrossentropy", (yes_or_no, yes_or_no_logits)),
                         ("BinaryFocalCrossentropy", (yes_or_no, yes_or_no_logits)),
                         ("CategoricalCrossentropy", (one_hot, one_hot_logits)),
                         ("CategoricalFocalCrossentropy", (one_hot, one_hot_logits)))
      for logits, data in zip((False, True), both, strict=True) for smoothing in (0.0, 0.2)),
    ("BinaryCrossentropy", {"axis": 0}, yes_or_no),
    ("BinaryCrossentropy", {"axis": 0, "from_logits": True}, yes_or_no_logits),
    ("BinaryFocalCrossentropy", {"apply_class_balancing": True, "alpha": 0.4, "gamma": 1.5}, yes_or_no),
    ("CategoricalFocalCrossentropy", {"alpha": [0.1, 0.2, 0.3, 0.4, 0.5], "gamma": 3.0}, one_hot),
    *(("CategoricalCrossentropy", {"axis": 1, "from_logits": logits}, one_hot_images) for logits in (False, True)),
    *(("SparseCategoricalCrossentropy", {"axis": 1, "from_logits": logits}, images) for logits in (False, True)),
    *(("SparseCategoricalCrossentropy", {"from_logits": logits, "ignore_class": ignored}, data)
      for logits, data in ((False, classes), (True, class_logits)) for ignored in (None, 2)),
    *(("CategoricalGeneralizedCrossEntropy", {"q": q}, probabilities) for q in (0.5, 0.8)),
    ("Dice", {}, masks),
    ("Dice", {"axis": (1, 2, 3)}, masks),
    ("Tversky", {"alpha": 0.3, "beta": 0.6}, masks),
    ("Tversky", {"axis": (1, 2, 3)}, masks),
]  # fmt: skip


def identify(case):
    return f"{case[0]}-{case[2].__name__}-{'-'.join(map(str, case[1].values()))}"


def drawn(data):
    y_true, y_pred = data(np.random.default_rng(0))
    return y_true.astype(np.float32 if y_true.dtype.kind == "f" else np.int32), y_pred.astype(np.float32)


def value_and_gradient(loss, y_true, y_pred, activation=None):
    """What a planned step gives for the loss and its gradient with respect to the predictions."""
    variable = Variable(y_pred)
    with tracing(Trace(training=True)) as trace:
        prediction = trace.lift(variable)
        if activation is not None:
            prediction = activation(prediction)
        total = trace.lift(ops.mean(loss(trace.input(y_true.shape, str(y_true.dtype)), prediction)))
    block = _core.Block([variable.core])
    program = _core.Program(trace.graph, outputs=[total.id], loss=total.id, block=block)
    (value,) = program.run([y_true])
    return value, block.gradient(0)


def test_every_loss_has_a_reference_and_a_case():
    assert set(LOSSES) == set(losses.registry.classes) == {name for name, _, _ in CASES}


@pytest.mark.parametrize("case", CASES, ids=identify)
def test_as_float64(case):
    name, settings, data = case
    y_true, y_pred = drawn(data)
    want = LOSSES[name](y_true, y_pred.astype(np.float64), **settings)
    loss = getattr(losses, name)(**settings, reduction=None)
    np.testing.assert_allclose(loss(y_true, y_pred), want, rtol=2e-5, atol=2e-6)
    dy = np.full(np.shape(want), 1 / np.size(want))
    gradient = difference_gradient(lambda p: LOSSES[name](y_true, p, **settings), y_pred, dy)
    value, ours = value_and_gradient(loss, y_true, y_pred)
    np.testing.assert_allclose(value, np.mean(want), rtol=2e-5, atol=2e-6)
    np.testing.assert_allclose(ours, gradient, rtol=1e-4, atol=2e-6 * max(1, np.abs(gradient).max()))


@pytest.mark.parametrize("case", CASES, ids=identify)
def test_as_keras(case):
    keras = pytest.importorskip("keras")
    torch = pytest.importorskip("torch")
    name, settings, data = case
    theirs = getattr(keras.losses, name)(**settings)
    y_true, y_pred = drawn(data)
    prediction = torch.tensor(y_pred, requires_grad=True)
    value = theirs(torch.tensor(y_true), prediction)
    value.backward()
    mine, gradient = value_and_gradient(getattr(losses, name)(**settings), y_true, y_pred)
    np.testing.assert_allclose(mine, value.item(), rtol=2e-5, atol=2e-6)
    want = prediction.grad.numpy()
    np.testing.assert_allclose(gradient, want, rtol=2e-4, atol=2e-6 * max(1, np.abs(want).max()))


OF_SAMPLES = [case for case in CASES if not (case[2] is masks and "axis" not in case[1])]


@pytest.mark.parametrize("case", OF_SAMPLES, ids=identify)
@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "mean", "mean_with_sample_weight", "sum", "none"])
def test_weights_and_reductions_as_keras(case, reduction):
    keras = pytest.importorskip("keras")
    name, settings, data = case
    y_true, y_pred = drawn(data)
    samples = getattr(losses, name)(**settings, reduction=None)(y_true, y_pred)
    weight = np.random.default_rng(1).uniform(0, 2, samples.shape).astype(np.float32)
    theirs = getattr(keras.losses, name)(**settings, reduction=reduction)(y_true, y_pred, weight)
    mine = getattr(losses, name)(**settings, reduction=reduction)(y_true, y_pred, weight)
    np.testing.assert_allclose(mine, array(theirs), rtol=2e-5, atol=2e-6)


def of_torch():
    """(loss, data, PyTorch's function of (prediction, target, reduction="none"))"""
    f = pytest.importorskip("torch").nn.functional
    return {
        "mse": (losses.MeanSquaredError(), numbers, f.mse_loss),
        "mae": (losses.MeanAbsoluteError(), numbers, f.l1_loss),
        "huber": (losses.Huber(0.4), numbers, lambda p, y: f.huber_loss(p, y, delta=0.4)),
        "cosine": (losses.CosineSimilarity(), numbers, lambda p, y: -f.cosine_similarity(p, y).mean()),
        "poisson": (losses.Poisson(), counts, lambda p, y: f.poisson_nll_loss(p, y, log_input=False, eps=1e-7)),
        "kl": (losses.KLDivergence(), distributions, lambda p, y: f.kl_div(p.log(), y, reduction="batchmean")),
        "bce": (losses.BinaryCrossentropy(), yes_or_no, f.binary_cross_entropy),
        "bce logits": (losses.BinaryCrossentropy(from_logits=True), yes_or_no_logits,
                       f.binary_cross_entropy_with_logits),
        "cce": (losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1), one_hot_logits,
                lambda p, y: f.cross_entropy(p, y, label_smoothing=0.1)),
        "scce": (losses.SparseCategoricalCrossentropy(from_logits=True), class_logits,
                 lambda p, y: f.cross_entropy(p, y.long())),
        "scce ignored": (losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=1), class_logits,
                         lambda p, y: f.cross_entropy(p, y.long(), ignore_index=1)),
        "scce images": (losses.SparseCategoricalCrossentropy(from_logits=True, axis=1), images,
                        lambda p, y: f.cross_entropy(p, y.long())),
    }  # fmt: skip


@pytest.mark.parametrize(
    "case", ["mse", "mae", "huber", "cosine", "poisson", "kl", "bce", "bce logits", "cce", "scce", "scce ignored",
             "scce images"],
)  # fmt: skip
def test_as_torch(case):
    cases = of_torch()
    torch = pytest.importorskip("torch")
    loss, data, theirs = cases[case]
    y_true, y_pred = drawn(data)
    prediction = torch.tensor(y_pred, dtype=torch.float64, requires_grad=True)
    target = torch.tensor(y_true)
    value = theirs(prediction, target.double() if data not in (class_logits, images) else target)
    value.backward()
    mine, gradient = value_and_gradient(loss, y_true, y_pred)
    np.testing.assert_allclose(mine, value.item(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(gradient, prediction.grad.numpy(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_signature_as_keras(name):
    keras = pytest.importorskip("keras")
    mine = inspect.signature(getattr(losses, name).__init__)
    theirs = inspect.signature(getattr(keras.losses, name).__init__)
    assert [(p.name, p.default) for p in mine.parameters.values()] == [
        (p.name, p.default) for p in theirs.parameters.values()
    ]
    function = losses.registry.classes[name]().fn
    theirs = inspect.signature(getattr(keras.losses, function.__name__))
    assert [(p.name, p.default) for p in inspect.signature(function).parameters.values()] == [
        (p.name, p.default) for p in theirs.parameters.values()
    ]


@pytest.mark.parametrize("case", CASES, ids=identify)
def test_config(case):
    name, settings, data = case
    loss = getattr(losses, name)(**settings, reduction="sum", name="mine")
    copy = losses.deserialize(losses.serialize(loss))
    assert type(copy) is type(loss)
    assert copy.get_config() == loss.get_config()
    y_true, y_pred = drawn(data)
    np.testing.assert_array_equal(copy(y_true, y_pred), loss(y_true, y_pred))


ALIASES = "mse MSE mae MAE mape MAPE msle MSLE bce BCE kld KLD kullback_leibler_divergence logcosh huber huber_loss"


@pytest.mark.parametrize("alias", [*ALIASES.split(), "mean_squared_error", "MeanSquaredError", "kl_divergence"])
def test_names(alias):
    assert isinstance(losses.get(alias), losses.Loss)


def test_functions_of_the_package_become_their_class():
    for name in LOSSES:
        loss = losses.registry.classes[name]()
        assert type(losses.as_loss(loss.fn)) is type(loss)
    assert losses.get(losses.hinge) is losses.hinge
    assert losses.as_loss(None) is None


@pytest.mark.parametrize(
    ("name", "settings", "activation", "data"),
    [
        ("BinaryCrossentropy", {}, activations.sigmoid, yes_or_no_logits),
        ("BinaryCrossentropy", {"axis": 0}, activations.sigmoid, yes_or_no_logits),
        ("CategoricalCrossentropy", {}, activations.softmax, one_hot_logits),
        ("SparseCategoricalCrossentropy", {}, activations.softmax, class_logits),
        ("SparseCategoricalCrossentropy", {"axis": 1}, lambda x: activations.softmax(x, axis=1), images),
    ],
)  # fmt: skip
def test_probabilities_of_an_activation_are_planned_as_logits(name, settings, activation, data):
    y_true, y_pred = drawn(data)
    y_pred = y_pred * 30  # where the probabilities themselves are 0 or 1
    loss = getattr(losses, name)
    of_logits = value_and_gradient(loss(**settings, from_logits=True), y_true, y_pred)
    of_probabilities = value_and_gradient(loss(**settings), y_true, y_pred, activation)
    np.testing.assert_array_equal(of_probabilities[0], of_logits[0])
    np.testing.assert_array_equal(of_probabilities[1], of_logits[1])


def test_softmax_along_another_axis_is_left_alone():
    y_true, y_pred = drawn(one_hot_logits)
    loss = losses.CategoricalCrossentropy()
    p = np.exp(y_pred) / np.exp(y_pred).sum(0)
    value, _ = value_and_gradient(loss, y_true, y_pred, lambda x: activations.softmax(x, axis=0))
    np.testing.assert_allclose(value, np.mean(LOSSES["CategoricalCrossentropy"](y_true, p)), rtol=1e-5)


def test_weights_of_samples_of_several_losses():
    """Weights align with the first axes of the losses, as Keras's trainer has them."""
    rng = np.random.default_rng(0)
    y_true, y_pred = rng.normal(size=(2, 3, 4)).astype(np.float32), rng.normal(size=(2, 3, 4)).astype(np.float32)
    samples = LOSSES["MeanSquaredError"](y_true, y_pred)
    weight = np.array([0.5, 2.0], np.float32)
    loss = losses.MeanSquaredError()
    np.testing.assert_allclose(loss(y_true, y_pred, weight), np.mean(samples * weight[:, None]), rtol=1e-5)
    np.testing.assert_allclose(loss(y_true, y_pred, weight[:, None]), np.mean(samples * weight[:, None]), rtol=1e-5)
    np.testing.assert_allclose(loss(y_true, y_pred, 0.5), np.mean(samples) / 2, rtol=1e-5)
    assert loss(y_true, y_pred, np.zeros(2)) == 0
    mean = losses.MeanSquaredError(reduction="mean_with_sample_weight")
    want = np.sum(samples * weight[:, None]) / (3 * weight.sum())
    np.testing.assert_allclose(mean(y_true, y_pred, weight), want, rtol=1e-5)


def test_ignored_samples_do_not_count_in_means():
    y_true = np.array([0, -1, 2, -1])
    y_pred = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    loss = losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=-1)
    plain = losses.SparseCategoricalCrossentropy(from_logits=True)
    np.testing.assert_allclose(loss(y_true, y_pred), plain(y_true[::2], y_pred[::2]), rtol=1e-6)
    assert loss(np.full(4, -1), y_pred) == 0


def test_own_losses():
    class Quartic(losses.Loss):
        def call(self, y_true, y_pred):
            return ops.mean(ops.square(ops.square(y_true - y_pred)), axis=-1)

    def quartic(y_true, y_pred, scale=1.0):
        return scale * ops.mean(ops.square(ops.square(y_true - y_pred)), axis=-1)

    y_true, y_pred = drawn(numbers)
    want = np.mean((y_true - y_pred) ** 4)
    for loss in (Quartic(), losses.LossFunctionWrapper(quartic), losses.as_loss(quartic)):
        np.testing.assert_allclose(loss(y_true, y_pred), want, rtol=1e-5)
    wrapped = losses.LossFunctionWrapper(quartic, scale=2.0, name="q")
    copy = type(wrapped).from_config(wrapped.get_config())
    np.testing.assert_allclose(copy(y_true, y_pred), 2 * want, rtol=1e-5)
    assert copy.name == "q"


def test_registered_function_is_found_by_its_name():
    from nnfast import utils

    def cubic(y_true, y_pred):
        return ops.mean(ops.abs(y_true - y_pred) ** 3, axis=-1)

    utils.register_serializable(cubic)
    config = losses.LossFunctionWrapper(cubic).get_config()
    assert config["fn"] == "cubic"
    assert losses.LossFunctionWrapper.from_config(config).fn is cubic


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: losses.get("mean_square_error"), "Unknown loss 'mean_square_error'; expected one of: mean_squared_er"),
        (lambda: losses.Huber(delta=0), "Huber: expected delta above 0; received 0"),
        (lambda: losses.CategoricalGeneralizedCrossEntropy(q=1), "expected q above 0 and below 1; received 1"),
        (lambda: losses.Huber(delta="a"), "Huber: expected delta above 0; received 'a'"),
        (lambda: losses.CategoricalGeneralizedCrossEntropy(q="a"), "expected q above 0 and below 1; received 'a'"),
        (lambda: losses.CategoricalCrossentropy(label_smoothing="a"), "expected a share from 0 to 1; received 'a'"),
        (lambda: losses.BinaryFocalCrossentropy(gamma="a"), "focal_crossentropy: gamma: expected a finite number"),
        (lambda: losses.BinaryFocalCrossentropy(alpha=None), "focal_crossentropy: alpha: expected a finite number"),
        (lambda: losses.CategoricalFocalCrossentropy(alpha="a"), "alpha: expected a number or an array of numbers"),
        (lambda: losses.CategoricalFocalCrossentropy(gamma=np.nan), "gamma: expected a finite number; received nan"),
        (lambda: losses.Tversky(alpha="a"), "tversky: alpha: expected a finite number; received 'a'"),
        (lambda: losses.Tversky(beta="a"), "tversky: beta: expected a finite number; received 'a'"),
        (lambda: losses.BinaryCrossentropy(label_smoothing=2), "label_smoothing: expected a share from 0 to 1"),
        (lambda: losses.CategoricalFocalCrossentropy(label_smoothing=-1), "label_smoothing: expected a share from 0"),
        (lambda: losses.MeanSquaredError(reduction="total"), "`reduction`: expected one of sum_over.*received 'total'"),
        (lambda: losses.LossFunctionWrapper.from_config({"fn": "nobody"}), "Unknown loss function 'nobody'; make it"),
        (
            lambda: losses.BinaryCrossentropy()(np.zeros((3, 1)), np.zeros((3, 2))),
            r"binary_crossentropy: targets and outputs must have the same shape; .*\(3, 2\); received \(3, 1\)",
        ),
        (
            lambda: losses.CategoricalCrossentropy()(np.zeros((3, 1)), np.zeros((3, 2))),
            r"must have the same shape; .* received \(3, 1\); for class numbers use sparse_categorical_crossentropy",
        ),
    ],
)  # fmt: skip
def test_errors(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_loss_without_call():
    with pytest.raises(NotImplementedError, match=r"Loss must define call\(self, y_true, y_pred\)"):
        losses.Loss()(np.zeros(2), np.zeros(2))


def test_no_loss():
    with pytest.raises(TypeError, match="received 3 of type int"):
        losses.get(3)
