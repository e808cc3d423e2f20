"""Incidents per week, month and hour of the week by neighbourhood and category, counted once per cleaning."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crimepatterns.domain.incidents import Incidents
from crimepatterns.patterns.rhythms import hour_known
from crimepatterns.patterns.window import last_days
from crimepatterns.serving.names import place_name
from crimepatterns.serving.results import ALL, Results
from crimepatterns.store.incidents import read_incidents

__all__ = ["WHOLE", "WeeklyCounts", "count_weeks", "weekly_counts"]

WHOLE = ""
"""Name of the whole study area among the areas."""

_HOUR_DAYS = 364


@dataclass(frozen=True, eq=False)
class WeeklyCounts:
    """Counts by area; the category `ALL` holds what citizens reported.

    Parameters
    ----------
    weeks : DataFrame, shape (n_weeks, n_areas * n_categories)
        Index: Monday; columns: (area, category). `WHOLE` is the whole study area.
    complete : ndarray of bool, shape (n_weeks,)
        Whether the record covers the whole week.
    months : DataFrame, shape (12, n_areas)
        Reported incidents per day by calendar month, over whole months only; missing where there is none.
    hours : mapping of str to ndarray of int, shape (7, 24)
        Reported incidents with a known hour in the last 52 weeks, by area.
    km2 : mapping of str to float
        Ground of each area.
    days_known : bool
        False where times are known to the month only: weeks then mean nothing.
    """

    weeks: pd.DataFrame = field(repr=False)
    complete: NDArray[np.bool_] = field(repr=False)
    months: pd.DataFrame = field(repr=False)
    hours: dict[str, NDArray[np.int64]] = field(repr=False)
    km2: dict[str, float]
    days_known: bool

    @property
    def areas(self) -> list[str]:
        """Names of the neighbourhoods, in alphabetical order."""
        return sorted(name for name in self.km2 if name != WHOLE)

    def series(self, area: str, category: str) -> pd.Series:
        """Return incidents per week of an area, zeros where there were none."""
        if (area, category) not in self.weeks:
            return pd.Series(0, index=self.weeks.index)
        return self.weeks[area, category]

    def years(self, area: str, category: str) -> tuple[int, int | None]:
        """Return incidents of the last 52 whole weeks, and of the 52 before; None where the record is shorter."""
        whole, series = self.complete.nonzero()[0], self.series(area, category)
        before = int(series.iloc[whole[-104:-52]].sum()) if len(whole) >= 104 else None
        return int(series.iloc[whole[-52:]].sum()), before


def weekly_counts(results: Results) -> WeeklyCounts:
    """Return the counts of a city, kept until cleaning runs again.

    Raises
    ------
    MissingInputError
        If cleaning has not run.
    """
    layout = results.layout
    return results.cache.get(
        "weekly", [layout.cleaning_report], lambda: count_weeks(read_incidents(layout.incidents, results.area()))
    )


def count_weeks(incidents: Incidents) -> WeeklyCounts:
    """Count incidents.

    Parameters
    ----------
    incidents : Incidents
        All of them.
    """
    table = incidents.table
    window = last_days(incidents, days=_HOUR_DAYS)
    wall = table["occurred_from"].dt.tz_localize(None)
    area = pd.Series(incidents.area.neighbourhood_of(table["x"], table["y"]), index=table.index).map(place_name)
    monday = wall.dt.normalize() - pd.to_timedelta(wall.dt.day_of_week, unit="D")
    reported = table["discovery"] == "reported"
    rows = pd.DataFrame({"week": monday, "area": area, "category": table["category"].astype(str)})
    every = pd.concat([rows, rows.loc[reported].assign(category=ALL)])
    every = pd.concat([every.loc[every["area"] != WHOLE], every.assign(area=WHOLE)])
    weeks = pd.crosstab(every["week"], [every["area"], every["category"]])
    mondays = pd.date_range(weeks.index.min(), weeks.index.max(), freq="7D")
    weeks = weeks.reindex(mondays, fill_value=0).sort_index(axis=1)
    first, end = wall.min().normalize(), window.end.tz_localize(None)
    complete = (weeks.index >= first) & (weeks.index <= end - pd.Timedelta(days=7))
    hoods = incidents.area.neighbourhoods
    ground = dict(zip((place_name(str(name)) for name in hoods["name"]), hoods.geometry.area / 1e6, strict=True))
    own = reported & (table["occurred_from"] >= window.start) & (table["occurred_from"] < window.end)
    clock = own & pd.Series(hour_known(table), index=table.index)
    slot = table["occurred_from"].dt.day_of_week * 24 + table["occurred_from"].dt.hour
    hours = {name: np.bincount(slot[clock & (area == name)], minlength=168).reshape(7, 24) for name in ground}
    hours[WHOLE] = np.bincount(slot[clock], minlength=168).reshape(7, 24)
    return WeeklyCounts(
        weeks,
        np.asarray(complete),
        _months(rows.loc[reported].assign(day=wall[reported]), first, end),
        hours,
        {**{name: float(km2) for name, km2 in ground.items()}, WHOLE: float(incidents.area.polygon.area / 1e6)},
        not bool((table["time_precision"] == "month").any()),
    )


def _months(rows: pd.DataFrame, first: pd.Timestamp, end: pd.Timestamp) -> pd.DataFrame:
    """Return incidents per day by calendar month over the whole months from `first` to `end`."""
    months = pd.period_range(first, end, freq="M")
    whole = months[(months.start_time >= first) & (months.end_time < end)]
    inside = rows.loc[rows["day"].dt.to_period("M").isin(whole)]
    both = pd.concat([inside.loc[inside["area"] != WHOLE], inside.assign(area=WHOLE)])
    counts = pd.crosstab(both["day"].dt.month, both["area"])
    days = pd.Series(whole.days_in_month, index=whole.month).groupby(level=0).sum()
    return counts.div(days, axis=0).reindex(range(1, 13))
