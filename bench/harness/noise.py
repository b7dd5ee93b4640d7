"""How much of the machine other processes use while one is measured (Linux; elsewhere it reads as none)."""

from __future__ import annotations

import os
import time


class Noise:
    """Cores that processes other than `pid` have used since this was made."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._since, self._others = time.perf_counter(), _others(pid)

    def cores(self) -> float:
        return max(_others(self._pid) - self._others, 0.0) / (time.perf_counter() - self._since)


def _others(pid: int) -> float:
    """CPU seconds of all processes, and those that the host took, without those of `pid`."""
    try:
        with open("/proc/stat") as total, open(f"/proc/{pid}/stat") as own:
            user, nice, system, _idle, _wait, interrupts, soft, stolen = map(int, total.readline().split()[1:9])
            user_time, system_time = map(int, own.read().rpartition(")")[2].split()[11:13])
    except (OSError, ValueError):
        return 0.0
    ticks = user + nice + system + interrupts + soft + stolen - user_time - system_time
    return ticks / os.sysconf("SC_CLK_TCK")
