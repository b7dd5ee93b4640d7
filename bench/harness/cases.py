"""What is compared: the table of cases. `kind` is the function of each side that does the work, `params` its arguments.

`bar` is how many times as fast (or as small) as the best peer nnfast is meant to be; None where it is only shown.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .conv_shapes import BATCH, SHAPES

PEERS = ("numpy", "torch", "jax", "tensorflow", "mlx", "sklearn", "onnxruntime")
SUITES = ("mlp", "gemm", "kernels", "optimizers", "cnn", "conv", "memory", "import")


@dataclass(frozen=True)
class Case:
    suite: str
    name: str
    kind: str
    params: dict[str, Any] = field(default_factory=dict)
    bar: float | None = None
    against: tuple[str, ...] = PEERS  # the peers asked; each does the kinds of work that it has
    rivals: tuple[str, ...] = PEERS  # those of them that the bar speaks of; the others are only shown
    tolerance: float = 1e-4  # largest difference allowed, relative to the root mean square of the result
    measure: str = "time"  # or "memory" (peak bytes of a fresh process), "import" (seconds in a fresh process)
    work: float = 0.0  # GFLOP or GB in one unit, for the rate shown
    limit: float | None = None  # the most that nnfast may take, where the bar is no ratio

    @property
    def only_peers(self) -> bool:
        """Whether the case is there to know the machine by."""
        return self.bar is None and self.limit is None


ADAM = {"name": "adam", "learning_rate": 1e-3}
SGD = {"name": "sgd", "learning_rate": 0.01, "momentum": 0.9}
SGD_DECAY = {**SGD, "weight_decay": 5e-4}

# M, N, K, B transposed?, bar
GEMMS = [
    *[(2048, 2048, 2048, False, 1.05), (1024, 1024, 1024, False, 1.1), (256, 256, 256, False, 1.1)],
    *[(128, 512, 784, False, 1.1), (256, 1024, 1024, False, 1.1), (256, 1024, 1024, True, 1.1)],
    *[(8192, 64, 64, False, 1.1), (64, 4096, 4096, False, 1.1), (64, 64, 64, False, 1.1), (32, 32, 32, False, 1.3)],
]

OPTIMIZERS_BY_SLOTS = [
    ("sgd",),
    ("momentum", "nesterov", "adagrad", "rmsprop", "lion"),
    ("adadelta", "adam", "adamw", "nadam", "adamax", "radam"),
]
TENSORS, TENSOR_SIZE = 10, 1_000_000

# MLX's matrix products and convolutions on a CPU take tens of times as long as the others': not worth the wait.
HEAVY_PEERS = tuple(peer for peer in PEERS if peer != "mlx")


def _gemm() -> list[Case]:
    return [
        Case("gemm", f"gemm {m}x{n}x{k}{' B transposed' if t else ''}", "gemm",
             {"m": m, "n": n, "k": k, "transpose_b": t}, bar,
             HEAVY_PEERS if m * n * k > 5e8 else PEERS, work=2e-9 * m * n * k)
        for m, n, k, t, bar in GEMMS
    ]  # fmt: skip


def _mlp() -> list[Case]:
    tiny = {"network": "tiny", "batch": 32, "optimizer": ADAM}
    mnist = {"network": "mnist", "batch": 128, "optimizer": ADAM}
    large = {"network": "large", "batch": 256, "optimizer": SGD}
    return [
        Case("mlp", "fit 20-32-32-2, batch 32, Adam", "fit", {**tiny, "steps": 1000}, 3, tolerance=2e-3),
        Case("mlp", "train_on_batch 20-32-32-2, batch 32, Adam", "train_on_batch", {**tiny, "steps": 50}, 4),
        Case("mlp", "fit 784-512-256-10, batch 128, Adam", "fit", {**mnist, "steps": 25}, 1.3, tolerance=2e-3),
        Case("mlp", "fit 1024-2048-2048-1000, batch 256, SGD momentum", "fit", {**large, "steps": 4}, 1.15,
             HEAVY_PEERS, tolerance=1e-3),
        Case("mlp", "predict one row, 20-32-32-2", "predict", {"network": "tiny", "batch": 1}, 1.5),
    ]  # fmt: skip


def _kernels() -> list[Case]:
    image = {"shape": (64, 32, 32, 64)}
    return [
        Case("kernels", "layer norm 4096x512, forward + backward", "layer_norm", {"rows": 4096, "width": 512}, 1.5),
        Case("kernels", "batch norm 64x32x32x64, forward + backward", "batch_norm", {**image, "relu": False}, 1.5),
        Case("kernels", "batch norm + ReLU 64x32x32x64, forward + backward", "batch_norm", {**image, "relu": True},
             1.5),
        Case("kernels", "softmax cross-entropy 256x1000, forward + backward", "softmax_cross_entropy",
             {"rows": 256, "classes": 1000}, 1.5),
        Case("kernels", "max pooling 2x2 64x32x32x64, forward + backward", "max_pool", image, 1.5),
    ]  # fmt: skip


def _optimizers() -> list[Case]:
    shape = {"tensors": TENSORS, "size": TENSOR_SIZE}
    gigabytes = 4e-9 * TENSORS * TENSOR_SIZE  # of one float32 for each parameter
    cases = [Case("optimizers", "triad a = b + s c", "triad", shape, work=3 * gigabytes)]
    for slots, names in enumerate(OPTIMIZERS_BY_SLOTS):
        for name in names:
            params = {"name": name, "learning_rate": 1.0 if name == "adadelta" else 0.01, **shape}
            work = (3 + 2 * slots) * gigabytes  # parameters and slots are read and written, gradients read
            cases.append(Case("optimizers", f"{name} on {TENSORS}x1M", "optimizer", params, 1.0, tolerance=1e-3,
                              work=work))  # fmt: skip
    return cases


def _cnn() -> list[Case]:
    def train(name: str, network: str, batch: int, steps: int, optimizer: dict[str, Any], bar: float) -> Case:
        params = {"network": network, "batch": batch, "steps": steps, "optimizer": optimizer}
        return Case("cnn", name, "train_on_batch", params, bar, HEAVY_PEERS, tolerance=5e-3)

    return [
        train("LeNet step, batch 64, Adam", "lenet", 64, 10, ADAM, 2),
        train("[conv, BN, ReLU]x2 + pool, 32-64-128, batch 64, Adam", "small_cnn", 64, 2, ADAM, 1.5),
        train("ResNet-18 32x32 step, batch 32, SGD momentum, decay", "resnet18", 32, 2, SGD_DECAY, 1.5),
        Case("cnn", "predict one image, LeNet", "predict", {"network": "lenet", "batch": 1}, 1.2),
    ]


# (height and width, in channels, filters, kernel, stride, groups) -> the batch and the bar that the shape has
CONV_BARS = {
    (56, 64, 64, 3, 1, 1): (16, 1.6),
    (28, 128, 128, 3, 1, 1): (16, 1.6),
    (14, 256, 256, 3, 1, 1): (16, 1.3),
    (7, 512, 512, 3, 1, 1): (16, 1.1),
    (56, 64, 64, 1, 1, 1): (16, 1.2),
    (56, 256, 64, 1, 1, 1): (16, 1.2),
    (224, 3, 64, 7, 2, 1): (8, 1.2),
    (112, 32, 32, 3, 1, 32): (16, 1.2),
}
NO_WORSE = 1 / 1.1  # any other shape may lose by 10% at most


def _conv() -> list[Case]:
    cases = []
    for network, rows in SHAPES.items():
        for row in rows:
            size, channels, filters, kernel, stride, groups = row
            batch, bar = CONV_BARS.get(row, (BATCH[network], NO_WORSE))
            padding = "valid" if network == "LeNet" and channels > 1 else "same"
            out = -(-(size if padding == "same" else size - kernel + 1) // stride)
            # The first layer of a network needs no gradient of its input.
            parts = ("forward", "weights") if channels <= 3 else ("forward", "data", "weights")
            params = {"x_shape": (batch, size, size, channels), "kernel_shape": (kernel, kernel, channels // groups,
                      filters), "strides": stride, "padding": padding, "groups": groups, "parts": parts}  # fmt: skip
            kind = "depthwise " if groups > 1 else ""
            name = f"{network} {kind}{kernel}x{kernel}/{stride} {channels}>{filters} at {size}, batch {batch}"
            work = 2e-9 * len(parts) * batch * out * out * kernel * kernel * (channels // groups) * filters
            cases.append(Case("conv", name, "conv", params, bar, HEAVY_PEERS, tolerance=1e-4, work=work))
    return cases


def _processes() -> list[Case]:
    mnist = {"network": "mnist", "batch": 128, "optimizer": ADAM, "steps": 100}
    return [
        Case("memory", "peak memory, 100 steps of 784-512-256-10", "train_on_batch", mnist, round(1 / 0.35, 2),
             ("torch", "jax", "tensorflow", "mlx", "sklearn"), rivals=("torch",), measure="memory"),
        Case("import", "import, over numpy", "import", {}, None,
             tuple(p for p in PEERS if p != "numpy"), measure="import", limit=60e-3),
    ]  # fmt: skip


CASES = [*_mlp(), *_gemm(), *_kernels(), *_optimizers(), *_cnn(), *_conv(), *_processes()]
