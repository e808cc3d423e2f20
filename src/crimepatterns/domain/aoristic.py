"""Aoristic mass: an incident known only to lie between two moments counts in every bin by the share of time it covers.

Ratcliffe, J. H. (2002), Aoristic signatures and the spatio-temporal analysis of high volume crime patterns, Journal of
Quantitative Criminology 18(1), 23-43, doi:10.1023/A:1013240828824.

All arithmetic is in whole microseconds of elapsed time; bins are those of civil time. A day of 23 hours has 23 equal
parts, one of 25 hours gives its doubled hour twice the share.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crimepatterns.errors import DomainError

__all__ = ["Coarse", "HourOfWeek", "hour_edges", "hour_of_week", "intervals_of", "overlaps"]

Coarse = Literal["exclude", "spread"]
"""What becomes of times known to the day or month only, where hours are asked for."""

Micros = NDArray[np.int64]

_MOST_PAIRS = 1 << 21
_QUARTER = 15 * 60 * 1_000_000
_MINUTE = 60 * 1_000_000
_UNITS = {"hour": "h", "date": "D", "month": "M"}
_NO_HOUR = ("date", "month")


@dataclass(frozen=True, eq=False)
class HourOfWeek:
    """Aoristic mass by day of the week and hour of the day.

    Parameters
    ----------
    mass : ndarray of float64, shape (7, 24)
        Monday first, civil hours; sums to `used`.
    incidents, used : int
        All, and those that entered.
    no_hour : int
        Incidents whose time is known to the day or month only, which carry no hour.
    coarse : str
        Whether these were excluded or spread evenly over their day or month.
    """

    mass: NDArray[np.float64] = field(repr=False)
    incidents: int
    used: int
    no_hour: int
    coarse: Coarse

    @property
    def share_no_hour(self) -> float:
        """Share of the incidents that carry no hour; 0 where there are no incidents."""
        return self.no_hour / self.incidents if self.incidents else 0.0

    def __str__(self) -> str:
        """Say on how many incidents it rests, and what became of those without an hour."""
        text = f"Hours of {self.used:,} of {self.incidents:,} incidents, spans spread over the hours they cover."
        if not self.no_hour:
            return text
        done = "left out" if self.coarse == "exclude" else "spread evenly over their day or month"
        return f"{text} {100 * self.share_no_hour:.1f} % are known to the day or month only: {done}."


def overlaps(
    start: Micros, end: Micros, edges: Micros, *, most_pairs: int = _MOST_PAIRS
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]]:
    """Cut intervals at the edges of bins.

    Parameters
    ----------
    start, end : ndarray of int64, shape (n,)
        ``[start, end)`` in microseconds; equal ends are a moment, which lies in one bin with share 1.
    edges : ndarray of int64, shape (n_bins + 1,)
        Strictly increasing.
    most_pairs : int
        So many pairs at a time, which bounds the memory whatever the length of the intervals.

    Yields
    ------
    row, bin : ndarray of int64, shape (k,)
        Position of the interval and of a bin it meets.
    share : ndarray of float64, shape (k,)
        Share of the interval's time in the bin. The shares of an interval sum to the part of it inside the edges.

    Raises
    ------
    DomainError
        If an interval ends before it begins.
    """
    if (end < start).any():
        raise DomainError("Aoristic intervals must not end before they begin.")
    bins = len(edges) - 1
    first = np.searchsorted(edges, start, side="right") - 1
    last = np.where(end > start, np.searchsorted(edges, end, side="left") - 1, first)
    low, high = np.maximum(first, 0), np.minimum(last, bins - 1)
    sizes = np.maximum(high - low + 1, 0)
    rows = np.flatnonzero(sizes)
    ends = np.cumsum(sizes[rows])
    at = 0
    while at < len(rows):
        done = int(ends[at - 1]) if at else 0
        # At least one interval at a time, however many bins it meets.
        until = max(int(np.searchsorted(ends, done + most_pairs, side="right")), at + 1)
        chosen = rows[at:until]
        row = np.repeat(chosen, sizes[chosen])
        skipped = np.repeat(ends[at:until] - sizes[chosen] - done, sizes[chosen])
        place = low[row] + np.arange(len(row)) - skipped
        time = np.minimum(end[row], edges[place + 1]) - np.maximum(start[row], edges[place])
        length = end[row] - start[row]
        yield row, place, np.where(length > 0, time / np.maximum(length, 1), 1.0)
        at = until


def intervals_of(table: pd.DataFrame) -> tuple[Micros, Micros]:
    """Return the span of every incident in microseconds of UTC.

    A time known to the hour, day or month counts as the whole civil hour, day or month. Cleaning has widened such times
    already; where both ends are still equal it is done here.

    Parameters
    ----------
    table : DataFrame, shape (n, ...)
        With ``occurred_from``, ``occurred_until`` and ``time_precision``.

    Returns
    -------
    start, end : ndarray of int64, shape (n,)
    """
    start, end = (_micros(table[name]) for name in ("occurred_from", "occurred_until"))
    point = start == end
    precision = table["time_precision"].astype(str).to_numpy()
    if not (point & (precision != "minute")).any():
        return start, end
    start, end = start.copy(), end.copy()
    for level, unit in _UNITS.items():
        rows = np.flatnonzero(point & (precision == level))
        if rows.size:
            moments = pd.DatetimeIndex(table["occurred_from"].iloc[rows])
            start[rows], end[rows] = _civil_unit(moments, unit)
    return start, end


def hour_edges(start: pd.Timestamp, end: pd.Timestamp) -> tuple[Micros, NDArray[np.int64]]:
    """Cut a span where the civil hour changes.

    Parameters
    ----------
    start, end : Timestamp
        Time-zone aware, of one zone; ``end`` is met at least.

    Returns
    -------
    edges : ndarray of int64, shape (n_bins + 1,)
        Microseconds of UTC.
    hour_of_week : ndarray of int64, shape (n_bins,)
        ``24 * weekday + hour``, Monday first.
    """
    # Since 1972 every offset from UTC is a multiple of a quarter of an hour, and clocks change at such moments.
    step = _QUARTER if start.year >= 1972 else _MINUTE
    begin, stop = _micros(pd.Series([start, end])).tolist()
    first = begin // step * step
    count = max(-(-(stop - first) // step), 1)
    ticks = first + step * np.arange(count + 1, dtype=np.int64)
    wall = pd.DatetimeIndex(ticks[:-1].view("datetime64[us]"), tz="UTC").tz_convert(start.tz)
    label = 24 * wall.day_of_week.to_numpy().astype(np.int64) + wall.hour.to_numpy()
    changes = np.flatnonzero(np.append(True, label[1:] != label[:-1]))
    return np.append(ticks[changes], ticks[-1]), label[changes]


def hour_of_week(table: pd.DataFrame, *, coarse: Coarse = "exclude") -> HourOfWeek:
    """Spread incidents over the hours of the week by the time they can have happened in.

    Parameters
    ----------
    table : DataFrame, shape (n, ...)
        With ``occurred_from``, ``occurred_until`` and ``time_precision``, times in the city's zone.
    coarse : {"exclude", "spread"}
        What becomes of incidents known to the day or month only: a date says nothing about the hour. Spread, they make
        every hour look alike.

    Returns
    -------
    HourOfWeek
    """
    no_hour = table["time_precision"].isin(_NO_HOUR).to_numpy(dtype=bool)
    chosen = table.loc[~no_hour] if coarse == "exclude" else table
    mass = np.zeros(168)
    if len(chosen):
        start, end, counts = _distinct(*intervals_of(chosen))
        reach = pd.DatetimeIndex(np.array([start.min(), end.max() + 1]).view("datetime64[us]"), tz="UTC")
        edges, label = hour_edges(*reach.tz_convert(chosen["occurred_from"].dt.tz))
        for row, place, share in overlaps(start, end, edges):
            mass += np.bincount(label[place], weights=share * counts[row], minlength=168)
    return HourOfWeek(mass.reshape(7, 24), len(table), len(chosen), int(no_hour.sum()), coarse)


def _distinct(start: Micros, end: Micros) -> tuple[Micros, Micros, NDArray[np.int64]]:
    """Return the distinct intervals and how often each occurs: whole days and months repeat a great deal."""
    order = np.lexsort((end, start))
    start, end = start[order], end[order]
    fresh = np.flatnonzero(np.append(True, (start[1:] != start[:-1]) | (end[1:] != end[:-1])))
    return start[fresh], end[fresh], np.diff(np.append(fresh, len(start)))


def _micros(times: pd.Series) -> Micros:
    return np.asarray(pd.DatetimeIndex(times).as_unit("us").asi8, dtype=np.int64)


def _civil_unit(moments: pd.DatetimeIndex, unit: str) -> tuple[Micros, Micros]:
    """Return the first moment of the civil hour, day or month of each, and the first after it."""
    wall = moments.tz_localize(None).to_numpy().astype(f"datetime64[{unit}]")
    begin, stop = (
        pd.DatetimeIndex(edge.astype("datetime64[us]")).tz_localize(
            moments.tz, ambiguous=np.full(len(edge), fill_value=True), nonexistent="shift_forward"
        )
        for edge in (wall, wall + 1)
    )
    return _micros(begin.to_series()), _micros(stop.to_series())
