"""How likely it is that each incident happened within given hours: aoristic weights for the map of a shift."""

import re
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crimepatterns.domain.aoristic import intervals_of, overlaps
from crimepatterns.errors import PatternError
from crimepatterns.patterns.shifts import ShiftCalendar

__all__ = ["HourWeights", "hour_weights"]

_SPAN = re.compile(r"(\d\d:\d\d)-(\d\d:\d\d)")
_NO_HOUR = ("date", "month")


@dataclass(frozen=True, eq=False)
class HourWeights:
    """The share of each incident's time that lies within the hours.

    Parameters
    ----------
    weights : ndarray of float64, shape (n,)
        In [0, 1]; 0 for incidents known to the day or month only.
    hours : str
        Such as ``22:00-06:00``.
    no_hour : int
        Incidents without an hour.
    """

    weights: NDArray[np.float64] = field(repr=False)
    hours: str
    no_hour: int

    def __str__(self) -> str:
        """Say how many incidents the weights add up to."""
        told = f"{self.weights.sum():,.1f} of {len(self.weights):,} incidents fall into {self.hours}"
        return f"{told}; {self.no_hour:,} have no hour and count for nothing." if self.no_hour else f"{told}."


def hour_weights(table: pd.DataFrame, hours: str) -> HourWeights:
    """Weigh incidents by the share of the time they can have happened in that lies within some hours of the day.

    Parameters
    ----------
    table : DataFrame, shape (n, ...)
        With ``occurred_from``, ``occurred_until`` and ``time_precision``, times in the city's zone.
    hours : str
        Civil hours, half-open, across midnight if need be, such as ``22:00-06:00``.

    Returns
    -------
    HourWeights
        Exact, also on days when clocks change.

    Raises
    ------
    PatternError
        If the hours are not two different times of day.

    References
    ----------
    Ratcliffe (2002), https://doi.org/10.1023/A:1013240828824
    """
    found = _SPAN.fullmatch(hours)
    if found is None or found[1] == found[2]:
        raise PatternError(f"Hours must be two different times such as 22:00-06:00, got {hours!r}.")
    calendar = ShiftCalendar(tuple(sorted(found.groups())))
    wanted = calendar.starts.index(found[1])
    telling = np.flatnonzero(~table["time_precision"].isin(_NO_HOUR).to_numpy(dtype=bool))
    weights = np.zeros(len(table))
    if telling.size:
        chosen = table.iloc[telling]
        start, end = intervals_of(chosen)
        reach = pd.DatetimeIndex(np.array([start.min(), end.max()]).view("datetime64[us]"), tz="UTC")
        edges, label = calendar.edges(*reach.tz_convert(chosen["occurred_from"].dt.tz))
        for row, place, share in overlaps(start, end, edges):
            inside = label[place] % 2 == wanted
            weights += np.bincount(telling[row[inside]], weights=share[inside], minlength=len(table))
    # Shares of one span may add up to a little more than one in the last digit.
    return HourWeights(np.minimum(weights, 1.0), hours, len(table) - telling.size)
