"""What the defects do to results.

Hot spots are made once more, with places moved as far as they are uncertain and without suspicious rows, beside what
luck alone does.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from crimepatterns.domain.grid import Grid
from crimepatterns.domain.incidents import Incidents
from crimepatterns.errors import PatternError
from crimepatterns.patterns.autocorrelation import gi_star
from crimepatterns.patterns.density import kernel_density
from crimepatterns.patterns.rhythms import hour_known, peak_hours
from crimepatterns.patterns.significance import discoveries
from crimepatterns.quality.findings import Finding, Severity, per_cent, sound

__all__ = ["Scenario", "Stability", "move_places", "peak_shift", "rank_stability", "stability_finding"]

_TOP = 0.02
_FDR = 0.05
_FEWEST = 100
_NOTE, _WARNING, _SERIOUS = 0.9, 0.75, 0.5
_FINE_M = 0.5


@dataclass(frozen=True)
class Scenario:
    """How hot spots compare with those of the records as they are.

    Parameters
    ----------
    name : {"jitter", "without", "luck"}
    what : str
        In words: what was changed.
    overlap : tuple of float
        Share of the top 2 % of the area that stays on top; mean, least and most over the repetitions.
    density_overlap : tuple of float
        The same for the kernel density.
    rank_correlation : float
        Spearman's, over cells with an incident in either.
    hot_cells, appear, vanish : float
        Significant cells of the records as they are, and how many come and go; means.
    """

    name: str
    what: str
    overlap: tuple[float, float, float]
    density_overlap: tuple[float, float, float]
    rank_correlation: float
    hot_cells: float
    appear: float
    vanish: float

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as JSON-able values."""
        return {
            "name": self.name,
            "what": self.what,
            "overlap": [round(value, 4) for value in self.overlap],
            "density_overlap": [round(value, 4) for value in self.density_overlap],
            "rank_correlation": round(self.rank_correlation, 4),
            "hot_cells": round(self.hot_cells, 1),
            "appear": round(self.appear, 1),
            "vanish": round(self.vanish, 1),
        }


@dataclass(frozen=True, eq=False)
class Stability:
    """The scenarios of one category."""

    category: str
    incidents: int
    scenarios: tuple[Scenario, ...] = field(repr=False)


@dataclass(frozen=True, eq=False)
class _Map:
    """Hot spots of one version of the records."""

    z: NDArray[np.float64]
    density: NDArray[np.float64]
    hot: NDArray[np.bool_]
    counts: NDArray[np.int64]


def rank_stability(
    incidents: Incidents,
    grid: Grid,
    *,
    category: str,
    radius_m: float,
    suspicious: NDArray[np.bool_],
    suspicious_what: str,
    rng: np.random.Generator,
    repetitions: int = 12,
) -> Stability | None:
    """Compare the hot spots of the records with those of the same records changed within what is known of them.

    Parameters
    ----------
    incidents : Incidents
        Those of the window and category.
    grid : Grid
    category : str
    radius_m : float
        Each distinct place is moved to anywhere within this distance, all its incidents together, metres.
    suspicious : ndarray of bool, shape (n,)
        Rows that the findings suspect.
    suspicious_what : str
        What they are, in words.
    rng : Generator
    repetitions : int
        So many draws of jitter and of luck.

    Returns
    -------
    Stability or None
        None where there are fewer than 100 incidents in the grid. ``luck`` draws as many incidents again from the same
        incidents (bootstrap): what happens to the ranks without any defect.
    """
    xy = incidents.table[["x", "y"]].to_numpy(dtype=float)
    inside = grid.assign(xy[:, 0], xy[:, 1])[1]
    xy, suspicious = xy[inside], suspicious[inside]
    if len(xy) < _FEWEST:
        return None
    place = np.unique(xy, axis=0, return_inverse=True)[1].reshape(-1)
    plain = _map(xy, grid)
    scenarios = []
    if radius_m >= _FINE_M:
        moved = [_map(move_places(xy, place, radius_m, rng), grid) for _ in range(repetitions)]
        scenarios.append(_compared("jitter", f"places moved by up to {radius_m:,.0f} m", plain, moved, grid))
    if suspicious.any():
        left = xy[~suspicious]
        if len(left) >= _FEWEST:
            what = f"without {int(suspicious.sum()):,} suspicious rows ({suspicious_what})"
            scenarios.append(_compared("without", what, plain, [_map(left, grid)], grid))
    lucky = [_map(xy[rng.integers(0, len(xy), len(xy))], grid) for _ in range(repetitions)]
    scenarios.append(_compared("luck", "as many incidents drawn again from the same ones", plain, lucky, grid))
    return Stability(category, len(xy), tuple(scenarios))


