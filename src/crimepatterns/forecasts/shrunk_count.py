"""``count_eb``: counts shrunk towards the area's mean, the reference for every deviance."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import optimize
from scipy.special import gammaln

from crimepatterns.domain.forecast import Forecast
from crimepatterns.domain.history import History
from crimepatterns.domain.periods import Periods
from crimepatterns.features.calendar import civil_days
from crimepatterns.forecasts.predictive import forecast_from_mean, gamma_poisson_quantiles, period_lengths
from crimepatterns.forecasts.recent import recent_window

__all__ = ["FittedShrunkCount", "ShrunkCount", "gamma_shape"]

_NO_EVENTS = 0.5
"""Incidents assumed where there was none at all (Jeffreys' half), so that the forecast stays possible."""


@dataclass(frozen=True)
class ShrunkCount:
    """Expect in each cell its long-run count, drawn towards the area's mean where it rests on few incidents.

    Each cell's rate per period and per mean cell area is taken from a gamma distribution with shape a and mean m over
    the cells. With N_i incidents in T periods and relative area r_i the posterior mean is

        mean_i = c * r_i * (a + N_i) / (a / m + T * r_i),

    a by maximum likelihood of the negative binomial counts, m the overall mean. The factor
    c = (R + 1) / (E + 1) sets the total to the recent one: R incidents were seen in the last `recent_days`, E were
    expected there from the long-run means. Quantiles come from the posterior predictive negative binomial.
    Clayton & Kaldor 1987, https://doi.org/10.2307/2532003.

    Parameters
    ----------
    recent_days : int
        Window before the cutoff that sets the total.
    """

    name: ClassVar[str] = "count_eb"
    recent_days: int = 90

    def fit(self, history: History, *, rng: np.random.Generator) -> "FittedShrunkCount":  # noqa: ARG002
        """Learn how unequal the cells are."""
        totals = history.counts.sum(axis=1, dtype=np.int64)
        exposure = len(history.panel.periods) * _relative_area(history)
        if not totals.any():
            return FittedShrunkCount(self.recent_days, shape=1.0, mean=_NO_EVENTS / float(exposure.sum()), empty=True)
        mean = float(totals.sum() / exposure.sum())
        return FittedShrunkCount(self.recent_days, shape=gamma_shape(totals, exposure), mean=mean)


@dataclass(frozen=True)
class FittedShrunkCount:
    """The gamma distribution of rates over the cells.

    Parameters
    ----------
    recent_days : int
    shape, mean : float
        Of the gamma distribution; the mean is per period and mean cell area.
    empty : bool
        True where there was no incident to learn from.
    """

    recent_days: int
    shape: float
    mean: float
    empty: bool = False

    def predict(self, history: History, periods: Periods) -> Forecast:
        """Forecast from the counts of `history`, with the rates' distribution as it was learned."""
        area = _relative_area(history)
        posterior = self.shape + history.counts.sum(axis=1, dtype=np.int64)
        rate = area * posterior / (self.shape / self.mean + len(history.panel.periods) * area)
        window = recent_window(history, self.recent_days)
        panel_days = float(np.median(civil_days(history.panel.periods)))
        factor = (window.total + 1.0) / (float(rate.sum()) * window.days / panel_days + 1.0)
        mean = np.outer(factor * rate, period_lengths(history, periods))
        facts = {
            **window.facts(self.recent_days),
            "gamma_shape": self.shape,
            "gamma_mean": self.mean,
            "recent_factor": factor,
        }
        if self.empty:
            facts["fallback"] = "no incident to learn from: half an incident spread evenly over the area"
        return forecast_from_mean(
            history,
            periods,
            mean,
            model=ShrunkCount.name,
            parameters=facts,
            quantiles=gamma_poisson_quantiles(mean, posterior),
        )


def gamma_shape(totals: NDArray[np.int64], exposure: NDArray[np.float64]) -> float:
    """Shape of the gamma distribution of rates over cells, by maximum likelihood with the mean held fixed.

    Parameters
    ----------
    totals : ndarray of int, shape (n_cells,)
        Incidents, at least one in all.
    exposure : ndarray of float, shape (n_cells,)
        Periods times relative area.

    Returns
    -------
    float
        Small where few cells hold most incidents; at most e^7 (equal rates), at least e^-7.
    """
    mean = totals.sum() / exposure.sum()
    distinct, which = np.unique(totals, return_inverse=True)

    def minus_log_likelihood(log_shape: float) -> float:
        shape = np.exp(log_shape)
        rate = shape / mean
        combinations = (gammaln(shape + distinct) - gammaln(shape))[which]
        return -float(
            np.sum(combinations + shape * np.log(rate / (rate + exposure)) - totals * np.log(rate + exposure))
        )

    best = optimize.minimize_scalar(minus_log_likelihood, bounds=(-7.0, 7.0), method="bounded")
    return float(np.exp(best.x))


def _relative_area(history: History) -> NDArray[np.float64]:
    area = history.grid.area_km2
    return area / area.mean()
