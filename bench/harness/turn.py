"""Taking turns on a machine that several people use: locks held while preparing (shared) and while timing (alone)."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager


class Turn:
    """`files` are locked in order with flock; those before the last are gates, held while waiting for the last."""

    def __init__(self, files: Sequence[str] = ()) -> None:
        self._files = files

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
