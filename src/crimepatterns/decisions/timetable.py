"""When in the week incidents happen, in blocks of a shift: what gives a chosen place its hours."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from crimepatterns.domain.aoristic import hour_of_week
from crimepatterns.domain.incidents import Incidents
from crimepatterns.errors import DomainError

__all__ = ["Timetable", "hours_text", "timetable"]

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MAX_SPAN_H = 24
"""A longer span between from and until tells nothing about the hour."""


@dataclass(frozen=True, eq=False)
class Timetable:
    """Share of a week's incidents by weekday and shift.

    Parameters
    ----------
    shares : ndarray of float, shape (7, n_shifts)
        Monday first; sums to 1.
    starts : tuple of int
        First hour of each shift; one shift of 24 hours where hours are not known.
    shift_hours : int
    known : {"hours", "weekdays", "nothing"}
        What the records tell.
    """

    shares: NDArray[np.float64] = field(repr=False)
    starts: tuple[int, ...]
    shift_hours: int
    known: str

    def hours_of(self, shift: int) -> str:
        """Return the hours of a shift, such as ``16-24``."""
        if self.known != "hours":
            return "hours not known"
        start = self.starts[shift]
        return f"{start:02d}-{min(start + self.shift_hours, 24):02d}"


def timetable(incidents: Incidents, *, shift_hours: int, min_known: float = 0.5) -> Timetable:
    """Measure in which weekday and shift incidents happen, sharing interval times out over their hours (aoristic).

    Parameters
    ----------
    incidents : Incidents
        Those whose rhythm is wanted. Spans of more than a day are left out.
    shift_hours : int
        Length of a block, hours, 1 to 24; the last block of a day may be shorter.
    min_known : float
        Hours are proposed only where at least this share of the incidents has a known hour.

    Returns
    -------
    Timetable

    Notes
    -----
    Aoristic shares: `crimepatterns.domain.aoristic`.
    """
    if not 1 <= shift_hours <= 24:
        raise DomainError(f"shift_hours must lie between 1 and 24, got {shift_hours}: set plan.shift_hours.")
    table = incidents.table
    span_h = (table["occurred_until"] - table["occurred_from"]).dt.total_seconds().to_numpy() / 3600
    fine = table["time_precision"].isin(("minute", "hour")).to_numpy() & (span_h <= _MAX_SPAN_H)
    if len(table) and fine.mean() >= min_known:
        starts = tuple(range(0, 24, shift_hours))
        mass = hour_of_week(table.loc[fine]).mass
        block = np.arange(24) // shift_hours
        shares = np.stack([np.bincount(block, weights=day, minlength=len(starts)) for day in mass])
        # One more incident spread over the week keeps every block possible.
        shares = (shares + 1 / shares.size) / (shares.sum() + 1)
        return Timetable(shares, starts, shift_hours, "hours")
    dated = (table["time_precision"] != "month").to_numpy() & (span_h <= _MAX_SPAN_H)
    if len(table) and dated.mean() >= min_known:
        days = np.bincount(table.loc[dated, "occurred_from"].dt.day_of_week, minlength=7).astype(float)
        return Timetable(((days + 1 / 7) / (days.sum() + 1))[:, None], (0,), 24, "weekdays")
    return Timetable(np.full((7, 1), 1 / 7), (0,), 24, "nothing")


def hours_text(blocks: NDArray[np.bool_], schedule: Timetable) -> str:
    """Say in words which blocks of the week are meant.

    Parameters
    ----------
    blocks : ndarray of bool, shape (7, n_shifts)
    schedule : Timetable

    Returns
    -------
    str
        Such as ``Mon-Thu 16-24; Fri, Sun 08-16``.
    """
    parts = []
    for shift in range(blocks.shape[1]):
        days = np.flatnonzero(blocks[:, shift])
        if days.size:
            parts.append(f"{_days_text(days.tolist())} {schedule.hours_of(shift)}")
    return "; ".join(parts)


def _days_text(days: list[int]) -> str:
    runs: list[list[int]] = []
    for day in days:
        if runs and day == runs[-1][-1] + 1:
            runs[-1].append(day)
        else:
            runs.append([day])
    return ", ".join(
        f"{_DAYS[run[0]]}-{_DAYS[run[-1]]}" if len(run) > 2 else ", ".join(_DAYS[day] for day in run) for run in runs
    )
