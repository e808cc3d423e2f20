"""Surfaces, clusters and forecasts on disk: GeoParquet, with every parameter inside the file."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from crimepatterns.domain.area import StudyArea
from crimepatterns.domain.explanation import Explanation
from crimepatterns.domain.forecast import Forecast
from crimepatterns.domain.grid import Grid
from crimepatterns.domain.periods import Periods
from crimepatterns.domain.surface import Surface
from crimepatterns.errors import ArtefactError, MissingInputError
from crimepatterns.store.atomic import replacing, write_text
from crimepatterns.store.explanations import explanation_columns

__all__ = [
    "export_layer",
    "read_facts",
    "read_forecast",
    "read_layer",
    "read_surface",
    "read_table",
    "write_forecast",
    "write_layer",
    "write_surface",
    "write_table",
]

_KEY = b"crimepatterns"


def write_layer(path: Path, layer: gpd.GeoDataFrame, facts: Mapping[str, Any]) -> None:
    """Write a GeoDataFrame as GeoParquet with `facts` (JSON) in its metadata."""
    with replacing(path) as beside:
        layer.to_parquet(beside, index=False)
        table = pq.read_table(beside)
        metadata = dict(table.schema.metadata or {})
        metadata[_KEY] = json.dumps(dict(facts), sort_keys=True, default=str).encode()
        pq.write_table(table.replace_schema_metadata(metadata), beside)


def read_layer(path: Path) -> tuple[gpd.GeoDataFrame, dict[str, Any]]:
    """Read a layer and its facts.

    Raises
    ------
    MissingInputError
        If the file is not there.
    ArtefactError
        If it is damaged or not one of ours.
    """
    _, facts = _columns_and_facts(path)
    try:
        return gpd.read_parquet(path), facts
    except (OSError, ValueError, KeyError) as error:
        raise _damaged(path, error) from error


def read_facts(path: Path) -> dict[str, Any]:
    """Read the facts of a stored layer or table without its rows; see `read_layer` for the errors."""
    if not path.exists():
        raise MissingInputError(f"{path} is not there yet: run the stage that makes it.")
    try:
        facts: dict[str, Any] = json.loads((pq.read_schema(path).metadata or {})[_KEY])
    except (OSError, ValueError, KeyError) as error:
        raise _damaged(path, error) from error
    return facts


def write_table(path: Path, table: pd.DataFrame, facts: Mapping[str, Any]) -> None:
    """Write a table without geometry as Parquet with `facts` (JSON) in its metadata."""
    with replacing(path) as beside:
        columns = pa.Table.from_pandas(table, preserve_index=False)
        metadata = {
            **(columns.schema.metadata or {}),
            _KEY: json.dumps(dict(facts), sort_keys=True, default=str).encode(),
        }
        pq.write_table(columns.replace_schema_metadata(metadata), beside)


def read_table(path: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Read a table and its facts; see `read_layer` for the errors."""
    columns, facts = _columns_and_facts(path)
    return columns.to_pandas(), facts


def export_layer(path: Path, form: Literal["geojson", "gpkg", "csv"]) -> Path | None:
    """Write a stored layer once more beside itself for other programs, with its facts inside.

    Parameters
    ----------
    path : Path
        A file of `write_layer`, `write_surface` or `write_table`.
    form : {"geojson", "gpkg", "csv"}
        GeoJSON is in degrees (RFC 7946), its facts are the member ``crimepatterns``; a GeoPackage keeps the reference
        system, its facts are the metadata of the layer; CSV has neither geometry nor facts.

    Returns
    -------
    Path or None
        None where a table has no geometry to export.
    """
    columns, facts = _columns_and_facts(path)
    target = path.with_suffix(f".{form}")
    if form == "csv":
        frame = columns.to_pandas().drop(columns="geometry", errors="ignore")
        write_text(target, frame.to_csv(index=False))
        return target
    if "geometry" not in columns.column_names:
        return None
    layer, _ = read_layer(path)
    if form == "geojson":
        moments = layer.select_dtypes(["datetime", "datetimetz"]).columns
        # GeoJSON knows no moments: they are written with their offset.
        plain = layer.assign(**{name: layer[name].map(pd.Timestamp.isoformat) for name in moments})
        document = json.loads(plain.to_crs("EPSG:4326").to_json(drop_id=True))
        write_text(target, json.dumps({**document, "crimepatterns": facts}, default=str, ensure_ascii=False))
        return target
    with replacing(target) as beside:
        told = {"crimepatterns": json.dumps(facts, sort_keys=True, default=str)}
        # The driver insists on the ending.
        made = beside.with_name(f"{beside.stem}.gpkg")
        try:
            _in_utc(layer).to_file(made, driver="GPKG", layer=path.stem, engine="pyogrio", layer_metadata=told)
            made.replace(beside)
        finally:
            made.unlink(missing_ok=True)
    return target


def write_surface(
    path: Path,
    surface: Surface,
    facts: Mapping[str, Any] | None = None,
    columns: Mapping[str, NDArray[np.float64]] | None = None,
) -> None:
    """Write a surface with its grid, null hypothesis and parameters; `facts` adds run id, as-of date and so on.

    Further `columns`, shape (n_cells,) each, stand beside its values, such as the parts that add up to them.
    """
    layer = _with_lattice(surface.to_geodataframe(), surface.grid).assign(**(columns or {}))
    own = {
        "kind": "surface",
        "method": surface.method,
        "unit": surface.unit,
        "null": surface.null,
        "parameters": dict(surface.parameters),
        "grid": _grid_facts(surface.grid),
    }
    write_layer(path, layer, {**(facts or {}), **own})


