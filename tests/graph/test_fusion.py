"""What the planner makes of a graph: fewer steps that compute the same."""

import re

import numpy as np
import pytest

from nnfast import _core

rng = np.random.default_rng(0)


def normal(*shape):
    return rng.normal(size=shape).astype(np.float32)


def steps_of(program, direction="forward"):
    """The names of the steps of one direction, in order."""
    lines = program.describe().splitlines()[1:-1]
    rows = [re.match(r"\d+\s+(\w+)\s+(.*?)\s{2,}", line).groups() for line in lines]
    return [name for kind, name in rows if kind == direction]


class Net:
    """A graph with variables for its parameters, and the loss that is the sum of its output times a constant."""

    def __init__(self):
        self.graph = _core.Graph()
        self.variables = []

    def parameter(self, *shape):
        variable = _core.Variable(f"v{len(self.variables)}", shape)
        variable.assign(normal(*shape))
        self.variables.append(variable)
        return self.graph.variable(variable)

    def add(self, op, *inputs, **attributes):
        return self.graph.add(op, list(inputs), attributes)[0]

    def assign(self, variable, scale, offset):
        """Give a parameter values of another spread and mean."""
        core = self.variables[variable]
        core.assign(scale * np.abs(core.numpy()) + offset)

    def train(self, y, *outputs):
        """The program of the gradients of Σ y·weights."""
        weights = self.graph.constant(normal(*self.graph.shape(y)))
        loss = self.add("sum", self.add("multiply", y, weights))
        self.block = _core.Block(self.variables)
        return _core.Program(self.graph, outputs=[loss, *outputs], loss=loss, block=self.block)

    def gradients(self):
        return [self.block.gradient(i) for i in range(len(self.variables))]


def test_an_activation_joins_the_dense_layer_before():
    net = Net()
    x = net.graph.input((5, 3))
    y = net.add("relu", net.add("dense", x, net.parameter(3, 4), net.parameter(4)))
    assert steps_of(_core.Program(net.graph, outputs=[y])) == ["dense + relu"]


@pytest.mark.parametrize("op", ["layer_norm", "rms_norm"])
def test_an_activation_stays_where_the_operation_before_has_none(op):
    net = Net()
    x = net.graph.input((5, 8))
    y = net.add("relu", net.add(op, x, *(net.parameter(8) for _ in range(2 if op == "layer_norm" else 1))))
    program = _core.Program(net.graph, outputs=[y])
    assert steps_of(program) == [op, "relu"]
    (found,) = program.run([normal(5, 8)])
    assert (found >= 0).all()


def test_a_value_that_is_read_twice_keeps_its_step():
    net = Net()
    x = net.graph.input((5, 3))
    z = net.add("dense", x, net.parameter(3, 4), net.parameter(4))
    y = net.add("add", net.add("relu", z), z)
    assert steps_of(_core.Program(net.graph, outputs=[y])) == ["dense", "relu", "add"]


def test_a_value_that_is_an_output_keeps_its_step():
    net = Net()
    x = net.graph.input((5, 3))
    z = net.add("dense", x, net.parameter(3, 4), net.parameter(4))
    y = net.add("relu", z)
    program = _core.Program(net.graph, outputs=[z, y])
    assert steps_of(program) == ["dense", "relu"]
    before, after = program.run([normal(5, 3)])
    np.testing.assert_array_equal(after, np.maximum(before, 0))


def test_only_one_activation_joins():
    net = Net()
    x = net.graph.input((5, 3))
    y = net.add("tanh", net.add("relu", net.add("dense", x, net.parameter(3, 4))))
    assert steps_of(_core.Program(net.graph, outputs=[y])) == ["dense + relu", "tanh"]


def test_argmax_of_softmax_needs_no_softmax():
    net = Net()
    x = net.graph.input((5, 7))
    y = net.add("argmax", net.add("softmax", x))
    program = _core.Program(net.graph, outputs=[y])
    assert steps_of(program) == ["argmax"]
    values = normal(5, 7)
    np.testing.assert_array_equal(program.run([values])[0], values.argmax(-1))


