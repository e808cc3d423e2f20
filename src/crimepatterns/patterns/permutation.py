"""Tests by simulation whose answer depends on the seed only: not on chunks, workers or the order of work.

Replicate number k always draws from a random stream of its own, the counter-based generator Philox with the key
(seed, k), so that any worker can make any replicate.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crimepatterns.domain.protocols import Executor
from crimepatterns.errors import PatternError

__all__ = [
    "Alternative",
    "PermutationTest",
    "Simulate",
    "exceeds",
    "permutation_test",
    "replicate_stream",
    "replicates",
]

Alternative = Literal["greater", "less", "two-sided"]

Simulate = Callable[[np.random.Generator], NDArray[np.float64]]
"""Draws the statistic once under the null hypothesis; the same shape each time."""

_TIE = 1e-12


@dataclass(frozen=True, eq=False)
class PermutationTest:
    """What was observed beside what the null hypothesis gives.

    Parameters
    ----------
    observed, mean, sd : ndarray of float, any one shape
        The statistic, and its mean and standard deviation under the null hypothesis.
    p_values : ndarray of float, that shape
        (m + 1) / (r + 1), where m of r replicates are at least as extreme; a tie counts as extreme.
    replicates : int
        r.
    seed : int
    alternative : {"greater", "less", "two-sided"}
    """

    observed: NDArray[np.float64]
    mean: NDArray[np.float64] = field(repr=False)
    sd: NDArray[np.float64] = field(repr=False)
    p_values: NDArray[np.float64]
    replicates: int
    seed: int
    alternative: Alternative


def replicate_stream(seed: int, replicate: int) -> np.random.Generator:
    """Return the random stream of one replicate; streams of different replicates or seeds are independent.

    References
    ----------
    Salmon et al. (2011), https://doi.org/10.1145/2063384.2063405
    """
    return np.random.Generator(np.random.Philox(key=np.array([seed, replicate], dtype=np.uint64)))


def exceeds(simulated: ArrayLike, observed: ArrayLike) -> NDArray[np.bool_]:
    """Tell where a simulated value is at least the observed one; values that differ by rounding only are ties."""
    drawn, seen = np.asarray(simulated, dtype=float), np.asarray(observed, dtype=float)
    return drawn >= seen - _TIE * np.maximum(np.abs(drawn), np.abs(seen))


def replicates(
    simulate: Simulate, count: int, *, seed: int, executor: Executor | None = None, chunk: int = 16
) -> Iterator[NDArray[np.float64]]:
    """Yield the statistic of each replicate, in order.

    Parameters
    ----------
    simulate : callable
        Takes the replicate's generator; picklable where an executor with processes is given.
    count : int
    seed : int
        At least 0.
    executor : Executor, optional
        Spreads chunks of replicates; this process where it is left out.
    chunk : int
        Replicates per piece of work; the answer does not depend on it.

    Raises
    ------
    PatternError
        If count or chunk is below 1, or the seed is negative.
    """
    if count < 1 or chunk < 1 or seed < 0:
        raise PatternError(f"Replicates and chunk must be >= 1 and seed >= 0, got {count}, {chunk} and {seed}.")
    if executor is None:
        for k in range(count):
            yield simulate(replicate_stream(seed, k))
        return
    pieces = [range(start, min(start + chunk, count)) for start in range(0, count, chunk)]
    for drawn in executor.map(partial(_draw, simulate, seed), pieces):
        yield from drawn


def permutation_test(
    observed: ArrayLike,
    simulate: Simulate,
    *,
    count: int = 999,
    seed: int = 0,
    alternative: Alternative = "greater",
    executor: Executor | None = None,
    chunk: int = 16,
) -> PermutationTest:
    """Compare an observed statistic with its distribution under a null hypothesis, in the memory of one replicate.

    Parameters
    ----------
    observed : array_like of float, any shape
    simulate : callable
        Returns the same shape; see `replicates`.
    count : int
    seed : int
    alternative : {"greater", "less", "two-sided"}
        Two-sided doubles the smaller tail.
    executor : Executor, optional
    chunk : int

    Raises
    ------
    PatternError
        If a replicate has another shape; see also `replicates`.

    References
    ----------
    Davison and Hinkley (1997), chapter 4, https://doi.org/10.1017/CBO9780511802843
    """
    seen = np.asarray(observed, dtype=float)
    above, below = np.zeros(seen.shape, dtype=np.int64), np.zeros(seen.shape, dtype=np.int64)
    mean, spread = np.zeros(seen.shape), np.zeros(seen.shape)
    for k, value in enumerate(replicates(simulate, count, seed=seed, executor=executor, chunk=chunk), start=1):
        drawn = np.asarray(value, dtype=float)
        if drawn.shape != seen.shape:
            raise PatternError(f"Every replicate must have the shape {seen.shape} of the statistic, got {drawn.shape}.")
        above += exceeds(drawn, seen)
        below += exceeds(seen, drawn)
        # Welford's recurrence: stable, and in the order of the replicates whatever the workers do.
        step = drawn - mean
        mean = mean + step / k
        spread = spread + step * (drawn - mean)
    tails = {"greater": above, "less": below, "two-sided": np.minimum(above, below)}
    p = (tails[alternative] + 1) / (count + 1)
    if alternative == "two-sided":
        p = np.minimum(2.0 * p, 1.0)
    sd = np.sqrt(spread / max(count - 1, 1))
    return PermutationTest(seen, mean, sd, p, count, seed, alternative)


def _draw(simulate: Simulate, seed: int, piece: range) -> list[NDArray[np.float64]]:
    return [simulate(replicate_stream(seed, k)) for k in piece]
