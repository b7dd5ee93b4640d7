import numpy as np
import pytest

from nnfast._core import run_op


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


# (f, f'); derivatives from the output, from the input, and with a parameter.
ACTIVATIONS = {
    "linear": (lambda z: z, lambda z: np.ones_like(z)),
    "relu": (lambda z: np.maximum(z, 0), lambda z: (z > 0).astype(float)),
    "leaky_relu": (lambda z: np.where(z < 0, 0.3 * z, z), lambda z: np.where(z > 0, 1, 0.3)),
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
    "sigmoid": (sigmoid, lambda z: sigmoid(z) * (1 - sigmoid(z))),
    "silu": (lambda z: z * sigmoid(z), lambda z: sigmoid(z) * (1 + z * (1 - sigmoid(z)))),
}
SHAPES = [
    (32, 20, 32),
    (32, 32, 2),
    (1, 5, 3),
    (7, 1, 1),
    (128, 100, 10),
    (300, 150, 70),
    (2000, 16, 40),
    (64, 300, 500),
]


def operands(rows, inputs, outputs, seed=0):
    rng = np.random.default_rng(seed)
    shapes = [(rows, inputs), (inputs, outputs), (outputs,), (rows, outputs)]
    return [rng.standard_normal(shape, dtype=np.float32) for shape in shapes]


def reference(x, w, b, dy, activation="linear"):
    x, w, b, dy = (v.astype(np.float64) for v in (x, w, b, dy))
    f, df = ACTIVATIONS[activation]
    z = x @ w + b
    dz = dy * df(z)
    return f(z), [dz @ w.T, x.T @ dz, dz.sum(0)]


def assert_close(ours, expected, terms):
    np.testing.assert_allclose(ours, expected, rtol=2e-5, atol=2e-6 * max(1, np.sqrt(terms)))


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize(("rows", "inputs", "outputs"), SHAPES)
def test_forward_and_backward(rows, inputs, outputs, activation, threads):
    x, w, b, dy = operands(rows, inputs, outputs)
    w /= np.sqrt(inputs)
    (y,), grads = run_op(
        "dense",
        [x, w, b],
        {"activation": activation, "alpha": 0.3 if activation == "leaky_relu" else None},
        output_grads=[dy],
        threads=threads,
    )
    expected, expected_grads = reference(x, w, b, dy, activation)
    assert_close(y, expected, inputs)
    for grad, expected_grad, terms in zip(grads, expected_grads, (outputs, rows, rows), strict=True):
        assert_close(grad, expected_grad, terms)


@pytest.mark.parametrize("wanted", [(i & 1 > 0, i & 2 > 0, i & 4 > 0) for i in range(8)])
@pytest.mark.parametrize("activation", ["linear", "relu", "silu"])
def test_only_wanted_gradients(activation, wanted):
    x, w, b, dy = operands(300, 40, 50)
    w /= np.sqrt(40)
    _, grads = run_op("dense", [x, w, b], {"activation": activation}, output_grads=[dy], wanted=list(wanted))
    _, expected = reference(x, w, b, dy, activation)
    for grad, want, value in zip(grads, wanted, expected, strict=True):
        if want:
            assert_close(grad, value, 300)
        else:
            assert grad is None


def test_without_bias_and_with_leading_axes():
    x, w, b, dy = operands(24, 10, 6)
    (y,), (dx, dw) = run_op("dense", [x.reshape(2, 3, 4, 10), w], output_grads=[dy.reshape(2, 3, 4, 6)])
    expected, (expected_dx, expected_dw, _) = reference(x, w, 0 * b, dy)
    assert y.shape == (2, 3, 4, 6)
    assert_close(y.reshape(24, 6), expected, 10)
    assert_close(dx.reshape(24, 10), expected_dx, 6)
    assert_close(dw, expected_dw, 24)
    (row,), _ = run_op("dense", [x[0], w])
    np.testing.assert_array_equal(row, y[0, 0, 0])


@pytest.mark.parametrize(("rows", "inputs", "outputs"), [(0, 5, 4), (6, 0, 4), (6, 5, 0)])
def test_zero_sizes(rows, inputs, outputs):
    x, w, b, dy = operands(rows, inputs, outputs)
    (y,), grads = run_op("dense", [x, w, b], {"activation": "relu"}, output_grads=[dy])
    expected, expected_grads = reference(x, w, b, dy, "relu")
    assert y.shape == expected.shape
    assert_close(y, expected, 1)
    for grad, value in zip(grads, expected_grads, strict=True):
        assert_close(grad, value, 1)


@pytest.mark.parametrize(
    ("rows", "inputs", "outputs"), [(8192, 64, 64), (300, 150, 70), (100, 1000, 3), (64, 500, 900)]
)
def test_same_bits_on_any_number_of_threads(rows, inputs, outputs):
    x, w, b, dy = operands(rows, inputs, outputs)
    results = []
    for threads in (1, 2, 5):
        y, grads = run_op("dense", [x, w, b], {"activation": "tanh"}, output_grads=[dy], threads=threads)
        results.append(y + grads)
    for other in results[1:]:
        for ours, theirs in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("activation", ["linear", "relu", "tanh", "silu"])
def test_a_row_alone_has_the_bits_it_has_in_a_batch(activation):
    x, w, b, _ = operands(300, 784, 130)
    (batch,), _ = run_op("dense", [x, w, b], {"activation": activation}, threads=2)
    for rows in (1, 2, 17, 100):
        (some,), _ = run_op("dense", [x[:rows], w, b], {"activation": activation})
        np.testing.assert_array_equal(some, batch[:rows])


def test_against_torch():
    torch = pytest.importorskip("torch")
    x, w, b, dy = operands(100, 60, 40)
    tensors = [torch.tensor(v, requires_grad=True) for v in (x, w, b)]
    y = torch.nn.functional.gelu(tensors[0] @ tensors[1] + tensors[2])
    y.backward(torch.from_numpy(dy))
    (ours,), grads = run_op("dense", [x, w, b], {"activation": "gelu"}, output_grads=[dy])
    np.testing.assert_allclose(ours, y.detach().numpy(), atol=1e-4)
    for grad, tensor in zip(grads, tensors, strict=True):
        np.testing.assert_allclose(grad, tensor.grad.numpy(), atol=3e-4)


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ([(4, 3)], r"expected x, w and perhaps b, received 1"),
        ([(), (3, 2)], r"expected x of shape \(…, in\)"),
        ([(4, 3), (4, 2)], r"expected w of shape \(3, out\) for x of shape \(4, 3\), received \(4, 2\)"),
        ([(4, 3), (3,)], r"expected w of shape"),
        ([(4, 3), (3, 2), (3,)], r"expected b of shape \(2,\) for w of shape \(3, 2\), received \(3,\)"),
    ],
)
def test_errors(shapes, message):
    with pytest.raises(ValueError, match=message):
        run_op("dense", [np.ones(shape, np.float32) for shape in shapes])


def test_unknown_activation():
    x, w, b, _ = operands(2, 3, 4)
    with pytest.raises(ValueError, match=r"unknown activation 'rleu'; it can be linear, relu, "):
        run_op("dense", [x, w, b], {"activation": "rleu"})
