"""Stage: score any file with a map, ours or a stranger's, against any file with incidents."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from crimepatterns.config import Settings
from crimepatterns.decisions.challenge_rules import NIJ
from crimepatterns.domain.area import choose_metric_crs
from crimepatterns.domain.map_units import metres_per_unit
from crimepatterns.domain.uniting import united
from crimepatterns.errors import ConfigError, DomainError, MissingInputError, SchemaError
from crimepatterns.evaluation.map_score import MapScore, score_map
from crimepatterns.evaluation.selection import Budget, select_cells
from crimepatterns.sources.context_file import ContextTable, read_context
from crimepatterns.store.layout import Layout, slug

__all__ = ["HOTSPOT", "check_file", "score_file"]

HOTSPOT = "hotspot"
"""Field of a map that says 1 for the chosen cells and 0 for the others, in any case of letters."""

_SCORES = ("score", "expected", "mean_0")
_NO_POLYGONS = "holds no polygons: give a GeoPackage, GeoJSON, Shapefile or GeoParquet of cells."
_PLACES = (("x", "y", False), ("longitude", "latitude", True), ("lon", "lat", True))


def score_file(
    settings: Settings,
    truth: Path,
    *,
    forecast: Path | None = None,
    category: str | None = None,
    field: str | None = None,
    before: Path | None = None,
    start: str | None = None,
    until: str | None = None,
) -> dict[str, Any]:
    """Score a map of cells against the incidents that happened.

    Parameters
    ----------
    settings : Settings
        ``columns`` and ``cleaning.coordinates_crs`` say how a file of incidents without geometry is read,
        ``study_area.boundary`` what the area A is (all cells where it is null), and ``evaluation`` the confidence and,
        for a map of scores, the share of the area that is chosen.
    truth : Path
        Incidents: points, or a table with their coordinates. Only those of the category in question.
    forecast : Path, optional
        Polygons with a `HOTSPOT` field, or with scores; the champion's last forecast of `category` where it is left
        out.
    category : str, optional
    field : str, optional
        Field with the hot spots or scores, where it has another name.
    before : Path, optional
        Incidents before the forecast, for the recapture rate.
    start, until : str, optional
        Count only incidents from the one day to before the other.

    Returns
    -------
    dict
        ``map``, ``field``, ``chosen``, ``cells``, ``area``, ``without_place``, the score (see `MapScore.to_json`) and
        ``sentences``.

    Raises
    ------
    ConfigError
        If there is no map to score.
    SchemaError
        If a file has no reference system, no places or no such field.
    DomainError
        If cells overlap, none is chosen, or no incident is left.
    """
    path = _map_path(settings, forecast, category)
    plane = _Plane.of(path, _read(path))
    values, used = plane.values(field)
    share, how = _chosen(values, plane.cells, settings)
    happened = _incidents(settings, truth, plane, start, until)
    earlier = None if before is None else _incidents(settings, before, plane, None, None).places
    area_km2, area = _study_area(settings, plane)
    score = score_map(
        plane.cells,
        share,
        happened.places,
        study_area_km2=area_km2,
        before=earlier,
        confidence=settings.evaluation.confidence,
    )
    facts = {
        "map": str(path),
        "field": used,
        "chosen": how,
        "cells": len(plane.cells),
        "area": area,
        "without_place": happened.without_place,
        **score.to_json(),
    }
    return {**facts, "sentences": _sentences(score, facts)}


def check_file(settings: Settings, forecast: Path) -> dict[str, Any]:
    """Say which rules of the NIJ challenge a map breaks.

    Parameters
    ----------
    settings : Settings
        ``cleaning.coordinates_crs`` is the reference system of the records, which the map must have.
    forecast : Path
        All cells of the map.

    Returns
    -------
    dict
        ``map``, ``rules``, ``broken_rules`` (sentences; none where it is valid) and ``sentences``.
    """
    read = _read(forecast)
    if read.geometry is None:
        raise SchemaError(
            f"{forecast} holds no polygons: give a GeoPackage, GeoJSON, Shapefile or GeoParquet of cells."
        )
    attributes = read.table.select(list(read.columns)).to_pandas()
    cells = gpd.GeoDataFrame(attributes, geometry=read.geometry, crs=read.crs)
    broken = NIJ.broken_by(cells, crs=settings.cleaning.coordinates_crs)
    said = [f"{forecast.name} breaks the rules of {NIJ.name}.", *broken] if broken else [f"{forecast.name} is valid."]
    return {"map": str(forecast), "rules": NIJ.name, "broken_rules": broken, "sentences": said}


@dataclass(frozen=True, eq=False)
class _Plane:
    """A map in metres: its own projected plane, or a UTM zone where it is in degrees."""

    cells: gpd.GeoDataFrame
    crs: str
    scale: float

    @classmethod
    def of(cls, path: Path, read: ContextTable) -> "_Plane":
        if read.geometry is None:
            raise SchemaError(f"{path} {_NO_POLYGONS}")
        if read.crs is None:
            raise SchemaError(f"{path} does not name its reference system: write it again with one, such as EPSG:2913.")
        scale, crs = metres_per_unit(read.crs), read.crs
        shapes = gpd.GeoSeries(read.geometry, crs=crs)
        if scale is None:
            centre = np.asarray(shapes.to_crs("EPSG:4326").total_bounds).reshape(2, 2)
            crs, scale = choose_metric_crs(centre[:, 0], centre[:, 1]), 1.0
            shapes = shapes.to_crs(crs)
        metres = shapely.transform(shapes.to_numpy(), lambda xy: xy * scale)
        attributes = read.table.select(list(read.columns)).to_pandas()
        return cls(gpd.GeoDataFrame(attributes, geometry=metres), crs, scale)

    def places(self, points: gpd.GeoSeries) -> NDArray[np.float64]:
        """Coordinates of points in this plane, shape (n, 2), metres."""
        return np.asarray(shapely.get_coordinates(points.to_crs(self.crs).to_numpy()) * self.scale)

    def values(self, field: str | None) -> tuple[NDArray[np.float64], str]:
        """Numbers of the field that ranks or chooses the cells, and its name."""
        named = {str(name).lower(): str(name) for name in self.cells.columns if name != "geometry"}
        wanted = [field.lower()] if field is not None else [HOTSPOT, *_SCORES]
        found = next((named[name] for name in wanted if name in named), None)
        if found is None:
            raise SchemaError(
                f"The map has no field {field or HOTSPOT!r}, it has {sorted(named.values())}: "
                "name the one with hot spots (0 and 1) or scores by --field."
            )
        numbers = pd.to_numeric(self.cells[found], errors="coerce").to_numpy(dtype=float)
        if not np.isfinite(numbers).all():
            raise SchemaError(
                f"Field {found} must hold a number in every cell, {int((~np.isfinite(numbers)).sum())} lack it."
            )
        return numbers, found


@dataclass(frozen=True, eq=False)
class _Incidents:
    places: NDArray[np.float64]
    without_place: int


def _read(path: Path) -> ContextTable:
    if not path.is_file():
        raise MissingInputError(f"{path} does not exist: check --forecast, --truth and --before.")
    return read_context(path)


def _map_path(settings: Settings, forecast: Path | None, category: str | None) -> Path:
    if forecast is not None:
        return forecast
    if category is None:
        raise ConfigError("Nothing to score: give --forecast FILE, or --category for our own last forecast.")
    path = Layout(settings.root, settings.city).forecasts / f"{slug(category)}.parquet"
    if not path.exists():
        raise ConfigError(f"No forecast of {category!r} in {path.parent}: run `crimepatterns forecast` first.")
    return path


def _chosen(
    values: NDArray[np.float64], cells: gpd.GeoDataFrame, settings: Settings
) -> tuple[NDArray[np.float64], str]:
    if np.isin(values, (0.0, 1.0)).all():
        return values, "cells marked 1"
    budget = Budget(area_share=settings.evaluation.primary_budget)
    chosen = select_cells(values, shapely.area(cells.geometry.to_numpy()) / 1e6, budget)
    return chosen, f"highest scores, {budget.label}"


def _incidents(settings: Settings, path: Path, plane: _Plane, start: str | None, until: str | None) -> _Incidents:
    read = _read(path)
    rows = read.table.select(list(read.columns)).to_pandas()
    points = _points(settings, path, read, rows)
    timely = _timely(settings, path, rows, start, until)
    placed = ~(points.is_empty | points.isna()).to_numpy()
    kept = points[timely & placed]
    return _Incidents(plane.places(kept), int((timely & ~placed).sum()))


def _points(settings: Settings, path: Path, read: ContextTable, rows: pd.DataFrame) -> gpd.GeoSeries:
    if read.geometry is not None:
        if read.crs is None:
            raise SchemaError(f"{path} does not name its reference system: write it again with one.")
        points = gpd.GeoSeries(read.geometry, crs=read.crs)
        if not set(points.geom_type.dropna()) <= {"Point"}:
            raise SchemaError(f"{path} must hold points of incidents, found {sorted(set(points.geom_type.dropna()))}.")
        return points
    columns, crs = settings.columns, settings.cleaning.coordinates_crs
    own = ((columns.x, columns.y, False), (columns.longitude, columns.latitude, False))
    for x, y, degrees in (*own, *_PLACES):
        if x in rows.columns and y in rows.columns:
            east, north = (pd.to_numeric(rows[name], errors="coerce") for name in (x, y))
            known = east.notna() & north.notna()
            made = gpd.points_from_xy(east.where(known), north.where(known))
            return gpd.GeoSeries(made, crs="EPSG:4326" if degrees else crs).where(known.to_numpy())
    raise SchemaError(
        f"{path} has no coordinates that are known, only {list(rows.columns)}: name them by columns.x and columns.y "
        "with cleaning.coordinates_crs, in the city file or by --set."
    )


def _timely(
    settings: Settings, path: Path, rows: pd.DataFrame, start: str | None, until: str | None
) -> NDArray[np.bool_]:
    if start is None and until is None:
        return np.ones(len(rows), dtype=bool)
    name = settings.columns.occurred_from or settings.columns.date
    if name is None or name not in rows.columns:
        raise SchemaError(
            f"{path} has no column {name!r} with days: set columns.occurred_from, or leave --from and --until out."
        )
    formats = settings.cleaning.time_format
    # Civil days decide, as written in the file.
    moments = pd.to_datetime(rows[name], format=formats[0] if formats else None, errors="coerce")
    try:
        edges = [pd.Timestamp(day) for day in (start or "1677-10-01", until or "2262-01-01")]
    except ValueError as error:
        raise ConfigError(f"--from and --until need days such as 2017-03-01, got {start} and {until}.") from error
    plain = moments.dt.tz_localize(None) if moments.dt.tz is not None else moments
    return ((plain >= edges[0]) & (plain < edges[1])).to_numpy()


def _study_area(settings: Settings, plane: _Plane) -> tuple[float | None, str]:
    if settings.study_area.boundary is None:
        return None, "all cells of the map"
    try:
        parts = gpd.read_file(settings.study_area.boundary).to_crs(plane.crs).geometry.to_numpy()
    except (OSError, ValueError) as error:
        raise DomainError(f"study_area.boundary {settings.study_area.boundary} cannot be read: {error}") from error
    return float(united(shapely.make_valid(parts)).area) * plane.scale**2 / 1e6, "study_area.boundary"


def _sentences(score: MapScore, facts: Mapping[str, Any]) -> list[str]:
    caught = score.caught
    pei = "hit rate (saturated)" if caught.saturated else "PEI"
    first = (
        f"{caught.hits:g} of {caught.total:g} incidents fell into the chosen {caught.area_km2:.3f} km2 of "
        f"{caught.total_area_km2:.1f} km2 ({facts['chosen']}); the best choice of that area held {caught.best:g}."
    )
    told = [
        first,
        f"Hit rate {_interval(score.hit_rate, 3)}, PAI {_interval(score.pai, 1)}, {pei} {_interval(score.pei, 3)}.",
    ]
    if np.isfinite(score.rri):
        told.append(f"RRI {score.rri:.2f}: the share of incidents in these cells, as a multiple of that before.")
    if score.outside or facts["without_place"]:
        told.append(
            f"{score.outside} incidents lie in no cell and count as missed; {facts['without_place']} have no "
            "coordinates and are left out."
        )
    return told


def _interval(value: tuple[float, float, float], digits: int) -> str:
    return f"{value[0]:.{digits}f} ({value[1]:.{digits}f} to {value[2]:.{digits}f})"
