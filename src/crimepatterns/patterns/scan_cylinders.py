"""The strongest cylinder of a space-time scan: every circle and every span of days compared with what was expected."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.spatial import cKDTree
from scipy.special import xlogy

from crimepatterns.errors import PatternError

__all__ = ["Circles", "CylinderLimits", "Strongest", "draw_circles", "log_likelihood_ratio", "strongest_cylinders"]

_Floats = NDArray[np.float64]

_HALVINGS = 12
_STALE = 1.02
_MOST_PAIRS = 60_000_000
_BLOCK_CELLS = 1 << 17
"""Cells of the table of running sums that are worked on at once: they stay in the processor's cache."""


@dataclass(frozen=True)
class CylinderLimits:
    """Which cylinders are scanned.

    Parameters
    ----------
    max_radius_m : float
        Largest circle, metres.
    radii : int or "all"
        Number of equal steps up to the largest circle, besides the centre alone; ``all`` takes every distance between
        a centre and another place as a radius, as SaTScan does: slow for many places.
    max_days : int
        Longest span.
    max_share : float
        Circles with more than this share of what is expected over the whole record are left out, in (0, 1].
    min_cases : int
        Cylinders with fewer incidents are no clusters.
    prospective : bool
        Only cylinders that reach the last day of the record; else all that lie in it.

    Raises
    ------
    PatternError
        If a limit is out of range.
    """

    max_radius_m: float = 1_000.0
    radii: int | Literal["all"] = 10
    max_days: int = 28
    max_share: float = 0.5
    min_cases: int = 2
    prospective: bool = True

    def __post_init__(self) -> None:
        if not (np.isfinite(self.max_radius_m) and self.max_radius_m >= 0):
            raise PatternError(f"Scan: max_radius_m must be >= 0 metres, got {self.max_radius_m}.")
        if self.radii != "all" and not (isinstance(self.radii, int) and self.radii >= 1):
            raise PatternError(f"Scan: radii must be a number of steps >= 1 or 'all', got {self.radii!r}.")
        if self.max_days < 1 or self.min_cases < 1 or not 0 < self.max_share <= 1:
            raise PatternError(
                "Scan: max_days and min_cases must be >= 1 and max_share in (0, 1], got "
                f"{self.max_days}, {self.min_cases} and {self.max_share}."
            )


@dataclass(frozen=True, eq=False)
class Circles:
    """Circles about every place, as rings that are added one after another.

    Parameters
    ----------
    rings : tuple of csr_array of int32, shape (n_places, n_places)
        Which places ring k adds to the circle of each centre.
    radius : ndarray of float, shape (n_rings, n_places)
        Metres; NaN where a centre has no such ring.
    share : ndarray of float, that shape
        Expected share of all incidents in the circle.
    usable : ndarray of bool, that shape
        Circles that exist, differ from the smaller one, and are not larger than allowed.
    """

    rings: tuple[sparse.csr_array, ...] = field(repr=False)
    radius: _Floats = field(repr=False)
    share: _Floats = field(repr=False)
    usable: NDArray[np.bool_] = field(repr=False)


class Strongest(NamedTuple):
    """The strongest cylinder about each place.

    ``ratio`` : ndarray of float, shape (n_places,), log likelihood ratio, 0 where no cylinder is above expectation;
    ``ring``, ``start``, ``end`` : ndarray of int, columns of the running sums: the span is [start, end).
    """

    ratio: _Floats
    ring: NDArray[np.int64]
    start: NDArray[np.int64]
    end: NDArray[np.int64]


def log_likelihood_ratio(observed: ArrayLike, expected: ArrayLike, total: float) -> _Floats:
    """Tell how much more likely the incidents are with a higher rate inside than with the same rate everywhere.

    Parameters
    ----------
    observed, expected : array_like of float, any one shape
        Incidents in the cylinder.
    total : float
        All incidents; also the sum of all that is expected.

    Returns
    -------
    ndarray of float
        ``c ln(c / e) + (N - c) ln((N - c) / (N - e))`` where c > e, else 0.

    References
    ----------
    Kulldorff (1997), https://doi.org/10.1080/03610929708831995
    """
    seen, mean = np.asarray(observed, dtype=float), np.asarray(expected, dtype=float)
    above = (seen > mean) & (mean > 0)
    inside, level = np.where(above, seen, 1.0), np.where(above, mean, 1.0)
    rest, rest_level = total - inside, np.where(above & (total > level), total - level, 1.0)
    value = inside * np.log(inside / level) + xlogy(rest, rest / rest_level)
    return np.where(above, np.maximum(value, 0.0), 0.0)


