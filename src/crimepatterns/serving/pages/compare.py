"""Areas and periods compared: counts with the corrected z, and the course of each neighbourhood."""

import re
from typing import Any

from crimepatterns.errors import MissingInputError
from crimepatterns.serving.briefing import status
from crimepatterns.serving.names import with_place_names
from crimepatterns.serving.pages.charts_svg import trend_line
from crimepatterns.serving.pages.counts import usual_rows
from crimepatterns.serving.pages.weekly import WHOLE, WeeklyCounts, weekly_counts
from crimepatterns.serving.parts import Parts
from crimepatterns.serving.results import Category, Results

__all__ = ["compare_page", "courses"]

PERIODS = ("1 day", "7 days", "28 days", "year to date")
_WEEKS = 53


def compare_page(results: Results, category: Category | None) -> dict[str, Any]:
    """Return what the template needs.

    Parameters
    ----------
    results : Results
    category : Category or None
        None where nothing is stored.
    """
    part = Parts()
    return {
        "status": status(results),
        "category": category,
        "table": None if category is None else part("table", lambda: _table(results, category)),
        "trends": None if category is None else part("trends", lambda: _trends(results, category)),
        "absent": part.absent,
    }


def _trends(results: Results, category: Category) -> list[dict[str, Any]]:
    counted = weekly_counts(results)
    if not counted.days_known:
        raise MissingInputError("Times are known to the month only: weeks cannot be drawn.")
    return courses(counted, category.name)


def _table(results: Results, category: Category) -> dict[str, Any]:
    rows, facts = usual_rows(results, category)
    periods = [name for name in PERIODS if any(row["period"] == name for row in rows)]
    names = results.place_names()
    areas: dict[str, dict[str, Any]] = {}
    for row in rows:
        areas.setdefault(row["area"], {})[row["period"]] = row
    # The whole first, then those that chance explains least.
    order = sorted(areas, key=lambda name: (not _any(areas[name])["whole"], _least(areas[name]), name))
    return {
        "periods": periods,
        "areas": [{"name": name, "cells": areas[name], "whole": _any(areas[name])["whole"]} for name in order],
        "sentence": with_place_names(_in_order(str(facts.get("sentence", ""))), names),
        "fdr": float(facts.get("parameters", {}).get("fdr", 0.05)),
        "as_of": str(facts.get("as_of", ""))[:10],
    }


def _in_order(sentences: str) -> str:
    """Put what is said of each period in the order of the table: stored results tell the last day last."""
    parts = re.split(rf"(?<=\.) (?=(?:{'|'.join(PERIODS)}):)", sentences)
    order = {period: number for number, period in enumerate(PERIODS)}
    parts.sort(key=lambda part: order.get(part.partition(":")[0], len(order)))
    return " ".join(part[:1].upper() + part[1:] for part in parts)


def _any(cells: dict[str, Any]) -> dict[str, Any]:
    first: dict[str, Any] = next(iter(cells.values()))
    return first


def _least(cells: dict[str, Any]) -> float:
    return min((row["p_value"] for row in cells.values() if row["p_value"] is not None), default=1.0)


def courses(counted: WeeklyCounts, category: str) -> list[dict[str, Any]]:
    """Return the last year of each area, the whole first, then the busiest.

    Parameters
    ----------
    counted : WeeklyCounts
    category : str

    Returns
    -------
    list of dict
        ``name``, ``line`` (a drawing), ``year`` (incidents of the last 52 whole weeks), ``before`` (of the 52 before,
        None where the record is shorter), ``per_km2`` (of the year) and ``incomplete`` (the last week is not whole).
    """
    told: list[dict[str, Any]] = []
    for area in [WHOLE, *counted.areas]:
        series = counted.series(area, category)
        last = series.iloc[-_WEEKS:]
        year, before = counted.years(area, category)
        name = area or "The whole city"
        told.append(
            {
                "name": name,
                "line": trend_line(
                    last.tolist(),
                    counted.complete[-_WEEKS:].tolist(),
                    f"{name}: {category} per week over a year, {year:,} incidents, most in a week {int(last.max()):,}.",
                ),
                "year": year,
                "before": before,
                "per_km2": year / counted.km2[area] if counted.km2[area] else None,
                "incomplete": not bool(counted.complete[-1]),
            }
        )
    return [told[0], *sorted(told[1:], key=lambda one: (-one["year"], one["name"]))]
