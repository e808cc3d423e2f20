"""Space-time scan statistics: whether an outbreak is under way, or was, and where and when."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from types import MappingProxyType
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from crimepatterns.domain.grid import Grid
from crimepatterns.domain.incidents import Incidents
from crimepatterns.domain.protocols import Executor, Progress, silent
from crimepatterns.errors import PatternError
from crimepatterns.patterns.permutation import replicates
from crimepatterns.patterns.scan_cylinders import (
    Circles,
    CylinderLimits,
    Strongest,
    draw_circles,
    strongest_cylinders,
)
from crimepatterns.patterns.scan_null import Baseline, ScanRecord, record_by_cells, record_by_grid
from crimepatterns.patterns.scan_result import (
    SCAN_COLUMNS,
    SpaceTimeScan,
    gumbel_tail,
    monte_carlo_p,
    recurrence_days,
    recurrence_in_words,
)

__all__ = ["CylinderLimits", "SpaceTimeScan", "permutation_scan", "poisson_scan"]

_TASK = "Scanning"


def permutation_scan(
    incidents: Incidents,
    *,
    limits: CylinderLimits | None = None,
    cell_m: float | None = 100.0,
    end: pd.Timestamp | None = None,
    record_days: int | None = 365,
    replicates_count: int = 999,
    run_every_days: int = 1,
    max_clusters: int = 10,
    seed: int = 0,
    executor: Executor | None = None,
    progress: Progress = silent,
) -> SpaceTimeScan:
    """Find places where, for some days, more happened than their own level and the city's course explain.

    Needs incidents only, no population: a place is compared with itself at other times and with other places at the
    same time. Purely spatial hot spots and city-wide waves are therefore no clusters.

    Parameters
    ----------
    incidents : Incidents
        Each counts on the civil day of its ``occurred_from``.
    limits : CylinderLimits, optional
        By default up to 1 km and 28 days, prospective.
    cell_m : float or None
        Side of the cells into which places are sorted, metres; None keeps every distinct place.
    end : Timestamp, optional
        First moment after the record, such as the as-of date; the end of the last day on record where left out.
    record_days : int or None
        Use only so many days before the end: over years, places grow at different rates, which looks like clusters.
    replicates_count, seed : int
        Permutations of the dates.
    run_every_days : int
        Days between repetitions of the analysis, for the recurrence interval.
    max_clusters : int
        Report at most so many.
    executor : Executor, optional
    progress : Progress

    Returns
    -------
    SpaceTimeScan
        All p-values compare with the strongest cylinder of each replicate, so that the many cylinders are accounted
        for; for secondary clusters they are conservative.

    Raises
    ------
    PatternError
        If there are fewer than two incidents, places or days, times are known to the month only, or the longest span
        is more than half of the record.

    References
    ----------
    Kulldorff et al. (2005), https://doi.org/10.1371/journal.pmed.0020059
    """
    chosen = _checked(limits, run_every_days, max_clusters)
    record = record_by_cells(incidents, cell_m=cell_m, end=end, record_days=record_days)
    work = _prepared(record, chosen)
    null = "dates are exchangeable among the incidents: when something happens does not depend on where"
    settings = {"cell_m": cell_m, "record_days": record_days, "seed": seed, "run_every_days": run_every_days}
    simulated = _simulated(work, replicates_count, seed, executor, progress)
    margin = 0.0 if cell_m is None else cell_m / 2.0
    return _result(incidents, work, simulated, null, settings, margin, run_every_days, max_clusters)


def poisson_scan(
    incidents: Incidents,
    grid: Grid,
    *,
    expected: ArrayLike | None = None,
    baseline: Baseline = "step",
    limits: CylinderLimits | None = None,
    end: pd.Timestamp | None = None,
    record_days: int | None = 365,
    replicates_count: int = 999,
    run_every_days: int = 1,
    max_clusters: int = 10,
    seed: int = 0,
    executor: Executor | None = None,
    progress: Progress = silent,
) -> SpaceTimeScan:
    """Find places where, for some days, more happened than an expected count per cell explains.

    Unlike the permutation scan this also finds places that are always hot beyond what is expected of them.

    Parameters
    ----------
    incidents : Incidents
    grid : Grid
    expected : array_like of float, shape (n_cells,), optional
        In any unit, such as residents or the counts of earlier years; per square kilometre the same where left out.
    baseline : {"step", "record"}
        Spread the expected counts over the days like the city's own totals, so that a city-wide wave is no cluster, or
        evenly over the record.
    limits, end, record_days, replicates_count, run_every_days, max_clusters, seed, executor, progress
        As for `permutation_scan`.

    Raises
    ------
    PatternError
        If incidents lie where nothing is expected; see also `permutation_scan`.

    References
    ----------
    Kulldorff (2001), https://doi.org/10.1111/1467-985X.00186
    """
    chosen = _checked(limits, run_every_days, max_clusters)
    record = record_by_grid(
        incidents, grid, expected=expected, baseline=baseline, end=end, record_days=record_days
    )  # fmt: skip
    work = _prepared(record, chosen)
    where = "with the same chance per square kilometre" if expected is None else "in proportion to the expected counts"
    when = "on the day it happened" if baseline == "step" else "on any day"
    null = f"each of the {len(record):,} incidents falls, independently of the others, {when} and {where}"
    settings = {"baseline": baseline, "record_days": record_days, "seed": seed, "run_every_days": run_every_days}
    simulated = _simulated(work, replicates_count, seed, executor, progress)
    margin = 0.0 if not np.isfinite(grid.cell_size_m) else grid.cell_size_m / 2.0
    return _result(incidents, work, simulated, null, settings, margin, run_every_days, max_clusters)


@dataclass(frozen=True, eq=False)
class _Work:
    record: ScanRecord
    circles: Circles
    limits: CylinderLimits

    @property
    def last(self) -> int:
        """Days at the end of the record that cylinders can reach."""
        return self.limits.max_days if self.limits.prospective else self.record.days

    def strongest(self, place: NDArray[np.int64], day: NDArray[np.int64], *, every_centre: bool) -> Strongest:
        record = self.record
        running, share = record.running(place, day, self.last), record.day_share[record.days - self.last :]
        return strongest_cylinders(
            running, self.circles, share, float(len(record)), self.limits, every_centre=every_centre
        )


def _checked(limits: CylinderLimits | None, run_every_days: int, max_clusters: int) -> CylinderLimits:
    if run_every_days < 1 or max_clusters < 1:
        raise PatternError(f"run_every_days and max_clusters must be >= 1, got {run_every_days} and {max_clusters}.")
    return limits if limits is not None else CylinderLimits()


def _prepared(record: ScanRecord, limits: CylinderLimits) -> _Work:
    if 2 * limits.max_days > record.days:
        raise PatternError(
            f"The longest span, {limits.max_days} days, must be at most half of the record of {record.days} days: "
            "lower max_days or lengthen the record."
        )
    return _Work(record, draw_circles(record.x, record.y, record.place_share, limits), limits)


def _simulated(
    work: _Work, count: int, seed: int, executor: Executor | None, progress: Progress
) -> NDArray[np.float64]:
    found = []
    progress(_TASK, 0, count)
    for k, value in enumerate(replicates(partial(_replicate, work), count, seed=seed, executor=executor, chunk=4), 1):
        found.append(float(value[0]))
        progress(_TASK, k, count)
    return np.array(found)


def _replicate(work: _Work, rng: np.random.Generator) -> NDArray[np.float64]:
    place, day = work.record.drawn(rng)
    return np.array([work.strongest(place, day, every_centre=False).ratio.max()])


def _result(
    incidents: Incidents,
    work: _Work,
    simulated: NDArray[np.float64],
    null: str,
    settings: Mapping[str, object],
    margin_m: float,
    run_every_days: int,
    max_clusters: int,
) -> SpaceTimeScan:
    record, limits = work.record, work.limits
    best = work.strongest(record.place, record.day, every_centre=True)
    rows, members = [], []
    for centre, places in _without_overlap(best, work, max_clusters):
        row, inside = _row(best, centre, places, work)
        rows.append(row)
        members.append(incidents.table["id"].to_numpy(dtype=object)[record.kept[inside]])
    table = pd.DataFrame(rows, columns=list(SCAN_COLUMNS[1:11]))
    llr = table["llr"].to_numpy(dtype=float)
    table["p_value"], table["p_gumbel"] = monte_carlo_p(llr, simulated), gumbel_tail(llr, simulated)
    wait = recurrence_days(
        table["p_value"].to_numpy(), table["p_gumbel"].to_numpy(), replicates=len(simulated),
        run_every_days=run_every_days,
    )  # fmt: skip
    table["recurrence_days"] = wait if limits.prospective else np.nan
    table["neighbourhood"] = incidents.area.neighbourhood_of(table["x"], table["y"])
    table["places"] = [row["places"] for row in rows]
    table["cluster"] = np.arange(1, len(table) + 1)
    table["sentence"] = [_in_words(row, limits, run_every_days) for row in table.to_dict("records")]
    circles = shapely.buffer(
        shapely.points(table["x"].to_numpy(dtype=float), table["y"].to_numpy(dtype=float)),
        np.maximum(table["radius_m"].to_numpy(dtype=float) + margin_m, 1.0),
    )
    clusters = gpd.GeoDataFrame(table, geometry=circles, crs=incidents.area.crs)[list(SCAN_COLUMNS)]
    facts = {
        "model": record.model, **asdict(limits), **settings, "replicates": len(simulated), "incidents": len(record),
        "places": len(record.x), "start": str(record.first_day), "days": record.days,
    }  # fmt: skip
    return SpaceTimeScan(clusters, tuple(members), simulated, null, MappingProxyType(facts))


def _without_overlap(best: Strongest, work: _Work, most: int) -> list[tuple[int, NDArray[np.int64]]]:
    """Pick the strongest cylinders whose circles share no place, each with the places in its circle."""
    tree = cKDTree(np.column_stack([work.record.x, work.record.y]))
    taken = np.zeros(len(best.ratio), dtype=bool)
    picked: list[tuple[int, NDArray[np.int64]]] = []
    for centre in np.argsort(-best.ratio, kind="stable"):
        if best.ratio[centre] <= 0 or len(picked) == most:
            break
        radius = work.circles.radius[best.ring[centre], centre]
        places = np.array(tree.query_ball_point(tree.data[centre], radius * (1 + 1e-9) + 1e-6), dtype=np.int64)
        if not taken[places].any():
            taken[places] = True
            picked.append((int(centre), places))
    return picked


def _row(
    best: Strongest, centre: int, places: NDArray[np.int64], work: _Work
) -> tuple[dict[str, Any], NDArray[np.bool_]]:
    record, ring = work.record, best.ring[centre]
    first = record.days - work.last
    begin, after = int(best.start[centre]) + first, int(best.end[centre]) + first
    inside = np.isin(record.place, places) & (record.day >= begin) & (record.day < after)
    expected = len(record) * work.circles.share[ring, centre] * (record.day_share[after] - record.day_share[begin])
    start, end = (record.first_day + pd.DateOffset(days=days) for days in (begin, after))
    row: dict[str, Any] = {
        "x": float(record.x[centre]), "y": float(record.y[centre]),
        "radius_m": float(work.circles.radius[ring, centre]), "start": start, "end": end, "days": after - begin,
        "observed": int(inside.sum()), "expected": float(expected), "ratio": float(inside.sum() / expected),
        "llr": float(best.ratio[centre]), "places": len(places),
    }  # fmt: skip
    return row, inside


def _in_words(row: Mapping[Any, Any], limits: CylinderLimits, run_every_days: int) -> str:
    last = row["end"] - pd.DateOffset(days=1)
    where = f"in {row['neighbourhood']} " if row["neighbourhood"] else ""
    reach = f"within {row['radius_m']:,.0f} m of one place" if row["radius_m"] else "at one place"
    several = f"in the {row['days']} days from {_day(row['start'])} to {_day(last)}"
    found = (
        f"{row['observed']:,} incidents {where}{reach} {several if row['days'] > 1 else f'on {_day(last)}'}, where "
        f"{row['expected']:,.1f} are expected ({row['ratio']:.1f} times; p = {row['p_value']:.2g})"
    )
    if not limits.prospective:
        return f"{found}."
    often = recurrence_in_words(row["recurrence_days"])
    every = "every day" if run_every_days == 1 else f"every {run_every_days} days"
    return f"{found}. Were the scan run {every}, chance alone would show a cluster as strong {often}."


def _day(moment: pd.Timestamp) -> str:
    return f"{moment.day} {moment:%b %Y}"
