"""Every script of examples/ runs to its end, prints a table and draws the figure that it names."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
SCRIPTS = sorted(path for path in EXAMPLES.glob("*.py") if not path.name.startswith("_"))
# What a script needs to be done within seconds, and without a network.
ARGUMENTS = {"cifar10_resnet.py": ["--synthetic"]}


def run(script, folder, *arguments):
    environment = {**os.environ, "PYTHONWARNINGS": "error", "COLUMNS": "100"}
    ended = subprocess.run(
        [sys.executable, str(script), *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ended.returncode == 0, f"{script.name}\n{ended.stdout[-2000:]}\n{ended.stderr[-4000:]}"
    return ended.stdout


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_example(script, tmp_path):
    text = script.read_text()
    assert ast.get_docstring(ast.parse(text)), f"{script.name}: says nothing about itself"
    for library in ("matplotlib", "sklearn"):
        if library in text or (library == "matplotlib" and "_figures" in text):
            pytest.importorskip(library)
    printed = run(script, tmp_path, *ARGUMENTS.get(script.name, ["--out", "figures"]))
    assert len(printed.splitlines()) > 1
    if "save(figure, __file__)" in text:
        figure = tmp_path / "figures" / f"{script.stem}.png"
        assert figure.stat().st_size > 5000
        assert f"Figure: {figure.relative_to(tmp_path)}" in printed
    assert not re.search(r"\bnan\b", printed, flags=re.IGNORECASE), printed


def test_the_list_of_examples_is_complete():
    listed = set(re.findall(r"\]\(([\w.]+\.py)\)", (EXAMPLES / "README.md").read_text()))
    assert listed == {path.name for path in SCRIPTS}
