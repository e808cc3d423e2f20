"""The level of the whole city: fading daily totals, completed for late reports, by weekday where it matters."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crimepatterns.domain.history import History
from crimepatterns.domain.periods import Periods
from crimepatterns.features.calendar import civil_days

__all__ = ["CityLevel", "fit_city_level"]

LEVEL_HALF_LIVES: tuple[float, ...] = (7.0, 14.0, 28.0, 56.0, 112.0)
"""Half-lives that are tried, days."""

_SEEN_DAYS = 400
_DELAYS_DAYS = 60
_TRIALS = 52
_FEWEST_TRIALS = 8
_WEEKDAY_SHARE = 4.0
_LEAST_KNOWN = 0.05


@dataclass(frozen=True)
class CityLevel:
    """How the city's daily level is read from a history.

    Parameters
    ----------
    half_life_days : float
        A day so long ago counts half.
    known : tuple of float
        Share of a day's incidents that are known 1, 2, ... days after its end of day before; all later ones are.
    weekday : tuple of float, shape (7,)
        Relative level of Monday to Sunday, mean 1; all 1 where periods are whole weeks.
    """

    half_life_days: float
    known: tuple[float, ...]
    weekday: tuple[float, ...]

    def expected(self, history: History, periods: Periods) -> NDArray[np.float64]:
        """Return the expected total of each period, shape (n_periods,)."""
        totals = _daily_totals(history)
        per_day = _level(totals, self.exposure(history.cutoff, len(totals)), self.half_life_days)
        starts = periods.starts.tz_localize(None).normalize()
        lengths = civil_days(periods)
        factor = [
            float(np.mean([self.weekday[(start.weekday() + k) % 7] for k in range(max(1, round(days)))]))
            for start, days in zip(starts, lengths, strict=True)
        ]
        return np.asarray(per_day * lengths * np.array(factor))

    def exposure(self, cutoff: pd.Timestamp, days: int) -> NDArray[np.float64]:
        """Days that each of the last days is worth, the newest first; shape (days,)."""
        known = np.ones(days)
        upto = min(days, len(self.known))
        known[:upto] = self.known[:upto]
        weekday = np.asarray(self.weekday)[(cutoff.weekday() - 1 - np.arange(days)) % 7]
        return np.asarray(known * weekday)


def fit_city_level(history: History) -> CityLevel:
    """Choose the half-life that would have forecast the totals of past periods best, by Poisson deviance.

    At each past origin only what was known then is used; days of which little was known yet are completed by the
    share that is known at their age, as earlier days have it.
    """
    periods = history.panel.periods
    length = max(1, round(float(np.median(civil_days(periods)))))
    known = _known_shares(history)
    weekday = _weekdays(history) if length % 7 else (1.0,) * 7
    origins = range(max(1, len(periods) - _TRIALS), len(periods))
    if len(origins) < _FEWEST_TRIALS:
        return CityLevel(LEVEL_HALF_LIVES[-2], known, weekday)
    observed = history.counts.sum(axis=0, dtype=np.int64)
    losses = np.zeros(len(LEVEL_HALF_LIVES))
    for origin in origins:
        cutoff = periods.starts[origin]
        past = _daily_totals(history, cutoff)
        for i, half_life in enumerate(LEVEL_HALF_LIVES):
            level = CityLevel(half_life, known, weekday)
            ahead = np.asarray(weekday)[(cutoff.weekday() + np.arange(length)) % 7]
            mean = _level(past, level.exposure(cutoff, len(past)), half_life) * float(ahead.sum())
            losses[i] += mean - observed[origin] * np.log(mean)
    # Of equal ones the slower is chosen.
    best = len(losses) - 1 - int(np.argmin(losses[::-1]))
    return CityLevel(LEVEL_HALF_LIVES[best], known, weekday)


def _level(totals: NDArray[np.float64], exposure: NDArray[np.float64], half_life: float) -> float:
    """Incidents per day: fading sum over fading exposure, with half an incident so that it is never 0."""
    weight = np.exp2(-np.arange(len(totals)) / half_life)
    return float((weight @ totals + 0.5) / (weight @ exposure + 0.5))


def _daily_totals(history: History, cutoff: pd.Timestamp | None = None) -> NDArray[np.float64]:
    """Incidents of each civil day before the cutoff that were known then, the newest first."""
    until = history.cutoff if cutoff is None else cutoff
    incidents = history.target_incidents if cutoff is None else history.target_incidents.as_of(until)
    table = incidents.table
    days = (until.tz_localize(None) - history.panel.periods.start.tz_localize(None)).days
    inside = history.grid.assign(table["x"], table["y"])[1]
    ago = (until.tz_localize(None) - table["occurred_from"].dt.tz_localize(None).dt.normalize()).dt.days.to_numpy()
    span = max(1, min(days, _SEEN_DAYS))
    keep = inside & (ago >= 1) & (ago <= span)
    return np.bincount(ago[keep] - 1, minlength=span)[:span].astype(float)


def _known_shares(history: History) -> tuple[float, ...]:
    """Share known of a day that ended 0, 1, ... days ago, from incidents old enough to be complete."""
    table = history.target_incidents.table
    old = table.loc[table["occurred_from"] < history.cutoff - pd.DateOffset(days=_DELAYS_DAYS)]
    if len(old) < 20:
        return ()
    # Sorted, so that sums are of the same bits whatever the order of the rows.
    delay = np.sort((old["known_at"] - old["occurred_from"]).dt.total_seconds().to_numpy() / 86_400.0)
    # An incident falls anywhere in its day, so that a day that ended k days ago is seen for k to k + 1 days.
    shares = [float(np.clip(k + 1 - delay, 0.0, 1.0).mean()) for k in range(_DELAYS_DAYS)]
    return tuple(max(share, _LEAST_KNOWN) for share in shares)


def _weekdays(history: History) -> tuple[float, ...]:
    table: Sequence[int] = history.target_incidents.table["occurred_from"].dt.day_of_week.to_numpy()
    counts = np.bincount(np.asarray(table, dtype=np.int64), minlength=7).astype(float)
    factor = (counts + _WEEKDAY_SHARE) / (counts + _WEEKDAY_SHARE).mean()
    return tuple(factor.tolist())
