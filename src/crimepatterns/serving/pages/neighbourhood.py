"""The profile of a neighbourhood: course, seasons, hours, concentration, forecast, and a summary in plain words."""

from typing import Any

import numpy as np
import pandas as pd

from crimepatterns.errors import MissingInputError
from crimepatterns.serving.briefing import status
from crimepatterns.serving.failures import UnknownNameError
from crimepatterns.serving.names import count_text, place_name
from crimepatterns.serving.pages.charts_svg import bars, hour_grid, trend_line
from crimepatterns.serving.pages.counts import usual_rows
from crimepatterns.serving.pages.drawing import Sketch
from crimepatterns.serving.pages.stored import layer_of, records
from crimepatterns.serving.pages.weekly import WHOLE, WeeklyCounts, weekly_counts
from crimepatterns.serving.results import ALL, Category, Results
from crimepatterns.store.layers import read_table

__all__ = ["neighbourhood_list", "neighbourhood_page"]

_WEEKS = 105
_MONTHS = "JFMAMJJASOND"


def neighbourhood_list(results: Results) -> dict[str, Any]:
    """Return every neighbourhood with its last year; ``areas`` is None before cleaning."""
    try:
        counted = weekly_counts(results)
    except MissingInputError:
        return {"status": status(results), "areas": None}
    areas = []
    for name in counted.areas:
        year, before = counted.years(name, ALL)
        areas.append({"name": name, "year": year, "before": before, "km2": counted.km2[name]})
    return {"status": status(results), "areas": sorted(areas, key=lambda one: -one["year"])}


def neighbourhood_page(results: Results, name: str) -> dict[str, Any]:
    """Return what the template needs of one neighbourhood.

    Raises
    ------
    UnknownNameError
        If there is none of that name.
    MissingInputError
        Before cleaning.
    """
    counted = weekly_counts(results)
    if name not in counted.areas:
        raise UnknownNameError(f"No neighbourhood {name[:60]!r}: see /neighbourhoods.")
    rows = [_row(results, counted, category, name) for category in results.categories if category.slug != ALL]
    forecast = [row for row in rows if row["expected"] is not None]
    series = counted.series(name, ALL)
    last = series.iloc[-_WEEKS:]
    months = counted.months[name] if name in counted.months else pd.Series(np.nan, index=range(1, 13))
    year, before = counted.years(name, ALL)
    facts = {"year": year, "before": before, "share": year / max(counted.years(WHOLE, ALL)[0], 1)}
    return {
        "status": status(results),
        "name": name,
        "rows": rows,
        "facts": facts,
        "km2": counted.km2[name],
        "trend": trend_line(
            last.tolist(), counted.complete[-_WEEKS:].tolist(),
            f"{name}: reported incidents per week over two years, most {int(last.max()):,}.", width=720, height=110,
        ) if counted.days_known else None,
        "incomplete": not bool(counted.complete[-1]),
        "months": bars(months.tolist(), list(_MONTHS), f"{name}: reported incidents per day by month of the year."),
        "hours": hour_grid(counted.hours[name], f"{name}: reported incidents by weekday and hour, last 52 weeks."),
        "map": _map(results, name),
        "summary": _summary(name, facts, rows, months, counted.hours[name], _half(results, name)),
        "forecast_total": sum(row["expected"] for row in forecast) if forecast else None,
    }  # fmt: skip


def _row(results: Results, counted: WeeklyCounts, category: Category, name: str) -> dict[str, Any]:
    year, before = counted.years(name, category.name)
    told: dict[str, Any] = {
        "category": category.label,
        "slug": category.slug,
        "year": year,
        "before": before,
        "expected": None,
        "usual": None,
    }
    path = results.layout.forecasts / "areas" / f"{category.slug}.parquet"
    if path.exists():
        table, _ = results.cache.get(("areas", category.slug), [path], lambda: read_table(path))
        own = [row for row in records(table) if place_name(str(row["area"])) == name]
        if own:
            told |= {key: own[0][key] for key in ("expected", "lower", "upper", "chance_of_none")}
    try:
        usual = usual_rows(results, category)[0]
    except MissingInputError:
        return told
    month = [row for row in usual if row["area"] == name and row["period"] == "28 days" and row["verdict"]]
    return {**told, "usual": month[0] if month else None}


