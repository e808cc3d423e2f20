"""Intervals set right by their own past: how much wider or narrower they would have had to be to hold what they say."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["MIN_PAST", "adjusted", "conformal_scale", "interval_scores"]

Floats = NDArray[np.float64]

MIN_PAST = 8
"""With fewer past origins nothing is adjusted: their extremes say too little."""

_NARROWEST = -0.5


def interval_scores(lower: Floats, upper: Floats, observed: NDArray[np.int64]) -> Floats:
    """Return how far each count lay outside its interval, in half-widths; below 0 within it. Same shape."""
    half = np.maximum((upper - lower) / 2, 0.5)
    return np.asarray(np.maximum(lower - observed, observed - upper) / half)


def conformal_scale(scores: Sequence[Floats], *, confidence: float) -> float:
    """Return by how many half-widths to widen each side so that the share `confidence` of past counts had lain within.

    Each origin has the same weight. The level is ``confidence * (1 + 1 / n)``, n the number of scores, which is what a
    finite past needs; the counts of one origin rise and fall together, so the promise holds over many origins only.
    Romano, Patterson & Candes 2019, arXiv:1905.03222; over rolling origins only the past is used.

    Parameters
    ----------
    scores : sequence of ndarray of float
        `interval_scores` of each past origin; origins without any do not count.
    confidence : float

    Returns
    -------
    float
        0 with fewer than `MIN_PAST` origins; at least -0.5, so that an interval never collapses.
    """
    told = [part for part in scores if len(part)]
    if len(told) < MIN_PAST:
        return 0.0
    values = np.concatenate(told)
    weights = np.concatenate([np.full(len(part), 1 / len(part)) for part in told])
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order]) / weights.sum()
    level = min(confidence * (1 + 1 / len(values)), 1.0)
    at = min(int(np.searchsorted(reached, level - 1e-12)), len(values) - 1)
    return max(float(values[order][at]), _NARROWEST)


def adjusted(lower: Floats, upper: Floats, scale: Floats | float) -> tuple[Floats, Floats]:
    """Widen (or, below 0, narrow) intervals by `scale` half-widths on each side."""
    half = np.maximum((upper - lower) / 2, 0.5)
    return np.asarray(lower - scale * half), np.asarray(upper + scale * half)
