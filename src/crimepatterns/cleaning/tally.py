"""The account of cleaning: every row that came in, what became of it, and what the kept ones look like."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crimepatterns.cleaning.engine import CleanBatch
from crimepatterns.cleaning.labelling import LabelCounts
from crimepatterns.cleaning.schema import REASONS, Reason
from crimepatterns.cleaning.taxonomy import Taxonomy
from crimepatterns.domain.incidents import DISCOVERY, TIME_PRECISION

__all__ = ["Tally"]

_HOUR, _DAY = 3_600_000_000, 86_400_000_000
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
    _precision: NDArray[np.int64] = field(default_factory=lambda: np.zeros(len(TIME_PRECISION), dtype=np.int64))
    _discovery: NDArray[np.int64] = field(default_factory=lambda: np.zeros(len(DISCOVERY), dtype=np.int64))
    _categories: Counter[str] = field(default_factory=Counter)
    _months: Counter[int] = field(default_factory=Counter)
    _clock: NDArray[np.int64] = field(default_factory=lambda: np.zeros(4, dtype=np.int64))
    _spans: int = 0
    _first: int | None = None
    _last: int | None = None
    _places: list[NDArray[np.int64]] = field(default_factory=list)

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
        keep = batch.reason == Reason.KEPT
        if not keep.any():
            return
        wall, exact = batch.spans.wall[keep], batch.spans.precision[keep]
        self._precision += np.bincount(exact, minlength=len(TIME_PRECISION))
        self._discovery += np.bincount(batch.discovery[keep], minlength=len(DISCOVERY))
        self._spans += int((batch.spans.end[keep] > batch.spans.start[keep]).sum())
        self._count_clock(wall, exact)
        low, high = int(wall.min()), int(wall.max())
        self._first = low if self._first is None else min(self._first, low)
        self._last = high if self._last is None else max(self._last, high)
        months, sizes = np.unique(
            wall.view("datetime64[us]").astype("datetime64[M]").astype(np.int64), return_counts=True
        )
        self._months.update(dict(zip(months.tolist(), sizes.tolist(), strict=True)))
        codes = batch.category.indices.fill_null(0).to_numpy(zero_copy_only=False)[keep]
        sizes = np.bincount(codes, minlength=len(batch.category.dictionary))
        self._categories.update(dict(zip(batch.category.dictionary.to_pylist(), sizes.tolist(), strict=True)))
        if batch.places is not None:
            x, y = (np.round(axis[keep]).astype(np.int64) for axis in (batch.places.x, batch.places.y))
            self._places.append((x << 32) + y)

    def report(self) -> dict[str, Any]:
        """Return the account as JSON-able values; rows in = kept + the sum of rejected."""
        kept = max(self.kept, 1)
        timed = max(int(self._clock[0]), 1)
        labels = self.labels.table()
        unmapped = [row for row in labels if not row["mapped"]] if self.taxonomy.asks else []
        return {
            "rows_in": self.rows_in,
            "kept": self.kept,
            "rejected": self.rejected,
            "rejected_total": sum(self.rejected.values()),
            "repairs": {text: count for text, count in sorted(self.repairs.items()) if count},
            "categories": {
                name: count for name, count in sorted(self._categories.items(), key=lambda i: (-i[1], i[0])) if count
            },
            "discovery": dict(zip(DISCOVERY, self._discovery.tolist(), strict=True)),
            "labels": labels,
            "unmapped_rows": sum(row["rows"] for row in unmapped),
            "unmapped": [{name: row[name] for name in _SAID_OF_UNMAPPED} for row in unmapped[:_MOST_UNMAPPED]],
            "first": _moment(self._first),
            "last": _moment(self._last),
            "time_precision": {
                name: int(count) for name, count in zip(TIME_PRECISION, self._precision, strict=True) if count
            },
            "share_interval": round(self._spans / kept, 4),
            "share_on_the_hour": round(float(self._clock[1]) / timed, 4) if self._clock[0] else None,
            "share_at_midnight": round(float(self._clock[2]) / timed, 4) if self._clock[0] else None,
            "share_at_noon": round(float(self._clock[3]) / timed, 4) if self._clock[0] else None,
            "months": {str(np.datetime64(month, "M")): count for month, count in sorted(self._months.items())},
            "places": self._place_facts(),
        }

    def _count_clock(self, wall: NDArray[np.int64], exact: NDArray[np.int8]) -> None:
        timed = wall[exact <= 1]
        if timed.size:
            of_day = timed % _DAY
            self._clock += np.array(
                [
                    timed.size,
                    np.count_nonzero(of_day % _HOUR == 0),
                    np.count_nonzero(of_day == 0),
                    np.count_nonzero(of_day == 12 * _HOUR),
                ]
            )

    def _place_facts(self) -> Mapping[str, Any] | None:
        if not self._places:
            return None
        ordered = np.sort(np.concatenate(self._places))
        starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
        sizes = np.diff(np.append(starts, len(ordered)))
        busiest = int(sizes.max())
        return {
            "distinct": len(sizes),
            "incidents_per_place": round(len(ordered) / len(sizes), 2),
            "busiest_place_incidents": busiest,
            "share_at_repeated_places": round(float(sizes[sizes > 1].sum()) / len(ordered), 4),
        }


def _moment(wall: int | None) -> str | None:
    return None if wall is None else str(np.datetime64(wall, "us").astype("datetime64[s]"))
