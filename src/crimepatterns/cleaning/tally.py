"""The account of cleaning: every row that came in and what became of it."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import astuple, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crimepatterns.cleaning.checking import CleanBatch
from crimepatterns.cleaning.kept_facts import KeptFacts
from crimepatterns.cleaning.labelling import LabelCounts
from crimepatterns.cleaning.place_counts import PlaceFacts
from crimepatterns.cleaning.schema import REASONS, Reason
from crimepatterns.cleaning.taxonomy import Placed, Taxonomy

__all__ = ["Tally"]

_SAID_OF_UNMAPPED = ("label", "category", "rows", "suggestion", "suggested_category")
_MOST_UNMAPPED = 10


@dataclass
class Tally:
    """Counts gathered batch by batch.

    Parameters
    ----------
    taxonomy : Taxonomy
    """

    taxonomy: Taxonomy
    rows_in: int = 0
    reasons: NDArray[np.int64] = field(default_factory=lambda: np.zeros(len(Reason), dtype=np.int64))
    repairs: Counter[str] = field(default_factory=Counter)
    labels: LabelCounts = field(init=False)

    def __post_init__(self) -> None:
        self.labels = LabelCounts(self.taxonomy)

    @property
    def kept(self) -> int:
        """Rows kept so far."""
        return int(self.reasons[Reason.KEPT])

    @property
    def rejected(self) -> dict[str, int]:
        """Rows rejected so far by reason in words, the most frequent first."""
        found = {REASONS[reason]: int(self.reasons[reason]) for reason in Reason if reason != Reason.KEPT}
        return {text: count for text, count in sorted(found.items(), key=lambda item: -item[1]) if count}

    def add(self, batch: CleanBatch) -> None:
        """Count one cleaned batch."""
        self.rows_in += len(batch)
        self.reasons += np.bincount(batch.reason, minlength=len(Reason))
        self.repairs.update(batch.repairs)
        self.labels.add(batch.labels, batch.offence)

    def move(self, before: NDArray[np.int8], after: NDArray[np.int8]) -> None:
        """Note that rows counted earlier have another reason now, shape (n,) each."""
        self.reasons += np.bincount(after, minlength=len(Reason)) - np.bincount(before, minlength=len(Reason))

    def include(self, other: "Tally") -> None:
        """Add what another tally of the same rules has counted."""
        self.rows_in += other.rows_in
        self.reasons += other.reasons
        self.repairs.update(other.repairs)
        self.labels.counts.update(other.labels.counts)

    def to_json(self) -> dict[str, Any]:
        """Return the counts as JSON-able values."""
        return {
            "rows_in": self.rows_in,
            "reasons": {reason.name: int(self.reasons[reason]) for reason in Reason if self.reasons[reason]},
            "repairs": dict(self.repairs),
            "labels": [[label, *astuple(placed), count] for (label, placed), count in self.labels.counts.items()],
        }

    @classmethod
    def from_json(cls, taxonomy: Taxonomy, plain: Mapping[str, Any]) -> "Tally":
        """Read what `to_json` gave."""
        tally = cls(taxonomy, plain["rows_in"], repairs=Counter(plain["repairs"]))
        for name, count in plain["reasons"].items():
            tally.reasons[Reason[name]] = count
        tally.labels.counts.update({(label, Placed(*placed)): count for label, *placed, count in plain["labels"]})
        return tally

    def report(self, kept: KeptFacts, places: PlaceFacts | None) -> dict[str, Any]:
        """Return the account as JSON-able values; rows in = kept + the sum of rejected."""
        labels = self.labels.table()
        unmapped = [row for row in labels if not row["mapped"]] if self.taxonomy.asks else []
        return {
            "rows_in": self.rows_in,
            "rejected": self.rejected,
            "rejected_total": sum(self.rejected.values()),
            "repairs": {text: count for text, count in sorted(self.repairs.items()) if count},
            "labels": labels,
            "unmapped_rows": sum(row["rows"] for row in unmapped),
            "unmapped": [{name: row[name] for name in _SAID_OF_UNMAPPED} for row in unmapped[:_MOST_UNMAPPED]],
            **kept.report(),
            "places": None if places is None else places.report(),
        }
