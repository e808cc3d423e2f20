"""A stored forecast as columns in memory, read without pandas or geopandas so that a server starts at once."""

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyproj
import shapely
from numpy.typing import NDArray

from crimepatterns.errors import ArtefactError

__all__ = ["Cells", "ForecastTable", "read_forecast_table"]

_FACTS, _GEO = b"crimepatterns", b"geo"
_EXPLAINED = ("from_", "without_last_")


@dataclass(frozen=True, eq=False)
class Cells:
    """The cells of a grid.

    Parameters
    ----------
    ids : tuple of str, length n
    neighbourhood : tuple of str, length n
    longitude, latitude : ndarray of float, shape (n,)
        Of each cell's centroid, degrees.
    area_km2 : ndarray of float, shape (n,)
    """

    ids: tuple[str, ...]
    neighbourhood: tuple[str, ...] = field(repr=False)
    longitude: NDArray[np.float64] = field(repr=False)
    latitude: NDArray[np.float64] = field(repr=False)
    area_km2: NDArray[np.float64] = field(repr=False)
    place: Mapping[str, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        places = MappingProxyType({cell: row for row, cell in enumerate(self.ids)})
        object.__setattr__(self, "place", places)


@dataclass(frozen=True, eq=False)
class ForecastTable:
    """One model's forecast of one category.

    Parameters
    ----------
    cells : Cells
    facts : mapping
        Category, model, versions, cutoff, periods and parameters, as stored.
    expected : ndarray of float, shape (n_cells,)
        In all periods together.
    quantiles : mapping of str to ndarray of float, shape (n_cells,)
        ``q05`` and so on, where the forecast has one period.
    explained : mapping of str to ndarray of float, shape (n_cells,)
        What the forecast is made of, from a model that can tell; see `crimepatterns.store.explanations`.
    """

    cells: Cells
    facts: Mapping[str, Any] = field(repr=False)
    expected: NDArray[np.float64] = field(repr=False)
    quantiles: Mapping[str, NDArray[np.float64]] = field(repr=False)
    explained: Mapping[str, NDArray[np.float64]] = field(repr=False)

    @property
    def model(self) -> str:
        """Name of the model."""
        return str(self.facts["model"])

    @property
    def category(self) -> str:
        """Name of the category."""
        return str(self.facts["category"])


def read_forecast_table(path: Path, content: bytes, known: dict[bytes, Cells]) -> ForecastTable | None:
    """Read a layer of `crimepatterns.store.layers.write_forecast`.

    Parameters
    ----------
    path : Path
        Where it lies, for messages.
    content : bytes
    known : dict
        Cells that were read already; those of this file are added.

    Returns
    -------
    ForecastTable or None
        None where the file is a layer of another kind.

    Raises
    ------
    ArtefactError
        If it cannot be read.
    """
    try:
        columns = pq.ParquetFile(io.BytesIO(content)).read()  # read_table would import pandas
        metadata = columns.schema.metadata or {}
        facts = json.loads(metadata[_FACTS])
        if facts.get("kind") != "forecast":
            return None
        periods = len(facts["edges"]) - 1
        expected = _expected(columns, periods)
        one = facts["levels"] if periods == 1 else ()
        return ForecastTable(
            cells=_cells(columns, metadata, known),
            facts=MappingProxyType(facts),
            expected=expected,
            quantiles={f"q{round(level * 100):02d}": _numbers(columns, f"q{level:g}_0") for level in one},
            explained={name: _numbers(columns, name) for name in columns.column_names if name.startswith(_EXPLAINED)},
        )
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        BufferError,
        pa.ArrowException,
        shapely.errors.ShapelyError,
    ) as error:
        raise ArtefactError(f"{path} cannot be read as a forecast ({error}): run `crimepatterns forecast`.") from error


def _expected(columns: pa.Table, periods: int) -> NDArray[np.float64]:
    expected: NDArray[np.float64] = np.sum([_numbers(columns, f"mean_{i}") for i in range(periods)], axis=0)
    if not np.isfinite(expected).all() or (expected < 0).any():
        raise ValueError("expected counts must be finite and not negative")
    return expected


def _numbers(columns: pa.Table, name: str) -> NDArray[np.float64]:
    # Arrow's own way to numpy imports pandas; this one refuses nulls, which no stored number may be.
    return np.asarray(np.from_dlpack(columns[name].combine_chunks()), dtype=float)


def _cells(columns: pa.Table, metadata: Mapping[bytes, bytes], known: dict[bytes, Cells]) -> Cells:
    """Take the cells from those that are known, or measure them: forecasts of a city share one grid."""
    named = columns.select(["cell_id", "neighbourhood", "geometry"]).combine_chunks()
    key = _digest(named)
    if key not in known:
        reference = json.loads(metadata[_GEO])["columns"]["geometry"]["crs"]
        centres = shapely.centroid(shapely.from_wkb(columns["geometry"].to_pylist()))
        to_degrees = pyproj.Transformer.from_crs(pyproj.CRS.from_json_dict(reference), "EPSG:4326", always_xy=True)
        longitude, latitude = to_degrees.transform(shapely.get_x(centres), shapely.get_y(centres))
        known[key] = Cells(
            ids=tuple(str(cell) for cell in columns["cell_id"].to_pylist()),
            neighbourhood=tuple(str(name or "") for name in columns["neighbourhood"].to_pylist()),
            longitude=np.round(longitude, 6),
            latitude=np.round(latitude, 6),
            area_km2=_numbers(columns, "area_km2"),
        )
    return known[key]


def _digest(named: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, named.schema.remove_metadata()) as writer:
        writer.write_table(named.replace_schema_metadata())
    return hashlib.sha256(sink.getvalue()).digest()
