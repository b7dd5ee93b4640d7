"""Batch, group, layer and RMS normalization."""

import numpy as np
import pytest

from nnfast import _core, kernels
from op_checks import difference_gradient, run_on_each_isa

# Around the vector widths and the rows of a part (64 … 512), one row, one channel, nothing.
SHAPES = [
    (1, 1), (1, 5), (7, 3), (32, 32), (5, 4, 15), (3, 2, 5, 17), (1000, 1), (4096, 130), (1030, 64), (6, 11, 9, 40),
]  # fmt: skip
EPSILON = 1e-3
ACTIVATIONS = {
    "linear": lambda z: z,
    "relu": lambda z: np.maximum(z, 0),
    "tanh": np.tanh,
    "silu": lambda z: z / (1 + np.exp(-z)),
}


def normalized(x, axes, epsilon=EPSILON):
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + epsilon)


def batch_norm(x, gamma, beta, activation="linear"):
    return ACTIVATIONS[activation](normalized(x, tuple(range(x.ndim - 1))) * gamma + beta)


def group_norm(x, gamma, beta, groups, activation="linear"):
    groups = x.shape[-1] if groups == -1 else groups
    split = x.reshape(x.shape[0], -1, groups, x.shape[-1] // groups)
    return ACTIVATIONS[activation](normalized(split, (1, 3)).reshape(x.shape) * gamma + beta)


def layer_norm(x, gamma, beta, axes=1):
    return normalized(x, tuple(range(-axes, 0))) * gamma + beta


def rms_norm(x, gamma, epsilon=1e-6):
    return x / np.sqrt(np.mean(x * x, -1, keepdims=True) + epsilon) * gamma


def operands(shape, rng, parameters=None):
    x = rng.normal(scale=3, size=shape) + rng.normal(scale=5, size=shape[-1])
    gamma, beta = rng.normal(size=(2, *(shape[-1:] if parameters is None else parameters)))
    return [a.astype(np.float32) for a in (x, gamma, beta)]


def float64(*arrays):
    return [a.astype(np.float64) for a in arrays]


def close(actual, expected, tolerance):
    """Errors are small beside the largest element: normalization mixes all of them."""
    np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance * max(1, np.max(np.abs(expected), initial=0)))


