"""A run that is to compare with every library cannot pass by skipping the comparisons."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).parents[1] / "conftest.py"


@pytest.mark.parametrize(
    "test",
    [
        "import pytest\ndef test():\n    pytest.importorskip('no_such_library')\n",
        "import pytest\npytest.importorskip('no_such_library')\ndef test():\n    pass\n",
    ],
)
def test_an_absent_library_fails_where_all_are_required(test, tmp_path):
    (tmp_path / "conftest.py").write_text(CONFTEST.read_text())
    (tmp_path / "test_peer.py").write_text(test)

    def run(required):
        environment = {**os.environ, "NNFAST_REQUIRE_PEERS": required}
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", str(tmp_path)]
        return subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True)

    assert "1 skipped" in run("0").stdout
    failed = run("1")
    assert failed.returncode != 0
    assert "No module named 'no_such_library'" in failed.stdout
