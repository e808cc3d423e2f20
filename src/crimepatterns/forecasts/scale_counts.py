"""Counts by age and reach, from which `shrunk_scales` weighs its rates."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from operator import matmul

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from crimepatterns.domain.grid import Grid
from crimepatterns.domain.periods import Periods
from crimepatterns.features.calendar import civil_days
from crimepatterns.features.neighbours import first_ring, second_ring

__all__ = ["Happened", "ScaleCounts", "Weighed", "spans_of", "surroundings"]

Reach = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""Sums values of cells over what lies around each cell."""

_AGES_DAYS = (28, 90, 365)
_NO_EVENTS = 0.5


@dataclass(frozen=True, eq=False)
class Weighed:
    """What the rates take from the weights of ages alone, so that other numbers can be tried without counting anew.

    Parameters
    ----------
    own : ndarray of float, shape (n_cells, n_origins)
        Weighed incidents of each cell.
    exposure : ndarray of float, shape (n_cells, n_origins)
        Weighed periods times relative area.
    city : ndarray of float, shape (n_origins,)
        Rate of the whole city.
    around, around_exposure : tuple of ndarray of float, shape (n_cells, n_origins)
        The same as `own` and `exposure` over each reach, with one incident at the city's rate.
    """

    own: NDArray[np.float64] = field(repr=False)
    exposure: NDArray[np.float64] = field(repr=False)
    city: NDArray[np.float64] = field(repr=False)
    around: tuple[NDArray[np.float64], ...] = field(repr=False)
    around_exposure: tuple[NDArray[np.float64], ...] = field(repr=False)