def torch_gradients(function, inputs, dy):
    torch = pytest.importorskip("torch")
    tensors = [torch.tensor(a, dtype=torch.float64, requires_grad=True) for a in inputs]
    function(torch, *tensors).backward(torch.tensor(dy, dtype=torch.float64))
    return [tensor.grad.numpy() for tensor in tensors]


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_batch_norm_values(shape, activation):
    x, gamma, beta = operands(shape, np.random.default_rng(0))
    want = batch_norm(*float64(x, gamma, beta), activation)
    axes = tuple(range(len(shape) - 1))
    mean, variance = x.astype(np.float64).mean(axes), x.astype(np.float64).var(axes)
    for _, (y, m, v), _ in run_on_each_isa("batch_norm", [x, gamma, beta], activation=activation):
        close(y, want, 5e-6)
        np.testing.assert_allclose(m, mean, rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(v, variance, rtol=1e-5, atol=1e-9)
    given = [x, gamma, beta, mean, variance]
    for _, (y,), _ in run_on_each_isa("batch_norm_inference", given, activation=activation):
        close(y, want, 5e-6)


@pytest.mark.parametrize("mask_from_output", [False, True])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_batch_norm_gradients_equal_those_of_torch(shape, activation, mask_from_output):
    rng = np.random.default_rng(1)
    inputs = operands(shape, rng)
    dy = rng.normal(size=shape).astype(np.float32)

    def formula(torch, x, gamma, beta):
        f = {"linear": lambda z: z, "silu": torch.nn.functional.silu}.get(activation) or getattr(torch, activation)
        axes = tuple(range(x.ndim - 1))
        d = x - x.mean(axes)
        return f(d / torch.sqrt((d * d).mean(axes) + EPSILON) * gamma + beta)

    want = torch_gradients(formula, inputs, dy)
    results = run_on_each_isa(
        "batch_norm", inputs, grads=[dy, None, None], activation=activation, mask_from_output=mask_from_output
    )
    for _, _, gradients in results:
        for got, expected in zip(gradients, want, strict=True):
            close(got, expected, 5e-5)


@pytest.mark.parametrize("activation", ["linear", "relu"])
@pytest.mark.parametrize("wanted", [(True, True, True, True), (False, True, False, True), (True, True, True, False)])
@pytest.mark.parametrize("shape", [*SHAPES, (9, 1), (9, 15), (9, 16), (300, 130)], ids=str)
def test_batch_norm_with_a_residual(shape, wanted, activation):
    rng = np.random.default_rng(12)
    inputs = [*operands(shape, rng), rng.normal(size=shape).astype(np.float32)]
    dy = rng.normal(size=shape).astype(np.float32)
    z = batch_norm(*float64(*inputs[:3])) + inputs[3]

    def formula(torch, x, gamma, beta, residual):
        axes = tuple(range(x.ndim - 1))
        d = x - x.mean(axes)
        z = d / torch.sqrt((d * d).mean(axes) + EPSILON) * gamma + beta + residual
        return torch.relu(z) if activation == "relu" else z

    gradients = torch_gradients(formula, inputs, dy)
    settings = {"activation": activation, "residual": True}
    for _, (y, *_), got in run_on_each_isa("batch_norm", inputs, grads=[dy, None, None], wanted=wanted, **settings):
        close(y, np.maximum(z, 0) if activation == "relu" else z, 5e-6)
        for is_wanted, ours, theirs in zip(wanted, got, gradients, strict=True):
            if is_wanted:
                close(ours, theirs, 5e-5)
            else:
                assert ours is None
    axes = tuple(range(len(shape) - 1))
    given = [*inputs[:3], inputs[0].mean(axes, np.float64), inputs[0].var(axes, np.float64), inputs[3]]
    results = run_on_each_isa(
        "batch_norm_inference", given, grads=[dy], wanted=[False] * 5 + [True], **settings
    )  # fmt: skip
    for _, (y,), (*_, got) in results:
        close(y, np.maximum(z, 0) if activation == "relu" else z, 5e-6)
        close(got, gradients[3], 1e-6)


# 4M elements, the fewest that are written past the cache: in whole lines of it, in vectors that end within one, and in
# less than a vector.
@pytest.mark.parametrize("channels", [16, 80, 64, 72, 60])
@pytest.mark.parametrize("activation", ["linear", "relu"])
def test_batch_norm_of_large_arrays(isa, channels, activation):
    rng = np.random.default_rng(13)
    rows = (4 << 20) // channels + 1
    x, gamma, beta = operands((rows, channels), rng)
    dy, residual = rng.normal(size=(2, rows, channels)).astype(np.float32)
    settings = {"activation": activation}

    def some(array, part):
        return array[part] if array.shape == x.shape else array

    for operation, inputs in [
        ("batch_norm", [x, gamma, beta]),
        ("batch_norm", [x, gamma, beta, residual]),
        ("batch_norm_inference", [x, gamma, beta, x.mean(0), x.var(0)]),
    ]:
        settings["residual"] = len(inputs) == 4
        for threads in (1, 2):
            (y, *statistics), _ = _core.run_op(operation, inputs, settings, threads=threads)
            given = [*inputs[:3], *(statistics or inputs[3:]), *(inputs[3:] if statistics else [])]
            for part in (slice(1000), slice(-1000, None)):  # an element's bits are those it has among fewer
                (few,), _ = _core.run_op("batch_norm_inference", [some(a, part) for a in given], settings)
                np.testing.assert_array_equal(y[part], few)
    settings["residual"] = False
    normal = (x - x.mean(0, np.float64)) / (deviation := np.sqrt(x.var(0, dtype=np.float64) + EPSILON))
    dz = np.where(normal * gamma + beta > 0, dy, 0) if activation == "relu" else dy
    expected = gamma / deviation * (dz - dz.mean(0, dtype=np.float64) - normal * (dz * normal).mean(0))
    for threads in (1, 2):
        _, (dx, *_) = _core.run_op("batch_norm", [x, gamma, beta], settings, [dy, None, None], threads=threads)
        close(dx, expected, 5e-5)


# 2M elements are written past the cache; a row's bits are those that it has alone.
@pytest.mark.parametrize("width", [16, 512, 1040, 72, 60])
@pytest.mark.parametrize("operation", ["layer_norm", "rms_norm"])
def test_row_norms_of_large_arrays(isa, operation, width):
    rng = np.random.default_rng(14)
    rows = (2 << 20) // width + 1
    inputs = operands((rows, width), rng)[: 3 if operation == "layer_norm" else 2]
    dy = rng.normal(size=(rows, width)).astype(np.float32)
    wanted = [True] + [False] * (len(inputs) - 1)
    for threads in (1, 2):
        (y,), (dx, *_) = _core.run_op(operation, inputs, {}, [dy], wanted=wanted, threads=threads)
        for part in (slice(100), slice(-100, None)):
            few = [inputs[0][part], *inputs[1:]]
            (y_part,), (dx_part, *_) = _core.run_op(operation, few, {}, [dy[part]], wanted=wanted)
            np.testing.assert_array_equal(y[part], y_part)
            np.testing.assert_array_equal(dx[part], dx_part)


@pytest.mark.parametrize("activation", ["linear", "tanh"])
@pytest.mark.parametrize("wanted", [(True, True, True), (True, False, False), (False, True, False)])
def test_batch_norm_inference_gradients(wanted, activation):
    rng = np.random.default_rng(2)
    x, gamma, beta = operands((40, 19), rng)
    mean, variance = rng.normal(size=19).astype(np.float32), rng.random(19).astype(np.float32)
    dy = rng.normal(size=x.shape).astype(np.float32)

    def formula(torch, x, gamma, beta):
        z = (x - torch.tensor(mean)) / torch.sqrt(torch.tensor(variance) + EPSILON) * gamma + beta
        return torch.tanh(z) if activation == "tanh" else z

    want = torch_gradients(formula, [x, gamma, beta], dy)
    results = run_on_each_isa(
        "batch_norm_inference", [x, gamma, beta, mean, variance], grads=[dy], wanted=[*wanted, False, False],
        activation=activation,
    )  # fmt: skip
    for _, _, gradients in results:
        for is_wanted, got, expected in zip([*wanted, False, False], gradients, [*want, None, None], strict=True):
            if is_wanted:
                close(got, expected, 5e-6)
            else:
                assert got is None


@pytest.mark.parametrize("groups", [1, 2, 4, -1])
@pytest.mark.parametrize(
    "shape", [(1, 4), (3, 8), (5, 4, 16), (2, 33, 20), (3, 40, 40, 12), (0, 4, 8), (70, 5, 36)], ids=str
)
def test_group_norm(shape, groups):
    rng = np.random.default_rng(3)
    x, gamma, beta = operands(shape, rng)
    dy = rng.normal(size=shape).astype(np.float32)
    want = group_norm(*float64(x, gamma, beta), groups, "tanh") if x.size else x

    def formula(torch, x, gamma, beta):
        n = x.shape[-1] if groups == -1 else groups
        moved = torch.movedim(x, -1, 1).reshape(x.shape[0], x.shape[-1], -1)
        # Of a group of one element, torch refuses to take the variance.
        moved = moved.reshape(x.shape[0], n, -1)
        d = moved - moved.mean(-1, keepdim=True)
        z = d / torch.sqrt((d * d).mean(-1, keepdim=True) + EPSILON)
        z = torch.movedim(z.reshape(x.shape[0], x.shape[-1], *x.shape[1:-1]), 1, -1)
        return torch.tanh(z * gamma + beta)

    gradients = torch_gradients(formula, [x, gamma, beta], dy) if x.size else [x, 0 * gamma, 0 * beta]
    results = run_on_each_isa("group_norm", [x, gamma, beta], grads=[dy], groups=groups, activation="tanh")
    for _, (y,), got in results:
        close(y, want, 5e-6)
        for ours, theirs in zip(got, gradients, strict=True):
            close(ours, theirs, 5e-5)


@pytest.mark.parametrize("axes", [1, 2])
@pytest.mark.parametrize("shape", [*SHAPES, (3, 5000), (2, 4096 + 17), (0, 5)], ids=str)
def test_layer_norm(shape, axes):
    if axes > len(shape):
        return
    rng = np.random.default_rng(4)
    row = shape[len(shape) - axes :]
    x, gamma, beta = operands(shape, rng, row)
    dy = rng.normal(size=shape).astype(np.float32)
    want = layer_norm(*float64(x, gamma, beta), axes) if x.size else x

    def formula(torch, x, gamma, beta):
        return torch.nn.functional.layer_norm(x, row, gamma, beta, EPSILON)

    gradients = torch_gradients(formula, [x, gamma, beta], dy)
    for _, (y,), got in run_on_each_isa("layer_norm", [x, gamma, beta], grads=[dy], axes=axes):
        close(y, want, 5e-6)
        for ours, theirs in zip(got, gradients, strict=True):
            close(ours, theirs, 5e-5)


@pytest.mark.parametrize("shape", [*SHAPES, (3, 5000), (0, 5)], ids=str)
def test_rms_norm(shape):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(5)
    x, gamma, _ = operands(shape, rng)
    dy = rng.normal(size=shape).astype(np.float32)
    gradients = torch_gradients(lambda _, x, g: torch.nn.functional.rms_norm(x, shape[-1:], g, 1e-6), [x, gamma], dy)
    for _, (y,), got in run_on_each_isa("rms_norm", [x, gamma], grads=[dy]):
        close(y, rms_norm(*float64(x, gamma)), 5e-6)
        for ours, theirs in zip(got, gradients, strict=True):
            close(ours, theirs, 5e-5)


REFERENCES = {
    "batch_norm": batch_norm,
    "group_norm": lambda x, gamma, beta: group_norm(x, gamma, beta, 2),
    "layer_norm": layer_norm,
    "rms_norm": lambda x, gamma, beta: rms_norm(x, gamma),
}


@pytest.mark.parametrize("name", REFERENCES)
def test_gradients_by_differences(name):
    rng = np.random.default_rng(6)
    inputs = operands((3, 5, 6), rng)
    dy = rng.normal(size=(3, 5, 6)).astype(np.float32)
    given = inputs[:2] if name == "rms_norm" else inputs
    attributes = {"groups": 2} if name == "group_norm" else {}
    results = list(run_on_each_isa(name, given, grads=[dy] + [None] * (2 * (name == "batch_norm")), **attributes))
    for i in range(len(given)):
        others = float64(*inputs)
        want = difference_gradient(lambda v: REFERENCES[name](*others[:i], v, *others[i + 1 :]), inputs[i], dy)  # noqa: B023
        for _, _, gradients in results:
            close(gradients[i], want, 1e-5)


@pytest.mark.parametrize("name", REFERENCES)
def test_without_gamma_and_beta(name):
    rng = np.random.default_rng(7)
    x, gamma, beta = operands((30, 20), rng)
    outputs = 3 if name == "batch_norm" else 1
    attributes = {"groups": 2} if name == "group_norm" else {}
    for scale in (False, True):
        for center in (False, True):
            if center and name == "rms_norm":
                continue
            inputs = [x] + [gamma] * scale + [beta] * center
            dy = np.ones_like(x)
            want = REFERENCES[name](*float64(x, gamma if scale else gamma * 0 + 1, beta if center else beta * 0))
            grads = [dy, *[None] * (outputs - 1)]
            for _, (y, *_), got in run_on_each_isa(name, inputs, grads=grads, scale=scale, center=center, **attributes):
                close(y, want, 5e-6)
                if center:
                    np.testing.assert_allclose(got[-1], np.full(20, 30), rtol=1e-6)


@pytest.mark.parametrize("offset", [0.0, 1e3, 1e5])
def test_variance_survives_an_offset(offset):
    """The mean square less the squared mean would lose it all."""
    rng = np.random.default_rng(8)
    x = (rng.normal(size=(20_000, 33)) + offset).astype(np.float32)
    x[:16] += np.float32(50)  # the rows that are looked at first are no sample of the rest
    variance = x.astype(np.float64).var(0)
    for _, (_, mean, got), _ in run_on_each_isa("batch_norm", [x, np.ones(33), np.zeros(33)]):
        np.testing.assert_allclose(mean, x.astype(np.float64).mean(0), rtol=2e-7, atol=5e-6)
        np.testing.assert_allclose(got, variance, rtol=1e-4 + 3e-9 * offset)  # 1e5 itself is rounded to 0.008
    rows = np.ascontiguousarray(x.T)
    want = layer_norm(rows.astype(np.float64), 1, 0)
    for _, (y,), _ in run_on_each_isa("layer_norm", [rows], scale=False, center=False):
        close(y, want, 1e-5 + offset * 2e-7)


def test_zero_variance_and_special_values():
    x = np.full((100, 20), 7.25, np.float32)
    ones, zeros = np.ones(20, np.float32), np.zeros(20, np.float32)
    for name, outputs in (("batch_norm", 3), ("layer_norm", 1), ("group_norm", 1)):
        attributes = {"groups": 4} if name == "group_norm" else {}
        grads = [np.ones_like(x), *[None] * (outputs - 1)]
        for _, (y, *_), (dx, _, dbeta) in run_on_each_isa(name, [x, ones, zeros], grads=grads, **attributes):
            np.testing.assert_array_equal(y, 0)
            np.testing.assert_allclose(dx, 0, atol=1e-5)
            np.testing.assert_array_equal(dbeta, 100)
    x[3, 5] = np.nan
    x[4, 6] = np.inf
    for _, (y, mean, variance), _ in run_on_each_isa("batch_norm", [x, ones, zeros], activation="relu"):
        assert np.isnan(y[:, 5:7]).all()  # a NaN is never hidden, not by the relu either
        assert np.isnan(variance[5:7]).all()
        np.testing.assert_array_equal(np.delete(y, [5, 6], 1), 0)
        np.testing.assert_array_equal(np.delete(mean, [5, 6]), 7.25)
    for _, (y,), _ in run_on_each_isa("layer_norm", [x, ones, zeros]):
        np.testing.assert_array_equal(np.isnan(y).all(1), np.isin(np.arange(100), [3, 4]))


@pytest.mark.parametrize("name", ["layer_norm", "rms_norm", "group_norm"])
def test_a_sample_has_the_same_bits_alone(name):
    rng = np.random.default_rng(9)
    x, gamma, beta = operands((37, 6, 24), rng)
    given = [gamma] if name == "rms_norm" else [gamma, beta]
    attributes = {"groups": 3} if name == "group_norm" else {}
    for isa, (y,), _ in run_on_each_isa(name, [x, *given], **attributes):
        for row in (0, 36):
            alone = {each: out for each, (out,), _ in run_on_each_isa(name, [x[row : row + 1], *given], **attributes)}
            np.testing.assert_array_equal(alone[isa][0], y[row])


@pytest.mark.parametrize("width", [20, 1025])
def test_parameters_have_the_same_bits_wherever_they_lie(width):
    rng = np.random.default_rng(11)
    x, gamma, beta = operands((9, width), rng)
    memory = np.zeros(2 * width + 32, np.float32)
    first = -memory.ctypes.data // 4 % 16
    dy = rng.normal(size=x.shape).astype(np.float32)
    for name, given in (("layer_norm", [gamma, beta]), ("rms_norm", [gamma])):
        results = []
        for shift in (0, 1):  # from a multiple of 64 bytes
            moved = [memory[first + shift + i * width :][:width] for i in range(len(given))]
            for there, values in zip(moved, given, strict=True):
                there[:] = values
            results.append(list(run_on_each_isa(name, [x, *moved], grads=[dy])))
        for (_, (y,), gradients), (_, (want,), others) in zip(*results, strict=True):
            np.testing.assert_array_equal(y, want)
            for ours, theirs in zip(gradients, others, strict=True):
                np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("activation", [None, "relu"])
def test_batch_norm_kernels(activation):
    rng = np.random.default_rng(10)
    x, gamma, beta = operands((9, 7, 33), rng)
    dy = rng.normal(size=x.shape).astype(np.float32)
    y, mean, inv_std = kernels.batch_norm(x, gamma, beta, EPSILON, activation)
    close(y, batch_norm(*float64(x, gamma, beta), activation or "linear"), 5e-6)
    np.testing.assert_allclose(mean, x.mean((0, 1), np.float64), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(inv_std, 1 / np.sqrt(x.astype(np.float64).var((0, 1)) + EPSILON), rtol=1e-5)
    got = kernels.batch_norm_backward(x, y, dy, gamma, mean, inv_std, activation)
    attributes = {"activation": activation or "linear"}
    _, want = _core.run_op("batch_norm", [x, gamma, beta], attributes, output_grads=[dy, None, None])
    for ours, theirs in zip(got, want, strict=True):
        close(ours, theirs, 1e-6)
    with pytest.raises(ValueError, match="expected activation None, 'linear' or 'relu'; received 'gelu'"):
        kernels.batch_norm_backward(x, y, dy, gamma, mean, inv_std, "gelu")
    with pytest.raises(ValueError, match=r"expected an output's gradient of shape \(9, 7, 33\), received \(9, 7, 32\)"):
        kernels.batch_norm_backward(x, y, dy[..., 1:], gamma, mean, inv_std)


def test_layer_norm_kernels():
    rng = np.random.default_rng(11)
    x, gamma, beta = operands((9, 7, 33), rng)
    dy = rng.normal(size=x.shape).astype(np.float32)
    y, mean, inv_std = kernels.layer_norm(x, gamma, beta, EPSILON)
    assert mean.shape == inv_std.shape == (9, 7)
    close(y, layer_norm(*float64(x, gamma, beta)), 5e-6)
    np.testing.assert_allclose(mean, x.mean(-1, np.float64), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(inv_std, 1 / np.sqrt(x.astype(np.float64).var(-1) + EPSILON), rtol=1e-6)
    got = kernels.layer_norm_backward(x, dy, gamma, mean, inv_std)
    _, want = _core.run_op("layer_norm", [x, gamma, beta], output_grads=[dy])
    for ours, theirs in zip(got, want, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("name", "shapes", "attributes", "message"),
    [
        ("batch_norm", [(4, 3), (2,), (3,)], {}, r"x of shape \(4, 3\) has 3 channels, received .* shape \(2,\)"),
        ("batch_norm", [(4, 3), (3,)], {}, "expected 3 inputs, received 2"),
        ("batch_norm", [(4, 3), (3,), (3,)], {"epsilon": -1.0}, "epsilon must not be negative, received -1"),
        ("batch_norm", [(4, 3), (3,), (3,)], {"activation": "rulu"}, "unknown activation 'rulu'; it can be linear"),
        ("batch_norm", [(), (3,), (3,)], {}, r"expected x of shape \(…, channels\)"),
        ("group_norm", [(4, 6), (6,), (6,)], {"groups": 4}, "the 6 channels of x cannot be divided into 4 groups"),
        ("group_norm", [(4, 6), (6,), (6,)], {"groups": 0}, "groups must be positive, or -1 .* received 0"),
        ("layer_norm", [(4, 6), (5,), (6,)], {}, r"rows of x have shape \(6,\), received parameters of shape \(5,\)"),
        ("layer_norm", [(4, 6), (6,), (6,)], {"axes": 3}, r"cannot normalize the last 3 axes of x of shape \(4, 6\)"),
        ("rms_norm", [(4, 6), (6,), (6,)], {}, "expected 2 inputs, received 3"),
    ],
)  # fmt: skip
def test_errors(name, shapes, attributes, message):
    with pytest.raises(ValueError, match=message):
        _core.run_op(name, [np.zeros(shape, np.float32) for shape in shapes], attributes)
