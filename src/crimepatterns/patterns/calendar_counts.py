"""Incidents by calendar week or month, with the periods that the record does not cover whole marked."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crimepatterns.domain.incidents import Incidents
from crimepatterns.patterns.window import Window, last_days

__all__ = ["CalendarCounts", "count_by_calendar", "daily_by_month", "period_of", "record_of"]


@dataclass(frozen=True, eq=False)
class CalendarCounts:
    """Counts per calendar period and category.

    Parameters
    ----------
    counts : DataFrame, shape (n_periods, n_categories)
        Indexed by the start of each period (civil time, without a zone).
    complete : ndarray of bool, shape (n_periods,)
        False where the record begins or ends inside the period.
    unit : str
        ``week`` (Monday to Sunday) or ``month``.
    """

    counts: pd.DataFrame = field(repr=False)
    complete: NDArray[np.bool_] = field(repr=False)
    unit: str


def record_of(incidents: Incidents) -> Window:
    """Return the span from the first to the last day on record; see `last_days` for the errors."""
    end = last_days(incidents, days=1).end
    return Window(incidents.table["occurred_from"].min().normalize(), end)


def period_of(moments: pd.Series, *, monthly: bool) -> pd.Series:
    """Return the calendar week (Monday to Sunday) or month, in civil time, of each of some moments with a zone."""
    return moments.dt.tz_localize(None).dt.to_period("M" if monthly else "W-SUN")


def count_by_calendar(incidents: Incidents, covered: Window, *, monthly: bool = False) -> CalendarCounts:
    """Count incidents by calendar week or month.

    Parameters
    ----------
    incidents : Incidents
        At least one.
    covered : Window
        The span that the record covers; periods that are not wholly in it are marked as not complete.
    monthly : bool
        Months rather than weeks.

    Returns
    -------
    CalendarCounts
        Without gaps; the most frequent category first.
    """
    period = period_of(incidents.table["occurred_from"], monthly=monthly)
    table = pd.crosstab(period, incidents.table["category"].astype(str))
    whole = pd.period_range(period.min(), period.max())
    table = table.reindex(whole, fill_value=0)[list(incidents.categories)]
    begins, ends = whole.start_time, (whole + 1).start_time
    complete = (begins >= covered.start.tz_localize(None)) & (ends <= covered.end.tz_localize(None))
    return CalendarCounts(
        table.set_axis(begins, axis="index"), np.asarray(complete, dtype=bool), "month" if monthly else "week"
    )


def daily_by_month(incidents: Incidents) -> pd.DataFrame:
    """Give the mean number of incidents per day, one row per year and one column per month (1 to 12).

    Months that the record does not cover whole, and such with no incident before the first or after the last, are nan.
    """
    counted = count_by_calendar(incidents, record_of(incidents), monthly=True)
    total = counted.counts.sum(axis="columns")[counted.complete]
    months = pd.DatetimeIndex(total.index)
    table = pd.DataFrame(
        {"year": months.year, "month": months.month, "per_day": total.to_numpy() / months.days_in_month.to_numpy()}
    )
    return table.pivot_table(index="year", columns="month", values="per_day").reindex(columns=range(1, 13))
