"""How many incidents there were lately: means over windows of past periods, read from running totals."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from crimepatterns.features.rows import Rows

__all__ = ["WINDOWS", "RunningTotals", "lag_features"]

WINDOWS: tuple[int, ...] = (1, 2, 4, 13, 26, 52)
"""Lengths of the windows, periods; with weekly periods from one week to one year."""

_SEASON_HALF_WIDTH = 2


class RunningTotals:
    """Totals of a count up to every period, so that any window costs one subtraction.

    Parameters
    ----------
    counts : ndarray, shape (n_cells, n_periods)
    """

    def __init__(self, counts: NDArray[np.number]) -> None:
        # float32 holds whole numbers exactly up to 16.7 million incidents per cell.
        totals: NDArray[np.float32] = np.zeros((counts.shape[0], counts.shape[1] + 1), dtype=np.float32)
        np.cumsum(counts, axis=1, out=totals[:, 1:])
        self._totals = totals

    def window_mean(self, rows: Rows, window: int) -> NDArray[np.float32]:
        """Mean per period over the `window` periods before each target, or as many as there are; shape (n_rows,)."""
        first = np.maximum(rows.periods - window, 0)
        return self._mean(rows.cells, first, rows.periods)

    def long_run_mean(self, rows: Rows) -> NDArray[np.float32]:
        """Mean per period over everything before each target, shape (n_rows,)."""
        return self._mean(rows.cells, np.zeros_like(rows.periods), rows.periods)

    def same_season(self, rows: Rows, periods_per_year: int) -> NDArray[np.float32]:
        """Mean per period around the same time a year before, two periods to either side; shape (n_rows,).

        Only periods before the target count. Where there is no year before, the long-run mean stands in.
        """
        centre = rows.periods - periods_per_year
        first = np.maximum(centre - _SEASON_HALF_WIDTH, 0)
        last = np.minimum(np.maximum(centre + _SEASON_HALF_WIDTH + 1, 1), rows.periods)
        known = centre >= 0
        first, last = np.where(known, np.minimum(first, last - 1), 0), np.where(known, last, rows.periods)
        return self._mean(rows.cells, first, last)

    def _mean(self, cells: NDArray[np.int64], first: NDArray[np.int64], last: NDArray[np.int64]) -> NDArray[np.float32]:
        total: NDArray[np.float32] = self._totals[cells, last] - self._totals[cells, first]
        return np.asarray(total / (last - first), dtype=np.float32)


def lag_features(
    totals: RunningTotals, rows: Rows, prefix: str, *, windows: Iterable[int] = WINDOWS
) -> dict[str, NDArray[np.float32]]:
    """Describe each row by its mean counts per period over several windows and over the long run.

    Parameters
    ----------
    totals : RunningTotals
    rows : Rows
    prefix : str
        Begins each name, as in ``own_last_4``.
    windows : iterable of int
        Periods.

    Returns
    -------
    dict of str to ndarray of float32, shape (n_rows,)
    """
    named = {f"{prefix}_last_{window}": totals.window_mean(rows, window) for window in windows}
    return {**named, f"{prefix}_long_run": totals.long_run_mean(rows)}
