"""What `fit`, `evaluate` and `predict` show while they run: a line an epoch, and a bar while one takes long."""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np

from .messages import say

# A run of batches shorter than this shows no bar: it would be gone before it is read.
_SECONDS_BEFORE_BAR = 0.3


def resolve_verbose(verbose: Any) -> int:
    """Return what `verbose` means here: 0 nothing, 1 lines and a bar, 2 lines.

    Parameters
    ----------
    verbose : {"auto", 0, 1, 2}
        "auto" is 1 on a terminal and in a notebook, else 2.

    Raises
    ------
    ValueError
        If it is none of these.
    """
    if verbose == "auto":
        return 1 if _is_notebook() or sys.stdout.isatty() else 2
    if verbose in (0, 1, 2):
        return int(verbose)
    raise ValueError(f"verbose: expected 'auto', 0 (silent), 1 (a bar) or 2 (a line an epoch); received {verbose!r}")


def _is_notebook() -> bool:
    return "ipykernel" in sys.modules and not sys.stdout.isatty() and hasattr(sys.stdout, "session")


class Progress:
    """A line for each piece of work, and a bar while it lasts.

    Parameters
    ----------
    verbose : {0, 1, 2}, default 1
        0 shows nothing, 1 lines and a bar, 2 lines.
    """

    def __init__(self, verbose: int = 1) -> None:
        self.verbose = verbose
        self._title = ""
        self._total: int | None = None
        self._begin = 0.0
        self._bar: Any = None

    def start(self, title: str, total: int | None = None) -> None:
        """Begin a piece of work of `total` steps (None: nobody knows)."""
        self.end()
        self._title, self._total = title, total
        self._begin = time.perf_counter()

    def update(self, done: int, figures: dict[str, Any] | None = None) -> None:
        """Show that `done` steps are done, and the figures so far."""
        if self.verbose != 1:
            return
        if self._bar is None:
            elapsed = time.perf_counter() - self._begin
            if elapsed < _SECONDS_BEFORE_BAR:
                return
            from tqdm import tqdm

            # The bar is born late: the delay keeps it from showing itself at 0, and it counts time from the true start.
            self._bar = tqdm(
                desc=self._title,
                total=self._total,
                unit="step",
                leave=False,
                dynamic_ncols=True,
                delay=1e-9,
                file=sys.stdout,
            )
            self._bar.start_t -= elapsed
            self._bar.last_print_t = self._bar.start_t
        self._bar.set_postfix_str(_figures(figures), refresh=False)
        self._bar.update(done - self._bar.n)

    def end(self, figures: dict[str, Any] | None = None) -> None:
        """Take the bar away; with figures, leave a line in its place."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        if self.verbose and figures is not None:
            duration = _duration(time.perf_counter() - self._begin)
            say("  ".join(filter(None, [self._title, duration, _figures(figures)])))


def _figures(figures: dict[str, Any] | None) -> str:
    return "  ".join(f"{name} {_figure(value)}" for name, value in (figures or {}).items())


def _figure(value: Any) -> str:
    if np.ndim(value):
        return "[" + " ".join(_figure(element) for element in np.ravel(value)) + "]"
    return f"{value:.4f}" if value == 0 or 1e-3 <= abs(value) < 1e6 else f"{value:.4e}"


def _duration(seconds: float) -> str:
    if seconds < 0.9995:
        return f"{seconds * 1e3:3.0f} ms"
    if seconds < 99.95:
        return f"{seconds:4.1f} s"
    return f"{seconds // 60:.0f} min {seconds % 60:02.0f} s"
