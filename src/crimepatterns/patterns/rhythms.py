"""When incidents happen: hour of day and day of week, spans of hours by the share of time they cover."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from crimepatterns.domain.aoristic import hour_of_week

__all__ = ["WEEKDAYS", "PeakHours", "hour_known", "peak_hours", "peak_weekday", "weekday_known"]

WEEKDAYS: tuple[str, ...] = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

_ONE_HOUR = pd.Timedelta(hours=1)
_HALF_A_DAY = pd.Timedelta(hours=12)
_ONE_DAY = pd.Timedelta(days=1)


@dataclass(frozen=True)
class PeakHours:
    """The busiest stretch of the day.

    Parameters
    ----------
    start, end : int
        Civil hours, half-open; ``end`` may be at or before ``start`` where the stretch passes midnight.
    share : float
        Share of the incidents that lie in it, spans of hours by the time they cover.
    """

    start: int
    end: int
    share: float

    def __str__(self) -> str:
        return f"{self.start:02d}:00-{self.end:02d}:00"


def hour_known(table: pd.DataFrame) -> NDArray[np.bool_]:
    """Tell which incidents can be placed in an hour of the day.

    The time must be given to the minute or hour and span at most an hour: a car stolen between evening and morning
    has no hour, and neither has a record with a date alone, which would look like midnight.

    Parameters
    ----------
    table : DataFrame, shape (n, ...)
        With ``occurred_from``, ``occurred_until`` and ``time_precision``.

    Returns
    -------
    ndarray of bool, shape (n,)
    """
    fine = table["time_precision"].isin(("minute", "hour")).to_numpy(dtype=bool)
    short = (table["occurred_until"] - table["occurred_from"] <= _ONE_HOUR).to_numpy(dtype=bool)
    return fine & short


def weekday_known(table: pd.DataFrame) -> NDArray[np.bool_]:
    """Tell which incidents can be placed on one day; see `hour_known` for the parameters."""
    dated = (table["time_precision"] != "month").to_numpy(dtype=bool)
    short = (table["occurred_until"] - table["occurred_from"] <= _ONE_DAY).to_numpy(dtype=bool)
    return dated & short


def peak_hours(table: pd.DataFrame, *, length: int = 4) -> PeakHours | None:
    """Find the `length` consecutive hours, across midnight if need be, that hold the most incidents.

    A car that was stolen between evening and morning counts in each of these hours by the share of its span (aoristic
    mass, see `crimepatterns.domain.aoristic`). Spans of more than half a day say too little about the hour, dates
    without a time nothing; both are left out.

    Parameters
    ----------
    table : DataFrame, shape (n, ...)
    length : int
        Hours, 1 to 23.

    Returns
    -------
    PeakHours or None
        The earliest stretch where several are equal; None where fewer than half of the incidents tell an hour.
    """
    fine = table["time_precision"].isin(("minute", "hour")).to_numpy(dtype=bool)
    telling = fine & (table["occurred_until"] - table["occurred_from"] <= _HALF_A_DAY).to_numpy(dtype=bool)
    if len(table) == 0 or telling.mean() < 0.5:
        return None
    hours = hour_of_week(table.loc[telling]).mass.sum(axis=0)
    stretches = np.sum([np.roll(hours, -step) for step in range(length)], axis=0)
    # Sums of the same masses in another order differ in the last digits: that is no difference.
    start = int(np.flatnonzero(stretches >= stretches.max() * (1 - 1e-9))[0])
    return PeakHours(start, (start + length) % 24, float(stretches[start] / hours.sum()))


def peak_weekday(table: pd.DataFrame, *, level: float = 0.05) -> str:
    """Name the busiest day of the week if it stands out from an even week.

    Parameters
    ----------
    table : DataFrame, shape (n, ...)
    level : float
        Level of the exact binomial test, corrected for looking at seven days.

    Returns
    -------
    str
        Such as ``Friday``; empty where no day stands out or fewer than half of the incidents have a known day.
    """
    known = weekday_known(table)
    if len(table) == 0 or known.mean() < 0.5:
        return ""
    days = np.bincount(table["occurred_from"].dt.day_of_week.to_numpy()[known], minlength=7)
    busiest = int(np.argmax(days))
    chance = float(stats.binom.sf(days[busiest] - 1, days.sum(), 1 / 7))
    return WEEKDAYS[busiest] if 7 * chance <= level else ""
