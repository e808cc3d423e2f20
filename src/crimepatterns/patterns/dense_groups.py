"""Groups of density-connected points, found in two passes over close pairs that are never all in memory."""

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from crimepatterns.patterns.space_time_pairs import PairSearch

__all__ = ["dense_groups"]

_EDGES = 1_000_000


def dense_groups(
    places: NDArray[np.float64],
    mass: NDArray[np.float64],
    days: NDArray[np.int64],
    *,
    radius_m: float,
    within_days: int,
    min_mass: float,
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Label points by DBSCAN's rule: in space alone where all days are equal, otherwise in space and time.

    Parameters
    ----------
    places : ndarray of float, shape (n, 2)
        Metres.
    mass : ndarray of float, shape (n,)
        How many incidents each point stands for.
    days : ndarray of int, shape (n,)
    radius_m : float
    within_days : int
        Points are neighbours if they lie within `radius_m` and `within_days` of each other, both inclusive.
    min_mass : float
        A point whose neighbours, itself included, have at least this mass is a core.

    Returns
    -------
    labels : ndarray of int, shape (n,)
        Number of the group from 0, in the order of its first core; -1 for points in none. A point in reach of several
        groups belongs to that of its nearest core (ties: the one that stands first).
    core : ndarray of bool, shape (n,)
    """
    search = PairSearch(places[:, 0], places[:, 1], reach_m=radius_m, reach_days=within_days)
    weight = mass.astype(float)
    for block in search.pairs(days):
        weight += np.bincount(block.first, mass[block.second], len(mass))
        weight += np.bincount(block.second, mass[block.first], len(mass))
    core = weight >= min_mass
    joined, border = _Joined(len(mass)), _Nearest(len(mass))
    for block in search.pairs(days):
        one, other = core[block.first], core[block.second]
        joined.add(block.first[one & other], block.second[one & other])
        border.add(block.second, block.first, block.distance_m, one & ~other)
        border.add(block.first, block.second, block.distance_m, other & ~one)
    group = joined.groups()
    group = np.where(core, group, np.where(border.core >= 0, group[border.core], -1))
    labels = np.full(len(mass), -1, dtype=np.int64)
    first_seen = np.unique(group[core], return_index=True)
    renumber = np.full(len(mass) + 1, -1, dtype=np.int64)
    renumber[first_seen[0][np.argsort(first_seen[1])]] = np.arange(len(first_seen[0]))
    labels[group >= 0] = renumber[group[group >= 0]]
    return labels, core


class _Joined:
    """Connected components of edges that arrive in blocks."""

    def __init__(self, size: int) -> None:
        self._group = np.arange(size)
        self._edges: list[NDArray[np.int64]] = []
        self._waiting = 0

    def add(self, first: NDArray[np.int64], second: NDArray[np.int64]) -> None:
        a, b = self._group[first], self._group[second]
        apart = a != b
        if apart.any():
            self._edges.append(np.stack([a[apart], b[apart]]))
            self._waiting += int(apart.sum())
            if self._waiting > _EDGES:
                self._merge()

    def groups(self) -> NDArray[np.int64]:
        self._merge()
        return self._group

    def _merge(self) -> None:
        if not self._edges:
            return
        ends = np.concatenate(self._edges, axis=1)
        size = len(self._group)
        graph = sparse.coo_array((np.ones(ends.shape[1], dtype=bool), (ends[0], ends[1])), shape=(size, size))
        self._group = connected_components(graph, directed=False)[1].astype(np.int64)[self._group]
        self._edges, self._waiting = [], 0


class _Nearest:
    """For each point outside the cores, the nearest core seen so far."""

    def __init__(self, size: int) -> None:
        self.core = np.full(size, -1, dtype=np.int64)
        self._distance = np.full(size, np.inf)

    def add(
        self,
        point: NDArray[np.int64],
        core: NDArray[np.int64],
        distance: NDArray[np.float64],
        chosen: NDArray[np.bool_],
    ) -> None:
        point, core, distance = point[chosen], core[chosen], distance[chosen]
        order = np.lexsort((core, distance, point))
        first = order[np.flatnonzero(np.diff(point[order], prepend=-1))]
        who, near, apart = point[first], core[first], distance[first]
        better = (apart < self._distance[who]) | ((apart == self._distance[who]) & (near < self.core[who]))
        self.core[who[better]], self._distance[who[better]] = near[better], apart[better]
