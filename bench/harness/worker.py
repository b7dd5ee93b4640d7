"""A worker process: holds one library and answers one request at a time.

Run as `python -m harness.worker SIDE THREADS`. Requests and replies are pickled tuples on stdin and the original
stdout; whatever the library prints goes to stderr.
"""

from __future__ import annotations

import ctypes
import importlib
import math
import os
import pickle
import signal
import sys
import time
from collections.abc import Iterator
from itertools import islice
from typing import Any, BinaryIO

from .agreement import sample
from .mode import Mode, NotOfferedError

SAMPLE_SECONDS = 5e-3  # one timing lasts at least this long, 1000 times the clock's own cost


def main() -> None:
    side, threads = sys.argv[1], int(sys.argv[2])
    requests, replies = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: a stopped worker must not outlive its parent
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    worker = Worker()
    try:
        _send(replies, worker.start(side, threads))
        while True:
            function, *arguments = pickle.load(requests)
            _send(replies, worker.answer(function, arguments))
    except (EOFError, BrokenPipeError):
        return


def _send(stream: BinaryIO, message: Any) -> None:
    pickle.dump(message, stream)
    stream.flush()


class Worker:
    """The state between requests: the library's module and the modes of the present case."""

    def __init__(self) -> None:
        self.modes: dict[str, Mode] = {}

    def start(self, side: str, threads: int) -> tuple[str, str]:
        try:
            self.module = importlib.import_module(f"peers.{side}_side")
            return "ok", self.module.start(threads)
        except ImportError as problem:
            return "not installed", str(problem)

    def answer(self, function: str, arguments: list[Any]) -> tuple[str, Any]:
        """("ok", value), ("not available", why) or ("failed", why)."""
        try:
            return "ok", getattr(self, function)(*arguments)
        except NotOfferedError as problem:
            return "not available", str(problem)
        except Exception as problem:
            return "failed", f"{type(problem).__name__}: {problem}"

    def prepare(self, kind: str, params: dict[str, Any], limit: int | None = None) -> dict[str, Any]:
        """Set up a case, warm each mode; returns the sample of each mode's result."""
        if not hasattr(self.module, kind):
            raise NotOfferedError(f"no {kind} on this side")
        self.modes = {}
        results = {}
        offered: Iterator[Mode] = getattr(self.module, kind)(**params)
        for mode in islice(offered, limit):
            results[mode.name] = sample(mode.result())
            mode.run()
            self.modes[mode.name] = mode
        return results

    def measure(self, name: str, seconds: float) -> float:
        """Seconds a unit of work takes: the fastest of several timings that fill `seconds`."""
        mode = self.modes[name]
        number, elapsed = 1, _timed(mode, 1)  # the first also warms caches and threads after a pause
        while elapsed < SAMPLE_SECONDS:
            number = max(2 * number, int(1.2 * number * SAMPLE_SECONDS / max(elapsed, 1e-9)))
            elapsed = _timed(mode, number)
        fastest = math.inf
        until = time.perf_counter() + seconds
        while fastest == math.inf or time.perf_counter() < until:
            fastest = min(fastest, _timed(mode, number))
        return fastest / (number * mode.units)

    def peak_memory(self, kind: str, params: dict[str, Any]) -> tuple[str, float]:
        """The first mode's name and the most resident bytes that this process ever had."""
        results = self.prepare(kind, params, limit=1)
        with open("/proc/self/status") as status:
            lines = dict(line.split(":", 1) for line in status)
        return next(iter(results)), float(lines["VmHWM"].split()[0]) * 1024

    def forget(self) -> None:
        self.modes = {}


def _timed(mode: Mode, number: int) -> float:
    run = mode.run
    start = time.perf_counter()
    for _ in range(number):
        run()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
