"""Non-negative weights of an additive Poisson model, by the EM algorithm."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

__all__ = ["AdditiveCounts", "fit_weights"]

_EM_STEPS = 20
_NEWTON_STEPS = 60
_TOLERANCE = 1e-10
_LEAST = 1e-300


@dataclass(frozen=True, eq=False)
class AdditiveCounts:
    """Counts whose mean is a weighted sum of known columns.

    Only rows with a count above 0 are kept one by one. Of all others the likelihood needs no more than the sum of each
    column.

    Parameters
    ----------
    columns : ndarray of float, shape (n_positive, n_columns)
        Values of the columns where something happened; not negative.
    counts : ndarray of float, shape (n_positive,)
        Above 0.
    sums : ndarray of float, shape (n_columns,)
        Sum of each column over all rows, those with a count of 0 too.
    """

    columns: NDArray[np.float64] = field(repr=False)
    counts: NDArray[np.float64] = field(repr=False)
    sums: NDArray[np.float64]

    def log_likelihood(self, weights: NDArray[np.float64]) -> float:
        """Poisson log-likelihood without its constant."""
        mean = np.maximum(self.columns @ weights, _LEAST)
        return float(self.counts @ np.log(mean) - self.sums @ weights)


def fit_weights(
    problem: AdditiveCounts, *, penalty: NDArray[np.float64] | None = None, start: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Find the non-negative weights of greatest (penalised) Poisson likelihood.

    Each EM step shares every incident among the columns in proportion to what they expect and sets each weight to
    its incidents over its sum:

        w_k <- w_k * sum_i y_i x_ik / (x_i w) / ((1 + p_k) * sum_i x_ik).

    The likelihood rises with every step and has one maximum, but the steps grow short where columns resemble one
    another. After a few of them Newton steps, held to weights of 0 or more, take over; one that does not raise the
    likelihood is halved.

    Parameters
    ----------
    problem : AdditiveCounts
    penalty : ndarray of float, shape (n_columns,), optional
        p_k: a column must explain a share p_k more than it expects to be used at all.
    start : ndarray of float, shape (n_columns,), optional
        Above 0.

    Returns
    -------
    ndarray of float, shape (n_columns,)
    """
    usable = problem.sums > 0
    total = float(problem.counts.sum())
    if total == 0 or not usable.any():
        return np.zeros_like(problem.sums)
    price = problem.sums * (1.0 + (0.0 if penalty is None else penalty))
    # In units of expected incidents all weights are of one size.
    columns, counts = problem.columns[:, usable] / price[usable], problem.counts
    weights = np.full(columns.shape[1], total / columns.shape[1])
    if start is not None:
        weights = np.maximum(start[usable] * price[usable], 1e-6 * total)
    for _ in range(_EM_STEPS):
        weights = weights * (columns.T @ (counts / np.maximum(columns @ weights, _LEAST)))
    best = _value(columns, counts, weights)
    for _ in range(_NEWTON_STEPS):
        moved, reached = _newton(columns, counts, weights, best)
        gain, weights, best = reached - best, moved, reached
        if gain <= _TOLERANCE * total:
            break
    found = np.zeros_like(problem.sums)
    found[usable] = weights / price[usable]
    return found


def _value(columns: NDArray[np.float64], counts: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    return float(counts @ np.log(np.maximum(columns @ weights, _LEAST)) - weights.sum())


def _newton(
    columns: NDArray[np.float64], counts: NDArray[np.float64], weights: NDArray[np.float64], best: float
) -> tuple[NDArray[np.float64], float]:
    """Take one Newton step over the weights that are not held at 0; stay where none raises the likelihood."""
    mean = np.maximum(columns @ weights, _LEAST)
    gradient = columns.T @ (counts / mean) - 1.0
    free = (weights > 0) | (gradient > 0)
    while free.any():
        scaled = columns[:, free] * (np.sqrt(counts) / mean)[:, None]
        curvature = scaled.T @ scaled
        curvature[np.diag_indices_from(curvature)] *= 1.0 + 1e-9
        step = np.zeros_like(weights)
        step[free] = np.linalg.lstsq(curvature, gradient[free], rcond=1e-12)[0]
        # A weight at 0 that the step would push below is held there and the others are solved anew.
        blocked = free & (weights <= 0) & (step < 0)
        if not blocked.any():
            break
        free &= ~blocked
    else:
        return weights, best
    length = 1.0
    while length > 1e-6:
        moved = np.maximum(weights + length * step, 0.0)
        reached = _value(columns, counts, moved)
        if reached > best:
            return moved, reached
        length /= 2.0
    return weights, best
