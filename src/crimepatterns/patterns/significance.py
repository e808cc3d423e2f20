"""From p-values to discoveries: the one place where tests of many cells are corrected."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from crimepatterns.errors import PatternError

__all__ = ["binomial_tail", "discoveries", "false_discovery_rate", "permutation_p"]


def false_discovery_rate(p_values: ArrayLike) -> NDArray[np.float64]:
    """Adjust p-values so that calling everything at or below q a discovery keeps the false ones to a share of q.

    The step-up procedure of Benjamini and Hochberg; valid for independent tests and for the positive dependence of
    overlapping neighbourhoods.

    Parameters
    ----------
    p_values : array_like of float, shape (n,)
        Each in [0, 1].

    Returns
    -------
    ndarray of float, shape (n,)
        q-values, in the order of the input; equal p-values have equal q-values.

    Raises
    ------
    PatternError
        If a p-value is missing or outside [0, 1].

    References
    ----------
    Benjamini and Hochberg (1995), https://doi.org/10.1111/j.2517-6161.1995.tb02031.x

    Examples
    --------
    >>> false_discovery_rate([0.01, 0.04, 0.03, 1.0]).round(4).tolist()
    [0.04, 0.0533, 0.0533, 1.0]
    """
    p = np.asarray(p_values, dtype=float)
    if p.ndim != 1:
        raise PatternError(f"p-values must be one list, got an array of shape {p.shape}: flatten it first.")
    if not ((p >= 0) & (p <= 1)).all():
        raise PatternError("p-values must lie in [0, 1] without gaps: leave untested cells out before correcting.")
    order = np.argsort(p, kind="stable")
    scaled = p[order] * len(p) / np.arange(1, len(p) + 1)
    q = np.empty(len(p))
    q[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    return q


def discoveries(q_values: ArrayLike, *, fdr: float = 0.05) -> NDArray[np.bool_]:
    """Tell which cells are discoveries at a false discovery rate.

    Parameters
    ----------
    q_values : array_like of float, shape (n,)
    fdr : float
        Accepted share of false discoveries, in (0, 1).

    Returns
    -------
    ndarray of bool, shape (n,)
    """
    if not 0 < fdr < 1:
        raise PatternError(f"False discovery rate must lie between 0 and 1, got {fdr}: set patterns.fdr, such as 0.05.")
    return np.asarray(q_values, dtype=float) <= fdr


def permutation_p(observed: ArrayLike, simulated: ArrayLike) -> NDArray[np.float64]:
    """Compare observed statistics with simulated ones: the share that is at least as large, never zero.

    The observed arrangement is itself one of the possible ones, so p = (m + 1) / (r + 1), where m of r simulations
    reach the observed value; ties count against significance.

    Parameters
    ----------
    observed : array_like of float, shape (n,)
    simulated : array_like of float, shape (r, n)

    Returns
    -------
    ndarray of float, shape (n,)
        In [1 / (r + 1), 1].

    Raises
    ------
    PatternError
        If there is no simulation or the shapes do not fit.

    References
    ----------
    Phipson and Smyth (2010), https://doi.org/10.2202/1544-6115.1585
    """
    values, draws = np.atleast_1d(np.asarray(observed, dtype=float)), np.asarray(simulated, dtype=float)
    if draws.ndim != 2 or draws.shape[0] < 1 or draws.shape[1:] != values.shape:
        raise PatternError(
            f"Simulations must have shape (r, {len(values)}) with r >= 1, got {draws.shape}: one row per simulation."
        )
    reached = (draws >= values).sum(axis=0)
    result: NDArray[np.float64] = (reached + 1.0) / (draws.shape[0] + 1.0)
    return result


def binomial_tail(
    counts: ArrayLike, total: ArrayLike, probability: ArrayLike, *, alternative: str = "greater"
) -> NDArray[np.float64]:
    """Give the exact chance of a binomial count at least (or at most) as large as the one observed.

    Parameters
    ----------
    counts : array_like of int, shape (n,)
        Observed counts, each in [0, total].
    total : int, or array_like of int, shape (n,)
        Number of trials.
    probability : array_like of float, shape (n,)
        Success probability of each count, in [0, 1].
    alternative : {"greater", "less"}
        Which tail; both include the observed count, so that ties count against significance.

    Returns
    -------
    ndarray of float, shape (n,)

    Notes
    -----
    P(X >= k) is the regularised incomplete beta function I_p(k, n - k + 1), evaluated to double precision.
    """
    observed = np.asarray(counts, dtype=float)
    trials = np.asarray(total, dtype=float)
    share = np.clip(np.asarray(probability, dtype=float), 0.0, 1.0)
    if alternative == "greater":
        tail = special.betainc(np.maximum(observed, 1.0), trials - observed + 1.0, share)
        return np.where(observed <= 0, 1.0, tail)
    tail = special.betaincc(observed + 1.0, np.maximum(trials - observed, 1.0), share)
    return np.where(observed >= trials, 1.0, tail)