@pytest.mark.parametrize("name", ["softmax_cross_entropy_dense", "sigmoid_cross_entropy"])
def test_the_mean_of_losses_joins_them(name):
    kernel, target, values = normal(3, 4), np.abs(normal(5, 4)), normal(5, 3)
    results = []
    for losses_are_read in (False, True):
        net = Net()
        product = net.add("dense", net.graph.input((5, 3)), net.parameter(3, 4))
        net.variables[0].assign(kernel)
        losses = net.add(name, product, net.graph.constant(target))
        mean = net.add("mean", losses, axes=[0])
        block = _core.Block(net.variables)
        outputs = [mean, losses] if losses_are_read else [mean]
        program = _core.Program(net.graph, outputs=outputs, loss=mean, block=block)
        assert steps_of(program) == (["dense", name, "mean"] if losses_are_read else ["dense", f"{name} + mean"])
        results.append((program.run([values])[0], block.gradient(0).copy()))
    (mean, gradient), (want, other) = results
    np.testing.assert_array_equal(mean, want)
    np.testing.assert_allclose(gradient, other, rtol=1e-6, atol=1e-7)
    assert other.any()


def test_a_mean_over_some_axes_stays():
    net = Net()
    x = net.graph.input((5, 3, 4))
    losses = net.add("softmax_cross_entropy_dense", x, net.graph.constant(np.abs(normal(5, 3, 4))))
    program = _core.Program(net.graph, outputs=[net.add("mean", losses, axes=[1])])
    assert steps_of(program) == ["softmax_cross_entropy_dense", "mean"]


def test_what_no_output_needs_is_not_planned():
    net = Net()
    x = net.graph.input((5, 3))
    net.add("exp", net.add("dense", x, net.parameter(3, 9)))
    y = net.add("tanh", x)
    program = _core.Program(net.graph, outputs=[y])
    assert steps_of(program) == ["tanh"]
    values = normal(5, 3)
    np.testing.assert_allclose(program.run([values])[0], np.tanh(values), rtol=1e-6)


def test_the_gradient_of_what_the_loss_does_not_use_is_zero():
    net = Net()
    x = net.graph.input((5, 3))
    y = net.add("dense", x, net.parameter(3, 4))
    net.add("dense", x, net.parameter(3, 2))
    program = net.train(y)
    program.run([normal(5, 3)])
    used, unused = net.gradients()
    assert used.any()
    np.testing.assert_array_equal(unused, 0)
    assert steps_of(program, "zero") == ["zero gradient of v1"]


def test_gradients_of_a_shared_value_are_summed():
    net = Net()
    x = net.graph.input((5, 4))
    w = net.parameter(4, 4)
    h = net.add("dense", net.add("tanh", net.add("dense", x, w)), w)
    y = net.add("add", net.add("multiply", h, h), h)
    program = net.train(y)
    values, step = normal(5, 4), 1e-2
    weight = net.variables[0].numpy()
    program.run([values])
    (got,) = net.gradients()
    want = np.empty_like(got)
    for index in np.ndindex(weight.shape):
        losses = []
        for sign in (1, -1):
            moved = weight.copy()
            moved[index] += sign * step
            net.variables[0].assign(moved)
            losses.append(program.run([values])[0])
        want[index] = (losses[0] - losses[1]) / (2 * step)
    np.testing.assert_allclose(got, want, rtol=2e-2, atol=2e-2 * np.abs(want).max())


def test_no_gradient_goes_where_none_is_wanted():
    """Neither into the input nor through what depends on no variable."""
    net = Net()
    x = net.graph.input((5, 3))
    y = net.add("dense", net.add("tanh", x), net.parameter(3, 4))
    assert "tanh" not in steps_of(net.train(y), "backward")


def close(got, want, tolerance=1e-5):
    np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance * max(1e-30, np.abs(want).max()))


def on_each_isa_and_number_of_threads(run):
    """What run() returns on each ISA; there its arrays must have the same bits for any number of threads."""
    isa, threads = _core.isa(), _core.num_threads()
    found = []
    try:
        for name in _core.runnable_isas():
            _core.use_isa(name)
            results = []
            for count in (1, 2, 3):
                _core.set_num_threads(count)
                results.append(run())
            for other in results[1:]:
                for a, b in zip(results[0], other, strict=True):
                    np.testing.assert_array_equal(a, b, err_msg=f"threads differ on {name}")
            found.append(results[0])
    finally:
        _core.use_isa(isa)
        _core.set_num_threads(threads)
    return found


