"""Pairs of incidents that are close in space and time, found without holding all pairs; and the one rule for it.

The rule of closeness, shared by the Knox test, near-repeat chains and forecasts: a pair lies in a band if its distance
is greater than the band's lower edge and at most its upper edge, and the same for whole civil days between the two;
the first band of days begins with the same day. Less than a metre apart is the same place.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from crimepatterns.errors import PatternError

__all__ = ["SAME_PLACE_M", "PairSearch", "Pairs", "SpaceTimeBands", "civil_days", "codes_of"]

SAME_PLACE_M = 1.0
"""Two incidents closer than this, metres, are at the same place."""

_CHUNK = 500_000
_MOST_KEPT = 4_000_000
"""Pairs close in space that are kept for counting again and again, some 20 bytes each."""


@dataclass(frozen=True)
class SpaceTimeBands:
    """Bands of distance and of days, for tables of pairs.

    Parameters
    ----------
    distances_m : tuple of float
        Upper edges, ascending, metres; the same place is a band of its own before the first.
    days : tuple of int
        Upper edges, ascending, whole days; the first band begins with the same day.

    Raises
    ------
    PatternError
        If edges do not ascend or a distance is not greater than that of the same place.
    """

    distances_m: tuple[float, ...] = (100.0, 200.0, 400.0)
    days: tuple[int, ...] = (7, 14, 28)

    def __post_init__(self) -> None:
        for name, edges, least in (("distances_m", self.distances_m, SAME_PLACE_M), ("days", self.days, -1)):
            rising = all(a < b for a, b in pairwise(edges))
            if not edges or not rising or edges[0] <= least:
                raise PatternError(f"Bands: {name} must ascend from above {max(least, 0)}, got {edges}.")

    @property
    def reach_m(self) -> float:
        """The greatest distance of a close pair."""
        return self.distances_m[-1]

    @property
    def reach_days(self) -> int:
        """The greatest number of days between a close pair."""
        return self.days[-1]

    @property
    def shape(self) -> tuple[int, int]:
        """Number of bands of distance, the same place included, and of days."""
        return len(self.distances_m) + 1, len(self.days)

    @property
    def distance_labels(self) -> tuple[str, ...]:
        """Bands of distance in words."""
        edges = (0.0, *self.distances_m)
        return ("same place", *[f"{a:g} to {b:g} m" for a, b in pairwise(edges)])

    @property
    def day_labels(self) -> tuple[str, ...]:
        """Bands of days in words."""
        firsts = (0, *[edge + 1 for edge in self.days])
        return tuple(f"{a} to {b} days" if a < b else f"{b} days" for a, b in zip(firsts, self.days, strict=False))

    def locate(self, distance_m: ArrayLike, days: ArrayLike) -> NDArray[np.int64]:
        """Return the number of each pair's band, distance major; leave pairs beyond the last edges out before."""
        of_distance = np.searchsorted((SAME_PLACE_M, *self.distances_m), np.asarray(distance_m), side="left")
        # Less than a metre is the same place; exactly a metre no longer is.
        of_distance = np.where(np.asarray(distance_m) < SAME_PLACE_M, 0, np.maximum(of_distance, 1))
        of_days = np.searchsorted(self.days, np.asarray(days), side="left")
        return (of_distance * len(self.days) + of_days).astype(np.int64)


