"""Civil days of the embedded city: day numbers, months, rhythms and the hours that a clock change skips."""

from dataclasses import dataclass
from functools import cached_property
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crimepatterns.errors import SourceError
from crimepatterns.sources.synthetic_plan import CategoryPlan

__all__ = ["BURN_IN_MONTHS", "Calendar"]

BURN_IN_MONTHS = 4
"""The city lives so long before its record begins, so that early incidents have parents too."""


@dataclass(frozen=True)
class Calendar:
    """Days numbered from the first day of the record; months numbered from its first month.

    Parameters
    ----------
    end : str
        First day after the record, the first of a month, such as ``2026-01-01``.
    years : int
    timezone : str
    """

    end: str
    years: int
    timezone: str

    def __post_init__(self) -> None:
        moment = pd.Timestamp(self.end)
        if moment.day != 1 or moment != moment.normalize():
            raise SourceError(f"Synthetic city must end on the first day of a month, got {self.end}.")

    @cached_property
    def first(self) -> np.datetime64:
        """First day of the record, a naive civil date."""
        return np.datetime64(self.end, "M") - np.timedelta64(12 * self.years, "M")

    @cached_property
    def months(self) -> int:
        """Number of months of the record."""
        return 12 * self.years

    @cached_property
    def days(self) -> int:
        """Number of days of the record."""
        return self.month_start(self.months)

    def month_start(self, month: int) -> int:
        """Day number of the first day of a month; months before the record are negative."""
        origin = self.first.astype("datetime64[D]")
        return int(((self.first + np.timedelta64(month, "M")).astype("datetime64[D]") - origin).astype(int))

    def month_of(self, day: int) -> int:
        """Month number of a day number."""
        return int((self.dates(np.array([day])).astype("datetime64[M]") - self.first).astype(int)[0])

    def dates(self, day: NDArray[np.int64]) -> NDArray[np.datetime64]:
        """Civil dates of day numbers."""
        return np.asarray(self.first.astype("datetime64[D]") + day.astype("timedelta64[D]"))

    def weekday(self, day: NDArray[np.int64]) -> NDArray[np.int64]:
        """Weekdays of day numbers, Monday is 0."""
        # The first day of the Unix epoch was a Thursday.
        return (self.dates(day).astype(np.int64) + 3) % 7

    def day_number(self, moment: pd.Timestamp) -> int:
        """Day number of a civil midnight.

        Raises
        ------
        SourceError
            If the moment is not a midnight of the city or has no zone.
        """
        if moment.tzinfo is None:
            raise SourceError(f"The truth of the synthetic city needs moments with a time zone, got {moment}.")
        local = moment.tz_convert(self.timezone)
        if local != local.normalize():
            raise SourceError(f"The truth of the synthetic city is known by civil days, got {local}: give midnights.")
        date = np.datetime64(local.tz_localize(None).date(), "D")
        return int((date - self.first.astype("datetime64[D]")).astype(int))

    def rhythm(self, plan: CategoryPlan, day: NDArray[np.int64]) -> NDArray[np.float64]:
        """Factor of season, weekday and trend on each day, about 1 on average."""
        dates = self.dates(day)
        day_of_year = (dates - dates.astype("datetime64[Y]").astype("datetime64[D]")).astype(np.int64) + 1
        season = 1.0 + plan.season * np.cos(2 * np.pi * (day_of_year - plan.season_peak) / 365.25)
        weekdays = np.asarray(plan.weekdays) / np.mean(plan.weekdays)
        trend = np.exp(plan.trend * (day - self.days / 2) / 365.25)
        return np.asarray(season * weekdays[self.weekday(day)] * trend, dtype=np.float64)

    def skip_gaps(self, moments: NDArray[np.datetime64]) -> NDArray[np.datetime64]:
        """Move naive local moments out of the hour that a clock change skips, forwards by the length of the gap."""
        shifted = moments.copy()
        for start, seconds in self._gaps:
            inside = (shifted >= start) & (shifted < start + seconds)
            shifted[inside] += seconds
        return shifted

    @cached_property
    def _gaps(self) -> list[tuple[np.datetime64, np.timedelta64]]:
        """Start and length of every skipped span of local time, a little beyond the record at both ends."""
        zone = ZoneInfo(self.timezone)
        first = pd.Timestamp(self.first.astype("datetime64[D]")) - pd.Timedelta(days=150)
        hours = pd.date_range(first, pd.Timestamp(self.end) + pd.Timedelta(days=430), freq="15min", tz="UTC")
        offsets = hours.tz_convert(zone).tz_localize(None) - hours.tz_localize(None)
        seconds = (offsets / pd.Timedelta(seconds=1)).to_numpy().astype(np.int64)
        jumps = np.flatnonzero(np.diff(seconds) > 0)
        moments = hours.tz_localize(None).to_numpy().astype("datetime64[s]")
        return [
            (
                moments[i + 1] + np.timedelta64(int(seconds[i]), "s"),
                np.timedelta64(int(seconds[i + 1] - seconds[i]), "s"),
            )
            for i in jumps
        ]
