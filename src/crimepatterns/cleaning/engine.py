"""Cleans a stream of raw batches: rules in parallel, duplicates in order, memory bounded."""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from crimepatterns.cleaning.fingerprint import SeenBefore, hash_numbers, hash_text, mix, to_hex
from crimepatterns.cleaning.labelling import label_rows
from crimepatterns.cleaning.places import AreaMask, Places, Projector, locate
from crimepatterns.cleaning.precision import Precisions, guess_precisions
from crimepatterns.cleaning.schema import ColumnMap, Reason, Rules
from crimepatterns.cleaning.taxonomy import Taxonomy, blank
from crimepatterns.cleaning.times import Spans, read_spans
from crimepatterns.cleaning.values import as_text
from crimepatterns.cleaning.versions import RecordVersions, publisher_ids
from crimepatterns.domain.incidents import DISCOVERY

__all__ = ["CleanBatch", "Cleaner"]

_INITIATED = r"(?i)police|officer|initiat|proactive|on.?view"


@dataclass(frozen=True, eq=False)
class CleanBatch:
    """One batch after every rule; rows stand as in the file, shape (n,) each.

    Parameters
    ----------
    raw : pyarrow.RecordBatch
    first_row : int
        Number of the first row in its file, from 1.
    reason : ndarray of int8
        `Reason` values.
    ids : pyarrow.StringArray
        Also for rows that are not kept.
    spans : Spans
    places : Places or None
        None where the file has no coordinates.
    labels : pyarrow.DictionaryArray
        The publisher's labels.
    category : pyarrow.DictionaryArray
    offence : pyarrow.StringArray or DictionaryArray
    discovery : ndarray of int8
        Index in `DISCOVERY`.
    further : dict of str to pyarrow.Array
        Columns that are carried along, as text.
    """

    raw: pa.RecordBatch
    first_row: int
    reason: NDArray[np.int8]
    ids: pa.Array
    spans: Spans
    places: Places | None
    labels: pa.DictionaryArray
    category: pa.DictionaryArray
    offence: pa.Array
    discovery: NDArray[np.int8]
    further: dict[str, pa.Array]
    repairs: Counter[str]

    def __len__(self) -> int:
        return self.raw.num_rows


@dataclass(frozen=True, eq=False)
class _Checked:
    batch: CleanBatch
    rows: NDArray[np.uint64]
    own_ids: pa.Array | None
    """Trimmed, null where blank."""


