"""The components of the additive intensity: what they are at a moment, and which group each part of them belongs to."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from crimepatterns.domain.explanation import GROUPS
from crimepatterns.domain.grid import Grid
from crimepatterns.domain.history import History
from crimepatterns.domain.incidents import Incidents
from crimepatterns.forecasts.decayed_counts import Arrivals, effective_days, spread_matrix
from crimepatterns.forecasts.spatial_prior import SpatialPrior

__all__ = ["COMPONENTS", "State", "components", "prior_columns", "related_categories", "states"]

MEMORIES: tuple[float, ...] = (float("inf"), 365.0, 180.0, 90.0)
"""Half-lives of the level of a cell, days."""

RECENT: tuple[float, ...] = (30.0, 14.0, 7.0, 3.0)
"""Half-lives of recent incidents, days."""

_LIVES = (*MEMORIES, *RECENT)
_OTHERS_LIVES = (float("inf"), 30.0)
_MOVED: tuple[float, ...] = (float("inf"), 180.0)
"""Half-lives of the levels that also move as the other categories do, days."""

_DOUBT_INCIDENTS = 1.0
_NEAR_M, _FAR_M = 200.0, 400.0
_MOST_RELATED = 6
_HISTORY, _RECENT, _NEIGHBOURS, _PLACE = (GROUPS.index(name) for name in (
    "long history", "recent events", "neighbours", "place features"
))  # fmt: skip


def _level_name(memory: float) -> str:
    return "level" if np.isinf(memory) else f"level {memory:.0f} d"


COMPONENTS: tuple[str, ...] = (
    "count_eb",
    *[_level_name(memory) for memory in MEMORIES],
    *[f"own cell {life:.0f} d" for life in RECENT],
    "around 30 d", "around 7 d", "further 30 d", "other categories 30 d", "area",
    *[f"{_level_name(memory)} as other categories move" for memory in _MOVED],
)  # fmt: skip
"""Names of the components, the plain shrunk count first."""


@dataclass(frozen=True, eq=False)
class State:
    """What is known of each cell at one moment.

    Parameters
    ----------
    grid : Grid
    own : ndarray of float, shape (n_lives, n_cells)
        Fading counts of the target.
    others : ndarray of float, shape (n_related, 2, n_cells)
        Counts of the related categories: all, and fading over 30 days.
    days : float
        Length of the record so far.
    """

    grid: Grid = field(repr=False)
    own: NDArray[np.float64] = field(repr=False)
    others: NDArray[np.float64] = field(repr=False)
    days: float

    @property
    def even(self) -> NDArray[np.float64]:
        """The target's mean rate per day spread over the area, shape (n_cells,)."""
        area = self.grid.area_km2
        return np.asarray(area / area.sum() * self.own[0].sum() / self.days)


def related_categories(history: History) -> tuple[str, ...]:
    """Name the most frequent other categories that citizens report, as known at the cutoff; at most six."""
    table = history.incidents.table
    labels = table["category"].astype(str)
    every = labels.value_counts()
    reported = {str(name): int(n) for name, n in labels[table["discovery"] == "reported"].value_counts().items()}
    kept = [name for name, count in reported.items() if name != history.target and 2 * count >= every[name]]
    return tuple(sorted(kept, key=lambda name: (-reported[name], name))[:_MOST_RELATED])


def states(
    history: History, related: Sequence[str], moments: pd.DatetimeIndex, *, until: pd.Timestamp | None = None
) -> Iterator[State]:
    """Yield what was known at each moment, from the start of the history's panel on.

    Parameters
    ----------
    history : History
    related : sequence of str
        Other categories.
    moments : DatetimeIndex
        Rising, none after the cutoff.
    until : Timestamp, optional
        Leave out what happened from then on.
    """
    start = history.panel.periods.start
    known = history.incidents.between(start, history.cutoff if until is None else until)

    def fading(incidents: Incidents, lives: tuple[float, ...]) -> Iterator[NDArray[np.float64]]:
        return Arrivals.of(incidents, history.grid, moments).fading(lives)

    streams = [fading(known.of(name), _OTHERS_LIVES) for name in related]
    for moment, own in zip(moments, fading(known.of(history.target), _LIVES), strict=True):
        others = np.array([next(stream) for stream in streams]).reshape(len(related), 2, len(history.grid))
        days = (moment.tz_localize(None) - start.tz_localize(None)) / pd.Timedelta(days=1)
        yield State(history.grid, own, others, max(float(days), 1.0))


