"""Cleaned incidents on disk: GeoParquet in folders by year and month of civil time, written and read as streams."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pyproj
from numpy.typing import NDArray

from crimepatterns.domain.area import StudyArea
from crimepatterns.domain.grid import Grid
from crimepatterns.domain.incidents import INCIDENT_COLUMNS, Incidents
from crimepatterns.domain.panel import Panel
from crimepatterns.domain.periods import Periods
from crimepatterns.errors import ArtefactError, MissingInputError

__all__ = ["IncidentWriter", "count_cells", "incident_schema", "read_incidents"]

_UTC = pa.timestamp("us", tz="UTC")
_WORDS = pa.dictionary(pa.int32(), pa.string())
_FLUSH_ROWS = 131_072
_BUFFER_ROWS = 524_288
_OPEN_FILES = 256


def incident_schema(crs: str, further: Sequence[str]) -> pa.Schema:
    """Return the columns of the files, with GeoParquet metadata for the point column ``geometry``."""
    types = {name: pa.string() for name in INCIDENT_COLUMNS}
    types |= dict.fromkeys(("occurred_from", "occurred_until", "known_at"), _UTC)
    types |= dict.fromkeys(("time_precision", "category", "offence", "discovery", "source"), _WORDS)
    types |= {"x": pa.float64(), "y": pa.float64()}
    fields = [*types.items(), *[(name, pa.string()) for name in further], ("geometry", pa.binary())]
    column = {"encoding": "WKB", "geometry_types": ["Point"], "crs": pyproj.CRS.from_user_input(crs).to_json_dict()}
    geo = {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": column}}
    return pa.schema(fields, metadata={b"geo": json.dumps(geo).encode()})


class IncidentWriter:
    """Writes incidents into ``year=YYYY/month=MM/part-N.parquet``; holds a bounded number of rows at a time.

    Parameters
    ----------
    folder : Path
        An empty folder; the caller puts it in place when all is written.
    schema : pyarrow.Schema
    """

    def __init__(self, folder: Path, schema: pa.Schema) -> None:
        self._folder, self._schema = folder, schema
        self._waiting: dict[int, list[pa.RecordBatch]] = {}
        self._sizes: dict[int, int] = {}
        self._open: dict[int, pq.ParquetWriter] = {}
        self._parts: dict[int, int] = {}

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            for month in sorted(self._waiting):
                self._flush(month)
        for writer in self._open.values():
            writer.close()
        if kind is None and not self._parts:
            pq.write_table(self._schema.empty_table(), self._folder / "part-0.parquet")

    def add(self, batch: pa.RecordBatch, months: NDArray[np.int64]) -> None:
        """Add incidents.

        Parameters
        ----------
        batch : pyarrow.RecordBatch, shape (n, ...)
            In the writer's schema, ordered by month.
        months : ndarray of int64, shape (n,)
            Months since January 1970, ascending.
        """
        starts: list[int] = np.flatnonzero(np.diff(months, prepend=months[:1] - 1)).tolist()
        for start, end in zip(starts, [*starts[1:], len(months)], strict=False):
            month = int(months[start])
            self._waiting.setdefault(month, []).append(batch.slice(start, end - start))
            self._sizes[month] = self._sizes.get(month, 0) + int(end - start)
            if self._sizes[month] >= _FLUSH_ROWS:
                self._flush(month)
        while sum(self._sizes.values()) > _BUFFER_ROWS:
            self._flush(max(self._sizes, key=lambda one: (self._sizes[one], -one)))

    def _flush(self, month: int) -> None:
        batches = self._waiting.pop(month)
        self._sizes.pop(month)
        self._writer(month).write_table(pa.Table.from_batches(batches), row_group_size=_FLUSH_ROWS)

    def _writer(self, month: int) -> pq.ParquetWriter:
        if month not in self._open:
            if len(self._open) >= _OPEN_FILES:
                oldest = next(iter(self._open))
                self._open.pop(oldest).close()
            part = self._parts.get(month, 0)
            self._parts[month] = part + 1
            folder = self._folder / f"year={1970 + month // 12}" / f"month={month % 12 + 1:02d}"
            folder.mkdir(parents=True, exist_ok=True)
            words = [field.name for field in self._schema if pa.types.is_dictionary(field.type)]
            self._open[month] = pq.ParquetWriter(
                folder / f"part-{part}.parquet", self._schema, compression="snappy", use_dictionary=words
            )
        return self._open[month]


def read_incidents(folder: Path, area: StudyArea) -> Incidents:
    """Read all cleaned incidents of a city.

    Parameters
    ----------
    folder : Path
        Such as ``data/processed/chicago/incidents``.
    area : StudyArea
        Times come back in its zone.

    Raises
    ------
    MissingInputError
        If cleaning has not run yet.
    ArtefactError
        If a file is damaged.
    """
    try:
        table = _dataset(folder).to_table()
    except (OSError, pa.ArrowException) as error:
        raise ArtefactError(f"{folder} is damaged ({error}): run `crimepatterns clean --force`.") from error
    zone = pa.timestamp("us", tz=area.timezone)
    table = table.drop_columns([name for name in ("geometry", "year", "month") if name in table.column_names])
    for name in ("occurred_from", "occurred_until", "known_at"):
        table = table.set_column(table.column_names.index(name), name, table[name].cast(zone))
    frame = table.unify_dictionaries().to_pandas()
    for name in frame.columns[frame.dtypes == "category"]:
        # In the order of the alphabet, whatever the order in which the file brought them.
        words = frame[name].cat.remove_unused_categories()
        frame[name] = words.cat.reorder_categories(sorted(words.cat.categories))
    return Incidents(frame, area, MappingProxyType(_provenance(folder)))


def count_cells(
    folder: Path, grid: Grid, periods: Periods, *, categories: Sequence[str], as_of: pd.Timestamp | None = None
) -> Panel:
    """Count incidents by category, cell and period straight from disk, one batch at a time.

    The answer equals ``Panel.count(read_incidents(folder, grid.area), grid, periods, categories=categories)``, in the
    memory of the counts and one batch.

    Parameters
    ----------
    folder : Path
    grid : Grid
    periods : Periods
    categories : sequence of str
    as_of : Timestamp, optional
        Count only what was known before.
    """
    shape = (len(categories), len(grid), len(periods))
    counts = np.zeros(int(np.prod(shape)), dtype=np.int32)
    names = pa.array(list(categories), pa.string())
    outside, latest = 0, periods.end
    for batch in _dataset(folder).to_batches(columns=["occurred_from", "known_at", "category", "x", "y"]):
        if batch.num_rows == 0:
            continue
        begun = pd.DatetimeIndex(_micros(batch, "occurred_from").view("datetime64[us]"), tz="UTC")
        period, wanted = periods.locate(begun)
        known = _micros(batch, "known_at")
        if as_of is not None:
            wanted &= (known < as_of.as_unit("us").value) & (begun < as_of)
        else:
            latest = max(latest, pd.Timestamp(int(known.max()), unit="us", tz="UTC"))
        code = _codes(batch.column("category"), names)
        cell, inside = grid.assign(batch.column("x").to_numpy(), batch.column("y").to_numpy())
        wanted &= code >= 0
        outside += int((wanted & ~inside).sum())
        keep = wanted & inside
        flat, sizes = np.unique(np.ravel_multi_index((code[keep], cell[keep], period[keep]), shape), return_counts=True)
        counts[flat] += sizes.astype(np.int32)
    moment = as_of if as_of is not None else latest.tz_convert(periods.end.tz)
    return Panel(grid, periods, tuple(categories), counts.reshape(shape), moment, outside)


def _codes(column: pa.Array, names: pa.Array) -> NDArray[np.int64]:
    """Return the position of each category in `names`, -1 where it is not among them."""
    words = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    codes: NDArray[np.int64] = pc.index_in(words.dictionary, names).fill_null(-1).to_numpy(zero_copy_only=False)
    index = words.indices.to_numpy(zero_copy_only=False)
    return codes.astype(np.int64)[index]


def _micros(batch: pa.RecordBatch, name: str) -> NDArray[np.int64]:
    return batch.column(name).cast(pa.int64()).to_numpy(zero_copy_only=False)


def _dataset(folder: Path) -> ds.Dataset:
    files = sorted(folder.rglob("*.parquet"), key=str) if folder.is_dir() else []
    if not files:
        raise MissingInputError(f"{folder} is not there yet: run `crimepatterns clean` first.")
    return ds.dataset(files, format="parquet")


def _provenance(folder: Path) -> Mapping[str, Any]:
    report = folder.parent / "cleaning_report.json"
    if not report.exists():
        return {}
    facts = json.loads(report.read_text(encoding="utf-8"))
    return {"sources": facts.get("sources", []), "rows_in": facts.get("rows_in"), "kept": facts.get("kept")}
