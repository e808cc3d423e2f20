"""Weeks are more alike within than records drawn at random: how much that inflates the variance of a mean."""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Inflation", "design_effect", "long_run"]

_LAGS = 3
_WEIGHTS: Final = tuple(2 * (1 - lag / (_LAGS + 1)) for lag in range(1, _LAGS + 1))
_LEAST_WEEKS = 8

Floats = NDArray[np.float64]


class Inflation(NamedTuple):
    """A variance in units of that which chance alone would give.

    Parameters
    ----------
    factor : float
        1 where chance explains it.
    freedom : float
        Degrees of freedom of the estimate; infinite where chance explains it, for then nothing was estimated.
    """

    factor: float
    freedom: float


_CHANCE: Final = Inflation(1.0, float("inf"))


def long_run(z: Floats) -> Inflation:
    r"""Return the variance of a mean of standardised weekly values z, in units of that of independent ones.

    .. math:: D = \overline{z_w^2} + 2 \sum_{l=1}^{3} \left(1 - \tfrac{l}{4}\right) \overline{z_w z_{w+l}}

    with the lags of W. K. Newey & K. D. West 1987, doi:10.2307/1913610, where it is above 1 by more than its standard
    error; else its first term where that is. The lags cost the estimate nearly two thirds of its degrees of freedom,
    and a test that divides by it has to know.

    Parameters
    ----------
    z : ndarray of float, shape (n_weeks,)
        Values with mean 0 and, by chance alone, variance 1.
    """
    weeks = len(z)
    within = float(np.mean(z**2))
    total = within + sum(w * float(np.mean(z[lag:] * z[:-lag])) for lag, w in enumerate(_WEIGHTS, 1))
    noise = 2 + sum(weight**2 for weight in _WEIGHTS)
    if total > 1 + np.sqrt(noise / weeks):
        return Inflation(total, 2 * weeks / noise)
    return Inflation(within, weeks - 1.0) if within > 1 + np.sqrt(2 / weeks) else _CHANCE


def design_effect(scores: Floats, week: NDArray[np.int64]) -> Inflation:
    r"""Return the variance of a mean over several weeks, in units of that of records drawn at random.

    The design effect of L. Kish 1965 (*Survey Sampling*) with the lags of `long_run`, of the standardised means of the
    weeks: clustering within a week and likeness of neighbouring weeks are both paid for.

    Parameters
    ----------
    scores : ndarray of float, shape (n,)
        Any number per record.
    week : ndarray of int, shape (n,)
        Number of its week.

    Returns
    -------
    Inflation
        By 1 where chance explains it, there are fewer than eight weeks, or all scores are equal.
    """
    _, position, counts = np.unique(week, return_inverse=True, return_counts=True)
    spread = float(scores.std())
    if len(counts) < _LEAST_WEEKS or spread <= 0:
        return _CHANCE
    means = np.bincount(position, weights=scores) / counts
    # A week is itself a part of the mean it is compared with.
    return long_run((means - scores.mean()) / spread * np.sqrt(counts) * np.sqrt(len(counts) / (len(counts) - 1)))
