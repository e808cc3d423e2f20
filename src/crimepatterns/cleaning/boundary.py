"""Make the study area: from a boundary layer, or around the incidents where there is none."""

import geopandas as gpd
import numpy as np
import pandas as pd
import pyproj
import shapely
from numpy.typing import NDArray

from crimepatterns.domain.area import StudyArea, choose_metric_crs, empty_neighbourhoods
from crimepatterns.domain.uniting import united
from crimepatterns.errors import StudyAreaError

__all__ = ["area_around", "area_from_polygons"]

_CELL_M = 250.0
_HULL_RATIO = 0.12
_FAR = 20.0
_BLOCK_M = 5000.0
_ROWS = 1 << 20


def area_from_polygons(
    boundary: gpd.GeoDataFrame,
    neighbourhoods: gpd.GeoDataFrame | None,
    *,
    name: str,
    timezone: str,
    crs: str | None,
    neighbourhood_name: str | None = None,
    buffer_m: float = 0.0,
) -> StudyArea:
    """Unite the polygons of a layer to the study area.

    Parameters
    ----------
    boundary : GeoDataFrame
        All its polygons together are the area; without a reference system it is taken as WGS84.
    neighbourhoods : GeoDataFrame or None
        Named parts; None takes the rows of `boundary` if it has several.
    name, timezone : str
    crs : str or None
        Metric system; None chooses the UTM zone at the middle of the boundary.
    neighbourhood_name : str, optional
        Column with the names; None takes the first text column without repeats.
    buffer_m : float
        Widen the boundary, metres.

    Raises
    ------
    StudyAreaError
        If the layer holds no polygon, or the column of names is not there.
    """
    parts = _polygons(boundary, "study_area.boundary")
    if crs is None:
        west, south, east, north = parts.to_crs("EPSG:4326").total_bounds
        crs = choose_metric_crs([(west + east) / 2], [(south + north) / 2])
    named = parts if neighbourhoods is None else _polygons(neighbourhoods, "study_area.neighbourhoods")
    whole = united(_valid(parts.to_crs(crs).geometry.to_numpy()))
    return StudyArea(
        name,
        _only_polygons(shapely.buffer(whole, buffer_m) if buffer_m else whole),
        crs,
        timezone,
        empty_neighbourhoods(crs) if len(named) < 2 else _neighbourhoods(named.to_crs(crs), neighbourhood_name),
    )


def area_around(
    longitude: NDArray[np.float64],
    latitude: NDArray[np.float64],
    *,
    name: str,
    timezone: str,
    crs: str | None,
    neighbourhoods: gpd.GeoDataFrame | None = None,
    neighbourhood_name: str | None = None,
    buffer_m: float = 0.0,
) -> StudyArea:
    """Draw a concave hull around incidents; single points far from all others do not stretch it.

    Parameters
    ----------
    longitude, latitude : ndarray of float, shape (n,)
        Degrees (WGS84).
    buffer_m : float
        Widen the hull, metres; at least half a cell of 250 m is added, so that the outermost places lie inside.

    Raises
    ------
    StudyAreaError
        If fewer than three distinct places remain.
    """
    if not len(longitude):
        raise StudyAreaError("No usable coordinates to derive a study area from: give study_area.boundary a file.")
    crs = crs or choose_metric_crs(longitude, latitude)
    x, y = pyproj.Transformer.from_crs("EPSG:4326", crs, always_xy=True).transform(longitude, latitude)
    near = np.isfinite(x) & np.isfinite(y)
    x, y = np.asarray(x)[near], np.asarray(y)[near]
    keep = _settled(x, y)
    places = np.unique(np.column_stack([np.floor(x[keep] / _CELL_M), np.floor(y[keep] / _CELL_M)]), axis=0)
    if len(places) < 3:
        raise StudyAreaError(
            f"Only {len(places)} distinct places of {_CELL_M:.0f} m: too few to derive a study area; "
            "give study_area.boundary a file."
        )
    hull = shapely.concave_hull(shapely.multipoints((places + 0.5) * _CELL_M), ratio=_HULL_RATIO)
    whole = _only_polygons(shapely.buffer(hull, buffer_m + _CELL_M))
    named = None if neighbourhoods is None else _polygons(neighbourhoods, "study_area.neighbourhoods").to_crs(crs)
    parts = empty_neighbourhoods(crs) if named is None else _neighbourhoods(named, neighbourhood_name)
    return StudyArea(name, whole, crs, timezone, parts)


