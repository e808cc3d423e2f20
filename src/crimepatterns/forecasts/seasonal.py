"""``seasonal``: where incidents were in the long run, at the level the time of year calls for."""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crimepatterns.domain.forecast import Forecast
from crimepatterns.domain.history import History
from crimepatterns.domain.periods import Periods
from crimepatterns.features.calendar import civil_days, year_angle
from crimepatterns.forecasts.predictive import forecast_from_mean
from crimepatterns.forecasts.recent import recent_window

__all__ = ["FittedSeasonal", "Seasonal"]

_YEAR_DAYS = 365
_RIDGE = 1.0
_NEWTON_STEPS = 50


@dataclass(frozen=True)
class Seasonal:
    """Expect the long-run share of each cell times a city total that follows the time of year.

    The yearly wave is f(d) = exp(b1 sin + b2 cos + ...) of the day of year, with one harmonic from a year of history
    and two from two years, fitted together with a trend to the city's totals per period by Poisson regression (a
    slight ridge keeps it finite). The level is the recent one: R incidents in the last `recent_days` divided by the
    sum of f over those days; a period is expected to hold that level times the sum of f over its own days. Shares are
    (N_i + area_i / A) / (N + 1).

    Parameters
    ----------
    recent_days : int
        Window before the cutoff that sets the level.
    """

    name: ClassVar[str] = "seasonal"
    recent_days: int = 90

    def fit(self, history: History, *, rng: np.random.Generator) -> "FittedSeasonal":  # noqa: ARG002
        """Learn the yearly wave, or none with less than a year of history."""
        days = float(civil_days(history.panel.periods).sum())
        totals = history.counts.sum(axis=0, dtype=np.int64)
        if days < _YEAR_DAYS:
            return FittedSeasonal(self.recent_days, fallback=f"{days:.0f} days of history show no yearly wave")
        if not totals.any():
            return FittedSeasonal(self.recent_days, fallback="no incident to learn a yearly wave from")
        harmonics = 2 if days >= 2 * _YEAR_DAYS else 1
        edges = history.panel.periods.edges.tz_localize(None)
        middles = edges[:-1] + (edges[1:] - edges[:-1]) / 2
        waves = _waves(middles, harmonics)
        years = (civil_days(history.panel.periods).cumsum() - days) / _YEAR_DAYS
        # A trend is told apart from the wave only where the wave repeats.
        trend = years[:, None] if harmonics > 1 else np.zeros((len(years), 0))
        design = np.column_stack([np.ones(len(years)), waves, trend])
        coefficients = _poisson_regression(design, totals, civil_days(history.panel.periods))
        return FittedSeasonal(self.recent_days, wave=tuple(coefficients[1 : 1 + 2 * harmonics].tolist()))


@dataclass(frozen=True)
class FittedSeasonal:
    """The yearly wave of a city.

    Parameters
    ----------
    recent_days : int
    wave : tuple of float
        Coefficients of sin and cos of the first, then of the second harmonic; empty for no wave.
    fallback : str
        Why there is no wave; empty where there is one.
    """

    recent_days: int
    wave: tuple[float, ...] = field(default=())
    fallback: str = ""

    def predict(self, history: History, periods: Periods) -> Forecast:
        """Forecast from the shares and the recent level of `history`."""
        window = recent_window(history, self.recent_days)
        level = max(window.total, 0.5) / self._days_sum(window.start, window.days)
        city = np.array(
            [
                level * self._days_sum(start, round(days))
                for start, days in zip(periods.starts, civil_days(periods), strict=True)
            ]
        )
        facts: dict[str, object] = {**window.facts(self.recent_days), "wave": list(self.wave)}
        if self.fallback:
            facts["fallback"] = self.fallback
        return forecast_from_mean(
            history, periods, np.outer(_shares(history), city), model=Seasonal.name, parameters=facts
        )

    def _days_sum(self, start: pd.Timestamp, days: int) -> float:
        """Sum of the wave's factor over civil days."""
        moments = pd.date_range(start.tz_localize(None), periods=max(1, days), freq="D") + pd.Timedelta(hours=12)
        if not self.wave:
            return float(len(moments))
        return float(np.exp(_waves(moments, len(self.wave) // 2) @ np.asarray(self.wave)).sum())


def _shares(history: History) -> NDArray[np.float64]:
    counts = history.counts.sum(axis=1, dtype=np.int64)
    even = history.grid.area_km2 / history.grid.area_km2.sum()
    shares: NDArray[np.float64] = (counts + even) / (counts.sum() + 1.0)
    return shares


def _waves(moments: pd.DatetimeIndex, harmonics: int) -> NDArray[np.float64]:
    angle = year_angle(moments)
    return np.column_stack([wave(k * angle) for k in range(1, harmonics + 1) for wave in (np.sin, np.cos)])


def _poisson_regression(
    design: NDArray[np.float64], counts: NDArray[np.int64], exposure: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Coefficients of log rate on the columns (the first is the constant), by Newton's method with a slight ridge."""
    coefficients = np.zeros(design.shape[1])
    coefficients[0] = np.log(counts.sum() / exposure.sum())
    penalty = _RIDGE * np.eye(design.shape[1])
    penalty[0, 0] = 0.0
    for _ in range(_NEWTON_STEPS):
        mean = exposure * np.exp(np.clip(design @ coefficients, -30.0, 30.0))
        gradient = design.T @ (counts - mean) - penalty @ coefficients
        step = np.linalg.solve((design * mean[:, None]).T @ design + penalty, gradient)
        # Short steps cannot overshoot where a few counts pull hard.
        coefficients = coefficients + step * min(1.0, 1.0 / max(float(np.abs(step).max()), 1e-12))
        if float(np.abs(step).max()) < 1e-10:
            break
    return coefficients
