"""What is on the screen, to take away: CSV, GeoJSON, GeoPackage and GeoParquet, each with its question inside."""

import datetime as dt
import io
from collections.abc import Iterator
from typing import Any, Literal

import geopandas as gpd
import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from crimepatterns.serving.explore.counting import public_sentence
from crimepatterns.serving.explore.desk import Asked
from crimepatterns.serving.explore.rows import count_rows, incident_rows
from crimepatterns.serving.failures import UnreadableRequestError
from crimepatterns.store.csv_export import safe_text
from crimepatterns.version import __version__

__all__ = ["MEDIA_TYPES", "Kind", "csv_stream", "file_bytes"]

Kind = Literal["csv", "geojson", "gpkg", "parquet"]

MEDIA_TYPES: dict[Kind, str] = {
    "csv": "text/csv; charset=utf-8",
    "geojson": "application/geo+json",
    "gpkg": "application/geopackage+sqlite3",
    "parquet": "application/vnd.apache.parquet",
}

_MOST_ROWS = 250_000
_CHUNK = 20_000


def question_of(asked: Asked, city: str) -> dict[str, Any]:
    """Return what was asked, of which city, when, and under which rule; this stands in every file."""
    told = {name: value for name, value in asked.filters.told().items() if value}
    return {
        "city": city,
        "filters": told,
        "made_at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "made_with": f"crimepatterns {__version__}",
        "times": f"civil time, {asked.record.area.timezone}",
        "rule": "incidents as recorded" if asked.view.exact else public_sentence(asked.record),
    }


def csv_stream(asked: Asked, city: str) -> Iterator[bytes]:
    """Yield a CSV file in parts: three lines of remarks that begin with ``#``, the header, the rows.

    Text that a spreadsheet would take for a formula gets a leading apostrophe.
    """
    told = question_of(asked, city)
    yield f"# {told['city']}: {told['rule']}; {told['times']}\n".encode()
    yield f"# filters: {orjson.dumps(told['filters']).decode()}\n".encode()
    yield f"# made {told['made_at']} with {told['made_with']}; places: longitude and latitude (WGS84)\n".encode()
    offset, header = 0, True
    while True:
        rows = _rows(asked, limit=_CHUNK, offset=offset)
        if rows.empty and not header:
            return
        table = pa.Table.from_pandas(rows, preserve_index=False)
        safe = [_safe(table.column(name)) for name in table.column_names]
        part = io.BytesIO()
        pacsv.write_csv(pa.table(safe, names=table.column_names), part, pacsv.WriteOptions(include_header=header))
        yield part.getvalue()
        offset, header = offset + _CHUNK, False
        if len(rows) < _CHUNK:
            return


def file_bytes(asked: Asked, city: str, kind: Kind) -> bytes:
    """Make a file in one piece.

    Raises
    ------
    UnreadableRequestError
        If it would hold too many rows for one piece.
    """
    many = count_rows(asked.record, asked.view, asked.condition)
    if many > _MOST_ROWS:
        raise UnreadableRequestError(
            f"{many:,} rows are too many for one {kind} file, at most {_MOST_ROWS:,}: choose fewer, or take CSV."
        )
    rows = _rows(asked)
    points = gpd.points_from_xy(rows["longitude"], rows["latitude"], crs="EPSG:4326")
    table = gpd.GeoDataFrame(rows.drop(columns=["longitude", "latitude"]), geometry=points)
    told = question_of(asked, city)
    return {"geojson": _geojson, "gpkg": _geopackage, "parquet": _geoparquet}[kind](table, told)


def _rows(asked: Asked, *, limit: int | None = None, offset: int = 0) -> pd.DataFrame:
    rows = incident_rows(asked.record, asked.view, asked.condition, limit=limit, offset=offset)
    return rows.drop(columns=["line", "x", "y"])


def _safe(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return safe_text(column) if pa.types.is_string(column.type) or pa.types.is_large_string(column.type) else column


def _geojson(table: gpd.GeoDataFrame, told: dict[str, Any]) -> bytes:
    names = [name for name in table.columns if name != "geometry"]
    features = [
        {
            "type": "Feature",
            "properties": dict(zip(names, values, strict=True)),
            "geometry": {"type": "Point", "coordinates": [x, y]},
        }
        for values, x, y in zip(
            table[names].itertuples(index=False, name=None), table.geometry.x, table.geometry.y, strict=True
        )
    ]
    whole = {"type": "FeatureCollection", "question": told, "features": features}
    return orjson.dumps(whole, option=orjson.OPT_SERIALIZE_NUMPY)


def _geopackage(table: gpd.GeoDataFrame, told: dict[str, Any]) -> bytes:
    made = io.BytesIO()
    flat = {"QUESTION": orjson.dumps(told).decode()}
    table.to_file(made, layer="incidents", driver="GPKG", engine="pyogrio", layer_metadata=flat)
    return made.getvalue()


def _geoparquet(table: gpd.GeoDataFrame, told: dict[str, Any]) -> bytes:
    first, made = io.BytesIO(), io.BytesIO()
    table.to_parquet(first, index=False)
    whole = pq.read_table(first)
    whole = whole.replace_schema_metadata({**(whole.schema.metadata or {}), b"question": orjson.dumps(told)})
    pq.write_table(whole, made, compression="zstd")
    return made.getvalue()
