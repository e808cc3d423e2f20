"""Stored layers as the map wants them: geometry once per grid, values in columns, facts and breaks beside them."""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from crimepatterns.domain.area import StudyArea
from crimepatterns.domain.grid import Grid
from crimepatterns.errors import MissingInputError
from crimepatterns.patterns.significance import discoveries
from crimepatterns.serving.failures import UnknownNameError
from crimepatterns.serving.geometry import feature_collection, features, to_degrees
from crimepatterns.serving.isobands import isobands
from crimepatterns.serving.legend import nearest_round, round_breaks
from crimepatterns.serving.names import place_name, with_place_names
from crimepatterns.serving.payloads import Payload, json_payload
from crimepatterns.serving.results import Category, Results
from crimepatterns.store.layers import read_forecast, read_layer, read_surface

__all__ = ["LAYERS", "forecast_payload", "grid_payload", "layer_payload", "plan_payload"]

_DENSITY_STEPS = (1, 1.5, 2, 3, 5, 7)
_PEAKS = 60
_HOT_QUANTILES = (0.4, 0.75, 0.93)


def layer_payload(results: Results, category: Category, layer: str) -> Payload:
    """Return a pattern layer of a category.

    Raises
    ------
    UnknownNameError
        If there is no such layer.
    MissingInputError
        If it was not made yet.
    """
    if layer not in LAYERS:
        raise UnknownNameError(f"No layer {layer[:60]!r}: choose one of {list(LAYERS)}.")
    stored, make = LAYERS[layer]
    path = results.layer_path(category, stored)
    if not path.exists():
        raise MissingInputError(f"No {layer} of {category.label} yet: run `crimepatterns patterns`.")
    sources = [path, results.layout.study_area]
    return results.cache.get((layer, category.slug), sources, lambda: json_payload(make(results, path)))


def forecast_payload(results: Results, category: Category) -> Payload:
    """Return the champion's forecast of a category for the next period; errors as in `layer_payload`."""
    path = results.forecast_path(category)
    if not path.exists():
        raise MissingInputError(
            f"Forecasts of {category.label} are not made: /api/categories tells which categories have one."
        )
    sources = [path, results.layout.study_area]
    return results.cache.get(("forecast", category.slug), sources, lambda: json_payload(_forecast(results, path)))


def plan_payload(results: Results) -> Payload:
    """Return the places of the patrol plan; errors as in `layer_payload`."""
    path = results.plan_path
    if not path.exists():
        raise MissingInputError("No patrol plan yet: run `crimepatterns plan`.")
    return results.cache.get("plan", [path], lambda: json_payload(_plan(path)))


def grid_payload(results: Results, digest: str) -> Payload:
    """Return the cells of a grid that some layer named.

    Raises
    ------
    UnknownNameError
        If no stored layer lies on it (any more).
    """
    for category in results.categories:
        for path, read in (
            (results.forecast_path(category), read_forecast),
            (results.layer_path(category, "gi_star"), read_surface),
        ):
            if path.exists() and _digest_of(results, path, read) == digest:
                return _grid_of(results, path, read, digest)
    raise UnknownNameError(f"No stored layer lies on grid {digest[:24]!r}: load the page again.")


_Read = Callable[[Path, StudyArea], tuple[Any, dict[str, Any]]]


def _digest_of(results: Results, path: Path, read: _Read) -> str:
    sources = [path, results.layout.study_area]
    return results.cache.get(("digest", str(path)), sources, lambda: _digest(read(path, results.area())[0].grid))


def _grid_of(results: Results, path: Path, read: _Read, digest: str) -> Payload:
    sources = [path, results.layout.study_area]
    return results.cache.get(
        ("grid", digest), sources, lambda: json_payload(_cells(read(path, results.area())[0].grid))
    )


# -- one function per layer ------------------------------------------------------------------------------------------


def _density(results: Results, path: Path) -> dict[str, Any]:
    surface, facts = read_surface(path, results.area())
    grid = surface.grid
    values: NDArray[np.float64] = surface.values  # noqa: PD011  # a Surface, not a Series
    mean = float(values @ grid.area_km2 / grid.area_km2.sum())
    top = float(values.max())
    breaks = round_breaks(max(mean, top / 60), top, steps=_DENSITY_STEPS, most=10)
    if grid.kind == "square":
        shapes = to_degrees(gpd.GeoSeries(list(isobands(surface, breaks)), crs=grid.area.crs))
        bands = [{"low": low, "high": high} for low, high in zip(breaks, [*breaks[1:], None], strict=True)]
    else:
        drawn = np.flatnonzero(values >= breaks[0])
        shapes = to_degrees(grid.cells.geometry.iloc[drawn])
        bands = [{"low": float(value), "high": float(value)} for value in values[drawn]]
    return {
        "facts": _told(results, facts),
        "breaks": breaks,
        "unit": surface.unit,
        "mean": mean,
        "max": top,
        "bands": feature_collection(features(shapes, bands)),
        "peaks": _peaks(grid, values, mean),
    }


