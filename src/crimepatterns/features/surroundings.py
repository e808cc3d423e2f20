"""The level around a cell: its neighbourhood's recent rate, and the whole city's trend."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from crimepatterns.domain.grid import Grid
from crimepatterns.features.lags import RunningTotals
from crimepatterns.features.rows import Rows

__all__ = ["city_features", "neighbourhood_features"]


def neighbourhood_features(
    counts: NDArray[np.number], grid: Grid, rows: Rows, *, window: int = 13
) -> dict[str, NDArray[np.float32]]:
    """Describe each row by the recent rate of the neighbourhood it lies in.

    Parameters
    ----------
    counts : ndarray of int, shape (n_cells, n_periods)
    grid : Grid
        Without neighbourhoods the whole area counts as one.
    rows : Rows
    window : int
        Periods.

    Returns
    -------
    dict of str to ndarray of float32, shape (n_rows,)
        ``neighbourhood_last_<window>`` and ``neighbourhood_long_run``: incidents per km2 and period.
    """
    code, names = pd.factorize(grid.neighbourhood)
    member = sparse.csr_array((np.ones(len(code)), (code, np.arange(len(code)))), shape=(len(names), len(code)))
    summed = member @ counts
    area = np.bincount(code, weights=grid.area_km2, minlength=len(names)).astype(np.float32)
    totals, there = RunningTotals(summed), Rows(code[rows.cells].astype(np.int64), rows.periods)
    share = area[there.cells]
    return {
        f"neighbourhood_last_{window}": totals.window_mean(there, window) / share,
        "neighbourhood_long_run": totals.long_run_mean(there) / share,
    }


def city_features(counts: NDArray[np.number], rows: Rows) -> dict[str, NDArray[np.float32]]:
    """Describe each row by how the whole area stands lately against its past year.

    Returns
    -------
    dict of str to ndarray of float32, shape (n_rows,)
        ``city_trend_4`` and ``city_trend_13``: total of the last 4 or 13 periods over that of the last 52, per
        period; 1 where there was nothing.
    """
    totals = RunningTotals(counts.sum(axis=0, dtype=np.float64)[None, :])
    whole = Rows(np.zeros_like(rows.cells), rows.periods)
    year = totals.window_mean(whole, 52)
    return {
        f"city_trend_{window}": np.divide(
            totals.window_mean(whole, window), year, out=np.ones_like(year), where=year > 0
        )
        for window in (4, 13)
    }
