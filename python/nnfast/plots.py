"""Pictures of training and of what a model has learned, drawn with matplotlib (the extra ``plot``).

Every function draws into the axes it is given, or into a new figure, and returns the axes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

__all__ = ["plot_history", "plot_learning_rate"]


def plot_history(history: Any, metrics: Sequence[str] | str | None = None, axes: Any = None) -> Any:
    """Draw learning curves: a panel for each figure, training and validation together.

    Parameters
    ----------
    history : History or dict of sequences
        What `fit` returned, or its ``.history``.
    metrics : str or sequence of str, optional
        Which figures, without the prefix ``val_``; by default all.
    axes : matplotlib Axes or sequence of them, optional
        Where to draw; by default a new figure with a panel for each figure.

    Returns
    -------
    numpy.ndarray of Axes
        The panels.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError
        If there is nothing to draw, an unknown figure, or fewer axes than figures.
    """
    curves = _curves(history)
    known = list(dict.fromkeys(name.removeprefix("val_") for name in curves))
    names = known if metrics is None else [metrics] if isinstance(metrics, str) else list(metrics)
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise ValueError(f"plot_history: expected figures among {known}; received {unknown or 'none'}")
    panels = _panels(axes, len(names))
    for panel, name in zip(panels, names, strict=True):
        for key, label in ((name, "training"), (f"val_{name}", "validation")):
            if key in curves:
                epochs, values = curves[key]
                panel.plot(epochs, values, label=label, marker="o" if len(epochs) < 2 else None)
        panel.set(xlabel="epoch", ylabel=name)
        panel.legend()
    return panels


def plot_learning_rate(result: Any, axes: Any = None) -> Any:
    """Draw a learning-rate range test: the loss of each step over its rate, smoothed too, and the suggestion.

    Parameters
    ----------
    result : LearningRateRange
        What `Model.find_learning_rate` returned.
    axes : matplotlib Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib Axes
        The panel.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    panel = _panels(axes, 1)[0]
    panel.plot(result.rates, result.losses, color="0.75", label="loss")
    panel.plot(result.rates, result.smoothed, color="C0", label="smoothed")
    if result.suggestion is not None:
        panel.axvline(result.suggestion, color="C1", linestyle="--", label=f"suggestion {result.suggestion:.3g}")
    highest = result.smoothed.max()
    panel.set(xlabel="learning rate", ylabel="loss", xscale="log", ylim=(None, highest + 0.1 * abs(highest)))
    panel.legend()
    return panel


def _curves(history: Any) -> dict[str, tuple[list[int], np.ndarray]]:
    """Return the epochs, from 1, and the values of each figure that is a number."""
    values = history if isinstance(history, Mapping) else history.history
    curves = {}
    for name, series in values.items():
        array = np.asarray(series, np.float64)
        if array.ndim != 1 or not array.size:
            continue
        epochs = list(range(1, len(array) + 1))
        rows = getattr(history, "rows", None)
        if rows is not None:
            epochs = [i for i, row in enumerate(rows, 1) if name in row]
        curves[name] = (epochs, array)
    return curves


def pyplot() -> Any:
    """Return matplotlib.pyplot, or say how to get it."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError("nnfast.plots needs matplotlib, which is not installed: pip install nnfast[plot]") from error
    return plt


def _panels(axes: Any, count: int, **settings: Any) -> np.ndarray:
    """Return the given axes, or those of a new figure."""
    if axes is None:
        _, axes = pyplot().subplots(1, count, figsize=(4.5 * count, 3.5), layout="constrained", **settings)
    panels = np.ravel(np.asarray(axes, object))
    if len(panels) < count:
        raise ValueError(f"axes: expected {count}, one for each panel; received {len(panels)}")
    return panels[:count]
