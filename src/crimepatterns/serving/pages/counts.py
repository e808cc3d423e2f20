"""Recent counts beside what is usual, gathered over the categories."""

from typing import Any

import pandas as pd

from crimepatterns.errors import MissingInputError
from crimepatterns.serving.names import place_name
from crimepatterns.serving.pages.stored import records, table_of
from crimepatterns.serving.results import ALL, Category, Results

__all__ = ["exceedances", "usual_rows"]


def usual_rows(results: Results, category: Category) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the stored comparisons of one category, one per period and area, and their facts.

    ``whole`` tells whether a row is about the whole study area.

    Raises
    ------
    MissingInputError
        If they were not made.
    """
    table, facts = table_of(results, category, "usual")
    whole = str(table["area"].iloc[0]) if len(table) else ""
    return [
        {**row, "area": place_name(str(row["area"])), "whole": row["area"] == whole} for row in records(table)
    ], facts


def exceedances(results: Results, periods: tuple[str, ...]) -> dict[str, Any]:
    """Gather what is not as usual in some periods, the least likely by chance first.

    Parameters
    ----------
    results : Results
    periods : tuple of str
        Names of periods, such as ``1 day``.

    Returns
    -------
    dict
        ``rows`` (those with more or fewer), ``whole`` (one row per category and period about the whole area),
        ``compared`` (number of comparisons), ``fdr``, ``as_of``, ``absent`` (categories without such a table) and
        ``unknown`` (periods that no table holds: made before they existed).
    """
    found: list[dict[str, Any]] = []
    absent: list[str] = []
    about: dict[str, Any] = {}
    for category in results.categories:
        if not category.patterns or category.slug == ALL:
            continue
        try:
            rows, facts = usual_rows(results, category)
        except MissingInputError:
            absent.append(category.label)
            continue
        about = facts
        found += [{**row, "category": category.label, "slug": category.slug} for row in rows]
    told = [row for row in found if row["period"] in periods]
    unusual = [row for row in told if row["verdict"] in ("more", "fewer")]
    order = {period: k for k, period in enumerate(periods)}
    return {
        "rows": sorted(unusual, key=lambda row: (order[row["period"]], row["q_value"], row["category"], row["area"])),
        "whole": [row for row in told if row["whole"]],
        "compared": sum(row["verdict"] != "" for row in told),
        "fdr": float(about.get("parameters", {}).get("fdr", 0.05)),
        "as_of": pd.Timestamp(about["as_of"]) if about else None,
        "absent": absent,
        "unknown": [period for period in periods if found and not any(row["period"] == period for row in found)],
    }