class Cleaner:
    """Applies the rules of one city to any number of files; duplicates are found across all of them.

    Parameters
    ----------
    columns : ColumnMap
    rules : Rules
    taxonomy : Taxonomy
    projector : Projector or None
        None where the files have no coordinates.
    mask : AreaMask or None
        None accepts every place.
    unreadable : str
        Column in which a source hands over rows that do not fit the header.
    versions : RecordVersions, optional
        What later tables say about records of earlier ones.
    """

    def __init__(
        self,
        columns: ColumnMap,
        rules: Rules,
        taxonomy: Taxonomy,
        *,
        projector: Projector | None,
        mask: AreaMask | None,
        unreadable: str,
        versions: RecordVersions | None = None,
    ) -> None:
        self._columns, self._rules, self._taxonomy = columns, rules, taxonomy
        self._projector, self._mask, self._unreadable = projector, mask, unreadable
        self._versions = versions
        self._rows_seen, self._ids_seen = SeenBefore(), SeenBefore()

    def run(self, batches: Iterable[pa.RecordBatch], *, table: int = 0, workers: int = 1) -> Iterator[CleanBatch]:
        """Clean the batches of one table, in order; the answer does not depend on `workers`."""
        precision: list[Precisions] = []

        def check(numbered: tuple[int, pa.RecordBatch]) -> _Checked:
            return self._check(numbered[1], numbered[0], precision[0], table)

        def numbered_batches() -> Iterator[tuple[int, pa.RecordBatch]]:
            first_row = 1
            for batch in batches:
                if not precision:
                    precision.append(guess_precisions(_by_name(batch), self._columns, self._rules))
                yield first_row, batch
                first_row += batch.num_rows

        for checked in _in_order(check, numbered_batches(), workers):
            yield self._number(checked)

    def _check(self, raw: pa.RecordBatch, first_row: int, precision: Precisions, table: int) -> _Checked:
        """Apply every rule that looks at one row only, and what later tables say about it."""
        columns, batch = self._columns, _by_name(raw)
        spans = read_spans(batch, columns, self._rules, precision=precision)
        labels = self._labels(batch, raw.num_rows)
        codes = as_text(batch[columns.offence]) if columns.offence is not None else None
        offence = codes if codes is not None else labels
        labelled = label_rows(self._taxonomy, labels, codes, fixed=columns.category is None)
        further = {name: as_text(batch[name]) for name in columns.extra}
        if columns.area is not None:
            further = {"area": as_text(batch[columns.area]), **further}
        places, reason = None, spans.reason.copy()
        _first_reason(reason, labelled.reason)
        if self._projector is not None:
            places = locate(batch, columns, self._projector, self._mask, swap=self._rules.swap_coordinates)
            _first_reason(reason, places.reason)
        if self._unreadable in batch:
            reason[np.asarray(batch[self._unreadable].is_valid())] = Reason.UNREADABLE
        rows = self._fingerprints(spans, places, labels, offence, further, batch)
        own_ids = publisher_ids(batch[columns.id]) if columns.id is not None else None
        if own_ids is not None and self._versions is not None:
            fate = self._versions.fate(hash_text(own_ids), table)
            np.copyto(reason, fate, where=fate != Reason.KEPT)
        discovery = self._discovery(batch, labelled.police)
        repairs = spans.repairs + (places.repairs if places is not None else Counter())
        done = CleanBatch(
            raw, first_row, reason, pa.nulls(raw.num_rows, pa.string()), spans, places,
            labels, labelled.category, offence, discovery, further, repairs,
        )  # fmt: skip
        return _Checked(done, rows, own_ids)

    def _number(self, checked: _Checked) -> CleanBatch:
        """Find rows and ids that came before, and give every row its id."""
        batch, reason = checked.batch, checked.batch.reason
        good = np.flatnonzero(reason == Reason.KEPT)
        times = self._rows_seen.add(checked.rows[good])
        if self._rules.drop_duplicates:
            reason[good[times > 0]] = Reason.DUPLICATE
            hashes = checked.rows
        else:
            hashes = checked.rows.copy()
            again = times > 0
            hashes[good[again]] = mix(hashes[good[again]], times[again].astype(np.uint64))
        ids = _row_ids(batch, hashes)
        if checked.own_ids is not None:
            ids = self._own_ids(checked.own_ids, ids, reason)
        return CleanBatch(**{**_fields(batch), "ids": ids, "reason": reason})

    def _own_ids(self, own: pa.Array, made: pa.Array, reason: NDArray[np.int8]) -> pa.Array:
        ids = pc.coalesce(own, made)
        good = np.flatnonzero(reason == Reason.KEPT)
        times = self._ids_seen.add(hash_text(ids.take(pa.array(good))))
        again = times > 0
        if self._rules.drop_duplicates:
            reason[good[again]] = Reason.ID_REPEATED
            return ids
        if again.any():
            written = ids.to_pylist()
            for row, k in zip(good[again], times[again], strict=True):
                written[row] = f"{written[row]}#{k + 1}"
            return pa.array(written, pa.string())
        return ids

    def _labels(self, batch: dict[str, pa.Array], n: int) -> pa.DictionaryArray:
        if self._columns.category is None:
            fixed = pa.array([self._taxonomy.fixed_category], pa.string())
            return pa.DictionaryArray.from_arrays(pa.array(np.zeros(n, dtype=np.int32)), fixed)
        column = batch[self._columns.category]
        if not pa.types.is_dictionary(column.type):
            column = as_text(column).dictionary_encode()
        texts = [None if text is None else text.strip() for text in as_text(column.dictionary).to_pylist()]
        return pa.DictionaryArray.from_arrays(column.indices.cast(pa.int32()), pa.array(texts, pa.string()))

    def _discovery(self, batch: dict[str, pa.Array], police: NDArray[np.bool_]) -> NDArray[np.int8]:
        derived = police.astype(np.int8) * np.int8(DISCOVERY.index("police-initiated"))
        if self._columns.discovery is None:
            return derived
        told = as_text(batch[self._columns.discovery]).dictionary_encode()
        texts = told.dictionary.to_pylist()
        says = np.array([*pc.match_substring_regex(told.dictionary, _INITIATED).to_pylist(), False], dtype=np.int8)
        silent = np.array([*[blank(text) for text in texts], True])
        index = told.indices.fill_null(len(texts)).to_numpy(zero_copy_only=False)
        return np.where(silent[index], derived, says[index]).astype(np.int8)

    def _fingerprints(
        self,
        spans: Spans,
        places: Places | None,
        labels: pa.DictionaryArray,
        offence: pa.Array,
        further: dict[str, pa.Array],
        batch: dict[str, pa.Array],
    ) -> NDArray[np.uint64]:
        """Fingerprint each row by the values of all mapped columns, whatever the storage format."""
        columns = self._columns
        total = hash_text(labels)
        numbers: list[Any] = [spans.start]
        numbers += [spans.end] if columns.occurred_until is not None else []
        numbers += [spans.known] if columns.known_at is not None else []
        numbers += [places.raw_x, places.raw_y] if places is not None else []
        for values in numbers:
            total = mix(total, hash_numbers(values))
        texts = [offence] if columns.offence is not None else []
        texts += [as_text(batch[columns.discovery])] if columns.discovery is not None else []
        texts += [as_text(batch[columns.id])] if columns.id is not None else []
        for column in [*texts, *further.values()]:
            total = mix(total, hash_text(column))
        return total


