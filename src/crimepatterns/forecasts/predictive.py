"""From expected counts to a forecast with quantiles."""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from crimepatterns.domain.forecast import Forecast
from crimepatterns.domain.history import History
from crimepatterns.domain.periods import Periods
from crimepatterns.errors import ForecastError
from crimepatterns.features.calendar import civil_days

__all__ = ["LEVELS", "forecast_from_mean", "gamma_poisson_quantiles", "period_lengths", "poisson_quantiles"]

LEVELS: tuple[float, ...] = (0.05, 0.5, 0.95)
"""Quantiles that every forecast carries."""

_FEW = 30.0
"""Up to this mean counting up is quicker than solving for the quantile."""

Quantiles = Mapping[float, NDArray[np.float64]]


def forecast_from_mean(
    history: History,
    periods: Periods,
    mean: NDArray[np.float64],
    *,
    model: str,
    parameters: Mapping[str, object],
    quantiles: Quantiles | None = None,
) -> Forecast:
    """Make a forecast issued at the history's cutoff; Poisson quantiles unless others are given.

    Parameters
    ----------
    history : History
    periods : Periods
    mean : ndarray of float, shape (n_cells, n_periods)
    model : str
    parameters : mapping
        Everything needed to make the forecast again; ``fallback`` says in words what was done instead of the rule.
    quantiles : mapping, optional

    Raises
    ------
    ForecastError
        If a period begins before the cutoff.
    """
    if periods.start < history.cutoff:
        raise ForecastError(
            f"Periods to forecast must begin at or after the cutoff {history.cutoff}, got {periods.start}."
        )
    return Forecast(
        grid=history.grid,
        periods=periods,
        category=history.target,
        model=model,
        issued_at=history.cutoff,
        mean=mean,
        quantiles=MappingProxyType(dict(poisson_quantiles(mean) if quantiles is None else quantiles)),
        parameters=MappingProxyType(dict(parameters)),
    )


def poisson_quantiles(mean: NDArray[np.float64]) -> Quantiles:
    """Quantiles of Poisson counts with these means, by level of `LEVELS`; same shape as `mean`."""
    return {level: _poisson_quantile(level, mean) for level in LEVELS}


def gamma_poisson_quantiles(mean: NDArray[np.float64], shape: NDArray[np.float64]) -> Quantiles:
    """Quantiles of counts whose rate is itself uncertain: negative binomial with this mean and gamma shape.

    Parameters
    ----------
    mean : ndarray of float, shape (n_cells, n_periods)
    shape : ndarray of float, shape (n_cells,)
        Of the gamma distribution of each cell's rate; the variance of the count is mean + mean^2 / shape.
    """
    size = np.broadcast_to(shape[:, None], mean.shape)
    chance = size / (size + mean)
    return {level: np.asarray(stats.nbinom.ppf(level, size, chance), dtype=float) for level in LEVELS}


def _poisson_quantile(level: float, mean: NDArray[np.float64]) -> NDArray[np.float64]:
    """Least count that is not exceeded with a chance of `level`; counted up, since nearly all cells expect few."""
    flat = np.ravel(mean)
    found, few = np.zeros(len(flat)), flat <= _FEW
    left, count = np.flatnonzero(few), 0
    while len(left := left[special.pdtr(count, flat[left]) < level]):
        count += 1
        found[left] = count
    if not few.all():
        found[~few] = stats.poisson.ppf(level, flat[~few])
    return found.reshape(np.shape(mean))


def period_lengths(history: History, periods: Periods) -> NDArray[np.float64]:
    """Length of each period to forecast in units of the panel's periods, shape (n_periods,)."""
    return civil_days(periods) / float(np.median(civil_days(history.panel.periods)))
