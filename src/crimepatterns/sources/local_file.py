"""Incident files on this computer: CSV, Parquet, Excel and map layers, one or many.

Data sheet
----------
What it reads : ``.csv .tsv .txt`` (also ``.gz``, and ``.zip`` with one or several of them), ``.parquet``, ``.xlsx``,
    ``.geojson .gpkg .shp .fgb``. The kind is told by the file's ending and its first bytes.
What arrives : a stream of record batches, bounded in memory. CSV values arrive as text; typed formats keep their types.
    A map layer arrives as its attributes and, where it has no such columns itself, ``longitude`` and ``latitude`` of
    its points in WGS84.
What it does not do : interpret a value. That is cleaning.
"""

import glob
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from crimepatterns.domain.protocols import RawTable
from crimepatterns.errors import SourceError
from crimepatterns.sources.archive import checked_members
from crimepatterns.sources.csv_text import UNREADABLE, read_csv
from crimepatterns.sources.layer_kind import check_layer

__all__ = ["UNREADABLE", "LocalFiles", "file_format", "find_files", "read_file"]

_BATCH_ROWS = 65_536
_ENDINGS = {
    ".csv": "csv", ".tsv": "csv", ".txt": "csv", ".gz": "csv", ".zip": "csv",
    ".parquet": "parquet", ".pq": "parquet", ".geoparquet": "parquet",
    ".xlsx": "excel", ".xlsm": "excel",
    ".geojson": "vector", ".json": "vector", ".gpkg": "vector", ".shp": "vector", ".fgb": "vector",
}  # fmt: skip


@dataclass(frozen=True)
class LocalFiles:
    """One or many files, read one after another as one table.

    Parameters
    ----------
    paths : sequence of str
        Files or globs.
    format : {"csv", "parquet", "excel", "vector"}, optional
    delimiter, encoding, sheet : str, optional
        Detected, or the first, where not given.
    """

    paths: Sequence[str]
    format: str | None = None
    delimiter: str | None = None
    encoding: str | None = None
    sheet: str | None = None
    name: str = "file"

    def files(self) -> list[Path]:
        """List the files, globs resolved; see `find_files` for the errors."""
        return find_files(self.paths)

    def read(self, path: Path) -> RawTable:
        """Read one of the files."""
        return read_file(path, format=self.format, delimiter=self.delimiter, encoding=self.encoding, sheet=self.sheet)

    def fetch(self, window: tuple[pd.Timestamp, pd.Timestamp] | None = None) -> RawTable:  # noqa: ARG002  # the protocol's
        """Read all files as one table; columns that a file lacks are null. Files have no window: all rows come."""
        tables = [self.read(path) for path in self.files()]
        columns = tuple(dict.fromkeys(name for table in tables for name in table.columns))
        rows = [table.rows for table in tables]
        known = sum(count for count in rows if count is not None) if None not in rows else None
        return RawTable(columns, _aligned(tables, columns), known)


def find_files(paths: Iterable[str]) -> list[Path]:
    """Resolve paths and globs to files, each once, in the order given.

    Raises
    ------
    SourceError
        If a path does not exist, is a folder, or a glob finds nothing.
    """
    found: dict[Path, None] = {}
    for text in paths:
        path = Path(text)
        if path.is_dir():
            raise SourceError(f"{path} is a folder: source.paths needs files, such as {path}/*.csv.")
        matches = [path] if path.exists() else [Path(match) for match in sorted(glob.glob(text, recursive=True))]  # noqa: PTH207
        files = [match for match in matches if match.is_file()]
        if not files:
            raise SourceError(f"{path} does not exist: check source.paths (relative to {Path.cwd()}).")
        found.update(dict.fromkeys(files))
    return list(found)


def file_format(path: Path, declared: str | None = None) -> str:
    """Tell the format of a file: as declared, else by its ending, else by its first bytes."""
    if declared is not None:
        return declared
    with path.open("rb") as handle:
        magic = handle.read(16)
    if magic.startswith(b"PAR1"):
        return "parquet"
    if magic.startswith(b"SQLite format 3"):
        return "vector"
    if path.suffix.lower() == ".xls" or magic.startswith(b"\xd0\xcf\x11\xe0"):
        raise SourceError(f"{path} is an Excel file of the old kind (.xls): save it as .xlsx or CSV.")
    return _ENDINGS.get(path.suffix.lower(), "csv")


def read_file(
    path: Path,
    *,
    format: str | None = None,  # noqa: A002  # the setting's name
    delimiter: str | None = None,
    encoding: str | None = None,
    sheet: str | None = None,
) -> RawTable:
    """Read one file; see `LocalFiles` for the parameters.

    Raises
    ------
    SourceError
        If it cannot be read as what it seems to be.
    """
    kind = file_format(path, format)
    if path.stat().st_size == 0:
        raise SourceError(f"{path} is empty: expected a header and rows of incidents.")
    try:
        if kind == "csv":
            return read_csv(path, delimiter=delimiter, encoding=encoding)
        if kind == "parquet":
            return _read_parquet(path)
        return _read_excel(path, sheet) if kind == "excel" else _read_vector(path)
    except SourceError:
        raise
    except Exception as error:  # readers of foreign formats fail in countless ways
        raise SourceError(f"{path} cannot be read as {kind} ({_one_line(error)}): is it damaged or cut off?") from error


