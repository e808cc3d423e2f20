"""Which cells at which target periods a table of features describes."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from crimepatterns.errors import ForecastError

__all__ = ["Rows"]


@dataclass(frozen=True, eq=False)
class Rows:
    """Pairs of a cell and a target period; period t is described by the counts of periods 0 to t - 1 only.

    Parameters
    ----------
    cells, periods : ndarray of int64, shape (n_rows,)
        Positions in the grid and in the panel; ``periods`` equal to the number of panel periods is the next one,
        not yet counted.

    Raises
    ------
    ForecastError
        If a target has no period before it.
    """

    cells: NDArray[np.int64] = field(repr=False)
    periods: NDArray[np.int64] = field(repr=False)

    def __post_init__(self) -> None:
        if self.cells.shape != self.periods.shape:
            raise ForecastError(f"Rows need one period per cell, got {self.cells.shape} and {self.periods.shape}.")
        if self.periods.size and int(self.periods.min()) < 1:
            raise ForecastError("Features need at least one period before the target: use a longer history.")

    def __len__(self) -> int:
        return len(self.cells)

    @classmethod
    def every_cell(cls, n_cells: int, period: int) -> "Rows":
        """Return one row per cell for one target period."""
        return cls(np.arange(n_cells, dtype=np.int64), np.full(n_cells, period, dtype=np.int64))

    @classmethod
    def sample(cls, n_cells: int, first: int, last: int, *, limit: int, rng: np.random.Generator) -> "Rows":
        """Return all cells of the target periods ``first`` to ``last - 1``, or `limit` of these rows drawn at random.

        The draw is a simple one, so that shares of positives stay what they are.
        """
        total = n_cells * (last - first)
        if total <= limit:
            chosen = np.arange(total, dtype=np.int64)
        else:
            chosen = np.sort(rng.choice(total, size=limit, replace=False, shuffle=False)).astype(np.int64)
        return cls(chosen % n_cells, first + chosen // n_cells)

    def where(self, keep: NDArray[np.bool_]) -> "Rows":
        """Return the rows for which `keep` holds."""
        return Rows(self.cells[keep], self.periods[keep])
