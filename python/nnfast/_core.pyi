"""The C++ core of nnfast: what cpp/bindings defines, name by name (tests/structure compares the two)."""

from collections.abc import Mapping, Sequence
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
def set_num_threads(count: int) -> None: ...
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