def move_places(
    xy: NDArray[np.float64], place: NDArray[np.int64], radius_m: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Move every distinct place by a uniform step within a circle; incidents of one place stay together.

    Parameters
    ----------
    xy : ndarray of float, shape (n, 2)
    place : ndarray of int, shape (n,)
        Number of each incident's place, from 0.
    radius_m : float
    rng : Generator
    """
    places = int(place.max()) + 1
    angle = rng.uniform(0, 2 * np.pi, places)
    step = radius_m * np.sqrt(rng.random(places))
    return np.asarray(xy + np.column_stack([step * np.cos(angle), step * np.sin(angle)])[place])


def stability_finding(results: list[Stability]) -> Finding:
    """Grade how much of the top 2 % of the area depends on the defects, over all categories looked at.

    What luck does anyway is not held against the records: only a loss well beyond it is worth an alarm.
    """
    flag = "hot_spots_unstable"
    evidence = {
        "top_share_of_area": _TOP,
        "categories": {
            one.category: {
                "incidents": one.incidents,
                "scenarios": [scenario.to_dict() for scenario in one.scenarios],
            }
            for one in results
        },
    }
    judged = [(one.category, scenario) for one in results for scenario in one.scenarios if scenario.name != "luck"]
    if not judged:
        return sound(
            "hot_spots", "Places are exact and no row is suspicious: hot spots stand as they are.",
            flag=flag, evidence=evidence,
        )  # fmt: skip
    category, worst = min(judged, key=lambda pair: pair[1].overlap[0])
    share = worst.overlap[0]
    luck = next(
        scenario.overlap[0]
        for one in results
        if one.category == category
        for scenario in one.scenarios
        if scenario.name == "luck"
    )
    told = (
        f"{worst.what.capitalize()}, {per_cent(share)} of the top 2 % of the area stays on top for {category}; "
        f"luck alone would leave {per_cent(luck)}"
    )
    if share >= _NOTE:
        return sound("hot_spots", f"{told}.", flag=flag, evidence=evidence)
    severity: Severity = "note" if share >= _WARNING else "warning" if share >= _SERIOUS else "serious"
    if share >= luck and severity != "note":
        severity = "warning" if severity == "serious" else "note"
    return Finding(
        "hot_spots",
        severity,
        f"{told}; {worst.appear:,.0f} hot cells come and {worst.vanish:,.0f} of {worst.hot_cells:,.0f} go.",
        "Use larger cells or a wider bandwidth, and do not tell neighbouring cells of the ranking apart.",
        flag,
        share=1 - share,
        evidence=evidence,
    )


def peak_shift(incidents: Incidents, filled_in: NDArray[np.bool_]) -> dict[str, Any]:
    """Tell the busiest four hours with and without the rows whose hour was filled in."""
    table = incidents.table
    known = hour_known(table)
    if not known.any() or not filled_in.any():
        return {}
    before, after = peak_hours(table), peak_hours(table.loc[~filled_in])
    return {
        "peak_hours": None if before is None else str(before),
        "peak_hours_without": None if after is None else str(after),
        "share_in_peak": None if before is None else round(before.share, 4),
        "share_in_peak_without": None if after is None else round(after.share, 4),
    }


def _map(xy: NDArray[np.float64], grid: Grid) -> _Map:
    cell, inside = grid.assign(xy[:, 0], xy[:, 1])
    counts = np.bincount(cell[inside], minlength=len(grid)).astype(np.int64)
    tested = gi_star(counts, grid, fdr=_FDR)
    side = grid.cell_size_m if grid.kind != "polygon" else float(np.sqrt(np.median(grid.area_km2) * 1e6))
    try:
        density = kernel_density((xy[inside, 0], xy[inside, 1]), grid, bandwidth_m=2 * side).values
    except PatternError:
        density = counts / grid.area_km2
    hot = discoveries(tested.q_values, fdr=_FDR) if tested.q_values is not None else np.zeros(len(grid), dtype=bool)
    return _Map(tested.values, density, np.asarray(hot), counts)


def _compared(name: str, what: str, plain: _Map, others: list[_Map], grid: Grid) -> Scenario:
    top, dense = _on_top(plain.z, grid), _on_top(plain.density, grid)
    area = grid.area_km2
    overlaps = [float(area[top & _on_top(one.z, grid)].sum() / area[top].sum()) for one in others]
    densities = [float(area[dense & _on_top(one.density, grid)].sum() / area[dense].sum()) for one in others]
    correlations = []
    for one in others:
        used = (plain.counts > 0) | (one.counts > 0)
        correlations.append(float(stats.spearmanr(plain.z[used], one.z[used]).statistic) if used.sum() > 2 else 1.0)
    return Scenario(
        name,
        what,
        (float(np.mean(overlaps)), min(overlaps), max(overlaps)),
        (float(np.mean(densities)), min(densities), max(densities)),
        float(np.mean(correlations)),
        float(plain.hot.sum()),
        float(np.mean([(one.hot & ~plain.hot).sum() for one in others])),
        float(np.mean([(plain.hot & ~one.hot).sum() for one in others])),
    )


def _on_top(values: NDArray[np.float64], grid: Grid) -> NDArray[np.bool_]:
    """Mark the cells of highest value up to 2 % of the area; ties go by the cell's place in the grid."""
    order = np.lexsort((np.arange(len(values)), -values))
    area = np.cumsum(grid.area_km2[order])
    chosen = np.zeros(len(values), dtype=bool)
    chosen[order[: max(int(np.searchsorted(area, _TOP * area[-1], side="right")), 1)]] = True
    return chosen
