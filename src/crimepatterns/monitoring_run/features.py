"""What drift is looked for in: facts of the records by group, week by civil week."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import NDArray

from crimepatterns.city import City
from crimepatterns.monitoring.drift import Feature, Shift, alarms, compare
from crimepatterns.monitoring.volume import VOLUME_LEVEL, volume_break
from crimepatterns.store.issued import Verdict
from crimepatterns.store.rejected_files import rejected_files

__all__ = ["RECENT_WEEKS", "drift_of", "week_of"]

RECENT_WEEKS = 8
"""The last weeks that are compared: two months."""

_MONTH_WEEKS, _YEAR_WEEKS = 4, 52
_FIRST_MONDAY = pd.Timestamp("1970-01-05")
_HOURS = 4
_SYNTHETIC_TIME = "Occurred From"
"""As the synthetic city names its raw column."""
_PLACE_REASONS = ("coordinates", "outside", "location")

Weeks = NDArray[np.int64]


def drift_of(city: City, verdicts: list[Verdict]) -> tuple[list[Shift], str]:
    """Compare the last two months with the year before, as of the last whole month of four weeks.

    Looked at month by month, so that a month without change gives an alarm in at most 5 % of months however often the
    command runs. Only weeks count in which nearly all reports have come in.

    Returns
    -------
    list of Shift
        All features, alarms marked.
    str
        The day up to which they go, ISO.
    """
    end = int(week_of(pd.Series([city.matured[0]]))[0])
    end -= end % _MONTH_WEEKS
    since, first = end - RECENT_WEEKS, end - RECENT_WEEKS - _YEAR_WEEKS
    volumes = alarms([volume_break(name, counts, recent=RECENT_WEEKS) for name, counts in _series(city, end)],
                     level=VOLUME_LEVEL)  # fmt: skip
    shifts = []
    for feature in (*_facts(city), *_reports(city), *_rejections(city), *_performance(verdicts)):
        inside = (feature.week >= first) & (feature.week < end)
        kept = Feature(feature.group, feature.name, feature.records[inside], feature.week[inside])
        shifts.append(compare(kept, since=since))
    return [*volumes, *alarms(shifts)], str((_FIRST_MONDAY + pd.Timedelta(weeks=end)).date())


def week_of(moments: pd.Series) -> Weeks:
    """Return the number of the civil week of each moment, Monday to Sunday, counted from 5 January 1970."""
    local = moments.dt.tz_localize(None) if moments.dt.tz is not None else moments
    return np.asarray((local - _FIRST_MONDAY).dt.days // 7, dtype=np.int64)


def _series(city: City, end: int) -> Iterator[tuple[str, NDArray[np.int64]]]:
    """Whole weeks of each forecast category, from its first whole one on."""
    table = city.incidents.table
    week = week_of(table["occurred_from"])
    for category in city.targets:
        own = week[(table["category"].astype(str) == category).to_numpy()]
        begin = int(own.min()) + 1
        yield category, np.bincount(own[(own >= begin) & (own < end)] - begin, minlength=max(end - begin, 0))


def _facts(city: City) -> Iterator[Feature]:
    table = city.incidents.table
    week = week_of(table["occurred_from"])
    timed = table["time_precision"].astype(str).isin(["minute", "hour"]).to_numpy()
    moment = table["occurred_from"].dt
    yield Feature("places", "east", table["x"].to_numpy(dtype=float), week)
    yield Feature("places", "north", table["y"].to_numpy(dtype=float), week)
    hours = (moment.hour // _HOURS * _HOURS).to_numpy()[timed]
    yield Feature("times", "hour", np.array([f"{hour:02d}:00" for hour in hours], dtype=str), week[timed])
    yield Feature("times", "weekday", moment.day_name().to_numpy(dtype=str), week)
    length = (table["occurred_until"] - table["occurred_from"]).dt.total_seconds().to_numpy() / 3_600
    yield Feature("times", "length of interval", np.log1p(length), week)
    yield Feature("times", "precision", table["time_precision"].to_numpy(dtype=str), week)
    yield Feature("kinds", "category", table["category"].astype(str).to_numpy(dtype=str), week)
    yield Feature("kinds", "discovery", table["discovery"].to_numpy(dtype=str), week)


def _reports(city: City) -> Iterator[Feature]:
    """Delays by the week of the report: those of the last weeks are all known already."""
    if city.delay.assumed_days is not None:
        return
    table = city.incidents.table
    days = (table["known_at"] - table["occurred_until"]).dt.total_seconds().to_numpy() / 86_400
    yield Feature("reporting lag", "days to report", np.log1p(np.maximum(days, 0.0)), week_of(table["known_at"]))


def _rejections(city: City) -> Iterator[Feature]:
    """Whether a place was found: rows rejected for their place beside those that were kept, by week of occurrence."""
    column = city.settings.columns.occurred_from or city.settings.columns.date
    if city.settings.source.kind == "synthetic":
        column = _SYNTHETIC_TIME
    parts = [pq.read_table(path).to_pandas() for path in rejected_files(city.layout.rejected)]
    rows = [part.loc[part["reason"].str.contains("|".join(_PLACE_REASONS)), column] for part in parts if column in part]
    told = pd.concat(rows) if rows else pd.Series(dtype=object)
    lost = pd.to_datetime(told, errors="coerce", format="mixed", utc=True).dropna()
    week = week_of(city.incidents.table["occurred_from"])
    missed = week_of(lost) if len(lost) else np.empty(0, dtype=np.int64)
    labels = np.array(["found"] * len(week) + ["not found"] * len(missed), dtype=str)
    yield Feature("geocoding", "place of the record", labels, np.concatenate([week, missed]))


def _performance(verdicts: list[Verdict]) -> Iterator[Feature]:
    """Deviance per incident of matured forecasts, week by week, for each category and champion."""
    for category, champion in dict.fromkeys((one.category, one.champion) for one in verdicts):
        own = [one for one in verdicts if (one.category, one.champion) == (category, champion) and one.observed > 0]
        starts = pd.Series(pd.to_datetime([one.start for one in own], format="ISO8601", utc=True))
        values = np.array([one.deviance / one.observed for one in own])
        told = np.isfinite(values)
        yield Feature("performance", f"deviance of {champion} for {category}", values[told], week_of(starts)[told])
