import numpy as np
import pytest

from nnfast._core import run_op


def operands(batch_a, batch_b, m, n, k, transpose_a, transpose_b):
    rng = np.random.default_rng(0)
    a = rng.standard_normal((*batch_a, *((k, m) if transpose_a else (m, k))), dtype=np.float32)
    b = rng.standard_normal((*batch_b, *((n, k) if transpose_b else (k, n))), dtype=np.float32)
    return a, b


def sum_to(x, shape):
    """The sum over the axes along which an array of that shape was broadcast to x."""
    x = x.sum(tuple(range(x.ndim - len(shape))))
    return x.sum(tuple(i for i, size in enumerate(shape) if size == 1), keepdims=True).reshape(shape)


def reference(a, b, dc, transpose_a, transpose_b):
    a64, b64, dc = a.astype(np.float64), b.astype(np.float64), dc.astype(np.float64)
    if transpose_a:
        a64 = a64.swapaxes(-1, -2)
    if transpose_b:
        b64 = b64.swapaxes(-1, -2)
    da, db = dc @ b64.swapaxes(-1, -2), a64.swapaxes(-1, -2) @ dc
    if transpose_a:
        da = da.swapaxes(-1, -2)
    if transpose_b:
        db = db.swapaxes(-1, -2)
    return a64 @ b64, sum_to(da, a.shape), sum_to(db, b.shape)


BATCHES = [
    ((), ()),
    ((5,), (5,)),
    ((5,), ()),
    ((), (5,)),
    ((1,), (4,)),
    ((4,), (1,)),
    ((3, 1), (1, 2)),
    ((2, 3), (3,)),
    ((3,), (2, 1)),
    ((2, 1, 3), (4, 1)),
    ((1, 1), (1,)),
]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("transpose_b", [False, True])
@pytest.mark.parametrize("transpose_a", [False, True])
@pytest.mark.parametrize(("batch_a", "batch_b"), BATCHES)
def test_forward_and_backward(batch_a, batch_b, transpose_a, transpose_b, threads):
    for m, n, k in [(3, 4, 5), (40, 33, 17), (1, 1, 1), (70, 80, 90), (20, 10, 40), (36, 20, 40)]:
        a, b = operands(batch_a, batch_b, m, n, k, transpose_a, transpose_b)
        dc = np.random.default_rng(1).standard_normal((*np.broadcast_shapes(batch_a, batch_b), m, n), dtype=np.float32)
        attributes = {"transpose_a": transpose_a, "transpose_b": transpose_b}
        (c,), grads = run_op("matmul", [a, b], attributes, output_grads=[dc], threads=threads)
        for ours, expected in zip((c, *grads), reference(a, b, dc, transpose_a, transpose_b), strict=True):
            assert ours.shape == expected.shape
            np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("wanted", [(True, False), (False, True), (False, False)])
def test_only_wanted_gradients(wanted):
    a, b = operands((3,), (), 4, 5, 6, False, False)
    _, grads = run_op("matmul", [a, b], output_grads=[np.ones((3, 4, 5), np.float32)], wanted=list(wanted))
    assert [grad is not None for grad in grads] == list(wanted)


@pytest.mark.parametrize(
    ("shape_a", "shape_b"),
    [
        ((0, 2, 3), (1, 3, 4)),
        ((1, 2, 3), (0, 3, 4)),
        ((0, 2, 3), (3, 4)),
        ((2, 0), (0, 3)),
        ((0, 2), (2, 3)),
        ((2, 2), (2, 0)),
    ],
)
def test_zero_sizes(shape_a, shape_b):
    a, b = np.ones(shape_a, np.float32), np.ones(shape_b, np.float32)
    c = a @ b
    (ours,), (da, db) = run_op("matmul", [a, b], output_grads=[np.ones_like(c)])
    np.testing.assert_array_equal(ours, c)
    expected = reference(a, b, np.ones_like(c), False, False)
    np.testing.assert_array_equal(da, expected[1])
    np.testing.assert_array_equal(db, expected[2])


def test_against_torch():
    torch = pytest.importorskip("torch")
    a, b = operands((2, 3), (3,), 20, 30, 40, False, False)
    tensors = [torch.tensor(v, requires_grad=True) for v in (a, b)]
    c = tensors[0] @ tensors[1]
    c.backward(torch.ones_like(c))
    (ours,), grads = run_op("matmul", [a, b], output_grads=[np.ones((2, 3, 20, 30), np.float32)])
    np.testing.assert_allclose(ours, c.detach().numpy(), atol=1e-4)
    for grad, tensor in zip(grads, tensors, strict=True):
        np.testing.assert_allclose(grad, tensor.grad.numpy(), atol=1e-3)


def test_same_bits_on_any_number_of_threads():
    a, b = operands((4,), (), 300, 200, 500, False, False)
    dc = np.random.default_rng(1).standard_normal((4, 300, 200), dtype=np.float32)
    results = [run_op("matmul", [a, b], output_grads=[dc], threads=threads) for threads in (1, 2, 5)]
    for c, grads in results[1:]:
        for ours, theirs in zip(c + grads, results[0][0] + results[0][1], strict=True):
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("shape_a", "shape_b", "attributes", "message"),
    [
        ((3,), (3, 4), {}, r"two axes or more, received shapes \(3,\) and \(3, 4\); reshape"),
        ((2, 3), (4, 5), {}, r"inner sizes to agree.*\(2, 3\) and \(4, 5\), that is 3 and 4"),
        ((2, 3), (3, 5), {"transpose_a": True}, r"\(2, 3\) \(transposed\) and \(3, 5\), that is 2 and 3"),
        ((2, 4, 3), (3, 3, 5), {}, r"leading axes of shapes \(2, 4, 3\) and \(3, 3, 5\) do not broadcast: 2 and 3"),
    ],
)
def test_errors(shape_a, shape_b, attributes, message):
    with pytest.raises(ValueError, match=message):
        run_op("matmul", [np.ones(shape_a, np.float32), np.ones(shape_b, np.float32)], attributes)
