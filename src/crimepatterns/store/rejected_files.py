"""Rejected rows as files: a folder of Parquet files that reads as one table."""

from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa
import pyarrow.parquet as pq

from crimepatterns.store.atomic import replacing

__all__ = ["RejectedWriter", "rejected_files", "rewrite_rejected"]

_FLUSH_ROWS = 65_536


class RejectedWriter:
    """Writes rejected rows into one new file of the folder; holds a bounded number of rows at a time.

    Parameters
    ----------
    folder : Path
        Such as ``rejected.parquet``; may hold files already.
    schema : pyarrow.Schema
    """

    def __init__(self, folder: Path, schema: pa.Schema) -> None:
        self._folder, self._schema = folder, schema
        self._waiting: list[pa.RecordBatch] = []
        self._writer: pq.ParquetWriter | None = None

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._flush()
        if self._writer is not None:
            self._writer.close()
        if kind is None and not rejected_files(self._folder):
            pq.write_table(self._schema.empty_table(), self._folder / "part-00000.parquet")

    def add(self, batch: pa.RecordBatch) -> None:
        """Add rows in the writer's schema."""
        self._waiting.append(batch)
        if sum(waiting.num_rows for waiting in self._waiting) >= _FLUSH_ROWS:
            self._flush()

    def _flush(self) -> None:
        if not self._waiting:
            return
        if self._writer is None:
            numbers = [int(path.stem.removeprefix("part-")) for path in rejected_files(self._folder)]
            path = self._folder / f"part-{max(numbers, default=-1) + 1:05d}.parquet"
            self._writer = pq.ParquetWriter(path, self._schema, compression="zstd")
        self._writer.write_table(pa.Table.from_batches(self._waiting))
        self._waiting = []


def rejected_files(folder: Path) -> list[Path]:
    """List the files, in order of arrival."""
    return sorted(folder.glob("part-*.parquet"))


def rewrite_rejected(path: Path, table: pa.Table) -> None:
    """Write one file again, beside and moved: the old content belongs to the version before as well."""
    with replacing(path) as beside:
        pq.write_table(table, beside, compression="zstd")
