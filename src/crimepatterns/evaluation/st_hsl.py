"""The measure of the deep-learning literature on 3-km squares: errors averaged only where something happened.

ST-SHN and ST-HSL (Li, Huang, Xia, Xu & Pei 2022, https://arxiv.org/abs/2204.08587) average the absolute error and the
absolute error relative to the true count over squares, days and categories with a true count above zero. What a model
says of the others does not count, so one that always says "one" is hard to beat. It is offered under its own name and
never chooses a model.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crimepatterns.errors import DomainError

__all__ = ["SquareErrors", "rolling_means", "square_errors"]


@dataclass(frozen=True)
class SquareErrors:
    """Errors of one forecast of squares.

    Parameters
    ----------
    mae, mape : float
        Mean absolute error, and the same relative to the true count, where the true count is above zero; lower is
        better. nan where nothing happened.
    mae_all : float
        Mean absolute error everywhere.
    expected_over_observed : float
        Sum of the forecast over that of the truth; 1 is right.
    busy_share : float
        Share of squares, days and categories on which `mae` and `mape` look.
    """

    mae: float
    mape: float
    mae_all: float
    expected_over_observed: float
    busy_share: float


def square_errors(expected: ArrayLike, observed: ArrayLike) -> SquareErrors:
    """Measure a forecast as that literature does, and beside it what that leaves out.

    Parameters
    ----------
    expected, observed : array_like of float, same shape
        Over categories, squares and days.

    Raises
    ------
    DomainError
        If the shapes differ.

    Examples
    --------
    >>> found = square_errors([1, 1, 1, 1], [0, 0, 1, 2])
    >>> found.mae, found.mape, found.mae_all
    (0.5, 0.25, 0.75)
    """
    made, true = np.asarray(expected, dtype=float), np.asarray(observed, dtype=float)
    if made.shape != true.shape:
        raise DomainError(f"Forecast and truth must have one shape, got {made.shape} and {true.shape}.")
    error, busy, total = np.abs(made - true), true > 0, float(true.sum())
    nan = float("nan")
    return SquareErrors(
        mae=float(error[busy].mean()) if busy.any() else nan,
        mape=float((error[busy] / true[busy]).mean()) if busy.any() else nan,
        mae_all=float(error.mean()) if error.size else nan,
        expected_over_observed=float(made.sum()) / total if total else nan,
        busy_share=float(busy.mean()) if busy.size else nan,
    )


def rolling_means(counts: NDArray[np.integer], *, days: int, recent: int) -> Mapping[str, NDArray[np.float64]]:
    """Forecast the last days of a record by means of what came before each.

    Parameters
    ----------
    counts : ndarray of int, shape (n_categories, n_squares, n_days)
    days : int
        How many days at the end are forecast.
    recent : int
        Window of the recent mean, days.

    Returns
    -------
    mapping of str to ndarray of float, shape (n_categories, n_squares, days)
        ``count`` (all days before), ``recent_count``, ``one``, which says one everywhere, and ``zero``.

    Raises
    ------
    DomainError
        If there is no day before the first one to forecast.
    """
    last = counts.shape[-1]
    if not 0 < days < last:
        raise DomainError(f"{days} days cannot be forecast from a record of {last}: at least one must come before.")
    upto = np.concatenate([np.zeros((*counts.shape[:-1], 1)), np.cumsum(counts, axis=-1, dtype=float)], axis=-1)
    day = np.arange(last - days, last)
    begin = np.maximum(day - recent, 0)
    return {
        "one": np.ones((*counts.shape[:-1], days)),
        "zero": np.zeros((*counts.shape[:-1], days)),
        "count": upto[..., day] / day,
        "recent_count": (upto[..., day] - upto[..., begin]) / (day - begin),
    }