def _row_ids(batch: CleanBatch, hashes: NDArray[np.uint64]) -> pa.Array:
    """Name rows by their fingerprint; a row that could not be read is named by its raw text, marked with an r."""
    ids = to_hex(hashes)
    raw_only = ~np.isin(batch.reason, [Reason.KEPT, Reason.DUPLICATE, Reason.ID_REPEATED])
    rows = np.flatnonzero(raw_only)
    if not rows.size:
        return ids
    part = batch.raw.take(pa.array(rows))
    total = np.zeros(len(rows), dtype=np.uint64)
    for column in part.columns:
        total = mix(total, hash_text(as_text(column)))
    texts = pa.array(["r" + text for text in to_hex(total).to_pylist()], pa.string())
    return pc.replace_with_mask(ids, pa.array(raw_only), texts)


def _first_reason(reason: NDArray[np.int8], further: NDArray[np.int8]) -> None:
    """Fill in reasons of a later rule where no earlier one applied; `reason` is this module's own array."""
    np.copyto(reason, further, where=reason == Reason.KEPT)


def _by_name(batch: pa.RecordBatch) -> dict[str, pa.Array]:
    return dict(zip(batch.schema.names, batch.columns, strict=True))


def _fields(batch: CleanBatch) -> dict[str, Any]:
    return {name: getattr(batch, name) for name in CleanBatch.__dataclass_fields__}


def _in_order(
    function: Callable[[tuple[int, pa.RecordBatch]], _Checked],
    items: Iterator[tuple[int, pa.RecordBatch]],
    workers: int,
) -> Iterator[_Checked]:
    """Map on threads with a short queue, results in order; most of the work releases the interpreter lock."""
    if workers == 1:
        yield from map(function, items)
        return
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[Future[_Checked]] = deque()
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
