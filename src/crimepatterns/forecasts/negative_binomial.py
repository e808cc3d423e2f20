"""``negative_binomial``: a city's season and trend, how areas depart from them, and each cell's share."""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crimepatterns.domain.forecast import Forecast
from crimepatterns.domain.history import History
from crimepatterns.domain.periods import Periods
from crimepatterns.features.calendar import YEAR_DAYS, civil_days, year_angle
from crimepatterns.forecasts.negative_binomial_regression import drawn_regressions, negative_binomial_regression
from crimepatterns.forecasts.predictive import forecast_from_mean, gamma_poisson_quantiles, period_lengths
from crimepatterns.forecasts.recent import recent_window
from crimepatterns.forecasts.shrunk_count import gamma_shape

__all__ = ["FittedNegativeBinomial", "NegativeBinomial"]

_YEAR = 365
_NO_EVENTS = 0.5
_FEWEST_PERIODS = 13
_FEWEST_INCIDENTS = 30


@dataclass(frozen=True)
class NegativeBinomial:
    """Expect a cell's shrunk share of its area's count, which follows season and trend by negative binomial regression.

    The city's count in period t has mean exp(b0 + b1 t + waves of the year) and variance mean + alpha mean^2: one wave
    from a year of history, two and a trend from two years. Each neighbourhood departs from it in level, trend and (from
    a year on) first wave; departures are drawn towards none as far as the neighbourhoods are alike. With f_g(t) the
    resulting course of area g, cell i has exposure E_i = r_i sum of f_g(t) over its past and the posterior mean

        mean_i = c r_i f_g(next) (a + N_i) / (a / m + E_i)

    as in ``count_eb``, c setting the total to the recent one. Quantiles have the variance of cell and area together.
    Hilbe 2011, Negative Binomial Regression; Osgood 2000, https://doi.org/10.1023/A:1007521427059.

    Parameters
    ----------
    recent_days : int
        Window before the cutoff that sets the total.
    """

    name: ClassVar[str] = "negative_binomial"
    recent_days: int = 90

    def fit(self, history: History, *, rng: np.random.Generator) -> "FittedNegativeBinomial":  # noqa: ARG002
        """Learn course, departures and dispersion, or as much of them as the history allows."""
        made = self.city_course(history)
        return _with_areas(made, history) if made.city else made

    def city_course(self, history: History) -> "FittedNegativeBinomial":
        """Learn the course of the city alone; a level one where there is too little to regress on."""
        counts, periods = history.counts, history.panel.periods
        if counts.shape[1] < _FEWEST_PERIODS or counts.sum() < _FEWEST_INCIDENTS:
            reason = "too little to regress on: as count_eb"
            return FittedNegativeBinomial(self.recent_days, periods.start, fallback=reason)
        days = float(civil_days(periods).sum())
        harmonics = 0 if days < _YEAR else 1 if days < 2 * _YEAR else 2
        trend = harmonics == 2
        city, alpha = negative_binomial_regression(
            _columns(_middles(periods), periods.start, harmonics=harmonics, trend=trend),
            counts.sum(axis=0),
            civil_days(periods),
        )
        return FittedNegativeBinomial(
            self.recent_days,
            periods.start,
            harmonics=harmonics,
            trend=trend,
            city=tuple(city.tolist()),
            dispersion=alpha,
            until_years=float(_years(_middles(periods), periods.start)[-1]),
            fallback="" if harmonics else f"{days:.0f} days of history show no yearly wave",
        )


