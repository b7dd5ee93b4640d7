"""The base of metrics, and the means and sums most of them are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import initializers, ops
from ..losses import same_rank
from ..registry import Registry, custom_objects, snake_case
from ..variable import Variable


class Metric:
    """A figure over many batches.

    A metric is a function of sums: :meth:`compute` says by :mod:`nnfast.ops` what one batch adds to them, so that a
    planned step can do it in C++, and :meth:`result` turns the sums into the figure. A metric of your own may define
    these two, or, as in Keras, call :meth:`add_variable` and define ``update_state`` and ``result``.

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
    state_names : tuple of str
        The names of the sums, each of which is an attribute too.
    """

    state_names: tuple[str, ...] = ()
    _direction: str | None = None  # "up" where more is better, "down" where less is

    def __init__(self, dtype: Any = None, name: str | None = None):
        self.name = name or snake_case(type(self).__name__)
        self._dtype = dtype or "float32"
        self.totals: list[np.ndarray] | None = None
        self._variables: list[Variable] = []

    @property
    def dtype(self) -> Any:
        """What was given as `dtype`."""
        return self._dtype

    @property
    def variables(self) -> list[Any]:
        """The sums and variables, to be read."""
        return [*(State(self, name) for name in self.state_names), *self._variables]

    def __getattr__(self, name: str) -> Any:
        names = type(self).state_names
        if name not in names:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return np.float64(0) if self.totals is None else self.totals[names.index(name)]

    def compute(self, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Return what one batch, given as to :meth:`update_state`, adds to each sum."""
        if type(self).update_state is Metric.update_state:
            raise NotImplementedError(f"{type(self).__name__} must define compute(self, y_true, y_pred, sample_weight)")
        self.update_state(*args, **kwargs)  # assigns to variables, which becomes part of the step that is traced
        return ()

    def result(self) -> Any:
        """Return the figure over all batches since the last reset."""
        raise NotImplementedError(f"{type(self).__name__} must define result(self)")

    def add(self, increments: Any) -> None:
        """Add what a batch, or several, gave."""
        parts = [np.asarray(part, np.float64) for part in increments]
        self.totals = parts if self.totals is None else [a + b for a, b in zip(self.totals, parts, strict=True)]

    def add_variable(
        self, shape: Any = (), initializer: Any = "zeros", dtype: Any = None, name: str | None = None
    ) -> Any:
        """Return a variable for ``update_state`` to assign to; a reset makes it 0.

        Parameters
        ----------
        shape : tuple of int, default ()
            Its shape.
        initializer : str, callable or array, default "zeros"
            The first contents.
        dtype : str, optional
            "float32" (the default) or "int32".
        name : str, optional
            Its name.
        """
        variable = Variable(
            initializers.get("zeros" if initializer is None else initializer),
            shape,
            dtype,
            trainable=False,
            name=name or "variable",
        )
        self._variables.append(variable)
        return variable

    add_weight = add_variable

    def update_state(self, *args: Any, **kwargs: Any) -> None:
        """Take in one batch of arrays."""
        self.add(self.compute(*args, **kwargs))

    def reset_state(self) -> None:
        """Forget all batches."""
        self.totals = None
        for variable in self._variables:
            variable.assign(np.zeros(variable.shape))

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


