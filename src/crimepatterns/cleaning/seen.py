"""Which rows came before: equal ones, and ones with the same id, among all rows of all tables.

Each row that passed the other rules leaves 20 bytes: the fingerprint of its id, part of that of its values, its month
and where it stands in the raw tables. They are kept in sorted runs, on disk where there are many; a filter in memory
(Bloom 1970, doi:10.1145/362686.362692, all bits of a key in one word) spares nearly all rows the search.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crimepatterns.cleaning.runs import Keys, Run, Shelve

__all__ = ["FACTS", "GONE", "NOT_KEPT", "Earlier", "SeenBefore", "facts_of", "tombs"]

FACTS = np.dtype([("row_hash", "<u4"), ("row", "<u4"), ("table", "<u2"), ("month", "<i2")])
"""Beside each key: the lower half of the row's fingerprint, its number in its table from 1, the table's number, and
its month counted since January 1970, `NOT_KEPT` or `GONE`."""

NOT_KEPT, GONE = -32768, -32767
"""The row was rejected because its id came before; or: all earlier rows with this key are gone."""

_RUN_ROWS = 1 << 20
_BITS_PER_ROW = 16
_MOST_WORDS = 1 << 26
_SEARCH_SHARE = 20


@dataclass(frozen=True, eq=False)
class Earlier:
    """What came before each row, shape (n,) each.

    Parameters
    ----------
    times : ndarray of int64
        How many earlier rows had the same key.
    same_row : ndarray of bool
        Whether one of them was equal in every mapped column.
    order : ndarray of int
        Sorts the keys.
    """

    times: NDArray[np.int64]
    same_row: NDArray[np.bool_]
    order: NDArray[np.intp]


class SeenBefore:
    """Remembers rows, and tells for each new one how often its key came before.

    Parameters
    ----------
    expected : int
        About how many rows will come; sizes the filter.
    before : sequence of Run
        Rows of earlier builds, the oldest first.
    shelve : callable, optional
        Puts away a run of a million rows.
    """

    def __init__(self, *, expected: int = 1 << 20, before: Sequence[Run] = (), shelve: Shelve | None = None) -> None:
        self._before, self._shelve = list(before), shelve
        known = sum(len(run) for run in before)
        self._filter = _Filter(expected + known)
        # Few new rows are searched for one by one; many need the filter, which is worth filling only then.
        self._filtered = known == 0 or expected * _SEARCH_SHARE > known
        if self._filtered:
            for run in before:
                for start in range(0, len(run), _RUN_ROWS):
                    self._filter.add(np.asarray(run.keys[start : start + _RUN_ROWS]))
        self._runs: list[Run] = []
        self._recent: list[_Recent] = []
        self._recent_rows = 0

    def look(self, keys: Keys, row_hashes: NDArray[np.uint32], *, above: bool = True) -> Earlier:
        """Count earlier rows with the same key, remembered or, where `above`, in the same call."""
        times, same = np.zeros(len(keys), dtype=np.int64), np.zeros(len(keys), dtype=bool)
        order = np.argsort(keys)
        rows = self._suspects(keys, order)
        if rows.size:
            times[rows], same[rows] = self._search(keys[rows], row_hashes[rows])
            if above:
                more, again = _above(keys[rows], row_hashes[rows])
                times[rows] += more
                same[rows] |= again
        return Earlier(times, same, order)

    def remember(self, keys: Keys, facts: NDArray[np.void], *, order: NDArray[np.intp] | None = None) -> None:
        """Remember rows; `facts` as in `FACTS`, shape (n,) each.

        `order` sorts `keys`, where that is known.
        """
        if not len(keys):
            return
        order = np.argsort(keys) if order is None else order
        ordered = keys[order]
        self._filter.add(ordered)
        self._recent.append(_Recent(keys, facts, ordered, order))
        self._recent_rows += len(keys)
        if self._recent_rows >= _RUN_ROWS:
            self._put_away()

    def runs(self) -> list[Run]:
        """Return what was remembered, without the rows of earlier builds, the oldest first."""
        if self._recent:
            self._put_away()
        return list(self._runs)

    def _put_away(self) -> None:
        keys = np.concatenate([recent.keys for recent in self._recent])
        whole = Run.of(keys, np.concatenate([recent.facts for recent in self._recent]))
        self._runs.append(self._shelve(whole) if self._shelve is not None else whole)
        self._recent, self._recent_rows = [], 0

    def _suspects(self, keys: Keys, order: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return the rows that may have come before; all others are new."""
        if not self._filtered:
            return np.arange(len(keys))
        ordered = keys[order]
        suspect = self._filter.may_hold(ordered)
        twice = ordered[1:] == ordered[:-1]
        suspect[1:] |= twice
        suspect[:-1] |= twice
        return np.sort(order[suspect])

    def _search(self, keys: Keys, row_hashes: NDArray[np.uint32]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        times, same = np.zeros(len(keys), dtype=np.int64), np.zeros(len(keys), dtype=bool)
        runs: list[Run | _Recent] = [*self._before, *self._runs, *self._recent]
        for run in runs:
            for found, facts in run.matches(keys):
                gone = facts["month"] == GONE
                times[found] = np.where(gone, 0, times[found] + 1)
                same[found] = ~gone & (same[found] | (facts["row_hash"] == row_hashes[found]))
        return times, same


@dataclass(frozen=True, eq=False)
class _Recent:
    """Rows of one batch as they came, and their keys in ascending order with the order that leads to them."""

    keys: Keys
    facts: NDArray[np.void]
    ordered: Keys
    order: NDArray[np.intp]

    def matches(self, keys: Keys) -> Iterator[tuple[NDArray[np.intp], NDArray[np.void]]]:
        for found, place in Run(self.ordered, self.order).matches(keys):
            yield found, self.facts.take(place)


def facts_of(
    row_hashes: NDArray[np.uint32], rows: NDArray[np.int64], table: int, months: NDArray[np.int64]
) -> NDArray[np.void]:
    """Put together facts as in `FACTS`, shape (n,) each."""
    facts = np.empty(len(rows), dtype=FACTS)
    facts["row_hash"], facts["row"], facts["table"], facts["month"] = row_hashes, rows, table, months
    return facts


def tombs(keys: Keys) -> Run:
    """Make the run that says that all earlier rows with these keys are gone."""
    facts = np.zeros(len(keys), dtype=FACTS)
    facts["month"] = GONE
    return Run.of(keys, facts)


def without_gone(ranges: Iterator[Run]) -> Iterator[Run]:
    """Leave out, from merged ranges, rows that are gone, and what says so."""
    for run in ranges:
        gone = run.facts["month"] == GONE
        if not gone.any():
            yield run
            continue
        # In each group of equal keys, in order of age, what stands behind the last tomb stays.
        place = np.arange(len(run))
        starts = np.flatnonzero(np.append(True, run.keys[1:] != run.keys[:-1]))
        last = np.maximum.reduceat(np.where(gone, place, -1), starts)
        stays = place > np.repeat(last, np.diff(np.append(starts, len(run))))
        yield Run(run.keys[stays], run.facts[stays])


class _Filter:
    """Tells which keys were surely never added: four bits of one 64-bit word for each key."""

    def __init__(self, expected: int) -> None:
        words = 1 << 10
        while words * 64 < expected * _BITS_PER_ROW and words < _MOST_WORDS:
            words *= 2
        self._words = np.zeros(words, dtype=np.uint64)
        self._shift = np.uint64(64 - int(words).bit_length() + 1)

    def add(self, ordered: Keys) -> None:
        """Add keys in ascending order."""
        word = (ordered >> self._shift).astype(np.intp)
        starts = np.flatnonzero(np.append(True, word[1:] != word[:-1]))
        first = word[starts]
        self._words[first] |= np.bitwise_or.reduceat(_bits(ordered), starts)

    def may_hold(self, keys: Keys) -> NDArray[np.bool_]:
        bits = _bits(keys)
        return np.asarray((self._words[(keys >> self._shift).astype(np.intp)] & bits) == bits)


def _bits(keys: Keys) -> Keys:
    one, six = np.uint64(1), np.uint64(63)
    bits = one << (keys & six)
    for shift in (6, 12, 18):
        bits |= one << ((keys >> np.uint64(shift)) & six)
    return bits


def _above(keys: Keys, row_hashes: NDArray[np.uint32]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Count rows above each one with the same key, and tell whether one of them is equal."""
    times, same = np.zeros(len(keys), dtype=np.int64), np.zeros(len(keys), dtype=bool)
    order = np.lexsort((np.arange(len(keys)), keys))
    ordered = keys[order]
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1])) if len(keys) else np.zeros(0, np.intp)
    times[order] = np.arange(len(keys)) - np.repeat(starts, np.diff(np.append(starts, len(keys))))
    order = np.lexsort((np.arange(len(keys)), row_hashes, keys))
    again = (keys[order][1:] == keys[order][:-1]) & (row_hashes[order][1:] == row_hashes[order][:-1])
    same[order[1:]] = again
    return times, same
