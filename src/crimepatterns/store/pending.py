"""Pages of a pull that has not finished: each is on disk with its cursor before the next is asked for.

A page is one Parquet file that holds its cursor too, so that rows and cursor cannot part; it is written beside and
moved. A killed pull goes on from its last page.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from crimepatterns.errors import ArtefactError
from crimepatterns.store.atomic import read_json, replacing, write_json

__all__ = ["PendingPages"]

_CURSOR, _DROPPED = b"crimepatterns.cursor", b"crimepatterns.dropped"


@dataclass
class PendingPages:
    """The pages of one feed's unfinished pull.

    Parameters
    ----------
    folder : Path
        Such as ``data/raw/chicago/pending/ijzp-q8t2``.
    base : str
        What the pull started from; pages of another base are of no use and are thrown away.
    """

    folder: Path
    base: str

    def __post_init__(self) -> None:
        if self.folder.exists() and not self._belongs():
            self.discard()

    @property
    def paths(self) -> list[Path]:
        """The pages, in order."""
        return sorted(self.folder.glob("page-*.parquet"))

    @property
    def rows(self) -> int:
        """Rows of all pages."""
        return self.rows_below(self.folder)

    @staticmethod
    def rows_below(folder: Path) -> int:
        """Count the rows that wait in a folder, whatever pull they belong to."""
        return sum(pq.read_metadata(path).num_rows for path in folder.glob("page-*.parquet"))

    @property
    def columns(self) -> list[tuple[str, ...]]:
        """Columns of each page."""
        return [tuple(pq.read_schema(path).names) for path in self.paths]

    @property
    def dropped(self) -> tuple[str, ...]:
        """Columns that were left out of some page."""
        names = (json.loads((pq.read_schema(path).metadata or {})[_DROPPED]) for path in self.paths)
        return tuple(dict.fromkeys(name for page in names for name in page))

    @cached_property
    def cursor(self) -> dict[str, Any] | None:
        """The cursor of the last page; None where there is none."""
        paths = self.paths
        if not paths:
            return None
        stored: dict[str, Any] = json.loads((pq.read_schema(paths[-1]).metadata or {})[_CURSOR])
        return stored

    def add(self, batch: pa.RecordBatch, cursor: Mapping[str, Any], *, dropped: Sequence[str] = ()) -> None:
        """Put one page on disk, whole or not at all; `dropped` are the columns that were left out of it."""
        if not self.folder.exists():
            write_json(self.folder / "pull.json", {"base": self.base})
        paths = self.paths
        number = int(paths[-1].stem.removeprefix("page-")) + 1 if paths else 0
        notes = {_CURSOR: json.dumps(cursor).encode(), _DROPPED: json.dumps(list(dropped)).encode()}
        schema = batch.schema.with_metadata(notes)
        with (
            replacing(self.folder / f"page-{number:07d}.parquet") as beside,
            pq.ParquetWriter(beside, schema, compression="zstd") as writer,
        ):
            writer.write_batch(batch.replace_schema_metadata(schema.metadata))
        self.__dict__["cursor"] = dict(cursor)

    def discard(self) -> None:
        """Throw all pages away."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.__dict__.pop("cursor", None)
        if self.folder.parent.is_dir() and not any(self.folder.parent.iterdir()):
            self.folder.parent.rmdir()

    def _belongs(self) -> bool:
        for stale in self.folder.glob(".*.part"):
            stale.unlink(missing_ok=True)
        try:
            return bool(read_json(self.folder / "pull.json")["base"] == self.base)
        except (ArtefactError, KeyError, TypeError):
            return False
