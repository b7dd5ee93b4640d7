"""Every example in the documentation runs and does what it says.

Python blocks of a file are run one after the other, as in one session. In console blocks the commands after ``$`` are
run, and what they print is compared with the lines below, where ``...`` stands for anything. Blocks marked ``skip``
are fragments; ``sh`` blocks install things, which .ci/run does.
"""

import doctest
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from nnfast import activations, callbacks, registry

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "cpp" / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    ROOT / "examples" / "README.md",
]
BLOCK = re.compile(r"^( *)```([^\n]*)\n(.*?)^\1```$", flags=re.MULTILINE | re.DOTALL)


def blocks(page, language):
    """[(line number, text)] of the page's blocks in a language."""
    text = page.read_text()
    return [
        (text[: match.start()].count("\n") + 2, textwrap.dedent(match[3]))
        for match in BLOCK.finditer(text)
        if match[2].split() == [language]
    ]


def name(page):
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=name)
def test_python_examples(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    session = {"__name__": "__main__"}
    for line, text in blocks(page, "python"):
        # Empty lines before it, so that a traceback names the line of the page.
        exec(compile("\n" * (line - 1) + text, page, "exec"), session)


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "console")], ids=name)
def test_console_examples(page, tmp_path):
    # Both commands are of the Python that runs this, whether its environment is active or not.
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool, options in (("nnfast", "-m nnfast"), ("python3", "")):
        (tools / tool).write_text(f'#!/bin/sh\nexec "{sys.executable}" {options} "$@"\n')
        (tools / tool).chmod(0o755)
    environment = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"}
    for line, text in blocks(page, "console"):
        for command, expected in re.findall(r"^\$ ([^\n]*)\n((?:[^$][^\n]*\n|\n)*)", text, flags=re.MULTILINE):
            ended = subprocess.run(
                command, shell=True, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300
            )
            place = f"{name(page)}, line {line}: {command}"
            assert ended.returncode == 0, f"{place}\n{ended.stderr}"
            matches = doctest.OutputChecker().check_output(expected, ended.stdout, doctest.ELLIPSIS)
            assert not expected or matches, f"{place}\nexpected\n{expected}\nprinted\n{ended.stdout}"


def test_every_block_names_its_language():
    known = {"c", "console", "cpp", "python", "python skip", "sh", "text"}
    for page in PAGES:
        for match in BLOCK.finditer(page.read_text()):
            assert match[2] in known, f"{name(page)}: a block in {match[2]!r}"


def test_the_two_first_commands_stand_in_the_readme():
    commands = [text.strip() for _, text in blocks(ROOT / "README.md", "sh")]
    assert "python3 -m venv .venv && . .venv/bin/activate && pip install . && nnfast train digits" in commands
    assert 'python3 -m venv .venv && . .venv/bin/activate && pip install ".[test]" && pytest' in commands


def test_the_reference_names_everything():
    """Nothing is missing from the tables, and nothing is in them that does not exist."""
    text = (ROOT / "docs" / "reference.md").read_text()
    named = set(re.findall(r"`(\w+)`", text))
    classes = {name for family in registry.families.values() for name in family.classes}
    callbacks_there = {
        name for name in callbacks.__all__ if name not in ("Callback", "CallbackList", "MonitorCallback")
    }
    assert classes | callbacks_there | set(activations._functions) <= named
    public = classes | set(callbacks.__all__) | set(activations._functions) | {"Input"}
    assert {name for name in named if name[0].isupper()} <= public
