"""Does a place's count rise, fall or change over time? Tests of many short series at once."""

from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from crimepatterns.domain.protocols import Executor
from crimepatterns.errors import PatternError
from crimepatterns.patterns.permutation import replicates as draw_replicates
from crimepatterns.patterns.significance import binomial_tail

__all__ = ["binomial_two_sided", "mann_kendall", "unusual_stretch"]

_BATCH = 64
_CHUNK = 1000


def mann_kendall(
    series: ArrayLike,
    *,
    block: int = 1,
    replicates: int = 1999,
    seed: int = 0,
    executor: Executor | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Test each series for a monotonic trend, by permuting blocks of steps rather than by the normal approximation.

    All series are permuted together, and whole blocks stay as they are, so that likeness of neighbouring steps shorter
    than a block, and between places, does not pass for a trend. Ties need no correction: S is a whole number.

    Parameters
    ----------
    series : array_like of float, shape (n_series, n_steps)
    block : int
        Steps that stay together; at least four blocks must fit.
    replicates, seed : int
    executor : Executor, optional

    Returns
    -------
    tau : ndarray of float, shape (n_series,)
        S divided by the number of pairs of steps, in [-1, 1]; above 0 the series rises.
    p_values : ndarray of float, shape (n_series,)
        Two-sided, (m + 1) / (r + 1).

    Raises
    ------
    PatternError
        If there are fewer than four blocks, or a value is not finite.

    References
    ----------
    Mann (1945), https://doi.org/10.2307/1907187; for blocks Kunsch (1989), https://doi.org/10.1214/aos/1176347265
    """
    values = np.asarray(series, dtype=float)
    if values.ndim != 2 or not np.isfinite(values).all():
        raise PatternError(f"A trend needs finite series of shape (places, steps), got shape {values.shape}.")
    steps = values.shape[1]
    if block < 1 or steps < 4 * block:
        raise PatternError(f"A trend needs at least four blocks of {block} steps, got {steps} steps.")
    if not len(values):
        return np.zeros(0), np.zeros(0)
    first, second = np.triu_indices(steps, 1)
    signs = np.sign(values[:, second] - values[:, first]).astype(np.float32)
    observed = signs.sum(axis=1)
    higher, lower = np.zeros(len(values), dtype=np.int64), np.zeros(len(values), dtype=np.int64)
    orders = draw_replicates(partial(_block_order, steps, block), replicates, seed=seed, executor=executor)
    batch: list[NDArray[np.float64]] = []
    for k, order in enumerate(orders, start=1):
        batch.append(order)
        if len(batch) == _BATCH or k == replicates:
            place = np.argsort(np.array(batch), axis=1)
            # Sums of signs are whole numbers far below 2^24: exact in single precision, whatever the order of work.
            drawn = signs @ np.sign(place[:, second] - place[:, first]).astype(np.float32).T
            higher += (drawn >= observed[:, None]).sum(axis=1)
            lower += (drawn <= observed[:, None]).sum(axis=1)
            batch = []
    p = np.minimum(2.0 * (np.minimum(higher, lower) + 1.0) / (replicates + 1.0), 1.0)
    return observed.astype(float) / len(first), p


def unusual_stretch(counts: ArrayLike, share: ArrayLike) -> NDArray[np.float64]:
    """Test each series of counts for any stretch of steps with too many or too few, given its total.

    If nothing changes, the count in a stretch is binomial given the total. The most unusual of all stretches counts;
    its exact two-sided p-value is multiplied by their number (Bonferroni).

    Parameters
    ----------
    counts : array_like of int, shape (n_series, n_steps)
    share : array_like of float, shape (n_steps,)
        Each step's share if nothing changes, such as its share of the days; sums to 1.

    Returns
    -------
    ndarray of float, shape (n_series,)
        p-values; 1 for series without incidents.
    """
    values, part = np.asarray(counts, dtype=float), np.asarray(share, dtype=float)
    steps = values.shape[1]
    # A stretch from the first step on is the complement of one up to the last, and has the same two-sided p-value.
    begin, end = np.triu_indices(steps, 1)
    begin, end = begin + 1, end + 1
    held = np.concatenate([[0.0], np.cumsum(part)])
    chance = np.clip(held[end] - held[begin], 0.0, 1.0)
    least = np.ones(len(values))
    for first in range(0, len(values), _CHUNK):
        block = values[first : first + _CHUNK]
        summed = np.concatenate([np.zeros((len(block), 1)), np.cumsum(block, axis=1)], axis=1)
        least[first : first + _CHUNK] = _least_tail(summed[:, end] - summed[:, begin], block.sum(axis=1), chance)
    return np.minimum(least * len(chance), 1.0)


def binomial_two_sided(counts: ArrayLike, total: ArrayLike, share: ArrayLike) -> NDArray[np.float64]:
    """Return twice the smaller exact tail of binomial counts, at most 1; for one total or one per count.

    Parameters
    ----------
    counts : array_like of int, shape (n,)
    total : array_like of int, shape (n,) or ()
    share : array_like of float, shape (n,) or ()
    """
    trials = np.asarray(total, dtype=float)
    upper = binomial_tail(counts, trials, share, alternative="greater")
    lower = binomial_tail(counts, trials, share, alternative="less")
    return np.minimum(2.0 * np.minimum(upper, lower), 1.0)


def _block_order(steps: int, block: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the steps in an order that keeps blocks whole; where the blocks begin is drawn too."""
    start = int(rng.integers(0, block)) if block > 1 else 0
    edges = np.unique(np.concatenate([[0], np.arange(start, steps, block), [steps]]))
    pieces = np.split(np.arange(steps, dtype=float), edges[1:-1])
    return np.concatenate([pieces[k] for k in rng.permutation(len(pieces))])


def _least_tail(
    counts: NDArray[np.float64], total: NDArray[np.float64], chance: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the least two-sided tail of each row, or 1 where Bonferroni would make it 1 anyway.

    The chance of exactly k of n, and with it either tail, is at least ``exp(-n D) / sqrt(8 n x (1 - x))`` with x = k/n
    and D the divergence of x from the chance (Ash 1990, lemma 4.7.2), so that most stretches need no exact tail.
    """
    rows, stretches = counts.shape
    n = total[:, None]
    rest = n - counts
    expected = n * chance
    divergence = special.xlogy(counts, _ratio(counts, expected)) + special.xlogy(rest, _ratio(rest, n - expected))
    spread = np.sqrt(np.maximum(8.0 * counts * rest / np.maximum(n, 1.0), 1.0))
    floor = 2.0 * np.exp(-divergence) / spread
    everyone = np.arange(rows)
    likely = np.argmin(floor, axis=1)
    least = binomial_two_sided(counts[everyone, likely], total, chance[likely])
    row, column = np.nonzero((floor < least[:, None]) & (floor * stretches < 1.0))
    np.minimum.at(least, row, binomial_two_sided(counts[row, column], total[row], chance[column]))
    return least


def _ratio(above: NDArray[np.float64], below: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(above, below, out=np.ones_like(above), where=below > 0)
