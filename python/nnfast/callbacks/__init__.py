"""Callbacks: objects whose hooks `fit`, `evaluate` and `predict` call as they go along."""

from .callback import Callback
from .callback_list import CallbackList
from .checkpoint import BackupAndRestore, ModelCheckpoint
from .control import LambdaCallback, LearningRateScheduler, MaxTime, TerminateOnNaN
from .gradients import GradientMonitor
from .monitor import EarlyStopping, MonitorCallback, ReduceLROnPlateau
from .progbar import ProgbarLogger
from .records import CSVLogger, History

__all__ = [
    "Callback",
    "CallbackList",
    "History",
    "CSVLogger",
    "ProgbarLogger",
    "MonitorCallback",
    "EarlyStopping",
    "ReduceLROnPlateau",
    "ModelCheckpoint",
    "BackupAndRestore",
    "LambdaCallback",
    "LearningRateScheduler",
    "TerminateOnNaN",
    "MaxTime",
    "GradientMonitor",
]
