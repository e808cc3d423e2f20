"""The level of the whole city: fading daily totals along the season, completed for late reports, by weekday."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crimepatterns.domain.history import History
from crimepatterns.domain.periods import Periods
from crimepatterns.features.calendar import civil_days
from crimepatterns.forecasts.negative_binomial import FittedNegativeBinomial, NegativeBinomial

__all__ = ["CityLevel", "fit_city_level"]

LEVEL_HALF_LIVES: tuple[float, ...] = (7.0, 14.0, 28.0, 56.0, 112.0)
"""Half-lives that are tried, days."""

_SEEN_DAYS = 400
_DELAYS_DAYS = 60
_TRIALS = 52
_FEWEST_TRIALS = 8
_WEEKDAY_SHARE = 4.0
_LEAST_KNOWN = 0.05
_DAY_NS = 86_400_000_000_000


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
    course : FittedNegativeBinomial, optional
        The city's wave of the year, and its trend where the record is long enough: days are worth as much as it says.
    """

    half_life_days: float
    known: tuple[float, ...]
    weekday: tuple[float, ...]
    course: FittedNegativeBinomial | None = None

    def expected(self, history: History, periods: Periods) -> NDArray[np.float64]:
        """Return the expected total of each period, shape (n_periods,)."""
        totals = _Days.of(history).totals(history.cutoff)
        per_day = _level(totals, self.exposure(history.cutoff, len(totals)), self.half_life_days)
        starts = periods.starts.tz_localize(None).normalize()
        lengths = civil_days(periods)
        worth = [
            float(self.worth(start, max(1, round(days))).mean()) for start, days in zip(starts, lengths, strict=True)
        ]
        return np.asarray(per_day * lengths * np.array(worth))

    def exposure(self, cutoff: pd.Timestamp, days: int) -> NDArray[np.float64]:
        """Days that each of the last days is worth, the newest first; shape (days,)."""
        known = np.ones(days)
        upto = min(days, len(self.known))
        known[:upto] = self.known[:upto]
        return np.asarray(known * self.worth(cutoff - pd.DateOffset(days=days), days)[::-1])

    def worth(self, start: pd.Timestamp, days: int) -> NDArray[np.float64]:
        """Level of each of the `days` from `start` on, by weekday and season, relative to the usual; shape (days,)."""
        ahead = np.arange(days)
        noons = start.tz_localize(None).normalize() + pd.to_timedelta(ahead + 0.5, unit="D")
        return np.asarray(np.asarray(self.weekday)[(start.weekday() + ahead) % 7] * self._season(noons))

    def _season(self, times: pd.DatetimeIndex) -> NDArray[np.float64]:
        """Rate per day relative to the constant of the course, shape (n_times,)."""
        return (
            np.ones(len(times)) if self.course is None else self.course.course_at(times) / np.exp(self.course.city[0])
        )


def fit_city_level(history: History) -> CityLevel:
    """Choose the half-life that would have forecast the totals of past periods best, by Poisson deviance.

    At each past origin only what was known then is used; days of which little was known yet are completed by the
    share that is known at their age, as earlier days have it.
    """
    periods = history.panel.periods
    length = max(1, round(float(np.median(civil_days(periods)))))
    known = _known_shares(history)
    weekday = _weekdays(history) if length % 7 else (1.0,) * 7
    found = NegativeBinomial().city_course(history)
    course = found if found.harmonics else None
    origins = range(max(1, len(periods) - _TRIALS), len(periods))
    if len(origins) < _FEWEST_TRIALS:
        return CityLevel(LEVEL_HALF_LIVES[-2], known, weekday, course)
    observed, days = history.counts.sum(axis=0, dtype=np.int64), _Days.of(history)
    losses = np.zeros(len(LEVEL_HALF_LIVES))
    # Without the course: it was fitted to the very periods that are forecast here.
    plain = CityLevel(LEVEL_HALF_LIVES[-2], known, weekday)
    for origin in origins:
        cutoff = periods.starts[origin]
        past = days.totals(cutoff)
        exposure, worth = plain.exposure(cutoff, len(past)), float(plain.worth(cutoff, length).sum())
        for i, half_life in enumerate(LEVEL_HALF_LIVES):
            mean = _level(past, exposure, half_life) * worth
            losses[i] += mean - observed[origin] * np.log(mean)
    # Of equal ones the slower is chosen.
    best = len(losses) - 1 - int(np.argmin(losses[::-1]))
    return CityLevel(LEVEL_HALF_LIVES[best], known, weekday, course)


def _level(totals: NDArray[np.float64], exposure: NDArray[np.float64], half_life: float) -> float:
    """Incidents per day: fading sum over fading exposure, with half an incident so that it is never 0."""
    weight = np.exp2(-np.arange(len(totals)) / half_life)
    return float((weight @ totals + 0.5) / (weight @ exposure + 0.5))


@dataclass(frozen=True)
class _Days:
    """On which civil day each incident of the grid began, and when it was known; cut once, asked at many cutoffs.

    Parameters
    ----------
    start : Timestamp
        Of the record.
    day : ndarray of int, shape (n_incidents,)
        Civil days since 1970.
    known_at : ndarray of int, shape (n_incidents,)
        Nanoseconds since 1970, universal time.
    """

    start: pd.Timestamp
    day: NDArray[np.int64]
    known_at: NDArray[np.int64]

    @classmethod
    def of(cls, history: History) -> "_Days":
        table = history.target_incidents.table
        table = table.loc[history.grid.assign(table["x"], table["y"])[1]]
        begun = table["occurred_from"].dt.tz_localize(None).dt.normalize()
        known = table["known_at"].dt.tz_convert("UTC").dt.tz_localize(None).astype("datetime64[ns]")
        return cls(
            history.panel.periods.start.tz_localize(None).normalize(),
            begun.astype("datetime64[ns]").astype("int64").to_numpy() // _DAY_NS,
            known.astype("int64").to_numpy(),
        )

    def totals(self, cutoff: pd.Timestamp) -> NDArray[np.float64]:
        """Incidents of each civil day before the cutoff that were known then, the newest first."""
        today = cutoff.tz_localize(None).normalize()
        span = max(1, min((today - self.start).days, _SEEN_DAYS))
        ago = (today.as_unit("ns").value // _DAY_NS) - self.day
        keep = (ago >= 1) & (ago <= span) & (self.known_at < cutoff.as_unit("ns").value)
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
