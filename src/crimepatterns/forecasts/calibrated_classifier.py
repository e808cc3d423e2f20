"""A classifier whose probabilities mean what they say, and whose means are -log(1 - p)."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin

__all__ = ["CalibratedClassifier", "expected_count", "fit_calibration", "fit_line", "log_rate"]

_SMALLEST, _LARGEST = 1e-5, 1.0 - 1e-5
_NEWTON_STEPS = 100
_PRIOR_STRENGTH = 1.0


class CalibratedClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A fitted classifier with a fitted calibration behind it; both are given, neither is fitted here.

    The raw probability p becomes 1 - exp(-exp(intercept + slope * log(-log(1 - p)))): a straight line on the scale of
    the complementary log-log, on which -log(1 - p) is the expected count of a Poisson cell.

    Parameters
    ----------
    model : classifier
        Fitted, with classes 0 and 1.
    intercept, slope : float
        From `fit_calibration`.
    """

    def __init__(self, model: Any = None, intercept: float = 0.0, slope: float = 1.0) -> None:
        self.model = model
        self.intercept = intercept
        self.slope = slope

    def fit(self, features: pd.DataFrame, outcome: NDArray[Any]) -> "CalibratedClassifier":  # noqa: ARG002
        """Take over the classes of the model, which is fitted already."""
        self.classes_ = self.model.classes_
        return self

    def predict_proba(self, features: pd.DataFrame) -> NDArray[np.float64]:
        """Probability of no incident and of at least one, shape (n_rows, 2)."""
        raw = self.model.predict_proba(features)[:, 1]
        chance = -np.expm1(-np.exp(self.intercept + self.slope * log_rate(raw)))
        return np.column_stack([1.0 - chance, chance])

    def predict(self, features: pd.DataFrame) -> NDArray[np.int64]:
        """Say 1 where an incident is likelier than not, shape (n_rows,)."""
        return (self.predict_proba(features)[:, 1] > 0.5).astype(np.int64)

    def expected(self, features: pd.DataFrame) -> NDArray[np.float64]:
        """Tell the expected incidents, -log(1 - p), shape (n_rows,)."""
        return expected_count(self.predict_proba(features)[:, 1])

    def __sklearn_is_fitted__(self) -> bool:
        """Tell scikit-learn that there is nothing left to fit."""
        return self.model is not None


def log_rate(probability: NDArray[np.floating]) -> NDArray[np.float64]:
    """Log of the Poisson mean at which at least one incident has this probability, log(-log(1 - p))."""
    clipped = np.clip(np.asarray(probability, dtype=float), _SMALLEST, _LARGEST)
    return np.log(-np.log1p(-clipped))


def expected_count(probability: NDArray[np.floating]) -> NDArray[np.float64]:
    """Poisson mean at which at least one incident has this probability, -log(1 - p); finite also for p = 1."""
    return -np.log1p(-np.minimum(np.asarray(probability, dtype=float), 1.0 - 1e-12))


def fit_calibration(raw: NDArray[np.floating], counts: NDArray[np.integer]) -> tuple[float, float]:
    """Fit intercept and slope by Poisson regression of later counts on the log rate of the raw probability.

    Counts say more than yes and no: a cell with five incidents shows that its rate is high. A weak prior keeps the
    slope near 1 and above 0 where there are few incidents, so that calibration never turns the ranking round.

    Parameters
    ----------
    raw : ndarray of float, shape (n_rows,)
        Probabilities of at least one incident for rows that the classifier was not fitted on.
    counts : ndarray of int, shape (n_rows,)

    Returns
    -------
    intercept, slope : float
    """
    return fit_line(log_rate(raw), counts)


def fit_line(predictor: NDArray[np.float64], counts: NDArray[np.integer]) -> tuple[float, float]:
    """Fit log mean = intercept + slope * predictor to counts by Poisson regression, with the same weak prior.

    Parameters
    ----------
    predictor : ndarray of float, shape (n_rows,)
        Log of an expected count that was told before these counts were known.
    counts : ndarray of int, shape (n_rows,)

    Returns
    -------
    intercept, slope : float
    """
    observed = np.asarray(counts, dtype=float)
    intercept, slope = 0.0, 1.0
    for _ in range(_NEWTON_STEPS):
        mean = np.exp(np.clip(intercept + slope * predictor, -30.0, 10.0))
        miss = observed - mean
        pull = _PRIOR_STRENGTH * np.array([intercept, slope - 1.0])
        # Sums, not dot products: the latter round differently with the number of threads.
        gradient = np.array([miss.sum(), (miss * predictor).sum()]) - pull
        weighted = mean * predictor
        curvature = np.array([[mean.sum(), weighted.sum()], [weighted.sum(), (weighted * predictor).sum()]])
        step = np.linalg.solve(curvature + _PRIOR_STRENGTH * np.eye(2), gradient)
        step *= min(1.0, 0.5 / max(float(np.abs(step).max()), 1e-12))
        intercept, slope = intercept + float(step[0]), slope + float(step[1])
        if float(np.abs(step).max()) < 1e-10:
            break
    return intercept, max(slope, 0.05)
