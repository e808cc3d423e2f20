"""What a learner is taught: the chance of an incident, or how many there are; all else of learning is the same."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crimepatterns.forecasts.probability_scores import log_loss
from crimepatterns.forecasts.weighted_borders import borders_in_one_go

__all__ = ["ChanceTask", "CountTask", "LearningTask"]


class LearningTask(Protocol):
    """How counts become what a learner is fitted to, and how its answers become log expected counts."""

    @property
    def score(self) -> str:
        """Name of the score that tuning makes small."""
        ...

    @property
    def offset(self) -> str | None:
        """Column with the expected count that the learner corrects, or None."""
        ...

    def nothing_to_learn(self, counts: NDArray[np.integer]) -> str:
        """Say why nothing can be learned from these counts; empty where something can."""
        ...

    def fit(self, model: Any, features: pd.DataFrame, counts: NDArray[Any]) -> None:
        """Fit a model to counts, or to whether there were any."""
        ...

    def log_rate(self, model: Any, features: pd.DataFrame) -> NDArray[np.float64]:
        """Log of the expected count by a fitted model, before calibration; shape (n_rows,)."""
        ...

    def loss(self, model: Any, features: pd.DataFrame, counts: NDArray[Any]) -> float:
        """Score a fitted model on rows it has not seen; lower is better."""
        ...

    def calibrated(self, model: Any, intercept: float, slope: float) -> Any:
        """Put a fitted calibration behind a fitted model."""
        ...


@dataclass(frozen=True)
class ChanceTask:
    """Learn whether there will be at least one incident."""

    score: ClassVar[str] = "log_loss"
    offset: ClassVar[None] = None

    def nothing_to_learn(self, counts: NDArray[np.integer]) -> str:
        """Say so where every row has the same outcome."""
        happened = counts > 0
        if happened.all() or not happened.any():
            return "every cell has the same outcome in every period"
        return ""

    def fit(self, model: Any, features: pd.DataFrame, counts: NDArray[Any]) -> None:
        """Fit to 0 and 1."""
        model.fit(features, (counts > 0).astype(np.int64))

    def log_rate(self, model: Any, features: pd.DataFrame) -> NDArray[np.float64]:
        """Log(-log(1 - p)) of the chance p."""
        from crimepatterns.forecasts.calibrated_classifier import log_rate

        return log_rate(model.predict_proba(features)[:, 1])

    def loss(self, model: Any, features: pd.DataFrame, counts: NDArray[Any]) -> float:
        """Log loss of the chances, nats."""
        return log_loss(model.predict_proba(features)[:, 1], counts > 0)

    def calibrated(self, model: Any, intercept: float, slope: float) -> Any:
        """Return a classifier."""
        from crimepatterns.forecasts.calibrated_classifier import CalibratedClassifier

        return CalibratedClassifier(model, intercept, slope).fit(pd.DataFrame(), np.zeros(0))


@dataclass(frozen=True)
class CountTask:
    """Learn how many incidents there will be.

    Parameters
    ----------
    scale : {"log", "count"}
        ``log`` fits log(1 + count) by least squares; ``count`` fits the count itself by a learner with Poisson loss.
    offset : str, optional
        Column with an expected count m; the learner is then fitted to count / m with weight m, which is Poisson
        regression with offset log m.
    """

    scale: Literal["log", "count"]
    offset: str | None = None
    score: ClassVar[str] = "poisson_deviance"

    def nothing_to_learn(self, counts: NDArray[np.integer]) -> str:
        """Say so where nothing happened."""
        return "" if (counts > 0).any() else "no incident in the periods to learn from"

    def fit(self, model: Any, features: pd.DataFrame, counts: NDArray[Any]) -> None:
        """Fit to counts on the task's scale."""
        if self.scale == "log":
            model.fit(features, np.log1p(counts))
        elif self.offset is None:
            model.fit(features, counts.astype(np.float64))
        else:
            expected = features[self.offset].to_numpy(dtype=np.float64)
            with borders_in_one_go():
                model.fit(features, counts / expected, sample_weight=expected)

    def log_rate(self, model: Any, features: pd.DataFrame) -> NDArray[np.float64]:
        """Log of the mean that the model tells, on the scale of counts."""
        from crimepatterns.forecasts.calibrated_counts import log_mean

        return log_mean(model, features, scale=self.scale, offset=self.offset)

    def loss(self, model: Any, features: pd.DataFrame, counts: NDArray[Any]) -> float:
        """Mean Poisson deviance after the total is set right, since calibration will do that."""
        mean = np.exp(self.log_rate(model, features))
        mean *= max(float(counts.sum()), 0.5) / float(mean.sum())
        observed = counts.astype(np.float64)
        misfit = np.where(observed > 0, observed * np.log(np.where(observed > 0, observed, 1.0) / mean), 0.0)
        return float(2.0 * np.mean(misfit - observed + mean))

    def calibrated(self, model: Any, intercept: float, slope: float) -> Any:
        """Return counts that also tell chances."""
        from crimepatterns.forecasts.calibrated_counts import CalibratedCounts

        return CalibratedCounts(model, intercept, slope, self.scale, self.offset).fit(pd.DataFrame(), np.zeros(0))
