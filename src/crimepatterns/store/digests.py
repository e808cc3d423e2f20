"""Digests by which a result names the data it rests on."""

import hashlib
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from crimepatterns.errors import ArtefactError
from crimepatterns.store.atomic import read_json, write_json

__all__ = ["KnownDigests", "incidents_digest", "monthly_digests", "sha256_bytes", "sha256_file"]

_SETTLED_NS = 2_000_000_000

_COLUMNS = ["id", "occurred_from", "known_at", "category", "x", "y"]


def incidents_digest(table: pd.DataFrame) -> str:
    """Digest an incident table, whatever the order of its rows; sha256, 16 hex digits."""
    plain = table[_COLUMNS].assign(category=table["category"].astype(str))
    rows = pd.util.hash_pandas_object(plain, index=False)
    return hashlib.sha256(np.sort(rows.to_numpy()).tobytes()).hexdigest()[:16]


def monthly_digests(table: pd.DataFrame) -> dict[str, str]:
    """Digest an incident table month by month, so that a change is found where it is.

    Parameters
    ----------
    table : DataFrame, shape (n, n_columns)
        With ``occurred_from``; every column counts, the order of rows does not.

    Returns
    -------
    dict of str to str
        By civil month such as ``2019-03``: number of rows and 16 hex digits.
    """
    plain = table.astype({name: str for name, kind in table.dtypes.items() if isinstance(kind, pd.CategoricalDtype)})
    rows = pd.util.hash_pandas_object(plain, index=False).to_numpy()
    months = table["occurred_from"].dt.strftime("%Y-%m").to_numpy(dtype=str)
    order = np.lexsort((rows, months))
    names, begin = np.unique(months[order], return_index=True)
    parts = np.split(rows[order], begin[1:])
    return {
        str(name): f"{len(part):,} rows, {hashlib.sha256(part.tobytes()).hexdigest()[:16]}"
        for name, part in zip(names, parts, strict=True)
    }


def sha256_bytes(content: bytes) -> str:
    """Digest bytes; 64 hex digits."""
    return hashlib.sha256(content).hexdigest()


def sha256_file(path: Path) -> str:
    """Digest the content of a file; 64 hex digits."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


@dataclass
class KnownDigests:
    """Digests of the user's files, so that large ones are read again only when they have changed.

    A file is taken as unchanged while place on disk, size, time of change and time of change of its entry are the same.
    The last of these the system sets itself. A file that was changed in the two seconds before it was read is read
    again, as a further change might not show.

    Parameters
    ----------
    path : Path
        JSON file in which they are kept.
    """

    path: Path
    _known: dict[str, list[int | str]] | None = field(default=None, repr=False)

    def digest(self, file: Path) -> str:
        """Digest the content of a file; 64 hex digits."""
        known, place = self._read(), str(file.resolve())
        stat = file.stat()
        marks: list[int | str] = [stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns]
        found = known.get(place)
        if found is not None and found[:-1] == marks:
            return str(found[-1])
        began = time.time_ns()
        answer = sha256_file(file)
        if began - max(stat.st_mtime_ns, stat.st_ctime_ns) > _SETTLED_NS:
            known[place] = [*marks, answer]
            write_json(self.path, known)
        return answer

    def _read(self) -> dict[str, list[int | str]]:
        if self._known is None:
            try:
                self._known = dict(read_json(self.path))
            except (ArtefactError, TypeError, ValueError):
                self._known = {}
        return self._known
