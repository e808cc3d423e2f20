"""How many incidents an earlier one nearby triggered, how soon and how near; busy places are told apart."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, sparse

from crimepatterns.domain.grid import Grid
from crimepatterns.domain.history import History
from crimepatterns.forecasts.additive_intensity_em import AdditiveCounts, fit_weights
from crimepatterns.forecasts.decayed_counts import spread_matrix
from crimepatterns.forecasts.spatial_prior import fit_spatial_prior

__all__ = ["Triggering", "triggering"]

HALF_LIVES: tuple[float, ...] = (2.0, 4.0, 8.0)
"""Half-lives of what an incident triggers, days."""

MEMORIES: tuple[float, ...] = (90.0, 365.0, float("inf"))
"""Half-lives of the background's level, days."""

_APART_DAYS = 45
"""The background of a day rests on incidents at least so far from it, before or after."""

_FEWEST_DAYS = 180
_FEWEST_INCIDENTS = 200
_LONGEST_RECORD_DAYS = 1_100
_BLOCK_DAYS = 7
_ROUNDS = 3
_SHOWN = 25.0
"""Less than this twice the gain in log-likelihood is noise: in cities without triggering it stayed below 23."""


@dataclass(frozen=True)
class Triggering:
    """What follows an incident.

    Parameters
    ----------
    share : float
        Share of the incidents that an earlier one triggered, directly or through others; 0 where none is shown.
    half_life_days : float
        Half of them follow within so many days; nan where there are next to none.
    half_distance_m : float
        Half of them lie within so many metres, as exactly as the cells allow; nan where there are next to none.
    days, incidents : int
        What it rests on.
    """

    share: float
    half_life_days: float
    half_distance_m: float
    days: int
    incidents: int


def triggering(history: History, *, days: int = 365) -> Triggering | None:
    """Estimate the share of triggered incidents from daily counts of the last year.

    The count of cell i on day d has mean f_d (sum of background columns + sum of triggering columns). f_d is the
    city's factor of the day. The background is the level of the cell from incidents at least 45 days before or after,
    drawn towards its surroundings; so it knows what is always busy and what changes slowly, and nothing of the days
    near. The triggering columns are counts of the days before, fading with a bank of half-lives, in the cell and
    around it. Weights are not negative and have the greatest Poisson likelihood (EM). Mohler et al. 2011,
    https://doi.org/10.1198/jasa.2011.ap09546, on a grid.

    Parameters
    ----------
    history : History
    days : int
        Days whose counts are explained.

    Returns
    -------
    Triggering or None
        None where the record is shorter than 180 days or has fewer than 200 incidents.
    """
    counted = _Record.of(history)
    span = min(days, counted.days - 2 * _APART_DAYS)
    if counted.days < _FEWEST_DAYS or len(counted.cell) < _FEWEST_INCIDENTS:
        return None
    last = counted.days
    problem = _Problem(counted, history.grid, last - span, last)
    weights, gain = problem.weights()
    mass = problem.mass * weights
    triggered = mass[len(MEMORIES) + 1 :]
    if 2.0 * gain < _SHOWN or not triggered.sum() > 0:
        return Triggering(0.0, float("nan"), float("nan"), span, int(problem.total))
    kinds = triggered.reshape(len(problem.spreads) + 1, len(HALF_LIVES))
    return Triggering(
        float(triggered.sum() / mass.sum()),
        _half_life(kinds.sum(axis=0)),
        _half_distance(kinds.sum(axis=1), problem.spreads, history.grid),
        span,
        int(problem.total),
    )


@dataclass(frozen=True, eq=False)
class _Record:
    """Cells and day numbers of the incidents of the last years, from the first day of the record."""

    cell: NDArray[np.int64]
    day: NDArray[np.int64]
    days: int

    @classmethod
    def of(cls, history: History) -> "_Record":
        table = history.target_incidents.table
        cell, inside = history.grid.assign(table["x"], table["y"])
        cutoff = history.cutoff.tz_localize(None).normalize()
        ago = (cutoff - table["occurred_from"].dt.tz_localize(None).dt.normalize()).dt.days.to_numpy()
        covered = (cutoff - history.panel.periods.start.tz_localize(None)).days
        days = min(covered, _LONGEST_RECORD_DAYS)
        keep = inside & (ago >= 1) & (ago <= days)
        day = days - ago[keep]
        # Sums are of the same bits whatever the order of the rows.
        order = np.lexsort((cell[keep], day))
        return cls(cell[keep][order], day[order].astype(np.int64), days)