def read_surface(path: Path, area: StudyArea) -> tuple[Surface, dict[str, Any]]:
    """Read a surface and its facts; see `read_layer` for the errors."""
    layer, facts = read_layer(path)
    surface = Surface(
        grid=_grid_from(layer, facts["grid"], area),
        method=facts["method"],
        values=layer["value"].to_numpy(dtype=float),
        unit=facts["unit"],
        p_values=layer["p_value"].to_numpy(dtype=float) if "p_value" in layer else None,
        q_values=layer["q_value"].to_numpy(dtype=float) if "q_value" in layer else None,
        null=facts["null"],
        parameters=MappingProxyType(facts["parameters"]),
        times_expected=layer["times_expected"].to_numpy(dtype=float) if "times_expected" in layer else None,
    )
    return surface, facts


def write_forecast(
    path: Path, forecast: Forecast, facts: Mapping[str, Any] | None = None, explanation: Explanation | None = None
) -> None:
    """Write a forecast with its grid, periods and parameters; `facts` adds run id and so on.

    An explanation adds columns of its own, see `crimepatterns.store.explanations`.
    """
    layer = _with_lattice(forecast.grid.to_geodataframe(), forecast.grid)
    for i in range(len(forecast.periods)):
        layer[f"mean_{i}"] = forecast.mean[:, i]
        for level, values in forecast.quantiles.items():
            layer[f"q{level:g}_{i}"] = values[:, i]
    if explanation is not None:
        layer = layer.assign(**explanation_columns(explanation))
    own = {
        "kind": "forecast",
        "category": forecast.category,
        "model": forecast.model,
        "issued_at": forecast.issued_at.isoformat(),
        "edges": [edge.isoformat() for edge in forecast.periods.edges],
        "levels": sorted(forecast.quantiles),
        "parameters": dict(forecast.parameters),
        "grid": _grid_facts(forecast.grid),
    }
    write_layer(path, layer, {**(facts or {}), **own})


def read_forecast(path: Path, area: StudyArea) -> tuple[Forecast, dict[str, Any]]:
    """Read a forecast and its facts; see `read_layer` for the errors."""
    layer, facts = read_layer(path)
    edges = pd.DatetimeIndex([pd.Timestamp(edge).tz_convert(area.timezone) for edge in facts["edges"]])
    count = len(edges) - 1
    forecast = Forecast(
        grid=_grid_from(layer, facts["grid"], area),
        periods=Periods(edges),
        category=facts["category"],
        model=facts["model"],
        issued_at=pd.Timestamp(facts["issued_at"]).tz_convert(area.timezone),
        mean=np.column_stack([layer[f"mean_{i}"] for i in range(count)]),
        quantiles=MappingProxyType(
            {level: np.column_stack([layer[f"q{level:g}_{i}"] for i in range(count)]) for level in facts["levels"]}
        ),
        parameters=MappingProxyType(facts["parameters"]),
    )
    return forecast, facts


def _in_utc(layer: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Give moments in UTC: a GeoPackage knows no other."""
    moments = layer.select_dtypes("datetimetz").columns
    return layer.assign(**{name: layer[name].dt.tz_convert("UTC") for name in moments})


def _columns_and_facts(path: Path) -> tuple[pa.Table, dict[str, Any]]:
    if not path.exists():
        raise MissingInputError(f"{path} is not there yet: run the stage that makes it.")
    try:
        columns = pq.read_table(path, partitioning=None)
        return columns, json.loads((columns.schema.metadata or {})[_KEY])
    except (OSError, ValueError, KeyError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> ArtefactError:
    return ArtefactError(f"{path} is damaged or foreign ({error}): run its stage again with --force.")


def _with_lattice(layer: gpd.GeoDataFrame, grid: Grid) -> gpd.GeoDataFrame:
    if grid.kind != "polygon":
        layer["lattice_a"], layer["lattice_b"] = grid.lattice[:, 0], grid.lattice[:, 1]
    return layer


def _grid_facts(grid: Grid) -> dict[str, Any]:
    return {
        "kind": grid.kind,
        "cell_size_m": None if grid.kind == "polygon" else grid.cell_size_m,
        "origin": list(grid.origin),
        "rotation_deg": grid.rotation_deg,
    }


def _grid_from(layer: gpd.GeoDataFrame, facts: Mapping[str, Any], area: StudyArea) -> Grid:
    cells = layer[["cell_id", "area_km2", "neighbourhood", "geometry"]].copy()
    if facts["kind"] == "polygon":
        return Grid(area=area, kind="polygon", cells=cells)
    return Grid(
        area=area,
        kind=facts["kind"],
        cells=cells,
        cell_size_m=float(facts["cell_size_m"]),
        origin=(float(facts["origin"][0]), float(facts["origin"][1])),
        rotation_deg=float(facts["rotation_deg"]),
        lattice=layer[["lattice_a", "lattice_b"]].to_numpy(dtype=np.int64),
    )