def _settled(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell which points are near the others, or far away but among enough of their own, as in an outlying town."""
    near = np.ones(len(x), dtype=bool)
    for axis in (x, y):
        away = np.abs(axis - np.median(axis))
        near &= away <= _FAR * max(float(np.median(away)), _CELL_M)
    column, row = (np.floor(axis / _BLOCK_M).astype(np.int64) for axis in (x, y))
    keys, block, sizes = np.unique(column * _ROWS + row, return_inverse=True, return_counts=True)
    # A block counts with its eight neighbours, so that a town is not cut up by the lattice.
    around = np.zeros(len(keys), dtype=np.int64)
    for step in (c * _ROWS + r for c in (-1, 0, 1) for r in (-1, 0, 1)):
        found = np.minimum(np.searchsorted(keys, keys + step), len(keys) - 1)
        around += np.where(keys[found] == keys + step, sizes[found], 0)
    return near | (around[block] >= max(10, 1e-4 * len(x)))


def _polygons(layer: gpd.GeoDataFrame, setting: str) -> gpd.GeoDataFrame:
    if layer.crs is None:
        layer = layer.set_crs("EPSG:4326")
    chosen = layer.loc[layer.geometry.notna() & layer.geometry.geom_type.isin(["Polygon", "MultiPolygon"])]
    if chosen.empty:
        raise StudyAreaError(f"{setting} holds no polygon: expected the outline of the study area.")
    return chosen.reset_index(drop=True)


def _neighbourhoods(parts: gpd.GeoDataFrame, column: str | None) -> gpd.GeoDataFrame:
    name = column if column is not None else _name_column(parts)
    if name is not None and name not in parts.columns:
        found = [str(one) for one in parts.columns if one != parts.geometry.name]
        raise StudyAreaError(f"study_area.neighbourhood_name {name!r} is not in the layer, it has {found}.")
    labels = [f"part {i + 1}" for i in range(len(parts))] if name is None else [_label(value) for value in parts[name]]
    table = gpd.GeoDataFrame({"name": labels}, geometry=list(_valid(parts.geometry.to_numpy())), crs=parts.crs)
    return table.dissolve("name").reset_index() if table["name"].duplicated().any() else table


def _name_column(parts: gpd.GeoDataFrame) -> str | None:
    plain = [str(name) for name in parts.columns if name != parts.geometry.name and parts[name].is_unique]
    texts = [name for name in plain if pd.api.types.is_string_dtype(parts[name]) or parts[name].dtype == object]
    # A column of names has letters; a number stored as text is the second choice.
    worded = [name for name in texts if parts[name].astype(str).str.contains("[A-Za-z]").any()]
    others = [name for name in plain if "objectid" not in name.lower()]
    return next(iter([*worded, *texts, *others, *plain]), None)


def _label(value: object) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _valid(shapes: NDArray[np.object_]) -> NDArray[np.object_]:
    return np.array([_only_polygons(shape) for shape in shapely.make_valid(shapes)], dtype=object)


def _only_polygons(shape: shapely.Geometry) -> shapely.Geometry:
    """Keep the areas of a repaired geometry; repairing may leave lines and points beside them."""
    if shape.geom_type in {"Polygon", "MultiPolygon"}:
        return shape
    return shapely.union_all([part for part in shapely.get_parts(shape) if part.geom_type.endswith("Polygon")])
