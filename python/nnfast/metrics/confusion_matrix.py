"""The confusion matrix of classes, and the intersection over union that follows from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import ops
from .confusion import divide
from .metric import Metric, registry, spread_weight

# The number of a cell is computed in float32, which holds integers up to 2^24.
_MOST_CLASSES = 4096


@registry.add()
class ConfusionMatrix(Metric):
    """The weight of the targets of each class (rows) by the class predicted (columns). Not in Keras.

    Parameters
    ----------
    num_classes : int
        How many classes there are.
    ignore_class : int, optional
        Targets of this class are left out.
    sparse_y_true, sparse_y_pred : bool, optional
        Whether targets and predictions are class numbers rather than a value for each class along the last axis. By
        default, predictions are not, and targets are if they have one axis less.
    name, dtype
        As for :class:`Metric`.

    Raises
    ------
    ValueError
        If there are more than 4096 classes.
    """

    state_names = ("total_cm",)

    def __init__(
        self,
        num_classes: int,
        ignore_class: int | None = None,
        sparse_y_true: bool | None = None,
        sparse_y_pred: bool = False,
        name: str | None = "confusion_matrix",
        dtype: Any = None,
    ):
        super().__init__(dtype=dtype, name=name)
        if not 0 < num_classes <= _MOST_CLASSES:
            raise ValueError(
                f"{type(self).__name__}: expected num_classes from 1 to {_MOST_CLASSES}; received {num_classes}"
            )
        self.num_classes = num_classes
        self.ignore_class = ignore_class
        self.sparse_y_true = sparse_y_true
        self.sparse_y_pred = sparse_y_pred

    @property
    def matrix(self) -> np.ndarray:
        """The matrix so far, float64."""
        return np.zeros((self.num_classes, self.num_classes)) if self.totals is None else self.totals[0]

    def compute(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> tuple[Any, ...]:
        sparse = self.sparse_y_true
        if sparse is None:
            shape = ops.shape_of(y_true)
            sparse = self.sparse_y_pred or len(shape) < len(ops.shape_of(y_pred)) or shape[-1] == 1
        predicted = ops.convert(y_pred if self.sparse_y_pred else self._decision(y_pred), "float32")
        actual = ops.convert(y_true if sparse else ops.argmax(y_true, axis=-1), "float32")
        weight: Any = np.float32(1)
        if sample_weight is not None:
            weight = spread_weight(sample_weight, ops.shape_of(actual))
        actual, predicted = _column(actual), _column(predicted)
        # A target or prediction that is no class belongs to no cell, as do targets to be ignored.
        classes = float(self.num_classes)
        exists = ops.logical_and(_within(actual, classes), _within(predicted, classes))
        if self.ignore_class is not None:
            exists = ops.logical_and(exists, ops.not_equal(actual, float(self.ignore_class)))
        cell = ops.where(exists, actual * classes + predicted, -1.0)
        weight = ops.broadcast_to(_column(weight), ops.shape_of(cell))
        sums = ops.segment_sum(weight, ops.reshape(cell, (-1,)), self.num_classes**2)
        return (ops.reshape(sums, (self.num_classes, self.num_classes)),)

    def _decision(self, y_pred: Any) -> Any:
        return ops.argmax(y_pred, axis=-1)

    def result(self) -> Any:
        return self.matrix.astype(np.float32)

    def get_config(self) -> dict[str, Any]:
        settings = {
            "num_classes": self.num_classes,
            "ignore_class": self.ignore_class,
            "sparse_y_true": self.sparse_y_true,
            "sparse_y_pred": self.sparse_y_pred,
        }
        return {**super().get_config(), **settings}


def _column(values: Any) -> Any:
    return ops.reshape(values, (-1, 1))


def _within(values: Any, end: float) -> Any:
    return ops.logical_and(ops.greater_equal(values, 0.0), ops.less(values, end))


@registry.add("IOU")
class IoU(ConfusionMatrix):
    """The mean, over some classes, of intersection over union: TP / (TP + FP + FN).

    Parameters
    ----------
    num_classes : int
        How many classes there are.
    target_class_ids : sequence of int
        Which classes.
    name, dtype
        As for :class:`Metric`.
    ignore_class : int, optional
        Targets of this class are left out.
    sparse_y_true, sparse_y_pred : bool, default True
        Whether targets and predictions are class numbers rather than a value for each class.
    axis : int, default -1
        Where the classes lie if they are not; only the last axis is supported.

    Raises
    ------
    ValueError
        If a class to look at does not exist, or `axis` is another than the last.
    """

    _direction = "up"

    def __init__(
        self,
        num_classes: int,
        target_class_ids: Sequence[int],
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: int = -1,
    ):
        super().__init__(num_classes, ignore_class, sparse_y_true, sparse_y_pred, name, dtype)
        if axis != -1:
            raise ValueError(
                f"{type(self).__name__}: expected the classes along the last axis, axis=-1; received {axis}"
            )
        if max(target_class_ids, default=-1) >= num_classes:
            raise ValueError(f"Target class id {max(target_class_ids)} is out of range, which is [0, {num_classes}).")
        self.target_class_ids = list(target_class_ids)

    def _ratios(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the ratio of each class to look at, and whether the class has occurred."""
        right = np.diagonal(self.matrix)[self.target_class_ids]
        union = (self.matrix.sum(axis=0) + self.matrix.sum(axis=1))[self.target_class_ids] - right
        return divide(right, union), union != 0

    def result(self) -> Any:
        ratios, occurred = self._ratios()
        return np.float32(divide(np.sum(ratios, where=occurred), np.sum(occurred)))

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        return {**config, "target_class_ids": self.target_class_ids}


