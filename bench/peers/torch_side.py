"""PyTorch, eager and compiled; images in both memory formats. `aten` calls spare the cost of autograd's bookkeeping."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from harness.inputs import gradient, labels, learnable, normal
from harness.mode import Mode, Modes, NotOfferedError
from harness.networks import EPSILON, NETWORKS, Network, forward, initial_weights, same_padding

from . import torch_ops

aten = torch.ops.aten
Tensors = list[torch.Tensor]


def start(threads: int) -> str:
    torch.set_num_threads(threads)
    torch.set_num_interop_threads(1)
    return torch.__version__


def _mode(name: str, work: Callable[[], Any], units: int = 1) -> Mode:
    """A mode whose result is what `work` returns: one tensor or several."""

    def result() -> list[np.ndarray]:
        found = work()
        return [t.numpy() for t in (found if isinstance(found, tuple | list) else [found])]

    return Mode(name, work, result, units)


def _compiled(work: Callable[..., Any]) -> Callable[..., Any]:
    """`work`, compiled for its own shapes, as the first that this process compiles.

    PyTorch would else take the next case for the same function in another shape, compile it for any shape, which is
    slower, and after a few cases compile no more.
    """
    torch.compiler.reset()
    return torch.compile(work, dynamic=False)


def gemm(m: int, n: int, k: int, transpose_b: bool) -> Modes:
    a = torch.from_numpy(normal(m, k))
    b = torch.from_numpy(normal(n, k)).T if transpose_b else torch.from_numpy(normal(k, n))
    out = torch.empty(m, n)
    yield _mode("out", lambda: torch.mm(a, b, out=out))
    yield _mode("new", lambda: torch.mm(a, b))


# Training


class Trainer:
    """A network with its weights and optimizer; `step` trains on one batch and returns the loss."""

    def __init__(self, network: Network, optimizer: dict[str, Any], layout: torch.memory_format, compiled: bool):
        self.layout = layout
        self.weights = [torch_ops.parameter(w, layout) for w in initial_weights(network)]
        settings = {k: v for k, v in optimizer.items() if k not in ("name", "learning_rate")}
        classes = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}
        self.optimizer = classes[optimizer["name"]](self.weights, lr=optimizer["learning_rate"], fused=True, **settings)

        def loss(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return functional.cross_entropy(forward(network.layers, torch_ops, iter(self.weights), x), y)

        self.loss = _compiled(loss) if compiled else loss

    def batches(self, x: np.ndarray, y: np.ndarray, batch: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
        images, classes = torch_ops.image(x, self.layout) if x.ndim == 4 else torch.from_numpy(x), torch.from_numpy(y)
        return list(zip(images.split(batch), classes.long().split(batch), strict=True))

    def step(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        loss = self.loss(x, y)
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return loss.detach()


def _trainers(network: Network, optimizer: dict[str, Any]) -> Iterator[tuple[str, Trainer]]:
    plain, last = torch.contiguous_format, torch.channels_last
    yield "eager", Trainer(network, optimizer, last if network.is_image else plain, compiled=False)
    if network.is_image:
        yield "eager NCHW", Trainer(network, optimizer, plain, compiled=False)
    yield "compiled", Trainer(network, optimizer, last if network.is_image else plain, compiled=True)


def _training(network: str, batch: int, steps: int, optimizer: dict[str, Any], mean: bool) -> Modes:
    net = NETWORKS[network]
    x, y = learnable(batch * steps, net.input_shape, net.classes)
    for name, trainer in _trainers(net, optimizer):
        batches = trainer.batches(x, y, batch)

        def epoch(trainer: Trainer = trainer, batches: list = batches) -> Tensors:  # type: ignore[type-arg]
            return [trainer.step(*b) for b in batches]

        def result(epoch: Callable[[], Tensors] = epoch) -> list[np.ndarray]:
            with torch_ops.keras_alignment():
                losses = torch.stack(epoch()).numpy()
            return [losses.mean(keepdims=True) if mean else losses[:10]]

        yield Mode(name, epoch, result, steps)


def fit(network: str, batch: int, steps: int, optimizer: dict[str, Any]) -> Modes:
    return _training(network, batch, steps, optimizer, mean=True)


def train_on_batch(network: str, batch: int, steps: int, optimizer: dict[str, Any]) -> Modes:
    return _training(network, batch, steps, optimizer, mean=False)


def predict(network: str, batch: int) -> Modes:
    net = NETWORKS[network]
    weights = [torch_ops.parameter(w, torch.channels_last).detach() for w in initial_weights(net)]
    x = normal(batch, *net.input_shape)
    given = torch_ops.image(x, torch.channels_last) if net.is_image else torch.from_numpy(x)

    @torch.inference_mode()
    def run() -> torch.Tensor:
        return forward(net.layers, torch_ops, iter(weights), given)

    yield _mode("eager", run)
    yield _mode("compiled", _compiled(run))


# Single kernels, forward and backward


def layer_norm(rows: int, width: int) -> Modes:
    x, dy = torch.from_numpy(normal(rows, width)), torch.from_numpy(normal(rows, width, seed=1))
    gamma, beta = torch.from_numpy(normal(width, seed=2)), torch.from_numpy(normal(width, seed=3))

    def work() -> Tensors:
        y, mean, inv_std = aten.native_layer_norm(x, [width], gamma, beta, EPSILON)
        grads = aten.native_layer_norm_backward(dy, x, [width], mean, inv_std, gamma, beta, [True, True, True])
        return [y, *grads]

    yield _mode("eager", work)
    yield _mode("compiled", _compiled(work))


def batch_norm(shape: tuple[int, ...], relu: bool) -> Modes:
    channels = shape[-1]
    gamma, beta = torch.from_numpy(normal(channels, seed=2)), torch.from_numpy(normal(channels, seed=3))
    for name, layout in (("eager", torch.channels_last), ("eager NCHW", torch.contiguous_format)):
        x, dy = torch_ops.image(normal(*shape), layout), torch_ops.image(normal(*shape, seed=1), layout)

        def work(x: torch.Tensor = x, dy: torch.Tensor = dy) -> Tensors:
            y, mean, inv_std = aten.native_batch_norm(x, gamma, beta, None, None, True, 0.0, EPSILON)
            grad = dy
            if relu:
                y = aten.relu_(y)
                grad = aten.threshold_backward(dy, y, 0)
            grads = aten.native_batch_norm_backward(
                grad, x, gamma, None, None, mean, inv_std, True, EPSILON, [True, True, True]
            )
            return [y.permute(0, 2, 3, 1), grads[0].permute(0, 2, 3, 1), *grads[1:]]

        yield _mode(name, work)
        if layout == torch.channels_last:
            yield _mode("compiled", _compiled(work))


def softmax_cross_entropy(rows: int, classes: int) -> Modes:
    logits, target = torch.from_numpy(normal(rows, classes)), torch.from_numpy(labels(rows, classes)).long()
    mean = torch.tensor(1 / rows)

    def work() -> Tensors:
        log_p = aten._log_softmax(logits, 1, False)
        loss, total = aten.nll_loss_forward(log_p, target, None, 0, -100)
        grad = aten.nll_loss_backward(mean.expand(rows), log_p, target, None, 0, -100, total)
        return [loss, aten._log_softmax_backward_data(grad, log_p, 1, torch.float32)]

    yield _mode("eager", work)
    yield _mode("compiled", _compiled(work))


def max_pool(shape: tuple[int, ...]) -> Modes:
    n, height, width, channels = shape
    small = (n, height // 2, width // 2, channels)
    for name, layout in (("eager", torch.channels_last), ("eager NCHW", torch.contiguous_format)):
        x, dy = torch_ops.image(normal(*shape), layout), torch_ops.image(normal(*small, seed=1), layout)

        def work(x: torch.Tensor = x, dy: torch.Tensor = dy) -> Tensors:
            y, places = aten.max_pool2d_with_indices(x, [2, 2], [2, 2])
            dx = aten.max_pool2d_with_indices_backward(dy, x, [2, 2], [2, 2], [0, 0], [1, 1], False, places)
            return [y.permute(0, 2, 3, 1), dx.permute(0, 2, 3, 1)]

        yield _mode(name, work)
        if layout == torch.channels_last:
            yield _mode("compiled", _compiled(work))


def conv(
    x_shape: tuple[int, ...], kernel_shape: tuple[int, ...], strides: int, padding: str, groups: int, parts: tuple
) -> Modes:
    size, kernel = x_shape[1], kernel_shape[0]
    low, high = same_padding(size, kernel, strides) if padding == "same" else (0, 0)
    # PyTorch pads both sides alike. Where Keras pads one more after, its convolution is PyTorch's of mirrored images.
    mirror = -1 if low != high else 1
    out = (size + low + high - kernel) // strides + 1
    arrays = normal(*x_shape), normal(x_shape[0], out, out, kernel_shape[3], seed=1)
    wanted = ["data" in parts, "weights" in parts, False]
    settings = [strides, strides], [high, high], [1, 1], False, [0, 0], groups
    for name, layout in (("channels_last", torch.channels_last), ("NCHW", torch.contiguous_format)):
        x, dy = (torch_ops.image(a[:, ::mirror, ::mirror].copy(), layout) for a in arrays)
        w = torch_ops.parameter(normal(*kernel_shape, seed=2)[::mirror, ::mirror].copy(), layout).detach()

        def work(x: torch.Tensor = x, dy: torch.Tensor = dy, w: torch.Tensor = w) -> Tensors:
            y = aten.convolution(x, w, None, *settings) if "forward" in parts else None
            dx, dw, _ = aten.convolution_backward(dy, x, w, None, *settings, wanted)
            return [y, dx, dw]

        def result(work: Callable[[], Tensors] = work) -> list[np.ndarray]:
            y, dx, dw = work()
            found = [t.permute(0, 2, 3, 1).numpy()[:, ::mirror, ::mirror] for t in (y, dx) if t is not None]
            return [*found, dw.permute(2, 3, 1, 0).numpy()[::mirror, ::mirror]]

        yield Mode(name, work, result)


# Optimizers

OPTIMIZERS: dict[str, tuple[type[torch.optim.Optimizer], dict[str, Any]]] = {
    "sgd": (torch.optim.SGD, {}),
    "momentum": (torch.optim.SGD, {"momentum": 0.9}),
    "nesterov": (torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
    "adagrad": (torch.optim.Adagrad, {"initial_accumulator_value": 0.1, "eps": 1e-7}),
    "rmsprop": (torch.optim.RMSprop, {"alpha": 0.9, "eps": 1e-7}),
    "adadelta": (torch.optim.Adadelta, {"rho": 0.95, "eps": 1e-7}),
    "adam": (torch.optim.Adam, {"eps": 1e-7}),
    "adamw": (torch.optim.AdamW, {"eps": 1e-7, "weight_decay": 4e-3}),
    # Keras decays Nadam's momentum by 0.96 a step
    "nadam": (torch.optim.NAdam, {"eps": 1e-7, "momentum_decay": 1.0}),
    "adamax": (torch.optim.Adamax, {"eps": 1e-7}),
    "radam": (torch.optim.RAdam, {"eps": 1e-7}),
}
FUSED = ("sgd", "momentum", "nesterov", "adagrad", "adam", "adamw")


def optimizer(name: str, learning_rate: float, tensors: int, size: int) -> Modes:
    if name not in OPTIMIZERS:
        raise NotOfferedError(f"torch.optim has no {name}")
    make, settings = OPTIMIZERS[name]
    for mode in ["foreach", *(["fused"] if name in FUSED else []), "compiled"]:
        weights = [torch.from_numpy(normal(size, seed=i)) for i in range(tensors)]
        way = {"fused": True} if mode == "fused" else {"foreach": True}
        step = make(weights, lr=learning_rate, **settings, **way).step  # type: ignore[call-arg]
        step = _compiled(step) if mode == "compiled" else step

        def result(step: Callable = step, weights: Tensors = weights) -> list[np.ndarray]:  # type: ignore[type-arg]
            before = [weights[i].clone() for i in (0, -1)]
            for _ in range(3):
                for i, weight in enumerate(weights):  # each time anew: foreach's Nesterov step changes the gradients
                    weight.grad = torch.from_numpy(gradient(size, seed=100 + i))
                step()
            return [(weights[i] - was).numpy() for i, was in zip((0, -1), before, strict=True)]

        yield Mode(mode, step, result)


def triad(tensors: int, size: int) -> Modes:
    b, c = torch.ones(tensors * size), torch.ones(tensors * size)
    a = torch.empty(tensors * size)
    yield _mode("out", lambda: torch.add(b, c, alpha=3.0, out=a))
