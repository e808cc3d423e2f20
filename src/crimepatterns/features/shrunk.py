"""The shrunk count as a feature: what the plain count would expect of each cell at each past moment."""

import numpy as np
from numpy.typing import NDArray

from crimepatterns.features.rows import Rows

__all__ = ["RECENT_PERIODS", "shrunk_count_feature"]

RECENT_PERIODS = 13
"""Periods before the target whose total sets the level."""

_NO_EVENTS = 0.5
_SMALLEST = 1e-6


def shrunk_count_feature(
    counts: NDArray[np.integer], area_km2: NDArray[np.float64], rows: Rows, *, shape: float
) -> NDArray[np.float32]:
    """Expect in the target period what a count shrunk towards the area's mean, scaled to the recent total.

    With N_i incidents of cell i in the t periods before the target, relative area r_i and overall mean m, it is
    c r_i (shape + N_i) / (shape / m + t r_i); c sets the total to that of the last 13 periods. Clayton & Kaldor 1987,
    https://doi.org/10.2307/2532003.

    Parameters
    ----------
    counts : ndarray of int, shape (n_cells, n_periods)
    area_km2 : ndarray of float, shape (n_cells,)
    rows : Rows
    shape : float
        Of the gamma distribution of rates over cells; small where few cells hold most incidents.

    Returns
    -------
    ndarray of float32, shape (n_rows,)
        At least one in a million.
    """
    area = area_km2 / area_km2.mean()
    made = np.empty(len(rows), dtype=np.float32)
    order = np.argsort(rows.periods, kind="stable")
    moments, first = np.unique(rows.periods[order], return_index=True)
    for moment, chosen in zip(moments.tolist(), np.split(order, first[1:]), strict=True):
        past = counts[:, :moment].sum(axis=1, dtype=np.int64)
        mean = max(float(past.sum()), _NO_EVENTS) / (moment * float(area.sum()))
        rate = area * (shape + past) / (shape / mean + moment * area)
        window = min(RECENT_PERIODS, moment)
        recent = float(counts[:, moment - window : moment].sum(dtype=np.int64))
        factor = (recent + 1.0) / (float(rate.sum()) * window + 1.0)
        made[chosen] = np.maximum(factor * rate, _SMALLEST)[rows.cells[chosen]]
    return made
