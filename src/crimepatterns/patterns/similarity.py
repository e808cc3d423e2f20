"""Andresen's S: whether two periods, or two kinds of incident, show the same map."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from crimepatterns.domain.protocols import Executor
from crimepatterns.errors import PatternError
from crimepatterns.patterns.permutation import replicates as draw_replicates

__all__ = ["Similarity", "s_index"]


@dataclass(frozen=True, eq=False)
class Similarity:
    """How alike two maps of counts are.

    Parameters
    ----------
    s : float
        Share of the areas whose share of the base incidents lies within the simulated interval of the test incidents; 1
        is the same map. Areas that are empty in both count as alike.
    s_robust : float
        The same without the areas that are empty in both: sparse maps look alike by their emptiness alone.
    s_by_chance : float
        What `s_robust` would be if both were drawn from one and the same map: the value to compare it with.
    table : DataFrame
        One row per area: ``base_share``, ``low``, ``high``, ``direction`` (-1: the base has less than the test, 1:
        more, 0: alike).
    parameters : mapping
    """

    s: float
    s_robust: float
    s_by_chance: float
    table: pd.DataFrame = field(repr=False)
    parameters: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))

    def to_frame(self) -> pd.DataFrame:
        """Return a copy of the table."""
        return self.table.copy()


def s_index(
    base: ArrayLike,
    test: ArrayLike,
    *,
    replicates: int = 200,
    sample_share: float = 0.85,
    level: float = 0.95,
    seed: int = 0,
    executor: Executor | None = None,
) -> Similarity:
    """Compare two maps of counts with Andresen's spatial point pattern test.

    Parameters
    ----------
    base, test : array_like of int, shape (n_areas,)
        Such as the incidents of two years.
    replicates : int
        Samples of the test incidents.
    sample_share : float
        Share of the test incidents in each sample, drawn with replacement.
    level : float
        Of the interval that each area's base share must lie in.
    seed : int
    executor : Executor, optional

    Raises
    ------
    PatternError
        If counts do not fit, are not whole or negative, or one map is empty.

    References
    ----------
    Andresen (2009), https://doi.org/10.1016/j.apgeog.2008.12.004; Wheeler, Steenbeek and Andresen (2018),
    https://doi.org/10.1111/tgis.12341
    """
    first, second = np.asarray(base, dtype=float), np.asarray(test, dtype=float)
    _check(first, second, sample_share, level)
    low, high = _interval(second, round(sample_share * float(second.sum())), replicates, level, seed, executor)
    share = first / first.sum()
    occupied = (first > 0) | (second > 0)
    alike = _within(share, low, high)
    pooled = (first + second) / (first.sum() + second.sum())
    return Similarity(
        s=float(alike.mean()),
        s_robust=float(alike[occupied].mean()),
        s_by_chance=_by_chance(pooled, int(first.sum()), int(second.sum()), sample_share, replicates, level, seed),
        table=pd.DataFrame(
            {
                "base_share": share,
                "low": low,
                "high": high,
                "direction": np.where(alike, 0, np.where(share > high, 1, -1)),
            }
        ),
        parameters=MappingProxyType(
            {
                "replicates": replicates,
                "sample_share": sample_share,
                "level": level,
                "seed": seed,
                "base_incidents": int(first.sum()),
                "test_incidents": int(second.sum()),
                "areas": len(first),
                "areas_occupied": int(occupied.sum()),
            }
        ),
    )


def _check(first: NDArray[np.float64], second: NDArray[np.float64], sample_share: float, level: float) -> None:
    if first.ndim != 1 or first.shape != second.shape:
        raise PatternError(f"Two maps need the same areas, got shapes {first.shape} and {second.shape}.")
    for counts in (first, second):
        if not np.isfinite(counts).all() or (counts < 0).any() or (counts != np.floor(counts)).any():
            raise PatternError("Maps are compared by whole, non-negative counts.")
        if not counts.any():
            raise PatternError("Maps to compare need at least one incident each: widen a window or the category.")
    if not (0 < sample_share <= 1 and 0 < level < 1):
        raise PatternError(f"sample_share must lie in (0, 1] and level in (0, 1), got {sample_share} and {level}.")


def _interval(
    counts: NDArray[np.float64], size: int, replicates: int, level: float, seed: int, executor: Executor | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    size = max(size, 1)
    drawn = draw_replicates(partial(_sample, counts / counts.sum(), size), replicates, seed=seed, executor=executor)
    shares = np.array(list(drawn), dtype=np.float32 if len(counts) * replicates > 20_000_000 else float)
    low, high = np.quantile(shares, [(1.0 - level) / 2.0, (1.0 + level) / 2.0], axis=0)
    return np.asarray(low, dtype=float), np.asarray(high, dtype=float)


def _sample(shares: NDArray[np.float64], size: int, rng: np.random.Generator) -> NDArray[np.float64]:
    return np.asarray(rng.multinomial(size, shares) / size)


def _within(share: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]) -> NDArray[np.bool_]:
    slack = 1e-12
    return (share >= low - slack) & (share <= high + slack)


def _by_chance(
    pooled: NDArray[np.float64], n: int, m: int, sample_share: float, replicates: int, level: float, seed: int
) -> float:
    """Draw both maps from the pooled one and compare them, a few times; streams beyond those of the samples."""
    values = []
    for k, stream in enumerate(draw_replicates(partial(_pair, pooled, n, m), 10, seed=seed + 1)):
        first, second = stream
        low, high = _interval(second, round(sample_share * m), replicates, level, seed + 2 + k, None)
        occupied = (first > 0) | (second > 0)
        values.append(_within(first / n, low, high)[occupied].mean())
    return float(np.mean(values))


def _pair(pooled: NDArray[np.float64], n: int, m: int, rng: np.random.Generator) -> NDArray[np.float64]:
    return np.stack([rng.multinomial(n, pooled), rng.multinomial(m, pooled)]).astype(float)
