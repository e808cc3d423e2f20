"""What the last weeks held: the level to which several forecasters are scaled."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crimepatterns.domain.history import History

__all__ = ["RecentWindow", "recent_window"]


@dataclass(frozen=True, eq=False)
class RecentWindow:
    """Target incidents of the days just before a cutoff, as known then.

    Parameters
    ----------
    start : Timestamp
    days : int
        Length of the window; shorter than asked for where the history is.
    x, y : ndarray of float, shape (n,)
        Incidents of the window that lie in the grid, metres.
    counts : ndarray of int64, shape (n_cells,)
    """

    start: pd.Timestamp
    days: int
    x: NDArray[np.float64] = field(repr=False)
    y: NDArray[np.float64] = field(repr=False)
    counts: NDArray[np.int64] = field(repr=False)

    @property
    def total(self) -> int:
        """Incidents of the window."""
        return int(self.counts.sum())

    def facts(self, asked_days: int) -> dict[str, object]:
        """Return the window for a forecast's parameters, with a fallback where it is shorter than asked."""
        facts: dict[str, object] = {"recent_days": self.days, "recent_incidents": self.total}
        if self.days < asked_days:
            facts["fallback"] = f"only {self.days} days of history instead of {asked_days}"
        return facts


def recent_window(history: History, days: int) -> RecentWindow:
    """Cut the last `days` civil days before the cutoff, or as many as the panel covers."""
    covered = (history.cutoff.tz_localize(None) - history.panel.periods.start.tz_localize(None)).days
    length = min(days, max(1, covered))
    start = history.cutoff - pd.DateOffset(days=length)
    table = history.target_incidents.between(start, history.cutoff).table
    x, y = table["x"].to_numpy(dtype=float), table["y"].to_numpy(dtype=float)
    cell, inside = history.grid.assign(x, y)
    counts = np.bincount(cell[inside], minlength=len(history.grid)).astype(np.int64)
    return RecentWindow(start, length, x[inside], y[inside], counts)
