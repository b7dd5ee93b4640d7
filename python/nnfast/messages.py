"""How nnfast speaks to the user while it works."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any


def say(text: str) -> None:
    """Report an event: to the logger ``nnfast`` where the application listens to it, else on standard output."""
    logging: Any = sys.modules.get("logging")  # who listens has imported it
    logger = logging and logging.getLogger("nnfast")
    if logger and logger.isEnabledFor(logging.INFO) and logger.hasHandlers():
        logger.info(text)
    elif "tqdm" in sys.modules:
        sys.modules["tqdm"].tqdm.write(text)  # moves a progress bar out of the way
    else:
        print(text)


def show_shape(shape: Sequence[Any]) -> str:
    """Write a shape: "batch" for a first size that is not known, "?" for another."""
    sizes = ["batch" if i == 0 and size is None else "?" if size is None else str(size) for i, size in enumerate(shape)]
    return f"({', '.join(sizes)}{',' if len(sizes) == 1 else ''})"
