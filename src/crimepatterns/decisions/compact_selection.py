"""Choose cells that lie together, so that people can really cover them: best first, within an area budget."""

import heapq
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.sparse import csgraph

from crimepatterns.errors import DomainError

__all__ = ["CompactSelection", "Compactness", "describe_selection", "select_compact"]


@dataclass(frozen=True)
class Compactness:
    """How much nearness of the chosen cells to each other is worth.

    Parameters
    ----------
    weight : float
        A cell's score is taken as so much higher, per share of its border that is common with chosen cells: with 0.5 a
        cell between chosen ones counts half as much again. 0 ranks by score alone.
    least_cells : int
        Patches of fewer touching cells are not chosen; 1 allows single cells.

    Raises
    ------
    DomainError
        If the weight is negative or the patch is empty.
    """

    weight: float = 0.0
    least_cells: int = 1

    def __post_init__(self) -> None:
        if not self.weight >= 0 or self.least_cells < 1:
            raise DomainError(
                f"Compactness needs weight >= 0 and least_cells >= 1, got {self.weight} and {self.least_cells}."
            )


@dataclass(frozen=True, eq=False)
class CompactSelection:
    """The chosen cells and how compact they lie.

    Parameters
    ----------
    chosen : ndarray of bool, shape (n_cells,)
    patch : ndarray of int, shape (n_cells,)
        Number of the patch of touching chosen cells, from 0; -1 where a cell is not chosen.
    area_km2 : float
    perimeter_km : float
        Length of the border of all patches.
    """

    chosen: NDArray[np.bool_] = field(repr=False)
    patch: NDArray[np.int64] = field(repr=False)
    area_km2: float
    perimeter_km: float

    @property
    def patches(self) -> int:
        """Number of patches."""
        return int(self.patch.max(initial=-1)) + 1

    @property
    def area_to_perimeter_km(self) -> float:
        """Chosen area by the length of its border: higher is more compact (Bowers, Johnson & Pease 2004)."""
        return self.area_km2 / self.perimeter_km if self.perimeter_km > 0 else float("nan")


def select_compact(
    scores: ArrayLike,
    area_km2: ArrayLike,
    borders_km: sparse.sparray,
    perimeter_km: ArrayLike,
    *,
    budget_km2: float,
    compactness: Compactness | None = None,
) -> CompactSelection:
    """Choose cells greedily by score per area, those beside chosen ones preferred, until the budget is spent.

    A step either adds one cell to a patch or opens a patch of `Compactness.least_cells` cells, grown from its best
    cell by the best cells that touch it; the one with the greatest mean score per area is taken. Cells that no longer
    fit the budget are passed over. Equal scores are taken in the order of the cells.

    Parameters
    ----------
    scores : array_like of float, shape (n_cells,)
        Expected incidents per cell, not negative.
    area_km2, perimeter_km : array_like of float, shape (n_cells,)
    borders_km : sparse array, shape (n_cells, n_cells)
        Length of the common border of each pair; symmetric, no diagonal.
    budget_km2 : float
    compactness : Compactness, optional
        By score alone where it is left out.

    Returns
    -------
    CompactSelection

    Raises
    ------
    DomainError
        If lengths differ or not even one patch fits.
    """
    values, areas = np.asarray(scores, dtype=float), np.asarray(area_km2, dtype=float)
    lengths = np.asarray(perimeter_km, dtype=float)
    if not (values.shape == areas.shape == lengths.shape == borders_km.shape[:1]):
        raise DomainError(
            "Scores, areas, perimeters and borders must have one entry per cell, "
            f"got {values.shape}, {areas.shape}, {lengths.shape} and {borders_km.shape}."
        )
    borders = sparse.csr_array(borders_km)
    greedy = _Greedy(values / areas, areas, borders, lengths, compactness or Compactness(), budget_km2)
    greedy.run()
    if not greedy.chosen.any():
        raise DomainError(
            f"No patch of {greedy.wish.least_cells} cells fits into {budget_km2:g} km2: allow more area or less cells."
        )
    return describe_selection(greedy.chosen, areas, borders, lengths)


