"""Aoristic mass by category, cell and period, beside the integer counts that are scored."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crimepatterns.domain.aoristic import intervals_of, overlaps
from crimepatterns.domain.grid import Grid
from crimepatterns.domain.incidents import Incidents
from crimepatterns.domain.periods import Periods
from crimepatterns.errors import DomainError

__all__ = ["AoristicPanel"]


@dataclass(frozen=True, eq=False)
class AoristicPanel:
    """Incidents spread over the periods they can have happened in.

    An incident between two moments has mass in every period it meets, in proportion to the time; one known to the
    moment has mass 1 in its period. Learners may use it; what is forecast and scored stays the integer `Panel`.

    Parameters
    ----------
    grid : Grid
    periods : Periods
    categories : tuple of str
    weights : ndarray of float64, shape (n_categories, n_cells, n_periods)
    as_of : Timestamp
        When this was known.
    outside : float
        Mass in these periods that lies in no cell.
    lost : float
        Mass of the incidents that meet these periods which lies before or after them.

    Raises
    ------
    DomainError
        If the shape does not fit, or a weight is negative or not finite.
    """

    grid: Grid
    periods: Periods
    categories: tuple[str, ...]
    weights: NDArray[np.float64] = field(repr=False)
    as_of: pd.Timestamp
    outside: float = 0.0
    lost: float = 0.0

    def __post_init__(self) -> None:
        expected = (len(self.categories), len(self.grid), len(self.periods))
        if self.weights.shape != expected:
            raise DomainError(f"Aoristic weights must have shape {expected}, got {self.weights.shape}.")
        if not np.issubdtype(self.weights.dtype, np.floating):
            raise DomainError(f"Aoristic weights must be floating-point numbers, got {self.weights.dtype}.")
        if self.weights.size and not (np.isfinite(self.weights).all() and self.weights.min() >= 0):
            raise DomainError("Aoristic weights must be finite and not negative.")

    @classmethod
    def spread(
        cls,
        incidents: Incidents,
        grid: Grid,
        periods: Periods,
        *,
        categories: Sequence[str] | None = None,
        as_of: pd.Timestamp | None = None,
    ) -> "AoristicPanel":
        """Spread incidents over the periods; only those known before `as_of` where it is given."""
        names = tuple(incidents.categories if categories is None else categories)
        known = incidents if as_of is None else incidents.as_of(as_of)
        table = known.table
        labels = pd.Categorical(table["category"])
        position = pd.Index(names, dtype=object).get_indexer(labels.categories.astype(object))
        # One more entry at the end, so that a missing label (code -1) finds -1.
        code = np.append(position, -1)[labels.codes].astype(np.int64)
        wanted = np.flatnonzero(code >= 0)
        start, end = (moments[wanted] for moments in intervals_of(table))
        cell, inside = grid.assign(table["x"].iloc[wanted], table["y"].iloc[wanted])
        group = code[wanted] * len(grid) + cell
        shape = (len(names), len(grid), len(periods))
        flat = np.zeros(int(np.prod(shape)))
        outside, met = 0.0, np.zeros(len(wanted))
        for row, place, share in overlaps(start, end, periods.edges.as_unit("us").asi8):
            placed = inside[row]
            np.add.at(flat, group[row[placed]] * len(periods) + place[placed], share[placed])
            outside += float(share[~placed].sum())
            met += np.bincount(row, weights=share, minlength=len(wanted))
        lost = float(np.sum(1.0 - met[met > 0]))
        moment = as_of if as_of is not None else max(periods.end, table["known_at"].max())
        return cls(grid, periods, names, flat.reshape(shape), moment, outside, max(lost, 0.0))

    def of(self, category: str) -> NDArray[np.float64]:
        """Return the weights of one category, shape (n_cells, n_periods)."""
        if category not in self.categories:
            raise DomainError(f"Aoristic panel has no category {category!r}, it has {list(self.categories)}.")
        return self.weights[self.categories.index(category)]

    @property
    def total(self) -> NDArray[np.float64]:
        """Weights of all categories together, shape (n_cells, n_periods)."""
        return np.asarray(self.weights.sum(axis=0), dtype=np.float64)