def _peaks(grid: Grid, values: NDArray[np.float64], mean: float) -> list[dict[str, Any]]:
    """List the densest spot of each neighbourhood, or the densest cells where there are no names."""
    names = grid.neighbourhood.astype(str)
    order = np.lexsort((np.arange(len(grid)), -values))
    if len(set(names)) > 1:
        _, first = np.unique(names[order], return_index=True)
        order = order[np.sort(first)]
    top = order[:_PEAKS]
    centres = to_degrees(grid.cells.geometry.iloc[top].centroid)
    return [
        {
            "name": place_name(names[cell]),
            "value": round(float(values[cell]), 1),
            "times_mean": round(float(values[cell]) / mean, 1) if mean > 0 else None,
            "at": [centre.x, centre.y],
        }
        for cell, centre in zip(top, centres, strict=True)
    ]


def _gi_star(results: Results, path: Path) -> dict[str, Any]:
    surface, facts = read_surface(path, results.area())
    tested = surface.q_values if surface.q_values is not None else np.ones(len(surface.grid))
    z: NDArray[np.float64] = surface.values  # noqa: PD011  # a Surface, not a Series
    hot = discoveries(tested, fdr=float(facts["parameters"].get("fdr", 0.05)))
    strongest = z[hot]
    breaks = sorted({nearest_round(float(np.quantile(strongest, q))) for q in _HOT_QUANTILES}) if hot.any() else []
    return {
        "facts": _told(results, facts),
        "grid": _digest(surface.grid),
        "unit": surface.unit,
        "null": surface.null,
        "breaks": breaks,
        "z": _rounded(z, 2),
        "q": [float(f"{value:.2g}") for value in tested],
        "hot": np.flatnonzero(hot),
    }


def _clusters(results: Results, path: Path) -> dict[str, Any]:
    layer, facts = read_layer(path)
    names = results.place_names()
    rows = _rows(layer)
    for row in rows:
        row["sentence"] = with_place_names(str(row["sentence"]), names)
    shapes = to_degrees(layer.geometry, simplify_m=3) if len(layer) else np.empty(0, dtype=object)
    return {"facts": _told(results, facts), "places": feature_collection(features(shapes, rows))}


def _forecast(results: Results, path: Path) -> dict[str, Any]:
    forecast, facts = read_forecast(path, results.area())
    mean, areas = forecast.mean[:, 0], forecast.grid.area_km2
    levels = sorted(forecast.quantiles)
    order = np.argsort(-mean / areas, kind="stable")
    gathered = np.cumsum(mean[order]) / max(float(mean.sum()), 1e-12)
    half = float(areas[order][: int(np.searchsorted(gathered, 0.5)) + 1].sum() / areas.sum())
    return {
        "facts": _told(results, facts),
        "grid": _digest(forecast.grid),
        "unit": "expected incidents per cell",
        "start": forecast.periods.edges[0].isoformat(),
        "end": forecast.periods.edges[1].isoformat(),
        "breaks": round_breaks(max(float(mean.mean()), float(mean.max()) / 150), float(mean.max()), most=7),
        "total": float(mean.sum()),
        "half_of_expected_on_area_share": half,
        "expected": _rounded(mean, 3),
        "interval": [levels[0], levels[-1]] if len(levels) > 1 else None,
        "low": _rounded(forecast.quantiles[levels[0]][:, 0], 1) if levels else None,
        "high": _rounded(forecast.quantiles[levels[-1]][:, 0], 1) if levels else None,
        "none": _rounded(np.exp(-mean), 3),
    }


def _plan(path: Path) -> dict[str, Any]:
    layer, facts = read_layer(path)
    rows = _rows(layer)
    shapes = to_degrees(layer.geometry)
    centres = to_degrees(layer.geometry.centroid)
    return {
        "facts": facts,
        "places": feature_collection(features(shapes, rows)),
        "ranks": feature_collection(features(centres, [{"rank": row["rank"]} for row in rows])),
    }


def _cells(grid: Grid) -> dict[str, Any]:
    facts = [
        {"cell": str(cell), "name": place_name(str(name)), "km2": round(float(km2), 4)}
        for cell, name, km2 in zip(grid.ids, grid.neighbourhood, grid.area_km2, strict=True)
    ]
    return {"digest": _digest(grid), "cells": feature_collection(features(to_degrees(grid.cells.geometry), facts))}


LAYERS: Mapping[str, tuple[str, Callable[[Results, Path], dict[str, Any]]]] = {
    "density": ("density", _density),
    "gi_star": ("gi_star", _gi_star),
    "clusters": ("dbscan", _clusters),
}
"""Pattern layers by their name in addresses: the stored file and what turns it into an answer."""


def _told(results: Results, facts: Mapping[str, Any]) -> dict[str, Any]:
    names = results.place_names()
    sentence = facts.get("sentence")
    return {
        **facts,
        **(
            {"sentence": with_place_names(str(sentence), names).replace("km2", "km\N{SUPERSCRIPT TWO}")}
            if sentence
            else {}
        ),
    }


def _rows(layer: gpd.GeoDataFrame) -> list[dict[str, Any]]:
    rows = [
        {str(key): round(value, 4) if isinstance(value, float) else value for key, value in row.items()}
        for row in pd.DataFrame(layer.drop(columns="geometry")).to_dict("records")
    ]
    return [{**row, "neighbourhood": place_name(str(row["neighbourhood"]))} for row in rows]


def _digest(grid: Grid) -> str:
    text = "\n".join(map(str, grid.ids)).encode()
    return hashlib.sha256(text + shapely.to_wkb(grid.cells.geometry.iloc[0])).hexdigest()[:16]


def _rounded(values: NDArray[np.float64], digits: int) -> NDArray[np.float64]:
    return np.round(values, digits)
