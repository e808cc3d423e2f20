"""What happened next door: sums over the cells that touch a cell, and over the ring behind those."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from crimepatterns.domain.grid import Grid

__all__ = ["first_ring", "ring_sums", "second_ring"]


def first_ring(grid: Grid) -> sparse.csr_array:
    """Cells that touch each cell: sparse float32 of ones, shape (n_cells, n_cells)."""
    return sparse.csr_array(grid.adjacency.astype(np.float32))


@lru_cache(maxsize=4)
def second_ring(grid: Grid) -> sparse.csr_array:
    """Cells reached in two steps but not in one, without the cell itself: sparse float32 of ones.

    Found once for all the origins and models of a grid.
    """
    first = first_ring(grid)
    within_two = sparse.coo_array(first @ first)
    near = sparse.coo_array(first + sparse.eye_array(first.shape[0], dtype=np.float32))
    # A pair that is in both lists is adjacent or the cell itself; pairs are told apart by one number.
    size = np.int64(first.shape[0])
    codes = within_two.coords[0].astype(np.int64) * size + within_two.coords[1]
    keep = ~np.isin(codes, near.coords[0].astype(np.int64) * size + near.coords[1])
    rows, columns = within_two.coords[0][keep], within_two.coords[1][keep]
    return sparse.csr_array((np.ones(len(rows), dtype=np.float32), (rows, columns)), shape=first.shape)


def ring_sums(ring: sparse.csr_array, counts: NDArray[np.number]) -> NDArray[np.float32]:
    """Sum the counts of each cell's ring, shape (n_cells, n_periods)."""
    summed: NDArray[np.float32] = ring @ counts.astype(np.float32)
    return summed
