"""``nnfast info``."""

from __future__ import annotations

import argparse
import platform

import numpy as np

from .. import _core
from ..datasets._download import cache_folder


def info(options: argparse.Namespace) -> None:
    """Print what runs here and why."""
    rows = {
        "nnfast": _core.version,
        "Python": f"{platform.python_version()}, NumPy {np.__version__}, {platform.platform()}",
        "compiler": _core.compiler,
        "ISA": f"{_core.isa()}: {_core.isa_reason()} (can run: {', '.join(_core.runnable_isas())})",
        "threads": f"{_core.num_threads()}: {_core.num_threads_reason()}",
        "cache": str(cache_folder()),
    }
    for name, value in rows.items():
        print(f"{name:<9} {value}")
