import numpy as np
import pytest

from nnfast import _core, kernels
from op_checks import difference_gradient, run_on_each_isa

SHAPES = [(1, 1), (1, 2), (32, 2), (33, 3), (17, 15), (16, 16), (16, 17), (5, 31), (3, 130), (100, 257), (0, 4)]
SMOOTHING = [0.0, 0.1, 1.0]


def log_softmax(x):
    d = x - np.max(x, -1, keepdims=True, initial=-np.inf)
    return d - np.log(np.sum(np.exp(d), -1, keepdims=True))


def smooth(target, smoothing):
    return target * (1 - smoothing) + smoothing / target.shape[-1]


def cross_entropy(x, target, smoothing=0.0):
    return -np.sum(smooth(target, smoothing) * log_softmax(x), -1)


def logits_and_labels(shape, rng):
    return rng.normal(scale=5, size=shape).astype(np.float32), rng.integers(0, shape[-1], shape[:-1])


@pytest.mark.parametrize("smoothing", SMOOTHING)
@pytest.mark.parametrize("shape", [*SHAPES, (2, 3, 5)], ids=str)
def test_labels(shape, smoothing):
    rng = np.random.default_rng(0)
    x, labels = logits_and_labels(shape, rng)
    dy = rng.normal(size=shape[:-1]).astype(np.float32)
    one_hot = np.eye(shape[-1])[labels]
    want = cross_entropy(x.astype(np.float64), one_hot, smoothing)
    gradient = dy[..., None] * (np.exp(log_softmax(x.astype(np.float64))) - smooth(one_hot, smoothing))
    results = run_on_each_isa("softmax_cross_entropy", [x, labels], grads=[dy], label_smoothing=smoothing)
    for isa, (loss,), (dx, no_gradient) in results:
        np.testing.assert_allclose(loss, want, rtol=2e-6, atol=2e-6)
        np.testing.assert_allclose(dx, gradient, rtol=1e-5, atol=2e-6)
        assert no_gradient is None
        for other, (alone,), _ in run_on_each_isa("softmax_cross_entropy", [x, labels], label_smoothing=smoothing):
            if other == isa:  # where no gradient is wanted, none is kept
                np.testing.assert_array_equal(alone, loss)


@pytest.mark.parametrize("smoothing", SMOOTHING)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_targets(shape, smoothing):
    rng = np.random.default_rng(1)
    x = rng.normal(scale=5, size=shape).astype(np.float32)
    target = rng.random(shape).astype(np.float32)  # the sum need not be 1
    dy = rng.normal(size=shape[:-1]).astype(np.float32)
    want = cross_entropy(x.astype(np.float64), target, smoothing)
    t = smooth(target.astype(np.float64), smoothing)
    gradient = dy[..., None] * (np.exp(log_softmax(x.astype(np.float64))) * t.sum(-1, keepdims=True) - t)
    results = run_on_each_isa(
        "softmax_cross_entropy_dense", [x, target], grads=[dy], wanted=[True, False], label_smoothing=smoothing
    )
    for _, (loss,), (dx, _) in results:
        np.testing.assert_allclose(loss, want, rtol=5e-6, atol=2e-6)
        np.testing.assert_allclose(dx, gradient, rtol=5e-5, atol=1e-5)


