"""In which hours of the week each incident can have happened: what rhythms are learned from and judged on."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crimepatterns.domain.aoristic import hour_edges, intervals_of, overlaps

__all__ = ["HOURS_OF_WEEK", "HourSpans"]

HOURS_OF_WEEK = 168
"""Monday 00:00 comes first: hour ``24 * weekday + hour``."""

_LONGEST_US = 7 * 86_400_000_000
_A_DAY_US = 86_400_000_000


@dataclass(frozen=True, eq=False)
class HourSpans:
    """Hours of the week that incidents meet, by the share of their time.

    Parameters
    ----------
    row : ndarray of int64, shape (k,)
        Position of the incident in the table.
    hour : ndarray of int64, shape (k,)
        Hour of the week, 0 to 167, civil time.
    share : ndarray of float64, shape (k,)
        Share of the incident's time in that hour; sums to 1 per incident that entered.
    incidents : int
        Rows of the table.
    telling : int
        Those whose time says something about the hour: at most a day long, and not a date alone.
    used : int
        Those that entered. Left out are times known to the month only and spans of more than a week, which hold every
        hour alike; a date enters as its day and says which weekday.
    """

    row: NDArray[np.int64] = field(repr=False)
    hour: NDArray[np.int64] = field(repr=False)
    share: NDArray[np.float64] = field(repr=False)
    incidents: int
    telling: int
    used: int

    @classmethod
    def of(cls, table: pd.DataFrame) -> "HourSpans":
        """Find the hours of every incident.

        Parameters
        ----------
        table : DataFrame, shape (n, ...)
            With ``occurred_from``, ``occurred_until`` and ``time_precision``, times in the city's zone.
        """
        nothing = np.empty(0, dtype=np.int64)
        if table.empty:
            return cls(nothing, nothing, np.empty(0), 0, 0, 0)
        start, end = intervals_of(table)
        precision = table["time_precision"].astype(str).to_numpy()
        fine = np.isin(precision, ("minute", "hour"))
        telling = int((fine & (end - start <= _A_DAY_US)).sum())
        entered = np.flatnonzero((precision != "month") & (end - start <= _LONGEST_US))
        if not entered.size:
            return cls(nothing, nothing, np.empty(0), len(table), telling, 0)
        reach = np.array([start[entered].min(), end[entered].max() + 1])
        zone = table["occurred_from"].dt.tz
        edges, label = hour_edges(*pd.DatetimeIndex(reach.view("datetime64[us]"), tz="UTC").tz_convert(zone))
        parts = [
            (entered[row], label[place], share) for row, place, share in overlaps(start[entered], end[entered], edges)
        ]
        row, hour, share = (np.concatenate(column) for column in zip(*parts, strict=True))
        return cls(row, hour, share, len(table), telling, len(entered))

    @property
    def share_telling(self) -> float:
        """Share of the incidents that say something about the hour; 0 where there are none."""
        return self.telling / self.incidents if self.incidents else 0.0

    def chance(self, density: NDArray[np.float64]) -> NDArray[np.float64]:
        """Mean density over each incident's time.

        Parameters
        ----------
        density : ndarray of float64, shape (k,)
            Of each `row` in each `hour`, such as ``profile[cell[spans.row], spans.hour]``.

        Returns
        -------
        ndarray of float64, shape (incidents,)
            0 for incidents that did not enter.
        """
        return np.asarray(
            np.bincount(self.row, weights=self.share * density, minlength=self.incidents), dtype=np.float64
        )

    def shared_out(self, density: NDArray[np.float64]) -> NDArray[np.float64]:
        """Share each incident out over its hours in proportion to the density there, shape (k,); sums to 1 each."""
        mass = self.share * density
        whole = np.bincount(self.row, weights=mass, minlength=self.incidents)
        return np.asarray(mass / whole[self.row], dtype=np.float64)
