"""Context files on this computer: places, lines, areas and tables, read whole and copied into the raw store.

Data sheet
----------
What it reads : the formats of `crimepatterns.sources.local_file`, with the geometry of every kind; GeoParquet; and zip
    archives that hold a Shapefile, GeoPackage or GeoJSON. Nothing is unpacked to disk.
What arrives : the attributes as published, and the geometry beside them where the file has one.
What is left out : columns that look personal, such as the owner of a licence; and in layers for features every column
    about race, ethnicity, religion, nationality or income, whether it was asked for or not.
Size : a layer is held in memory; licences, stops, parks and census areas of a city are small.
"""

import difflib
import zipfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import geopandas as gpd
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import shapely
from numpy.typing import NDArray

from crimepatterns.domain.audit_names import is_audit_name, refuse_audit_columns
from crimepatterns.errors import ConfigError, SchemaError, SourceError
from crimepatterns.sources.local_file import UNREADABLE, file_format, read_file
from crimepatterns.sources.personal import personal_columns
from crimepatterns.sources.raw_copy import as_text_batch
from crimepatterns.store.raw import RawEntry, RawStore, copy_bytes, file_digest

__all__ = ["ContextTable", "copy_context_file", "copy_context_frame", "read_context"]

_VECTOR_IN_ZIP = (".shp", ".gpkg", ".geojson", ".fgb")