def residual_block(fused, activation, shape, seed=3, norms=1):
    """BN(x·w) + s, activated, with a second use of the sum; where not fused, its parts are outputs, so they stay."""
    global rng
    rng = np.random.default_rng(seed)
    net = Net()
    channels = shape[-1]
    x = net.graph.input(shape)
    s = net.add("dense", x, net.parameter(channels, channels))
    h = net.add("dense", s, net.parameter(channels, channels))
    if norms == 2:
        s = net.graph.add("batch_norm", [s, net.parameter(channels), net.parameter(channels)])[0]
    n = net.graph.add("batch_norm", [h, net.parameter(channels), net.parameter(channels)])[0]
    z = net.add("add", n, s)
    y = net.add(activation, z) if activation != "linear" else z
    out = net.add("add", net.add("dense", y, net.parameter(channels, channels)), y)
    program = net.train(out, *([] if fused else [n, z] if activation != "linear" else [n]))
    values = normal(*shape)
    loss = program.run([values])[0]
    return program, [loss, *net.gradients()]


@pytest.mark.parametrize("norms", [1, 2])
@pytest.mark.parametrize("activation", ["relu", "linear", "tanh"])
@pytest.mark.parametrize("shape", [(3, 5, 7, 17), (40, 64), (700, 33)], ids=str)
def test_an_addition_joins_the_batch_norm_before(activation, shape, norms):
    name = {"relu": "batch_norm + add + relu"}.get(activation, "batch_norm + add")
    program, _ = residual_block(True, activation, shape, norms=norms)
    assert steps_of(program).count(name) == 1
    assert steps_of(program).count("add") == 1  # the later one, which no normalization comes before
    assert ("tanh" in steps_of(program)) == (activation == "tanh")
    plain, _ = residual_block(False, activation, shape, norms=norms)
    assert name not in steps_of(plain)
    fused = on_each_isa_and_number_of_threads(lambda: residual_block(True, activation, shape, norms=norms)[1])
    apart = on_each_isa_and_number_of_threads(lambda: residual_block(False, activation, shape, norms=norms)[1])
    for ours, theirs in zip(fused, apart, strict=True):
        for a, b in zip(ours, theirs, strict=True):
            close(a, b, 1e-4)


def test_an_addition_that_broadcasts_stays():
    net = Net()
    x = net.graph.input((6, 4))
    n = net.graph.add("batch_norm", [x, net.parameter(4), net.parameter(4)])[0]
    y = net.add("add", n, net.parameter(4))
    assert steps_of(_core.Program(net.graph, outputs=[y])) == ["batch_norm", "add"]


def test_an_addition_of_what_comes_later_stays():
    net = Net()
    x = net.graph.input((6, 4))
    n = net.graph.add("batch_norm", [x, net.parameter(4), net.parameter(4)])[0]
    later = net.add("tanh", x)
    y = net.add("add", n, later)
    assert steps_of(_core.Program(net.graph, outputs=[y])) == ["batch_norm", "tanh", "add"]


@pytest.mark.parametrize("op", ["batch_norm", "batch_norm_inference"])
def test_a_residual_needs_a_simple_activation_and_the_shape_of_x(op):
    given = [np.ones((4, 3), np.float32)] + [np.ones(3, np.float32)] * (2 if op == "batch_norm" else 4)
    with pytest.raises(ValueError, match=f"{op}: takes a residual with the activation linear or relu, received gelu"):
        _core.run_op(op, [*given, given[0]], {"residual": True, "activation": "gelu"})
    with pytest.raises(ValueError, match=rf"{op}: expected a residual of the shape of x, \(4, 3\), received \(4, 1\)"):
        _core.run_op(op, [*given, given[0][:, :1]], {"residual": True})


def normalized_convolution(fused, op, ending, seed=5):
    """conv, batch norm by the batch's statistics, then `ending`; where not fused, what is made is an output, too."""
    global rng
    rng = np.random.default_rng(seed)
    shape, kernel = (3, 14, 13, 17), (3, 3, 17, 1 if op == "depthwise_conv" else 20)
    channels = 17 if op == "depthwise_conv" else 20
    net = Net()
    x = net.graph.input(shape)
    made = net.add(op, x, net.parameter(*kernel), padding="same")
    other = net.add("conv", x, net.parameter(1, 1, 17, channels), padding="same")
    y, mean, variance = net.graph.add("batch_norm", [made, net.parameter(channels), net.parameter(channels)])
    y = net.add("relu", net.add("add", y, other)) if ending == " + add + relu" else net.add("relu", y)
    program = net.train(y, mean, variance, *([] if fused else [made]))
    loss, mean, variance = program.run([normal(*shape) + 2])[:3]
    return program, [loss, mean, variance, *net.gradients()]