class State:
    """One sum of a metric, to be read.

    Parameters
    ----------
    metric : Metric
        Whose it is.
    name : str
        The attribute.
    """

    def __init__(self, metric: Metric, name: str):
        self.metric = metric
        self.name = name

    @property
    def value(self) -> np.ndarray:
        """The sum so far."""
        return np.asarray(getattr(self.metric, self.name))

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the sum."""
        return self.value.shape

    def numpy(self) -> np.ndarray:
        """Return the sum so far."""
        return self.value

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self.value if dtype is None else self.value.astype(dtype)

    def __float__(self) -> float:
        return float(self.value)

    def __repr__(self) -> str:
        return f"<State {self.metric.name}/{self.name} value={self.value}>"


registry = Registry("metric", Metric)


def align_weight(sample_weight: Any, values: Any) -> tuple[Any, Any]:
    """Give weights and values the same rank: values are averaged over the axes that the weights lack, and weights get
    or lose axes of length 1 at the end.
    """
    weight, values = same_rank(ops.convert(sample_weight, "float32"), values)
    rank = len(ops.shape_of(weight))
    if rank == 0:
        return weight, values
    extra = len(ops.shape_of(values)) - rank
    if extra > 0:
        values = ops.mean(values, axis=tuple(range(rank, rank + extra)))
    for _ in range(-extra):
        values = ops.expand_dims(values, -1)
    return weight, values


def spread_weight(sample_weight: Any, shape: tuple[Any, ...]) -> Any:
    """Give weights a shape: they lack axes at the end, or have one of length 1 too many."""
    weight = ops.convert(sample_weight, "float32")
    own = ops.shape_of(weight)
    if len(own) == len(shape) + 1 and own[-1] == 1:
        weight = ops.squeeze(weight, -1)
    elif own:
        weight = ops.reshape(weight, (*own, *[1] * (len(shape) - len(own))))
    return ops.broadcast_to(weight, shape)


def weighted_mean(values: Any, sample_weight: Any = None) -> tuple[Any, Any]:
    """Return the weighted sum of `values`, and the sum of the weights."""
    values = ops.convert(values, "float32")
    if sample_weight is None:
        return ops.sum(values), np.float32(np.prod(ops.shape_of(values)))
    weight, values = align_weight(sample_weight, values)
    weighted = values * weight
    return ops.sum(weighted), ops.sum(ops.broadcast_to(weight, ops.shape_of(weighted)))


@registry.add()
class Mean(Metric):
    """The weighted mean of values.

    Parameters
    ----------
    name : str, default "mean"
        The metric's name.
    dtype : str, optional
        Accepted for Keras's sake.
    """

    state_names = ("total", "count")

    def __init__(self, name: str | None = "mean", dtype: Any = None):
        super().__init__(dtype=dtype, name=name)

    def compute(self, values: Any, sample_weight: Any = None) -> tuple[Any, ...]:
        return weighted_mean(values, sample_weight)

    def result(self) -> Any:
        return np.float32(self.total / self.count if self.count else 0)


@registry.add()
class Sum(Metric):
    """The weighted sum of values.

    Parameters
    ----------
    name : str, default "sum"
        The metric's name.
    dtype : str, optional
        Accepted for Keras's sake.
    """

    state_names = ("total",)

    def __init__(self, name: str | None = "sum", dtype: Any = None):
        super().__init__(dtype=dtype, name=name)

    def compute(self, values: Any, sample_weight: Any = None) -> tuple[Any, ...]:
        values = ops.convert(values, "float32")
        if sample_weight is None:
            return (ops.sum(values),)
        weight = ops.convert(sample_weight, "float32")
        while 0 < len(ops.shape_of(weight)) < len(ops.shape_of(values)):
            weight = ops.expand_dims(weight, -1)
        return (ops.sum(values * weight),)

    def result(self) -> Any:
        return np.float32(self.total)


@registry.add()
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
        return weighted_mean(self._fn(ops.convert(y_true), ops.convert(y_pred), **self._fn_kwargs), sample_weight)

    def get_config(self) -> dict[str, Any]:
        config = {**super().get_config(), **self._fn_kwargs}
        if type(self) is MeanMetricWrapper:
            name = getattr(self._fn, "__name__", "")
            # A function that nobody registered stays itself: good for a copy, and refused by a file.
            config["fn"] = name if function_named(name) is self._fn else self._fn
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Metric:
        config = dict(config)
        if isinstance(name := config.get("fn"), str):
            config["fn"] = function_named(name)
            if config["fn"] is None:
                raise ValueError(
                    f"Unknown metric function {name!r}; make it known by nnfast.utils.register_serializable({name})"
                )
        return cls(**config)


def function_named(name: str) -> Callable[..., Any] | None:
    """Return the metric or loss function of this name, the user's own first."""
    from .. import losses, metrics

    for found in (custom_objects.get(name), getattr(metrics, name, None), getattr(losses, name, None)):
        if callable(found):
            return found
    return None
