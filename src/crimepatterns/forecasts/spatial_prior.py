"""What a cell may be expected to hold before its own incidents are looked at: learned from what lies around it."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import optimize
from scipy.special import gammaln

__all__ = ["SpatialPrior", "fit_spatial_prior"]

_STEPS = 200
_SHAPE_EVERY = 20
_LEAST = 1e-12


@dataclass(frozen=True)
class SpatialPrior:
    """A gamma distribution of each cell's rate, whose mean is a weighted sum of known columns.

    Parameters
    ----------
    weights : tuple of float
        One per column, not negative.
    shape : float
        Of the gamma distribution: how many incidents the surroundings are worth.
    """

    weights: tuple[float, ...]
    shape: float = field(default=1.0)

    def mean(self, columns: NDArray[np.float64]) -> NDArray[np.float64]:
        """Rate of each cell as its surroundings have it, shape (n_cells,); above 0."""
        return np.maximum(columns @ np.asarray(self.weights), _LEAST)

    def credit(self, mean: NDArray[np.float64], exposure: NDArray[np.float64] | float) -> NDArray[np.float64]:
        """Share of the posterior rate that rests on the cell's own count, in [0, 1).

        The posterior mean (a + N) / (a / m + T) is ``(1 - credit) * m + credit * N / T`` with
        credit = m T / (a + m T).
        """
        known = mean * exposure
        return np.asarray(known / (self.shape + known))


def fit_spatial_prior(counts: NDArray[np.float64], exposure: float, columns: NDArray[np.float64]) -> SpatialPrior:
    """Learn the weights and the shape from the cells' counts, by EM for negative binomial counts.

    The rate of cell i is taken from a gamma distribution with shape a and mean m_i = sum_k v_k z_ik. Each step takes
    the posterior mean u_i = (a + N_i) / (a + m_i T) of what multiplies m_i, then

        v_k <- v_k * sum_i N_i z_ik / m_i / (T * sum_i u_i z_ik);

    a has the greatest likelihood given the means.

    Parameters
    ----------
    counts : ndarray of float, shape (n_cells,)
        At least one above 0.
    exposure : float
        Length of time counted, in the unit of the columns' rates.
    columns : ndarray of float, shape (n_cells, n_columns)
        Rates; none may rest on the cell's own count.
    """
    usable = columns.sum(axis=0) > 0
    weights = np.where(usable, 1.0 / max(1, int(usable.sum())), 0.0)
    shape = 1.0
    for step in range(_STEPS):
        expected = np.maximum(columns @ weights, _LEAST) * exposure
        if step % _SHAPE_EVERY == 0:
            shape = _shape(counts, expected)
        factor = (shape + counts) / (shape + expected)
        moved = weights * (columns.T @ (counts / expected)) / np.maximum(columns.T @ factor, _LEAST)
        if np.abs(moved - weights).max() < 1e-6 and step % _SHAPE_EVERY:
            weights = moved
            break
        weights = moved
    expected = np.maximum(columns @ weights, _LEAST) * exposure
    return SpatialPrior(tuple(weights.tolist()), _shape(counts, expected))


def _shape(counts: NDArray[np.float64], expected: NDArray[np.float64]) -> float:
    distinct, which = np.unique(counts, return_inverse=True)

    def minus_log_likelihood(log_shape: float) -> float:
        shape = np.exp(log_shape)
        combinations = (gammaln(shape + distinct) - gammaln(shape))[which]
        chance = np.log(shape + expected)
        each = combinations + shape * (log_shape - chance) + counts * (np.log(expected) - chance)
        return -float(np.sum(each))

    best = optimize.minimize_scalar(minus_log_likelihood, bounds=(-7.0, 7.0), method="bounded")
    return float(np.exp(best.x))
