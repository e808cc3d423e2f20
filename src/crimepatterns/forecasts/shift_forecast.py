"""What to expect in every shift: a forecast of days or weeks, shared out over its shifts by each place's rhythm."""

from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crimepatterns.domain.aoristic import hour_edges
from crimepatterns.domain.forecast import Forecast
from crimepatterns.domain.hour_spans import HOURS_OF_WEEK
from crimepatterns.domain.periods import Periods
from crimepatterns.errors import ForecastError
from crimepatterns.forecasts.hour_profile import FittedHourProfile
from crimepatterns.patterns.rhythms import WEEKDAYS
from crimepatterns.patterns.shifts import ShiftCalendar

__all__ = ["Shifts", "by_shift", "cut_into_shifts"]

_HOUR_US = 3_600_000_000


@dataclass(frozen=True, eq=False)
class Shifts:
    """The shifts of a stretch of time, and how much of each hour of the week they hold.

    Parameters
    ----------
    periods : Periods
        The shifts; the first and the last end where the stretch does.
    names : tuple of str
        Such as ``Monday 23:00-07:00``, by the day on which the shift begins.
    hours : ndarray of float64, shape (n_shifts, 168)
        Elapsed hours of each hour of the week, Monday first: 1 as a rule, 2 where clocks go back.
    of_period : ndarray of int64, shape (n_shifts,)
        Position of the forecast's period that holds the shift.
    """

    periods: Periods
    names: tuple[str, ...]
    hours: NDArray[np.float64] = field(repr=False)
    of_period: NDArray[np.int64] = field(repr=False)

    def __len__(self) -> int:
        return len(self.names)


def cut_into_shifts(periods: Periods, calendar: ShiftCalendar) -> Shifts:
    """Cut periods where shifts change; a shift that reaches over the edge of a period is cut in two there.

    Parameters
    ----------
    periods : Periods
    calendar : ShiftCalendar

    Returns
    -------
    Shifts
        Exact over clock changes: lengths are elapsed time.
    """
    zone = periods.edges.tz
    bounds = periods.edges.as_unit("us").asi8
    changes, label = calendar.edges(periods.start, periods.end)
    inside = changes[(changes > bounds[0]) & (changes < bounds[-1])]
    cuts = np.union1d(bounds, inside)
    shift = label[np.searchsorted(changes, cuts[:-1], side="right") - 1]
    count = len(calendar.starts)
    names = tuple(f"{WEEKDAYS[one // count]} {calendar.names[one % count]}" for one in shift.tolist())
    edges = pd.DatetimeIndex(cuts.view("datetime64[us]"), tz="UTC").tz_convert(zone)
    hours = np.zeros((len(names), HOURS_OF_WEEK))
    ticks, hour = hour_edges(periods.start, periods.end)
    pieces = np.union1d(cuts, ticks[(ticks > bounds[0]) & (ticks < bounds[-1])])
    which = np.searchsorted(cuts, pieces[:-1], side="right") - 1
    of_week = hour[np.searchsorted(ticks, pieces[:-1], side="right") - 1]
    np.add.at(hours, (which, of_week), np.diff(pieces) / _HOUR_US)
    return Shifts(Periods(edges), names, hours, np.searchsorted(bounds, cuts[:-1], side="right") - 1)


def by_shift(forecast: Forecast, profile: FittedHourProfile, calendar: ShiftCalendar) -> Forecast:
    """Share a forecast out over the shifts of its periods by the rhythm of each cell.

    Parameters
    ----------
    forecast : Forecast
    profile : FittedHourProfile
        Of the same category and grid, not learned after the forecast was issued.
    calendar : ShiftCalendar

    Returns
    -------
    Forecast
        Its periods are the shifts, its parameters name them; over the shifts of a period the means of each cell sum to
        the forecast's. It has no quantiles: with means far below 1 the chance of none, exp(-mean), says more.

    Raises
    ------
    ForecastError
        If the rhythm is of another category or grid, or knows the future.
    """
    if profile.target != forecast.category or len(profile.slot) != len(forecast.grid):
        raise ForecastError(
            f"Rhythm of {profile.target} on {len(profile.slot)} cells does not fit a forecast of {forecast.category} "
            f"on {len(forecast.grid)}: fit it on the same history."
        )
    if profile.trained_until > forecast.issued_at:
        raise ForecastError(
            f"Rhythm learned until {profile.trained_until} would know the future of a forecast of {forecast.issued_at}."
        )
    shifts = cut_into_shifts(forecast.periods, calendar)
    mass = (profile.profiles @ shifts.hours.T)[profile.slot]
    mean = np.empty_like(mass)
    for period in range(len(forecast.periods)):
        own = np.flatnonzero(shifts.of_period == period)
        part = mass[:, own]
        mean[:, own] = forecast.mean[:, [period]] * part / part.sum(axis=1, keepdims=True)
    facts = {"shifts": list(shifts.names), "calendar": list(calendar.starts), "rhythm": dict(profile.facts)}
    return Forecast(
        forecast.grid,
        shifts.periods,
        forecast.category,
        forecast.model,
        forecast.issued_at,
        mean,
        MappingProxyType({}),
        MappingProxyType({**forecast.parameters, **facts}),
    )
