"""The labels of many rows at once: their categories, how they come to light, and how often each occurred."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from crimepatterns.cleaning.schema import Reason
from crimepatterns.cleaning.taxonomy import Placed, Taxonomy, blank
from crimepatterns.cleaning.values import as_text

__all__ = ["LabelCounts", "Labelled", "label_rows"]

_LARGEST_TABLE = 1 << 20
_MOST_SUGGESTIONS = 200
"""Suggestions are looked for so many unmapped labels, the most frequent first: a column of free text has thousands."""


@dataclass(frozen=True, eq=False)
class Labelled:
    """Rows with their categories, shape (n,) each.

    Parameters
    ----------
    category : pyarrow.DictionaryArray
        Null where there is none.
    reason : ndarray of int8
        `Reason` values.
    police : ndarray of bool
        Whether such incidents mostly come to light through police activity.
    """

    category: pa.DictionaryArray
    reason: NDArray[np.int8]
    police: NDArray[np.bool_]


def label_rows(taxonomy: Taxonomy, labels: pa.DictionaryArray, codes: pa.Array | None, *, fixed: bool) -> Labelled:
    """Categorise rows by their labels, and by the code beside each where the crosswalk knows codes.

    Parameters
    ----------
    taxonomy : Taxonomy
    labels : pyarrow.DictionaryArray, shape (n,)
    codes : pyarrow.Array or None, shape (n,)
    fixed : bool
        Every row has the taxonomy's fixed category.
    """
    pairs = _Pairs.of(taxonomy, labels, codes)
    placed = [taxonomy.fixed() if fixed else taxonomy.place(label, code) for label, code in pairs.values()]
    why = [_reason(one, label) for one, (label, _) in zip(placed, pairs.values(), strict=True)]
    names = sorted({one.category for one in placed if one.category is not None})
    position = {name: i for i, name in enumerate(names)}
    own = np.array([position.get(one.category or "", -1) for one in placed] or [-1], dtype=np.int32)
    row_code = own[pairs.index]
    category = pa.DictionaryArray.from_arrays(pa.array(row_code, mask=row_code < 0), pa.array(names, pa.string()))
    reason = np.array(why or [Reason.KEPT], dtype=np.int8)[pairs.index]
    return Labelled(category, reason, np.array([one.police_initiated for one in placed] or [False])[pairs.index])


@dataclass
class LabelCounts:
    """How often each publisher's label occurred, and what became of it."""

    taxonomy: Taxonomy
    counts: Counter[tuple[str, Placed]] = field(default_factory=Counter)

    def add(self, labels: pa.DictionaryArray, codes: pa.Array | None = None) -> None:
        """Count the labels of one batch, with the codes beside them."""
        taxonomy = self.taxonomy
        pairs = _Pairs.of(taxonomy, labels, codes)
        sizes = np.bincount(pairs.index, minlength=len(pairs.keys))
        for (label, code), size in zip(pairs.values(), sizes.tolist(), strict=True):
            if label is not None and size:
                known = label == taxonomy.fixed_category
                self.counts[label, taxonomy.fixed() if known else taxonomy.place(label, code)] += size

    def table(self) -> list[dict[str, Any]]:
        """List every label with its category, the most frequent first; unmapped ones with a suggestion.

        A label whose rows went to several categories, because a code beside it decides, has a row for each.
        """
        rows: list[dict[str, Any]] = []
        suggested = 0
        for (label, placed), count in sorted(self.counts.items(), key=_by_size):
            mapped = placed.by != "nothing"
            like = None
            if self.taxonomy.asks and not mapped and not blank(label) and suggested < _MOST_SUGGESTIONS:
                suggested += 1
                like = self.taxonomy.suggest(label)
            rows.append(
                {
                    "label": label,
                    "category": placed.category,
                    "rows": count,
                    "mapped": mapped,
                    "by": placed.by,
                    "suggestion": None if like is None else like.label,
                    "suggested_category": None if like is None else like.category,
                }
            )
        return rows


@dataclass(frozen=True, eq=False)
class _Pairs:
    """The distinct pairs of label and code, and which one each row has."""

    labels: list[str | None]
    codes: list[str | None]
    keys: NDArray[np.int64]
    index: NDArray[np.int64]

    @classmethod
    def of(cls, taxonomy: Taxonomy, labels: pa.DictionaryArray, codes: pa.Array | None) -> "_Pairs":
        texts, label = _coded(labels)
        if codes is None or not taxonomy.reads_codes:
            return cls(texts, [None], np.arange(len(texts), dtype=np.int64), label)
        marks, code = _coded(codes if pa.types.is_dictionary(codes.type) else codes.dictionary_encode())
        keys, index = _distinct(label * len(marks) + code, size=len(texts) * len(marks))
        return cls(texts, marks, keys, index)

    def values(self) -> Iterator[tuple[str | None, str | None]]:
        for key in self.keys.tolist():
            label, code = divmod(key, len(self.codes))
            yield self.labels[label], self.codes[code]


def _distinct(keys: NDArray[np.int64], *, size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the distinct keys, all below `size`, and the place of each key among them."""
    if size > _LARGEST_TABLE:
        found, index = np.unique(keys, return_inverse=True)
        return found, index.astype(np.int64)
    # Without sorting: few labels and codes make many rows.
    found = np.flatnonzero(np.bincount(keys, minlength=size))
    places = np.zeros(size, dtype=np.int64)
    places[found] = np.arange(len(found))
    return found, places[keys]


def _coded(column: pa.DictionaryArray) -> tuple[list[str | None], NDArray[np.int64]]:
    """Return the distinct texts with None at the end, and the place of each row's text among them."""
    texts = as_text(column.dictionary).to_pylist()
    index = column.indices.cast(pa.int64()).fill_null(len(texts)).to_numpy(zero_copy_only=False)
    return [*texts, None], index


def _reason(placed: Placed, label: str | None) -> Reason:
    if placed.category is not None:
        return Reason.KEPT
    return Reason.CATEGORY_MISSING if blank(label) else Reason.CATEGORY_UNMAPPED


def _by_size(item: tuple[tuple[str, Placed], int]) -> tuple[int, str, str]:
    (label, placed), count = item
    return -count, label, placed.category or ""
