"""Every rule that looks at one row only: a batch is checked without knowing the others, so batches go in parallel."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from crimepatterns.cleaning.clock import civil_months
from crimepatterns.cleaning.fingerprint import coded, hash_numbers, hash_text, mix, to_hex
from crimepatterns.cleaning.labelling import label_rows
from crimepatterns.cleaning.places import AreaMask, Places, Projector, locate
from crimepatterns.cleaning.precision import Precisions, guess_precisions
from crimepatterns.cleaning.schema import ColumnMap, Reason, Rules
from crimepatterns.cleaning.taxonomy import Taxonomy, blank
from crimepatterns.cleaning.times import Spans, read_spans
from crimepatterns.cleaning.values import as_text
from crimepatterns.cleaning.versions import RecordVersions, publisher_ids
from crimepatterns.domain.incidents import DISCOVERY

__all__ = ["CheckedBatch", "CleanBatch", "RowRules"]

_FIRST = 10_000
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
    months : ndarray of int64
        Civil months of the beginnings, counted since January 1970.
    repairs : Counter of str
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
    months: NDArray[np.int64]
    repairs: Counter[str]

    def __len__(self) -> int:
        return self.raw.num_rows


@dataclass(frozen=True, eq=False)
class CheckedBatch:
    """A batch whose rows have not been compared with others yet.

    Parameters
    ----------
    batch : CleanBatch
    rows : ndarray of uint64, shape (n,)
        Fingerprints of the values of all mapped columns.
    keys : ndarray of uint64, shape (n,)
        Fingerprints of the ids.
    own_ids : pyarrow.StringArray or None
        The publisher's ids, trimmed, null where blank.
    """

    batch: CleanBatch
    rows: NDArray[np.uint64]
    keys: NDArray[np.uint64]
    own_ids: pa.Array | None


@dataclass(frozen=True, eq=False)
class RowRules:
    """The rules of one table.

    Parameters
    ----------
    columns : ColumnMap
    rules : Rules
    taxonomy : Taxonomy
    projector : Projector or None
        None where the tables have no coordinates.
    mask : AreaMask or None
        None accepts every place.
    unreadable : str
        Column in which a source hands over rows that do not fit the header.
    table : int
        The table's number.
    versions : RecordVersions or None
        What later tables say about records of this one.
    precision : Precisions
        How exactly the table knows its times.
    """

    columns: ColumnMap
    rules: Rules
    taxonomy: Taxonomy
    projector: Projector | None
    mask: AreaMask | None
    unreadable: str
    table: int = 0
    versions: RecordVersions | None = None
    precision: Precisions = field(default_factory=Precisions)

    def settled_by(self, raw: pa.RecordBatch) -> "RowRules":
        """Settle how exactly the table knows its times, from the first rows of its first batch."""
        return replace(self, precision=guess_precisions(_by_name(raw.slice(0, _FIRST)), self.columns, self.rules))

    def check(self, raw: pa.RecordBatch, first_row: int) -> CheckedBatch:
        """Apply the rules, and what later tables say."""
        columns, batch = self.columns, _by_name(raw)
        spans = read_spans(batch, columns, self.rules, precision=self.precision)
        labels = self._labels(batch, raw.num_rows)
        codes = coded(as_text(batch[columns.offence])) if columns.offence is not None else None
        told = coded(as_text(batch[columns.discovery])) if columns.discovery is not None else None
        offence = codes if codes is not None else labels
        labelled = label_rows(self.taxonomy, labels, codes, fixed=columns.category is None)
        further = {name: as_text(batch[name]) for name in columns.extra}
        if columns.area is not None:
            further = {"area": as_text(batch[columns.area]), **further}
        places, reason = None, spans.reason.copy()
        _first_reason(reason, labelled.reason)
        if self.projector is not None:
            places = locate(batch, columns, self.projector, self.mask, swap=self.rules.swap_coordinates)
            _first_reason(reason, places.reason)
        if self.unreadable in batch:
            reason[np.asarray(batch[self.unreadable].is_valid())] = Reason.UNREADABLE
        own = as_text(batch[columns.id]) if columns.id is not None else None
        own_hashes = hash_text(own) if own is not None else None
        rows = self._fingerprints(spans, places, [labels, codes, told], own_hashes, further)
        own_ids = publisher_ids(own) if own is not None else None
        keys = own_hashes if own_ids is own else None
        if own_ids is not None and self.versions is not None:
            fate = self.versions.fate(hash_text(own_ids) if keys is None else keys, self.table)
            np.copyto(reason, fate, where=fate != Reason.KEPT)
        ids = _ids(raw, rows, reason, own_ids)
        repairs = spans.repairs + (places.repairs if places is not None else Counter())
        done = CleanBatch(
            raw, first_row, reason, ids, spans, places,
            labels, labelled.category, offence, _discovery(told, labelled.police), further,
            civil_months(spans.wall), repairs,
        )  # fmt: skip
        return CheckedBatch(done, rows, hash_text(ids) if keys is None or ids is not own else keys, own_ids)

    def _labels(self, batch: dict[str, pa.Array], n: int) -> pa.DictionaryArray:
        if self.columns.category is None:
            fixed = pa.array([self.taxonomy.fixed_category], pa.string())
            return pa.DictionaryArray.from_arrays(pa.array(np.zeros(n, dtype=np.int32)), fixed)
        column = batch[self.columns.category]
        if not pa.types.is_dictionary(column.type):
            column = as_text(column).dictionary_encode()
        texts = [None if text is None else text.strip() for text in as_text(column.dictionary).to_pylist()]
        return pa.DictionaryArray.from_arrays(column.indices.cast(pa.int32()), pa.array(texts, pa.string()))

    def _fingerprints(
        self,
        spans: Spans,
        places: Places | None,
        words: Sequence[pa.Array | None],
        own_ids: NDArray[np.uint64] | None,
        further: dict[str, pa.Array],
    ) -> NDArray[np.uint64]:
        """Fingerprint each row by the values of all mapped columns, whatever the storage format."""
        columns = self.columns
        labels, *others = words
        total = hash_text(labels)
        numbers: list[Any] = [spans.start]
        numbers += [spans.end] if columns.occurred_until is not None else []
        numbers += [spans.known] if columns.known_at is not None else []
        numbers += [places.raw_x, places.raw_y] if places is not None else []
        for values in numbers:
            total = mix(total, hash_numbers(values))
        for column in others:
            total = mix(total, hash_text(column)) if column is not None else total
        if own_ids is not None:
            total = mix(total, own_ids)
        for column in further.values():
            total = mix(total, hash_text(coded(column)))
        return total


def _discovery(told: pa.Array | None, police: NDArray[np.bool_]) -> NDArray[np.int8]:
    """Tell how incidents came to light: as the column says, else as such incidents mostly do."""
    derived = police.astype(np.int8) * np.int8(DISCOVERY.index("police-initiated"))
    if told is None:
        return derived
    told = told if pa.types.is_dictionary(told.type) else told.dictionary_encode()
    texts = told.dictionary.to_pylist()
    says = np.array([*pc.match_substring_regex(told.dictionary, _INITIATED).to_pylist(), False], dtype=np.int8)
    silent = np.array([*[blank(text) for text in texts], True])
    index = told.indices.fill_null(len(texts)).to_numpy(zero_copy_only=False)
    return np.where(silent[index], derived, says[index]).astype(np.int8)


def _ids(raw: pa.RecordBatch, rows: NDArray[np.uint64], reason: NDArray[np.int8], own: pa.Array | None) -> pa.Array:
    """Name rows by the publisher's id; where there is none by their fingerprint.

    A row that could not be read is named by its raw text, marked with an r.
    """
    if own is not None and not own.null_count:
        return own
    ids = to_hex(rows)
    bad = reason != Reason.KEPT
    if own is not None:
        bad &= np.asarray(own.is_null())
    unread = np.flatnonzero(bad)
    if unread.size:
        part = raw.take(pa.array(unread))
        total = np.zeros(len(unread), dtype=np.uint64)
        for column in part.columns:
            total = mix(total, hash_text(as_text(column)))
        texts = pa.array(["r" + text for text in to_hex(total).to_pylist()], pa.string())
        ids = pc.replace_with_mask(ids, pa.array(bad), texts)
    return ids if own is None else pc.coalesce(own, ids)


def _first_reason(reason: NDArray[np.int8], further: NDArray[np.int8]) -> None:
    """Fill in reasons of a later rule where no earlier one applied; `reason` is this module's own array."""
    np.copyto(reason, further, where=reason == Reason.KEPT)


def _by_name(batch: pa.RecordBatch) -> dict[str, pa.Array]:
    return dict(zip(batch.schema.names, batch.columns, strict=True))
