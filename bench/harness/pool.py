"""The parent's side of the worker processes. A worker runs only while it answers; otherwise it is stopped."""

from __future__ import annotations

import os
import pickle
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

START_SECONDS = 120.0

# They make OpenBLAS use the kernels or blocking of another processor than the one at hand: set anywhere on the way
# here, they would slow NumPy down and make nnfast look the better for it.
CRIPPLING = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")


class UnavailableError(Exception):
    """The side cannot do what was asked; the first argument says why in a word, the second in full."""


class Worker:
    """One library in its own process, asked one thing at a time.

    A stopped process cannot spin: libgomp's and MKL's threads busy-wait for a while after each parallel region, and
    would take the cores from the side that is measured next.
    """

    def __init__(self, side: str, threads: int, priority: int | None = None) -> None:
        folder = str(Path(__file__).resolve().parent.parent)
        paths = [folder, os.environ.get("PYTHONPATH", "")]
        count = {f"{name}_NUM_THREADS": str(threads) for name in ("OMP", "MKL", "OPENBLAS")}
        inherited = {name: value for name, value in os.environ.items() if name not in CRIPPLING}
        environment = {**inherited, **count, "PYTHONPATH": os.pathsep.join(p for p in paths if p),
                       "JAX_PLATFORMS": "cpu", "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}  # fmt: skip
        self.side, self._priority = side, priority
        self._process = subprocess.Popen(
            [sys.executable, "-m", "harness.worker", side, str(threads)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment,
        )  # fmt: skip
        self.version = str(self._receive(START_SECONDS))

    def ask(self, function: str, *arguments: Any, timeout: float = 600.0) -> Any:
        self._process.send_signal(signal.SIGCONT)
        assert self._process.stdin is not None
        try:
            pickle.dump((function, *arguments), self._process.stdin)
            self._process.stdin.flush()
        except BrokenPipeError:
            raise UnavailableError("failed", "the process has died") from None
        return self._receive(timeout)

    def measure(self, mode: str, seconds: float) -> float:
        """Ask for a measurement, which runs with the priority that was asked for."""
        if self._priority is None:
            return float(self.ask("measure", mode, seconds))
        self._renice(self._priority)
        try:
            return float(self.ask("measure", mode, seconds))
        finally:
            self._renice(0)

    def _renice(self, priority: int) -> None:
        for thread in Path(f"/proc/{self.pid}/task").glob("*"):
            os.setpriority(os.PRIO_PROCESS, int(thread.name), priority)

    def _receive(self, timeout: float) -> Any:
        stdout = self._process.stdout
        assert stdout is not None
        if not select.select([stdout], [], [], timeout)[0]:
            self.close()
            raise UnavailableError("failed", f"no answer in {timeout:.0f} s")
        try:
            outcome, value = pickle.load(stdout)
        except EOFError:
            raise UnavailableError("failed", f"the process has died with {self._process.wait()}") from None
        self._process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        if outcome != "ok":
            raise UnavailableError(outcome, value)
        return value

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()