@pytest.mark.parametrize("ending", [" + relu", " + add + relu"])
@pytest.mark.parametrize("op", ["conv", "depthwise_conv"])
def test_a_convolution_takes_the_statistics_for_batch_norm(op, ending):
    steps = steps_of(normalized_convolution(True, op, ending)[0])
    assert f"{op} + moments" in steps and f"batch_norm{ending}" in steps
    assert f"{op} + moments" not in steps_of(normalized_convolution(False, op, ending)[0])
    fused = on_each_isa_and_number_of_threads(lambda: normalized_convolution(True, op, ending)[1])
    apart = on_each_isa_and_number_of_threads(lambda: normalized_convolution(False, op, ending)[1])
    for ours, theirs in zip(fused, apart, strict=True):
        for a, b in zip(ours, theirs, strict=True):
            close(a, b, 1e-4)


def test_two_normalizations_of_a_convolution_take_statistics_of_their_own():
    net = Net()
    made = net.add("conv", net.graph.input((2, 9, 9, 4)), net.parameter(3, 3, 4, 6))
    norms = [net.graph.add("batch_norm", [made, net.parameter(6), net.parameter(6)])[0] for _ in range(2)]
    program = net.train(net.add("add", norms[0], norms[1]))
    assert steps_of(program)[0] == "conv"


LAYERS = {
    "dense": ((2, 45, 6), (6, 17), {}),
    "conv": ((2, 9, 9, 5), (3, 3, 5, 17), {"padding": "same"}),
    "depthwise_conv": ((2, 9, 9, 5), (3, 3, 5, 3), {"padding": "valid", "strides": [2]}),
}


def normalized_layer(fused, op, bias, scale, center, activation):
    global rng
    rng = np.random.default_rng(8)
    shape, kernel, attributes = LAYERS[op]
    net = Net()
    channels = kernel[-1] * (kernel[-2] if op == "depthwise_conv" else 1)
    x = net.graph.input(shape)
    h = net.add(op, x, net.parameter(*kernel), *([net.parameter(channels)] * bias), **attributes)
    parameters = [net.parameter(channels) for _ in range(scale + center)]
    mean, variance = net.parameter(channels), net.parameter(channels)
    net.assign(-1, 2.0, 0.1)
    y = net.graph.add(
        "batch_norm_inference", [h, *parameters, mean, variance], {"scale": scale, "center": center, "epsilon": 0.01}
    )[0]
    if activation != "linear":
        y = net.add(activation, y)
    return net, _core.Program(net.graph, outputs=[y] if fused else [y, h])


@pytest.mark.parametrize("activation", ["linear", "relu", "gelu"])
@pytest.mark.parametrize(
    ("bias", "scale", "center"), [(True, True, True), (False, True, False), (True, False, True), (False, False, False)]
)
@pytest.mark.parametrize("op", LAYERS)
def test_batch_norm_is_folded_into_the_weights_before(op, bias, scale, center, activation):
    settings = (op, bias, scale, center, activation)
    ending = "" if activation == "linear" else f" + {activation}"
    assert steps_of(normalized_layer(True, *settings)[1]) == ["fold_batch_norm", op + ending]
    assert steps_of(normalized_layer(False, *settings)[1]) == [op, "batch_norm_inference" + ending]
    values = normal(*LAYERS[op][0])

    def run(fused):
        net, program = normalized_layer(fused, *settings)
        before = [variable.numpy() for variable in net.variables]
        first = program.run([values])[0]
        for variable, value in zip(net.variables, before, strict=True):
            np.testing.assert_array_equal(variable.numpy(), value)  # the stored weights stay
        for variable in net.variables:
            variable.assign(variable.numpy() * np.float32(0.5) + np.float32(0.25))
        return [first, program.run([values])[0]]  # other weights are seen at once

    fused, apart = (on_each_isa_and_number_of_threads(lambda f=f: run(f)) for f in (True, False))
    for ours, theirs in zip(fused, apart, strict=True):
        for a, b in zip(ours, theirs, strict=True):
            close(a, b, 2e-5)


@pytest.mark.parametrize("rows", [1, 4, 4000])
def test_batch_norm_is_not_folded_where_a_row_has_more_weights_than_outputs(rows):
    """However many rows there are: a row has the same bits in any batch."""
    net = Net()
    x = net.graph.input((rows, 30))
    h = net.add("dense", x, net.parameter(30, 20))
    y = net.graph.add("batch_norm_inference", [h, *(net.parameter(20) for _ in range(4))])[0]
    assert steps_of(_core.Program(net.graph, outputs=[y])) == ["dense", "batch_norm_inference"]


