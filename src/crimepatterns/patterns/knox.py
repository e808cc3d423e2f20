"""Knox test: whether incidents follow one another, close by and soon, more often than places and dates explain."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from crimepatterns.domain.incidents import Incidents
from crimepatterns.domain.protocols import Executor, Progress, silent
from crimepatterns.errors import PatternError
from crimepatterns.patterns.permutation import exceeds, replicates
from crimepatterns.patterns.space_time_pairs import PairSearch, SpaceTimeBands, civil_days, codes_of

__all__ = ["Knox", "knox"]

_SQUARE_M = 2_000.0
_TASK = "Permuting dates"


@dataclass(frozen=True, eq=False)
class Knox:
    """Pairs of incidents by distance and days between them, beside what permuted dates give.

    Parameters
    ----------
    bands : SpaceTimeBands
    observed : ndarray of float, shape (n_distances, n_days)
        Close pairs; the mean over draws where dates are known only to an interval.
    expected, sd : ndarray of float, that shape
        Mean and standard deviation under the null hypothesis.
    p_values : ndarray of float, that shape
        (m + 1) / (r + 1), upper tail, ties counted: of each band as if it were the only one.
    p_adjusted : ndarray of float, that shape
        The same, each band compared with the most unusual band of each replicate, so that the many bands are accounted
        for: the chance that any band of an unrelated record looks as unusual.
    null : str
        The null hypothesis in words.
    parameters : mapping
    """

    bands: SpaceTimeBands
    observed: NDArray[np.float64] = field(repr=False)
    expected: NDArray[np.float64] = field(repr=False)
    sd: NDArray[np.float64] = field(repr=False)
    p_values: NDArray[np.float64] = field(repr=False)
    p_adjusted: NDArray[np.float64] = field(repr=False)
    null: str
    parameters: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def ratio(self) -> NDArray[np.float64]:
        """Observed divided by expected pairs; NaN where none is expected."""
        return np.divide(
            self.observed, self.expected, out=np.full(self.observed.shape, np.nan), where=self.expected > 0
        )

    @property
    def p_fitted(self) -> NDArray[np.float64]:
        """Upper tail of a gamma distribution with the null's mean and standard deviation: for p below 1 / (r + 1)."""
        return np.exp(_log_tail(self.observed, self.expected, self.sd))

    def to_frame(self) -> pd.DataFrame:
        """Return the near-repeat table: one row per pair of bands.

        Returns
        -------
        DataFrame
            ``distance``, ``days``, ``observed``, ``expected``, ``ratio`` with ``ratio_lower`` and ``ratio_upper`` (what
            was observed over the upper and lower 2.5 % limits of what chance gives), ``p_value``, ``p_adjusted`` and
            ``p_fitted``.
        """
        spread = 1.959964 * self.sd
        with np.errstate(divide="ignore", invalid="ignore"):
            lower = self.observed / (self.expected + spread)
            upper = np.where(self.expected > spread, self.observed / (self.expected - spread), np.inf)
        index = pd.MultiIndex.from_product(
            [self.bands.distance_labels, self.bands.day_labels], names=["distance", "days"]
        )
        columns = {
            "observed": self.observed,
            "expected": self.expected,
            "ratio": self.ratio,
            "ratio_lower": lower,
            "ratio_upper": upper,
            "p_value": self.p_values,
            "p_adjusted": self.p_adjusted,
            "p_fitted": self.p_fitted,
        }
        return pd.DataFrame({name: array.ravel() for name, array in columns.items()}, index=index).reset_index()

    def sentence(self) -> str:
        """Say in one sentence where repeats are most above chance, or that none is shown; many bands are no excuse."""
        shown = (self.p_adjusted <= 0.05) & (self.observed >= 5) & (self.expected > 0)
        if not shown.any():
            return "No band of distance and days holds more pairs than permuted dates explain."
        best = int(np.argmax(np.where(shown, self.ratio, -np.inf)))
        row = self.to_frame().iloc[best]
        where = "at the same place" if row["distance"] == "same place" else f"{row['distance']} apart"
        return (
            f"Incidents {where} within {row['days']} of each other are {row['ratio']:.2f} times as frequent as chance "
            f"gives ({row['ratio_lower']:.2f} to {row['ratio_upper']:.2f}; {row['observed']:.0f} pairs)."
        )


