"""What the last weeks held: the level to which several forecasters are scaled."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crimepatterns.domain.completeness import Completed
from crimepatterns.domain.history import History

__all__ = ["RecentWindow", "recent_window"]

_DAY_US = 86_400_000_000


@dataclass(frozen=True, eq=False)
class RecentWindow:
    """Target incidents of the days just before a cutoff, completed by those that are still to be reported.

    Parameters
    ----------
    start : Timestamp
    days : int
        Length of the window; shorter than asked for where the history is.
    x, y : ndarray of float, shape (n,)
        Known incidents of the window that lie in the grid, metres.
    weight : ndarray of float, shape (n,)
        How many incidents each of them stands for; 1 where reports are taken to be complete.
    counts : ndarray of float64, shape (n_cells,)
        Sums of the weights.
    completed : Completed or None
        Their number once all are known, with its interval; None where reports are taken to be complete.
    """

    start: pd.Timestamp
    days: int
    x: NDArray[np.float64] = field(repr=False)
    y: NDArray[np.float64] = field(repr=False)
    weight: NDArray[np.float64] = field(repr=False)
    counts: NDArray[np.float64] = field(repr=False)
    completed: Completed | None = None

    @property
    def total(self) -> float:
        """Incidents of the window, with those still to be reported."""
        return float(self.counts.sum())

    def facts(self, asked_days: int) -> dict[str, object]:
        """Return the window for a forecast's parameters, with a fallback where it is shorter than asked."""
        facts: dict[str, object] = {"recent_days": self.days, "recent_incidents": len(self.x)}
        if self.completed is not None:
            facts["recent_incidents_completed"] = [
                round(value, 2) for value in (self.completed.expected, self.completed.low, self.completed.high)
            ]
        if self.days < asked_days:
            facts["fallback"] = f"only {self.days} days of history instead of {asked_days}"
        return facts


def recent_window(history: History, days: int) -> RecentWindow:
    """Cut the last `days` civil days before the cutoff, or as many as the panel covers.

    Where the history tells how complete reports are, the window ends before the days of which hardly anything is known,
    and the other incidents are weighted by what they stand for.
    """
    known = history.completeness
    covered = (history.cutoff.tz_localize(None) - history.panel.periods.start.tz_localize(None)).days
    blind = known.blind_days if known is not None else 0
    if covered - blind < 1:
        known, blind = None, 0
    length = min(days, max(1, covered - blind))
    start, end = (history.cutoff - pd.DateOffset(days=n) for n in (blind + length, blind))
    table = history.target_incidents.between(start, end).table
    x, y = table["x"].to_numpy(dtype=float), table["y"].to_numpy(dtype=float)
    cell, inside = history.grid.assign(x, y)
    age = (history.cutoff - table["occurred_from"]).dt.as_unit("us").astype("int64").to_numpy()[inside] / _DAY_US
    weight = np.ones(len(age)) if known is None else known.weights(age)
    counts = np.bincount(cell[inside], weights=weight, minlength=len(history.grid)).astype(np.float64)
    completed = None if known is None else known.complete(age)
    return RecentWindow(start, length, x[inside], y[inside], weight, counts, completed)
