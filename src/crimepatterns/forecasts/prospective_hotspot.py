"""``prospective_hotspot``: recent incidents nearby, each counting less the farther off and the longer ago it is."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from crimepatterns.domain.forecast import Forecast
from crimepatterns.domain.history import History
from crimepatterns.domain.periods import Periods
from crimepatterns.features.calendar import civil_days
from crimepatterns.forecasts.predictive import forecast_from_mean
from crimepatterns.forecasts.recent import recent_window

__all__ = ["ProspectiveHotspot", "prospective_scores"]

_DAYS_PER_WEEK = 7
_BLOCK = 20_000


@dataclass(frozen=True)
class ProspectiveHotspot:
    """Expect incidents near recent ones, as the risk after an incident fades with distance and time.

    Every incident of the last `recent_days` within `radius_m` of a cell's centre adds

        1 / (1 + steps of half a cell between) * 1 / (1 + weeks between)

    to the cell's score. The boundaries are those of near repeats: a distance of at most the radius counts, time is in
    whole civil days, and a step or week ends with its upper edge (1 to 7 days before the cutoff are week 0). Scores
    are scaled to the recent total as those of ``kde``: one pseudo-incident is spread evenly over the area beside the
    n recent ones, so that no cell is held to be impossible. Bowers, Johnson & Pease 2004,
    https://doi.org/10.1093/bjc/azh036.

    Parameters
    ----------
    recent_days : int
        Window before the cutoff.
    prospective_radius_m : float, metres
        Greatest distance; raised to the cell size where it is smaller, so that each incident counts somewhere.
    """

    name: ClassVar[str] = "prospective_hotspot"
    recent_days: int = 90
    prospective_radius_m: float = 400.0

    def fit(self, history: History, *, rng: np.random.Generator) -> "ProspectiveHotspot":  # noqa: ARG002
        """Return itself: there is nothing to learn."""
        return self

    def predict(self, history: History, periods: Periods) -> Forecast:
        """Forecast from the last days of `history`."""
        grid, window = history.grid, recent_window(history, self.recent_days)
        cell_m = float(np.sqrt(np.median(grid.area_km2) * 1e6)) if grid.kind == "polygon" else grid.cell_size_m
        radius_m, step_m = float(max(self.prospective_radius_m, cell_m)), cell_m / 2
        facts = {**window.facts(self.recent_days), "radius_m": radius_m, "step_m": step_m}
        table = history.target_incidents.between(window.start, history.cutoff).table
        points = table[["x", "y"]].to_numpy(dtype=float)
        inside = grid.assign(points[:, 0], points[:, 1])[1]
        ago = (history.cutoff.tz_localize(None) - table["occurred_from"].dt.tz_localize(None).dt.normalize()).dt.days
        scores = prospective_scores(
            grid.centres, points[inside], ago.to_numpy()[inside], radius_m=radius_m, step_m=step_m
        )
        # A cell that the boundary cuts holds less, though its centre is as near.
        scores *= grid.area_km2
        even = grid.area_km2 / grid.area_km2.sum()
        if scores.any():
            share = (window.total * scores / scores.sum() + even) / (window.total + 1)
        else:
            share = even
            facts["fallback"] = "no recent incident: one pseudo-incident spread evenly over the area"
        per_day = max(window.total, 1) / window.days
        return forecast_from_mean(
            history, periods, np.outer(per_day * share, civil_days(periods)), model=self.name, parameters=facts
        )


def prospective_scores(
    centres: NDArray[np.float64],
    points: NDArray[np.float64],
    days_ago: NDArray[np.int64],
    *,
    radius_m: float,
    step_m: float,
) -> NDArray[np.float64]:
    """Sum the fading weights of incidents around each centre.

    Parameters
    ----------
    centres : ndarray of float, shape (n_cells, 2), metres
    points : ndarray of float, shape (n, 2), metres
    days_ago : ndarray of int, shape (n,)
        Whole civil days from the incident to the cutoff.
    radius_m, step_m : float
        Greatest distance, and the distance over which one more is added to the divisor.

    Returns
    -------
    ndarray of float, shape (n_cells,)
    """
    scores = np.zeros(len(centres))
    tree = cKDTree(centres)
    # Sums are of the same bits whatever the order of the incidents.
    order = np.lexsort((days_ago, *points.T))
    points, weeks = points[order], _steps(days_ago[order], _DAYS_PER_WEEK)
    for first in range(0, len(points), _BLOCK):
        block = slice(first, first + _BLOCK)
        # A hair more than the radius is searched, so that the rule itself decides about the edge.
        near = tree.sparse_distance_matrix(cKDTree(points[block]), radius_m * (1 + 1e-9), output_type="coo_matrix")
        keep = near.data <= radius_m
        weight = 1.0 / (1.0 + _steps(near.data[keep], step_m)) / (1.0 + weeks[block][near.col[keep]])
        scores += np.bincount(near.row[keep], weights=weight, minlength=len(centres))
    return scores


def _steps(length: NDArray[np.number], step: float) -> NDArray[np.float64]:
    """Count full steps before the one that holds each length; a step includes its upper edge."""
    steps: NDArray[np.float64] = np.maximum(np.ceil(length / step) - 1.0, 0.0)
    return steps
