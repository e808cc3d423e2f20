"""Copy what a source gives into the raw store, without columns that look personal."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from crimepatterns.domain.protocols import RawTable
from crimepatterns.errors import ConfigError
from crimepatterns.sources.local_file import UNREADABLE, LocalFiles, file_format
from crimepatterns.sources.personal import personal_columns
from crimepatterns.store.raw import RawEntry, RawStore, copy_bytes, write_batches

__all__ = ["as_text_batch", "columns_to_drop", "copy_file", "copy_table"]


def copy_file(
    store: RawStore,
    source: LocalFiles,
    path: Path,
    *,
    keep_columns: Collection[str] = (),
    mapped: Mapping[str, str] | None = None,
    origin: str = "",
    licence: str = "",
) -> RawEntry:
    """Copy one file: byte by byte, or as a table where columns are left out.

    Parameters
    ----------
    store : RawStore
    source : LocalFiles
        How to read the file.
    path : Path
    keep_columns : collection of str
        Columns that may stay although they look personal.
    mapped : mapping of str to str, optional
        Setting to column, for columns that cleaning needs.
    origin, licence : str
        Written into the manifest.

    Returns
    -------
    RawEntry
        The earlier one where the same content was copied before.

    Raises
    ------
    ConfigError
        If a mapped column looks personal and is not among `keep_columns`.
    SourceError
        If the file cannot be read.
    """
    table = source.read(path)
    names = [name for name in table.columns if name != UNREADABLE]
    dropped = columns_to_drop(names, keep_columns=keep_columns, mapped=mapped or {})
    digest = store.digests.digest(path)
    reading = {"delimiter": source.delimiter, "encoding": source.encoding, "sheet": source.sheet}
    known = store.find(digest, dropped, reading)
    if known is not None:
        return replace(known, origin=origin, licence=licence)
    kind = file_format(path, source.format)
    columns = [name for name in table.columns if name not in dropped]
    counted = _Counted(table)
    # A shapefile is several files; its table is written instead.
    if dropped or path.suffix.lower() == ".shp":
        rest = counted.select(columns, as_text=kind == "excel")
        name, kind = f"{digest[:12]}-{_plain(path.stem)}.parquet", "parquet"
        copy = store.write(name, lambda target: write_batches(target, rest))
    else:
        name = f"{digest[:12]}-{_plain(path.name)}"
        if table.rows is None:
            counted.exhaust()
        else:
            counted.rows = table.rows
        copy = store.write(name, lambda target: copy_bytes(path, target))
    return RawEntry(
        file=name,
        source_name=path.name,
        source_sha256=digest,
        sha256=copy,
        rows=counted.rows,
        columns=tuple(column for column in columns if column != UNREADABLE),
        dropped_columns=dropped,
        format=kind,
        reading=reading,
        origin=origin,
        licence=licence,
        fetched_at=_now(),
    )


def copy_table(store: RawStore, table: RawTable, *, key: str, name: str, origin: str, licence: str) -> RawEntry:
    """Copy the stream of a source that is no file; `key` is the digest of what makes its content."""
    counted = _Counted(table)
    file = f"{key[:12]}-{_plain(name)}.parquet"
    copy = store.write(file, lambda target: write_batches(target, counted.select(list(table.columns))))
    return RawEntry(
        file=file,
        source_name=name,
        source_sha256=key,
        sha256=copy,
        rows=counted.rows,
        columns=tuple(table.columns),
        dropped_columns=(),
        format="parquet",
        origin=origin,
        licence=licence,
        fetched_at=_now(),
    )


def columns_to_drop(
    names: Iterable[str], *, keep_columns: Collection[str] = (), mapped: Mapping[str, str] | None = None
) -> tuple[str, ...]:
    """Name the columns that look personal and must not be stored.

    Raises
    ------
    ConfigError
        If a mapped column is one of them.
    """
    personal = personal_columns(names)
    dropped = tuple(name for name in personal if name not in keep_columns)
    for setting, column in (mapped or {}).items():
        if column in dropped:
            raise ConfigError(
                f"columns.{setting} names {column!r}, which looks personal ({personal[column]}): add it to "
                "source.keep_columns to keep it, or map another column."
            )
    return dropped


def as_text_batch(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Write every column as text, for formats whose types may change from batch to batch."""
    return pa.record_batch([column.cast(pa.string()) for column in batch.columns], names=batch.schema.names)


class _Counted:
    """Passes batches on and counts their rows."""

    def __init__(self, table: RawTable) -> None:
        self._table, self.rows = table, 0

    def exhaust(self) -> None:
        """Read everything once: it counts the rows, and damage far inside the file is found now."""
        for batch in self._table.batches:
            self.rows += batch.num_rows

    def select(self, columns: list[str], *, as_text: bool = False) -> Iterator[pa.RecordBatch]:
        """Yield the batches with these columns only; as text where their types may change from batch to batch.

        The text of a row that does not fit the header may hold what was in a dropped column; only its number of
        fields is kept.
        """
        for batch in self._table.batches:
            self.rows += batch.num_rows
            chosen = as_text_batch(batch.select(columns)) if as_text else batch.select(columns)
            if UNREADABLE in columns:
                place = columns.index(UNREADABLE)
                short = pc.replace_substring_regex(chosen.column(place), r"(?s):.*$", "")
                chosen = chosen.set_column(place, UNREADABLE, short)
            yield chosen


def _plain(name: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "._-" else "_" for letter in name)[-80:]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
