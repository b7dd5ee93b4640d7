"""What a library offers for one case: a way of doing the work, ready to be timed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Mode:
    """One way in which a library does a case's work.

    `result` is called first and once, from the initial state, and returns the arrays on which the libraries must agree
    (for training: losses). `run` then does `units` units of the work and returns when they are finished.
    """

    name: str
    run: Callable[[], Any]
    result: Callable[[], Sequence[np.ndarray]]
    units: int = 1


Modes = Iterator[Mode]


class NotOfferedError(Exception):
    """The library has no way of doing this case, for the reason given."""
