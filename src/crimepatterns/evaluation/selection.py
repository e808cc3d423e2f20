"""Which cells a map would send people to, under an area budget or a number of places.

Ties at the cut share what is left of the budget in proportion, so that a score never depends on the order of cells.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crimepatterns.errors import DomainError

__all__ = ["Budget", "select_cells", "select_each"]

_TIE = 1e-9
"""Scores closer than this share of themselves are equal: clipping leaves areas equal only up to rounding."""


@dataclass(frozen=True)
class Budget:
    """How much can be looked after: a share of the study area, or a number of places.

    Parameters
    ----------
    area_share : float, optional
        Share of the study area, in (0, 1).
    places : int, optional
        Number of cells.

    Raises
    ------
    DomainError
        Unless exactly one of the two is given and possible.
    """

    area_share: float | None = None
    places: int | None = None

    def __post_init__(self) -> None:
        if (self.area_share is None) == (self.places is None):
            raise DomainError("Budget needs either area_share or places: give one of the two.")
        if self.area_share is not None and not 0 < self.area_share < 1:
            raise DomainError(f"Budget area_share must lie in (0, 1), got {self.area_share}.")
        if self.places is not None and self.places < 1:
            raise DomainError(f"Budget places must be at least 1, got {self.places}.")

    @property
    def label(self) -> str:
        """What is printed, such as ``2 % of area`` or ``20 places``."""
        return f"{self.places} places" if self.area_share is None else f"{self.area_share * 100:g} % of area"


def select_cells(scores: ArrayLike, area_km2: ArrayLike, budget: Budget) -> NDArray[np.float64]:
    """Give each cell the share of it that the budget covers when the highest scores come first.

    Under an area budget cells are ranked by score per km2, which is the best use of limited area; for a number of
    places they are ranked by the score itself. Cells that tie at the cut are covered in equal proportion.

    Parameters
    ----------
    scores : array_like of float, shape (n_cells,)
        Expected (or observed) incidents per cell, not negative.
    area_km2 : array_like of float, shape (n_cells,)
        Clipped areas, square kilometres.
    budget : Budget

    Returns
    -------
    ndarray of float, shape (n_cells,)
        In [0, 1]; the areas (or cells) it covers sum to the budget.

    Raises
    ------
    DomainError
        If lengths differ, or a score is negative or not finite.

    Examples
    --------
    >>> select_cells([5, 3, 3, 1], [1, 1, 1, 1], Budget(places=2))
    array([1. , 0.5, 0.5, 0. ])
    """
    return select_each(scores, area_km2, (budget,))[0]


def select_each(scores: ArrayLike, area_km2: ArrayLike, budgets: Sequence[Budget]) -> list[NDArray[np.float64]]:
    """Select cells under several budgets of one kind, ranking them once; see `select_cells`."""
    values, areas = np.asarray(scores, dtype=float), np.asarray(area_km2, dtype=float)
    if values.shape != areas.shape or values.ndim != 1:
        raise DomainError(f"Scores and areas must have one value per cell, got {values.shape} and {areas.shape}.")
    if not np.isfinite(values).all() or (values < 0).any():
        raise DomainError("Scores must be finite and not negative.")
    by_area = {budget.area_share is not None for budget in budgets}
    if len(by_area) > 1:
        raise DomainError("Budgets must be all of area or all of places to rank cells once.")
    sizes, ranked_by = (areas, values / areas) if True in by_area else (np.ones_like(areas), values)
    group = _tie_groups(ranked_by)
    group_size = np.bincount(group, weights=sizes)
    before = np.cumsum(group_size) - group_size
    limits = [
        float(budget.places or 0) if budget.area_share is None else budget.area_share * float(areas.sum())
        for budget in budgets
    ]
    return [np.clip((limit - before) / group_size, 0.0, 1.0)[group] for limit in limits]


def _tie_groups(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the group of each value, 0 for the highest; a chain of near-equal neighbours is one group.

    So the order of equal values plays no part, and the quickest sort will do.
    """
    order = np.argsort(-values)
    ranked = values[order]
    starts = np.empty(len(ranked), dtype=bool)
    starts[:1] = False
    starts[1:] = ranked[:-1] - ranked[1:] > _TIE * np.abs(ranked[:-1])
    group = np.empty(len(values), dtype=np.int64)
    group[order] = np.cumsum(starts)
    return group
