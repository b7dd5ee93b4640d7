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
