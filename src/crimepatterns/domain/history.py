"""Everything a forecaster may know at a cutoff, and nothing later."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crimepatterns.domain.completeness import Completeness
from crimepatterns.domain.covariates import Covariates
from crimepatterns.domain.grid import Grid
from crimepatterns.domain.incidents import Incidents
from crimepatterns.domain.panel import Panel
from crimepatterns.domain.periods import Periods
from crimepatterns.errors import DomainError

__all__ = ["Archive", "History"]


@dataclass(frozen=True, eq=False)
class History:
    """What was known about one category at a cutoff.

    Parameters
    ----------
    incidents : Incidents
        All categories, as of `cutoff`.
    panel : Panel
        Counts of all categories over periods that end at or before `cutoff`.
    target : str
        The category to forecast; one of ``panel.categories``.
    cutoff : Timestamp
    covariates : Covariates, optional
        Facts about the cells, as known before `cutoff`.
    completeness : Completeness, optional
        Which share of the target's incidents of each age is known; None where all of them are taken to be.

    Raises
    ------
    DomainError
        If anything in it is later than the cutoff.
    """

    incidents: Incidents = field(repr=False)
    panel: Panel
    target: str
    cutoff: pd.Timestamp
    covariates: Covariates | None = field(default=None, repr=False)
    completeness: Completeness | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.target not in self.panel.categories:
            raise DomainError(f"History has no category {self.target!r}, it has {list(self.panel.categories)}.")
        if self.panel.periods.end > self.cutoff or self.panel.as_of > self.cutoff:
            raise DomainError(f"History panel reaches beyond its cutoff {self.cutoff}.")
        if len(self.incidents) and self.incidents.table["known_at"].max() > self.cutoff:
            raise DomainError(f"History holds incidents that were not known at {self.cutoff}.")
        if self.covariates is not None:
            _check_covariates(self.covariates, self.grid, self.cutoff)

    @property
    def grid(self) -> Grid:
        """The cells counted on."""
        return self.panel.grid

    @property
    def counts(self) -> NDArray[np.int32]:
        """Counts of the target, shape (n_cells, n_periods)."""
        return self.panel.of(self.target)

    @cached_property
    def target_incidents(self) -> Incidents:
        """Incidents of the target category."""
        return self.incidents.of(self.target)


@dataclass(frozen=True, eq=False)
class Archive:
    """All incidents on a grid, from which the history at any cutoff is cut quickly and without leaks.

    Parameters
    ----------
    incidents : Incidents
    grid : Grid
    period_days : int
        Length of the panel's periods, civil days; the same as the forecast horizon.
    covariates : Covariates, optional
        Facts about the cells of `grid`; each history gets those that were known at its cutoff.
    nowcast : callable, optional
        ``nowcast(known incidents, cutoff, target)`` tells how complete they are; left out, they are taken as complete.
    """

    incidents: Incidents = field(repr=False)
    grid: Grid
    period_days: int
    covariates: Covariates | None = field(default=None, repr=False)
    nowcast: Callable[[Incidents, pd.Timestamp, str], Completeness | None] | None = field(default=None, repr=False)

    @property
    def start(self) -> pd.Timestamp:
        """Civil midnight of the first day with an incident."""
        return self.incidents.table["occurred_from"].min().normalize()

    @property
    def end(self) -> pd.Timestamp:
        """Civil midnight after the last day with an incident."""
        return self.incidents.table["occurred_from"].max().normalize() + pd.DateOffset(days=1)

    def at(self, cutoff: pd.Timestamp, *, target: str, categories: Sequence[str] | None = None) -> History:
        """Cut the history at `cutoff`: whole periods back to the start, counting only what was known then.

        Raises
        ------
        DomainError
            If there is not one whole period before the cutoff.
        """
        known = self.incidents.as_of(cutoff)
        # The first day is taken from what was known: an old incident reported later must not move the periods.
        start = known.table["occurred_from"].min().normalize() if len(known) else cutoff
        days = (cutoff.tz_localize(None) - start.tz_localize(None)).days
        count = days // self.period_days
        if count < 1:
            raise DomainError(
                f"No whole period of {self.period_days} days before {cutoff.date()}: data begin {self.start.date()}. "
                "Give more data or set a shorter forecast.horizon_days."
            )
        periods = Periods.ending_at(cutoff, days=self.period_days, count=count)
        names = tuple(categories if categories is not None else sorted(self.incidents.categories))
        panel = Panel.count(known, self.grid, periods, categories=names, as_of=cutoff)
        covariates = None if self.covariates is None else self.covariates.as_of(cutoff)
        completeness = None if self.nowcast is None else self.nowcast(known, cutoff, target)
        return History(known, panel, target, cutoff, covariates, completeness)

    def outcome(self, periods: Periods, *, categories: Sequence[str] | None = None) -> Panel:
        """Count what really happened in `periods`, with everything known today."""
        names = tuple(categories if categories is not None else sorted(self.incidents.categories))
        return Panel.count(self.incidents, self.grid, periods, categories=names)


def _check_covariates(covariates: Covariates, grid: Grid, cutoff: pd.Timestamp) -> None:
    if covariates.n_cells != len(grid):
        raise DomainError(f"Covariates describe {covariates.n_cells} cells, the grid has {len(grid)}.")
    if covariates.latest is not None and covariates.latest >= cutoff:
        raise DomainError(f"History holds covariates that were not known before {cutoff}.")