class Pairs(NamedTuple):
    """Some close pairs; `first` is the earlier one, and on the same day the one that stands earlier in the table.

    ``first``, ``second`` : ndarray of int, shape (n,); ``distance_m`` : ndarray of float; ``days`` : ndarray of int.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    distance_m: NDArray[np.float64]
    days: NDArray[np.int64]


_Coded = tuple[SpaceTimeBands, tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]]
"""Bands, and what `PairSearch` keeps for counting by them."""


class PairSearch:
    """Finds close pairs among fixed places for any assignment of days; memory grows with the points, not the pairs.

    Places are sorted into squares as wide as the reach. For given days the incidents of each square are sorted by day,
    so that those close in time are one stretch per neighbouring square.

    Parameters
    ----------
    x, y : array_like of float, shape (n,)
        Metres.
    reach_m : float
    reach_days : int
    """

    def __init__(self, x: ArrayLike, y: ArrayLike, *, reach_m: float, reach_days: int) -> None:
        self._x, self._y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
        if self._x.shape != self._y.shape or self._x.ndim != 1:
            raise PatternError(f"Pairs need x and y of one length, got {self._x.shape} and {self._y.shape}.")
        if not (np.isfinite(self._x).all() and np.isfinite(self._y).all()):
            raise PatternError("Pairs need finite coordinates.")
        self._reach_m, self._reach_days = float(reach_m), int(reach_days)
        column = np.floor((self._x - self._x.min(initial=0.0)) / reach_m).astype(np.int64)
        row = np.floor((self._y - self._y.min(initial=0.0)) / reach_m).astype(np.int64)
        self._rows = int(row.max(initial=0)) + 2
        # Empty squares cost nothing: they are numbers, not places in an array.
        self._square = (column + 1) * self._rows + row
        self._coded: _Coded | None = None

    def pairs(self, days: ArrayLike) -> Iterator[Pairs]:
        """Yield all close pairs, each once, in blocks of bounded size.

        Parameters
        ----------
        days : array_like of int, shape (n,)
            Civil day of each incident, counted from any day.
        """
        day = np.asarray(days, dtype=np.int64)
        day = day - day.min(initial=0)
        span = int(day.max(initial=0)) + 2 * self._reach_days + 2
        key = self._square * span + day + self._reach_days
        order = np.argsort(key, kind="stable")
        ordered = key[order]
        place = np.column_stack([self._x, self._y])[order]
        # Half of the neighbourhood: the square itself, then the four on one side.
        for step in (0, 1, self._rows - 1, self._rows, self._rows + 1):
            begin = np.searchsorted(ordered, ordered + (step * span - self._reach_days), side="left")
            end = np.searchsorted(ordered, ordered + (step * span + self._reach_days), side="right")
            if step == 0:
                begin = np.arange(1, len(ordered) + 1)
            yield from self._close(place, day[order], order, begin, end)

    def _close(
        self,
        place: NDArray[np.float64],
        day: NDArray[np.int64],
        order: NDArray[np.int64],
        begin: NDArray[np.int64],
        end: NDArray[np.int64],
    ) -> Iterator[Pairs]:
        sizes = np.maximum(end - begin, 0)
        total = np.cumsum(sizes)
        bounds = [0]
        while bounds[-1] < len(sizes):
            done = total[bounds[-1] - 1] if bounds[-1] else 0
            bounds.append(max(int(np.searchsorted(total, done + _CHUNK, side="right")), bounds[-1] + 1))
        for low, high in pairwise(bounds):
            many = sizes[low:high]
            count = int(many.sum())
            if not count:
                continue
            one = np.repeat(np.arange(low, high), many)
            offset = np.arange(count) - np.repeat(np.cumsum(many) - many, many)
            other = np.repeat(begin[low:high], many) + offset
            step = place[one] - place[other]
            squared = np.einsum("ij,ij->i", step, step)
            near = squared <= self._reach_m**2
            yield self._ordered(one[near], other[near], squared[near], day, order)

    @staticmethod
    def _ordered(
        one: NDArray[np.int64],
        other: NDArray[np.int64],
        squared: NDArray[np.float64],
        day: NDArray[np.int64],
        order: NDArray[np.int64],
    ) -> Pairs:
        lag = day[other] - day[one]
        first, second = order[one], order[other]
        swap = (lag < 0) | ((lag == 0) & (first > second))
        return Pairs(np.where(swap, second, first), np.where(swap, first, second), np.sqrt(squared), np.abs(lag))

    def count(self, days: ArrayLike, bands: SpaceTimeBands) -> NDArray[np.int64]:
        """Count close pairs by band, shape ``bands.shape``."""
        if self._neighbours is not None:
            return self._count_kept(np.asarray(days), bands)
        size = bands.shape[0] * bands.shape[1]
        counts = np.zeros(size, dtype=np.int64)
        for block in self.pairs(days):
            counts += np.bincount(bands.locate(block.distance_m, block.days), minlength=size)
        return counts.reshape(bands.shape)

    def _count_kept(self, days: NDArray[np.int64], bands: SpaceTimeBands) -> NDArray[np.int64]:
        """Count the kept pairs by band of distance and by days between, then join the days to bands."""
        first, second, row = self._rows_of(bands)
        lags = bands.reach_days + 2
        day = (days - days.min(initial=0)).astype(np.int32)
        place = np.abs(day[first] - day[second])
        np.minimum(place, lags - 1, out=place)
        place += row * np.int32(lags)
        table = np.bincount(place, minlength=bands.shape[0] * lags).reshape(bands.shape[0], lags)
        begins = [0, *[edge + 1 for edge in bands.days[:-1]]]
        return np.add.reduceat(table[:, : lags - 1], begins, axis=1).astype(np.int64)

    def _rows_of(self, bands: SpaceTimeBands) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
        """Return both incidents and the band of distance of each kept pair; of the bands that were asked for last."""
        if self._coded is None or self._coded[0] != bands:
            kept = self._neighbours
            assert kept is not None  # noqa: S101  # asked only where pairs are kept
            row = bands.locate(kept[2], np.zeros(len(kept[2]), dtype=np.int64)) // bands.shape[1]
            self._coded = bands, (kept[0], kept[1], row.astype(np.int32))
        return self._coded[1]

    @cached_property
    def _neighbours(self) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float64]] | None:
        """Both incidents and the distance of all pairs close in space, where there are few enough to keep."""
        ordered = np.sort(self._square)
        many = np.searchsorted(ordered, ordered, side="right") - np.searchsorted(ordered, ordered, side="left")
        # A circle holds about half pi times the pairs of a square as wide as its radius.
        if np.pi / 2 * many.sum() > _MOST_KEPT:
            return None
        kept = [
            (block.first.astype(np.int32), block.second.astype(np.int32), block.distance_m)
            for block in self.pairs(np.zeros(len(self._x), dtype=np.int64))
        ]
        if not kept:
            return np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.int32), np.zeros(0)
        first, second, distance = (np.concatenate(parts) for parts in zip(*kept, strict=True))
        return first, second, distance


def civil_days(times: pd.Series) -> NDArray[np.int64]:
    """Return the civil day of each time-zone aware moment, counted from 1970."""
    days: NDArray[np.int64] = (
        times.dt.tz_localize(None).dt.normalize().to_numpy().astype("datetime64[D]").astype(np.int64)
    )
    return days


def codes_of(labels: Sequence[object] | NDArray[np.object_]) -> NDArray[np.int64]:
    """Give each label a number, from 0 in the order of their first appearance."""
    return pd.factorize(np.asarray(labels, dtype=object))[0].astype(np.int64)
