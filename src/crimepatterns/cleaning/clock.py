"""Civil time and universal time of one zone, fast for millions of moments.

Moments are whole microseconds since 1970, either on the wall clock of the zone or in UTC.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["CivilClock", "civil_clock", "civil_months"]

Micros = NDArray[np.int64]

_FIRST, _LAST = "1890-01-01", "2110-01-01"
_DAY = 86_400_000_000
_FIRST_DAY, _LAST_DAY = (int(np.datetime64(day, "D").astype(np.int64)) for day in (_FIRST, _LAST))
_MONTHS = np.arange(_FIRST_DAY, _LAST_DAY + 1).view("datetime64[D]").astype("datetime64[M]").view(np.int64)
_BIG = np.iinfo(np.int64).max


@dataclass(frozen=True, eq=False)
class CivilClock:
    """The offsets of one time zone from 1890 to 2110.

    Parameters
    ----------
    changes_utc : ndarray of int64, shape (n,)
        Moments at which the offset changes.
    offsets : ndarray of int64, shape (n + 1,)
        Offset before the first change and after each, microseconds.
    """

    changes_utc: Micros
    offsets: Micros

    def to_utc(self, wall: Micros) -> tuple[Micros, NDArray[np.bool_]]:
        """Turn wall-clock moments into UTC.

        A time that occurs twice (clocks go back) is taken as the first. A time that never was (clocks go forward) is
        read with the offset before the change, which moves it forward by the width of the gap (PEP 495, fold 0).

        Returns
        -------
        utc : ndarray of int64, shape (n,)
        in_gap : ndarray of bool, shape (n,)
            True where the wall clock never showed that time.
        """
        index, odd = _look_up(self._wall_days, wall)
        in_gap = np.zeros(len(wall), dtype=bool)
        if odd.size:
            index[odd] = np.searchsorted(self._gap_ends, wall[odd], side="right")
            starts = np.append(self._gap_ends - self._gaps, _BIG)
            in_gap[odd] = wall[odd] >= starts[index[odd]]
        return wall - self.offsets[index], in_gap

    def to_wall(self, utc: Micros) -> Micros:
        """Turn UTC moments into what the wall clock showed."""
        index, odd = _look_up(self._utc_days, utc)
        if odd.size:
            index[odd] = np.searchsorted(self.changes_utc, utc[odd], side="right")
        return utc + self.offsets[index]

    @cached_property
    def _gap_ends(self) -> Micros:
        """First moment on the wall clock that is read with the offset after each change."""
        return self.changes_utc + np.maximum(self.offsets[:-1], self.offsets[1:])

    @cached_property
    def _gaps(self) -> Micros:
        return np.maximum(np.diff(self.offsets), 0)

    @cached_property
    def _wall_days(self) -> NDArray[np.int16]:
        return _by_day(self._gap_ends, self._gap_ends - self._gaps)

    @cached_property
    def _utc_days(self) -> NDArray[np.int16]:
        return _by_day(self.changes_utc, self.changes_utc)


def _by_day(changes: Micros, earliest: Micros) -> NDArray[np.int16]:
    """Say for each day how many changes lie before it; -1 for days with a change, and for the first and last one.

    Most days have none, so that a table answers for them. `earliest` is where the effect of each change begins.
    """
    days = np.arange(_FIRST_DAY, _LAST_DAY + 1) * _DAY
    table = np.searchsorted(changes, days, side="right").astype(np.int16)
    for moments in (changes, earliest):
        table[np.clip(moments // _DAY, _FIRST_DAY, _LAST_DAY) - _FIRST_DAY] = -1
    table[[0, -1]] = -1
    return table


def _look_up(table: NDArray[np.int16], moments: Micros) -> tuple[NDArray[np.int16], NDArray[np.intp]]:
    """Return the number of changes before each moment, and the rows for which the table does not know it."""
    index = table[np.clip(moments // _DAY, _FIRST_DAY, _LAST_DAY) - _FIRST_DAY]
    return index, np.flatnonzero(index < 0)


def civil_months(wall: Micros) -> NDArray[np.int64]:
    """Return the months of moments on the wall clock, counted since January 1970, shape (n,)."""
    days = wall // _DAY
    inside = np.clip(days, _FIRST_DAY, _LAST_DAY)
    months = _MONTHS[inside - _FIRST_DAY]
    outside = np.flatnonzero(days != inside)
    if outside.size:
        months[outside] = wall[outside].view("datetime64[us]").astype("datetime64[M]").view(np.int64)
    return months


@lru_cache(maxsize=16)
def civil_clock(timezone: str) -> CivilClock:
    """Make the clock of an IANA time zone."""
    days = pd.date_range(_FIRST, _LAST, freq="D", tz="UTC").as_unit("us")
    by_day = _offsets(days, timezone)
    changes: list[int] = []
    for i in map(int, np.flatnonzero(np.diff(by_day))):
        minutes = pd.date_range(days[i], days[i + 1], freq="min").as_unit("us")
        by_minute = _offsets(minutes, timezone)
        changes += [int(minutes.asi8[j + 1]) for j in np.flatnonzero(np.diff(by_minute))]
    moments = np.array(sorted(changes), dtype=np.int64)
    probes = pd.DatetimeIndex(np.concatenate([days.asi8[:1], moments]).view("datetime64[us]"), tz="UTC")
    return CivilClock(moments, _offsets(probes, timezone))


def _offsets(moments: pd.DatetimeIndex, timezone: str) -> Micros:
    wall = moments.tz_convert(timezone).tz_localize(None)
    return np.asarray(wall.as_unit("us").asi8 - moments.asi8, dtype=np.int64)
