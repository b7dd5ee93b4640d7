"""The side-by-side comparison: it runs, both sides do the same work, and it notices when they do not."""

import ast
import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

BENCH = Path(__file__).resolve().parent.parent / "bench"


@pytest.fixture
def harness(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCH))
    import harness.agreement
    import harness.cases
    import harness.networks
    import harness.pool
    import harness.report
    import harness.runner

    yield harness
    for name in [name for name in sys.modules if name.partition(".")[0] == "harness"]:
        del sys.modules[name]


def compare(*arguments):
    command = [sys.executable, str(BENCH / "compare.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize("peer", ["numpy", "torch"])
def test_compares_and_agrees(peer, tmp_path):
    pytest.importorskip(peer)
    path = tmp_path / "figures.json"
    quick = ["--rounds", "2", "--seconds", "0.001", "--threads", "1"]
    done = compare("--case", "gemm 32x32x32", "--peers", peer, "--json", str(path), *quick)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "gemm 32x32x32" in done.stdout
    (case,) = json.loads(path.read_text())["cases"]
    assert case["verdict"] in ("pass", "MISS")
    assert case["fastest_peer"] == peer
    assert case["ratio"] > 0
    for side in ("nnfast", peer):
        found = case["sides"][side]
        assert found["status"] == "ok"
        assert all(error <= case["tolerance"] for error in found["errors"].values())
        assert all(seconds > 0 for figures in found["figures"].values() for seconds in figures)


def test_unknown_peer_lists_the_known():
    done = compare("--peers", "numpy,abacus")
    assert done.returncode == 2
    assert "received abacus" in done.stderr
    assert "torch" in done.stderr


def test_no_sides_but_ours_gives_no_ratio(harness):
    row = row_of(harness, {"nnfast": 2.0})
    assert math.isnan(row.ratio)
    assert row.verdict == "no peer"


def row_of(harness, seconds, bar=1.1):
    outcome = harness.runner.Outcome
    case = harness.cases.Case("gemm", "a product", "gemm", bar=bar)
    return harness.runner.Row(case, {side: outcome("ok", figures={"way": [s]}) for side, s in seconds.items()})


def test_ratio_is_against_the_fastest_peer(harness):
    row = row_of(harness, {"nnfast": 2.0, "torch": 3.0, "jax": 5.0})
    assert row.best_peer == "torch"
    assert row.ratio == 1.5
    assert row.verdict == "pass"
    assert row_of(harness, {"nnfast": 2.0, "torch": 2.1, "jax": 5.0}).verdict == "MISS"


def test_a_bar_may_speak_of_one_peer_only(harness):
    (case,) = [case for case in harness.cases.CASES if case.suite == "memory"]
    outcomes = {side: harness.runner.Outcome("ok", figures={"way": [peak]})
                for side, peak in {"nnfast": 30.0, "torch": 100.0, "mlx": 40.0}.items()}  # fmt: skip
    row = harness.runner.Row(case, outcomes)
    assert row.best_peer == "torch"
    assert row.verdict == "pass"


def test_workers_use_the_blas_of_this_processor(harness, monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Prescott")
    monkeypatch.setenv("OPENBLAS_L2_SIZE", "128")
    worker = harness.pool.Worker("numpy", 1)
    try:
        variables = Path(f"/proc/{worker.pid}/environ").read_text().split("\0")
        assert "OPENBLAS_NUM_THREADS=1" in variables
        assert not [v for v in variables if v.startswith(("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"))]
    finally:
        worker.close()


def test_losers_come_first(harness):
    rows = [row_of(harness, {"nnfast": 1.0, "torch": ratio}) for ratio in (3.0, 0.5, 1.0, 1.2)]
    lines = harness.report.table(rows).splitlines()[1:]
    ratios = [next(cell for cell in line.split() if cell in ("0.50", "1.00", "1.20", "3.00")) for line in lines]
    assert ratios == ["0.50", "1.00", "1.20", "3.00"]


def test_a_wrong_result_disagrees(harness):
    agreement = harness.agreement
    right = np.random.default_rng(0).standard_normal((100, 100))
    wrong = right.copy()
    wrong[50] += 0.1
    sample = agreement.sample([right])
    assert agreement.error(agreement.sample([right * (1 + 1e-6)]), sample) < 1e-5
    assert agreement.error(agreement.sample([wrong]), sample) > 0.05
    assert agreement.error(agreement.sample([right[:5]]), sample) == math.inf
    assert agreement.error(agreement.sample([np.full_like(right, np.nan)]), sample) == math.inf


def test_consensus_outvotes_one_wrong_side(harness):
    agreement = harness.agreement
    samples = [agreement.sample([np.full(5, value)]) for value in (1.0, 1.0, 7.0)]
    np.testing.assert_array_equal(agreement.consensus(samples)[0], np.ones(5))
    np.testing.assert_array_equal(agreement.consensus([[np.zeros(3)], *samples[:2]])[0], np.ones(5))


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_an_idle_worker_is_stopped(harness):
    worker = harness.pool.Worker("numpy", 1)
    try:
        results = worker.ask("prepare", "gemm", {"m": 4, "n": 4, "k": 4, "transpose_b": False})
        assert set(results) == {"out", "new"}
        state = Path(f"/proc/{worker._process.pid}/stat").read_text().rpartition(")")[2].split()[0]
        assert state == "T"
        with pytest.raises(harness.pool.UnavailableError, match="no conv on this side"):
            worker.ask("prepare", "conv", {})
    finally:
        worker.close()
    assert not worker.alive


def test_every_kind_has_our_side(harness):
    tree = ast.parse((BENCH / "peers" / "nnfast_side.py").read_text())
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    kinds = {case.kind for case in harness.cases.CASES if case.measure != "import"}
    assert kinds <= functions


def test_the_sweep_is_broad_and_names_are_unique(harness):
    cases = harness.cases.CASES
    assert sum(case.suite == "conv" for case in cases) >= 60
    assert len({case.name for case in cases}) == len(cases)
    assert {case.suite for case in cases} == set(harness.cases.SUITES)


@pytest.mark.parametrize(("size", "kernel", "strides", "expected"), [
    (28, 5, 1, (2, 2)), (32, 3, 2, (0, 1)), (33, 3, 2, (1, 1)), (224, 7, 2, (2, 3)), (32, 1, 2, (0, 0)),
])  # fmt: skip
def test_same_padding_is_keras(harness, size, kernel, strides, expected):
    assert harness.networks.same_padding(size, kernel, strides) == expected
