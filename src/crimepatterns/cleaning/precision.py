"""How exactly each column of times is known, told from its first values."""

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from crimepatterns.cleaning.clock import civil_clock
from crimepatterns.cleaning.schema import ColumnMap, Rules
from crimepatterns.cleaning.values import GOOD, Moments, join_date_and_time, read_moments
from crimepatterns.errors import ConfigError

__all__ = ["ColumnPrecision", "Precisions", "as_dates", "guess_precision", "guess_precisions", "start_column"]

HOUR, DAY = 3_600_000_000, 86_400_000_000

_SURE_FROM = 50
_NEARLY_ALL = 0.99
_MOSTLY = 0.5


@dataclass(frozen=True)
class ColumnPrecision:
    """How exactly one column knows its times.

    Parameters
    ----------
    level : str
        One of `TIME_PRECISION`; a value that shows a finer time keeps it.
    dates_in_utc : bool
        Its midnights in UTC are dates of the calendar, not moments.
    """

    level: str = "minute"
    dates_in_utc: bool = False


@dataclass(frozen=True)
class Precisions:
    """The precision of the columns of begin, end and report; each has its own."""

    begun: ColumnPrecision = ColumnPrecision()
    until: ColumnPrecision = ColumnPrecision()
    known: ColumnPrecision = ColumnPrecision()


def start_column(batch: dict[str, pa.Array], columns: ColumnMap) -> pa.Array:
    """Return the column of the begin, joined from a date and a time where they are split."""
    if columns.occurred_from is not None:
        return batch[columns.occurred_from]
    if columns.date is None:
        raise ConfigError("columns.occurred_from or columns.date must name a column.")
    if columns.time is None:
        return batch[columns.date]
    return join_date_and_time(batch[columns.date], batch[columns.time])


def guess_precisions(batch: dict[str, pa.Array], columns: ColumnMap, rules: Rules) -> Precisions:
    """Tell from the first rows of a table how exactly it knows its times."""

    def later(name: str | None) -> ColumnPrecision:
        if name is None or rules.time_precision != "auto":
            return ColumnPrecision()
        # An end or report that now and then falls on midnight is no date: fewer than 50 values do not show it.
        return guess_precision(read_moments(batch[name], rules.time_format), rules, sure_from=_SURE_FROM)

    begun = guess_precision(read_moments(start_column(batch, columns), rules.time_format), rules, sure_from=1)
    return Precisions(begun, later(columns.occurred_until), later(columns.known_at))


def guess_precision(moments: Moments, rules: Rules, *, sure_from: int) -> ColumnPrecision:
    """Tell how exactly a column knows its times.

    Midnight stands for "no time given" where all values show it, or at least half of 50 or more; then the column knows
    dates, or months where nearly all stand on the first of one. Nearly all of 50 or more on the full hour means hours.
    A value that shows a finer time always keeps it.

    Parameters
    ----------
    moments : Moments
    rules : Rules
        `time_precision` other than ``auto`` is taken as it is.
    sure_from : int
        So many values, all at midnight, are enough.
    """
    good = moments.state == GOOD
    dates_in_utc = _only_utc_midnights(moments, good, rules)
    if rules.time_precision != "auto":
        return ColumnPrecision(rules.time_precision, dates_in_utc and rules.time_precision in {"date", "month"})
    if dates_in_utc:
        moments = as_dates(moments, ColumnPrecision(dates_in_utc=True), rules)
    wall = moments.micros[good]
    if _universal(moments, rules)[good].any():
        wall = civil_clock(rules.timezone).to_wall(wall)
    return ColumnPrecision(_level(wall, sure_from), dates_in_utc)


def as_dates(moments: Moments, precision: ColumnPrecision, rules: Rules) -> Moments:
    """Read midnights in UTC as dates of the calendar where the column holds only such."""
    if not precision.dates_in_utc:
        return moments
    dates = _universal(moments, rules) & (moments.micros % DAY == 0)
    return replace(
        moments,
        zoned=moments.zoned & ~dates,
        coarse=np.where(dates, np.maximum(moments.coarse, 1), moments.coarse).astype(np.int8),
    )


def _only_utc_midnights(moments: Moments, good: NDArray[np.bool_], rules: Rules) -> bool:
    universal = _universal(moments, rules) & good
    return bool(universal.sum() >= _SURE_FROM and universal[good].all() and not (moments.micros[good] % DAY).any())


def _universal(moments: Moments, rules: Rules) -> NDArray[np.bool_]:
    return moments.zoned | (rules.times_are == "utc") & (moments.coarse == 0)


def _level(wall: NDArray[np.int64], sure_from: int) -> str:
    if not wall.size:
        return "minute"
    many = wall.size >= _SURE_FROM
    midnight = float((wall % DAY == 0).mean())
    if (midnight == 1 and wall.size >= sure_from) or (many and midnight >= _MOSTLY):
        month = wall.view("datetime64[us]").astype("datetime64[M]").astype("datetime64[us]").view(np.int64)
        return "month" if many and (month == wall).mean() >= _NEARLY_ALL else "date"
    return "hour" if many and (wall % HOUR == 0).mean() >= _NEARLY_ALL else "minute"
