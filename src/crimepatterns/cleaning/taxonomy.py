"""From a publisher's labels to categories, and from categories to how an incident came to light."""

import difflib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

__all__ = ["LabelCounts", "Taxonomy", "blank"]

MISSING, UNMAPPED = -1, -2

_BLANKS = {"", "null", "none", "na", "n/a", "nan", "nat", "<na>", "(null)", "unknown", "-"}


def blank(text: str | None) -> bool:
    """Tell whether a value only says that there is none."""
    return text is None or text.strip().casefold() in _BLANKS


@dataclass(frozen=True)
class Taxonomy:
    """The offence mapping of a city; the names are those of ``taxonomy`` in the settings."""

    mapping: Mapping[str, str] = field(default_factory=dict)
    unmapped: str = "keep"
    police_initiated: tuple[str, ...] = ()
    fixed_category: str | None = None

    def categorise(self, label: str | None) -> str | None:
        """Return the category of one label; None where the label is blank, or unmapped labels are rejected."""
        if blank(label) or label is None:
            return None
        found = self._folded.get(_fold(label))
        if found is not None:
            return found
        if self.unmapped == "reject":
            return None
        return "other" if self.unmapped == "other" else _fold(label)

    def is_mapped(self, label: str) -> bool:
        """Tell whether the mapping names this label."""
        return _fold(label) in self._folded

    def suggest(self, label: str) -> str | None:
        """Return the most similar label of the mapping, or None."""
        close = difflib.get_close_matches(_fold(label), list(self._folded), n=1, cutoff=0.6)
        return next((name for name in self.mapping if _fold(name) == close[0]), None) if close else None

    @property
    def _folded(self) -> dict[str, str]:
        return {_fold(label): category for label, category in self.mapping.items()}


@dataclass
class LabelCounts:
    """How often each publisher's label occurred, and what became of it."""

    taxonomy: Taxonomy
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, labels: pa.DictionaryArray) -> None:
        """Count the labels of one batch."""
        sizes: NDArray[np.int64] = np.bincount(
            np.asarray(labels.indices.drop_null(), dtype=np.int64), minlength=len(labels.dictionary)
        )
        for label, size in zip(labels.dictionary.to_pylist(), sizes, strict=True):
            if label is not None and size:
                self.counts[label] += int(size)

    def table(self) -> list[dict[str, Any]]:
        """List every label with its category, the most frequent first; unmapped ones with a suggestion."""
        rows: list[dict[str, Any]] = []
        asked = bool(self.taxonomy.mapping)
        for label, count in sorted(self.counts.items(), key=lambda item: (-item[1], item[0])):
            mapped = self.taxonomy.is_mapped(label)
            rows.append(
                {
                    "label": label,
                    "category": self.taxonomy.categorise(label),
                    "rows": count,
                    "mapped": mapped,
                    "suggestion": self.taxonomy.suggest(label) if asked and not mapped and not blank(label) else None,
                }
            )
        return rows


def _fold(label: str) -> str:
    return " ".join(label.split()).lower()
