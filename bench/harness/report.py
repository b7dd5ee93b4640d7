"""The table and the JSON document of a run."""

from __future__ import annotations

import math
import platform
from dataclasses import asdict
from typing import Any

from .runner import NOISE, OURS, Row

ABSENT = ("not available", "not installed")  # of a peer: a blank cell is enough


def table(rows: list[Row]) -> str:
    """One line a case, those furthest below their bar first."""
    ordered = sorted(rows, key=_urgency)
    bandwidth = max((rate for row in rows if row.case.kind == "triad" for rate in _rates(row).values()), default=0.0)
    shown = [side for row in rows for side, o in row.outcomes.items() if o.status not in ABSENT]
    peers = [side for side in dict.fromkeys(shown) if side != OURS]
    lines = [["case", OURS, *peers, "fastest peer", "ratio", "bar", "verdict", "rate"]]
    for row in ordered:
        best = row.best_peer
        lines.append([
            row.case.name, *(_cell(row, side) for side in (OURS, *peers)),
            f"{best}, {row.outcomes[best].best_mode}" if best else "-",
            "-" if math.isnan(row.ratio) else f"{row.ratio:.2f}", _bar(row), row.verdict, _rate(row, bandwidth),
        ])  # fmt: skip
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
                     for line in lines)  # fmt: skip


def notes(rows: list[Row]) -> list[str]:
    """Why nnfast or a peer that does such work has no figure, and which figures were disturbed."""
    missing = [
        f"{row.case.name}: {side} {outcome.status}{': ' if outcome.note else ''}{outcome.note}"
        for row in rows
        for side, outcome in row.outcomes.items()
        if outcome.status != "ok" and row.verdict != "peers only" and (side == OURS or outcome.status not in ABSENT)
    ]
    return missing + [
        f"{row.case.name}: other processes used up to {row.noise:.1f} cores while this was timed"
        for row in rows
        if row.noise > NOISE
    ]


def _urgency(row: Row) -> tuple[int, float]:
    order = {"disagrees": 0, "failed": 0, "MISS": 1, "pass": 2, "not available": 3, "not installed": 3}
    return order.get(row.verdict, 4), 0.0 if math.isnan(row.margin) else row.margin


def _bar(row: Row) -> str:
    if row.case.limit is not None:
        return f"<= {_figure(row.case.limit, row.case.measure)}"
    return "-" if row.case.bar is None else f"{row.case.bar:.2f}"


def _cell(row: Row, side: str) -> str:
    outcome = row.outcomes.get(side)
    if outcome is None or (side != OURS and outcome.status in ABSENT):
        return ""
    return _figure(outcome.value, row.case.measure) if outcome.figures else outcome.status


def _figure(value: float, measure: str) -> str:
    if measure == "memory":
        return f"{value / 2**20:.0f} MiB"
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if value >= size or unit == "us":
            return f"{value / size:.3g} {unit}"
    raise AssertionError(value)


def _rates(row: Row) -> dict[str, float]:
    """GFLOP/s or GB/s of each side that was measured."""
    return {side: row.case.work / outcome.value for side, outcome in row.outcomes.items() if outcome.figures}


def _rate(row: Row, bandwidth: float) -> str:
    """nnfast's rate, the best peer's in brackets, and for optimizers nnfast's share of the bandwidth."""
    if not row.case.work:
        return ""
    rates = _rates(row)
    ours, peer = (f"{rates[side]:.0f}" if side in rates else "-" for side in (OURS, row.best_peer))
    if row.case.suite != "optimizers":
        return f"{ours} ({peer}) GFLOP/s"
    share = f", {rates[OURS] / bandwidth:.2f} of triad" if OURS in rates and bandwidth else ""
    return f"{ours} ({peer}) GB/s{share}"


def document(rows: list[Row], versions: dict[str, str], settings: dict[str, Any]) -> dict[str, Any]:
    """Everything that was measured, for `--json`."""
    return {
        "machine": {"cpu": _cpu(), "platform": platform.platform(), "python": platform.python_version()},
        "settings": settings,
        "versions": versions,
        "cases": [
            {
                **asdict(row.case), "verdict": row.verdict, "fastest_peer": row.best_peer, "noise": row.noise,
                "ratio": None if math.isnan(row.ratio) else row.ratio,
                "sides": {side: asdict(outcome) for side, outcome in row.outcomes.items()},
            }
            for row in rows
        ],
    }  # fmt: skip


def _cpu() -> str:
    try:
        with open("/proc/cpuinfo") as info:
            return next(line.partition(":")[2].strip() for line in info if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()
