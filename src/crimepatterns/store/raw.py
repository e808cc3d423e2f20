"""Raw copies of incident files: written once, never changed, listed in MANIFEST.json.

A copy is named by its content. New content makes a new entry; the entries of the latest ingest are marked current.
The one exception is the erasure of an expunged record, which replaces a copy and notes how many rows went.
"""

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from crimepatterns.errors import ArtefactError, MissingInputError
from crimepatterns.store.atomic import read_json, replacing, write_json
from crimepatterns.store.digests import KnownDigests, sha256_file
from crimepatterns.store.forgotten import Forgotten
from crimepatterns.version import __version__

__all__ = ["RawEntry", "RawStore", "copy_bytes", "file_digest", "read_column", "read_rows", "write_batches"]


@dataclass(frozen=True)
class RawEntry:
    """One raw copy.

    Parameters
    ----------
    file : str
        Name in the folder ``files``.
    source_name, source_sha256 : str
        What was copied: its file name and the digest of its content.
    sha256 : str
        Digest of the copy.
    rows : int
    columns, dropped_columns : tuple of str
        Columns of the copy, and those left out because they look personal.
    format : str
        How to read the copy.
    reading : mapping
        Delimiter, encoding and sheet for reading it.
    origin, licence, fetched_at : str
    erased_rows : int
        Rows that were erased from the copy since.
    current : bool
        Whether the latest ingest named it.
    replaces : bool
        Whether its rows replace rows of earlier entries that have the same id: later versions of the same records.
    withdraws : bool
        Whether it lists, in its one column, ids of records that the publisher has withdrawn.
    feed : str
        The feed it was pulled from; empty for files.
    cursor : mapping
        Where the feed goes on after this entry.
    """

    file: str
    source_name: str
    source_sha256: str
    sha256: str
    rows: int
    columns: tuple[str, ...]
    dropped_columns: tuple[str, ...]
    format: str
    reading: Mapping[str, Any] = field(default_factory=dict)
    origin: str = ""
    licence: str = ""
    fetched_at: str = ""
    erased_rows: int = 0
    current: bool = True
    replaces: bool = False
    withdraws: bool = False
    feed: str = ""
    cursor: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RawStore:
    """The raw folder of one city.

    Parameters
    ----------
    folder : Path
        Such as ``data/raw/chicago``.
    """

    folder: Path

    @property
    def digests(self) -> KnownDigests:
        """Digests of files that were copied."""
        # Hidden: what is known of the user's files is no result.
        return KnownDigests(self.folder / ".digests.json")

    @property
    def forgotten(self) -> Forgotten:
        """Ids of records that were erased and must not come back from a feed."""
        return Forgotten(self.folder / ".forgotten.json")

    @property
    def manifest(self) -> Path:
        """The list of all copies."""
        return self.folder / "MANIFEST.json"

    def path_of(self, entry: RawEntry) -> Path:
        """Return where a copy lies."""
        return self.folder / "files" / entry.file

    def entries(self) -> list[RawEntry]:
        """List every copy; an empty list where nothing was ingested.

        Raises
        ------
        ArtefactError
            If the manifest is damaged.
        """
        if not self.manifest.exists():
            return []
        try:
            listed = read_json(self.manifest)["files"]
            unknown = sorted({name for one in listed for name in one} - {one.name for one in fields(RawEntry)})
            if unknown:
                raise ArtefactError(
                    f"{self.manifest} says {unknown} of raw copies, which crimepatterns {__version__} does not "
                    "know: it was written by a later version, install that one."
                )
            return [
                RawEntry(**{**one, "columns": tuple(one["columns"]), "dropped_columns": tuple(one["dropped_columns"])})
                for one in listed
            ]
        except (KeyError, TypeError) as error:
            raise ArtefactError(f"{self.manifest} is damaged ({error}): remove the folder and ingest again.") from error

    def current(self) -> list[RawEntry]:
        """List the copies of the latest ingest.

        Raises
        ------
        MissingInputError
            If nothing was ingested.
        ArtefactError
            If a copy is gone.
        """
        found = [entry for entry in self.entries() if entry.current]
        if not found:
            raise MissingInputError(f"{self.folder} holds no raw records yet: run `crimepatterns ingest` first.")
        for entry in found:
            if not self.path_of(entry).is_file():
                raise ArtefactError(f"{self.path_of(entry)} is gone: run `crimepatterns ingest --force`.")
        return found

    def find(self, source_sha256: str, dropped: Iterable[str], reading: Mapping[str, Any]) -> RawEntry | None:
        """Return the copy of the same content without the same columns, read in the same way, or None."""
        wanted = (source_sha256, tuple(dropped), dict(reading))
        for entry in self.entries():
            same = (entry.source_sha256, entry.dropped_columns, dict(entry.reading)) == wanted
            if same and self.path_of(entry).is_file():
                return entry
        return None

    def write(self, name: str, make: Callable[[Path], str]) -> str:
        """Put one copy in place, read-only; return the digest of its content.

        Parameters
        ----------
        name : str
            File name of the copy.
        make : callable
            Writes the content to the path it is given and returns its sha256.
        """
        self._clear_leftovers()
        with replacing(self.folder / "files" / name) as beside:
            digest = make(beside)
            beside.chmod(0o444)
        return digest

    def record(self, entries: Iterable[RawEntry]) -> bool:
        """Make these copies the current ones and keep all others listed; return whether the list changed.

        New copies are listed behind the earlier ones, in the order given: the order of arrival.
        """
        self._clear_leftovers()
        fresh = {entry.file: replace(entry, current=True) for entry in entries}
        listed = [fresh.pop(old.file, replace(old, current=False)) for old in self.entries()]
        return self._save([*listed, *fresh.values()])

    def erase(self, entry: RawEntry, batches: Iterable[pa.RecordBatch], *, rows: int) -> RawEntry:
        """Replace a copy by one without some rows; the old content is gone from the disk afterwards.

        Parameters
        ----------
        entry : RawEntry
        batches : iterable of pyarrow.RecordBatch
            The rows that stay.
        rows : int
            How many rows go.
        """
        stem = entry.file.split(".", 1)[0]
        name = f"{stem}.without-{entry.erased_rows + rows}.parquet"
        digest = self.write(name, lambda path: write_batches(path, batches))
        fresh = replace(
            entry,
            file=name,
            sha256=digest,
            rows=entry.rows - rows,
            erased_rows=entry.erased_rows + rows,
            format="parquet",
        )
        old = self.path_of(entry)
        self._save([fresh if one.file == entry.file else one for one in self.entries()])
        old.unlink(missing_ok=True)
        return fresh

    def _save(self, entries: list[RawEntry]) -> bool:
        if entries == self.entries():
            return False
        write_json(self.manifest, {"files": [asdict(entry) for entry in entries]})
        return True

    def _clear_leftovers(self) -> None:
        """Remove what a killed run left half-written."""
        for folder in (self.folder, self.folder / "files", self.folder / ".feeds"):
            for stale in folder.glob(".*.part"):
                stale.unlink(missing_ok=True)


