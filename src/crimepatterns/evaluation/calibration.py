"""Whether expected counts come true: where little is expected, where much is, and within the stated intervals."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from crimepatterns.evaluation.comparison import Estimate, pooled_ratio

__all__ = ["CALIBRATION_COLUMNS", "MIN_MEAN", "calibration_slope", "calibration_table", "coverage", "pit_histogram"]

CALIBRATION_COLUMNS: tuple[str, ...] = ("group", "cells", "expected", "observed", "ratio", "lower", "upper")

MIN_MEAN = 0.5
"""Below this expected count an interval or a PIT says nothing: a flat forecast passes both."""


def calibration_table(
    expected: Sequence[NDArray[np.float64]],
    observed: Sequence[NDArray[np.int64]],
    *,
    groups: int = 10,
    confidence: float = 0.95,
    ordered_by: Sequence[NDArray[np.float64]] | None = None,
) -> pd.DataFrame:
    """Compare observed with expected in groups of cells that hold equal shares of what was expected.

    Group 1 holds the cells with the highest expectations. Cells with equal expectations stay together, so that there
    may be fewer groups. Intervals are exact for Poisson counts, widened by the dispersion between origins.

    Parameters
    ----------
    expected, observed : sequence of ndarray, each shape (n_cells,)
        One of each per origin.
    groups : int
    confidence : float
    ordered_by : sequence of ndarray, each shape (n_cells,), optional
        Values known before each origin by which cells are put into groups instead, such as what another model expects:
        a forecast that is too flat comes out right in groups of its own and wrong in these.

    Returns
    -------
    DataFrame
        `CALIBRATION_COLUMNS`; ``cells`` is the mean number per origin, ``ratio`` is observed / expected.
    """
    means, counts = np.concatenate(list(expected)), np.concatenate(list(observed)).astype(float)
    origin = np.repeat(np.arange(len(expected)), [len(part) for part in expected])
    key = means if ordered_by is None else np.concatenate(list(ordered_by)).astype(float)
    group = _equal_mass_groups(means, groups, key)
    rows = []
    for number in np.unique(group):
        members = group == number
        per_origin_e = np.bincount(origin[members], weights=means[members], minlength=len(expected)).astype(float)
        per_origin_o = np.bincount(origin[members], weights=counts[members], minlength=len(expected)).astype(float)
        total_e, total_o = float(per_origin_e.sum()), float(per_origin_o.sum())
        ratio, lower, upper = _ratio_interval(per_origin_o, per_origin_e, confidence)
        rows.append((int(number) + 1, members.sum() / len(expected), total_e, total_o, ratio, lower, upper))
    return pd.DataFrame(rows, columns=list(CALIBRATION_COLUMNS))


def calibration_slope(
    expected: Sequence[NDArray[np.float64]], observed: Sequence[NDArray[np.int64]], *, confidence: float = 0.95
) -> Estimate:
    """Fit the slope of log observed on log expected by Poisson regression; 1 is ideal.

    Below 1 the map is too contrasted (hot cells too hot, cold cells too cold), above 1 too flat. Cells with an expected
    count of 0 are left out. The interval comes from the influence of each origin.

    Parameters as in `calibration_table`; value nan where expectations do not vary.
    """
    nan = float("nan")
    means, counts = np.concatenate(list(expected)), np.concatenate(list(observed)).astype(float)
    origin = np.repeat(np.arange(len(expected)), [len(part) for part in expected])
    keep = means > 0
    x, y, origin = np.log(means[keep]), counts[keep], origin[keep]
    if len(x) < 3 or y.sum() == 0 or np.ptp(x) < 1e-9:
        return Estimate(nan, nan, nan, nan, 0, nan)
    centre = float(np.average(x, weights=np.exp(x)))
    design = np.column_stack([np.ones_like(x), x - centre])
    coefficients = _poisson_regression(design, y, start=np.array([centre + np.log(y.sum() / np.exp(x).sum()), 1.0]))
    if coefficients is None:
        return Estimate(nan, nan, nan, nan, 0, nan)
    fitted = np.exp(design @ coefficients)
    information = design.T @ (design * fitted[:, None])
    scores = design * (y - fitted)[:, None]
    per_origin = np.column_stack([np.bincount(origin, weights=part, minlength=len(expected)) for part in scores.T])
    influence = (per_origin @ np.linalg.inv(information))[:, 1] * len(expected)
    spread = pooled_ratio(coefficients[1] + influence, np.ones(len(expected)), confidence=confidence)
    reach = spread.upper - spread.value
    slope = float(coefficients[1])
    return Estimate(slope, slope - reach, slope + reach, spread.standard_error, spread.degrees, nan)


def coverage(
    expected: ArrayLike, observed: ArrayLike, lower: ArrayLike, upper: ArrayLike, *, min_mean: float = MIN_MEAN
) -> tuple[int, int]:
    """Count the cells whose count lay within its interval, and the cells where that says anything.

    Parameters
    ----------
    expected, observed, lower, upper : array_like of float, shape (n_cells,)
        Bounds belong to the interval; for counts its true coverage is at least the nominal one.
    min_mean : float
        Only cells with at least this expected count.

    Returns
    -------
    covered, cells : int
    """
    count = np.asarray(observed)
    telling = np.asarray(expected) >= min_mean
    within = (count >= np.asarray(lower)) & (count <= np.asarray(upper)) & telling
    return int(within.sum()), int(telling.sum())


def pit_histogram(
    expected: Sequence[NDArray[np.float64]],
    observed: Sequence[NDArray[np.int64]],
    *,
    bins: int = 10,
    min_mean: float = MIN_MEAN,
) -> NDArray[np.float64]:
    """Histogram of the probability integral transform for counts; flat is ideal, a U shows intervals too narrow.

    Czado, Gneiting & Held 2009, doi:10.1111/j.1541-0420.2009.01191.x (not randomised, Poisson).

    Parameters
    ----------
    expected, observed : sequence of ndarray, each shape (n_cells,)
    bins : int
    min_mean : float
        Only cells with at least this expected count.

    Returns
    -------
    ndarray of float, shape (bins,)
        Shares that sum to 1; nan where no cell expects enough.
    """
    means, counts = np.concatenate(list(expected)), np.concatenate(list(observed))
    keep = means >= min_mean
    if not keep.any():
        return np.full(bins, np.nan)
    means, counts = means[keep], counts[keep]
    below, at = stats.poisson.cdf(counts - 1, means), stats.poisson.cdf(counts, means)
    edges = np.linspace(0, 1, bins + 1)
    reached = np.clip((edges[:, None] - below) / np.maximum(at - below, 1e-300), 0, 1).mean(axis=1)
    return np.diff(reached)


def _equal_mass_groups(means: NDArray[np.float64], groups: int, key: NDArray[np.float64]) -> NDArray[np.int64]:
    levels, index = np.unique(-key, return_inverse=True)
    mass = np.bincount(index, weights=means)
    total = mass.sum()
    if total <= 0:
        return np.zeros(len(means), dtype=np.int64)
    middle = np.cumsum(mass) - mass / 2
    level_group = np.minimum((middle / total * groups).astype(np.int64), groups - 1)
    return np.asarray(level_group[index.reshape(-1)] if len(levels) else index, dtype=np.int64)


def _ratio_interval(
    observed: NDArray[np.float64], expected: NDArray[np.float64], confidence: float
) -> tuple[float, float, float]:
    """Return observed / expected with a Garwood interval on counts deflated by their dispersion between origins."""
    total_o, total_e = float(observed.sum()), float(expected.sum())
    if total_e <= 0:
        return float("nan"), float("nan"), float("nan")
    ratio, dispersion = total_o / total_e, 1.0
    usable = expected > 0
    if ratio > 0 and usable.sum() > 1:
        fitted = ratio * expected[usable]
        dispersion = max(1.0, float(((observed[usable] - fitted) ** 2 / fitted).sum() / (usable.sum() - 1)))
    tail, effective = (1 - confidence) / 2, total_o / dispersion
    lower = float(stats.chi2.ppf(tail, 2 * effective)) / 2 * dispersion / total_e if effective > 0 else 0.0
    upper = float(stats.chi2.isf(tail, 2 * effective + 2)) / 2 * dispersion / total_e
    return ratio, lower, upper


def _poisson_regression(
    design: NDArray[np.float64], counts: NDArray[np.float64], *, start: NDArray[np.float64]
) -> NDArray[np.float64] | None:
    """Fit by Newton's method; None where it does not converge."""
    coefficients = start.astype(float)
    for _ in range(50):
        fitted = np.exp(np.clip(design @ coefficients, -50, 50))
        information = design.T @ (design * fitted[:, None])
        try:
            step = np.linalg.solve(information, design.T @ (counts - fitted))
        except np.linalg.LinAlgError:
            return None
        coefficients = coefficients + np.clip(step, -2, 2)
        if np.abs(step).max() < 1e-9:
            return coefficients
    return None
