"""Taking turns on a machine that several people use: locks held while preparing (shared) and while timing (alone)."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TypeVar

T = TypeVar("T")

STRETCH = 20.0  # seconds after which the next in line gets a turn


class Turn:
    """`files` are locked in order with flock; those before the last are gates, held while waiting for the last."""

    def __init__(self, files: Sequence[str] = ()) -> None:
        self._files = files

    def stretches(self, items: Iterable[T]) -> Iterator[Iterator[T]]:
        """The items in stretches; the machine is ours during each, and offered to others in between."""
        waiting = list(items)[::-1]

        def stretch() -> Iterator[T]:
            until = time.monotonic() + STRETCH
            while waiting and time.monotonic() < until:
                yield waiting.pop()

        while waiting:
            with self.alone():
                yield stretch()

    @contextmanager
    def alone(self) -> Iterator[None]:
        with ExitStack() as stack:
            for name in self._files:
                stack.enter_context(_locked(name, fcntl.LOCK_EX))
            yield

    @contextmanager
    def shared(self) -> Iterator[None]:
        with ExitStack() as stack:
            with ExitStack() as gates:
                for name in self._files[:-1]:
                    gates.enter_context(_locked(name, fcntl.LOCK_EX))
                for name in self._files[-1:]:
                    stack.enter_context(_locked(name, fcntl.LOCK_SH))
            yield


@contextmanager
def _locked(name: str, how: int) -> Iterator[None]:
    descriptor = os.open(name, os.O_RDONLY | os.O_CREAT)
    try:
        fcntl.flock(descriptor, how)
        yield
    finally:
        os.close(descriptor)
