"""Spend a limited number of patrol visits where most is expected, and no neighbourhood more than its cap.

The unit is the place-day: one place on one weekday, visited during one shift.
"""

import heapq
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
    loosened : bool
        True where no plan keeps the caps as shares of itself; they are then shares of the place-days available, and
        at least one.
    """

    blocks: NDArray[np.bool_] = field(repr=False)
    capped: bool
    loosened: bool = False

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
    rank = np.argsort(np.argsort(cell_ids.astype(str), kind="stable"), kind="stable")
    limits = _Limits(area_km2, area_limit_km2, capacity, rank)
    order = _candidates(values, rank, every_shift=capacity.places_per_shift < capacity.places_per_day)
    free = _best(values, _fills(values, order, limits, None, None))
    if neighbourhoods is None or cap_shares is None:
        return Allocation(free, capped=False)
    names, codes = np.unique(neighbourhoods.astype(str), return_inverse=True)
    shares = np.array([cap_shares.get(name, 0.0) for name in names])
    size = available = int(free.sum())
    while size > 0:
        made = _fills(values, order, limits, codes, np.floor(shares * size + 1e-9).astype(np.int64))
        fair = [blocks for blocks in made if _within(blocks, codes, shares)]
        if fair:
            return Allocation(_best(values, fair), capped=True)
        # Shares are of the plan as made: a smaller plan needs smaller caps.
        size = min(size - 1, max(int(blocks.sum()) for blocks in made))
    caps = np.where(shares > 0, np.maximum(np.floor(shares * available + 1e-9), 1), 0).astype(np.int64)
    return Allocation(_best(values, _fills(values, order, limits, codes, caps)), capped=True, loosened=True)


@dataclass(frozen=True)
class _Limits:
    area_km2: NDArray[np.float64]
    area_limit_km2: float
    capacity: Capacity
    rank: NDArray[np.int64]


def _fills(
    values: NDArray[np.float64],
    order: list[tuple[int, int, int]],
    limits: _Limits,
    codes: NDArray[np.int64] | None,
    caps: NDArray[np.int64] | None,
) -> list[NDArray[np.bool_]]:
    """Fill the plan in three ways: block by block, and among places opened for their week or for their room.

    The first is best where hours are scarce, the second where ground is (it opens no place for a single good hour), the
    third where caps are tight (it prefers neighbourhoods that may still have many place-days).
    """
    found = [_fill(values.shape, order, limits, codes, caps)]
    for by_room in (False, True) if caps is not None else (False,):
        opened = _open_places(values, limits, codes, caps, by_room=by_room)
        found.append(_fill(values.shape, [block for block in order if block[0] in opened], limits, codes, caps))
    return found


def _best(values: NDArray[np.float64], plans: list[NDArray[np.bool_]]) -> NDArray[np.bool_]:
    return max(plans, key=lambda blocks: round(float(values[blocks].sum()), 9))


def _within(blocks: NDArray[np.bool_], codes: NDArray[np.int64], shares: NDArray[np.float64]) -> bool:
    used = np.bincount(codes, weights=blocks.sum(axis=(1, 2)), minlength=len(shares))
    return bool(used.sum() > 0 and (used <= shares * used.sum() + 1e-9).all())


def _open_places(
    values: NDArray[np.float64],
    limits: _Limits,
    codes: NDArray[np.int64] | None,
    caps: NDArray[np.int64] | None,
    *,
    by_room: bool,
) -> set[int]:
    """Choose places by the best days of their week that the cap still leaves them, or by the number of such days."""
    days = -np.sort(-values.max(axis=2), axis=1)
    worth = np.column_stack([np.zeros(len(days)), np.cumsum(days, axis=1)])
    owner = np.zeros(len(days), dtype=np.int64) if codes is None else codes
    left = np.array([np.iinfo(np.int64).max]) if caps is None else caps.copy()
    total, remaining = 7 * limits.capacity.places_per_day, limits.area_limit_km2 + 1e-9

    def appeal(cell: int) -> tuple[float, float]:
        free = min(7, int(left[owner[cell]]))
        return (-float(free) if by_room else 0.0, -float(worth[cell, free]))

    heap = [(appeal(cell), place, cell) for cell, place in enumerate(limits.rank.tolist())]
    heapq.heapify(heap)
    opened: set[int] = set()
    while heap and total > 0:
        known, place, cell = heapq.heappop(heap)
        free = min(7, int(left[owner[cell]]))
        if not free or limits.area_km2[cell] > remaining:
            continue
        now = appeal(cell)
        if now > known:
            heapq.heappush(heap, (now, place, cell))
            continue
        opened.add(cell)
        left[owner[cell]] -= free
        total -= free
        remaining -= float(limits.area_km2[cell])
    return opened


def _candidates(
    values: NDArray[np.float64], rank: NDArray[np.int64], *, every_shift: bool
) -> list[tuple[int, int, int]]:
    """List blocks from the most to the least expected; only the best shift of a day where shifts are never full."""
    if every_shift:
        cell, day, shift = np.nonzero(values > 0)
    else:
        best = values.argmax(axis=2)
        cell, day = np.nonzero(values.max(axis=2) > 0)
        shift = best[cell, day]
    order = np.lexsort((shift, day, rank[cell], -values[cell, day, shift]))
    return list(zip(cell[order].tolist(), day[order].tolist(), shift[order].tolist(), strict=True))


def _fill(
    shape: tuple[int, ...],
    order: list[tuple[int, int, int]],
    limits: _Limits,
    codes: NDArray[np.int64] | None,
    caps: NDArray[np.int64] | None,
) -> NDArray[np.bool_]:
    capacity = limits.capacity
    blocks = np.zeros(shape, dtype=bool)
    areas, remaining = limits.area_km2.tolist(), limits.area_limit_km2 + 1e-9
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
