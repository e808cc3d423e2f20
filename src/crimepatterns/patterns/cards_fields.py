"""What incidents can be alike in: the behaviour columns of a file, as whole numbers, and their local base rates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from itertools import combinations
from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crimepatterns.domain.incidents import Incidents
from crimepatterns.errors import PatternError
from crimepatterns.patterns.filters import behaviour_column
from crimepatterns.patterns.space_time_pairs import codes_of

__all__ = ["BehaviourColumns", "Fields", "KeySet", "read_fields"]

KeySet = tuple[str, ...]
"""Fields that must all agree, such as ``("category", "method")``."""

_ROLES = ("method", "premise", "property", "business")
_SQUARE_M = 2_000.0
_SHRINK = 20.0
_LEAST_TERM = 10
_MOST_TERMS = 200
_EMPTY = frozenset({"", "unknown", "none", "nan", "n/a", "other", "not known", "<na>"})


@dataclass(frozen=True)
class BehaviourColumns:
    """Which columns of the file say what was done, where and to what; all are optional.

    Parameters
    ----------
    method, premise, property, business : str, optional
        Way of acting, kind of place, kind of property taken, class of the business that was the victim. There is no
        column for what victims look like: hot prey goes by premise or class of business only.
    relationship : str, optional
        Relation of victim and offender; used for the checklist alone.
    strangers : tuple of str
        Its values that mean that none is known.
    text : str, optional
        A column of free text. Off unless named; see `vocabulary`.
    vocabulary : tuple of str
        The only words looked for in the text. Those in fewer than 10 incidents are dropped, and nothing else of the
        text is kept.
    """

    method: str | None = None
    premise: str | None = None
    property: str | None = None
    business: str | None = None
    relationship: str | None = None
    strangers: tuple[str, ...] = ("stranger",)
    text: str | None = None
    vocabulary: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if (self.text is None) != (not self.vocabulary):
            raise PatternError("Free text needs both the column (text) and the words to look for (vocabulary).")
        if len(self.vocabulary) > _MOST_TERMS:
            raise PatternError(f"The vocabulary may have {_MOST_TERMS} words, got {len(self.vocabulary)}.")

    def named(self) -> dict[str, object]:
        """Return the columns in use, for parameters."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return {name: value for name, value in values.items() if value and name != "strangers"}


@dataclass(frozen=True, eq=False)
class Fields:
    """Values of each field by incident.

    Parameters
    ----------
    labels : mapping of str to ndarray of str, shape (n,)
        Values in words, empty where unknown: category, offence where it tells more, and the behaviour roles.
    codes : mapping of str to ndarray of int64, shape (n,)
        The same as numbers, -1 where unknown; also one field per word of the text, 0 where it occurs and -1 else.
    district : ndarray of int64, shape (n,)
    """

    labels: Mapping[str, NDArray[np.object_]] = field(repr=False)
    codes: Mapping[str, NDArray[np.int64]] = field(repr=False)
    district: NDArray[np.int64] = field(repr=False)

    @property
    def behaviours(self) -> tuple[str, ...]:
        """Fields beside the category, words of the text left out."""
        return tuple(name for name in self.labels if name != "category")

    @property
    def terms(self) -> tuple[str, ...]:
        """Words of the text that are frequent enough."""
        return tuple(name for name in self.codes if name not in self.labels)

    def similar(self) -> tuple[KeySet, ...]:
        """Return the ways in which events can be alike in category and behaviour: single fields, pairs, all of them."""
        own = self.behaviours
        chosen = [set_ for size in (1, 2) for set_ in combinations(own, size)]
        if len(own) > 2:
            chosen.append(own)
        return tuple(("category", *set_) for set_ in [*chosen, *((term,) for term in self.terms)])

    def joint(self, keys: KeySet) -> NDArray[np.int64]:
        """Give a number to the combinations of values of some fields, -1 where one of them is unknown."""
        code = np.zeros(len(self.district), dtype=np.int64)
        known = np.ones(len(code), dtype=bool)
        for name in keys:
            own = self.codes[name]
            known &= own >= 0
            code = code * (int(own.max(initial=0)) + 1) + np.maximum(own, 0)
        numbered = np.unique(code, return_inverse=True)[1].ravel().astype(np.int64)
        return np.where(known, numbered, -1)

    def base_rates(self, code: NDArray[np.int64]) -> NDArray[np.float64]:
        """Give each incident the share of its code in its district, drawn towards that of the city; shape (n,)."""
        known = np.maximum(code, 0)
        size = int(known.max(initial=0)) + 1
        city = (np.bincount(known, minlength=size) + 0.5) / (len(code) + 1.0)
        both = self.district * size + known
        pair, position, count = np.unique(both, return_inverse=True, return_counts=True)
        total = np.bincount(self.district)[pair // size]
        rate = (count + _SHRINK * city[pair % size]) / (total + _SHRINK)
        return np.clip(rate[position.ravel()], 1e-9, 1.0 - 1e-9)


def read_fields(incidents: Incidents, columns: BehaviourColumns) -> Fields:
    """Read the fields in which incidents can be alike.

    Raises
    ------
    PatternError
        If the file has no such column; the message names those that it has.
    """
    table = incidents.table
    labels: dict[str, NDArray[np.object_]] = {"category": _text(table["category"])}
    offence = _text(table["offence"])
    if len(set(offence)) > len(set(labels["category"])):
        labels["offence"] = offence
    for role in _ROLES:
        name = getattr(columns, role)
        if name is not None:
            labels[role] = _text(behaviour_column(incidents, name, wanted=role))
    codes = {name: np.where(values == "", -1, codes_of(values)) for name, values in labels.items()}
    if columns.text is not None:
        codes |= _words(behaviour_column(incidents, columns.text, wanted="text"), columns.vocabulary)
    return Fields(MappingProxyType(labels), MappingProxyType(codes), _districts(incidents))


def _text(values: pd.Series) -> NDArray[np.object_]:
    text = values.astype("string").fillna("").str.strip().to_numpy(dtype=object)
    unknown = np.array([str(value).casefold() in _EMPTY for value in text], dtype=bool)
    return np.where(unknown, "", text)


def _words(text: pd.Series, vocabulary: Sequence[str]) -> dict[str, NDArray[np.int64]]:
    """Mark the incidents in whose text each allowed word occurs; the text itself goes no further than here."""
    from sklearn.feature_extraction.text import CountVectorizer

    if not len(text):
        return {}
    words = sorted({word.casefold().strip() for word in vocabulary if word.strip()})
    longest = max(len(word.split()) for word in words)
    vectoriser = CountVectorizer(vocabulary=words, binary=True, ngram_range=(1, longest), analyzer="word")
    found = vectoriser.transform(text).tocsc()
    counts = np.diff(found.indptr)
    chosen: dict[str, NDArray[np.int64]] = {}
    for column in np.flatnonzero(counts >= _LEAST_TERM):
        code = np.full(len(text), -1, dtype=np.int64)
        code[found.indices[found.indptr[column] : found.indptr[column + 1]]] = 0
        chosen[f"text mentions {words[column]}"] = code
    return chosen


def _districts(incidents: Incidents) -> NDArray[np.int64]:
    x, y = (incidents.table[axis].to_numpy(dtype=float) for axis in ("x", "y"))
    if len(incidents.area.neighbourhoods):
        return codes_of(incidents.area.neighbourhood_of(x, y))
    square = np.floor(np.column_stack([x, y]) / _SQUARE_M).astype(np.int64)
    return np.unique(square, axis=0, return_inverse=True)[1].ravel().astype(np.int64)
