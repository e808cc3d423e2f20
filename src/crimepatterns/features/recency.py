"""How fresh the last incidents are: time since the last one, and counts that fade."""

import numpy as np
from numpy.typing import NDArray

from crimepatterns.features.rows import Rows

__all__ = ["HALF_LIVES", "recency_features"]

HALF_LIVES: tuple[int, ...] = (2, 8, 26)
"""Periods after which an incident counts half."""

LONGEST_SILENCE = 104
"""Longer silences, and cells without any incident, count as this many periods."""


def recency_features(counts: NDArray[np.integer], rows: Rows) -> dict[str, NDArray[np.float32]]:
    """Describe each row by the periods since the last incident and by exponentially fading counts.

    Parameters
    ----------
    counts : ndarray of int, shape (n_cells, n_periods)
    rows : Rows

    Returns
    -------
    dict of str to ndarray of float32, shape (n_rows,)
        ``own_silence`` in periods, 1 where the period just before had one; ``own_fading_<half-life>`` as a mean per
        period, the sum of 2^(-age / half-life) over incidents divided by the same sum over periods.
    """
    named = {"own_silence": _silence(counts)[rows.cells, rows.periods]}
    for half_life in HALF_LIVES:
        named[f"own_fading_{half_life}"] = _fading(counts, half_life)[rows.cells, rows.periods]
    return named


def _silence(counts: NDArray[np.integer]) -> NDArray[np.float32]:
    """Periods since the last incident before period t, shape (n_cells, n_periods + 1)."""
    n_cells, n_periods = counts.shape
    last = np.full((n_cells, n_periods + 1), -LONGEST_SILENCE - 1, dtype=np.int32)
    last[:, 1:] = np.where(counts > 0, np.arange(n_periods, dtype=np.int32), last[:, 1:])
    np.maximum.accumulate(last, axis=1, out=last)
    age = np.arange(n_periods + 1, dtype=np.int32) - last
    return np.minimum(age, LONGEST_SILENCE).astype(np.float32)


def _fading(counts: NDArray[np.integer], half_life: int) -> NDArray[np.float32]:
    """Weighted mean of the counts before period t, shape (n_cells, n_periods + 1); column 0 is zero."""
    keep = np.float32(0.5 ** (1.0 / half_life))
    n_cells, n_periods = counts.shape
    fading: NDArray[np.float32] = np.zeros((n_periods + 1, n_cells), dtype=np.float32)
    for period, now in enumerate(counts.T.astype(np.float32)):
        fading[period + 1] = keep * fading[period] + now
    weight = np.concatenate([[1.0], np.cumsum(float(keep) ** np.arange(n_periods))]).astype(np.float32)
    mean: NDArray[np.float32] = (fading / weight[:, None]).T
    return mean