@dataclass(frozen=True, eq=False)
class ContextTable:
    """Rows of a context file.

    Parameters
    ----------
    table : pyarrow.Table, shape (n, n_columns)
        Attributes as published.
    geometry : ndarray of shapely Geometry, shape (n,), optional
        None where the file holds none; single values may be None.
    crs : str, optional
        Reference system that the file names.
    """

    table: pa.Table = field(repr=False)
    geometry: NDArray[np.object_] | None = field(default=None, repr=False)
    crs: str | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the attributes."""
        return tuple(name for name in self.table.column_names if name != UNREADABLE)

    def without(self, names: Collection[str]) -> "ContextTable":
        """Leave columns out; of a row that does not fit the header only its number of fields is kept then."""
        rest = self.table.drop_columns([name for name in self.columns if name in names])
        if names and UNREADABLE in rest.column_names:
            short = pc.replace_substring_regex(rest.column(UNREADABLE), r"(?s):.*$", "")
            rest = rest.set_column(rest.column_names.index(UNREADABLE), UNREADABLE, short)
        return replace(self, table=rest)


def read_context(
    path: Path,
    *,
    format: str | None = None,  # noqa: A002  # the setting's name
    delimiter: str | None = None,
    encoding: str | None = None,
    sheet: str | None = None,
) -> ContextTable:
    """Read one file whole.

    Parameters
    ----------
    path : Path
    format : {"csv", "parquet", "excel", "vector"}, optional
    delimiter, encoding, sheet : str, optional
        As in `LocalFiles`; `sheet` also names the layer of a GeoPackage.

    Raises
    ------
    SourceError
        If it cannot be read as what it seems to be.
    """
    if not path.is_file():
        raise SourceError(f"{path} does not exist: check the paths of its context layer (relative to {Path.cwd()}).")
    inner = _vector_in_zip(path)
    kind = "vector" if inner else file_format(path, format)
    if kind not in {"vector", "parquet"} or (kind == "parquet" and not _is_geoparquet(path)):
        read = read_file(path, format=kind, delimiter=delimiter, encoding=encoding, sheet=sheet)
        return ContextTable(_joined(list(read.batches), read.columns))
    try:
        return _read_parquet(path) if kind == "parquet" else _read_vector(inner or str(path), sheet)
    except Exception as error:  # readers of foreign formats fail in countless ways
        reason = " ".join(str(error).split())[:200]
        raise SourceError(f"{path} cannot be read as {kind} ({reason}): is it damaged or cut off?") from error


def copy_context_file(
    store: RawStore,
    path: Path,
    *,
    needed: Mapping[str, str],
    for_features: bool,
    keep_columns: Collection[str] = (),
    origin: str = "",
    licence: str = "",
    format: str | None = None,  # noqa: A002  # the setting's name
    **reading: str | None,
) -> RawEntry:
    """Copy one file into the raw store, without columns that are personal or must not become features.

    Parameters
    ----------
    store : RawStore
        The layer's own.
    path : Path
    needed : mapping of str to str
        Setting to column, for columns that the layer uses.
    for_features : bool
        Whether the layer is joined to cells; then columns about people are refused where they are needed and left out
        where they are not.
    keep_columns : collection of str
        Columns that may stay although they look personal.
    origin, licence : str
        Written into the manifest.
    format, **reading
        As in `read_context`.

    Returns
    -------
    RawEntry
        The earlier one where the same content was copied before.

    Raises
    ------
    AuditColumnError
        If a layer for features needs a column about race, ethnicity, religion, nationality or income.
    SchemaError
        If a needed column is not there.
    ConfigError
        If a needed column looks personal and is not among `keep_columns`.
    SourceError
        If the file cannot be read.
    """
    found = read_context(path, format=format, **reading)
    if for_features:
        refuse_audit_columns(needed.values(), purpose="context for features")
    dropped = _dropped(found, path, needed, keep_columns=keep_columns, for_features=for_features)
    digest = file_digest(path)
    known = store.find(digest, dropped, reading)
    if known is not None:
        return replace(known, origin=origin, licence=licence)
    kind = "vector" if _vector_in_zip(path) else file_format(path, format)
    if dropped or path.suffix.lower() == ".shp":
        # A shapefile is several files; its content is written instead.
        rest = found.without(dropped)
        name, kind = f"{digest[:12]}-{_plain(path.stem)}.parquet", "parquet"
        copy = store.write(name, lambda target: _write(rest, target))
    else:
        name = f"{digest[:12]}-{_plain(path.name)}"
        copy = store.write(name, lambda target: copy_bytes(path, target))
    return RawEntry(
        file=name,
        source_name=path.name,
        source_sha256=digest,
        sha256=copy,
        rows=found.table.num_rows,
        columns=tuple(one for one in found.columns if one not in dropped),
        dropped_columns=dropped,
        format=kind,
        reading=reading,
        origin=origin,
        licence=licence,
        fetched_at=_now(),
    )


def copy_context_frame(
    store: RawStore, frame: gpd.GeoDataFrame, *, key: str, name: str, origin: str, licence: str
) -> RawEntry:
    """Copy a layer that comes from no file; `key` is the digest of what makes its content."""
    known = store.find(key, (), {})
    if known is not None:
        return known
    file = f"{key[:12]}-{_plain(name)}.parquet"
    plain = pa.Table.from_pandas(frame.drop(columns=frame.geometry.name), preserve_index=False)
    layer = ContextTable(plain, frame.geometry.to_numpy(), str(frame.crs))
    return RawEntry(
        file=file,
        source_name=name,
        source_sha256=key,
        sha256=store.write(file, lambda target: _write(layer, target)),
        rows=len(frame),
        columns=layer.columns,
        dropped_columns=(),
        format="parquet",
        origin=origin,
        licence=licence,
        fetched_at=_now(),
    )


def _dropped(
    found: ContextTable, path: Path, needed: Mapping[str, str], *, keep_columns: Collection[str], for_features: bool
) -> tuple[str, ...]:
    for setting, column in needed.items():
        if column not in found.columns:
            near = difflib.get_close_matches(column, found.columns, 1, 0.5)
            hint = f", perhaps {near[0]!r}" if near else ""
            raise SchemaError(
                f"{path.name} has no column {column!r} for {setting}{hint}: it has {list(found.columns)[:30]}."
            )
    personal = personal_columns(found.columns)
    dropped = [name for name in personal if name not in keep_columns]
    for setting, column in needed.items():
        if column in dropped:
            raise ConfigError(
                f"{setting} names {column!r}, which looks personal ({personal[column]}): add it to keep_columns of its "
                "context layer to keep it, or use another column."
            )
    people = [name for name in found.columns if is_audit_name(name) and name not in dropped] if for_features else []
    return (*dropped, *people)


def _read_vector(path: str, layer: str | None) -> ContextTable:
    import pyogrio

    meta, table = pyogrio.read_arrow(path, layer=layer)
    name = meta["geometry_name"] or "wkb_geometry"
    if name not in table.column_names:
        return ContextTable(table)
    shapes = shapely.from_wkb(table.column(name).to_numpy(zero_copy_only=False))
    return ContextTable(table.drop_columns([name]), shapes, meta["crs"])


def _read_parquet(path: Path) -> ContextTable:
    frame = gpd.read_parquet(path)
    plain = pa.Table.from_pandas(frame.drop(columns=frame.geometry.name), preserve_index=False)
    crs = None if frame.crs is None else frame.crs.to_string()
    return ContextTable(plain.replace_schema_metadata(None), frame.geometry.to_numpy(), crs)


def _write(rows: ContextTable, target: Path) -> str:
    if rows.geometry is None:
        pq.write_table(rows.table, target, compression="zstd")
    else:
        frame = gpd.GeoDataFrame(rows.table.to_pandas(), geometry=rows.geometry, crs=rows.crs)
        frame.to_parquet(target, index=False, compression="zstd")
    return file_digest(target)


def _is_geoparquet(path: Path) -> bool:
    try:
        return b"geo" in (pq.read_schema(path).metadata or {})
    except (OSError, pa.ArrowException):
        return False


def _vector_in_zip(path: Path) -> str | None:
    """Return GDAL's name of the map layer inside a zip archive; None for anything else."""
    if path.suffix.lower() != ".zip" or not zipfile.is_zipfile(path):
        return None
    with zipfile.ZipFile(path) as archive:
        inside = [name for name in archive.namelist() if name.lower().endswith(_VECTOR_IN_ZIP)]
    return f"/vsizip/{path}/{inside[0]}" if inside else None


def _joined(batches: list[pa.RecordBatch], columns: tuple[str, ...]) -> pa.Table:
    if not batches:
        return pa.table({name: pa.array([], pa.string()) for name in columns})
    if any(batch.schema != batches[0].schema for batch in batches):
        # Batches of a spreadsheet may differ in their types; text is what they have in common.
        batches = [as_text_batch(batch) for batch in batches]
    return pa.Table.from_batches(batches)


def _plain(name: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "._-" else "_" for letter in name)[-80:]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
