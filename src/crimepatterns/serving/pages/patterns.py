"""Hot spots and patterns: every stored result of the patterns room for one category."""

from collections.abc import Callable
from typing import Any

import pandas as pd

from crimepatterns.errors import MissingInputError
from crimepatterns.serving.briefing import status
from crimepatterns.serving.names import with_place_names
from crimepatterns.serving.pages.cards import card_rows
from crimepatterns.serving.pages.drawing import Sketch
from crimepatterns.serving.pages.news import near_repeats_shown
from crimepatterns.serving.pages.stored import layer_of, named, records, table_of
from crimepatterns.serving.pages.surfaces import parameters_told, surface_panels
from crimepatterns.serving.parts import Parts
from crimepatterns.serving.results import Category, Results

__all__ = ["patterns_page"]

_LISTED = 12


def patterns_page(results: Results, category: Category | None) -> dict[str, Any]:
    """Return what the template needs; parts that are not there are None, with the reason in ``absent``.

    Parameters
    ----------
    results : Results
    category : Category or None
        None where nothing is stored.
    """
    part = Parts()

    def of(make: Callable[[Results, Category], Any]) -> Any:
        if category is None:
            return None
        sources = [*sorted((results.layout.patterns / category.slug).glob("*.parquet")), results.layout.study_area]
        return results.cache.get(("part", category.slug, make.__name__), sources, lambda: make(results, category))

    panels = part("panels", lambda: of(surface_panels)) or []
    told = {
        "clusters": part("clusters", lambda: of(_clusters)),
        "scan": part("scan", lambda: of(_scan)),
        "knox": part("knox", lambda: of(_knox)),
        "chains": part("chains", lambda: of(_chains)),
        "concentration": part("concentration", lambda: of(_concentration)),
    }
    every = [*(one["facts"] for one in panels), *(one for one in told.values() if one is not None)]
    return {
        "status": status(results),
        "category": category,
        "warning": next((one["warning"] for one in every if one.get("warning")), None),
        "panels": panels,
        **told,
        "cards": part("cards", lambda: card_rows(results)),
        "absent": part.absent,
    }


def _clusters(results: Results, category: Category) -> dict[str, Any]:
    layer, facts = layer_of(results, results.layer_path(category, "dbscan"))
    sketch = Sketch(results.area(), f"Clusters of {category.label}: {facts['sentence']}")
    sketch.shapes(layer.geometry, "cluster")
    sketch.hoods()
    inner = layer.geometry.representative_point()
    first = min(len(layer), _LISTED)
    sketch.marks([(one.x, one.y) for one in inner[:first]], [str(n) for n in layer["cluster"][:first]], "cluster-mark")
    return {**_told(results, facts), "rows": records(layer), "map": sketch.svg()}


def _scan(results: Results, category: Category) -> dict[str, Any]:
    layer, facts = layer_of(results, results.layer_path(category, "scan"))
    rows = records(layer)
    for row in rows:
        row["neighbourhood"] = named(row["neighbourhood"])
        row["first_day"] = _civil(results, row["start"])
        row["last_day"] = _civil(results, row["end"]) - pd.Timedelta(microseconds=1)
    return {**_told(results, facts), "rows": rows}


def _knox(results: Results, category: Category) -> dict[str, Any]:
    table, facts = table_of(results, category, "knox")
    rows = [list(part.to_dict("records")) for _, part in table.groupby("distance", sort=False)]
    return {**_told(results, facts), "rows": rows, "days": list(dict.fromkeys(table["days"]))}


def _chains(results: Results, category: Category) -> dict[str, Any]:
    layer, facts = layer_of(results, results.layer_path(category, "near_repeat"))
    sketch = Sketch(results.area(), f"Near-repeat links of {category.label}: {facts['sentence']}")
    sketch.shapes(layer.geometry, "links")
    told = {**_told(results, facts), "map": sketch.hoods().svg(), "rows": records(layer.head(_LISTED)), "alerts": None}
    for row in told["rows"]:
        row["first"], row["last"] = (_civil(results, row[name]) for name in ("first", "last"))
    try:
        alerts, about = layer_of(results, results.layer_path(category, "near_repeat_alerts"))
        shown = near_repeats_shown(results, category, about["parameters"])
    except MissingInputError:
        return told
    listed = [
        {**row, "neighbourhood": named(row["neighbourhood"]), "expires": _civil(results, row["expires"])}
        for row in records(alerts)
    ]
    return {**told, "alerts": listed[:_LISTED], "alerts_total": len(listed), "shown": shown}


def _concentration(results: Results, category: Category) -> dict[str, Any]:
    table, facts = table_of(results, category, "concentration")
    return {**_told(results, facts), "rows": records(table)}


def _told(results: Results, facts: dict[str, Any]) -> dict[str, Any]:
    names = results.place_names()
    return {
        "sentence": with_place_names(str(facts.get("sentence", "")), names),
        "null": facts.get("null", ""),
        "window": facts.get("window", ""),
        "warning": facts.get("warning"),
        "parameters": parameters_told(facts.get("parameters", {})),
    }


def _civil(results: Results, moment: pd.Timestamp) -> pd.Timestamp:
    return pd.Timestamp(moment).tz_convert(results.settings.timezone)