@registry.add()
class BinaryIoU(IoU):
    """The mean intersection over union of two classes, divided by a threshold.

    Parameters
    ----------
    target_class_ids : sequence of int, default (0, 1)
        Which classes: 0, 1 or both.
    threshold : float, default 0.5
        From it on a prediction stands for class 1; None takes predictions for class numbers.
    name, dtype
        As for :class:`Metric`.
    """

    def __init__(
        self,
        target_class_ids: Sequence[int] = (0, 1),
        threshold: float | None = 0.5,
        name: str | None = None,
        dtype: Any = None,
    ):
        super().__init__(2, target_class_ids, name, dtype, sparse_y_pred=threshold is None)
        self.threshold = threshold

    def _decision(self, y_pred: Any) -> Any:
        return ops.greater_equal(y_pred, float(self.threshold or 0))

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "dtype": self.dtype,
            "target_class_ids": self.target_class_ids,
            "threshold": self.threshold,
        }


@registry.add()
class MeanIoU(IoU):
    """The mean, over the classes that occur, of intersection over union: TP / (TP + FP + FN).

    Parameters
    ----------
    num_classes : int
        How many classes there are.
    name, dtype
        As for :class:`Metric`.
    ignore_class : int, optional
        Targets of this class are left out.
    sparse_y_true, sparse_y_pred : bool, default True
        Whether targets and predictions are class numbers rather than a value for each class.
    axis : int, default -1
        Where the classes lie if they are not; only the last axis is supported.
    """

    def __init__(
        self,
        num_classes: int,
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: int = -1,
    ):
        super().__init__(num_classes, range(num_classes), name, dtype, ignore_class, sparse_y_true, sparse_y_pred, axis)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["target_class_ids"]
        return config


@registry.add()
class OneHotIoU(IoU):
    """:class:`IoU` of one-hot targets and of predictions with a value for each class.

    Parameters
    ----------
    num_classes : int
        How many classes there are.
    target_class_ids : sequence of int
        Which classes.
    name, dtype
        As for :class:`Metric`.
    ignore_class : int, optional
        Targets of this class are left out.
    sparse_y_pred : bool, default False
        Whether predictions are class numbers.
    axis : int, default -1
        Where the classes lie; only the last axis is supported.
    """

    def __init__(
        self,
        num_classes: int,
        target_class_ids: Sequence[int],
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_pred: bool = False,
        axis: int = -1,
    ):
        super().__init__(num_classes, target_class_ids, name, dtype, ignore_class, False, sparse_y_pred, axis)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["sparse_y_true"]
        return config


@registry.add()
class OneHotMeanIoU(MeanIoU):
    """:class:`MeanIoU` of one-hot targets and of predictions with a value for each class.

    Parameters
    ----------
    num_classes : int
        How many classes there are.
    name, dtype
        As for :class:`Metric`.
    ignore_class : int, optional
        Targets of this class are left out.
    sparse_y_pred : bool, default False
        Whether predictions are class numbers.
    axis : int, default -1
        Where the classes lie; only the last axis is supported.
    """

    def __init__(
        self,
        num_classes: int,
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_pred: bool = False,
        axis: int = -1,
    ):
        super().__init__(num_classes, name, dtype, ignore_class, False, sparse_y_pred, axis)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["sparse_y_true"]
        return config