@dataclass(frozen=True)
class FittedNegativeBinomial:
    """The courses of a city and its areas.

    Parameters
    ----------
    recent_days : int
    origin : Timestamp
        Time is counted from here, in years.
    harmonics : int
    trend : bool
    city : tuple of float
        Coefficients of constant, trend and waves; empty for a level course.
    areas : ndarray of float, shape (n_areas, n_columns)
        Departures of the neighbourhoods in level, trend and first wave.
    spread : tuple of float
        Standard deviation of the departures in trend and first wave.
    dispersion, area_dispersion : float
        Of the counts of the city and of its areas per period.
    until_years : float
        Trends go no further than this.
    fallback : str
    """

    recent_days: int
    origin: pd.Timestamp
    harmonics: int = 0
    trend: bool = False
    city: tuple[float, ...] = ()
    areas: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0)), repr=False)
    spread: tuple[float, ...] = ()
    dispersion: float = 0.0
    area_dispersion: float = 0.0
    until_years: float = np.inf
    fallback: str = ""

    def predict(self, history: History, periods: Periods) -> Forecast:
        """Forecast from the counts of `history` along the courses as they were learned."""
        code = pd.factorize(history.grid.neighbourhood)[0]
        area = history.grid.area_km2 / history.grid.area_km2.mean()
        past, coming = self.courses(history.panel.periods), self.courses(periods)
        scale = float(past.mean())
        past, coming = past / scale, coming / scale
        exposure = area * past.sum(axis=1)[code if len(past) > 1 else np.zeros_like(code)]
        totals = history.counts.sum(axis=1, dtype=np.int64)
        mean_rate = max(float(totals.sum()), _NO_EVENTS) / float(exposure.sum())
        shape = gamma_shape(totals, exposure) if totals.any() else 1.0
        rate = area * (shape + totals) / (shape / mean_rate + exposure)
        window = recent_window(history, self.recent_days)
        factor = (window.total + 1.0) / (self._expected(history, rate, past, window.days) + 1.0)
        which = code if len(coming) > 1 else np.zeros_like(code)
        mean = factor * rate[:, None] * coming[which] * period_lengths(history, periods)
        facts = {
            **window.facts(self.recent_days),
            "gamma_shape": shape,
            "harmonics": self.harmonics,
            "course": list(self.city),
            "departures_sd": list(self.spread),
            "dispersion": self.dispersion,
            "area_dispersion": self.area_dispersion,
            "recent_factor": factor,
        }
        if self.fallback:
            facts["fallback"] = self.fallback
        together = 1.0 / (1.0 / (shape + totals) + self.area_dispersion)
        quantiles = gamma_poisson_quantiles(mean, together)
        return forecast_from_mean(
            history, periods, mean, model=NegativeBinomial.name, parameters=facts, quantiles=quantiles
        )

    def courses(self, periods: Periods) -> NDArray[np.float64]:
        """Rate per day in each period, by area where there are several; shape (n_areas or 1, n_periods)."""
        if not self.city:
            return np.ones((1, len(periods)))
        city = self.course_at(_middles(periods))[None, :]
        if not len(self.areas):
            return city
        own = _area_columns(periods, self.origin, harmonics=self.harmonics, until_years=self.until_years)
        return city * np.exp(np.clip(self.areas @ own.T, -5.0, 5.0))

    def course_at(self, times: pd.DatetimeIndex) -> NDArray[np.float64]:
        """Rate per day of the whole city at civil times without zone, shape (n_times,)."""
        if not self.city:
            return np.ones(len(times))
        columns = _columns(times, self.origin, harmonics=self.harmonics, trend=self.trend, until_years=self.until_years)
        return np.asarray(np.exp(columns @ np.array(self.city)))

    def change(self, history: History, periods: Periods, days: int) -> NDArray[np.float64]:
        """Rate of the city's course in each period over its mean in the last `days` of a history, (n_periods,)."""
        past, coming = self.courses(history.panel.periods)[0], self.courses(periods)[0]
        panel_days = float(np.median(civil_days(history.panel.periods)))
        recent = max(1, min(round(days / panel_days), len(past)))
        change: NDArray[np.float64] = coming / past[-recent:].mean()
        return change

    def _expected(self, history: History, rate: NDArray[np.float64], past: NDArray[np.float64], days: int) -> float:
        """Incidents that the courses expect in the last `days`."""
        code = pd.factorize(history.grid.neighbourhood)[0]
        panel_days = float(np.median(civil_days(history.panel.periods)))
        recent = max(1, min(round(days / panel_days), past.shape[1]))
        level = past[:, -recent:].mean(axis=1)
        which = code if len(past) > 1 else np.zeros_like(code)
        return float((rate * level[which]).sum()) * days / panel_days


def _with_areas(made: FittedNegativeBinomial, history: History) -> FittedNegativeBinomial:
    """Add how neighbourhoods depart from the city; one neighbourhood does not."""
    from dataclasses import replace

    code, names = pd.factorize(history.grid.neighbourhood)
    periods = history.panel.periods
    city = made.courses(periods)[0] * civil_days(periods)
    if len(names) < 2:
        return replace(made, area_dispersion=made.dispersion)
    counts = np.zeros((len(names), len(periods)), dtype=np.int64)
    np.add.at(counts, code, history.counts)
    # Half an incident keeps the share of an area without any above zero.
    share = (counts.sum(axis=1) + 0.5) / (counts.sum() + 0.5 * len(names))
    columns = _area_columns(periods, made.origin, harmonics=made.harmonics)
    found, spread, alpha = drawn_regressions(columns, counts, np.outer(share, city))
    return replace(made, areas=found, spread=tuple(spread[1:].tolist()), area_dispersion=alpha)


def _columns(
    times: pd.DatetimeIndex, origin: pd.Timestamp, *, harmonics: int, trend: bool, until_years: float = np.inf
) -> NDArray[np.float64]:
    """Constant, trend in years and waves of the year, shape (n_times, n_columns)."""
    years = np.minimum(_years(times, origin), until_years)
    angles = year_angle(times)
    waves = [wave(k * angles) for k in range(1, harmonics + 1) for wave in (np.sin, np.cos)]
    return np.column_stack([np.ones(len(years)), *([years] if trend else []), *waves])


def _area_columns(
    periods: Periods, origin: pd.Timestamp, *, harmonics: int, until_years: float = np.inf
) -> NDArray[np.float64]:
    """Constant, trend and first wave, in which areas may depart; shape (n_periods, 2 or 4)."""
    middles = _middles(periods)
    return _columns(middles, origin, harmonics=min(harmonics, 1), trend=True, until_years=until_years)


def _years(times: pd.DatetimeIndex, origin: pd.Timestamp) -> NDArray[np.float64]:
    years: NDArray[np.float64] = np.asarray((times - origin.tz_localize(None)) / pd.Timedelta(days=1)) / YEAR_DAYS
    return years


def _middles(periods: Periods) -> pd.DatetimeIndex:
    edges = periods.edges.tz_localize(None)
    return edges[:-1] + (edges[1:] - edges[:-1]) / 2
