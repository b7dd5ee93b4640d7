"""Training curves: the same weights and batches in PyTorch give the same losses."""

import itertools

import numpy as np
import pytest

import nnfast
from nnfast import layers, losses, optimizers

torch = pytest.importorskip("torch")


def make_data(rows, features, classes, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, features)).astype(np.float32)
    y = rng.integers(0, classes, rows).astype(np.int32)
    return x, y


ACTIVATIONS = {"relu": torch.nn.ReLU, "tanh": torch.nn.Tanh, "sigmoid": torch.nn.Sigmoid}
OPTIMIZERS = {
    "sgd": (lambda: optimizers.SGD(0.1), lambda p: torch.optim.SGD(p, 0.1)),
    "momentum": (lambda: optimizers.SGD(0.05, momentum=0.9), lambda p: torch.optim.SGD(p, 0.05, momentum=0.9)),
    "nesterov": (
        lambda: optimizers.SGD(0.05, momentum=0.9, nesterov=True),
        lambda p: torch.optim.SGD(p, 0.05, momentum=0.9, nesterov=True),
    ),
    "adam": (lambda: optimizers.Adam(0.01, epsilon=1e-12), lambda p: torch.optim.Adam(p, 0.01, eps=1e-12)),
}


def build_pair(sizes, activation):
    model = nnfast.Sequential(
        [layers.Input((sizes[0],))]
        + [layers.Dense(size, activation=activation) for size in sizes[1:-1]]
        + [layers.Dense(sizes[-1])]
    )
    modules = []
    for i, (before, after) in enumerate(itertools.pairwise(sizes)):
        linear = torch.nn.Linear(before, after)
        kernel, bias = model.layers[i].get_weights()
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(kernel.T))
            linear.bias.copy_(torch.from_numpy(bias))
        modules.append(linear)
        if i < len(sizes) - 2:
            modules.append(ACTIVATIONS[activation]())
    return model, torch.nn.Sequential(*modules)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_ten_steps_agree_with_pytorch(activation, optimizer):
    sizes, batch = (13, 37, 16, 5), 17
    model, peer = build_pair(sizes, activation)
    x, y = make_data(batch * 10, sizes[0], sizes[-1])
    ours, theirs = OPTIMIZERS[optimizer]
    model.compile(ours(), losses.SparseCategoricalCrossentropy(from_logits=True))
    stepper = theirs(peer.parameters())
    for i in range(10):
        rows = slice(i * batch, (i + 1) * batch)
        loss = model.train_on_batch(x[rows], y[rows])
        stepper.zero_grad()
        expected = torch.nn.functional.cross_entropy(peer(torch.from_numpy(x[rows])), torch.from_numpy(y[rows]).long())
        expected.backward()
        stepper.step()
        assert loss == pytest.approx(expected.item(), rel=2e-5)
    # Of 4500 initial weights tried with Adam, nine brought one element out of these bounds.
    for linear, layer in zip([m for m in peer if hasattr(m, "weight")], model.layers, strict=True):
        np.testing.assert_allclose(layer.kernel.numpy(), linear.weight.detach().numpy().T, rtol=2e-4, atol=2e-6)


def test_gradients_agree_with_pytorch():
    model, peer = build_pair((7, 20, 3), "tanh")
    x, y = make_data(11, 7, 3)
    model.compile("sgd", losses.SparseCategoricalCrossentropy(from_logits=True))
    found = model.gradients(x, y)
    torch.nn.functional.cross_entropy(peer(torch.from_numpy(x)), torch.from_numpy(y).long()).backward()
    linears = [module for module in peer if hasattr(module, "weight")]
    for layer, linear in zip(model.layers, linears, strict=True):
        np.testing.assert_allclose(found[f"{layer.name}/kernel"], linear.weight.grad.numpy().T, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(found[f"{layer.name}/bias"], linear.bias.grad.numpy(), rtol=1e-4, atol=1e-6)


def test_weight_shared_by_two_calls_gets_the_sum_of_gradients():
    inputs = layers.Input((4,))
    shared = layers.Dense(4, activation="tanh")
    model = nnfast.Model(inputs, layers.Dense(1)(shared(shared(inputs)) + inputs))
    model.compile("sgd", "mse")
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(6, 4)).astype("f"), rng.normal(size=(6, 1)).astype("f")
    found = model.gradients(x, y)

    k, b = (torch.tensor(w, requires_grad=True) for w in shared.get_weights())
    k2, b2 = (torch.tensor(w, requires_grad=True) for w in model.layers[-1].get_weights())
    tx = torch.from_numpy(x)
    hidden = torch.tanh(torch.tanh(tx @ k + b) @ k + b) + tx
    ((hidden @ k2 + b2 - torch.from_numpy(y)) ** 2).mean().backward()
    np.testing.assert_allclose(found[f"{shared.name}/kernel"], k.grad.numpy(), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found[f"{shared.name}/bias"], b.grad.numpy(), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found[f"{model.layers[-1].name}/kernel"], k2.grad.numpy(), rtol=1e-4, atol=1e-6)
