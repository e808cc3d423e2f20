"""Spend a limited number of patrol visits where most is expected, and no neighbourhood more than its cap.

The unit is the place-day: one place on one weekday, visited during one shift.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from crimepatterns.errors import DomainError

__all__ = ["Allocation", "Capacity", "allocate"]


@dataclass(frozen=True)
class Capacity:
    """How many places can be looked after.

    Parameters
    ----------
    units : int
        Patrol units on duty.
    hours_per_unit : float
        Hours each has for hot spots per day.
    minutes_per_visit : float
    visits_per_place_day : int
    shift_hours : int
        A unit cannot spend more than this in one shift.
    """

    units: int
    hours_per_unit: float
    minutes_per_visit: float
    visits_per_place_day: int
    shift_hours: int

    def __post_init__(self) -> None:
        if self.places_per_day < 1:
            raise DomainError(
                f"{self.units} units of {self.hours_per_unit:g} hours cannot give one place "
                f"{self.visits_per_place_day} visits of {self.minutes_per_visit:g} minutes: "
                "raise plan.units or plan.hours_per_unit."
            )

    @property
    def places_per_day(self) -> int:
        """Places that get all their visits on a day."""
        return self._places(self.hours_per_unit)

    @property
    def places_per_shift(self) -> int:
        """Places that get all their visits within one shift."""
        return max(1, self._places(min(self.hours_per_unit, float(self.shift_hours))))

    def _places(self, hours: float) -> int:
        return int(self.units * hours * 60 / (self.minutes_per_visit * self.visits_per_place_day) + 1e-9)


@dataclass(frozen=True, eq=False)
class Allocation:
    """Which place-days were chosen.

    Parameters
    ----------
    blocks : ndarray of bool, shape (n_cells, 7, n_shifts)
        At most one shift per cell and weekday.
    capped : bool
        False where no cap was asked for.
    rounded_up : bool
        True where the plan is too small to be divided and every cap had to be rounded up to whole place-days.
    """

    blocks: NDArray[np.bool_] = field(repr=False)
    capped: bool
    rounded_up: bool = False

    @property
    def place_days(self) -> int:
        """Number of chosen place-days."""
        return int(self.blocks.sum())

    @property
    def cells(self) -> NDArray[np.int64]:
        """Positions of the chosen cells."""
        return np.flatnonzero(self.blocks.any(axis=(1, 2)))


def allocate(
    values: NDArray[np.float64],
    *,
    area_km2: NDArray[np.float64],
    area_limit_km2: float,
    capacity: Capacity,
    cell_ids: NDArray[np.object_],
    neighbourhoods: NDArray[np.object_] | None = None,
    cap_shares: Mapping[str, float] | None = None,
) -> Allocation:
    """Choose place-days greedily by expected incidents.

    Parameters
    ----------
    values : ndarray of float, shape (n_cells, 7, n_shifts)
        Expected incidents of every block; blocks of 0 are never chosen.
    area_km2 : ndarray of float, shape (n_cells,)
    area_limit_km2 : float
        All chosen cells together.
    capacity : Capacity
    cell_ids : ndarray of str, shape (n_cells,)
        Ties break by id.
    neighbourhoods : ndarray of str, shape (n_cells,), optional
    cap_shares : mapping of str to float, optional
        Largest share of the plan's place-days per neighbourhood; one that is not named gets none.

    Returns
    -------
    Allocation
        A greedy plan in which every neighbourhood's share of the plan *as made* is within its cap.

    Raises
    ------
    DomainError
        If no cell fits into the area budget.
    """
    if not (area_km2 <= area_limit_km2).any():
        raise DomainError(
            f"No cell fits into the area budget of {area_limit_km2:.3f} km2, "
            f"the smallest has {area_km2.min():.3f} km2: raise plan.area_budget or use smaller cells."
        )
    order = _candidates(values, cell_ids, every_shift=capacity.places_per_shift < capacity.places_per_day)
    if neighbourhoods is None or cap_shares is None:
        return Allocation(_fill(values.shape, order, area_km2, area_limit_km2, capacity, None, None), capped=False)
    names, codes = np.unique(neighbourhoods.astype(str), return_inverse=True)
    shares = np.array([cap_shares.get(name, 0.0) for name in names])
    size = 7 * capacity.places_per_day
    while size > 0:
        caps = np.floor(shares * size + 1e-9).astype(np.int64)
        blocks = _fill(values.shape, order, area_km2, area_limit_km2, capacity, codes, caps)
        made = int(blocks.sum())
        if made == size:
            return Allocation(blocks, capped=True)
        # Shares are of the plan as made: a smaller plan needs smaller caps.
        used = np.bincount(codes, weights=blocks.sum(axis=(1, 2)), minlength=len(names))
        if made and (used <= shares * made + 1e-9).all():
            return Allocation(blocks, capped=True)
        size = made
    whole = np.floor(shares * 7 * capacity.places_per_day + 1e-9)
    caps = np.where(shares > 0, np.maximum(whole, 1), 0).astype(np.int64)
    blocks = _fill(values.shape, order, area_km2, area_limit_km2, capacity, codes, caps)
    return Allocation(blocks, capped=True, rounded_up=True)


def _candidates(
    values: NDArray[np.float64], cell_ids: NDArray[np.object_], *, every_shift: bool
) -> list[tuple[int, int, int]]:
    """List blocks from the most to the least expected; only the best shift of a day where shifts are never full."""
    if every_shift:
        cell, day, shift = np.nonzero(values > 0)
    else:
        best = values.argmax(axis=2)
        cell, day = np.nonzero(values.max(axis=2) > 0)
        shift = best[cell, day]
    rank = np.argsort(np.argsort(cell_ids.astype(str), kind="stable"), kind="stable")
    order = np.lexsort((shift, day, rank[cell], -values[cell, day, shift]))
    return list(zip(cell[order].tolist(), day[order].tolist(), shift[order].tolist(), strict=True))


def _fill(
    shape: tuple[int, ...],
    order: list[tuple[int, int, int]],
    area_km2: NDArray[np.float64],
    area_limit_km2: float,
    capacity: Capacity,
    codes: NDArray[np.int64] | None,
    caps: NDArray[np.int64] | None,
) -> NDArray[np.bool_]:
    blocks = np.zeros(shape, dtype=bool)
    areas, remaining = area_km2.tolist(), area_limit_km2 + 1e-9
    day_left = [capacity.places_per_day] * 7
    shift_left = [[capacity.places_per_shift] * shape[2] for _ in range(7)]
    opened: set[int] = set()
    taken: set[tuple[int, int]] = set()
    owner = None if codes is None else codes.tolist()
    cap_left = [] if caps is None else caps.tolist()
    left = 7 * capacity.places_per_day
    for cell, day, shift in order:
        if not day_left[day] or not shift_left[day][shift] or (cell, day) in taken:
            continue
        if owner is not None and not cap_left[owner[cell]]:
            continue
        if cell not in opened:
            if areas[cell] > remaining:
                continue
            opened.add(cell)
            remaining -= areas[cell]
        blocks[cell, day, shift] = True
        taken.add((cell, day))
        day_left[day] -= 1
        shift_left[day][shift] -= 1
        if owner is not None:
            cap_left[owner[cell]] -= 1
        left -= 1
        if not left:
            break
    return blocks
