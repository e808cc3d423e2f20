"""Local Moran: cells that resemble their neighbours, or stand out among them, more than shuffled counts would."""

from functools import partial
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln

from crimepatterns.domain.grid import Grid
from crimepatterns.domain.protocols import Executor
from crimepatterns.domain.surface import Surface
from crimepatterns.errors import PatternError
from crimepatterns.patterns.permutation import permutation_test
from crimepatterns.patterns.significance import discoveries, false_discovery_rate

__all__ = ["QUADRANTS", "local_moran", "quadrants", "shuffled_sum_tails"]

QUADRANTS = ("high-high", "low-high", "low-low", "high-low")
"""The cell itself, then its neighbours, each against the mean; in the order of Anselin's scatter plot."""

_LARGEST_WORK = 2e9
_NULL = "the counts of the other cells are shuffled, each order being equally likely"


def local_moran(
    values: ArrayLike,
    grid: Grid,
    *,
    fdr: float = 0.05,
    method: Literal["auto", "exact", "permutation"] = "auto",
    replicates: int = 999,
    seed: int = 0,
    executor: Executor | None = None,
) -> Surface:
    """Compare each cell with its neighbours: clusters of high or low values, and cells unlike their surroundings.

    For counts the permutation distribution of the neighbours' sum is worked out exactly from the histogram of the
    counts: no seed, no Monte-Carlo error. Other values are shuffled `replicates` times.

    Parameters
    ----------
    values : array_like of float, shape (n_cells,)
        Counts or rates.
    grid : Grid
        Cells without neighbours get the value 0 and p = 1, and are left out of the correction.
    fdr : float
    method : {"auto", "exact", "permutation"}
        ``auto`` is exact for whole numbers >= 0 unless their sums would take too long to work out.
    replicates, seed : int
        For ``permutation`` only.
    executor : Executor, optional
        For ``permutation`` only.

    Returns
    -------
    Surface
        ``values`` are local Moran's I with row-standardised weights, scaled by n - 1 as is customary; ``p_values`` are
        two-sided (twice the smaller tail, ties included); ``times_expected`` is the neighbours' mean divided by the
        overall mean. See `quadrants` for the kind of each cell.

    Raises
    ------
    PatternError
        If values do not fit the grid, are not finite, or ``exact`` is asked for anything but counts.

    References
    ----------
    Anselin (1995), https://doi.org/10.1111/j.1538-4632.1995.tb00338.x; for the conditional distribution Sauer et al.
    (2021), https://doi.org/10.1111/gean.12304
    """
    array = _checked(values, grid)
    degree = np.diff(grid.adjacency.indptr)
    lag: NDArray[np.float64] = grid.adjacency @ array
    exact = _choose_exact(array, int(degree.max(initial=0)), method)
    linked = degree > 0
    p = np.ones(len(grid))
    if array.min() < array.max() and linked.any():
        upper, lower = (
            shuffled_sum_tails(array, degree, lag)
            if exact
            else _simulated_tails(array, grid, replicates, seed, executor)
        )
        p[linked] = np.minimum(2.0 * np.minimum(upper, lower), 1.0)[linked]
    q = np.ones(len(grid))
    q[linked] = false_discovery_rate(p[linked])
    kinds = quadrants(array, grid)
    found = discoveries(q, fdr=fdr) & linked
    simulated = {} if exact else {"replicates": replicates, "seed": seed}
    mean = array.mean()
    around = np.divide(lag, degree, out=np.full(len(grid), np.nan), where=linked)
    return Surface(
        grid=grid,
        method="local_moran",
        values=_statistic(array, around, linked),
        unit="local Moran's I",
        p_values=p,
        q_values=q,
        null=_NULL,
        times_expected=around / mean if mean > 0 else np.full(len(grid), np.nan),
        parameters=MappingProxyType(
            {
                "fdr": fdr,
                "neighbourhood": "the cells it touches",
                "null": "exact permutation" if exact else "simulated permutation",
                "total": float(array.sum()),
                "without_neighbours": int((~linked).sum()),
                "discoveries": int(found.sum()),
                **{kind: int((found & (kinds == kind)).sum()) for kind in QUADRANTS},
                **simulated,
            }
        ),
    )


def quadrants(values: ArrayLike, grid: Grid) -> NDArray[np.object_]:
    """Name each cell by its own value and its neighbours' mean, against the overall mean.

    Returns
    -------
    ndarray of str, shape (n_cells,)
        One of `QUADRANTS`; empty for cells without neighbours.
    """
    array = _checked(values, grid)
    degree = np.diff(grid.adjacency.indptr)
    mean = array.mean()
    around = np.divide(grid.adjacency @ array, degree, out=np.full(len(grid), mean), where=degree > 0)
    position = np.where(array > mean, np.where(around > mean, 0, 3), np.where(around > mean, 1, 2))
    return np.where(degree > 0, np.array(QUADRANTS, dtype=object)[position], "")