@dataclass(frozen=True, eq=False)
class ScaleCounts:
    """Incidents before several origins, by cell and age, with those around each cell.

    Parameters
    ----------
    own : ndarray of float, shape (n_ages, n_cells, n_origins)
    around : tuple of ndarray of float, shape (n_ages, n_cells, n_origins)
        The same, summed over each reach.
    periods : ndarray of float, shape (n_ages, n_origins)
        Length of each span of ages.
    area : ndarray of float, shape (n_cells,)
        Relative to the mean cell.
    around_area : tuple of ndarray of float, shape (n_cells,)
    recent : ndarray of float, shape (n_origins,)
        Incidents of the last 90 days or less before each origin, and their periods.
    recent_periods : ndarray of float, shape (n_origins,)
    """

    own: NDArray[np.float64] = field(repr=False)
    around: tuple[NDArray[np.float64], ...] = field(repr=False)
    periods: NDArray[np.float64] = field(repr=False)
    area: NDArray[np.float64] = field(repr=False)
    around_area: tuple[NDArray[np.float64], ...] = field(repr=False)
    recent: NDArray[np.float64] = field(repr=False)
    recent_periods: NDArray[np.float64] = field(repr=False)

    @classmethod
    def at(
        cls,
        counts: NDArray[np.integer],
        area_km2: NDArray[np.float64],
        origins: NDArray[np.integer],
        spans: tuple[int, ...],
        around: tuple[Reach, ...],
    ) -> "ScaleCounts":
        """Count what lay before each origin; origin t knows the periods before t only."""
        totals = np.concatenate([np.zeros((len(counts), 1)), np.cumsum(counts, axis=1, dtype=np.float64)], axis=1)
        edges = np.maximum(origins[None, :] - np.array([0, *spans])[:, None], 0)
        edges = np.vstack([edges, np.zeros_like(origins)[None, :]])
        own = np.stack([totals[:, newer] - totals[:, older] for newer, older in pairwise(edges)])
        area = area_km2 / area_km2.mean()
        # Weeks, days or shifts: the level is that of some 90 days in each.
        since = np.maximum(origins - spans[1], 0)
        return cls(
            own=own,
            around=tuple(np.stack([reach(one) for one in own]) for reach in around),
            periods=(edges[:-1] - edges[1:]).astype(np.float64),
            area=area,
            around_area=tuple(reach(area) for reach in around),
            recent=(totals[:, origins] - totals[:, since]).sum(axis=0),
            recent_periods=(origins - since).astype(np.float64),
        )

    def weigh(self, ages: NDArray[np.float64]) -> Weighed:
        """Add up the counts by the weights of their ages."""
        own = _weigh(ages, self.own)
        length = (ages[:, None] * self.periods).sum(axis=0)
        city = np.maximum(own.sum(axis=0), _NO_EVENTS) / (length * self.area.sum())
        # One incident at the city's rate stands behind every reach, so that none is held to be impossible.
        return Weighed(
            own,
            self.area[:, None] * length,
            city,
            tuple(_weigh(ages, counts) + 1.0 for counts in self.around),
            tuple(area[:, None] * length + 1.0 / city for area in self.around_area),
        )

    def rates(
        self, weighed: Weighed, shape: float, mixture: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Posterior mean rate per period before the level is set, and its gamma shape; (n_cells, n_origins) each."""
        prior = np.broadcast_to(mixture[0] * weighed.city, weighed.own.shape).copy()
        for share, counts, exposure in zip(mixture[1:], weighed.around, weighed.around_exposure, strict=True):
            part = share * counts
            part /= exposure
            prior += part
        posterior = shape + weighed.own
        rate = self.area[:, None] * posterior
        rate /= np.divide(shape, prior, out=prior) + weighed.exposure
        return rate, posterior

    def level(self, rate: NDArray[np.float64]) -> NDArray[np.float64]:
        """Factor that sets the total of each origin to the recent one, shape (n_origins,)."""
        level: NDArray[np.float64] = (self.recent + 1.0) / (rate.sum(axis=0) * self.recent_periods + 1.0)
        return level


@dataclass(frozen=True, eq=False)
class Happened:
    """Counts whose likelihood is asked many times; the few above zero are found once.

    Parameters
    ----------
    some : ndarray of int, shape (n_positive,)
        Where in the flat array a count is above zero.
    counts : ndarray of int, shape (n_positive,)
    above : tuple of ndarray of int
        Which of them are above 0, 1, 2 and so on.
    """

    some: NDArray[np.int64] = field(repr=False)
    counts: NDArray[np.integer] = field(repr=False)
    above: tuple[NDArray[np.int64], ...] = field(repr=False)

    @classmethod
    def of(cls, counts: NDArray[np.integer]) -> "Happened":
        """Look at counts of any shape."""
        some = np.flatnonzero(counts)
        seen = counts.ravel()[some]
        return cls(some, seen, tuple(np.flatnonzero(seen > step) for step in range(int(seen.max(initial=0)))))

    def log_likelihood(self, mean: NDArray[np.float64], shape: NDArray[np.float64]) -> float:
        """Log likelihood if they are negative binomial with these means and shapes, without log of factorials."""
        ratio = mean / shape
        found = -float(np.multiply(shape, np.log1p(ratio, out=ratio), out=ratio).sum())
        mu, size = mean.ravel()[self.some], shape.ravel()[self.some]
        found += float((self.counts * (np.log(mu) - np.log(size + mu))).sum())
        for step, which in enumerate(self.above):
            found += float(np.log(size[which] + step).sum())
        return found


def spans_of(periods: Periods) -> tuple[int, ...]:
    """Numbers of periods that make up 28, 90 and 365 days, each at least one more than the last."""
    days = float(np.median(civil_days(periods)))
    spans: list[int] = []
    for age in _AGES_DAYS:
        spans.append(max(round(age / days), 1, (spans[-1] + 1) if spans else 1))
    return tuple(spans)


def surroundings(grid: Grid) -> tuple[Reach, ...]:
    """Sum over the touching cells, over the ring behind them, and over the neighbourhood where there are several."""
    rings = first_ring(grid).astype(np.float64), second_ring(grid).astype(np.float64)
    reaches: list[Reach] = [partial(matmul, ring) for ring in rings]
    code, names = pd.factorize(grid.neighbourhood)
    if len(names) > 1:
        member = sparse.csr_array((np.ones(len(code)), (np.arange(len(code)), code)), shape=(len(code), len(names)))
        reaches.append(partial(_over_members, member))
    return tuple(reaches)


def _over_members(member: sparse.csr_array, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum over the cells of the same neighbourhood, without a dense block per neighbourhood."""
    summed: NDArray[np.float64] = member @ (member.T @ values)
    return summed


def _weigh(ages: NDArray[np.float64], counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum over ages, one after another: the same bits whatever the number of threads."""
    total = ages[0] * counts[0]
    for weight, one in zip(ages[1:], counts[1:], strict=True):
        total = total + weight * one
    return total
