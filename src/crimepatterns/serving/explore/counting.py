"""Counts of one question over time, by hour and weekday, offence, neighbourhood and cell, all of the same incidents."""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from crimepatterns.serving.explore.filters import Condition, Filters, condition, date_of
from crimepatterns.serving.explore.record import NO_HOUR, Record, View

__all__ = ["Step", "count", "public_sentence"]

Step = Literal["day", "week", "month"]

_Columns = Mapping[str, NDArray[Any]]

_PARTS = ("day", "how", "category", "offence", "hood", "cell")
_MOST_DAYS = 92
_MOST_WEEKS_DAYS = 3 * 366


def count(record: Record, view: View, filters: Filters, *, step: Step | None = None) -> dict[str, Any]:
    """Answer a question.

    The counts by hour leave the filter of hours out, those by offence the filter of offences, those by area the filter
    of areas, so that each shows what else could be chosen; all others keep to every filter.

    Parameters
    ----------
    record, view : Record, View
    filters : Filters
    step : str, optional
        Of the counts over time; None chooses it by the length of the period. Analysts get
        months where days are not known, the public always weeks.

    Returns
    -------
    dict
        Ready for JSON.
    """
    asked = condition(record, view, filters)
    parts = _columns(record, view, asked, _PARTS)
    days = _summed(parts, "day")
    total = int(days[1].sum())
    return {
        "total": total,
        "exact": view.exact,
        "rule": None if view.exact else public_sentence(record),
        "filters": filters.told(),
        "before": _before(record, view, filters),
        "times": _times(record, view, filters, days, step),
        "rhythm": _rhythm(record, view, filters, parts) if view.exact else None,
        "offences": _offences(record, view, filters, parts),
        "areas": _areas(record, view, filters, parts),
        "cells": _cells(parts),
    }


def public_sentence(record: Record) -> str:
    """Say what the public's counts are."""
    rule = record.rule
    return (
        f"Approximate: whole weeks, cells of {rule.cell_size_m:,.0f} m, counts in steps of {rule.smallest_count}; "
        "sensitive offences are not shown."
    )


def _columns(record: Record, view: View, asked: Condition, names: tuple[str, ...]) -> _Columns:
    # One scan whose columns numpy adds up: several times faster than one GROUP BY for each of them.
    wanted = names if view.exact else (*names, "n")  # an exact row is one incident
    sql = f"SELECT {', '.join(wanted)} FROM {view.table} WHERE {asked.sql}"  # noqa: S608
    return record.room.columns(sql, asked.bound, chosen=asked.chosen)


def _summed(parts: _Columns, name: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the values of a column that occur, rising, and the incidents of each."""
    values = np.asarray(parts[name])
    if not len(values):
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    low = int(values.min())
    counts = np.bincount(values.astype(np.int64) - low, weights=parts.get("n"))
    there = np.flatnonzero(counts)
    return there + low, counts[there].astype(np.int64)


def _before(record: Record, view: View, filters: Filters) -> dict[str, Any] | None:
    """Count the period of the same length just before; None where the record does not reach so far back."""
    length = filters.end - filters.start
    start = filters.start - length
    if start < record.first:
        return None
    asked = condition(record, view, filters.without(start=start, end=filters.start))
    sql = f"SELECT coalesce(sum(n), 0)::BIGINT AS n FROM {view.table} WHERE {asked.sql}"  # noqa: S608
    found = record.room.columns(sql, asked.bound, chosen=asked.chosen)
    return {
        "from": date_of(start).isoformat(),
        "until": date_of(filters.start).isoformat(),
        "total": int(found["n"][0]),
    }


def _times(
    record: Record, view: View, filters: Filters, days: tuple[NDArray[Any], NDArray[np.int64]], step: Step | None
) -> dict[str, Any]:
    start, end = max(filters.start, record.first), min(filters.end, record.end)
    if not view.exact:
        step, start, end = "week", start - (start + 3) % 7, end + -(end + 3) % 7
    elif not record.days_known:
        step = "month"
    elif step is None:
        length = end - start
        step = "day" if length <= _MOST_DAYS else "week" if length <= _MOST_WEEKS_DAYS else "month"
    edges = _edges(start, end, step) if end > start else np.array([0])
    counts = np.zeros(max(0, len(edges) - 1), dtype=np.int64)
    if len(counts):
        np.add.at(counts, np.searchsorted(edges, days[0], side="right") - 1, days[1])
    whole = (edges[:-1] >= max(filters.start, record.first)) & (edges[1:] <= min(filters.end, record.end))
    return {
        "step": step,
        "starts": [date_of(day).isoformat() for day in edges[:-1]],
        "counts": counts.tolist(),
        "complete": whole.tolist(),
    }


def _edges(start: int, end: int, step: Step) -> NDArray[np.int64]:
    """Return where periods begin, and where the last one ends: the first may begin before `start`."""
    if step == "day":
        return np.arange(start, end + 1)
    if step == "week":
        monday = start - (start + 3) % 7
        return np.arange(monday, end + 7, 7) if (end - monday) % 7 else np.arange(monday, end + 1, 7)
    first = np.datetime64(start, "D").astype("datetime64[M]")
    last = np.datetime64(end - 1, "D").astype("datetime64[M]") + 2
    return np.arange(first, last).astype("datetime64[D]").astype(np.int64)


def _rhythm(record: Record, view: View, filters: Filters, parts: _Columns) -> dict[str, Any]:
    if filters.hours:
        parts = _columns(record, view, condition(record, view, filters.without(hours=())), ("how",))
    hours, counts = _summed(parts, "how")
    table = np.zeros(NO_HOUR + 1, dtype=np.int64)
    table[hours] = counts
    return {"counts": table[:168].tolist(), "unknown": int(table[NO_HOUR])}


def _offences(record: Record, view: View, filters: Filters, parts: _Columns) -> dict[str, int]:
    if filters.offences:
        wide = condition(record, view, filters.without(offences=()))
        parts = _columns(record, view, wide, ("category", "offence"))
    whole, finer = _by_code(parts, "category"), _by_code(parts, "offence")
    return {
        short: (whole if one.category is None else finer).get(one.code, 0) for short, one in view.labels.nodes.items()
    }


def _areas(record: Record, view: View, filters: Filters, parts: _Columns) -> dict[str, int]:
    if filters.areas:
        parts = _columns(record, view, condition(record, view, filters.without(areas=())), ("hood",))
    counts = _by_code(parts, "hood")
    return {short: counts.get(code, 0) for short, code in view.labels.hoods.items()}


def _by_code(parts: _Columns, name: str) -> dict[int, int]:
    codes, counts = _summed(parts, name)
    return dict(zip(codes.tolist(), counts.tolist(), strict=True))


def _cells(parts: _Columns) -> dict[str, Any]:
    cells, counts = _summed(parts, "cell")
    return {"index": cells.tolist(), "counts": counts.tolist()}