def shuffled_sum_tails(
    counts: NDArray[np.float64], degree: NDArray[np.int64], sums: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give the exact chance that k counts drawn without replacement from all other cells sum to what was observed.

    Parameters
    ----------
    counts : ndarray of float, shape (n_cells,)
        Whole numbers >= 0.
    degree : ndarray of int, shape (n_cells,)
        Number k of neighbours.
    sums : ndarray of float, shape (n_cells,)
        Observed sum over the neighbours.

    Returns
    -------
    upper, lower : ndarray of float, shape (n_cells,)
        P(sum >= observed) and P(sum <= observed).

    Notes
    -----
    The distribution of the sum of m draws from the whole population is built value by value (a mixture of
    hypergeometric shares); the population without one cell of value v follows from
    ``n P_m(s) = (n - m) Q_m(s) + m Q_{m-1}(s - v)``, where P has n cells and Q lacks the one.
    """
    own, largest, n = counts.astype(np.int64), int(degree.max(initial=0)), len(counts)
    whole = _sum_distributions(np.bincount(own), largest)
    observed = sums.astype(np.int64)
    upper, lower = np.ones(n), np.ones(n)
    order = np.argsort(own, kind="stable")
    starts = np.flatnonzero(np.diff(own[order], prepend=-1))
    for members in np.split(order, starts[1:]):
        rest = _without_one(whole, int(own[members[0]]), n)
        below = np.cumsum(rest, axis=1)
        above = np.cumsum(rest[:, ::-1], axis=1)[:, ::-1]
        k, s = degree[members], np.minimum(observed[members], rest.shape[1] - 1)
        upper[members], lower[members] = above[k, s], below[k, s]
    return np.clip(upper, 0.0, 1.0), np.clip(lower, 0.0, 1.0)


def _checked(values: ArrayLike, grid: Grid) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=float)
    if array.shape != (len(grid),):
        raise PatternError(f"Local Moran needs one value per cell, shape ({len(grid)},), got {array.shape}.")
    if not np.isfinite(array).all():
        raise PatternError("Local Moran needs finite values: leave cells without a value out of the grid.")
    return array


def _choose_exact(values: NDArray[np.float64], degree: int, method: str) -> bool:
    if method not in ("auto", "exact", "permutation"):
        raise PatternError(f"method must be 'auto', 'exact' or 'permutation', got {method!r}.")
    counts = bool((values >= 0).all() and (values == np.floor(values)).all())
    if method == "exact" and not counts:
        raise PatternError("The exact null is for whole numbers >= 0: use method='permutation' for rates.")
    work = len(np.unique(values)) * (degree + 1.0) ** 2 * (degree + 1.0) * values.max(initial=0.0) / 2.0
    return method == "exact" or (method == "auto" and counts and work <= _LARGEST_WORK)


def _statistic(
    values: NDArray[np.float64], around: NDArray[np.float64], linked: NDArray[np.bool_]
) -> NDArray[np.float64]:
    centred = values - values.mean()
    power = float(centred @ centred)
    if power == 0:
        return np.zeros(len(values))
    return np.where(linked, (len(values) - 1) * centred * (around - values.mean()) / power, 0.0)


def _sum_distributions(histogram: NDArray[np.int64], draws: int) -> NDArray[np.float64]:
    """Give P(m draws sum to s) for m = 0 ... draws, shape (draws + 1, sums)."""
    top = (len(histogram) - 1) * draws + 1
    result = np.zeros((draws + 1, top))
    result[0, 0] = 1.0
    seen = 0
    for value in np.flatnonzero(histogram):
        more = int(histogram[value])
        result = _with_group(result, int(value), seen, more)
        seen += more
    return result


def _with_group(before: NDArray[np.float64], value: int, seen: int, more: int) -> NDArray[np.float64]:
    """Add `more` cells of one value to a population of `seen` cells."""
    after = np.zeros_like(before)
    for m in range(len(before)):
        for j in range(min(m, more) + 1):
            if m - j > seen or m > seen + more:
                continue
            share = np.exp(_log_choose(more, j) + _log_choose(seen, m - j) - _log_choose(seen + more, m))
            shift = j * value
            after[m, shift:] += share * before[m - j, : before.shape[1] - shift]
    return after


def _without_one(whole: NDArray[np.float64], value: int, n: int) -> NDArray[np.float64]:
    rest = np.zeros_like(whole)
    rest[0, 0] = 1.0
    for m in range(1, min(len(whole), n)):
        shifted = np.zeros(whole.shape[1])
        shifted[value:] = rest[m - 1, : whole.shape[1] - value]
        rest[m] = np.maximum(n * whole[m] - m * shifted, 0.0) / (n - m)
    return rest


def _log_choose(n: int, k: int) -> float:
    return float(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1))


def _simulated_tails(
    values: NDArray[np.float64], grid: Grid, replicates: int, seed: int, executor: Executor | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    degree = np.diff(grid.adjacency.indptr)
    observed: NDArray[np.float64] = grid.adjacency @ values
    simulate = partial(_shuffled_sums, values, degree)
    both = permutation_test(
        np.concatenate([observed, -observed]), simulate, count=replicates, seed=seed, executor=executor
    )
    return both.p_values[: len(values)], both.p_values[len(values) :]


def _shuffled_sums(
    values: NDArray[np.float64], degree: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Sum k values drawn without replacement from the other cells, for each cell."""
    n, widest = len(values), int(degree.max())
    drawn = rng.integers(0, n - 1, size=(n, widest))
    rows = np.arange(n)
    while True:
        # Draws beyond a cell's own degree do not count, and may repeat.
        padded = np.where(np.arange(widest) < degree[:, None], drawn, -1 - np.arange(widest))
        ordered = np.sort(padded, axis=1)
        again = rows[(ordered[:, 1:] == ordered[:, :-1]).any(axis=1)]
        if not again.size:
            break
        drawn[again] = rng.integers(0, n - 1, size=(len(again), widest))
    others = drawn + (drawn >= rows[:, None])
    sums = np.where(np.arange(widest) < degree[:, None], values[others], 0.0).sum(axis=1)
    return np.concatenate([sums, -sums])
