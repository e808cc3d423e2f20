"""Numbers behind the charts: incidents per week or month, and by hour and weekday, counted once per cleaning."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crimepatterns.patterns.calendar_counts import CalendarCounts, count_by_calendar, period_of, record_of
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

    periods: CalendarCounts  # columns: category, and ALL that citizens reported
    rhythm: dict[str, tuple[NDArray[np.int64], float, int]]
    window: str
    as_of: str


def trend_payload(results: Results, category: Category) -> Payload:
    """Return incidents per civil week of a category; a first or last week that is not whole is marked.

    Where times are known to the month only, months take the place of weeks.

    Raises
    ------
    MissingInputError
        If cleaning has not run.
    """

    def make() -> Payload:
        counts = _counts(results)
        step, series = counts.periods.unit, counts.periods.counts[category.name]
        periods = [
            {"start": start.date().isoformat(), "incidents": int(count), "complete": bool(whole)}
            for start, count, whole in zip(series.index, series, counts.periods.complete, strict=True)
        ]
        facts = {"category": category.name, "unit": f"incidents per {step}", "step": step, "as_of": counts.as_of}
        return json_payload({**facts, "periods": periods})

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
    monthly = results.month_only
    periods = count_by_calendar(incidents, record_of(incidents), monthly=monthly)
    own = period_of(table.loc[table["discovery"] == "reported", "occurred_from"], monthly=monthly).dt.start_time
    periods.counts[ALL] = own.value_counts().reindex(periods.counts.index, fill_value=0)
    window = last_days(incidents, days=_RHYTHM_DAYS)
    recent = table.loc[(table["occurred_from"] >= window.start) & (table["occurred_from"] < window.end)]
    rhythm = {str(name): _rhythm(part) for name, part in recent.groupby(recent["category"].astype(str))}
    rhythm = {**dict.fromkeys(incidents.categories, _rhythm(recent.iloc[:0])), **rhythm}
    rhythm[ALL] = _rhythm(recent.loc[recent["discovery"] == "reported"])
    return _Counts(periods, rhythm, str(window), window.end.isoformat())


def _rhythm(part: pd.DataFrame) -> tuple[NDArray[np.int64], float, int]:
    known = hour_known(part)
    moments = part.loc[known, "occurred_from"].dt
    flat = moments.day_of_week.to_numpy() * 24 + moments.hour.to_numpy()
    counted = np.bincount(flat, minlength=168).reshape(7, 24)
    return counted, round(float(known.mean()), 4) if len(part) else 0.0, len(part)
