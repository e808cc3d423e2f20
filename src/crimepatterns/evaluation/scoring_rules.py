"""How well expected counts fit what happened, everywhere and not only in the hottest cells."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln, xlogy

__all__ = ["deviance_skill", "impossible", "log_score", "poisson_deviance"]


def poisson_deviance(expected: ArrayLike, observed: ArrayLike) -> NDArray[np.float64]:
    """Poisson deviance of each cell, 2 (y log(y / m) - y + m); 0 is perfect, lower is better.

    A mean of exactly 0 says that nothing can happen. It scores 0 where nothing did and infinity where something did:
    such a forecast is ranked, not scored (see `impossible`), and never silently repaired.

    Parameters
    ----------
    expected : array_like of float
        Means m, not negative.
    observed : array_like of float, same shape
        Counts y.

    Returns
    -------
    ndarray of float, same shape

    Examples
    --------
    >>> poisson_deviance([1.0, 0.0, 0.0], [1, 0, 2]).tolist()
    [0.0, 0.0, inf]
    """
    mean, count = np.asarray(expected, dtype=float), np.asarray(observed, dtype=float)
    with np.errstate(divide="ignore"):
        return np.asarray(2.0 * (xlogy(count, count) - xlogy(count, mean) - count + mean))


def log_score(expected: ArrayLike, observed: ArrayLike) -> NDArray[np.float64]:
    """Negative logarithm of the Poisson probability given to the count of each cell, nats; lower is better.

    Parameters and the treatment of means of 0 as in `poisson_deviance`.
    """
    mean, count = np.asarray(expected, dtype=float), np.asarray(observed, dtype=float)
    with np.errstate(divide="ignore"):
        return np.asarray(mean - xlogy(count, mean) + gammaln(count + 1.0))


def impossible(expected: ArrayLike, observed: ArrayLike) -> int:
    """Count the incidents that happened where the forecast said that nothing could."""
    mean, count = np.asarray(expected, dtype=float), np.asarray(observed, dtype=float)
    return int(count[mean == 0].sum())


def deviance_skill(deviance: float, reference: float) -> float:
    """Share of the reference's deviance that a forecast removes, 1 - D / D_ref; 0 is no gain, higher is better.

    The reference is the shrunk count `count_eb`: raw counts have no finite deviance, and any forecast beats a flat one.
    """
    return 1.0 - deviance / reference if reference > 0 and np.isfinite(reference) else float("nan")
