"""Metrics: figures that tell how good a model is."""

from .accuracy import (
    Accuracy,
    BinaryAccuracy,
    CategoricalAccuracy,
    SparseCategoricalAccuracy,
    SparseTopKCategoricalAccuracy,
    TopKCategoricalAccuracy,
    accuracy,
    binary_accuracy,
    categorical_accuracy,
    sparse_categorical_accuracy,
    sparse_top_k_categorical_accuracy,
    top_k_categorical_accuracy,
)
from .auc import AUC, AUCCurve, AUCSummationMethod
from .confusion import (
    FalseNegatives,
    FalsePositives,
    Precision,
    PrecisionAtRecall,
    Recall,
    RecallAtPrecision,
    SensitivityAtSpecificity,
    SpecificityAtSensitivity,
    TrueNegatives,
    TruePositives,
)
from .confusion_matrix import BinaryIoU, ConfusionMatrix, IoU, MeanIoU, OneHotIoU, OneHotMeanIoU
from .f_score import F1Score, FBetaScore
from .metric import Mean, MeanMetricWrapper, Metric, Sum, registry
from .of_losses import (
    MeanAbsoluteError,
    MeanSquaredError,
)
from .regression import CosineSimilarity, R2Score, RootMeanSquaredError

get = registry.get
serialize = registry.serialize
deserialize = registry.deserialize

__all__ = [
    "AUC", "AUCCurve", "AUCSummationMethod", "Accuracy", "BinaryAccuracy", "BinaryIoU",
    "CategoricalAccuracy", "ConfusionMatrix", "CosineSimilarity",
    "F1Score", "FBetaScore", "FalseNegatives", "FalsePositives", "IoU", "Mean",
    "MeanAbsoluteError", "MeanIoU", "MeanMetricWrapper", "MeanSquaredError",
    "Metric", "OneHotIoU", "OneHotMeanIoU", "Precision", "PrecisionAtRecall",
    "R2Score", "Recall", "RecallAtPrecision", "RootMeanSquaredError", "SensitivityAtSpecificity",
    "SparseCategoricalAccuracy", "SparseTopKCategoricalAccuracy",
    "SpecificityAtSensitivity", "Sum", "TopKCategoricalAccuracy", "TrueNegatives", "TruePositives",
    "accuracy", "binary_accuracy", "categorical_accuracy", "deserialize", "get", "serialize",
    "sparse_categorical_accuracy", "sparse_top_k_categorical_accuracy", "top_k_categorical_accuracy",
]  # fmt: skip
