"""The base of metrics."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import ops
from ..registry import Registry, snake_case


class Metric:
    """A figure over many batches.

    A metric is a function of sums: :meth:`compute` says by :mod:`nnfast.ops` what one batch adds to them, so that a
    planned step can do it in C++, and :meth:`result` turns the sums into the figure.

    Parameters
    ----------
    dtype : str, optional
        Accepted for Keras's sake; sums are float64.
    name : str, optional
        By default the class's name in snake case.

    Attributes
    ----------
    totals : list of numpy.ndarray or None
        The sums, float64; None before the first batch.
    """

    def __init__(self, dtype: Any = None, name: str | None = None):
        self.name = name or snake_case(type(self).__name__)
        self.dtype = "float32"
        self.totals: list[np.ndarray] | None = None

    def compute(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> tuple[Any, ...]:
        """Return what one batch adds to each sum."""
        raise NotImplementedError(f"{type(self).__name__} must define compute(self, y_true, y_pred, sample_weight)")

    def result(self) -> Any:
        """Return the figure over all batches since the last reset."""
        raise NotImplementedError(f"{type(self).__name__} must define result(self)")

    def add(self, increments: Any) -> None:
        """Add what a batch, or several, gave."""
        parts = [np.asarray(part, np.float64) for part in increments]
        self.totals = parts if self.totals is None else [a + b for a, b in zip(self.totals, parts, strict=True)]

    def update_state(self, *args: Any, **kwargs: Any) -> None:
        """Take in one batch of arrays."""
        self.add(self.compute(*args, **kwargs))

    def reset_state(self) -> None:
        """Forget all batches."""
        self.totals = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Take in one batch; return the figure."""
        self.update_state(*args, **kwargs)
        return self.result()

    def get_config(self) -> dict[str, Any]:
        """Return the settings from which :meth:`from_config` makes an equal metric."""
        return {"name": self.name, "dtype": self.dtype}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Metric:
        """Make a metric from what :meth:`get_config` returned."""
        return cls(**config)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}>"


registry = Registry("metric", Metric)


def weighted_mean(values: Any, sample_weight: Any = None) -> tuple[Any, Any]:
    """Return the weighted sum of `values`, and the sum of the weights."""
    from ..losses import same_rank

    values = ops.convert(values, "float32")
    if sample_weight is None:
        count = float(np.prod(ops.shape_of(values)))
        return ops.sum(values), np.float32(count)
    weight, values = same_rank(ops.convert(sample_weight, "float32"), values)
    while len(ops.shape_of(weight)) > len(ops.shape_of(values)):
        values = ops.expand_dims(values, -1)
    while len(ops.shape_of(weight)) < len(ops.shape_of(values)):
        # Keras averages each sample's values before weighting them.
        values = ops.mean(values, axis=-1)
    weight = ops.broadcast_to(weight, ops.shape_of(values))
    return ops.sum(values * weight), ops.sum(weight)


class Mean(Metric):
    """The weighted mean of values.

    Parameters
    ----------
    name : str, default "mean"
        The metric's name.
    dtype : str, optional
        Accepted for Keras's sake.
    """

    def __init__(self, name: str | None = "mean", dtype: Any = None):
        super().__init__(dtype=dtype, name=name)

    def compute(self, values: Any, sample_weight: Any = None) -> tuple[Any, ...]:  # type: ignore[override]
        return weighted_mean(values, sample_weight)

    def result(self) -> Any:
        if self.totals is None:
            return np.float32(0)
        total, count = self.totals
        return np.float32(total / count if count else 0)


class MeanMetricWrapper(Mean):
    """The weighted mean of a function of targets and predictions.

    Parameters
    ----------
    fn : callable
        ``fn(y_true, y_pred, **kwargs)`` gives a value for each sample, by :mod:`nnfast.ops`.
    name : str, optional
        By default the function's name.
    dtype : str, optional
        Accepted for Keras's sake.
    **kwargs
        Passed to `fn`.
    """

    def __init__(self, fn: Any, name: str | None = None, dtype: Any = None, **kwargs: Any):
        super().__init__(name=name or getattr(fn, "__name__", None), dtype=dtype)
        self._fn = fn
        self._fn_kwargs = kwargs

    def compute(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> tuple[Any, ...]:  # type: ignore[override]
        return weighted_mean(self._fn(y_true, y_pred, **self._fn_kwargs), sample_weight)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self._fn_kwargs}