def draw_circles(x: ArrayLike, y: ArrayLike, place_share: ArrayLike, limits: CylinderLimits) -> Circles:
    """Lay circles of all radii about all places.

    Parameters
    ----------
    x, y : array_like of float, shape (n_places,)
        Metres.
    place_share : array_like of float, shape (n_places,)
        Expected share of the incidents at each place; sums to 1.
    limits : CylinderLimits

    Raises
    ------
    PatternError
        If there are more pairs of close places than memory should hold.
    """
    place = np.column_stack([np.asarray(x, dtype=float), np.asarray(y, dtype=float)])
    share = np.asarray(place_share, dtype=float)
    count, tree, reach = len(place), cKDTree(place), limits.max_radius_m * (1.0 + 1e-9)
    pairs = int(tree.count_neighbors(tree, reach))
    if pairs > _MOST_PAIRS:
        raise PatternError(
            f"The scan would hold {pairs:,} pairs of places within {limits.max_radius_m:g} m: "
            "take larger cells (cell_m) or a smaller max_radius_m."
        )
    near = tree.sparse_distance_matrix(tree, reach, output_type="ndarray")
    centre, other, distance = near["i"].astype(np.int64), near["j"].astype(np.int64), near["v"]
    number, radius = _number_rings(centre, distance, count, limits)
    rings = tuple(
        sparse.csr_array((np.ones(int(mine.sum()), dtype=np.int32), (centre[mine], other[mine])), shape=(count, count))
        for mine in (number == k for k in range(len(radius)))
    )
    added = np.array([ring @ share for ring in rings])
    cumulative = np.cumsum(added, axis=0)
    grows = np.array([np.diff(ring.indptr) > 0 for ring in rings])
    usable = grows & np.isfinite(radius) & (cumulative <= limits.max_share * (1.0 + 1e-12)) & (cumulative > 0)
    return Circles(rings, radius, np.minimum(cumulative, 1.0), usable)


def strongest_cylinders(
    running: NDArray[np.int32],
    circles: Circles,
    step_share: _Floats,
    total: float,
    limits: CylinderLimits,
    *,
    every_centre: bool,
) -> Strongest:
    """Find the cylinder with the highest likelihood ratio.

    Parameters
    ----------
    running : ndarray of int32, shape (n_places, n_days + 1)
        Incidents of each place before each day, from 0.
    circles : Circles
    step_share : ndarray of float, shape (n_days + 1,)
        Expected share of the incidents before each day.
    total : float
        All incidents.
    limits : CylinderLimits
    every_centre : bool
        Find the strongest of each centre; else only the strongest of all is sure to be found, which is faster.

    Notes
    -----
    A span is looked at in full only where the most incidents that a circle has in any span of that length would, at the
    least that is expected in any, beat what was found before: nothing is missed. Where only the strongest of all is
    asked for and every span ends with the record, all spans of a ring are compared at once with the expectation at
    which their count would just beat it.
    """
    count, columns = running.shape
    best = Strongest(np.zeros(count), *(np.zeros(count, dtype=np.int64) for _ in range(3)))
    search = _Search(best, circles, step_share, total, limits, every_centre)
    spans = [_span(columns, length, limits) for length in range(1, limits.max_days + 1)]
    at_once = limits.prospective and not every_centre and columns == limits.max_days + 1
    for block in _blocks(count, columns):
        inside = np.zeros((block.stop - block.start, columns), dtype=np.int32)
        for k, ring in enumerate(circles.rings):
            added = ring[block]
            if added.nnz:
                inside += added @ running
            rows = np.flatnonzero(circles.usable[k, block])
            if rows.size and at_once:
                search.improve_any(inside, block.start, rows, k)
            elif rows.size:
                for begin, end in spans:
                    search.improve(inside, block.start, rows, k, begin, end)
    return best


