"""Weights, none below zero, with which several expected counts together fit what happened best."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

__all__ = ["mixture_weights"]

_STEPS = 60
_HALVINGS = 40
_SMALLEST = 1e-9


def mixture_weights(
    means: Sequence[NDArray[np.float64]], counts: NDArray[np.integer], *, anchor: int, ridge: float
) -> NDArray[np.float64]:
    """Minimise Poisson deviance of the weighted sum under weights >= 0, drawn towards one of the means.

    The objective is sum(mu - y log mu) + ridge / 2 * sum_k d_k (w_k - u_k)^2 with mu = sum_k w_k m_k, u the weights
    that take the anchor alone and d_k = sum((m_k - m_anchor)^2 / m_anchor), the information on moving weight from the
    anchor to member k; so `ridge` is the weight of the anchor against the data whatever their size, and however alike
    the members are. At the end the weights are scaled to add up to 1: counts of the last weeks may not be complete yet,
    and must not set the level. The objective is convex.
    Breiman 1996, Stacked regressions, https://doi.org/10.1007/BF00117832.

    Parameters
    ----------
    means : sequence of ndarray of float, shape (n_rows,)
        Expected counts by each member; the anchor's above 0.
    counts : ndarray of int, shape (n_rows,)
    anchor : int
        Position of the member to which the weights are drawn.
    ridge : float

    Returns
    -------
    ndarray of float, shape (n_members,)
    """
    toward = np.zeros(len(means))
    toward[anchor] = 1.0
    if not counts.any():
        return toward
    # Sums, not dot products: the latter round differently with the number of threads.
    pull = ridge * np.array([float(((one - means[anchor]) ** 2 / means[anchor]).sum()) for one in means])
    weights = toward.copy()
    value = _objective(means, counts, weights, toward, pull)
    for _ in range(_STEPS):
        mean = np.maximum(_mixed(means, weights), _SMALLEST)
        gradient = np.array([float((one * (1.0 - counts / mean)).sum()) for one in means]) + pull * (weights - toward)
        curvature = np.diag(pull)
        for j, one in enumerate(means):
            for k in range(j + 1):
                curvature[j, k] = curvature[k, j] = curvature[k, j] + float((one * means[k] / mean).sum())
        # Members that are the same to the last digit leave the curvature without a root.
        curvature += np.diag(1e-9 * np.diagonal(curvature) + _SMALLEST)
        step = _least(curvature, curvature @ weights - gradient) - weights
        size, tried, new = 1.0, weights, value
        for _ in range(_HALVINGS):
            tried = weights + size * step
            new = _objective(means, counts, tried, toward, pull)
            if new <= value:
                break
            size /= 2.0
        if new > value:
            break
        moved = float(np.abs(tried - weights).max())
        weights, value = tried, new
        if moved < 1e-9:
            break
    weights[weights < 1e-6] = 0.0
    return weights / weights.sum() if weights.any() else toward


def _least(curvature: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """Minimise b' curvature b / 2 - target' b over b >= 0, exactly: members may be nearly alike."""
    root = np.linalg.cholesky(curvature)
    found: NDArray[np.float64] = optimize.nnls(root.T, np.linalg.solve(root, target))[0]
    return found


def _mixed(means: Sequence[NDArray[np.float64]], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    total = np.zeros_like(means[0])
    for weight, one in zip(weights, means, strict=True):
        total += weight * one
    return total


def _objective(
    means: Sequence[NDArray[np.float64]],
    counts: NDArray[np.integer],
    weights: NDArray[np.float64],
    toward: NDArray[np.float64],
    pull: NDArray[np.float64],
) -> float:
    mean = np.maximum(_mixed(means, weights), _SMALLEST)
    seen = counts > 0
    misfit = float(mean.sum()) - float((counts[seen] * np.log(mean[seen])).sum())
    return misfit + 0.5 * float((pull * (weights - toward) ** 2).sum())
