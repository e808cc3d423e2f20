"""The forecasts every model must beat: plain counts and kernel density.

Their two siblings are `shrunk_count` (``count_eb``) and `seasonal`. None of them learns more than a few numbers, and
in stable cities they are hard to beat for ranking places (Wheeler & Steenbeek 2021,
https://doi.org/10.1007/s10940-020-09457-7).
"""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from crimepatterns.domain.forecast import Forecast
from crimepatterns.domain.history import History
from crimepatterns.domain.periods import Periods
from crimepatterns.errors import PatternError
from crimepatterns.features.calendar import civil_days
from crimepatterns.forecasts.predictive import forecast_from_mean, period_lengths
from crimepatterns.forecasts.recent import RecentWindow, recent_window
from crimepatterns.patterns.density import kernel_density

__all__ = ["Count", "Kde", "RecentCount"]


@dataclass(frozen=True)
class Count:
    """Expect in each cell its mean count over the whole history.

    Formula: mean_i = (sum of counts of cell i) / (number of periods). A cell that never had an incident gets 0, so
    these means are ranked, not scored by deviance.
    """

    name: ClassVar[str] = "count"

    def fit(self, history: History, *, rng: np.random.Generator) -> "Count":  # noqa: ARG002  # the protocol's shape
        """Return itself: there is nothing to learn."""
        return self

    def predict(self, history: History, periods: Periods) -> Forecast:
        """Forecast from the counts of `history`."""
        per_period = history.counts.sum(axis=1, dtype=np.int64) / len(history.panel.periods)
        return forecast_from_mean(
            history,
            periods,
            np.outer(per_period, period_lengths(history, periods)),
            model=self.name,
            parameters={
                "periods": len(history.panel.periods),
                **({} if per_period.any() else {"fallback": "no incident to count: none is expected"}),
            },
        )


@dataclass(frozen=True)
class RecentCount:
    """Expect in each cell its mean count over the last days.

    Parameters
    ----------
    recent_days : int
        Window before the cutoff.
    """

    name: ClassVar[str] = "recent_count"
    recent_days: int = 90

    def fit(self, history: History, *, rng: np.random.Generator) -> "RecentCount":  # noqa: ARG002
        """Return itself: there is nothing to learn."""
        return self

    def predict(self, history: History, periods: Periods) -> Forecast:
        """Forecast from the last days of `history`."""
        window = recent_window(history, self.recent_days)
        facts = window.facts(self.recent_days)
        if not window.total:
            facts["fallback"] = f"no incident in the last {window.days} days: none is expected"
        return forecast_from_mean(
            history,
            periods,
            np.outer(window.counts / window.days, civil_days(periods)),
            model=self.name,
            parameters=facts,
        )


@dataclass(frozen=True)
class Kde:
    """Expect incidents where recent ones lie close together: a gaussian kernel density, scaled to the recent total.

    One pseudo-incident is spread evenly over the area beside the n recent ones, so that no cell is held to be
    impossible: mean_i = R * (n * share_i + area_i / A) / (n + 1), with R the recent total per period. Chainey,
    Tompson & Uhlig 2008, https://doi.org/10.1057/palgrave.sj.8350066.

    Parameters
    ----------
    recent_days : int
        Window before the cutoff.
    bandwidth_m : float, metres
        Standard deviation of the kernel; raised to the cell size where it is smaller.
    """

    name: ClassVar[str] = "kde"
    recent_days: int = 90
    bandwidth_m: float = field(default=250.0)

    def fit(self, history: History, *, rng: np.random.Generator) -> "Kde":  # noqa: ARG002
        """Return itself: there is nothing to learn."""
        return self

    def predict(self, history: History, periods: Periods) -> Forecast:
        """Forecast from the last days of `history`."""
        window = recent_window(history, self.recent_days)
        facts = window.facts(self.recent_days)
        smooth, used_bandwidth_m = self._smooth_share(history, window)
        facts["bandwidth_m"] = used_bandwidth_m
        if smooth is None:
            facts["fallback"] = "no recent incident: one pseudo-incident spread evenly over the area"
            smooth = np.zeros(len(history.grid))
        even = history.grid.area_km2 / history.grid.area_km2.sum()
        per_day = max(window.total, 1.0) / window.days
        share = (window.total * smooth + even) / (window.total + 1)
        return forecast_from_mean(
            history, periods, np.outer(per_day * share, civil_days(periods)), model=self.name, parameters=facts
        )

    def _smooth_share(self, history: History, window: RecentWindow) -> tuple[NDArray[np.float64] | None, float]:
        """Share of the smoothed incidents in each cell, shape (n_cells,), and the bandwidth used."""
        grid = history.grid
        cell_m = float(np.sqrt(np.median(grid.area_km2) * 1e6)) if grid.kind == "polygon" else grid.cell_size_m
        bandwidth_m = float(max(self.bandwidth_m, cell_m))
        if window.total == 0:
            return None, bandwidth_m
        try:
            surface = kernel_density((window.x, window.y), grid, bandwidth_m=bandwidth_m, weights=window.weight)
        except PatternError:
            return None, bandwidth_m
        mass = surface.values * grid.area_km2
        return mass / mass.sum(), bandwidth_m
