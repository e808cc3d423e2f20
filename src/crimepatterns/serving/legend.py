"""Class breaks that people can read: 1, 2, 5 and their tens."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["nearest_round", "round_breaks"]

_MANTISSAS = (1, 1.5, 2, 3, 5, 7, 10)


def round_breaks(low: float, high: float, *, steps: tuple[float, ...] = (1, 2, 5), most: int = 7) -> list[float]:
    """Return the round numbers from about `low` to below `high`, at most `most` of them, the largest kept.

    Parameters
    ----------
    low, high : float
        Where classes should begin, and the largest value.
    steps : tuple of float
        Mantissas, each in [1, 10).
    most : int

    Returns
    -------
    list of float
        Ascending; empty where nothing is above 0.
    """
    if not (np.isfinite(high) and high > 0):
        return []
    low = low if np.isfinite(low) and 0 < low < high else high / 1000
    powers = np.arange(np.floor(np.log10(low)) - 1, np.floor(np.log10(high)) + 2)
    marks: NDArray[np.float64] = np.sort((10.0 ** powers[:, None] * np.asarray(steps)).ravel())
    # Log distance decides, so that 95 starts at 100 and 140 does too.
    begin = int(np.argmin(np.abs(np.log(marks / low))))
    inside = marks[begin:][marks[begin:] < high]
    return [float(f"{mark:.4g}") for mark in inside[-most:]]


def nearest_round(value: float) -> float:
    """Return the round number nearest to a positive value, on a log scale; others are returned as they are."""
    if not (np.isfinite(value) and value > 0):
        return value
    power = 10.0 ** np.floor(np.log10(value))
    return float(f"{min((power * one for one in _MANTISSAS), key=lambda mark: abs(np.log(mark / value))):.4g}")
