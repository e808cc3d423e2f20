"""Sorted runs of 64-bit keys with facts beside them: what millions of rows leave behind for looking up later rows.

A run is made from a bounded number of rows and may lie on disk; many runs are merged range by range, so that neither
making, searching nor merging them needs more memory than one range.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Run", "Shelve", "merged"]

Keys = NDArray[np.uint64]

_RANGE_ROWS = 1 << 20


@dataclass(frozen=True, eq=False)
class Run:
    """Keys in ascending order and a fact for each.

    Parameters
    ----------
    keys : ndarray of uint64, shape (n,)
    facts : ndarray of any type, shape (n,)
    """

    keys: Keys
    facts: NDArray[Any]

    def __len__(self) -> int:
        return len(self.keys)

    @classmethod
    def of(cls, keys: Keys, facts: NDArray[Any]) -> "Run":
        """Sort keys with their facts."""
        order = np.argsort(keys)
        # `take` is ten times as fast as an index for facts of several fields.
        return cls(keys[order], facts.take(order))

    def matches(self, keys: Keys) -> Iterator[tuple[NDArray[np.intp], NDArray[Any]]]:
        """Find keys; yields the places in `keys` that have a first match with its facts, then second ones, and so on.

        Parameters
        ----------
        keys : ndarray of uint64, shape (m,)
        """
        if not len(self) or not len(keys):
            return
        place = np.searchsorted(self.keys, keys)
        found = np.arange(len(keys))
        while True:
            found = found[place < len(self)]
            place = place[place < len(self)]
            same = self.keys[place] == keys[found]
            found, place = found[same], place[same]
            if not found.size:
                return
            yield found, self.facts.take(place)
            place = place + 1


Shelve = Callable[[Run], Run]
"""Puts a run away, such as on disk, and returns it as it can be searched there."""


def merged(runs: Sequence[Run], *, range_rows: int | None = None) -> Iterator[Run]:
    """Merge runs into one, yielded as successive ranges of keys; equal keys stay in one range, in order of the runs.

    Parameters
    ----------
    runs : sequence of Run
        The oldest first.
    range_rows : int, optional
        About how many rows a range has; by default a million.
    """
    total, range_rows = sum(len(run) for run in runs), range_rows or _RANGE_ROWS
    for low, high in _ranges(runs, max(1, -(-total // range_rows))):
        parts = []
        for run in runs:
            start = 0 if low is None else int(np.searchsorted(run.keys, low))
            end = len(run) if high is None else int(np.searchsorted(run.keys, high))
            if end > start:
                parts.append((run.keys[start:end], run.facts[start:end]))
        if len(parts) == 1:
            yield Run(*parts[0])
        elif parts:
            keys = np.concatenate([part[0] for part in parts])
            order = np.argsort(keys)
            keys = keys[order]
            # Only equal keys need the order of the runs; sorting without it is many times faster.
            if (keys[1:] == keys[:-1]).any():
                order = _stable(order, keys)
            yield Run(keys, np.concatenate([part[1] for part in parts]).take(order))


def _ranges(runs: Sequence[Run], count: int) -> Iterator[tuple[np.uint64 | None, np.uint64 | None]]:
    """Cut the keys into ranges of about equal size, by every so-manieth key of each run."""
    if count == 1:
        yield None, None
        return
    total = sum(len(run) for run in runs)
    step = max(1, total // (count * 64))
    samples = np.sort(np.concatenate([np.asarray(run.keys[step // 2 :: step]) for run in runs]))
    cuts = np.unique(samples[np.linspace(0, len(samples), count, endpoint=False).astype(np.intp)[1:]])
    yield from zip([None, *cuts], [*cuts, None], strict=True)


def _stable(order: NDArray[np.intp], keys: Keys) -> NDArray[np.intp]:
    """Put the places of equal keys into ascending order."""
    equal = np.flatnonzero(keys[1:] == keys[:-1])
    inside = np.zeros(len(keys), dtype=bool)
    inside[equal] = inside[equal + 1] = True
    rows = np.flatnonzero(inside)
    order = order.copy()
    order[rows] = order[rows][np.lexsort((order[rows], keys[rows]))]
    return order
