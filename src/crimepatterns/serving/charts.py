"""Numbers behind the charts: incidents per week, and by hour and weekday, counted once per cleaning."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crimepatterns.patterns.rhythms import WEEKDAYS, hour_known
from crimepatterns.patterns.window import last_days
from crimepatterns.serving.payloads import Payload, json_payload
from crimepatterns.serving.results import ALL, Category, Results
from crimepatterns.store.incidents import read_incidents

__all__ = ["rhythm_payload", "trend_payload"]

_RHYTHM_DAYS = 364  # whole weeks, so that every weekday occurs equally often


@dataclass(frozen=True)
class _Counts:
    """Small tables made from all incidents, so that these need not stay in memory."""

    weeks: pd.DataFrame  # index: Monday; columns: category, and ALL that citizens reported
    complete: NDArray[np.bool_]
    rhythm: dict[str, tuple[NDArray[np.int64], float, int]]
    window: str
    as_of: str


def trend_payload(results: Results, category: Category) -> Payload:
    """Return incidents per civil week of a category; a first or last week that is not whole is marked.

    Raises
    ------
    MissingInputError
        If cleaning has not run.
    """

    def make() -> Payload:
        counts = _counts(results)
        series = counts.weeks[category.name]
        weeks = [
            {"week": week.date().isoformat(), "incidents": int(count), "complete": bool(whole)}
            for week, count, whole in zip(series.index, series, counts.complete, strict=True)
        ]
        return json_payload(
            {"category": category.name, "unit": "incidents per week", "as_of": counts.as_of, "weeks": weeks}
        )

    return results.cache.get(("trend", category.slug), [results.layout.cleaning_report], make)


def rhythm_payload(results: Results, category: Category) -> Payload:
    """Return incidents by weekday and hour over the last 52 weeks, of those whose hour is known; errors as above."""

    def make() -> Payload:
        counts = _counts(results)
        table, known, total = counts.rhythm[category.name]
        cells = [
            {"weekday": day, "hour": hour, "incidents": int(table[i, hour]), "per_week": round(table[i, hour] / 52, 3)}
            for i, day in enumerate(WEEKDAYS)
            for hour in range(24)
        ]
        return json_payload(
            {
                "category": category.name,
                "unit": "incidents per week in that hour",
                "window": counts.window,
                "known_share": known,
                "incidents": total,
                "cells": cells,
            }
        )

    return results.cache.get(("rhythm", category.slug), [results.layout.cleaning_report], make)


def _counts(results: Results) -> _Counts:
    return results.cache.get("counts", [results.layout.cleaning_report], lambda: _count(results))


def _count(results: Results) -> _Counts:
    incidents = read_incidents(results.layout.incidents, results.area())
    table = incidents.table[["occurred_from", "occurred_until", "time_precision", "category", "discovery"]]
    window = last_days(incidents, days=_RHYTHM_DAYS)
    wall = table["occurred_from"].dt.tz_localize(None)
    monday = wall.dt.normalize() - pd.to_timedelta(wall.dt.day_of_week, unit="D")
    weeks = pd.crosstab(monday, table["category"].astype(str))
    reported = table["discovery"] == "reported"
    weeks[ALL] = monday[reported].value_counts().reindex(weeks.index, fill_value=0)
    every = pd.date_range(weeks.index.min(), weeks.index.max(), freq="7D")
    weeks = weeks.reindex(every, fill_value=0)
    first, end = wall.min().normalize(), window.end.tz_localize(None)
    complete = (weeks.index >= first) & (weeks.index <= end - pd.Timedelta(days=7))
    recent = table.loc[(table["occurred_from"] >= window.start) & (table["occurred_from"] < window.end)]
    rhythm = {str(name): _rhythm(part) for name, part in recent.groupby(recent["category"].astype(str))}
    rhythm = {**dict.fromkeys(incidents.categories, _rhythm(recent.iloc[:0])), **rhythm}
    rhythm[ALL] = _rhythm(recent.loc[recent["discovery"] == "reported"])
    return _Counts(weeks, np.asarray(complete), rhythm, str(window), window.end.isoformat())


def _rhythm(part: pd.DataFrame) -> tuple[NDArray[np.int64], float, int]:
    known = hour_known(part)
    moments = part.loc[known, "occurred_from"].dt
    flat = moments.day_of_week.to_numpy() * 24 + moments.hour.to_numpy()
    counted = np.bincount(flat, minlength=168).reshape(7, 24)
    return counted, round(float(known.mean()), 4) if len(part) else 0.0, len(part)
