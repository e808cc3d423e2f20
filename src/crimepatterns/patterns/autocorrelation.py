"""Getis-Ord Gi*: cells that, together with their neighbours, hold more incidents than chance would put there."""

from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crimepatterns.domain.grid import Grid
from crimepatterns.domain.surface import Surface
from crimepatterns.errors import PatternError
from crimepatterns.patterns.significance import binomial_tail, discoveries, false_discovery_rate

__all__ = ["gi_star"]


def gi_star(
    counts: ArrayLike,
    grid: Grid,
    *,
    fdr: float = 0.05,
    alternative: Literal["hot", "cold"] = "hot",
    expected: ArrayLike | None = None,
) -> Surface:
    """Find hot spots: cells whose neighbourhood holds more incidents than the null hypothesis can explain.

    The neighbourhood of a cell is the cell itself and the cells it touches. Significance does not rest on the normal
    approximation, which gives hundreds of false cells where counts are sparse: given that N incidents happened, the
    number in a neighbourhood is binomial under the null, and its exact tail is the p-value.

    Parameters
    ----------
    counts : array_like of int, shape (n_cells,)
        Incidents per cell.
    grid : Grid
    fdr : float
        False discovery rate for the ``discoveries`` reported in the parameters, in (0, 1).
    alternative : {"hot", "cold"}
        Look for more incidents than expected, or for fewer.
    expected : array_like of float, shape (n_cells,), optional
        Expected counts in any unit, such as residents, or incidents of earlier years. Where left out, incidents fall
        anywhere in the study area with the same chance per square kilometre.

    Returns
    -------
    Surface
        ``values`` are z-scores: the analytic Gi* with binary weights, or where `expected` is given the difference
        from it in binomial standard deviations; 0 where z has no spread to be measured in. ``p_values`` are exact
        tails, ``q_values`` those after Benjamini and Hochberg; ``times_expected`` is the size of the effect.

    Raises
    ------
    PatternError
        If counts do not fit the grid, are not whole numbers >= 0, or are all zero; or `expected` is unusable.

    References
    ----------
    Ord and Getis (1995), https://doi.org/10.1111/j.1538-4632.1995.tb00912.x
    """
    whole = _checked_counts(counts, grid)
    if alternative not in ("hot", "cold"):
        raise PatternError(f"alternative must be 'hot' or 'cold', got {alternative!r}.")
    total = int(whole.sum())
    lag = _with_neighbours(whole, grid)
    mass = grid.area_km2 if expected is None else _checked_expected(expected, grid)
    share = np.minimum(_with_neighbours(mass, grid) / mass.sum(), 1.0)
    p = binomial_tail(lag, total, share, alternative="greater" if alternative == "hot" else "less")
    q = false_discovery_rate(p)
    found = discoveries(q, fdr=fdr)
    return Surface(
        grid=grid,
        method="gi_star",
        values=_analytic_z(whole, lag, grid) if expected is None else _binomial_z(lag, total, share),
        unit="z-score",
        p_values=p,
        q_values=q,
        null=_null_in_words(total, given=expected is not None),
        times_expected=np.divide(lag, total * share, out=np.full(len(grid), np.nan), where=share > 0),
        parameters=MappingProxyType(
            {
                "fdr": fdr,
                "alternative": alternative,
                "neighbourhood": "the cell and the cells it touches",
                "null": "study area" if expected is None else "expected counts",
                "incidents": total,
                "discoveries": int(found.sum()),
            }
        ),
    )


def _checked_counts(counts: ArrayLike, grid: Grid) -> NDArray[np.float64]:
    values = np.asarray(counts, dtype=float)
    if values.shape != (len(grid),):
        raise PatternError(f"Gi* needs one count per cell, shape ({len(grid)},), got {values.shape}.")
    if not np.isfinite(values).all() or (values < 0).any() or (values != np.floor(values)).any():
        raise PatternError("Gi* needs whole, non-negative counts: its test is exact for counts, not for rates.")
    if not values.any():
        raise PatternError("Gi* needs at least one incident, got none: widen the window or the category.")
    return values


def _checked_expected(expected: ArrayLike, grid: Grid) -> NDArray[np.float64]:
    values = np.asarray(expected, dtype=float)
    if values.shape != (len(grid),):
        raise PatternError(f"Expected counts need shape ({len(grid)},), one per cell, got {values.shape}.")
    if not np.isfinite(values).all() or (values < 0).any() or not values.any():
        raise PatternError("Expected counts must be finite, not negative and not all zero.")
    return values


def _with_neighbours(values: NDArray[np.float64], grid: Grid) -> NDArray[np.float64]:
    total: NDArray[np.float64] = grid.adjacency @ values + values
    return total


def _analytic_z(counts: NDArray[np.float64], lag: NDArray[np.float64], grid: Grid) -> NDArray[np.float64]:
    """Standardise the lag by its mean and variance when the counts are shuffled over all cells."""
    n = len(grid)
    if counts.min() == counts.max():
        return np.zeros(n)
    size = np.diff(grid.adjacency.indptr).astype(float) + 1.0
    spread = counts.std() * np.sqrt(size * (n - size) / (n - 1))
    return _ratio(lag - size * counts.mean(), spread)


def _binomial_z(lag: NDArray[np.float64], total: int, share: NDArray[np.float64]) -> NDArray[np.float64]:
    return _ratio(lag - total * share, np.sqrt(total * share * (1.0 - share)))


def _ratio(difference: NDArray[np.float64], spread: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(difference, spread, out=np.zeros_like(difference), where=spread > 0)


def _null_in_words(total: int, *, given: bool) -> str:
    where = (
        "in proportion to the expected counts of the cells"
        if given
        else "anywhere in the study area with the same chance per square kilometre"
    )
    return f"each of the {total:,} incidents falls, independently of the others, {where}"
