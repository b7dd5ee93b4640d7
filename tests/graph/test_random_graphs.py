"""Whatever the planner fuses, shares and overwrites, a graph computes what it computes with every value kept."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from nnfast import _core

ROWS, CHANNELS = 6, 17
UNARY = ("tanh", "relu", "sigmoid", "sin", "negative")
BINARY = ("add", "subtract", "multiply", "maximum")
NORMS = ("batch_norm", "layer_norm", "rms_norm", "batch_norm_inference")

# Operations, each with the places, counted from the last value, of what it reads.
steps = st.lists(
    st.tuples(
        st.sampled_from([*UNARY, *BINARY, *BINARY, *NORMS, *NORMS, "dense", "dense", "reshape"]),
        st.integers(0, 3),
        st.integers(0, 3),
    ),
    min_size=1,
    max_size=14,
)


def build(recipe, keep_all, differentiate):
    rng = np.random.default_rng(1)
    graph, variables = _core.Graph(), []

    def parameter(*shape):
        variable = _core.Variable("v", shape)
        variable.assign(np.abs(rng.normal(size=shape)).astype(np.float32) / np.sqrt(shape[0]) + np.float32(0.1))
        variables.append(variable)
        return graph.variable(variable)

    values = [graph.input((ROWS, CHANNELS))]
    values.append(graph.add("dense", [values[0], parameter(CHANNELS, CHANNELS)])[0])
    for op, first, second in recipe:
        a, b = values[-1 - first % len(values)], values[-1 - second % len(values)]
        if op in BINARY:
            values.append(graph.add(op, [a, b])[0])
        elif op == "dense":
            values.append(graph.add(op, [a, parameter(CHANNELS, CHANNELS), parameter(CHANNELS)])[0])
        elif op == "reshape":
            flat = graph.add(op, [a], {"shape": [ROWS * CHANNELS]})[0]
            values.append(graph.add(op, [graph.add("sin", [flat])[0]], {"shape": [ROWS, CHANNELS]})[0])
        elif op in NORMS:
            count = {"rms_norm": 1, "batch_norm_inference": 4}.get(op, 2)
            values.append(graph.add(op, [a, *(parameter(CHANNELS) for _ in range(count))], {"epsilon": 0.1})[0])
        else:
            values.append(graph.add(op, [a])[0])
    outputs = [values[-1], *(values[1:-1] if keep_all else [])]
    if not differentiate:
        return _core.Program(graph, outputs=outputs), None, 0
    # Given statistics have no gradient: only what no inference's norm reads is trained.
    trained = [v for v in variables if v.shape != (CHANNELS,)]
    block = _core.Block(trained)
    loss = graph.add("mean", [values[-1]])[0]
    return _core.Program(graph, outputs=outputs, loss=loss, block=block), block, len(trained)


def results(recipe, keep_all, differentiate, x):
    program, block, count = build(recipe, keep_all, differentiate)
    first = program.run([x])[0]
    again = program.run([x])[0]
    np.testing.assert_array_equal(first, again)  # nothing that a run needs is overwritten by it
    return [first, *(block.gradient(i) for i in range(count))]


def check(recipe, differentiate):
    x = np.random.default_rng(2).normal(size=(ROWS, CHANNELS)).astype(np.float32)
    for ours, kept in zip(
        results(recipe, False, differentiate, x), results(recipe, True, differentiate, x), strict=True
    ):
        largest = max(np.abs(kept).max(), 1e-6)
        np.testing.assert_allclose(ours, kept, rtol=1e-5, atol=1e-5 * largest)


@settings(max_examples=300, derandomize=True, deadline=None)
@given(steps)
def test_a_plan_computes_what_the_graph_says(recipe):
    check(recipe, differentiate=False)


@settings(max_examples=300, derandomize=True, deadline=None)
@given(steps)
def test_a_plan_differentiates_what_the_graph_says(recipe):
    check(recipe, differentiate=True)
