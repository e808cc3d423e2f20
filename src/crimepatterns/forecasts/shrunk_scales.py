"""``shrunk_scales``: counts of several spans of time and reaches of space, weighed by what foretold later weeks."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from crimepatterns.domain.forecast import Forecast
from crimepatterns.domain.history import History
from crimepatterns.domain.periods import Periods
from crimepatterns.features.calendar import civil_days
from crimepatterns.forecasts.negative_binomial import FittedNegativeBinomial, NegativeBinomial
from crimepatterns.forecasts.predictive import forecast_from_mean, gamma_poisson_quantiles, period_lengths
from crimepatterns.forecasts.recent import recent_window
from crimepatterns.forecasts.scale_counts import Happened, ScaleCounts, Weighed, spans_of, surroundings
from crimepatterns.forecasts.shrunk_count import gamma_shape

__all__ = ["FittedShrunkScales", "ShrunkScales"]

_FEWEST_PERIODS = 12
_FEWEST_INCIDENTS = 30
_ORIGINS = 13
_RIDGE = 0.05


@dataclass(frozen=True)
class ShrunkScales:
    """Expect in each cell what its own past says, recent weeks weighing more, drawn towards its surroundings.

    The incidents of a cell are split by age: the last 28 days, up to 90, up to a year, older. Each span h counts with a
    weight v_h (1 for the newest): S_i = sum of v_h N_ih over V_i = r_i sum of v_h T_h periods, r_i the relative area.
    The gamma prior of the cell has shape a and mean mu_i, a mixture of the rates of the city, of the neighbourhood, of
    the cells that touch it and of those behind them, each from the same weighted counts. Then

        mean_i = c r_i (a + S_i) / (a / mu_i + V_i),

    with c setting the total to the recent one as in ``count_eb``, moved on by the city's season where there is a year
    of history (see `NegativeBinomial`). Shape, age weights and mixture have the greatest
    negative binomial likelihood of later periods: at 13 past origins of the last year the next period is foretold from
    what lay before. Age weights are those of a power prior (Ibrahim & Chen 2000, https://doi.org/10.1214/ss/1009212673),
    the model is that of Clayton & Kaldor 1987 (https://doi.org/10.2307/2532003).

    Parameters
    ----------
    recent_days : int
        Window before the cutoff that sets the total.
    """

    name: ClassVar[str] = "shrunk_scales"
    recent_days: int = 90

    def fit(self, history: History, *, rng: np.random.Generator) -> "FittedShrunkScales":  # noqa: ARG002
        """Learn shape, age weights and mixture; with little history they are those of ``count_eb``."""
        counts = history.counts
        n_periods = counts.shape[1]
        around = surroundings(history.grid)
        start = _plain(history, len(around))
        if not counts.any():
            return FittedShrunkScales(self.recent_days, *start, fallback="no incident to learn from")
        first = max(_FEWEST_PERIODS // 2, n_periods - 52)
        if n_periods < _FEWEST_PERIODS or counts[:, first:].sum() < _FEWEST_INCIDENTS:
            return FittedShrunkScales(self.recent_days, *start, fallback="too little to weigh scales: as count_eb")
        origins = np.unique(np.linspace(first, n_periods - 1, _ORIGINS).round().astype(int))
        spans = spans_of(history.panel.periods)
        season = NegativeBinomial().city_course(history)
        scales = ScaleCounts.at(counts, history.grid.area_km2, origins, spans, around)
        shape, ages, mixture = _greatest_likelihood(scales, counts[:, origins], start)
        return FittedShrunkScales(self.recent_days, shape, ages, mixture, season)


@dataclass(frozen=True)
class FittedShrunkScales:
    """The weights of the scales.

    Parameters
    ----------
    recent_days : int
    shape : float
        Of the gamma distribution of a cell's rate around what its surroundings say.
    ages : tuple of float
        Weight of an incident of the last 28 days, of up to 90, of up to a year, and older.
    mixture : tuple of float
        Share of city, touching cells, cells behind them and, where there are several, neighbourhood in the prior mean.
    season : FittedNegativeBinomial, optional
        Course of the city, by which the level of the last days is moved on to the periods to forecast.
    fallback : str
    """

    recent_days: int
    shape: float
    ages: tuple[float, ...]
    mixture: tuple[float, ...]
    season: FittedNegativeBinomial | None = None
    fallback: str = ""

    def predict(self, history: History, periods: Periods) -> Forecast:
        """Forecast from the counts of `history` with the weights as they were learned."""
        n_periods = history.counts.shape[1]
        scales = ScaleCounts.at(
            history.counts,
            history.grid.area_km2,
            np.array([n_periods]),
            spans_of(history.panel.periods),
            surroundings(history.grid),
        )
        rate, posterior = scales.rates(scales.weigh(np.array(self.ages)), self.shape, np.array(self.mixture))
        window = recent_window(history, self.recent_days)
        panel_days = float(np.median(civil_days(history.panel.periods)))
        factor = (window.total + 1.0) / (float(rate.sum()) * window.days / panel_days + 1.0)
        season = np.ones(len(periods)) if self.season is None else self.season.change(history, periods, window.days)
        mean = np.outer(factor * rate[:, 0], season * period_lengths(history, periods))
        names = ("city", "touching", "second_ring", "neighbourhood")[: len(self.mixture)]
        facts = {
            **window.facts(self.recent_days),
            "gamma_shape": self.shape,
            "age_weights": dict(zip(("28_days", "90_days", "year", "older"), self.ages, strict=True)),
            "prior_shares": dict(zip(names, self.mixture, strict=True)),
            "recent_factor": factor,
            "season": [round(float(value), 6) for value in season],
        }
        if self.fallback:
            facts["fallback"] = self.fallback
        return forecast_from_mean(
            history,
            periods,
            mean,
            model=ShrunkScales.name,
            parameters=facts,
            quantiles=gamma_poisson_quantiles(mean, posterior[:, 0]),
        )


def _plain(history: History, reaches: int) -> tuple[float, tuple[float, ...], tuple[float, ...]]:
    """Shape, age weights and mixture under which this is ``count_eb``."""
    totals = history.counts.sum(axis=1, dtype=np.int64)
    area = history.grid.area_km2 / history.grid.area_km2.mean()
    shape = gamma_shape(totals, history.counts.shape[1] * area) if totals.any() else 1.0
    return shape, (1.0,) * 4, (1.0, *(0.0,) * reaches)


def _greatest_likelihood(
    scales: ScaleCounts,
    outcome: NDArray[np.int32],
    start: tuple[float, tuple[float, ...], tuple[float, ...]],
) -> tuple[float, tuple[float, ...], tuple[float, ...]]:
    """Maximise the likelihood; a slight ridge towards equal ages keeps what the data do not tell at its start."""
    reaches = len(start[2]) - 1
    begin = np.concatenate([[np.log(start[0])], [-0.5, -1.0, -1.5], np.full(reaches, -1.0)])
    bounds = [(-7.0, 7.0), *[(-8.0, 0.0)] * 3, *[(-8.0, 8.0)] * reaches]

    # A step in shape or mixture, as the gradient takes them, leaves the ages as they are.
    @lru_cache(maxsize=4)
    def weigh(ages: tuple[float, ...]) -> Weighed:
        return scales.weigh(np.array(ages))

    loss = partial(_loss, scales, weigh, Happened.of(outcome), begin)
    found = optimize.minimize(loss, begin, method="L-BFGS-B", bounds=bounds, options={"maxiter": 60})
    shape, ages, mixture = _unpacked(found.x)
    return float(shape), tuple(ages.tolist()), tuple(mixture.tolist())


def _loss(
    scales: ScaleCounts,
    weigh: Callable[[tuple[float, ...]], Weighed],
    outcome: Happened,
    begin: NDArray[np.float64],
    values: NDArray[np.float64],
) -> float:
    shape, ages, mixture = _unpacked(values)
    rate, posterior = scales.rates(weigh(tuple(ages.tolist())), shape, mixture)
    mean = scales.level(rate) * rate
    return -outcome.log_likelihood(mean, posterior) + _RIDGE * float(((values - begin) ** 2).sum())


def _unpacked(values: NDArray[np.float64]) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
    """Shape, four age weights and the mixture from unbounded numbers; the city is the mixture's reference."""
    odds = np.exp(np.concatenate([[0.0], values[4:]]))
    return float(np.exp(values[0])), np.exp(np.concatenate([[0.0], values[1:4]])), odds / odds.sum()
