"""Sets of cells that are asked about together: the neighbourhoods, compact pieces drawn at random, the whole city."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse, spatial

from crimepatterns.domain.grid import Grid
from crimepatterns.errors import DomainError

__all__ = ["CITY", "COMPACT", "NEIGHBOURHOOD", "Unions", "area_index", "standard_unions"]

NEIGHBOURHOOD, COMPACT, CITY = "neighbourhood", "compact", "city"
"""Kinds of unions."""

_SMALLEST, _LARGEST_SHARE = 4, 0.1


@dataclass(frozen=True, eq=False)
class Unions:
    """Named sets of cells of one grid.

    Parameters
    ----------
    names, kinds : tuple of str, length n_unions
    members : sparse array of float, shape (n_unions, n_cells)
        Share of each cell that belongs to the union, 0 to 1.

    Raises
    ------
    DomainError
        If shapes do not fit or a share lies outside [0, 1].
    """

    names: tuple[str, ...]
    kinds: tuple[str, ...]
    members: sparse.csr_array = field(repr=False)

    def __post_init__(self) -> None:
        if not len(self.names) == len(self.kinds) == self.members.shape[0]:
            raise DomainError(
                f"Unions need a name and a kind each, got {len(self.names)}, {len(self.kinds)} and "
                f"{self.members.shape[0]} rows."
            )
        if self.members.nnz and not (self.members.data.min() >= 0 and self.members.data.max() <= 1 + 1e-9):
            raise DomainError("Shares of cells in a union must lie in [0, 1].")

    def __len__(self) -> int:
        return len(self.names)


def area_index(grid: Grid) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Return the number of the neighbourhood of each cell, shape (n_cells,), and the names, sorted.

    A city without neighbourhoods is one area without a name.
    """
    names, areas = np.unique(grid.neighbourhood.astype(str), return_inverse=True)
    return areas.astype(np.int64).reshape(-1), tuple(str(name) for name in names)


def standard_unions(grid: Grid, *, compact: int, seed: int) -> Unions:
    """Make the unions on which intervals are learned and judged.

    Parameters
    ----------
    grid : Grid
    compact : int
        Number of compact pieces: the cells nearest to a cell drawn at random, from four to a tenth of the city, sizes
        evenly spread in orders of magnitude. They lie across the borders of neighbourhoods.
    seed : int
    """
    areas, names = area_index(grid)
    cells = len(grid)
    rows = [np.flatnonzero(areas == i) for i in range(len(names))] if names != ("",) else []
    kinds = [NEIGHBOURHOOD] * len(rows)
    rng = np.random.default_rng([seed, cells])
    tree = spatial.KDTree(grid.centres)
    most = max(cells * _LARGEST_SHARE, _SMALLEST + 1)
    for _ in range(compact if cells > 2 * _SMALLEST else 0):
        size = int(np.exp(rng.uniform(np.log(_SMALLEST), np.log(most))))
        rows.append(np.sort(tree.query(grid.centres[rng.integers(cells)], k=min(size, cells))[1]))
        kinds.append(COMPACT)
    rows.append(np.arange(cells))
    kinds.append(CITY)
    labels = [
        *(names if names != ("",) else ()),
        *(f"piece {i + 1}" for i in range(kinds.count(COMPACT))),
        "whole city",
    ]
    return Unions(tuple(labels), tuple(kinds), _stacked(rows, cells))


def _stacked(rows: list[NDArray[np.int64]], cells: int) -> sparse.csr_array:
    lengths = pd.Series([len(row) for row in rows]).to_numpy()
    which = np.repeat(np.arange(len(rows)), lengths)
    return sparse.csr_array((np.ones(len(which)), (which, np.concatenate(rows))), shape=(len(rows), cells))
