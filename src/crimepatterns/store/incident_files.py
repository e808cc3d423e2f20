"""Cleaned incidents as files: GeoParquet in folders by year and month of civil time, written as a stream."""

import json
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Generic, Protocol, Self, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyproj
from numpy.typing import NDArray

from crimepatterns.domain.incidents import INCIDENT_COLUMNS

__all__ = [
    "IncidentFile",
    "IncidentWriter",
    "incident_schema",
    "month_folder",
    "move_behind",
    "parts_of_month",
    "write_part",
]

_UTC = pa.timestamp("us", tz="UTC")
_WORDS = pa.dictionary(pa.int32(), pa.string())
_FLUSH_ROWS = 131_072
_BUFFER_ROWS = 524_288
_OPEN_FILES = 256
_MOST_WRITING = 2
_TIMES = ("occurred_from", "occurred_until", "known_at")


class Addable(Protocol):
    """Figures that add up."""

    def __add__(self, other: Self) -> Self:
        """Add two."""
        ...


Facts = TypeVar("Facts", bound=Addable)


@dataclass(frozen=True)
class IncidentFile(Generic[Facts]):
    """One file that was written.

    Parameters
    ----------
    path : Path
    month : int
        Counted since January 1970.
    rows : int
    facts : object
        What the writer was asked to find out about its rows.
    """

    path: Path
    month: int
    rows: int
    facts: Facts


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


class IncidentWriter(Generic[Facts]):
    """Writes incidents into ``year=YYYY/month=MM/part-N.parquet``; holds a bounded number of rows at a time.

    Parameters
    ----------
    folder : Path
        May hold files already: new rows go into files of their own behind them.
    schema : pyarrow.Schema
    describe : callable
        Finds out figures about rows on their way into a file.
    behind : bool
        Write on a thread of its own, while further rows are added.
    """

    def __init__(
        self,
        folder: Path,
        schema: pa.Schema,
        describe: Callable[[Sequence[pa.RecordBatch]], Facts],
        *,
        behind: bool = False,
    ) -> None:
        self._folder, self._schema, self._describe = folder, schema, describe
        self._waiting: dict[int, list[pa.RecordBatch]] = {}
        self._sizes: dict[int, int] = {}
        self._open: dict[int, pq.ParquetWriter] = {}
        self._paths: dict[int, Path] = {}
        self._thread = ThreadPoolExecutor(1) if behind else None
        self._writing: deque[Future[None]] = deque()
        self.files: dict[Path, IncidentFile[Facts]] = {}

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                for month in sorted(self._waiting):
                    self._flush(month)
            while self._writing and kind is None:
                self._writing.popleft().result()
        finally:
            if self._thread is not None:
                self._thread.shutdown(cancel_futures=True)
            for writer in self._open.values():
                writer.close()
        if kind is None and not any(self._folder.rglob("*.parquet")):
            pq.write_table(self._schema.empty_table(), self._folder / "part-00000.parquet")

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
        batches, rows = self._waiting.pop(month), self._sizes.pop(month)
        if self._thread is None:
            self._write(month, batches, rows)
            return
        self._writing.append(self._thread.submit(self._write, month, batches, rows))
        while len(self._writing) > _MOST_WRITING:
            self._writing.popleft().result()

    def _write(self, month: int, batches: Sequence[pa.RecordBatch], rows: int) -> None:
        writer, path = self._writer(month)
        writer.write_table(pa.Table.from_batches(batches), row_group_size=_FLUSH_ROWS)
        facts, before = self._describe(batches), self.files.get(path)
        if before is not None:
            facts, rows = before.facts + facts, before.rows + rows
        self.files[path] = IncidentFile(path, month, rows, facts)

    def _writer(self, month: int) -> tuple[pq.ParquetWriter, Path]:
        if month not in self._open:
            if len(self._open) >= _OPEN_FILES:
                oldest = next(iter(self._open))
                self._open.pop(oldest).close()
            folder = month_folder(self._folder, month)
            folder.mkdir(parents=True, exist_ok=True)
            self._paths[month] = folder / _next_name(folder)
            self._open[month] = _parquet_writer(self._paths[month], self._schema)
        return self._open[month], self._paths[month]


def month_folder(folder: Path, month: int) -> Path:
    """Return where the files of a month lie; months are counted since January 1970."""
    return folder / f"year={1970 + month // 12}" / f"month={month % 12 + 1:02d}"


def parts_of_month(folder: Path, month: int) -> list[Path]:
    """List the files of a month, in order of arrival."""
    return sorted(month_folder(folder, month).glob("part-*.parquet"))


def move_behind(path: Path, folder: Path) -> Path:
    """Move a part into another folder, behind the parts there; return where it lies now."""
    folder.mkdir(parents=True, exist_ok=True)
    return path.rename(folder / _next_name(folder))


def write_part(path: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> None:
    """Write one file of incidents."""
    with _parquet_writer(path, schema) as writer:
        for batch in batches:
            writer.write_batch(batch, row_group_size=_FLUSH_ROWS)


def _next_name(folder: Path) -> str:
    numbers = [int(path.stem.removeprefix("part-")) for path in folder.glob("part-*.parquet")]
    return f"part-{max(numbers, default=-1) + 1:05d}.parquet"


def _parquet_writer(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    # Coordinates do not compress, and ids and shapes are not looked for by range: no time is spent on either.
    words = [field.name for field in schema if pa.types.is_dictionary(field.type)]
    further = schema.names[len(INCIDENT_COLUMNS) : -1]
    compression = dict.fromkeys(schema.names, "snappy") | {"x": "none", "y": "none"}
    return pq.ParquetWriter(
        path,
        schema,
        compression=compression,
        use_dictionary=[*words, *further],
        column_encoding=dict.fromkeys(_TIMES, "DELTA_BINARY_PACKED"),
        write_statistics=[*_TIMES, "category", "x", "y"],
    )
