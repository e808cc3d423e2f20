"""Borders of the bins of weighted rows found in one go: scikit-learn sorts the rows anew for each of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["borders_in_one_go", "weighted_borders"]

Floats = NDArray[np.float64]

_LARGEST = 1e300
"""scikit-learn keeps infinity for what is not known."""


@contextmanager
def borders_in_one_go() -> Iterator[None]:
    """Let histogram boosting find the borders of bins by `weighted_borders` inside the block; they are the same.

    Half the time of a weighted fit is saved. A release of scikit-learn that finds them elsewhere is left as it is.
    """
    from sklearn.ensemble._hist_gradient_boosting import binning

    plain = getattr(binning, "_find_binning_thresholds", None)
    if plain is None:
        yield
        return

    def quick(values: Floats, max_bins: int, sample_weight: Floats | None = None) -> Any:
        if sample_weight is None:
            return plain(values, max_bins)
        return weighted_borders(values, sample_weight, max_bins)

    binning._find_binning_thresholds = quick  # noqa: SLF001
    try:
        yield
    finally:
        binning._find_binning_thresholds = plain  # noqa: SLF001


def weighted_borders(values: Floats, weights: Floats, max_bins: int) -> Floats:
    """Cut values into bins of about equal weight.

    Parameters
    ----------
    values : ndarray of float, shape (n_rows,)
        Those that are nan belong to no bin.
    weights : ndarray of float, shape (n_rows,)
        Not negative.
    max_bins : int

    Returns
    -------
    ndarray of float, shape (at most max_bins - 1,)
        The quantiles of the weighted values (averaged where one lies between two values: definition 2 of Hyndman & Fan
        1996, https://doi.org/10.2307/2684934), or the middles between values where there are no more than bins.
    """
    some = ~np.isnan(values) & (weights != 0)
    distinct, which = np.unique(values[some], return_inverse=True)
    if len(distinct) <= max_bins:
        return np.asarray((distinct[:-1] + distinct[1:]) / 2.0)
    reached = np.cumsum(np.bincount(which, weights=weights[some]))
    wanted = np.linspace(0.0, 100.0, max_bins + 1)[1:-1] / 100.0 * reached[-1]
    at = np.minimum(np.searchsorted(reached, wanted), len(distinct) - 1)
    beyond = np.where(reached[at] - wanted > np.finfo(float).eps, at, np.minimum(at + 1, len(distinct) - 1))
    return np.minimum(np.unique((distinct[at] + distinct[beyond]) / 2.0), _LARGEST)