@dataclass(frozen=True, eq=False)
class _Search:
    """The strongest cylinders found so far, and all that is needed to find stronger ones."""

    best: Strongest
    circles: Circles
    step_share: _Floats
    total: float
    limits: CylinderLimits
    every_centre: bool
    tables: list[tuple[float, _Floats]] = field(default_factory=list)

    def improve(
        self, inside: NDArray[np.int32], offset: int, rows: NDArray[np.int64], ring: int, begin: slice, end: slice
    ) -> None:
        """Compare all spans of one length in one ring of circles with what was found before."""
        best = self.best
        cases = inside[:, end] - inside[:, begin]
        most = cases.max(axis=1)[rows]
        enough = most >= self.limits.min_cases
        rows, most = rows[enough], most[enough]
        if not rows.size:
            return
        chance = self.step_share[end] - self.step_share[begin]
        level = self.total * self.circles.share[ring, offset + rows]
        # Expectation may be 0 on days without any incident, where there is nothing to count either.
        least = chance[chance > 0].min(initial=1.0)
        bound = log_likelihood_ratio(most, level * least, self.total)
        promising = bound > (best.ratio[offset + rows] if self.every_centre else best.ratio.max())
        rows, level = rows[promising], level[promising]
        if not rows.size:
            return
        seen = cases[rows]
        value = log_likelihood_ratio(seen, level[:, None] * chance, self.total)
        value[seen < self.limits.min_cases] = 0.0
        at = value.argmax(axis=1)
        found = value[np.arange(len(rows)), at]
        better = found > best.ratio[offset + rows]
        place, at = offset + rows[better], at[better]
        best.ratio[place], best.ring[place] = found[better], ring
        best.start[place], best.end[place] = at + begin.start, at + end.start

    def improve_any(self, inside: NDArray[np.int32], offset: int, rows: NDArray[np.int64], ring: int) -> None:
        """Compare all spans up to the last day in one ring of circles with the strongest of all found before."""
        best, last = self.best, inside.shape[1] - 1
        cases = inside[rows, last:] - inside[rows, :last]
        # One level of expectation per circle, one share per span.
        level = self.total * self.circles.share[ring, offset + rows]
        mean = level[:, None] * (self.step_share[last] - self.step_share[:last])
        beaten = self._beating(int(cases.max(initial=0)), float(best.ratio.max()))
        found = np.flatnonzero(mean < beaten[cases])
        if not found.size:
            return
        row, day = np.divmod(found, last)
        value = log_likelihood_ratio(cases[row, day], mean[row, day], self.total)
        at = int(value.argmax())
        place = offset + rows[row[at]]
        if value[at] > best.ratio[place]:
            best.ratio[place], best.ring[place] = value[at], ring
            best.start[place], best.end[place] = day[at], last

    def _beating(self, most: int, ratio: float) -> _Floats:
        """Return a table of `_beating_expectation` for this ratio, or for one a little below, which misses nothing."""
        if not self.tables or len(self.tables[0][1]) <= most or ratio > _STALE * self.tables[0][0]:
            self.tables[:] = [(ratio, _beating_expectation(max(most, 30), ratio, self.total, self.limits))]
        return self.tables[0][1]


def _beating_expectation(most: int, ratio: float, total: float, limits: CylinderLimits) -> _Floats:
    """Return for each count up to `most` the expectation below which its likelihood ratio exceeds `ratio`.

    The ratio falls with the expectation, so that halving the interval finds where; a little more is allowed for
    rounding, since what passes is looked at in full.
    """
    count = np.arange(most + 1, dtype=float)
    low, high = np.zeros(most + 1), count.copy()
    if ratio > 0:
        for _ in range(_HALVINGS):
            middle = 0.5 * (low + high)
            more = log_likelihood_ratio(count, middle, total) > ratio
            low, high = np.where(more, middle, low), np.where(more, high, middle)
    high[: limits.min_cases] = 0.0
    return high * (1.0 + 1e-9)


def _span(columns: int, length: int, limits: CylinderLimits) -> tuple[slice, slice]:
    """Return where spans of so many days begin and end among the running sums."""
    if limits.prospective:
        return slice(columns - 1 - length, columns - length), slice(columns - 1, columns)
    return slice(0, columns - length), slice(length, columns)


def _blocks(rows: int, columns: int) -> Iterator[slice]:
    step = max(_BLOCK_CELLS // columns, 64)
    for start in range(0, rows, step):
        yield slice(start, min(start + step, rows))


def _number_rings(
    centre: NDArray[np.int64], distance: _Floats, count: int, limits: CylinderLimits
) -> tuple[NDArray[np.int64], _Floats]:
    """Give each pair of places the number of its ring, and each ring its radius about each centre."""
    if limits.radii != "all":
        edges = np.linspace(0.0, limits.max_radius_m, limits.radii + 1) if limits.max_radius_m > 0 else np.zeros(1)
        number = np.searchsorted(edges * (1.0 + 1e-9), distance, side="left")
        return number.astype(np.int64), np.broadcast_to(edges[:, None], (len(edges), count))
    order = np.lexsort((distance, centre))
    ordered, owner = distance[order], centre[order]
    same_centre = owner[1:] == owner[:-1]
    # Distances that differ by rounding only are one radius.
    farther = ordered[1:] > ordered[:-1] * (1.0 + 1e-9) + 1e-6
    step = np.concatenate([[0], np.cumsum(same_centre & farther)])
    first = np.concatenate([[True], ~same_centre])
    rank = step - np.maximum.accumulate(np.where(first, step, 0))
    number = np.empty(len(order), dtype=np.int64)
    number[order] = rank
    radius = np.full((int(rank.max()) + 1, count), np.nan)
    radius[rank, owner] = ordered
    return number, radius