def _read_parquet(path: Path) -> RawTable:
    parquet = pq.ParquetFile(path)
    keep = [field.name for field in parquet.schema_arrow if not pa.types.is_nested(field.type)]
    keep = [name for name in keep if not pa.types.is_binary(parquet.schema_arrow.field(name).type)]
    if not keep:
        raise SourceError(f"{path} has no plain columns, only {parquet.schema_arrow.names}.")
    return RawTable(tuple(keep), _guarded(path, "parquet", _parquet_batches(path, keep)), parquet.metadata.num_rows)


def _parquet_batches(path: Path, columns: list[str]) -> Iterator[pa.RecordBatch]:
    with pq.ParquetFile(path) as parquet:
        for batch in parquet.iter_batches(_BATCH_ROWS, columns=columns):
            yield batch.select(columns)


def _read_excel(path: Path, sheet: str | None) -> RawTable:
    import openpyxl

    if zipfile.is_zipfile(path):
        checked_members(path, nested=True)
    book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    if sheet is not None and sheet not in book.sheetnames:
        found = book.sheetnames
        book.close()
        raise SourceError(f"{path} has no sheet {sheet!r}, it has {found}: set source.sheet.")
    rows = (book[sheet] if sheet is not None else book.worksheets[0]).iter_rows(values_only=True)
    header = next(rows, None)
    if header is None or all(cell is None for cell in header):
        book.close()
        raise SourceError(f"{path} is empty: expected a header in the first row of the sheet.")
    names = _unique(header)
    return RawTable(names, _guarded(path, "excel", _excel_batches(book, rows, names)))


def _excel_batches(book: Any, rows: Iterator[tuple[Any, ...]], names: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
    try:
        chunk: list[tuple[Any, ...]] = []
        for row in rows:
            if any(cell is not None for cell in row):
                chunk.append((*row, *[None] * (len(names) - len(row)))[: len(names)])
            if len(chunk) == _BATCH_ROWS:
                yield _from_objects(chunk, names)
                chunk = []
        if chunk:
            yield _from_objects(chunk, names)
    finally:
        book.close()


def _from_objects(rows: list[tuple[Any, ...]], names: tuple[str, ...]) -> pa.RecordBatch:
    columns = []
    for values in zip(*rows, strict=True):
        try:
            columns.append(pa.array(values, from_pandas=True))
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            columns.append(pa.array([None if value is None else str(value) for value in values], pa.string()))
    return pa.record_batch(columns, names=list(names))


def _read_vector(path: Path) -> RawTable:
    import pyogrio

    check_layer(path)
    info = pyogrio.read_info(path, force_total_bounds=False)
    fields = [str(name) for name in info["fields"]]
    has_points = "Point" in str(info["geometry_type"] or "Unknown") or info["geometry_type"] in {None, "Unknown"}
    added = [name for name in ("longitude", "latitude") if has_points and name not in fields]
    if not fields and not added:
        raise SourceError(f"{path} has neither attributes nor points.")
    batches = _vector_batches(path, fields, added, info["crs"])
    return RawTable((*fields, *added), _guarded(path, "vector", batches), int(info["features"]))


def _vector_batches(path: Path, fields: list[str], added: list[str], crs: str | None) -> Iterator[pa.RecordBatch]:
    import pyogrio
    import pyproj
    import shapely

    to_degrees = pyproj.Transformer.from_crs(crs or "EPSG:4326", "EPSG:4326", always_xy=True)
    with pyogrio.open_arrow(path, batch_size=_BATCH_ROWS, use_pyarrow=True) as (meta, reader):
        geometry = meta["geometry_name"] or "wkb_geometry"
        for batch in reader:
            columns = [batch.column(name) for name in fields]
            if added:
                shapes = shapely.from_wkb(batch.column(geometry).to_numpy(zero_copy_only=False))
                points = np.where((shapely.get_type_id(shapes) == 0) & ~shapely.is_empty(shapes), shapes, None)
                place = to_degrees.transform(shapely.get_x(points), shapely.get_y(points))
                # PROJ answers infinity for what it cannot place; an absent point is no number.
                longitude, latitude = (np.where(np.isfinite(axis), axis, np.nan) for axis in place)
                by_name = {"longitude": longitude, "latitude": latitude}
                columns += [pa.array(by_name[name], from_pandas=True) for name in added]
            yield pa.record_batch(columns, names=[*fields, *added])


def _guarded(path: Path, kind: str, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    try:
        yield from batches
    except SourceError:
        raise
    except Exception as error:  # readers of foreign formats fail in countless ways
        raise SourceError(f"{path} cannot be read as {kind} ({_one_line(error)}): is it damaged or cut off?") from error


def _aligned(tables: list[RawTable], columns: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
    for table in tables:
        for batch in table.batches:
            have = dict(zip(batch.schema.names, batch.columns, strict=True))
            yield pa.record_batch(
                [have.get(name, pa.nulls(batch.num_rows, pa.string())) for name in columns], names=list(columns)
            )


def _unique(header: tuple[Any, ...]) -> tuple[str, ...]:
    names: list[str] = []
    for i, cell in enumerate(header, start=1):
        name = str(cell).strip() if cell is not None and str(cell).strip() else f"column_{i}"
        repeated, k = name, 2
        while repeated in names:
            repeated, k = f"{name} ({k})", k + 1
        names.append(repeated)
    return tuple(names)


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]
