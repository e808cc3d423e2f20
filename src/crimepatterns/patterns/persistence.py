"""Hot spots as places with a past: chronic, acute, emerging or fading."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

import geopandas as gpd
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse.csgraph import connected_components

from crimepatterns.domain.grid import Grid
from crimepatterns.domain.periods import Periods
from crimepatterns.domain.surface import Surface
from crimepatterns.errors import PatternError
from crimepatterns.patterns.autocorrelation import gi_star
from crimepatterns.patterns.significance import binomial_tail, discoveries, false_discovery_rate
from crimepatterns.patterns.time_tests import binomial_two_sided

__all__ = ["PERSISTENCE", "HotSpotHistory", "hot_spot_persistence"]

PERSISTENCE = ("chronic", "acute", "emerging", "fading")
_Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class HotSpotHistory:
    """Hot spots, each a group of touching hot cells, with the class of its past.

    Parameters
    ----------
    grid : Grid
    labels : ndarray of int, shape (n_cells,)
        Number of the hot spot from 1, the most incidents first; 0 for cells in none.
    spots : GeoDataFrame
        One row per hot spot: ``hot_spot``, ``persistence``, ``cells``, ``area_km2``, ``incidents``,
        ``incidents_share``, ``times_expected``, ``recent`` and ``recent_expected`` (incidents in the recent steps, and
        those to expect if nothing changed), ``recent_q``, ``burst_step`` and ``burst_p``, ``neighbourhood``,
        ``geometry``.
    parameters : mapping
    """

    grid: Grid
    labels: NDArray[np.int64] = field(repr=False)
    spots: gpd.GeoDataFrame = field(repr=False)
    parameters: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))

    def to_frame(self) -> gpd.GeoDataFrame:
        """Return a copy of the table of hot spots."""
        return self.spots.copy()


def hot_spot_persistence(
    counts: ArrayLike,
    grid: Grid,
    periods: Periods,
    *,
    recent: int | None = None,
    hot: ArrayLike | None = None,
    at_least: float = 2.0,
    expected: ArrayLike | None = None,
    baseline: Literal["record", "step"] = "step",
    fdr: float = 0.05,
) -> HotSpotHistory:
    """Find the hot spots of the whole span and say for each whether it is chronic, acute, emerging or fading.

    Hot spots are chosen by their totals only; given the total, the times are free, so that the tests of time are not
    bent by the choice.

    Parameters
    ----------
    counts : array_like of int, shape (n_cells, n_steps)
    grid : Grid
    periods : Periods
        At least four steps.
    recent : int, optional
        Last steps that count as recent; a quarter of them where left out.
    hot : array_like of bool, shape (n_cells,), optional
        Hot cells; those of Gi* over the whole span where left out.
    at_least : float
        Cells of Gi* count as hot only from so many times the expected incidents on: where counts are large nearly all
        of a centre is significant, and would be one hot spot.
    expected : array_like of float, shape (n_cells,), optional
        Expected counts for Gi* and for ``times_expected``, in any unit.
    baseline : {"record", "step"}
        If nothing changed, incidents are spread over time evenly, or as those of the whole area are (which takes out
        season and trend of the city).
    fdr : float

    Returns
    -------
    HotSpotHistory
        Rules in this order: **acute**, one single step holds significantly more than its share and without it the spot
        is not hot; **emerging**, recent incidents are significantly more than the spot's own past gives; **fading**,
        significantly fewer; **chronic**, all others.

    Raises
    ------
    PatternError
        If counts do not fit, are not whole or are all zero, or there are too few steps.

    References
    ----------
    Przyborowski and Wilenski (1940), https://doi.org/10.1093/biomet/31.3-4.313
    """
    whole, last = _checked(counts, grid, periods, recent, baseline)
    totals = whole.sum(axis=1)
    surface = gi_star(totals, grid, fdr=fdr, expected=expected)
    chosen = _strong(surface, totals, at_least, fdr) if hot is None else np.asarray(hot, dtype=bool)
    if chosen.shape != (len(grid),):
        raise PatternError(f"Hot cells need shape ({len(grid)},), got {chosen.shape}.")
    labels = _grouped(chosen, totals, grid)
    mass = grid.area_km2 if expected is None else np.asarray(expected, dtype=float)
    series = np.zeros((labels.max(initial=0) + 1, len(periods)))
    np.add.at(series, labels, whole)
    place = np.bincount(labels, weights=mass, minlength=len(series)) / mass.sum()
    lengths = np.diff(periods.edges.as_unit("us").asi8).astype(float)
    step = lengths / lengths.sum() if baseline == "record" else whole.sum(axis=0) / whole.sum()
    spots = _described(grid, labels, series[1:], place[1:], step, whole.sum(axis=0), last, fdr)
    parameters = {
        "recent_steps": last,
        "steps": len(periods),
        "start": str(periods.start),
        "end": str(periods.end),
        "baseline": baseline,
        "fdr": fdr,
        "incidents": int(whole.sum()),
        "hot_cells": "Gi* over the whole span" if hot is None else "given",
        "at_least": at_least,
        **{kind: int((spots["persistence"] == kind).sum()) for kind in PERSISTENCE},
    }
    return HotSpotHistory(grid, labels, spots, MappingProxyType(parameters))


def _checked(counts: ArrayLike, grid: Grid, periods: Periods, recent: int | None, baseline: str) -> tuple[_Floats, int]:
    values = np.asarray(counts, dtype=float)
    if values.shape != (len(grid), len(periods)):
        raise PatternError(f"Persistence needs counts of shape {(len(grid), len(periods))}, got {values.shape}.")
    last = max(len(periods) // 4, 1) if recent is None else recent
    if len(periods) < 4 or not 1 <= last < len(periods):
        raise PatternError(f"Persistence needs at least four steps, and fewer recent ones, got {len(periods)}, {last}.")
    if baseline not in ("record", "step"):
        raise PatternError(f"baseline must be 'record' or 'step', got {baseline!r}.")
    return values, last


def _strong(surface: Surface, totals: _Floats, at_least: float, fdr: float) -> NDArray[np.bool_]:
    none = np.zeros(len(totals))
    q = surface.q_values if surface.q_values is not None else none + 1.0
    times = surface.times_expected if surface.times_expected is not None else none
    return discoveries(q, fdr=fdr) & (totals > 0) & (times >= at_least)


def _grouped(chosen: NDArray[np.bool_], totals: _Floats, grid: Grid) -> NDArray[np.int64]:
    """Give the groups of touching cells numbers, the most incidents first."""
    labels = np.zeros(len(grid), dtype=np.int64)
    cells = np.flatnonzero(chosen)
    if not cells.size:
        return labels
    count, group = connected_components(grid.adjacency[cells][:, cells], directed=False)
    held = np.bincount(group, weights=totals[cells], minlength=count)
    rank = np.empty(count, dtype=np.int64)
    rank[np.argsort(-held, kind="stable")] = np.arange(1, count + 1)
    labels[cells] = rank[group]
    return labels


def _described(
    grid: Grid, labels: NDArray[np.int64], series: _Floats, place: _Floats, step: _Floats, city: _Floats,
    last: int, fdr: float,
) -> gpd.GeoDataFrame:  # fmt: skip
    total, everything = series.sum(axis=1), float(city.sum())
    lately, share = series[:, -last:].sum(axis=1), float(step[-last:].sum())
    recent_q = false_discovery_rate(binomial_two_sided(lately, total, share))
    moved = discoveries(recent_q, fdr=fdr)
    single = np.minimum(binomial_tail(series, total[:, None], step[None, :]) * len(step), 1.0)
    burst = np.argmin(single, axis=1) if len(single) else np.zeros(0, dtype=np.int64)
    burst_p = single[np.arange(len(single)), burst]
    without = binomial_tail(total - series[np.arange(len(series)), burst], everything - city[burst], place)
    acute = (burst_p <= fdr) & (without > fdr)
    kind = np.select(
        [acute, moved & (lately > total * share), moved], ["acute", "emerging", "fading"], default="chronic"
    )
    cells = grid.to_geodataframe().assign(hot_spot=labels)
    merged = cells[labels > 0].dissolve(by="hot_spot", aggfunc={"cell_id": "size", "area_km2": "sum"})
    where = cells[labels > 0].groupby("hot_spot")["neighbourhood"].agg(lambda names: names.mode().iloc[0])
    return gpd.GeoDataFrame(
        {
            "hot_spot": np.arange(1, len(series) + 1),
            "persistence": kind.astype(object),
            "cells": merged["cell_id"].to_numpy(),
            "area_km2": merged["area_km2"].to_numpy(),
            "incidents": total.astype(np.int64),
            "incidents_share": total / everything,
            "times_expected": np.divide(total, everything * place, out=np.full(len(place), np.nan), where=place > 0),
            "recent": lately.astype(np.int64),
            "recent_expected": (total - lately) * share / (1.0 - share) if share < 1 else np.nan,
            "recent_q": recent_q,
            "burst_step": burst,
            "burst_p": burst_p,
            "neighbourhood": where.to_numpy(dtype=object),
        },
        geometry=merged.geometry.to_numpy(),
        crs=grid.area.crs,
    )
