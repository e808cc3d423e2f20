"""What a space-time scan found: clusters with their significance, and how often chance alone would show the like."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from crimepatterns.errors import PatternError
from crimepatterns.patterns.permutation import exceeds, replicate_stream

__all__ = [
    "SCAN_COLUMNS",
    "SpaceTimeScan",
    "gumbel_tail",
    "monte_carlo_p",
    "recurrence_days",
    "recurrence_in_words",
]

_SAMPLES = 2_000
_MOST_MAXIMA = 1_000
"""With more maxima the moments are known well enough."""

SCAN_COLUMNS: tuple[str, ...] = (
    "cluster", "x", "y", "radius_m", "start", "end", "days", "observed", "expected", "ratio", "llr", "p_value",
    "p_gumbel", "recurrence_days", "neighbourhood", "places", "sentence", "geometry",
)  # fmt: skip
"""Columns of the table of clusters, in this order."""


@dataclass(frozen=True, eq=False)
class SpaceTimeScan:
    """Clusters in space and time, the strongest first; no place belongs to two of them.

    Parameters
    ----------
    clusters : GeoDataFrame
        Columns of `SCAN_COLUMNS`: centre and radius (metres), half-open span of days, incidents observed and expected
        and their ratio, log likelihood ratio, p-values, expected days between clusters as strong by chance (prospective
        scans only), the circle as geometry.
    members : tuple of ndarray of str
        Incident ids of each cluster.
    simulated : ndarray of float, shape (replicates,)
        Highest log likelihood ratio of each replicate.
    null : str
        The null hypothesis in words.
    parameters : mapping
    """

    clusters: gpd.GeoDataFrame = field(repr=False)
    members: tuple[NDArray[np.object_], ...] = field(repr=False)
    simulated: NDArray[np.float64] = field(repr=False)
    null: str
    parameters: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        if list(self.clusters.columns) != list(SCAN_COLUMNS) or len(self.members) != len(self.clusters):
            raise PatternError(f"A scan needs the columns {list(SCAN_COLUMNS)} and members of each cluster.")

    def to_frame(self) -> pd.DataFrame:
        """Return the clusters without their circles."""
        return pd.DataFrame(self.clusters.drop(columns="geometry"))

    def to_geodataframe(self) -> gpd.GeoDataFrame:
        """Return the clusters with their circles, and the ids of their incidents in one text column ``members``."""
        table = self.clusters.copy()
        table["members"] = [" ".join(str(one) for one in ids) for ids in self.members]
        return table

    def significant(self, *, alpha: float = 0.05) -> gpd.GeoDataFrame:
        """Return the clusters whose p-value is at most `alpha`."""
        found: gpd.GeoDataFrame = self.clusters.loc[self.clusters["p_value"] <= alpha]
        return found

    def sentence(self, *, alpha: float = 0.05) -> str:
        """Say in words what stands out, or that nothing does."""
        found = self.significant(alpha=alpha)
        if found.empty:
            if self.clusters.empty:
                return "No place had more incidents at any time than chance puts there."
            p = float(self.clusters["p_value"].iloc[0])
            return f"No place and time stands out from chance: the strongest candidate has p = {p:.2g}."
        more = len(found) - 1
        others = "" if not more else f" {more} further {'cluster is' if more == 1 else 'clusters are'} significant."
        return f"{found['sentence'].iloc[0]}{others}"


def gumbel_tail(observed: ArrayLike, simulated: ArrayLike) -> NDArray[np.float64]:
    """Give the p-value of a maximum from a Gumbel distribution fitted to simulated maxima by their moments.

    Smooth, and able to tell p-values far below 1 / (r + 1) apart. That both moments are estimated, from few maxima, is
    accounted for: the tail is the mean over what so many maxima of a Gumbel distribution would have given, as the t
    distribution stands to the normal.

    Parameters
    ----------
    observed : array_like of float, shape (n,)
    simulated : array_like of float, shape (r,)
        At least 9 maxima.

    Returns
    -------
    ndarray of float, shape (n,)
        NaN where the maxima are too few or do not vary.

    References
    ----------
    Abrams, Kleinman and Kulldorff (2010), https://doi.org/10.1186/1476-072X-9-61
    """
    values, maxima = np.asarray(observed, dtype=float), np.asarray(simulated, dtype=float)
    if len(maxima) < 9 or not maxima.std() > 0:
        return np.full(values.shape, np.nan)
    standing = (values - maxima.mean()) / maxima.std(ddof=1)
    mean, sd = _moments_of_samples(min(len(maxima), _MOST_MAXIMA))
    return np.array([stats.gumbel_r.sf(mean + one * sd).mean() for one in standing.ravel()]).reshape(values.shape)


def recurrence_in_words(days: float) -> str:
    """Say how often a cluster as strong would appear by chance.

    Examples
    --------
    >>> recurrence_in_words(20.0), recurrence_in_words(1461.0)
    ('once in 20 days', 'once in 4.0 years')
    """
    if days < 1.5:
        return "nearly every day"
    if days < 730.5:
        return f"once in {days:.0f} days"
    years = days / 365.25
    return f"once in {years:.1f} years" if years < 100 else "less than once in a century"


def monte_carlo_p(observed: ArrayLike, simulated: ArrayLike) -> NDArray[np.float64]:
    """Return (m + 1) / (r + 1) for each observed value against the simulated maxima; ties count as extreme."""
    values, maxima = np.asarray(observed, dtype=float), np.asarray(simulated, dtype=float)
    reached: NDArray[np.int64] = exceeds(maxima[:, None], values[None, :]).sum(axis=0)
    return np.asarray((reached + 1.0) / (len(maxima) + 1.0), dtype=np.float64)


def recurrence_days(
    p_values: NDArray[np.float64], fitted: NDArray[np.float64], *, replicates: int, run_every_days: int
) -> NDArray[np.float64]:
    """Return the expected days between alarms as strong as each, were the scan repeated at fixed intervals.

    Each analysis raises such an alarm by chance with probability p, so that of many analyses a share p does, however
    much they overlap: one in 1 / p. The fitted p-value is used where no replicate reached the observed value.
    """
    floor = 1.0 / (replicates + 1.0)
    beyond = (p_values <= floor * (1.0 + 1e-12)) & np.isfinite(fitted)
    p = np.where(beyond, np.minimum(np.where(beyond, fitted, 1.0), p_values), p_values)
    return np.asarray(run_every_days / np.maximum(p, 1e-300))


@cache
def _moments_of_samples(count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and standard deviation of samples of a standard Gumbel distribution, always the same samples."""
    drawn = replicate_stream(0, count).gumbel(size=(_SAMPLES, count))
    return drawn.mean(axis=1), drawn.std(axis=1, ddof=1)
