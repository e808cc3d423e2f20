"""Incidents by weekday and shift for any calendar: unequal shifts, across midnight, on days when clocks change."""

import re
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crimepatterns.domain.aoristic import Coarse, intervals_of, overlaps
from crimepatterns.errors import PatternError
from crimepatterns.patterns.rhythms import WEEKDAYS

__all__ = ["ShiftCalendar", "ShiftMass", "mass_by_shift"]

_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")
_DAY_MINUTES = 24 * 60


@dataclass(frozen=True)
class ShiftCalendar:
    """The shifts of a day, each beginning where the one before ends.

    Parameters
    ----------
    starts : tuple of str
        Civil times at which shifts begin, ascending, such as ``("06:00", "14:30", "22:00")``; the last shift ends where
        the first begins on the next day, and belongs to the day on which it begins.
    names : tuple of str, optional
        One per shift; their hours where left out.

    Raises
    ------
    PatternError
        If a time is not HH:MM, times do not ascend, or names do not fit.
    """

    starts: tuple[str, ...] = ("07:00", "15:00", "23:00")
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        found = [_CLOCK.fullmatch(str(start)) for start in self.starts]
        if not found or None in found:
            raise PatternError(f"Shifts begin at times such as 06:00, got {list(self.starts)}.")
        if sorted(set(self.minutes)) != list(self.minutes):
            raise PatternError(f"Shifts must begin one after the other within a day, got {list(self.starts)}.")
        if not self.names:
            ends = (*self.starts[1:], self.starts[0])
            object.__setattr__(self, "names", tuple(f"{a}-{b}" for a, b in zip(self.starts, ends, strict=True)))
        if len(self.names) != len(self.starts) or len(set(self.names)) != len(self.names):
            raise PatternError(f"{len(self.starts)} shifts need as many different names, got {list(self.names)}.")

    @property
    def minutes(self) -> tuple[int, ...]:
        """Minutes after midnight at which shifts begin."""
        return tuple(60 * int(hour) + int(minute) for hour, minute in (start.split(":") for start in self.starts))

    @property
    def hours(self) -> NDArray[np.float64]:
        """Length of each shift on a day of 24 hours."""
        begin = np.array(self.minutes)
        return np.asarray(np.diff(np.append(begin, begin[0] + _DAY_MINUTES)) / 60.0)

    def edges(self, start: pd.Timestamp, end: pd.Timestamp) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Cut a span where shifts change.

        Parameters
        ----------
        start, end : Timestamp
            Time-zone aware, of one zone; both are covered.

        Returns
        -------
        edges : ndarray of int64, shape (n_bins + 1,)
            Microseconds of UTC, strictly increasing.
        shift : ndarray of int64, shape (n_bins,)
            ``n_shifts * weekday + shift``, Monday first, by the day on which the shift begins.
        """
        first, last = (moment.tz_localize(None).normalize() for moment in (start, end))
        days = pd.date_range(first - pd.Timedelta(days=1), last + pd.Timedelta(days=2), freq="D")
        wall = days.repeat(len(self.starts)) + pd.to_timedelta(np.tile(self.minutes, len(days)), unit="min")
        # A change that falls into a missing hour comes at once; of a doubled hour it is the first.
        moments = wall.tz_localize(start.tz, nonexistent="shift_forward", ambiguous=np.full(len(wall), True))
        edges = np.asarray(moments.as_unit("us").asi8, dtype=np.int64)
        count = len(self.starts)
        label = np.repeat(days.day_of_week.to_numpy(), count) * count + np.tile(np.arange(count), len(days))
        real = np.append(True, np.diff(edges) > 0)
        # Of two changes at one moment the later shift counts: the earlier one does not exist on that day.
        keep = np.append(real[1:], True)
        return edges[keep], label[keep][:-1].astype(np.int64)


@dataclass(frozen=True, eq=False)
class ShiftMass:
    """Incidents by weekday and shift.

    Parameters
    ----------
    mass : ndarray of float64, shape (7, n_shifts)
        Monday first; a shift across midnight belongs to the day on which it begins. Sums to `used`.
    calendar : ShiftCalendar
    incidents, used, no_hour : int
        All, those that entered, and those known to the day or month only.
    coarse : {"exclude", "spread"}
    """

    mass: NDArray[np.float64] = field(repr=False)
    calendar: ShiftCalendar
    incidents: int
    used: int
    no_hour: int
    coarse: Coarse

    @property
    def per_hour(self) -> NDArray[np.float64]:
        """Mass per hour of the shift, shape (7, n_shifts): what to compare where shifts are unequal."""
        return self.mass / self.calendar.hours

    def to_frame(self) -> pd.DataFrame:
        """Return one row per weekday and shift: ``weekday, shift, hours, incidents, share, per_hour``."""
        count = len(self.calendar.names)
        return pd.DataFrame(
            {
                "weekday": np.repeat(WEEKDAYS, count),
                "shift": np.tile(self.calendar.names, 7),
                "hours": np.tile(self.calendar.hours, 7),
                "incidents": self.mass.ravel(),
                "share": self.mass.ravel() / max(self.mass.sum(), 1e-300),
                "per_hour": self.per_hour.ravel(),
            }
        )

    def sentence(self) -> str:
        """Name the shift with the most incidents per hour, and how much above the mean it is."""
        if not self.used:
            return "No incident has a known hour."
        rate = self.per_hour
        day, shift = np.unravel_index(int(np.argmax(rate)), rate.shape)
        times = rate[day, shift] / (self.mass.sum() / (7 * self.calendar.hours.sum()))
        left = f"; {self.no_hour:,} without an hour are left out" if self.no_hour and self.coarse == "exclude" else ""
        named = f"{WEEKDAYS[int(day)]} {self.calendar.names[int(shift)]}"
        return (
            f"Busiest shift per hour: {named}, {times:.1f} times the mean "
            f"({self.mass[day, shift]:,.1f} of {self.used:,} incidents{left})."
        )


def mass_by_shift(table: pd.DataFrame, calendar: ShiftCalendar, *, coarse: Coarse = "exclude") -> ShiftMass:
    """Spread incidents over weekday and shift by the time they can have happened in.

    Parameters
    ----------
    table : DataFrame, shape (n, ...)
        With ``occurred_from``, ``occurred_until`` and ``time_precision``, times in the city's zone.
    calendar : ShiftCalendar
    coarse : {"exclude", "spread"}
        What becomes of incidents known to the day or month only.

    Returns
    -------
    ShiftMass
        Exact: lengths are elapsed time, and a shift on which clocks change is an hour shorter or longer.
    """
    no_hour = table["time_precision"].isin(("date", "month")).to_numpy(dtype=bool)
    chosen = table.loc[~no_hour] if coarse == "exclude" else table
    cells = 7 * len(calendar.starts)
    mass = np.zeros(cells)
    if len(chosen):
        start, end = intervals_of(chosen)
        reach = pd.DatetimeIndex(np.array([start.min(), end.max()]).view("datetime64[us]"), tz="UTC")
        edges, label = calendar.edges(*reach.tz_convert(chosen["occurred_from"].dt.tz))
        for _, place, share in overlaps(start, end, edges):
            mass += np.bincount(label[place], weights=share, minlength=cells)
    return ShiftMass(mass.reshape(7, -1), calendar, len(table), len(chosen), int(no_hour.sum()), coarse)
