"""A regressor whose expected counts are right in the mean, and which tells the chance of an incident too."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin

__all__ = ["CalibratedCounts", "log_mean"]

_SMALLEST = 1e-6


class CalibratedCounts(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A fitted regressor of counts with a fitted calibration behind it; both are given, neither is fitted here.

    The raw mean m becomes exp(intercept + slope log m). For a regressor of log(1 + count), whose raw mean is too small
    because the logarithm is bent, this is the smearing (Duan 1983, https://doi.org/10.2307/2288126) with a slope, and
    learned on later periods. The chance of at least one incident is that of a Poisson count, 1 - exp(-mean), so that
    whatever reads a stored classifier reads this too.

    Parameters
    ----------
    model : regressor
        Fitted.
    intercept, slope : float
        From `crimepatterns.forecasts.calibrated_classifier.fit_line`.
    scale : {"log", "count"}
        What the regressor tells: log(1 + count), or the count.
    offset : str or None
        Column with an expected count that the regressor's answer multiplies.
    """

    def __init__(
        self,
        model: Any = None,
        intercept: float = 0.0,
        slope: float = 1.0,
        scale: str = "count",
        offset: str | None = None,
    ) -> None:
        self.model = model
        self.intercept = intercept
        self.slope = slope
        self.scale = scale
        self.offset = offset

    def fit(self, features: pd.DataFrame, outcome: NDArray[Any]) -> "CalibratedCounts":  # noqa: ARG002
        """Take over nothing: the model is fitted already."""
        self.classes_ = np.array([0, 1])
        return self

    def expected(self, features: pd.DataFrame) -> NDArray[np.float64]:
        """Tell the expected incidents, shape (n_rows,)."""
        raw = log_mean(self.model, features, scale=self.scale, offset=self.offset)
        expected: NDArray[np.float64] = np.exp(self.intercept + self.slope * raw)
        return expected

    def predict_proba(self, features: pd.DataFrame) -> NDArray[np.float64]:
        """Probability of no incident and of at least one, shape (n_rows, 2)."""
        none = np.exp(-self.expected(features))
        return np.column_stack([none, 1.0 - none])

    def predict(self, features: pd.DataFrame) -> NDArray[np.int64]:
        """Say 1 where an incident is likelier than not, shape (n_rows,)."""
        return (self.predict_proba(features)[:, 1] > 0.5).astype(np.int64)

    def __sklearn_is_fitted__(self) -> bool:
        """Tell scikit-learn that there is nothing left to fit."""
        return self.model is not None


def log_mean(model: Any, features: pd.DataFrame, *, scale: str, offset: str | None) -> NDArray[np.float64]:
    """Log of the mean count a fitted regressor tells, at least log(1e-6); shape (n_rows,)."""
    told = np.asarray(model.predict(features), dtype=np.float64)
    mean = np.expm1(told) if scale == "log" else told
    if offset is not None:
        mean = mean * features[offset].to_numpy(dtype=np.float64)
    logarithm: NDArray[np.float64] = np.log(np.maximum(mean, _SMALLEST))
    return logarithm
