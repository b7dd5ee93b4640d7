"""The C++ core of nnfast: what cpp/bindings defines, name by name (tests/structure compares the two)."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

version: str
compiler: str

def isa() -> str: ...
def isa_reason() -> str: ...
def runnable_isas() -> list[str]: ...
def use_isa(name: str) -> None: ...
def num_threads() -> int: ...
def num_threads_reason() -> str: ...
def cgroup_quota(root: str) -> int: ...
def set_num_threads(count: int) -> None: ...

class Trial:
    def __init__(self) -> None: ...
    def shares_next(self, threads: int, guess: bool) -> bool: ...
    def took(self, ns: int) -> None: ...

def activations() -> dict[str, float]: ...
def winograd_allowed() -> bool: ...
def allow_winograd(allow: bool) -> None: ...
def op_names() -> list[str]: ...
def run_op(
    name: str,
    inputs: Sequence[ArrayLike],
    attributes: Mapping[str, Any] = ...,
    output_grads: Sequence[ArrayLike | None] | None = None,
    wanted: Sequence[bool] | None = None,
    threads: int = 1,
    seed: int = 0,
    step: int = 0,
) -> tuple[list[np.ndarray], list[np.ndarray | None]]: ...
def op_memory(
    name: str, shapes: Sequence[tuple[int, ...]], attributes: Mapping[str, Any], wanted: Sequence[bool]
) -> dict[str, Any]: ...
def run_forward(
    name: str, inputs: Sequence[ArrayLike], attributes: Mapping[str, Any], wanted: Sequence[bool]
) -> tuple[list[np.ndarray], list[np.ndarray]]: ...
def run_backward(
    name: str,
    inputs: Sequence[ArrayLike | tuple[int, ...]],
    outputs: Sequence[ArrayLike | None],
    kept: Sequence[ArrayLike],
    output_grads: Sequence[ArrayLike | None],
    attributes: Mapping[str, Any],
    wanted: Sequence[bool],
) -> list[np.ndarray]: ...
def gemm(
    a: ArrayLike,
    b: ArrayLike,
    *,
    transpose_a: bool = False,
    transpose_b: bool = False,
    bias: ArrayLike | None = None,
    activation: str | None = None,
    out: np.ndarray | None = None,
) -> np.ndarray: ...
def update_rules() -> dict[str, list[str]]: ...
def update_step(
    rule: str,
    hyper: Mapping[str, float],
    parameters: np.ndarray,
    gradients: ArrayLike,
    slots: Sequence[np.ndarray],
    step: int,
    learning_rate: float,
    weight_decay: float = 0,
    gradient_scale: float = 1,
    clip_value: float = ...,
) -> None: ...

class Update:
    def __init__(self, settings: Mapping[str, Any], variables: Sequence[tuple[int, bool, float]]) -> None: ...
    def step(self, step: int, learning_rate: float, threads: int = 1) -> None: ...
    def slot(self, index: int) -> np.ndarray: ...
    @property
    def offsets(self) -> list[int]: ...
    @property
    def slot_names(self) -> list[str]: ...
    @property
    def parameters(self) -> np.ndarray: ...
    @property
    def gradients(self) -> np.ndarray: ...

def perceptron(
    x: np.ndarray,
    labels: np.ndarray,
    sample_weights: np.ndarray,
    positives: Sequence[int],
    rates: Sequence[tuple[float, float]],
    seeds: Sequence[int],
    coef: np.ndarray,
    intercept: np.ndarray,
    *,
    shrink: float,
    l1: float,
    l1_cost: float,
    l2_cost: float,
    fit_intercept: bool,
    shuffle: bool,
    max_iter: int,
    tol: float,
    n_iter_no_change: int,
    threads: int,
) -> list[int]: ...
def are_classes(values: ArrayLike, num_classes: int) -> bool: ...
def all_finite(values: ArrayLike) -> bool: ...
def permutation(count: int, seed: int, stream: int) -> np.ndarray: ...

class Variable:
    name: str
    shape: tuple[int, ...]
    dtype: str
    def __init__(self, name: str, shape: Sequence[int], dtype: str = "float32") -> None: ...
    def numpy(self) -> np.ndarray: ...
    def assign(self, value: ArrayLike) -> None: ...

class Block:
    def __init__(self, variables: Sequence[Variable]) -> None: ...
    def owns_all(self) -> bool: ...
    def gradient(self, index: int) -> np.ndarray: ...

class OptimizerState:
    steps_taken: int
    block: Block
    num_slots: int
    slot_names: list[str]
    average_slot: int
    def __init__(
        self, block: Block, settings: Mapping[str, Any], decays: Sequence[bool], multipliers: Sequence[float]
    ) -> None: ...
    def slot(self, index: int) -> np.ndarray: ...
    def values(self) -> np.ndarray: ...

def lay_out(buffers: Sequence[tuple[int, int, int]]) -> tuple[list[int], int]: ...

class Graph:
    num_nodes: int
    def __init__(self) -> None: ...
    def input(self, shape: Sequence[int], dtype: str = "float32") -> int: ...
    def variable(self, variable: Variable) -> int: ...
    def constant(self, value: ArrayLike) -> int: ...
    def add(
        self, op: str, inputs: Sequence[int], attributes: Mapping[str, Any] = ..., label: str = ""
    ) -> list[int]: ...
    def custom(
        self,
        name: str,
        forward: Callable[..., Any],
        backward: Callable[..., Any] | None,
        inputs: Sequence[int],
        shape: Sequence[int],
        label: str = "",
    ) -> int: ...
    def assign(self, target: Variable, value: int, after_update: bool = False) -> None: ...
    def shape(self, value: int) -> tuple[int, ...]: ...
    def dtype(self, value: int) -> str: ...

class Program:
    arena_bytes: int
    def __init__(
        self,
        graph: Graph,
        outputs: Sequence[int],
        accumulate: Sequence[int] = ...,
        loss: int = -1,
        block: Block | None = None,
        optimizer: OptimizerState | None = None,
        gradients_of: Sequence[int] = ...,
        keep_gradients: bool = ...,
    ) -> None: ...
    def run(self, inputs: Sequence[ArrayLike], seed: int = 0, step: int = 0) -> list[np.ndarray]: ...
    def train(
        self,
        inputs: Sequence[ArrayLike],
        rows: np.ndarray | None,
        first_row: int,
        steps: int,
        learning_rates: np.ndarray,
        seed: int = 0,
    ) -> np.ndarray: ...
    def describe(self) -> str: ...
    def profile(self, inputs: Sequence[ArrayLike], runs: int = 11) -> str: ...
