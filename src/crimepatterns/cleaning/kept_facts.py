"""What the kept rows look like, in figures that add up: those of a city are the sum of those of its files."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from crimepatterns.cleaning.clock import civil_clock, civil_months
from crimepatterns.domain.incidents import DISCOVERY, TIME_PRECISION

__all__ = ["KeptFacts", "kept_facts"]

_HOUR, _DAY = 3_600_000_000, 86_400_000_000


@dataclass
class KeptFacts:
    """Counts of kept rows.

    Parameters
    ----------
    rows : int
    intervals : int
        Rows whose time is a span.
    timed, on_the_hour, at_midnight, at_noon : int
        Rows with a time of day, and how many of them are rounded to it.
    precision, discovery, categories : Counter of str
    months : Counter of int
        By civil month, counted since January 1970.
    first, last : int or None
        First and last beginning, microseconds since 1970 on the city's clock.
    """

    rows: int = 0
    intervals: int = 0
    timed: int = 0
    on_the_hour: int = 0
    at_midnight: int = 0
    at_noon: int = 0
    precision: Counter[str] = field(default_factory=Counter)
    discovery: Counter[str] = field(default_factory=Counter)
    categories: Counter[str] = field(default_factory=Counter)
    months: Counter[int] = field(default_factory=Counter)
    first: int | None = None
    last: int | None = None

    def __add__(self, other: "KeptFacts") -> "KeptFacts":
        both = {name: getattr(self, name) + getattr(other, name) for name in _ADDED}
        firsts = [one for one in (self.first, other.first) if one is not None]
        lasts = [one for one in (self.last, other.last) if one is not None]
        return KeptFacts(**both, first=min(firsts, default=None), last=max(lasts, default=None))

    def to_json(self) -> dict[str, Any]:
        """Return the figures as JSON-able values."""
        plain = dict(vars(self))
        return {**plain, "months": {str(month): count for month, count in self.months.items()}}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> "KeptFacts":
        """Read what `to_json` gave."""
        words = {name: Counter(plain[name]) for name in ("precision", "discovery", "categories")}
        months = Counter({int(month): count for month, count in plain["months"].items()})
        return cls(**{**plain, **words, "months": months})

    def report(self) -> dict[str, Any]:
        """Return the part of the cleaning report that is about kept rows."""
        kept, timed = max(self.rows, 1), self.timed
        by_size = sorted(self.categories.items(), key=lambda item: (-item[1], item[0]))
        return {
            "kept": self.rows,
            "categories": dict(by_size),
            "discovery": {name: self.discovery[name] for name in DISCOVERY},
            "first": _moment(self.first),
            "last": _moment(self.last),
            "time_precision": {name: self.precision[name] for name in TIME_PRECISION if self.precision[name]},
            "share_interval": round(self.intervals / kept, 4),
            "share_on_the_hour": round(self.on_the_hour / timed, 4) if timed else None,
            "share_at_midnight": round(self.at_midnight / timed, 4) if timed else None,
            "share_at_noon": round(self.at_noon / timed, 4) if timed else None,
            "months": {str(np.datetime64(month, "M")): count for month, count in sorted(self.months.items())},
        }


_ADDED = [name for name in KeptFacts.__dataclass_fields__ if name not in {"first", "last"}]


def kept_facts(batches: Iterable[pa.RecordBatch], timezone: str) -> KeptFacts:
    """Count incidents in the columns of the incident table.

    Parameters
    ----------
    batches : iterable of pyarrow.RecordBatch
    timezone : str
        The city's.
    """
    clock, total = civil_clock(timezone), KeptFacts()
    for batch in batches:
        if not batch.num_rows:
            continue
        begun, ended = (_micros(batch.column(name)) for name in ("occurred_from", "occurred_until"))
        wall = clock.to_wall(begun)
        precision = _words(batch.column("time_precision"))
        months, sizes = np.unique(civil_months(wall), return_counts=True)
        one = KeptFacts(
            rows=batch.num_rows,
            intervals=int(np.count_nonzero(ended > begun)),
            **_rounded(wall, batch.column("time_precision")),
            precision=precision,
            discovery=_words(batch.column("discovery")),
            categories=_words(batch.column("category")),
            months=Counter(dict(zip(months.tolist(), sizes.tolist(), strict=True))),
            first=int(wall.min()),
            last=int(wall.max()),
        )
        total = total + one
    return total


def _rounded(wall: NDArray[np.int64], precision: pa.DictionaryArray) -> dict[str, int]:
    """Count rows with a time of day, and those of them on the hour, at midnight and at noon."""
    fine = np.array([word in TIME_PRECISION[:2] for word in precision.dictionary.to_pylist()] or [False])
    timed = wall
    if not fine.all():
        timed = wall[fine[precision.indices.to_numpy(zero_copy_only=False)]]
    whole = timed[timed % _HOUR == 0]
    of_day = whole % _DAY
    return {
        "timed": timed.size,
        "on_the_hour": whole.size,
        "at_midnight": int(np.count_nonzero(of_day == 0)),
        "at_noon": int(np.count_nonzero(of_day == 12 * _HOUR)),
    }


def _words(column: pa.DictionaryArray) -> Counter[str]:
    sizes = np.bincount(column.indices.to_numpy(zero_copy_only=False), minlength=len(column.dictionary)).tolist()
    counts: Counter[str] = Counter()
    for word, size in zip(column.dictionary.to_pylist(), sizes, strict=True):
        if size:
            counts[word] += size
    return counts


def _micros(column: pa.Array) -> NDArray[np.int64]:
    return column.cast(pa.timestamp("us", "UTC")).view(pa.int64()).to_numpy(zero_copy_only=False)


def _moment(wall: int | None) -> str | None:
    return None if wall is None else str(np.datetime64(wall, "us").astype("datetime64[s]"))
