"""Which rows are no longer the publisher's word: replaced by a later version of the record, or withdrawn.

A feed delivers later versions of records in later tables, and lists of ids that it has withdrawn. What happens first to
a row after its own table decides: a row that was withdrawn stays withdrawn when the record is published anew.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from crimepatterns.cleaning.fingerprint import hash_text
from crimepatterns.cleaning.schema import Reason
from crimepatterns.cleaning.values import as_text

__all__ = ["RecordVersions", "id_hashes", "publisher_ids"]

Hashes = NDArray[np.uint64]


def publisher_ids(column: pa.Array) -> pa.Array:
    """Return the publisher's ids as text without blanks around them; null where there is none."""
    text = as_text(column)
    if _is_tidy(text):
        return text
    trimmed = pc.utf8_trim_whitespace(text)
    return pc.if_else(pc.equal(trimmed, ""), pa.scalar(None, pa.string()), trimmed)


def id_hashes(columns: Iterable[pa.Array]) -> Hashes:
    """Fingerprint the ids of a table, column by column of its batches; blank ones are left out."""
    found = [hash_text(publisher_ids(column).drop_null()) for column in columns]
    return np.concatenate([np.zeros(0, dtype=np.uint64), *found])


@dataclass(frozen=True, eq=False)
class RecordVersions:
    """What later tables say about the records of earlier ones.

    Parameters
    ----------
    ids : ndarray of uint64, shape (n,)
        Fingerprints of ids, ascending.
    tables : ndarray of int64, shape (n,)
        Number of the table that names the id; ascending where ids are equal.
    reasons : ndarray of int8, shape (n,)
        `Reason.SUPERSEDED` or `Reason.WITHDRAWN`.
    """

    ids: Hashes
    tables: NDArray[np.int64]
    reasons: NDArray[np.int8]

    @classmethod
    def gather(cls, named: Iterable[tuple[int, Hashes, Reason]]) -> "RecordVersions":
        """Collect what each table says: its number, the ids it names, and what becomes of earlier rows with them."""
        parts = [(ids, number, reason) for number, ids, reason in named]
        ids = np.concatenate([np.zeros(0, dtype=np.uint64), *[ids for ids, _, _ in parts]])
        sizes = [len(ids) for ids, _, _ in parts]
        tables = np.repeat(np.array([number for _, number, _ in parts], dtype=np.int64), sizes)
        reasons = np.repeat(np.array([reason for _, _, reason in parts], dtype=np.int8), sizes)
        order = np.lexsort((tables, ids))
        return cls(ids[order], tables[order], reasons[order])

    def fate(self, ids: Hashes, table: int) -> NDArray[np.int8]:
        """Tell what later became of the rows of one table.

        Parameters
        ----------
        ids : ndarray of uint64, shape (n,)
            Fingerprints of the rows' ids.
        table : int
            Their table's number.

        Returns
        -------
        ndarray of int8, shape (n,)
            `Reason.SUPERSEDED`, `Reason.WITHDRAWN`, or `Reason.KEPT` where nothing did.
        """
        fate = np.full(len(ids), Reason.KEPT, dtype=np.int8)
        if not len(self.ids) or table >= self.tables.max():
            return fate
        place = np.searchsorted(self.ids, ids)
        rows = np.flatnonzero(self._names(place, ids))
        while rows.size:
            later = self.tables[place[rows]] > table
            fate[rows[later]] = self.reasons[place[rows[later]]]
            rows = rows[~later]
            place[rows] += 1
            rows = rows[self._names(place[rows], ids[rows])]
        return fate

    def _names(self, place: NDArray[np.intp], ids: Hashes) -> NDArray[np.bool_]:
        inside = np.minimum(place, len(self.ids) - 1)
        return (place < len(self.ids)) & (self.ids[inside] == ids)


def columns_of(batches: Iterable[pa.RecordBatch], name: str) -> Iterator[pa.Array]:
    """Yield one column of a stream of batches."""
    for batch in batches:
        yield batch.column(name)


def _is_tidy(text: pa.Array) -> bool:
    """Tell whether no value is empty, or begins or ends with what may be a blank."""
    buffer = text.buffers()[2]
    if buffer is None or not len(text):
        return text.null_count == len(text)
    offsets = np.frombuffer(text.buffers()[1], dtype=np.int32)[text.offset : text.offset + len(text) + 1]
    if text.null_count:
        there = np.asarray(text.is_valid())
        start, end = offsets[:-1][there], offsets[1:][there]
    else:
        start, end = offsets[:-1], offsets[1:]
    letters = np.frombuffer(buffer, dtype=np.uint8)
    if not start.size:
        return True
    if (start == end).any():
        return False
    ends = np.concatenate([letters[start], letters[end - 1]])
    # Blanks outside ASCII begin and end with bytes above it.
    return bool(((ends > 32) & (ends < 128)).all())