@pytest.mark.parametrize("shape", [(1, 1), (3, 2), (2, 17)], ids=str)
def test_gradients_by_differences(shape):
    rng = np.random.default_rng(2)
    x = rng.normal(size=shape).astype(np.float32)
    target = rng.random(shape).astype(np.float32)
    dy = rng.normal(size=shape[:-1]).astype(np.float32)
    want = difference_gradient(lambda x: cross_entropy(x, target, 0.2), x, dy)
    results = run_on_each_isa(
        "softmax_cross_entropy_dense", [x, target], grads=[dy], wanted=[True, False], label_smoothing=0.2
    )
    for _, _, (dx, _) in results:
        np.testing.assert_allclose(dx, want, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("shape", SHAPES[:-1], ids=str)
def test_equal_to_torch(shape):
    torch = pytest.importorskip("torch")
    x, labels = logits_and_labels(shape, np.random.default_rng(3))
    for smoothing in (0.0, 0.3):
        tx = torch.tensor(x, dtype=torch.float64, requires_grad=True)
        loss = torch.nn.functional.cross_entropy(tx, torch.tensor(labels), label_smoothing=smoothing, reduction="none")
        loss.sum().backward()
        ours = run_on_each_isa(
            "softmax_cross_entropy", [x, labels], grads=[np.ones(shape[0])], label_smoothing=smoothing
        )
        for _, (y,), (dx, _) in ours:
            np.testing.assert_allclose(y, loss.detach().numpy(), rtol=2e-6, atol=2e-6)
            np.testing.assert_allclose(dx, tx.grad.numpy(), rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("classes", [3, 16, 17, 100])
def test_labels_that_are_no_class_give_nan_and_read_nothing(classes):
    rng = np.random.default_rng(4)
    x = rng.normal(size=(40, classes)).astype(np.float32)
    labels = rng.integers(0, classes, 40)
    bad = {1: -1, 5: classes, 20: 2**31 - 1, 39: -(2**31)}
    clean = {isa: out for isa, (out,), _ in run_on_each_isa("softmax_cross_entropy", [x, labels])}
    labels[list(bad)] = list(bad.values())
    for isa, (loss,), (dx, _) in run_on_each_isa("softmax_cross_entropy", [x, labels], grads=[np.ones(40)]):
        for row in range(40):
            if row in bad:
                assert np.isnan(loss[row])
                assert np.isnan(dx[row]).all()
            else:
                assert loss[row] == clean[isa][row]
                assert np.isfinite(dx[row]).all()


@pytest.mark.parametrize("ignored", [-1, 2])
@pytest.mark.parametrize("classes", [3, 16, 17, 100])
def test_ignored_class(classes, ignored):
    rng = np.random.default_rng(5)
    x = rng.normal(size=(21, classes)).astype(np.float32)
    x[20] = np.nan
    labels = rng.integers(0, classes, 21)
    labels[[0, 7, 20]] = ignored
    want = np.where(labels == ignored, 0, cross_entropy(x.astype(np.float64), np.eye(classes)[labels]))
    results = run_on_each_isa("softmax_cross_entropy", [x, labels], grads=[np.ones(21)], ignore_class=ignored)
    for _, (loss,), (dx, _) in results:
        np.testing.assert_allclose(loss, want, rtol=2e-6, atol=1e-6)
        assert (loss[labels == ignored] == 0).all()
        assert (dx[labels == ignored] == 0).all()
        assert (np.abs(dx[labels != ignored]).sum(-1) > 0).all()


@pytest.mark.parametrize("classes", [3, 17, 100])
def test_extremes(classes):
    x = np.zeros((4, classes), np.float32)
    x[0, 1] = 1e4
    x[1, 1] = -1e4
    x[2, 2] = -np.inf
    x[3, 0] = np.inf
    labels = np.array([0, 1, 0, 0])
    for _, (loss,), (dx, _) in run_on_each_isa("softmax_cross_entropy", [x, labels], grads=[np.ones(4)]):
        assert loss[0] == 1e4
        np.testing.assert_allclose(loss[1], 1e4, rtol=1e-3)
        np.testing.assert_allclose(loss[2], np.log(classes - 1), rtol=1e-6)
        assert dx[2, 2] == 0
        assert np.isnan(loss[3])  # as in PyTorch
    one_hot = np.eye(classes, dtype=np.float32)[labels]
    for _, (loss,), _ in run_on_each_isa("softmax_cross_entropy_dense", [x, one_hot]):
        np.testing.assert_allclose(loss[2], np.log(classes - 1), rtol=1e-6)  # 0 · ∞ counts nothing


def binary_cross_entropy(x, t):
    return np.mean(t * np.logaddexp(0, -x) + (1 - t) * np.logaddexp(0, x), -1)


@pytest.mark.parametrize("smoothing", SMOOTHING)
@pytest.mark.parametrize("shape", [*SHAPES, (7, 1), (40, 1), (2, 3, 5)], ids=str)
def test_sigmoid(shape, smoothing):
    rng = np.random.default_rng(8)
    x = rng.normal(scale=5, size=shape).astype(np.float32)
    target = rng.integers(0, 2, shape).astype(np.float32)
    dy = rng.normal(size=shape[:-1]).astype(np.float32)
    t = target * (1 - smoothing) + smoothing / 2
    x64 = x.astype(np.float64)
    gradient = dy[..., None] * (1 / (1 + np.exp(-x64)) - t) / shape[-1]
    results = run_on_each_isa(
        "sigmoid_cross_entropy", [x, target], grads=[dy], wanted=[True, False], label_smoothing=smoothing
    )
    for isa, (loss,), (dx, _) in results:
        np.testing.assert_allclose(loss, binary_cross_entropy(x64, t), rtol=2e-6)
        np.testing.assert_allclose(dx, gradient, rtol=2e-6, atol=1e-12 if smoothing == 0 else 1e-7)
        for other, (alone,), _ in run_on_each_isa("sigmoid_cross_entropy", [x, target], label_smoothing=smoothing):
            if other == isa:  # where no gradient is wanted, none is kept
                np.testing.assert_array_equal(alone, loss)


def test_sigmoid_at_the_extremes():
    """No overflow, and the gradient of a right answer is small, not 0."""
    x = np.array([[30.0], [-30.0], [1e4], [-1e4], [np.inf], [-np.inf], [np.inf], [np.nan]], np.float32)
    t = np.array([[1.0], [0.0], [0.0], [1.0], [1.0], [0.0], [0.0], [1.0]], np.float32)
    results = run_on_each_isa("sigmoid_cross_entropy", [x, t], grads=[np.ones(8)], wanted=[True, False])
    for _, (loss,), (dx, _) in results:
        np.testing.assert_allclose(loss[:2], np.exp(-30), rtol=1e-6)
        np.testing.assert_allclose(dx[:2, 0], [-np.exp(-30), np.exp(-30)], rtol=1e-6)
        np.testing.assert_array_equal(loss[2:], [1e4, 1e4, 0, 0, np.inf, np.nan])
        np.testing.assert_array_equal(dx[2:, 0], [1, -1, 0, 0, 1, np.nan])


@pytest.mark.parametrize("classes", [1, 2, 33])
def test_sigmoid_of_a_row_has_the_same_bits_alone(classes):
    rng = np.random.default_rng(9)
    x = rng.normal(size=(40, classes)).astype(np.float32)
    t = rng.random((40, classes)).astype(np.float32)
    for isa, (loss,), _ in run_on_each_isa("sigmoid_cross_entropy", [x, t]):
        for row in (0, 17, 39):
            rows = slice(row, row + 1)
            alone = {each: out for each, (out,), _ in run_on_each_isa("sigmoid_cross_entropy", [x[rows], t[rows]])}
            assert alone[isa][0] == loss[row]


@pytest.mark.parametrize("classes", [2, 10, 1000])
def test_a_row_has_the_same_bits_alone(classes):
    x, labels = logits_and_labels((40, classes), np.random.default_rng(6))
    for isa, (loss,), (dx, _) in run_on_each_isa("softmax_cross_entropy", [x, labels], grads=[np.ones(40)]):
        for row in (0, 17, 39):
            rows = slice(row, row + 1)
            alone = run_on_each_isa("softmax_cross_entropy", [x[rows], labels[rows]], grads=[np.ones(1)])
            ((y,), (g, _)) = {each: (outputs, grads) for each, outputs, grads in alone}[isa]
            assert y[0] == loss[row]
            np.testing.assert_array_equal(g[0], dx[row])


CROSS_ENTROPIES = ["softmax_cross_entropy", "softmax_cross_entropy_dense", "sigmoid_cross_entropy"]


@pytest.mark.parametrize("shape", [(1, 2), (33, 3), (2, 3, 5), (700, 60)], ids=str)  # the last in several tasks
@pytest.mark.parametrize("name", CROSS_ENTROPIES)
def test_the_mean_of_the_losses(name, shape):
    rng = np.random.default_rng(12)
    x, target = logits_and_labels(shape, rng)
    if name != "softmax_cross_entropy":
        target = rng.random(shape).astype(np.float32)
    rows, dy = int(np.prod(shape[:-1])), np.float32(0.75)
    each = np.full(shape[:-1], dy / np.float32(rows), np.float32)
    wanted = [True, False]
    single = run_on_each_isa(name, [x, target], grads=[each], wanted=wanted)
    together = run_on_each_isa(name, [x, target], grads=[dy], wanted=wanted, mean=True)
    for (_, (losses,), (want, _)), (_, (mean,), (dx, _)) in zip(single, together, strict=True):
        assert mean.shape == ()
        np.testing.assert_allclose(mean, losses.mean(dtype=np.float64), rtol=1e-6)
        np.testing.assert_array_equal(dx, want)


@pytest.mark.parametrize("name", CROSS_ENTROPIES)
def test_the_mean_of_no_losses_is_nan(name):
    target = np.zeros((0,), int) if name == "softmax_cross_entropy" else np.zeros((0, 3))
    for _, (mean,), _ in run_on_each_isa(name, [np.zeros((0, 3)), target], mean=True):
        assert np.isnan(mean)


def test_kernel_returns_the_gradient_of_the_mean():
    x, labels = logits_and_labels((50, 33), np.random.default_rng(7))
    loss, gradient = kernels.softmax_cross_entropy(x, labels)
    x64 = x.astype(np.float64)
    np.testing.assert_allclose(loss, cross_entropy(x64, np.eye(33)[labels]), rtol=2e-6, atol=1e-6)
    want = (np.exp(log_softmax(x64)) - np.eye(33)[labels]) / 50
    np.testing.assert_allclose(gradient, want, rtol=1e-5, atol=1e-8)
    assert kernels.softmax_cross_entropy(np.zeros((0, 3)), np.zeros(0, np.int32))[1].shape == (0, 3)


X = np.zeros((2, 3), np.float32)


@pytest.mark.parametrize(
    ("name", "inputs", "attributes", "message"),
    [
        ("softmax_cross_entropy", [X, np.zeros(3, int)], {}, r"need labels of shape \(2,\), received \(3,\)"),
        ("softmax_cross_entropy", [X, np.zeros(2)], {}, "labels must be integers, received float32"),
        ("softmax_cross_entropy", [np.zeros((2, 0)), np.zeros(2, int)], {}, "at least one class"),
        ("softmax_cross_entropy", [X, np.zeros(2, int)], {"label_smoothing": 1.5}, "from 0 to 1, received 1.5"),
        ("softmax_cross_entropy_dense", [X, np.zeros((2, 4))], {}, r"logits' shape \(2, 3\), received \(2, 4\)"),
        ("sigmoid_cross_entropy", [X], {}, "takes logits and targets, received 1 inputs"),
        ("sigmoid_cross_entropy", [X, np.zeros((2, 4))], {}, r"logits' shape \(2, 3\), received \(2, 4\)"),
        ("sigmoid_cross_entropy", [X, X], {"label_smoothing": -1.0}, "from 0 to 1, received -1"),
    ],
)
def test_errors(name, inputs, attributes, message):
    with pytest.raises(ValueError, match=message):
        _core.run_op(name, inputs, attributes)