def prior_columns(state: State) -> NDArray[np.float64]:
    """Rates that a cell's surroundings suggest, each with the city's total; shape (n_cells, 3 + n_related).

    The area; the target's counts near and further off, without the cell's own; and each related category's counts in
    the cell.
    """
    own, total = state.own[0] / state.days, float(state.own[0].sum()) / state.days
    near, far = _spreads(state.grid)
    here = [count[0] * (total / max(float(count[0].sum()), 1e-12)) for count in state.others]
    return np.column_stack([state.even, near @ own, far @ own, *here])


def components(state: State, prior: SpatialPrior, shape: float) -> NDArray[np.float64]:
    """Build every component with the group of each part.

    Parameters
    ----------
    state : State
    prior : SpatialPrior
        Over `prior_columns`.
    shape : float
        Gamma shape of the plain shrunk count.

    Returns
    -------
    ndarray of float, shape (n_components, n_groups, n_cells)
        Incidents per day, or fading counts; all not negative.
    """
    made = np.zeros((len(COMPONENTS), len(GROUPS), len(state.grid)))
    days = effective_days(state.days, _LIVES)
    plain = SpatialPrior((1.0,), shape)
    even = plain.mean(state.even[:, None])
    credit = plain.credit(even, days[0])
    made[0, _PLACE], made[0, _HISTORY] = (1 - credit) * even, credit * state.own[0] / days[0]
    around = prior_columns(state)
    mean = prior.mean(around)
    parts = around * np.asarray(prior.weights)
    groups = np.array([_PLACE, _NEIGHBOURS, _NEIGHBOURS, *[_HISTORY] * len(state.others)])
    for i in range(len(MEMORIES)):
        credit = prior.credit(mean, days[i])
        for group in (_PLACE, _NEIGHBOURS, _HISTORY):
            made[1 + i, group] = (1 - credit) * parts[:, groups == group].sum(axis=1)
        made[1 + i, _HISTORY] += credit * state.own[i] / days[i]
    first = 1 + len(MEMORIES)
    recent = state.own[len(MEMORIES) :]
    made[first : first + len(RECENT), _RECENT] = recent
    near, far = _spreads(state.grid)
    after = first + len(RECENT)
    made[after, _NEIGHBOURS], made[after + 1, _NEIGHBOURS] = near @ recent[0], near @ recent[2]
    made[after + 2, _NEIGHBOURS] = far @ recent[0]
    made[after + 3, _RECENT] = state.others[:, 1].sum(axis=0)
    made[after + 4, _PLACE] = state.even
    if len(state.others):
        change = _others_change(state)
        for row, memory in enumerate(_MOVED, start=after + 5):
            level = made[1 + MEMORIES.index(memory)]
            made[row] = level * np.minimum(change, 1.0)
            made[row, _RECENT] += level.sum(axis=0) * np.maximum(change - 1.0, 0.0)
    return made


def _others_change(state: State) -> NDArray[np.float64]:
    """Tell how much more the related categories have in each cell of late than their long run there, shape (n_cells,).

    (1 + N) / (1 + E): N is their count fading over 30 days, E what the cell's share of all their incidents would have
    brought. A place that draws more of everything, or less, tells of the target too.
    """
    long_run, recent = state.others.sum(axis=0)
    expected = long_run * (recent.sum() / max(float(long_run.sum()), 1e-12))
    return np.asarray((_DOUBT_INCIDENTS + recent) / (_DOUBT_INCIDENTS + expected))


def _spreads(grid: Grid) -> tuple[sparse.csr_array, sparse.csr_array]:
    cell_m = float(np.sqrt(np.median(grid.area_km2) * 1e6))
    return _spread(grid, max(_NEAR_M, 0.8 * cell_m)), _spread(grid, max(_FAR_M, 1.6 * cell_m))


@lru_cache(maxsize=8)
def _spread(grid: Grid, sigma_m: float) -> sparse.csr_array:
    """Lay the kernel of one grid once for all origins and models that use it."""
    return spread_matrix(grid, sigma_m, own_cell=False)
