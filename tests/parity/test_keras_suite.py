"""Keras's own tests, with nnfast standing in for Keras."""

import importlib.util
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from parity.known_differences import DIFFERENT, NOT_COUNTED

pytest.importorskip("keras")
HERE = Path(__file__).parent
FILES = (HERE / "keras_suite.txt").read_text().split()
FAMILIES = sorted({"/".join(Path(file).parts[: 2 if file.startswith("layers/") else 1]) for file in FILES})

BARS = {"callbacks": 0.8, "layers/core": 0.85, "models": 0.74}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Every test that ran: its name, and the message of its failure or None."""
    sources = Path(importlib.util.find_spec("keras").submodule_search_locations[0], "src")
    report = tmp_path_factory.mktemp("keras") / "report.xml"
    command = [
        sys.executable, "-m", "pytest", "-c", os.devnull, f"--rootdir={sources}", "-p", "keras_standin",
        "-p", "no:cacheprovider", "--noconftest", "-q", "-W", "ignore", f"--junitxml={report}",
        *(str(sources / file) for file in FILES),
    ]  # fmt: skip
    path = os.pathsep.join([str(HERE), *sys.path])
    environment = {**os.environ, "KERAS_BACKEND": "numpy", "PYTHONPATH": path}
    run = subprocess.run(command, env=environment, cwd=report.parent, capture_output=True, text=True)
    assert run.returncode in (0, 1), run.stdout + run.stderr  # 1: some tests failed
    found = {}
    for case in ElementTree.parse(report).iter("testcase"):
        if case.find("skipped") is None:
            module, name = case.get("classname").rsplit(".", 1)
            problem = next((case.find(kind) for kind in ("failure", "error") if case.find(kind) is not None), None)
            test = f"{module.replace('.', '/')}.py::{name}::{case.get('name')}"
            found[test] = None if problem is None else " ".join(problem.get("message").split())
    return found


def test_each_failure_has_a_reason(results):
    """Nothing fails for a reason that is not listed."""
    failures = {test: message for test, message in results.items() if message is not None}
    unknown = [
        f"{test}: {message[:200]}"
        for test, message in failures.items()
        if not any(known.covers(test, message) for known in NOT_COUNTED + DIFFERENT)
    ]
    assert not unknown, "\n".join(unknown)


@pytest.mark.parametrize("known", NOT_COUNTED + DIFFERENT, ids=lambda known: known.why)
def test_each_reason_has_a_failure(results, known):
    """A reason that has become untrue is taken off the list."""
    failing = {test: message for test, message in results.items() if message is not None}
    if known.message is not None:
        assert any(known._replace(tests=()).covers(test, message) for test, message in failing.items())
    for pattern in known.tests:
        matching = [test for test in results if known._replace(message=None, tests=(pattern,)).covers(test, "")]
        assert matching, f"{pattern} matches no test"
        assert all(test in failing for test in matching), f"{pattern} matches tests that pass"


@pytest.mark.parametrize("family", FAMILIES)
def test_nearly_all_that_count_pass(results, family):
    """Of what nnfast offers at least 95 % are as in Keras; less where Keras's objects are not nnfast's."""
    counted = passed = 0
    for test, message in results.items():
        if test.startswith(f"{family}/") and not (message and any(k.covers(test, message) for k in NOT_COUNTED)):
            counted += 1
            passed += message is None
    print(f"{family}: {passed} of {counted}")
    assert counted >= 10
    assert passed >= BARS.get(family, 0.95) * counted
