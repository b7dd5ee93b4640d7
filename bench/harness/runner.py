"""Runs one case: prepares every side, checks that they agree, times them in turn, and sums up."""

from __future__ import annotations

import math
import os
import statistics
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass, field

from . import agreement
from .cases import Case
from .noise import Noise
from .pool import UnavailableError, Worker

HOPELESS = 2.0  # a peer's mode this many times slower than the fastest peer is timed in the first round only

NOISE = 0.2  # cores used by other processes above which a measurement is made again
TRIES = 4

OURS = "nnfast"


@dataclass
class Outcome:
    """One side's part in one case. `figures` holds, for each mode, one figure a round."""

    status: str  # "ok", "not available", "not installed", "failed", "disagrees"
    note: str = ""
    figures: dict[str, list[float]] = field(default_factory=dict)
    errors: dict[str, float] = field(default_factory=dict)  # relative difference from the consensus of the peers

    @property
    def best_mode(self) -> str:
        return min(self.figures, key=lambda mode: statistics.median(self.figures[mode]))

    @property
    def value(self) -> float:
        """Seconds or bytes of the best mode; nan if there is none."""
        return statistics.median(self.figures[self.best_mode]) if self.figures else math.nan


@dataclass
class Row:
    case: Case
    outcomes: dict[str, Outcome]
    noise: float = 0.0  # cores that other processes used, in the worst measurement

    @property
    def best_peer(self) -> str | None:
        peers = {side: o.value for side, o in self.outcomes.items() if side in self.case.rivals and o.figures}
        return min(peers, key=lambda side: peers[side]) if peers else None

    @property
    def ratio(self) -> float:
        """The best peer's figure over nnfast's: above 1, nnfast is better."""
        if self.best_peer is None:
            return math.nan
        return self.outcomes[self.best_peer].value / self.outcomes[OURS].value

    @property
    def margin(self) -> float:
        """How far above its bar: 1 is just enough; nan if nnfast was not measured or there is no bar."""
        if self.case.limit is not None:
            return self.case.limit / self.outcomes[OURS].value
        return self.ratio / self.case.bar if self.case.bar else math.nan

    @property
    def verdict(self) -> str:
        ours = self.outcomes[OURS]
        if ours.status == "not available" and self.case.only_peers:
            return "peers only"
        if ours.status != "ok":
            return ours.status
        if math.isnan(self.margin):
            return "no peer"
        return "pass" if self.margin >= 1 else "MISS"


class Sides:
    """The workers in use, started when first needed; one that has died is started again."""

    def __init__(self, names: list[str], threads: int, priority: int | None = None) -> None:
        self.names = names
        self._threads, self._priority = threads, priority
        self._workers: dict[str, Worker] = {}
        self._refused: dict[str, UnavailableError] = {}

    def __getitem__(self, name: str) -> Worker:
        if name in self._refused:
            raise self._refused[name]
        if name not in self._workers or not self._workers[name].alive:
            try:
                self._workers[name] = self.fresh(name)
            except UnavailableError as problem:
                self._refused[name] = problem
                raise
        return self._workers[name]

    def fresh(self, name: str) -> Worker:
        return Worker(name, self._threads, self._priority)

    def versions(self) -> dict[str, str]:
        return {name: worker.version for name, worker in self._workers.items()}

    def close(self) -> None:
        for worker in self._workers.values():
            worker.close()


def run(case: Case, sides: Sides, rounds: int, seconds: float) -> Row:
    if case.measure == "memory":
        return Row(case, _memory(case, sides))
    if case.measure == "import":
        return Row(case, _import(case, sides, rounds))
    row, ready = _prepare(case, sides)
    _time(row, ready, sides, rounds, seconds)
    return row


def _asked(case: Case, sides: Sides) -> list[str]:
    return [OURS, *(name for name in sides.names if name in case.against)]


def _prepare(case: Case, sides: Sides) -> tuple[Row, list[tuple[str, str]]]:
    """A row without figures, and the (side, mode) pairs that may be timed."""
    outcomes: dict[str, Outcome] = {}
    samples: dict[tuple[str, str], agreement.Sample] = {}
    for name in _asked(case, sides):
        try:
            found = sides[name].ask("prepare", case.kind, case.params)
            samples.update({(name, mode): sample for mode, sample in found.items()})
            outcomes[name] = Outcome("ok")
        except UnavailableError as problem:
            outcomes[name] = Outcome(*problem.args)
    return Row(case, outcomes), _agreeing(case, outcomes, samples)