def knox(
    incidents: Incidents,
    *,
    bands: SpaceTimeBands | None = None,
    replicates_count: int = 99,
    season_days: int = 91,
    seed: int = 0,
    executor: Executor | None = None,
    progress: Progress = silent,
) -> Knox:
    """Test for space-time interaction by permuting dates within district and season.

    Permuting over the whole city and record would call every summer peak of a district an interaction; within
    district and season only what is closer than that remains.

    Parameters
    ----------
    incidents : Incidents
        Districts are the neighbourhoods of the study area, or squares of 2 km where it names none.
    bands : SpaceTimeBands, optional
        By default 100, 200 and 400 m, and 7, 14 and 28 days.
    replicates_count : int
        Permutations.
    season_days : int
        Length of a season, days from the first day on record.
    seed : int
    executor : Executor, optional
    progress : Progress

    Returns
    -------
    Knox
        Where an incident has an interval of more than a day, its date is drawn uniformly from it in each replicate, for
        the observed count as well.

    Raises
    ------
    PatternError
        If there are fewer than two incidents, or times are known to the month only.

    References
    ----------
    Knox (1964), https://doi.org/10.2307/2985220; Johnson et al. (2007), https://doi.org/10.1007/s10940-007-9025-3;
    Ratcliffe and Rengert (2008), https://doi.org/10.1057/palgrave.sj.8350068 for the table; Westfall and Young (1993),
    Resampling-based multiple testing, Wiley, for the many bands
    """
    chosen = bands if bands is not None else SpaceTimeBands()
    table = incidents.table
    if len(table) < 2:
        raise PatternError(f"The Knox test needs at least two incidents, got {len(table)}: widen the window.")
    if (table["time_precision"] == "month").any():
        raise PatternError("The Knox test needs days, and some times are known to the month only: leave those out.")
    first, last = _date_limits(table)
    strata = _strata(incidents, first, season_days)
    work = _Work(
        PairSearch(table["x"], table["y"], reach_m=chosen.reach_m, reach_days=chosen.reach_days),
        chosen, first, last, np.argsort(strata, kind="stable"), np.sort(strata),
    )  # fmt: skip
    drawn = bool((last > first).any())
    fixed = None if drawn else work.search.count(first, chosen)
    null, seen = [], []
    simulate = partial(_replicate, work, drawn)
    progress(_TASK, 0, replicates_count)
    for k, both in enumerate(replicates(simulate, replicates_count, seed=seed, executor=executor, chunk=4), start=1):
        null.append(both[0])
        seen.append(both[1])
        progress(_TASK, k, replicates_count)
    observed = np.mean(seen, axis=0) if fixed is None else fixed.astype(float)
    simulated = np.array(null)
    p = (exceeds(simulated, observed).sum(axis=0) + 1.0) / (replicates_count + 1.0)
    return Knox(
        chosen, observed, simulated.mean(axis=0), simulated.std(axis=0, ddof=1 if replicates_count > 1 else 0), p,
        _against_any_band(observed, simulated),
        f"dates are exchangeable among the incidents of the same district within {season_days} days",
        MappingProxyType({
            "distances_m": chosen.distances_m, "days": chosen.days, "replicates": replicates_count, "seed": seed,
            "season_days": season_days, "incidents": len(table), "strata": int(strata.max()) + 1,
            "dates_drawn_from_intervals": int((last > first).sum()),
        }),
    )  # fmt: skip


def _against_any_band(observed: NDArray[np.float64], simulated: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compare each band with the most unusual band of each replicate (Westfall and Young's single step).

    How unusual a count is, is told by the fitted tail: bands with few pairs are then weighed like those with many.
    Exact whatever the fit, since the observed record takes part in it as one more replicate.
    """
    every = np.concatenate([observed[None], simulated])
    unusual = -_log_tail(every, every.mean(axis=0), every.std(axis=0))
    strongest = unusual[1:].reshape(len(simulated), -1).max(axis=1)
    reached = exceeds(strongest[:, None, None], unusual[:1]).sum(axis=0)
    return np.asarray((reached + 1.0) / (len(simulated) + 1.0))


def _log_tail(counts: NDArray[np.float64], mean: NDArray[np.float64], sd: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the logarithm of the upper tail of a gamma distribution; 0 where the null does not vary."""
    usable = (mean > 0) & (sd > 0)
    middle, spread = np.where(usable, mean, 1.0), np.where(usable, sd, 1.0)
    tail = stats.gamma.logsf(counts, (middle / spread) ** 2, scale=spread**2 / middle)
    return np.where(usable, tail, 0.0)


@dataclass(frozen=True, eq=False)
class _Work:
    search: PairSearch
    bands: SpaceTimeBands
    first: NDArray[np.int64]
    last: NDArray[np.int64]
    by_stratum: NDArray[np.int64]
    strata: NDArray[np.int64]


def _replicate(work: _Work, drawn: bool, rng: np.random.Generator) -> NDArray[np.float64]:
    """Count pairs with permuted dates, and with the drawn dates where they are known to an interval."""
    days = rng.integers(work.first, work.last + 1) if drawn else work.first
    shuffled = np.empty_like(days)
    # Sorting by stratum plus a random part is a random order within each stratum.
    order = work.by_stratum[np.argsort(work.strata + rng.random(len(days)), kind="stable")]
    shuffled[work.by_stratum] = days[order]
    null = work.search.count(shuffled, work.bands)
    seen = work.search.count(days, work.bands) if drawn else null
    return np.array([null, seen], dtype=float)


def _date_limits(table: pd.DataFrame) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first and last civil day on which each incident can have happened."""
    first = civil_days(table["occurred_from"])
    # The end is exclusive: an interval that ends at midnight does not reach into the day it ends on.
    inner = (table["occurred_until"] - pd.Timedelta(microseconds=1)).where(
        table["occurred_until"] > table["occurred_from"], table["occurred_from"]
    )
    return first, np.maximum(civil_days(inner), first)


def _strata(incidents: Incidents, days: NDArray[np.int64], season_days: int) -> NDArray[np.int64]:
    if season_days < 1:
        raise PatternError(f"A season must have at least one day, got {season_days}.")
    x, y = (incidents.table[axis].to_numpy(dtype=float) for axis in ("x", "y"))
    if len(incidents.area.neighbourhoods):
        district = codes_of(incidents.area.neighbourhood_of(x, y))
    else:
        square = np.floor(np.column_stack([x, y]) / _SQUARE_M).astype(np.int64)
        district = np.unique(square, axis=0, return_inverse=True)[1].ravel()
    season = (days - days.min()) // season_days
    return np.unique(district * (int(season.max()) + 1) + season, return_inverse=True)[1].ravel().astype(np.int64)
