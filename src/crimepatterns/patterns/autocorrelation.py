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
    background: ArrayLike | None = None,
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
        Expected counts in any unit that are known well, such as residents. Where left out, incidents fall anywhere in
        the study area with the same chance per square kilometre.
    background : array_like of int, shape (n_cells,), optional
        Counts of another time or kind, such as those of earlier years, which are chance themselves: hot is then what
        exceeds their map by more than both chances together.

    Returns
    -------
    Surface
        ``values`` are z-scores: the analytic Gi* with binary weights, or where `expected` or `background` is given the
        difference from it in binomial standard deviations; 0 where z has no spread to be measured in. ``p_values`` are
        exact tails, ``q_values`` those after Benjamini and Hochberg; ``times_expected`` is the size of the effect.

    Raises
    ------
    PatternError
        If counts do not fit the grid, are not whole numbers >= 0, or are all zero; or `expected` or `background` is
        unusable, or both are given.

    References
    ----------
    Ord and Getis (1995), https://doi.org/10.1111/j.1538-4632.1995.tb00912.x; for two counts, of which neither is the
    truth, Przyborowski and Wilenski (1940), https://doi.org/10.1093/biomet/31.3-4.313
    """
    whole = _checked_counts(counts, grid)
    if alternative not in ("hot", "cold"):
        raise PatternError(f"alternative must be 'hot' or 'cold', got {alternative!r}.")
    if expected is not None and background is not None:
        raise PatternError("Gi* takes expected counts or a background, not both.")
    lag = _with_neighbours(whole, grid)
    trials, share, times = _null_law(whole, lag, grid, expected, background)
    total, given = int(whole.sum()), expected is not None or background is not None
    p = binomial_tail(lag, trials, share, alternative="greater" if alternative == "hot" else "less")
    q = false_discovery_rate(p)
    found = discoveries(q, fdr=fdr)
    return Surface(
        grid=grid,
        method="gi_star",
        values=_binomial_z(lag, trials, share) if given else _analytic_z(whole, lag, grid),
        unit="z-score",
        p_values=p,
        q_values=q,
        null=_null_in_words(total, expected, background),
        times_expected=times,
        parameters=MappingProxyType(
            {
                "fdr": fdr,
                "alternative": alternative,
                "neighbourhood": "the cell and the cells it touches",
                "null": "background" if background is not None else "expected counts" if given else "study area",
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


def _null_law(
    counts: NDArray[np.float64],
    lag: NDArray[np.float64],
    grid: Grid,
    expected: ArrayLike | None,
    background: ArrayLike | None,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return trials and chance of each neighbourhood's binomial law, and how many times its expectation it holds."""
    total = float(counts.sum())
    if background is not None:
        other = _checked_counts(background, grid)
        before = _with_neighbours(other, grid)
        share = np.full(len(grid), total / (total + other.sum()))
        return lag + before, share, _divided(lag, before * total / float(other.sum()))
    mass = grid.area_km2 if expected is None else _checked_expected(expected, grid)
    share = np.minimum(_with_neighbours(mass, grid) / mass.sum(), 1.0)
    return (
        np.full(len(grid), total),
        share,
        np.divide(lag, total * share, out=np.full(len(grid), np.nan), where=share > 0),
    )


def _divided(above: NDArray[np.float64], below: NDArray[np.float64]) -> NDArray[np.float64]:
    """Divide; infinite for something from nothing, nan for nothing from nothing."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(above / below, dtype=float)


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


def _binomial_z(
    lag: NDArray[np.float64], total: NDArray[np.float64], share: NDArray[np.float64]
) -> NDArray[np.float64]:
    return _ratio(lag - total * share, np.sqrt(total * share * (1.0 - share)))


def _ratio(difference: NDArray[np.float64], spread: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(difference, spread, out=np.zeros_like(difference), where=spread > 0)


def _null_in_words(total: int, expected: ArrayLike | None, background: ArrayLike | None) -> str:
    if background is not None:
        other = int(np.asarray(background).sum())
        return f"the {total:,} incidents and the {other:,} of the background fall with the same chances of the places"
    where = (
        "anywhere in the study area with the same chance per square kilometre"
        if expected is None
        else "in proportion to the expected counts of the cells"
    )
    return f"each of the {total:,} incidents falls, independently of the others, {where}"
