"""Incident counts by category, cell and period: the thing that is forecast and scored."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crimepatterns.domain.grid import Grid
from crimepatterns.domain.incidents import Incidents
from crimepatterns.domain.periods import Periods
from crimepatterns.errors import DomainError

__all__ = ["Panel"]


@dataclass(frozen=True, eq=False)
class Panel:
    """Integer counts of incidents with explicit zeros.

    Parameters
    ----------
    grid : Grid
    periods : Periods
    categories : tuple of str
    counts : ndarray of int32, shape (n_categories, n_cells, n_periods)
    as_of : Timestamp
        When these counts were known.
    outside : int
        Incidents of these categories and periods that lie in no cell.

    Raises
    ------
    DomainError
        If the shape does not fit or a count is negative.
    """

    grid: Grid
    periods: Periods
    categories: tuple[str, ...]
    counts: NDArray[np.int32] = field(repr=False)
    as_of: pd.Timestamp
    outside: int = 0

    def __post_init__(self) -> None:
        expected = (len(self.categories), len(self.grid), len(self.periods))
        if self.counts.shape != expected:
            raise DomainError(f"Panel counts must have shape {expected}, got {self.counts.shape}.")
        if not np.issubdtype(self.counts.dtype, np.integer):
            raise DomainError(f"Panel counts must be integers, got {self.counts.dtype}.")
        if self.counts.size and int(self.counts.min()) < 0:
            raise DomainError("Panel counts must not be negative.")

    @classmethod
    def count(
        cls,
        incidents: Incidents,
        grid: Grid,
        periods: Periods,
        *,
        categories: Sequence[str] | None = None,
        as_of: pd.Timestamp | None = None,
    ) -> "Panel":
        """Count incidents by ``occurred_from``; only those known before `as_of` where it is given."""
        names = tuple(incidents.categories if categories is None else categories)
        known = incidents if as_of is None else incidents.as_of(as_of)
        cell, inside = grid.assign(known.table["x"], known.table["y"])
        period, timely = periods.locate(known.table["occurred_from"])
        labels = pd.Categorical(known.table["category"])
        position = pd.Index(names, dtype=object).get_indexer(labels.categories.astype(object))
        # One more entry at the end, so that a missing label (code -1) finds -1.
        code = np.append(position, -1)[labels.codes].astype(np.int64)
        wanted = timely & (code >= 0)
        keep = wanted & inside
        shape = (len(names), len(grid), len(periods))
        flat = np.ravel_multi_index((code[keep], cell[keep], period[keep]), shape)
        counts = np.bincount(flat, minlength=int(np.prod(shape))).reshape(shape).astype(np.int32)
        moment = as_of if as_of is not None else max(periods.end, known.table["known_at"].max())
        return cls(grid, periods, names, counts, moment, int((wanted & ~inside).sum()))

    def of(self, category: str) -> NDArray[np.int32]:
        """Return the counts of one category, shape (n_cells, n_periods)."""
        if category not in self.categories:
            raise DomainError(f"Panel has no category {category!r}, it has {list(self.categories)}.")
        return self.counts[self.categories.index(category)]

    @property
    def total(self) -> NDArray[np.int32]:
        """Counts of all categories together, shape (n_cells, n_periods)."""
        return self.counts.sum(axis=0, dtype=np.int32)