def _time(row: Row, ready: list[tuple[str, str]], sides: Sides, rounds: int, seconds: float) -> None:
    """Fill in the row's figures."""
    for number in range(rounds):
        first = number % max(len(ready), 1)
        for name, mode in ready[first:] + ready[:first]:
            try:
                figure, noise = _measure(sides[name], mode, seconds)
                row.outcomes[name].figures.setdefault(mode, []).append(figure)
                row.noise = max(row.noise, noise)
            except UnavailableError as problem:
                row.outcomes[name] = Outcome(*problem.args)
        ready = _contenders(ready, row.outcomes)
    for name, outcome in row.outcomes.items():
        if outcome.errors and sides[name].alive:
            sides[name].ask("forget")


def _measure(worker: Worker, mode: str, seconds: float) -> tuple[float, float]:
    """Seconds a unit and the cores that others used meanwhile; tried again while they use too many."""
    tries: list[tuple[float, float]] = []
    while len(tries) < TRIES and (not tries or tries[-1][0] > NOISE):
        noise = Noise(worker.pid)
        fastest = worker.measure(mode, seconds)
        tries.append((noise.cores(), fastest))
    cores, figure = min(tries)
    return figure, cores


def _agreeing(
    case: Case, outcomes: dict[str, Outcome], samples: dict[tuple[str, str], agreement.Sample]
) -> list[tuple[str, str]]:
    """The modes whose results agree with the consensus of the peers; the others are marked and left out."""
    if not samples:
        return []
    judges = [sample for (name, _), sample in samples.items() if name != OURS] or list(samples.values())
    expected = agreement.consensus(judges)
    ready = []
    for (name, mode), sample in samples.items():
        outcome = outcomes[name]
        outcome.errors[mode] = agreement.error(sample, expected)
        if outcome.errors[mode] <= case.tolerance:
            ready.append((name, mode))
    for name in {name for name, _ in samples} - {name for name, _ in ready}:
        outcomes[name].status = "disagrees"
        outcomes[name].note = f"by {min(outcomes[name].errors.values()):.1e}, tolerance {case.tolerance:.0e}"
    return ready


def _contenders(ready: list[tuple[str, str]], outcomes: dict[str, Outcome]) -> list[tuple[str, str]]:
    """Without the peers' modes that are far behind the fastest peer: their figure is known well enough."""
    first = {key: outcomes[key[0]].figures[key[1]][0] for key in ready if key[1] in outcomes[key[0]].figures}
    fastest = min((seconds for (name, _), seconds in first.items() if name != OURS), default=math.inf)
    return [key for key, seconds in first.items() if key[0] == OURS or seconds <= HOPELESS * fastest]


def _memory(case: Case, sides: Sides) -> dict[str, Outcome]:
    outcomes = {}
    for name in _asked(case, sides):
        try:
            with closing(sides.fresh(name)) as worker:
                mode, peak = worker.ask("peak_memory", case.kind, case.params)
            outcomes[name] = Outcome("ok", figures={mode: [peak]})
        except UnavailableError as problem:
            outcomes[name] = Outcome(*problem.args)
    return outcomes


PACKAGES = {"sklearn": "sklearn.neural_network", "mlx": "mlx.core"}  # where it is not the side's own name

IMPORT = "import numpy, time; t = time.perf_counter(); import {}; print(time.perf_counter() - t)"


def _import(case: Case, sides: Sides, rounds: int) -> dict[str, Outcome]:
    # An installed package has its bytecode: what does not have it yet, nnfast in its source tree for one, gets it from
    # an import that is not counted.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    outcomes: dict[str, Outcome] = {}
    for number in range(rounds + 1):
        for name in _asked(case, sides):
            command = [sys.executable, "-c", IMPORT.format(PACKAGES.get(name, name))]
            done = subprocess.run(command, capture_output=True, text=True, env=environment)
            if done.returncode:
                outcomes[name] = Outcome("not installed", done.stderr.strip().rpartition("\n")[2])
            elif number > 0:
                outcome = outcomes.setdefault(name, Outcome("ok"))
                outcome.figures.setdefault("import", []).append(float(done.stdout))
    return outcomes