def describe_selection(
    chosen: NDArray[np.bool_], area_km2: ArrayLike, borders_km: sparse.sparray, perimeter_km: ArrayLike
) -> CompactSelection:
    """Tell how compact a choice of cells is, however it was made; parameters as for `select_compact`."""
    areas, lengths = np.asarray(area_km2, dtype=float), np.asarray(perimeter_km, dtype=float)
    borders = sparse.csr_array(borders_km)
    members = np.flatnonzero(chosen)
    inner = borders[members][:, members]
    _, label = csgraph.connected_components(inner, directed=False)
    patch = np.full(len(chosen), -1, dtype=np.int64)
    patch[members] = label
    # Each common border stands twice among the members, once from either side.
    outline = float(lengths[members].sum() - inner.sum())
    return CompactSelection(chosen, patch, float(areas[members].sum()), outline)


class _Greedy:
    """The state of one selection."""

    def __init__(
        self,
        rate: NDArray[np.float64],
        areas: NDArray[np.float64],
        borders: sparse.csr_array,
        lengths: NDArray[np.float64],
        wish: Compactness,
        budget_km2: float,
    ) -> None:
        self.rate, self.areas, self.borders, self.lengths, self.wish = rate, areas, borders, lengths, wish
        self.left = budget_km2 * (1 + 1e-9)
        self.chosen = np.zeros(len(rate), dtype=bool)
        self.common = np.zeros(len(rate))
        self.heap: list[tuple[float, int]] = []

    def run(self) -> None:
        # While a cell has no chosen neighbour, its worth as the start of a patch is at most its own rate.
        self.heap = [(-float(rate), cell) for cell, rate in enumerate(self.rate) if rate > 0]
        heapq.heapify(self.heap)
        smallest = float(self.areas.min(initial=np.inf))
        while self.heap and self.left >= smallest:
            known, cell = heapq.heappop(self.heap)
            if self.chosen[cell]:
                continue
            members, worth = self._move(cell)
            if not members:
                continue
            if worth < -known * (1 - 1e-12):
                # Worth less than was thought: it waits for its turn.
                heapq.heappush(self.heap, (-worth, cell))
                continue
            for member in members:
                self._take(member)

    def _move(self, cell: int) -> tuple[list[int], float]:
        """Cells that taking this one means, and their mean worth per area; none where they do not fit."""
        if self.common[cell] > 0 or self.wish.least_cells == 1:
            return ([cell], self._worth(cell)) if self.areas[cell] <= self.left else ([], 0.0)
        members, room = [cell], self.left - float(self.areas[cell])
        edge = set(self._touching(cell))
        while len(members) < self.wish.least_cells and edge:
            best = max(edge, key=lambda one: (self.rate[one], -one))
            edge.remove(best)
            if self.areas[best] > room:
                continue
            members.append(best)
            room -= float(self.areas[best])
            edge |= set(self._touching(best)) - set(members)
        if len(members) < self.wish.least_cells or room < -1e-12:
            return [], 0.0
        areas = self.areas[members]
        return members, float(self.rate[members] @ areas / areas.sum())

    def _worth(self, cell: int) -> float:
        return float(self.rate[cell]) * (1 + self.wish.weight * float(self.common[cell] / self.lengths[cell]))

    def _touching(self, cell: int) -> list[int]:
        near = self.borders.indices[self.borders.indptr[cell] : self.borders.indptr[cell + 1]]
        return [int(one) for one in near if not self.chosen[one]]

    def _take(self, cell: int) -> None:
        self.chosen[cell] = True
        self.left -= float(self.areas[cell])
        row = slice(self.borders.indptr[cell], self.borders.indptr[cell + 1])
        for near, length in zip(self.borders.indices[row].tolist(), self.borders.data[row].tolist(), strict=True):
            self.common[near] += length
            if not self.chosen[near] and (self.wish.weight > 0 or self.wish.least_cells > 1):
                heapq.heappush(self.heap, (-self._worth(near), near))