class _Problem:
    """Daily counts with their background and triggering columns."""

    def __init__(self, record: _Record, grid: Grid, first: int, last: int) -> None:
        self._record, self._grid = record, grid
        self._edges = np.searchsorted(record.day, np.arange(record.days + 1))
        cell_m = float(np.sqrt(np.median(grid.area_km2) * 1e6))
        self.spreads: list[sparse.csr_array] = [
            spread_matrix(grid, factor * max(cell_m, 150.0), own_cell=False) for factor in (0.6, 1.4)
        ]
        self._days = range(first, last)
        self._rows, self._counts, self._sums = self._collect()
        self.total = float(sum(part.sum() for part in self._counts))

    @property
    def mass(self) -> NDArray[np.float64]:
        return np.asarray((self._sums * self._factors[:, None]).sum(axis=0))

    def weights(self) -> tuple[NDArray[np.float64], float]:
        """Alternate between the weights and the factors of the days; also return what triggering adds in likelihood."""
        observed = np.array([part.sum() for part in self._counts])
        columns = self._sums.shape[1]
        weights = np.r_[np.ones(len(MEMORIES) + 1) / (len(MEMORIES) + 1), np.full(columns - len(MEMORIES) - 1, 0.01)]
        for _ in range(_ROUNDS):
            self._factors = observed / np.maximum(self._sums @ weights, 1e-12)
            scaled = [part * factor for part, factor in zip(self._rows, self._factors, strict=True)]
            full = AdditiveCounts(np.concatenate(scaled), np.concatenate(self._counts), self.mass)
            weights = fit_weights(full, start=weights)
        quiet = len(MEMORIES) + 1
        plain = AdditiveCounts(full.columns[:, :quiet], full.counts, full.sums[:quiet])
        gain = full.log_likelihood(weights) - plain.log_likelihood(fit_weights(plain))
        return weights, gain

    def _collect(self) -> tuple[list[NDArray[np.float64]], list[NDArray[np.float64]], NDArray[np.float64]]:
        rows, counts, sums = [], [], []
        background = np.zeros((0, 0))
        keep = np.exp2(-1.0 / np.asarray(HALF_LIVES))[:, None]
        fading = np.zeros((len(HALF_LIVES), len(self._grid)))
        for day in range(self._days.stop):
            now = np.bincount(
                self._record.cell[self._edges[day] : self._edges[day + 1]], minlength=len(self._grid)
            ).astype(float)
            if day >= self._days.start:
                if (day - self._days.start) % _BLOCK_DAYS == 0:
                    background = self._background(day)
                some = np.flatnonzero(now)
                around = [(spread[some] @ fading.T) for spread in self.spreads]
                rows.append(np.column_stack([background[some], fading[:, some].T, *around]))
                counts.append(now[some])
                # Spreading loses nothing, so that the sums of the spread columns are those of the cell's own.
                total = fading.sum(axis=1)
                sums.append(np.concatenate([background.sum(axis=0), *[total] * (1 + len(self.spreads))]))
            fading = (fading + now) * keep
        return rows, counts, np.array(sums)

    def _background(self, day: int) -> NDArray[np.float64]:
        """Level of each cell per day from incidents far enough before and after, shape (n_cells, n_memories + 1)."""
        size = len(self._grid)
        middle = day + _BLOCK_DAYS / 2
        apart = np.abs(self._record.day - middle + 0.5)
        far = apart > _APART_DAYS
        cell, apart = self._record.cell[far], apart[far]
        all_days = np.abs(np.arange(self._record.days) - middle + 0.5)
        all_days = all_days[all_days > _APART_DAYS]
        columns: list[NDArray[np.float64]] = []
        for memory in reversed(MEMORIES):
            seen = np.bincount(cell, weights=np.exp2(-apart / memory), minlength=size).astype(float)
            exposure = float(np.exp2(-all_days / memory).sum())
            if not columns:
                around = self._around(seen / exposure)
                if not hasattr(self, "_prior"):
                    self._prior = fit_spatial_prior(seen, exposure, around)
                mean = self._prior.mean(around)
                columns.append(mean)
            credit = self._prior.credit(mean, exposure)
            columns.append((1 - credit) * mean + credit * seen / exposure)
        return np.column_stack(columns)

    def _around(self, rate: NDArray[np.float64]) -> NDArray[np.float64]:
        even = self._grid.area_km2 / self._grid.area_km2.sum() * rate.sum()
        return np.column_stack([even, *[spread @ rate for spread in self.spreads]])


def _half_life(mass: NDArray[np.float64]) -> float:
    """Days within which half of what is triggered follows, for a mixture of exponentials."""
    lives, share = np.asarray(HALF_LIVES), mass / mass.sum()
    return float(optimize.brentq(lambda t: float(share @ -np.expm1(-np.log(2.0) * t / lives)) - 0.5, 1e-6, 1e4))


def _half_distance(mass: NDArray[np.float64], spreads: Sequence[sparse.csr_array], grid: Grid) -> float:
    """Metres within which half of what is triggered lies."""
    share = mass / mass.sum()
    # Two points of one square cell lie apart as pairs of uniform points do.
    pairs = np.random.default_rng(0).random((2_000, 4))
    own = np.hypot(pairs[:, 0] - pairs[:, 1], pairs[:, 2] - pairs[:, 3]) * np.sqrt(np.median(grid.area_km2) * 1e6)
    distance, weight = [own], [np.full(len(own), share[0] / len(own))]
    for part, spread in zip(share[1:], spreads, strict=True):
        pairs_of = sparse.coo_array(spread)
        rows, columns = pairs_of.coords
        distance.append(np.linalg.norm(grid.centres[rows] - grid.centres[columns], axis=1))
        weight.append(part * pairs_of.data / pairs_of.data.sum())
    apart, mass_at = np.concatenate(distance), np.concatenate(weight)
    order = np.argsort(apart)
    return float(apart[order][np.searchsorted(np.cumsum(mass_at[order]), 0.5)])
