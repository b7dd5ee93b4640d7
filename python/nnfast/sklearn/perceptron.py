"""The perceptron, the first machine that learned from its mistakes (Rosenblatt, 1958)."""

from __future__ import annotations

import math
import sys
import warnings
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state, compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from .. import _core

_PENALTIES = (None, "l2", "l1", "elasticnet")
_LARGEST = sys.float_info.max
_LARGEST_SEED = np.iinfo(np.int32).max


class Perceptron(ClassifierMixin, BaseEstimator):
    """A linear classifier that learns by the perceptron rule.

    For a sample on the wrong side, ``y (w·x + b) <= 0`` with y = ±1: ``w += eta0 · y · x``, ``b += eta0 · y``. Where
    some line separates the classes the rule finds one in finitely many steps (Novikoff, 1962); where none does, as for
    XOR, it never settles. Several classes are learned one against the rest.

    Names, defaults and, for the same `random_state`, results are those of ``sklearn.linear_model.Perceptron`` (with
    L1 it may stop at another pass), which besides takes sparse matrices and can stop early by held-out data. The loop
    runs in C++, classes in parallel; the results do not depend on the number of threads.

    Parameters
    ----------
    penalty : {None, "l2", "l1", "elasticnet"}, default None
        What keeps the weights small.
    alpha : float, default 0.0001
        How much it does, where there is one.
    l1_ratio : float, default 0.15
        The share of L1 in "elasticnet".
    fit_intercept : bool, default True
        Whether to learn b.
    max_iter : int, default 1000
        The most passes over the samples.
    tol : float or None, default 0.001
        Training ends when the mean of ``max(0, -y (w·x + b))`` and the penalty has not fallen by more than this in
        `n_iter_no_change` passes in a row; None: go through all passes.
    shuffle : bool, default True
        Whether each pass takes the samples in another order.
    eta0 : float, default 1.0
        The length of a step. Without a penalty it scales w and b and changes no prediction.
    random_state : int, RandomState or None, default 0
        Decides the order of the samples.
    n_iter_no_change : int, default 5
        See `tol`.
    class_weight : dict, "balanced" or None, default None
        Factors of the steps by class; "balanced" makes all classes weigh the same.

    Attributes
    ----------
    coef_ : numpy.ndarray
        w: float64, (1, features) for two classes, else (classes, features).
    intercept_ : numpy.ndarray
        b: float64, (1,) or (classes,).
    classes_ : numpy.ndarray
        The classes, sorted.
    n_iter_ : int
        Passes over the samples, of the class that took most.

    Raises
    ------
    ValueError
        In `fit`, if a parameter is out of its range or the data are not what it takes.
    """

    def __init__(
        self,
        *,
        penalty: str | None = None,
        alpha: float = 0.0001,
        l1_ratio: float = 0.15,
        fit_intercept: bool = True,
        max_iter: int = 1000,
        tol: float | None = 1e-3,
        shuffle: bool = True,
        eta0: float = 1.0,
        random_state: Any = 0,
        n_iter_no_change: int = 5,
        class_weight: Any = None,
    ):
        self.penalty = penalty
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter
        self.tol = tol
        self.shuffle = shuffle
        self.eta0 = eta0
        self.random_state = random_state
        self.n_iter_no_change = n_iter_no_change
        self.class_weight = class_weight

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Perceptron:
        """Learn from samples, anew.

        Parameters
        ----------
        X : array-like of shape (samples, features)
            The samples.
        y : array-like of shape (samples,)
            Their classes.
        sample_weight : array-like of shape (samples,), optional
            Factors of the steps.

        Returns
        -------
        Perceptron
            Itself.
        """
        self._check_parameters()
        X, y = self._validated(X, y, reset=True)
        self.classes_ = np.unique(y)
        if len(self.classes_) < 2:
            raise ValueError(f"Perceptron: expected at least 2 classes in y; received one class: {self.classes_[0]}")
        self._forget(X.shape[1])
        self.n_iter_ = self._learn(X, y, sample_weight, self.max_iter, -np.inf if self.tol is None else self.tol)
        if self.tol is not None and self.n_iter_ == self.max_iter:
            warnings.warn(
                f"Perceptron: {self.max_iter} passes were not enough to settle; raise max_iter, scale the features, or "
                "accept that no line separates the classes",
                ConvergenceWarning,
                stacklevel=2,
            )
        return self

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Perceptron:
        """Go through some samples once, on top of what has been learned.

        Parameters
        ----------
        X, y, sample_weight
            As in :meth:`fit`.
        classes : array-like, optional
            All classes that will ever come; needed in the first call.

        Returns
        -------
        Perceptron
            Itself.
        """
        first = not hasattr(self, "coef_")
        self._check_parameters()
        if self.class_weight == "balanced":
            raise ValueError(
                "Perceptron.partial_fit: expected class_weight as a dictionary; 'balanced' needs all samples"
            )
        X, y = self._validated(X, y, reset=first)
        if first:
            if classes is None:
                raise ValueError("Perceptron.partial_fit: expected all classes in the first call; received none")
            self.classes_ = np.unique(classes)
            self._forget(X.shape[1])
            self.n_iter_ = 0
        elif classes is not None and not np.array_equal(np.unique(classes), self.classes_):
            raise ValueError(
                f"Perceptron.partial_fit: expected the classes of the first call, {self.classes_}; received {classes}"
            )
        unknown = np.setdiff1d(y, self.classes_)
        if len(unknown):
            raise ValueError(f"Perceptron.partial_fit: expected classes among {self.classes_}; received {unknown}")
        self.n_iter_ = self._learn(X, y, sample_weight, 1, -np.inf)
        return self

    def decision_function(self, X: Any) -> np.ndarray:
        """Return ``w·x + b``.

        Returns
        -------
        numpy.ndarray
            (samples,) for two classes, above 0 for the second; else (samples, classes).
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        scores = X @ self.coef_.T + self.intercept_
        return scores[:, 0] if len(self.intercept_) == 1 else scores

    def predict(self, X: Any) -> np.ndarray:
        """Return the class of each sample, that of the highest score."""
        scores = self.decision_function(X)
        return self.classes_[(scores > 0).astype(int) if scores.ndim == 1 else scores.argmax(axis=1)]

    def _check_parameters(self) -> None:
        if self.penalty not in _PENALTIES:
            raise ValueError(f"Perceptron: expected penalty to be one of {_PENALTIES}; received {self.penalty!r}")
        ranges: list[tuple[str, Any, float, float]] = [
            ("alpha", Real, 0, _LARGEST), ("l1_ratio", Real, 0, 1), ("eta0", Real, math.ulp(0.0), _LARGEST),
            ("max_iter", Integral, 1, 2**63 - 1), ("n_iter_no_change", Integral, 1, 2**63 - 1),
        ]  # fmt: skip
        if self.tol is not None:
            ranges.append(("tol", Real, 0, _LARGEST))
        for name, kind, low, high in ranges:
            value = getattr(self, name)
            if not isinstance(value, kind) or isinstance(value, bool) or not low <= value <= high:
                what = "an integer" if kind is Integral else "a number"
                too_large = isinstance(value, kind) and value > high
                end = f" and at most {high}" if high == 1 or too_large else ""
                least = "above 0" if 0 < low < 1 else f"of at least {low}"
                raise ValueError(f"Perceptron: expected {name} to be {what} {least}{end}; received {value!r}")

    def _validated(self, X: Any, y: Any, reset: bool) -> tuple[np.ndarray, np.ndarray]:
        X, y = validate_data(self, X, y, dtype=np.float64, order="C", reset=reset)
        check_classification_targets(y)
        return X, y

    def _forget(self, features: int) -> None:
        rows = 1 if len(self.classes_) == 2 else len(self.classes_)
        self.coef_ = np.zeros((rows, features))
        self.intercept_ = np.zeros(rows)

    def _learn(self, X: np.ndarray, y: np.ndarray, sample_weight: Any, max_iter: int, tol: float) -> int:
        weights = _check_sample_weight(sample_weight, X, dtype=np.float64)
        factors = compute_class_weight(self.class_weight, classes=self.classes_, y=y)
        random = check_random_state(self.random_state)
        if len(self.classes_) == 2:
            positives = [1]
            rates = [(self.eta0 * factors[1], self.eta0 * factors[0])]
            seeds = [_draw_seed(random)]
        else:
            positives = list(range(len(self.classes_)))
            rates = [(self.eta0 * factor, self.eta0) for factor in factors]
            seeds = [
                _draw_seed(np.random.RandomState(seed))
                for seed in random.randint(_LARGEST_SEED, size=len(self.classes_))
            ]
        share = {None: 0.0, "l2": 0.0, "l1": 1.0, "elasticnet": self.l1_ratio}[self.penalty]
        alpha = 0.0 if self.penalty is None else self.alpha
        l1, l2 = share * alpha, (1 - share) * alpha
        passes = _core.perceptron(
            X,
            np.searchsorted(self.classes_, y).astype(np.int32),
            weights,
            positives,
            rates,
            seeds,
            self.coef_,
            self.intercept_,
            shrink=max(0.0, 1 - self.eta0 * l2),
            l1=self.eta0 * l1,
            l1_cost=l1,
            l2_cost=0.5 * l2,
            fit_intercept=self.fit_intercept,
            shuffle=self.shuffle,
            max_iter=max_iter,
            tol=tol,
            n_iter_no_change=self.n_iter_no_change,
            threads=_core.num_threads(),
        )
        if not (np.isfinite(self.coef_).all() and np.isfinite(self.intercept_).all()):
            raise ValueError(
                "Perceptron: the weights or the products with them have overflowed; scale the features, for example by "
                "sklearn.preprocessing.StandardScaler"
            )
        return max(passes)


def _draw_seed(random: np.random.RandomState) -> int:
    """Draw what the order of samples follows from: the second number, as in scikit-learn, whose data set takes one."""
    random.randint(1, _LARGEST_SEED)
    return int(random.randint(_LARGEST_SEED))
