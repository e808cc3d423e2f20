"""Sorted keys with their facts on disk, mapped into memory where they are searched; see `cleaning.runs`."""

import mmap
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from crimepatterns.errors import ArtefactError

__all__ = ["RunFiles", "drop_pages", "open_run", "run_files", "write_run"]

_KEY = np.dtype("<u8")


@dataclass(frozen=True, eq=False)
class RunFiles:
    """One run as it lies on disk.

    Parameters
    ----------
    keys : ndarray of uint64, shape (n,)
    facts : ndarray, shape (n,)
    maps : list of mmap
        What the two are mapped from.
    """

    keys: NDArray[np.uint64]
    facts: NDArray[Any]
    maps: list[mmap.mmap] = field(repr=False)


def run_files(stem: Path) -> tuple[Path, Path]:
    """Return the two files of a run: keys and facts."""
    return stem.with_name(f"{stem.name}.keys"), stem.with_name(f"{stem.name}.facts")


def write_run(stem: Path, ranges: Iterable[tuple[NDArray[np.uint64], NDArray[Any]]]) -> int:
    """Write ranges of keys and facts one after the other; return how many there are."""
    rows, (keys_file, facts_file) = 0, run_files(stem)
    stem.parent.mkdir(parents=True, exist_ok=True)
    with keys_file.open("wb") as keys_handle, facts_file.open("wb") as facts_handle:
        for keys, facts in ranges:
            np.ascontiguousarray(keys, dtype=_KEY).tofile(keys_handle)
            np.ascontiguousarray(facts).tofile(facts_handle)
            rows += len(keys)
    return rows


def open_run(stem: Path, dtype: DTypeLike, *, rows: int) -> RunFiles:
    """Map a run into memory; pages are read when they are looked at.

    Raises
    ------
    ArtefactError
        If a file is not there or has another size.
    """
    maps: list[mmap.mmap] = []
    columns = [
        _mapped(path, np.dtype(kind), rows, maps) for path, kind in zip(run_files(stem), (_KEY, dtype), strict=True)
    ]
    return RunFiles(columns[0], columns[1], maps)


def drop_pages(run: RunFiles) -> None:
    """Let go of pages that were read; they come back from the disk's cache when they are looked at again."""
    for one in run.maps:
        one.madvise(mmap.MADV_DONTNEED)


def _mapped(path: Path, kind: "np.dtype[Any]", rows: int, maps: list[mmap.mmap]) -> NDArray[Any]:
    found = path.stat().st_size if path.is_file() else -1
    if found != rows * kind.itemsize:
        raise ArtefactError(f"{path} is damaged: run `crimepatterns clean --force`.")
    if not rows:
        return np.empty(0, dtype=kind)
    with path.open("rb") as handle:
        maps.append(mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ))
    return np.frombuffer(maps[-1], dtype=kind)