def test_frozen_batch_norm_is_not_folded_in_training():
    net = Net()
    x = net.graph.input((40, 3))
    h = net.add("dense", x, net.parameter(3, 4))
    fixed = [net.graph.constant(np.ones(4, np.float32)) for _ in range(2)]
    y = net.graph.add("batch_norm_inference", [h, net.parameter(4), net.parameter(4), *fixed])[0]
    program = net.train(y)
    assert steps_of(program)[:2] == ["dense", "batch_norm_inference"]


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ([(3, 4), (4,), (4,), (4,), (4,)], "fold_batch_norm: expected 6 inputs, received 5"),
        ([(3, 4), (4,), (3,), (4,), (4,), (4,)], r"expected parameters of shape \(4,\), received \(3,\)"),
        ([(3, 5), *[(4,)] * 5], r"weights of shape \(3, 5\) do not have 4 channels"),
    ],
)
def test_errors_of_folding(shapes, message):
    with pytest.raises(ValueError, match=message):
        _core.run_op("fold_batch_norm", [np.ones(shape, np.float32) for shape in shapes])


def test_folding_has_no_gradient():
    inputs = [np.ones(shape, np.float32) for shape in [(3, 4), *[(4,)] * 5]]
    with pytest.raises(ValueError, match="fold_batch_norm is for inference and has no gradient"):
        _core.run_op("fold_batch_norm", inputs, output_grads=[None, None])


def test_sums_pass_their_gradient_on_without_a_step():
    net = Net()
    x = net.graph.input((5, 4))
    h = net.add("dense", x, net.parameter(4, 4))
    y = net.add("subtract", net.add("add", net.add("tanh", h), net.add("exp", h)), net.add("sin", h))
    loss = net.add("sum", y)
    block = _core.Block(net.variables)
    program = _core.Program(net.graph, outputs=[loss], loss=loss, block=block)
    backward = steps_of(program, "backward")
    assert "add" not in backward
    assert backward.count("subtract") == 1  # the negative for its second operand
    values = normal(5, 4)
    program.run([values])
    z = values @ net.variables[0].numpy()
    close(block.gradient(0), values.T @ (1 - np.tanh(z) ** 2 + np.exp(z) - np.cos(z)))


def test_results_take_the_place_of_operands_that_nothing_reads_later():
    """A chain of elementwise steps needs one buffer; what is read again keeps its own."""
    net = Net()
    x = net.graph.input((64, 64))
    h = net.add("exp", x)
    for op in ("tanh", "sin", "negative"):
        h = net.add(op, h)
    program = _core.Program(net.graph, outputs=[h])
    assert program.arena_bytes == 64 * 64 * 4
    values = normal(64, 64)
    np.testing.assert_allclose(program.run([values])[0], -np.sin(np.tanh(np.exp(values))), rtol=1e-5, atol=1e-6)

    net = Net()
    x = net.graph.input((64, 64))
    a = net.add("exp", x)
    b = net.add("tanh", a)
    y = net.add("multiply", b, a)
    program = _core.Program(net.graph, outputs=[y, a])
    assert program.arena_bytes == 2 * 64 * 64 * 4
    found, first = program.run([values])
    np.testing.assert_allclose(first, np.exp(values), rtol=1e-6)
    np.testing.assert_allclose(found, np.tanh(first) * first, rtol=1e-5)


def test_forty_values_are_added_and_joined():
    """More inputs than a mask of them has bits."""
    net = Net()
    x = net.graph.input((3, 4))
    parts = [net.add("dense", x, net.parameter(4, 4)) for _ in range(40)]
    y = net.add("multiply", net.add("add_n", *parts), net.add("add_n", *parts[::-1]))
    joined = net.add("concatenate", *parts, axis=1)
    loss = net.add("add", net.add("sum", y), net.add("sum", joined))
    block = _core.Block(net.variables)
    program = _core.Program(net.graph, outputs=[loss], loss=loss, block=block)
    values = normal(3, 4)
    program.run([values])
    total = values @ sum(variable.numpy() for variable in net.variables)
    for i in (0, 30, 31, 32, 39):
        close(block.gradient(i), values.T @ (2 * total + 1), 1e-4)


def test_values_that_a_graph_does_not_have():
    net = Net()
    x = net.graph.input((5, 3))
    _core.Program(net.graph, outputs=[x])  # takes the graph over
    for ask in (net.graph.shape, net.graph.dtype, lambda id: _core.Program(net.graph, outputs=[id])):
        with pytest.raises(ValueError, match=f"no value {x} in this graph"):
            ask(x)
