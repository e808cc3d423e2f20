"""Counts of past incidents that fade with age, as they were known at each of several moments."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from scipy.spatial import cKDTree

from crimepatterns.domain.grid import Grid
from crimepatterns.domain.incidents import Incidents

__all__ = ["Arrivals", "effective_days", "spread_matrix"]

_MICROSECONDS_PER_DAY = 86_400e6
_REACH = 3.0
"""A gaussian is cut off after so many standard deviations."""


@dataclass(frozen=True, eq=False)
class Arrivals:
    """When each incident first counts, and how old it is then.

    Parameters
    ----------
    cell : ndarray of int, shape (n,)
    entry : ndarray of int, shape (n,)
        Position of the first moment at which the incident had happened and was known; rising.
    age_days : ndarray of float, shape (n,)
        Age at that moment, days.
    gap_days : ndarray of float, shape (n_moments,)
        Days since the moment before; 0 for the first.
    n_cells : int
    """

    cell: NDArray[np.int64] = field(repr=False)
    entry: NDArray[np.int64] = field(repr=False)
    age_days: NDArray[np.float64] = field(repr=False)
    gap_days: NDArray[np.float64] = field(repr=False)
    n_cells: int

    @classmethod
    def of(cls, incidents: Incidents, grid: Grid, moments: pd.DatetimeIndex) -> "Arrivals":
        """Sort incidents by the moment from which they count.

        Parameters
        ----------
        incidents : Incidents
            Choose category and window first.
        grid : Grid
        moments : DatetimeIndex, shape (n_moments,)
            Rising, time-zone aware.
        """
        table = incidents.table
        cell, inside = grid.assign(table["x"], table["y"])
        begun = pd.DatetimeIndex(table["occurred_from"]).as_unit("us").asi8[inside]
        known = pd.DatetimeIndex(table["known_at"]).as_unit("us").asi8[inside]
        at = moments.as_unit("us").asi8
        # Known and begun before the moment, exclusive, as `Incidents.as_of` has it.
        entry = np.searchsorted(at, np.maximum(begun, known), side="right")
        # Sums are of the same bits whatever the order of the rows.
        order = np.lexsort((begun, cell[inside], entry))
        order = order[entry[order] < len(at)]
        entry = entry[order]
        return cls(
            cell[inside][order],
            entry,
            (at[entry] - begun[order]) / _MICROSECONDS_PER_DAY,
            np.diff(at, prepend=at[:1]) / _MICROSECONDS_PER_DAY,
            len(grid),
        )

    def fading(self, half_lives: Sequence[float]) -> Iterator[NDArray[np.float64]]:
        """Yield, moment by moment, the sum of 2^(-age / half-life) over the known incidents of each cell.

        Parameters
        ----------
        half_lives : sequence of float, days
            Infinity counts every incident fully.

        Yields
        ------
        ndarray of float, shape (n_half_lives, n_cells)
            A new array each time.
        """
        lives = np.asarray(half_lives, dtype=float)
        edges = np.searchsorted(self.entry, np.arange(len(self.gap_days) + 1))
        state = np.zeros((len(lives), self.n_cells))
        for moment, gap in enumerate(self.gap_days):
            fresh = slice(edges[moment], edges[moment + 1])
            state = state * np.exp2(-gap / lives)[:, None]
            cell, age = self.cell[fresh], self.age_days[fresh]
            for row, life in enumerate(lives):
                state[row] += np.bincount(cell, weights=np.exp2(-age / life), minlength=self.n_cells)
            yield state


def effective_days(days: float, half_lives: Sequence[float]) -> NDArray[np.float64]:
    """Sum the fading weights over `days` of record: what a cell with one incident a day would reach.

    Examples
    --------
    >>> effective_days(100.0, [float("inf"), 10.0]).round(2).tolist()
    [100.0, 14.41]
    """
    lives = np.asarray(half_lives, dtype=float)
    rate = np.log(2.0) / lives
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(rate > 0, -np.expm1(-rate * days) / rate, days)


def spread_matrix(grid: Grid, sigma_m: float, *, own_cell: bool) -> sparse.csr_array:
    """Spread what lies in each cell over the cells around, as a gaussian of distance times the cell's area.

    Parameters
    ----------
    grid : Grid
    sigma_m : float, metres
        Standard deviation, cut off after three of them.
    own_cell : bool
        False leaves nothing in the cell itself.

    Returns
    -------
    sparse array of float, shape (n_cells, n_cells)
        ``matrix @ counts`` are the spread counts. Columns sum to 1, so that nothing is lost; a cell without another in
        reach keeps what it has.
    """
    centres, area = grid.centres, grid.area_km2
    size = len(grid)
    near = cKDTree(centres).query_pairs(_REACH * sigma_m, output_type="ndarray")
    apart = np.linalg.norm(centres[near[:, 0]] - centres[near[:, 1]], axis=1)
    fade = np.exp(-0.5 * (apart / sigma_m) ** 2)
    rows = np.concatenate([near[:, 0], near[:, 1]])
    columns = np.concatenate([near[:, 1], near[:, 0]])
    mass = np.tile(fade, 2) * area[rows]
    if own_cell:
        rows, columns = np.concatenate([rows, np.arange(size)]), np.concatenate([columns, np.arange(size)])
        mass = np.concatenate([mass, area])
    total = np.bincount(columns, weights=mass, minlength=size)
    alone = np.flatnonzero(total == 0)
    mass = np.concatenate([mass / total[columns], np.ones(len(alone))])
    rows, columns = np.concatenate([rows, alone]), np.concatenate([columns, alone])
    return sparse.csr_array((mass, (rows, columns)), shape=(size, size))
