"""Metrics that are the mean of a loss."""

from __future__ import annotations

from typing import Any

from .. import losses, ops
from .metric import MeanMetricWrapper, registry, spread_weight


class _OfLoss(MeanMetricWrapper):
    _direction = "down"


@registry.add("mse", "MSE")
class MeanSquaredError(_OfLoss):
    """The mean of the squared errors.

    Parameters
    ----------
    name : str, default "mean_squared_error"
        The metric's name.
    dtype : str, optional
        Accepted for Keras's sake.
    """

    def __init__(self, name: str = "mean_squared_error", dtype: Any = None):
        super().__init__(losses.mean_squared_error, name, dtype)


@registry.add("mae", "MAE")
class MeanAbsoluteError(_OfLoss):
    """The mean of the absolute errors.

    Parameters
    ----------
    name : str, default "mean_absolute_error"
        The metric's name.
    dtype : str, optional
        Accepted for Keras's sake.
    """

    def __init__(self, name: str = "mean_absolute_error", dtype: Any = None):
        super().__init__(losses.mean_absolute_error, name, dtype)


@registry.add("mape", "MAPE")
class MeanAbsolutePercentageError(_OfLoss):
    """The mean of the absolute errors in percent of the targets.

    Parameters
    ----------
    name : str, default "mean_absolute_percentage_error"
        The metric's name.
    dtype : str, optional
        Accepted for Keras's sake.
    """

    def __init__(self, name: str = "mean_absolute_percentage_error", dtype: Any = None):
        super().__init__(losses.mean_absolute_percentage_error, name, dtype)


@registry.add("msle", "MSLE")
class MeanSquaredLogarithmicError(_OfLoss):
    """The mean of the squared errors of logarithms.

    Parameters
    ----------
    name : str, default "mean_squared_logarithmic_error"
        The metric's name.
    dtype : str, optional
        Accepted for Keras's sake.
    """

    def __init__(self, name: str = "mean_squared_logarithmic_error", dtype: Any = None):
        super().__init__(losses.mean_squared_logarithmic_error, name, dtype)


@registry.add()
class LogCoshError(_OfLoss):
    """The mean logarithm of the errors' hyperbolic cosine.

    Parameters
    ----------
    name : str, default "logcosh"
        The metric's name.
    dtype : str, optional
        Accepted for Keras's sake.
    """

    def __init__(self, name: str = "logcosh", dtype: Any = None):
        super().__init__(losses.log_cosh, name, dtype)


@registry.add()
class Hinge(_OfLoss):
    """The mean of what outputs lack to a margin of 1.

    Parameters
    ----------
    name : str, default "hinge"
        The metric's name.
    dtype : str, optional
        Accepted for Keras's sake.
    """

    def __init__(self, name: str = "hinge", dtype: Any = None):
        super().__init__(losses.hinge, name, dtype)


@registry.add()
class SquaredHinge(_OfLoss):
    """The mean of the squares of what outputs lack to a margin of 1.

    Parameters
    ----------
    name : str, default "squared_hinge"
        The metric's name.
    dtype : str, optional
        Accepted for Keras's sake.
    """

    def __init__(self, name: str = "squared_hinge", dtype: Any = None):
        super().__init__(losses.squared_hinge, name, dtype)


@registry.add()
class CategoricalHinge(_OfLoss):
    """The mean of what the right class's output lacks to a margin of 1 over the others.

    Parameters
    ----------
    name : str, default "categorical_hinge"
        The metric's name.
    dtype : str, optional
        Accepted for Keras's sake.
    """

    def __init__(self, name: str = "categorical_hinge", dtype: Any = None):
        super().__init__(losses.categorical_hinge, name, dtype)


@registry.add("kld", "KLD")
class KLDivergence(_OfLoss):
    """The mean Kullback-Leibler divergence of the predicted probabilities from the targets.

    Parameters
    ----------
    name : str, default "kl_divergence"
        The metric's name.
    dtype : str, optional
        Accepted for Keras's sake.
    """

    def __init__(self, name: str = "kl_divergence", dtype: Any = None):
        super().__init__(losses.kl_divergence, name, dtype)


@registry.add()
class Poisson(_OfLoss):
    """The mean of ``y_pred - y_true · log y_pred``.

    Parameters
    ----------
    name : str, default "poisson"
        The metric's name.
    dtype : str, optional
        Accepted for Keras's sake.
    """

    def __init__(self, name: str = "poisson", dtype: Any = None):
        super().__init__(losses.poisson, name, dtype)


@registry.add("bce", "BCE")
class BinaryCrossentropy(_OfLoss):
    """The mean cross-entropy of yes or no.

    Parameters
    ----------
    name : str, default "binary_crossentropy"
        The metric's name.
    dtype : str, optional
        Accepted for Keras's sake.
    from_logits : bool, default False
        Whether predictions are logits rather than probabilities.
    label_smoothing : float, default 0
        How far targets are moved towards 1/2.
    """

    def __init__(
        self,
        name: str = "binary_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        label_smoothing: float = 0,
    ):
        super().__init__(
            losses.binary_crossentropy, name, dtype, from_logits=from_logits, label_smoothing=label_smoothing
        )


@registry.add("cce")
class CategoricalCrossentropy(_OfLoss):
    """The mean cross-entropy of one-hot or soft targets.

    Parameters
    ----------
    name : str, default "categorical_crossentropy"
        The metric's name.
    dtype : str, optional
        Accepted for Keras's sake.
    from_logits : bool, default False
        Whether predictions are logits rather than probabilities.
    label_smoothing : float, default 0
        How far targets are moved towards equal shares.
    axis : int, default -1
        The axis of the classes.
    """

    def __init__(
        self,
        name: str = "categorical_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        label_smoothing: float = 0,
        axis: int = -1,
    ):
        super().__init__(
            losses.categorical_crossentropy, name, dtype, from_logits=from_logits, label_smoothing=label_smoothing,
            axis=axis,
        )  # fmt: skip


@registry.add("scce")
class SparseCategoricalCrossentropy(_OfLoss):
    """The mean cross-entropy of class numbers.

    Parameters
    ----------
    name : str, default "sparse_categorical_crossentropy"
        The metric's name.
    dtype : str, optional
        Accepted for Keras's sake.
    from_logits : bool, default False
        Whether predictions are logits rather than probabilities.
    ignore_class : int, optional
        A class number whose samples have no loss. As in Keras, they count in a mean without sample weights, and not
        in one with them.
    axis : int, default -1
        The axis of the classes.
    """

    def __init__(
        self,
        name: str = "sparse_categorical_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        ignore_class: int | None = None,
        axis: int = -1,
    ):
        self._loss = losses.SparseCategoricalCrossentropy(from_logits, ignore_class, axis=axis)
        super().__init__(
            losses.sparse_categorical_crossentropy, name, dtype, from_logits=from_logits, ignore_class=ignore_class,
            axis=axis,
        )  # fmt: skip

    def compute(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> tuple[Any, ...]:  # type: ignore[override]
        y_true, y_pred = ops.convert(y_true), ops.convert(y_pred, "float32")
        counted = self._loss.counted(y_true, y_pred)
        if sample_weight is not None and counted is not None:
            sample_weight = spread_weight(sample_weight, ops.shape_of(counted)) * counted
        return super().compute(y_true, y_pred, sample_weight)
