"""Cleans streams of raw batches: rules in parallel, rows compared with earlier ones in order, memory bounded."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from crimepatterns.cleaning.checking import CheckedBatch, CleanBatch, RowRules
from crimepatterns.cleaning.fingerprint import mix, to_hex
from crimepatterns.cleaning.read_ahead import ReadAhead
from crimepatterns.cleaning.schema import Reason
from crimepatterns.cleaning.seen import NOT_KEPT, SeenBefore, facts_of

__all__ = ["CleanBatch", "Cleaner"]


class Cleaner:
    """Applies rules to any number of tables; duplicates and repeated ids are found across all of them.

    Parameters
    ----------
    seen : SeenBefore or None
        Rows of earlier tables; those of each table are added. None compares no rows.
    workers : int
        Threads; the answer does not depend on it.
    """

    def __init__(self, seen: SeenBefore | None, *, workers: int = 1) -> None:
        self._seen, self._workers = seen, workers

    def run(self, rules: RowRules, batches: Iterable[pa.RecordBatch]) -> Iterator[CleanBatch]:
        """Clean the batches of one table, in order."""
        settled: list[RowRules] = []

        def check(numbered: tuple[int, pa.RecordBatch]) -> CheckedBatch:
            return settled[0].check(numbered[1], numbered[0])

        def numbered_batches() -> Iterator[tuple[int, pa.RecordBatch]]:
            first_row = 1
            for batch in batches:
                if not settled:
                    settled.append(rules.settled_by(batch))
                yield first_row, batch
                first_row += batch.num_rows

        for checked in _in_order(check, numbered_batches(), self._workers):
            yield checked.batch if self._seen is None else _compare(checked, settled[0], self._seen)


def _compare(checked: CheckedBatch, rules: RowRules, seen: SeenBefore) -> CleanBatch:
    """Find rows and ids that came before; where they may stay, give them an id of their own."""
    batch, reason = checked.batch, checked.batch.reason
    good = np.flatnonzero(reason == Reason.KEPT)
    keys, row_hashes = checked.keys[good], checked.rows[good].astype(np.uint32)
    earlier = seen.look(keys, row_hashes)
    again, order = earlier.times > 0, earlier.order
    if again.any():
        if rules.rules.drop_duplicates:
            reason[good[again]] = Reason.ID_REPEATED
            reason[good[earlier.same_row]] = Reason.DUPLICATE
            stay = ~earlier.same_row
            good, keys, row_hashes, order = good[stay], keys[stay], row_hashes[stay], _order_of(order, stay)
        else:
            batch = replace(batch, ids=_renamed(checked, good[again], earlier.times[again]))
    months = np.where(reason[good] == Reason.KEPT, batch.months[good], NOT_KEPT)
    seen.remember(keys, facts_of(row_hashes, good + batch.first_row, rules.table, months), order=order)
    return batch


def _order_of(order: NDArray[np.intp], stay: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return the order of the rows that stay, from that of all."""
    place = np.cumsum(stay) - 1
    return place[order[stay[order]]]


def _renamed(checked: CheckedBatch, rows: NDArray[np.intp], times: NDArray[np.int64]) -> pa.Array:
    """Give rows whose id came before an id of their own, by how often it did."""
    ids, own = checked.batch.ids.to_pylist(), checked.own_ids
    made = to_hex(mix(checked.rows[rows], times.astype(np.uint64))).to_pylist()
    for row, k, name in zip(rows.tolist(), times.tolist(), made, strict=True):
        ids[row] = f"{ids[row]}#{k + 1}" if own is not None and own[row].is_valid else name
    return pa.array(ids, pa.string())


def _in_order(
    function: Callable[[tuple[int, pa.RecordBatch]], CheckedBatch],
    items: Iterator[tuple[int, pa.RecordBatch]],
    workers: int,
) -> Iterator[CheckedBatch]:
    """Map on threads with a short queue, results in order; most of the work releases the interpreter lock."""
    if workers == 1:
        yield from map(function, items)
        return
    with ThreadPoolExecutor(workers) as pool, ReadAhead(items, workers) as ahead:
        waiting: deque[Future[CheckedBatch]] = deque()
        for item in ahead:
            waiting.append(pool.submit(function, item))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