def _half(results: Results, name: str) -> float | None:
    """Return the share of the neighbourhood's cells that together expect half of what it expects."""
    forecasts = [one for one in results.categories if one.forecast]
    total: Any = 0.0
    for category in forecasts:
        layer, _ = layer_of(results, results.forecast_path(category))
        own = layer["neighbourhood"].map(lambda hood: place_name(str(hood or ""))) == name
        total = total + layer.loc[own, "mean_0"].to_numpy(dtype=float)
    if not forecasts or not np.size(total) or not np.sum(total) > 0:
        return None
    gathered = np.cumsum(np.sort(total)[::-1]) / np.sum(total)
    return float((int(np.searchsorted(gathered, 0.5)) + 1) / len(gathered))


def _summary(
    name: str, facts: dict[str, Any], rows: list[dict[str, Any]], months: pd.Series, hours: Any, half: float | None
) -> list[str]:
    """Say the profile in plain sentences."""
    told = [
        (
            f"{name} had {facts['year']:,} reported incidents in the last 52 whole weeks, "
            f"{facts['share'] * 100:.1f} % of the city's."
        )
    ]
    if facts["before"]:
        way = "more" if facts["year"] > facts["before"] else "fewer"
        told.append(
            f"In the 52 weeks before there were {facts['before']:,}"
            + (
                f": {abs(facts['year'] - facts['before']):,} {way} now."
                if facts["year"] != facts["before"]
                else " too."
            )
        )
    most = max(rows, key=lambda row: row["year"], default=None)
    if most and most["year"]:
        told.append(f"The most frequent is {most['category']} ({most['year']:,}).")
    unusual = [row for row in rows if row["usual"] and row["usual"]["verdict"] in ("more", "fewer")]
    told += [
        f"In the last 28 days {row['category']} was {row['usual']['verdict']} than usual: {row['usual']['count']:,} "
        f"against {count_text(row['usual']['usual'])}."
        for row in unusual
    ]
    if rows and not unusual and any(row["usual"] for row in rows):
        told.append("In the last 28 days no category was beyond what chance explains.")
    told += _rhythm(months, hours)
    expected = [row for row in rows if row["expected"] is not None]
    if expected:
        parts = ", ".join(
            f"{row['category']} {count_text(row['expected'])} ({row['lower']:.0f} to {row['upper']:.0f})"
            for row in expected
        )
        told.append(f"Expected in the coming period: {parts}.")
    if half is not None:
        told.append(f"Half of what is expected lies in {half * 100:.0f} % of its cells.")
    return told


def _rhythm(months: pd.Series, hours: Any) -> list[str]:
    """Say the busiest month and the busiest four hours."""
    told = []
    if months.notna().all() and months.sum() > 0:
        peak = int(np.argmax(months)) + 1
        told.append(f"The busiest month is usually {pd.Timestamp(2000, peak, 1):%B}.")
    if hours.sum() >= 24:
        start = int(np.argmax([np.roll(hours.sum(axis=0), -hour)[:4].sum() for hour in range(24)]))
        share = np.roll(hours.sum(axis=0), -start)[:4].sum() / hours.sum()
        told.append(
            f"{share * 100:.0f} % of those with a known hour fall between {start:02d}:00 and {(start + 4) % 24:02d}:00."
        )
    return told


def _map(results: Results, name: str) -> Any:
    area = results.area()
    own = area.neighbourhoods.loc[[place_name(str(one)) == name for one in area.neighbourhoods["name"]]]
    return Sketch(area, f"Where {name} lies in {area.name}.").shapes(own.geometry, "tone-4").hoods().svg()
