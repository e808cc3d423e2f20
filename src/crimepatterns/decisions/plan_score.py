"""What plans would have caught: the plan from the forecasts beside the same plan made from plain counts."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crimepatterns.decisions.patrol import PatrolPlan
from crimepatterns.domain.grid import Grid
from crimepatterns.domain.incidents import Incidents

__all__ = ["PlanHits", "score_plan"]


@dataclass(frozen=True)
class PlanHits:
    """Incidents that fell where, and when, a plan would have had patrols.

    Parameters
    ----------
    cutoff : Timestamp
    at_places : int
        In planned cells at any time of the horizon.
    in_hours : int
        In planned cells during the planned hours; of incidents whose hour is known.
    total, total_timed : int
        All incidents of the planned categories, and those whose hour is known.
    place_days : int
        Size of the plan.
    empty_places : float
        Share of planned places at which nothing happened.
    """

    cutoff: pd.Timestamp
    at_places: int
    in_hours: int
    total: int
    total_timed: int
    place_days: int
    empty_places: float


def score_plan(
    plan: PatrolPlan,
    incidents: Incidents,
    grid: Grid,
    *,
    window: tuple[pd.Timestamp, pd.Timestamp],
    categories: Sequence[str],
) -> PlanHits:
    """Count what a plan would have caught in its window.

    Parameters
    ----------
    plan : PatrolPlan
    incidents : Incidents
        Everything known today.
    grid : Grid
        The grid the plan was made on.
    window : tuple of Timestamp
        Half-open.
    categories : sequence of str

    Returns
    -------
    PlanHits
    """
    table = incidents.of(*categories).between(*window).table
    cell, assigned = grid.assign(table["x"], table["y"])
    inside: NDArray[np.bool_] = np.asarray(assigned, dtype=bool)
    planned: NDArray[np.bool_] = np.asarray(plan.blocks.any(axis=(1, 2)), dtype=bool)
    at_places = np.logical_and(inside, planned[cell])
    timed = table["time_precision"].isin(("minute", "hour")).to_numpy(dtype=bool)
    day, hour = table["occurred_from"].dt.day_of_week.to_numpy(), table["occurred_from"].dt.hour.to_numpy()
    # Where hours are not known the plan has one block per day, and the day is what can be right.
    shift = hour // plan.schedule.shift_hours if plan.schedule.known == "hours" else np.zeros_like(hour)
    in_hours = np.logical_and(at_places, plan.blocks[cell, day, shift])
    visited = np.bincount(cell[at_places], minlength=len(grid))[planned] > 0
    return PlanHits(
        cutoff=window[0],
        at_places=int(at_places.sum()),
        in_hours=int(np.logical_and(in_hours, timed).sum()),
        total=len(table),
        total_timed=int(timed.sum()),
        place_days=int(plan.blocks.sum()),
        empty_places=float(1 - visited.mean()) if planned.any() else float("nan"),
    )
