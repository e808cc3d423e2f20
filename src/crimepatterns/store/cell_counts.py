"""Incidents counted by category, cell and period straight from disk, file by file, here or on several workers."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from numpy.typing import NDArray

from crimepatterns.domain.grid import Grid
from crimepatterns.domain.panel import Panel
from crimepatterns.domain.periods import Periods
from crimepatterns.domain.protocols import Executor
from crimepatterns.errors import ArtefactError
from crimepatterns.store.incidents import incident_dataset
from crimepatterns.store.snapshots import reading

__all__ = ["count_cells"]

_COLUMNS = ["occurred_from", "known_at", "category", "x", "y"]
_TASKS_PER_WORKER = 4


def count_cells(
    folder: Path,
    grid: Grid,
    periods: Periods,
    *,
    categories: Sequence[str],
    as_of: pd.Timestamp | None = None,
    executor: Executor | None = None,
) -> Panel:
    """Count incidents by category, cell and period, one batch at a time.

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
    executor : Executor, optional
        Runs the files in groups; they must lie where its workers can read them.

    Raises
    ------
    MissingInputError
        If cleaning has not run yet.
    ArtefactError
        If a file is damaged, or of a format that this program cannot read.
    """
    counting = _Counting(grid, periods, tuple(categories), as_of)
    found = reading(folder, partial(_count, counting=counting, executor=executor))
    latest = periods.end if found.latest is None else max(periods.end, _utc(found.latest))
    moment = as_of if as_of is not None else latest.tz_convert(periods.end.tz)
    return Panel(grid, periods, tuple(categories), found.counts.reshape(counting.shape), moment, found.outside)


@dataclass(frozen=True, eq=False)
class _Counting:
    """What is counted."""

    grid: Grid
    periods: Periods
    categories: tuple[str, ...]
    as_of: pd.Timestamp | None

    @property
    def shape(self) -> tuple[int, int, int]:
        return len(self.categories), len(self.grid), len(self.periods)


@dataclass(frozen=True, eq=False)
class _Counts:
    """Counts of some files: all cells, or only those with any (`cells`), and the last moment anything became known."""

    counts: NDArray[np.int32]
    outside: int
    latest: int | None
    cells: NDArray[np.int64] | None = None


def _count(folder: Path, counting: _Counting, executor: Executor | None) -> _Counts:
    files = incident_dataset(folder).files
    try:
        if executor is None or executor.workers == 1:
            return _count_files(files, counting)
        groups = np.array_split(np.array(files, dtype=object), min(len(files), executor.workers * _TASKS_PER_WORKER))
        parts = executor.map(partial(_count_sparse, counting=counting), [list(group) for group in groups])
        return _sum(parts, int(np.prod(counting.shape)))
    except (OSError, pa.ArrowException) as error:
        raise ArtefactError(f"{folder} is damaged ({error}): run `crimepatterns clean --force`.") from error


def _count_files(files: Sequence[str], counting: _Counting) -> _Counts:
    counts = np.zeros(int(np.prod(counting.shape)), dtype=np.int32)
    names = pa.array(list(counting.categories), pa.string())
    outside, latest = 0, None
    for batch in ds.dataset(list(files), format="parquet").to_batches(columns=_COLUMNS):
        if batch.num_rows == 0:
            continue
        begun = pd.DatetimeIndex(_micros(batch, "occurred_from").view("datetime64[us]"), tz="UTC")
        period, wanted = counting.periods.locate(begun)
        known = _micros(batch, "known_at")
        if counting.as_of is not None:
            wanted &= (known < _since_1970(counting.as_of)) & (begun < counting.as_of)
        last = int(known.max())
        latest = last if latest is None else max(latest, last)
        code = _codes(batch.column("category"), names)
        cell, inside = counting.grid.assign(batch.column("x").to_numpy(), batch.column("y").to_numpy())
        wanted &= code >= 0
        outside += int((wanted & ~inside).sum())
        keep = wanted & inside
        place = np.ravel_multi_index((code[keep], cell[keep], period[keep]), counting.shape)
        flat, sizes = np.unique(place, return_counts=True)
        counts[flat] += sizes.astype(np.int32)
    return _Counts(counts, outside, latest)


def _count_sparse(files: Sequence[str], counting: _Counting) -> _Counts:
    """Count some files on a worker; only cells with incidents travel back."""
    found = _count_files(files, counting)
    cells = np.flatnonzero(found.counts)
    return _Counts(found.counts[cells], found.outside, found.latest, cells)


def _sum(parts: Iterable[_Counts], size: int) -> _Counts:
    counts, outside, latest = np.zeros(size, dtype=np.int32), 0, None
    for part in parts:
        counts[part.cells] += part.counts
        outside += part.outside
        latest = max((one for one in (latest, part.latest) if one is not None), default=None)
    return _Counts(counts, outside, latest)


def _codes(column: pa.Array, names: pa.Array) -> NDArray[np.int64]:
    """Return the position of each category in `names`, -1 where it is not among them."""
    words = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    codes: NDArray[np.int64] = pc.index_in(words.dictionary, names).fill_null(-1).to_numpy(zero_copy_only=False)
    index = words.indices.to_numpy(zero_copy_only=False)
    return codes.astype(np.int64)[index]


def _micros(batch: pa.RecordBatch, name: str) -> NDArray[np.int64]:
    return batch.column(name).cast(pa.int64()).to_numpy(zero_copy_only=False)


def _since_1970(moment: pd.Timestamp) -> int:
    """Return microseconds; ``Timestamp.value`` would be nanoseconds, whatever the unit."""
    return int(moment.as_unit("us").asm8.astype(np.int64))


def _utc(micros: int) -> pd.Timestamp:
    return pd.Timestamp(micros, unit="us", tz="UTC")
