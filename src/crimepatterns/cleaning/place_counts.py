"""How many incidents each place has, for millions of places, kept up as incidents come and go."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crimepatterns.cleaning.runs import Keys, Run, Shelve, merged

__all__ = ["PlaceCounts", "PlaceFacts"]

_BUFFER = 1 << 20


@dataclass(frozen=True)
class PlaceFacts:
    """Figures about places, rounded to the metre.

    Parameters
    ----------
    incidents : int
    distinct : int
        Places with an incident.
    busiest : int
        Incidents at the busiest place.
    repeated : int
        Incidents at places that have more than one.
    """

    incidents: int = 0
    distinct: int = 0
    busiest: int = 0
    repeated: int = 0

    def report(self) -> dict[str, Any] | None:
        """Return the figures for the cleaning report; None where there is no incident."""
        if not self.incidents:
            return None
        return {
            "distinct": self.distinct,
            "incidents_per_place": round(self.incidents / self.distinct, 2),
            "busiest_place_incidents": self.busiest,
            "share_at_repeated_places": round(self.repeated / self.incidents, 4),
        }


class PlaceCounts:
    """Counts incidents by place.

    Parameters
    ----------
    before : sequence of Run
        Places of an earlier build with their counts, the oldest run first; a place may stand in several.
    known : PlaceFacts
        The figures of those.
    shelve : callable, optional
        Puts away a run of a million places.
    """

    def __init__(
        self, *, before: Sequence[Run] = (), known: PlaceFacts | None = None, shelve: Shelve | None = None
    ) -> None:
        self._before, self._known, self._shelve = list(before), known or PlaceFacts(), shelve
        self._runs: list[Run] = []
        self._waiting: list[tuple[Keys, int]] = []
        self._size = 0

    def add(self, x: NDArray[np.float64], y: NDArray[np.float64], *, times: int = 1) -> None:
        """Count incidents at places in metres, shape (n,) each; ``times=-1`` takes them away again."""
        keys = ((np.round(x).astype(np.int64) << 32) + np.round(y).astype(np.int64)).view(np.uint64)
        self._waiting.append((keys, times))
        self._size += len(keys)
        if self._size >= _BUFFER:
            self._put_away()

    def include(self, run: Run) -> None:
        """Add places that were counted elsewhere; the run is kept as it is."""
        self._runs.append(Run(np.array(run.keys), np.array(run.facts)) if self._shelve is None else self._shelve(run))

    def runs(self) -> list[Run]:
        """Return the counts that were added, without those of the earlier build."""
        self._put_away()
        return list(self._runs)

    def facts(self) -> PlaceFacts:
        """Return the figures, those of the earlier build included."""
        facts = asdict(self._known)
        for run in summed(self.runs()):
            old = np.zeros(len(run), dtype=np.int64)
            for earlier in self._before:
                for found, counts in earlier.matches(run.keys):
                    old[found] += counts
            new = old + run.facts
            if facts["busiest"] and ((old == facts["busiest"]) & (new < old)).any():
                return _figures(summed([*self._before, *self.runs()]))
            facts["incidents"] += int(run.facts.sum())
            facts["distinct"] += int((new > 0).sum() - (old > 0).sum())
            facts["busiest"] = max(facts["busiest"], int(new.max(initial=0)))
            facts["repeated"] += int(new[new > 1].sum() - old[old > 1].sum())
        return PlaceFacts(**facts)

    def _put_away(self) -> None:
        if not self._size:
            return
        keys = np.concatenate([keys for keys, _ in self._waiting])
        times = np.repeat([times for _, times in self._waiting], [len(keys) for keys, _ in self._waiting])
        run = _sum_up(Run.of(keys, times.astype(np.int32)))
        self._runs.append(self._shelve(run) if self._shelve is not None else run)
        self._waiting, self._size = [], 0


def summed(runs: Sequence[Run]) -> Iterator[Run]:
    """Merge runs of counts, in ranges; counts of one place are added up, and places without incidents left out."""
    for run in merged(runs):
        yield _sum_up(run)


def _sum_up(run: Run) -> Run:
    starts = np.flatnonzero(np.append(True, run.keys[1:] != run.keys[:-1]))
    counts = np.add.reduceat(run.facts, starts, dtype=np.int32)
    there = counts != 0
    return Run(run.keys[starts][there], counts[there])


def _figures(ranges: Iterator[Run]) -> PlaceFacts:
    incidents = distinct = busiest = repeated = 0
    for run in ranges:
        counts = run.facts
        incidents += int(counts.sum())
        distinct += len(run)
        busiest = max(busiest, int(counts.max(initial=0)))
        repeated += int(counts[counts > 1].sum())
    return PlaceFacts(incidents, distinct, busiest, repeated)
