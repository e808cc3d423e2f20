"""Negative binomial regression of counts in time: one for a city, and many at once drawn towards it."""

import numpy as np
from numpy.typing import NDArray
from scipy import optimize
from scipy.special import gammaln

__all__ = ["dispersion_of", "drawn_regressions", "negative_binomial_regression"]

_NEWTON_STEPS = 50
_ROUNDS = 25
_RIDGE = 1e-3
_LEAST, _MOST = 1e-6, 10.0


def negative_binomial_regression(
    design: NDArray[np.float64], counts: NDArray[np.integer], exposure: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """Fit log(mean / exposure) = design @ coefficients with variance mean + dispersion * mean^2 by likelihood.

    Coefficients (Newton's method) and dispersion (a search on one number) take turns until both stay. Hilbe 2011,
    Negative Binomial Regression, chapter 8 (NB2).

    Parameters
    ----------
    design : ndarray of float, shape (n_periods, n_columns)
        The first column is the constant.
    counts : ndarray of int, shape (n_periods,)
        At least one incident in all.
    exposure : ndarray of float, shape (n_periods,)

    Returns
    -------
    coefficients : ndarray of float, shape (n_columns,)
    dispersion : float
        From 1e-6 (Poisson) to 10.
    """
    offset, dispersion = np.log(exposure), 0.01
    start = np.zeros(design.shape[1])
    start[0] = np.log(counts.sum() / exposure.sum())
    precision = np.full(design.shape[1], _RIDGE)
    precision[0] = 0.0
    coefficients = start
    for _ in range(_ROUNDS):
        before = coefficients
        coefficients = _newton(design, counts[None, :], offset[None, :], coefficients[None, :], dispersion, precision)[
            0
        ]
        dispersion = dispersion_of(counts, np.exp(offset + design @ coefficients))
        if float(np.abs(coefficients - before).max()) < 1e-8:
            break
    return coefficients, dispersion


def drawn_regressions(
    design: NDArray[np.float64], counts: NDArray[np.integer], expected: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Fit how each of many series departs from what is expected of it, departures being drawn towards none.

    Each departure is normal around zero with a variance per column that the series share; it is estimated by
    alternating posterior modes and variances (empirical Bayes, Laplace's approximation). The constant is free.

    Parameters
    ----------
    design : ndarray of float, shape (n_periods, n_columns)
        The first column is the constant.
    counts : ndarray of int, shape (n_series, n_periods)
    expected : ndarray of float, shape (n_series, n_periods)

    Returns
    -------
    coefficients : ndarray of float, shape (n_series, n_columns)
    spread : ndarray of float, shape (n_columns,)
        Standard deviation of the departures; inf for the constant.
    dispersion : float
        Shared by the series.
    """
    n_series, n_columns = len(counts), design.shape[1]
    offset = np.log(expected)
    variance = np.full(n_columns, 0.1)
    precision = 1.0 / variance
    precision[0] = _RIDGE
    coefficients, dispersion = np.zeros((n_series, n_columns)), 0.01
    for _ in range(_ROUNDS):
        coefficients = _newton(design, counts, offset, coefficients, dispersion, precision)
        mean = np.exp(np.clip(offset + coefficients @ design.T, -30.0, 30.0))
        dispersion = dispersion_of(counts, mean)
        curvature = _curvature(design, mean, dispersion) + np.diag(precision)
        uncertain = np.diagonal(np.linalg.inv(curvature), axis1=1, axis2=2)
        renewed = np.maximum((coefficients**2 + uncertain).mean(axis=0), 1e-8)
        settled = float(np.abs(np.log(renewed[1:] / variance[1:])).max(initial=0.0)) < 0.01
        variance = renewed
        precision = np.concatenate([[_RIDGE], 1.0 / variance[1:]])
        if settled:
            break
    return coefficients, np.concatenate([[np.inf], np.sqrt(variance[1:])]), dispersion


def dispersion_of(counts: NDArray[np.integer], mean: NDArray[np.float64]) -> float:
    """Dispersion with the greatest likelihood, the means held fixed; both of any equal shape."""
    seen, mu = counts.ravel().astype(np.float64), mean.ravel()

    def minus_log_likelihood(log_dispersion: float) -> float:
        size = np.exp(-log_dispersion)
        terms = gammaln(size + seen) - gammaln(size) - size * np.log1p(mu / size) + seen * np.log(mu / (size + mu))
        return -float(terms.sum())

    limits = (float(np.log(_LEAST)), float(np.log(_MOST)))
    best = optimize.minimize_scalar(minus_log_likelihood, bounds=limits, method="bounded", options={"xatol": 1e-6})
    return float(np.exp(best.x))


def _newton(
    design: NDArray[np.float64],
    counts: NDArray[np.integer],
    offset: NDArray[np.float64],
    start: NDArray[np.float64],
    dispersion: float,
    precision: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Posterior modes of the coefficients of each series, shape (n_series, n_columns)."""
    coefficients = start.copy()
    for _ in range(_NEWTON_STEPS):
        mean = np.exp(np.clip(offset + coefficients @ design.T, -30.0, 30.0))
        pull = ((counts - mean) / (1.0 + dispersion * mean)) @ design - precision * coefficients
        curvature = _curvature(design, mean, dispersion) + np.diag(precision + 1e-9)
        step = np.linalg.solve(curvature, pull[:, :, None])[:, :, 0]
        # Short steps cannot overshoot where a few counts pull hard.
        step *= np.minimum(1.0, 1.0 / np.maximum(np.abs(step).max(axis=1), 1e-12))[:, None]
        coefficients = coefficients + step
        if float(np.abs(step).max()) < 1e-10:
            break
    return coefficients


def _curvature(design: NDArray[np.float64], mean: NDArray[np.float64], dispersion: float) -> NDArray[np.float64]:
    """Fisher information of each series, shape (n_series, n_columns, n_columns)."""
    weight = mean / (1.0 + dispersion * mean)
    return np.einsum("st,tj,tk->sjk", weight, design, design)
