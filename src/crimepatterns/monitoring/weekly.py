"""Weeks are more alike within than records drawn at random: how much that inflates the variance of a mean."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["design_effect"]

_LAGS = 3
_LEAST_WEEKS = 8

Floats = NDArray[np.float64]


def design_effect(scores: Floats, week: NDArray[np.int64]) -> float:
    r"""Return the variance of a mean over several weeks, in units of that of records drawn at random.

    With the standardised mean :math:`z_w` of each week,

    .. math:: D = \overline{z_w^2} + 2 \sum_{l=1}^{3} \left(1 - \tfrac{l}{4}\right) \overline{z_w z_{w+l}},

    the design effect of L. Kish 1965 (*Survey Sampling*) with the lags of W. K. Newey & K. D. West 1987,
    doi:10.2307/1913610: clustering within a week and likeness of neighbouring weeks are both paid for.

    Parameters
    ----------
    scores : ndarray of float, shape (n,)
        Any number per record.
    week : ndarray of int, shape (n,)
        Number of its week.

    Returns
    -------
    float
        1 where chance explains it, there are fewer than eight weeks, or all scores are equal.
    """
    _, position, counts = np.unique(week, return_inverse=True, return_counts=True)
    spread = float(scores.std())
    if len(counts) < _LEAST_WEEKS or spread <= 0:
        return 1.0
    means = np.bincount(position, weights=scores) / counts
    # A week is itself a part of the mean it is compared with.
    z = (means - scores.mean()) / spread * np.sqrt(counts) * np.sqrt(len(counts) / (len(counts) - 1))
    weights = [2 * (1 - lag / (_LAGS + 1)) for lag in range(1, _LAGS + 1)]
    total = float(np.mean(z**2))
    total += sum(weight * float(np.mean(z[lag:] * z[:-lag])) for lag, weight in enumerate(weights, 1))
    by_chance = np.sqrt((2 + sum(weight**2 for weight in weights)) / len(z))
    return total if total > 1 + by_chance else 1.0
