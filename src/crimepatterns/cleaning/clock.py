"""Civil time and universal time of one zone, fast for millions of moments.

Moments are whole microseconds since 1970, either on the wall clock of the zone or in UTC.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["CivilClock", "civil_clock"]

Micros = NDArray[np.int64]

_FIRST, _LAST = "1890-01-01", "2110-01-01"
_MINUTE = 60_000_000
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
        before, after = self.offsets[:-1], self.offsets[1:]
        index = np.searchsorted(self.changes_utc + np.maximum(before, after), wall, side="right")
        utc = wall - self.offsets[index]
        gap_ends = np.append(self.changes_utc + np.maximum(before, after), _BIG)
        widths = np.append(np.maximum(after - before, 0), 0)
        return utc, wall >= gap_ends[index] - widths[index]

    def to_wall(self, utc: Micros) -> Micros:
        """Turn UTC moments into what the wall clock showed."""
        return utc + self.offsets[np.searchsorted(self.changes_utc, utc, side="right")]


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