def copy_bytes(source: Path, target: Path) -> str:
    """Copy a file byte by byte; return the sha256 of the copy, read back."""
    shutil.copyfile(source, target)
    return file_digest(target)


def write_batches(target: Path, batches: Iterable[pa.RecordBatch]) -> str:
    """Write a stream of batches of one schema as Parquet; return the sha256 of the file."""
    writer: pq.ParquetWriter | None = None
    try:
        for batch in batches:
            if writer is None:
                writer = pq.ParquetWriter(target, batch.schema, compression="zstd")
            writer.write_batch(batch)
    finally:
        if writer is not None:
            writer.close()
    if writer is None:
        pq.write_table(pa.table({}), target)
    return file_digest(target)


def read_column(path: Path, name: str) -> Iterator[pa.Array]:
    """Read one column of a Parquet copy, batch by batch."""
    with pq.ParquetFile(path) as parquet:
        for batch in parquet.iter_batches(columns=[name]):
            yield batch.column(0)


def read_rows(path: Path, rows: Sequence[int]) -> pa.RecordBatch:
    """Read rows of a Parquet copy by their numbers from 0, ascending; row groups without any are not touched."""
    with pq.ParquetFile(path) as parquet:
        sizes = [parquet.metadata.row_group(i).num_rows for i in range(parquet.num_row_groups)]
        starts = np.concatenate([[0], np.cumsum(sizes)])
        group = np.searchsorted(starts, rows, side="right") - 1
        parts = [
            parquet.read_row_group(int(i)).take(pa.array(np.asarray(rows)[group == i] - starts[i]))
            for i in np.unique(group)
        ]
        table = pa.concat_tables(parts) if parts else parquet.schema_arrow.empty_table()
        return (
            table.combine_chunks().to_batches()[0] if table.num_rows else pa.RecordBatch.from_pylist([], table.schema)
        )


def file_digest(path: Path) -> str:
    """Return the sha256 of a file's content."""
    return sha256_file(path)
