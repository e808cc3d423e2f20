"""Hot spots in one call: cell size, null and false discovery rate chosen from the records and explained."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from crimepatterns.domain.grid import MAX_CELLS, Grid
from crimepatterns.domain.incidents import Incidents
from crimepatterns.domain.surface import Surface
from crimepatterns.errors import PatternError
from crimepatterns.patterns.autocorrelation import gi_star
from crimepatterns.patterns.significance import discoveries

__all__ = ["OptimisedHotSpots", "optimised_hot_spots"]

_SIZES_M = (75.0, 100.0, 150.0, 200.0, 250.0, 300.0, 400.0, 500.0, 750.0, 1000.0, 1500.0, 2000.0)
_FEWEST = 30
_FEWEST_CELLS = 30
_SPREAD = 0.02


@dataclass(frozen=True, eq=False)
class OptimisedHotSpots:
    """Hot spots with the choices behind them.

    Parameters
    ----------
    surface : Surface
        Gi* on the chosen cells.
    cell_size_m : float, metres
    reasons : tuple of str
        What was chosen and why, sentence by sentence.
    table : DataFrame
        One row per cell size tried: ``cell_size_m``, ``cells``, ``mean_count`` and ``log_likelihood`` (mean per later
        incident, against an even spread).
    """

    surface: Surface
    cell_size_m: float
    reasons: tuple[str, ...]
    table: pd.DataFrame = field(repr=False)

    def to_frame(self) -> pd.DataFrame:
        """Return a copy of the table of cell sizes."""
        return self.table.copy()


def optimised_hot_spots(
    incidents: Incidents,
    *,
    sizes_m: Sequence[float] | None = None,
    hexagons: bool = False,
    background: Incidents | None = None,
    later_share: float = 0.3,
    fdr: float = 0.05,
) -> OptimisedHotSpots:
    """Find hot spots without settings: incidents are counted in cells of a size that the records themselves choose.

    The size is the one at which the counts of the earlier incidents, neighbours included, give the later ones the
    greatest likelihood: small enough to tell places apart, large enough not to mistake noise for places. Cells finer
    than the spacing of snapped records are not tried. Significance is the exact tail of Gi*.

    Parameters
    ----------
    incidents : Incidents
        At least 30 in the study area.
    sizes_m : sequence of float, metres, optional
        Sizes to try; 75 to 2,000 m where left out.
    hexagons : bool
        Hexagons rather than squares.
    background : Incidents, optional
        Such as all categories, or earlier years: hot is then what exceeds *their* map. Chance per square kilometre is
        even where left out.
    later_share : float
        Share of the incidents, the latest, that judge the sizes.
    fdr : float

    Raises
    ------
    PatternError
        If there are fewer than 30 incidents inside the area, or no size fits it.
    """
    if not 0 < later_share < 1:
        raise PatternError(f"later_share must lie between 0 and 1, got {later_share}.")
    inside = _inside(incidents)
    if len(inside) < _FEWEST:
        raise PatternError(
            f"Optimised hot spots need at least {_FEWEST} incidents in the study area, got {len(inside)}: "
            "widen the window or the category."
        )
    spacing = _spacing(inside)
    grids, left_out = _grids(inside, sizes_m, spacing, hexagons=hexagons)
    table, (earlier, later) = _judged(inside, grids, later_share)
    best = int(np.argmax(table["log_likelihood"].to_numpy()))
    grid = grids[best]
    expected = None if background is None else _background(background, grid)
    surface = gi_star(_counts(inside, grid), grid, fdr=fdr, expected=expected)
    parameters = {
        **surface.parameters,
        "cell_size_m": grid.cell_size_m,
        "cells": len(grid),
        "shape": grid.kind,
        "earlier": earlier,
        "later": later,
        "background": 0 if background is None else len(background),
    }
    surface = Surface(
        grid=grid, method="gi_star", values=surface.values, unit=surface.unit, p_values=surface.p_values,
        q_values=surface.q_values, null=surface.null, times_expected=surface.times_expected,
        parameters=MappingProxyType(parameters),
    )  # fmt: skip
    reasons = (
        _about_records(inside, len(incidents) - len(inside), spacing, left_out),
        *_about_size(table, best, later, grid),
        *_about_result(surface, inside, fdr),
    )
    return OptimisedHotSpots(surface, grid.cell_size_m, reasons, table)


def _inside(incidents: Incidents) -> Incidents:
    if not len(incidents):
        return incidents
    keep = incidents.area.contains(incidents.table["x"], incidents.table["y"])
    return Incidents(incidents.table.loc[keep].reset_index(drop=True), incidents.area, incidents.provenance)


def _spacing(incidents: Incidents) -> float:
    """Return the median distance from one distinct place to the next, weighted by incidents; 0 where all are unlike."""
    places, count = np.unique(incidents.table[["x", "y"]].to_numpy(dtype=float).round(1), axis=0, return_counts=True)
    if len(places) < 2 or len(places) > 0.9 * len(incidents):
        return 0.0
    distance = cKDTree(places).query(places, k=2)[0][:, 1]
    order = np.argsort(distance)
    held = np.cumsum(count[order])
    return float(distance[order][np.searchsorted(held, held[-1] / 2)])


def _grids(
    incidents: Incidents, sizes_m: Sequence[float] | None, spacing: float, *, hexagons: bool
) -> tuple[list[Grid], list[float]]:
    sizes = sorted(_SIZES_M if sizes_m is None else [float(size) for size in sizes_m])
    area_m2 = incidents.area.area_km2 * 1e6
    # Far more cells than incidents tell nothing; fewer than some dozens are no map.
    most = min(MAX_CELLS, max(100 * len(incidents), 1000))
    fits = [s for s in sizes if s > 0 and _FEWEST_CELLS <= area_m2 / s**2 <= most]
    kept = [s for s in fits if s >= spacing] or fits[-1:]
    if not kept:
        raise PatternError(
            f"None of the cell sizes {[f'{s:g}' for s in sizes]} m gives {_FEWEST_CELLS} to {most:,} cells in "
            f"{incidents.area.area_km2:,.2f} km2: name others with sizes_m."
        )
    make = Grid.hexagon if hexagons else Grid.square
    return [make(incidents.area, cell_size_m=s) for s in kept], [s for s in fits if s < kept[0]]


def _judged(incidents: Incidents, grids: list[Grid], later_share: float) -> tuple[pd.DataFrame, tuple[int, int]]:
    order = np.argsort(incidents.table["occurred_from"].to_numpy(), kind="stable")
    x, y = (incidents.table[name].to_numpy(dtype=float)[order] for name in ("x", "y"))
    cut = int(np.clip(round(len(x) * (1.0 - later_share)), 1, len(x) - 1))
    rows = []
    for grid in grids:
        cell, placed = grid.assign(x, y)
        first, second = cell[:cut][placed[:cut]], cell[cut:][placed[cut:]]
        gain = _log_density(np.bincount(first, minlength=len(grid)).astype(float), grid)[second]
        rows.append((grid.cell_size_m, len(grid), len(x) / len(grid), float(gain.mean()) if len(gain) else np.nan))
    return pd.DataFrame(rows, columns=["cell_size_m", "cells", "mean_count", "log_likelihood"]), (cut, len(x) - cut)


def _log_density(counts: NDArray[np.float64], grid: Grid) -> NDArray[np.float64]:
    """Return the log density of each neighbourhood, as a ratio to an even spread."""
    near = grid.adjacency @ counts + counts
    room = grid.adjacency @ grid.area_km2 + grid.area_km2
    ratio = near / room * grid.area_km2.sum() / max(counts.sum(), 1.0)
    # A neighbourhood average need not sum to one over the area: scale it, as a density must.
    ratio = ratio / max(float(ratio @ grid.area_km2 / grid.area_km2.sum()), 1e-12)
    return np.asarray(np.log((1.0 - _SPREAD) * ratio + _SPREAD))


def _counts(incidents: Incidents, grid: Grid) -> NDArray[np.int64]:
    cell, placed = grid.assign(incidents.table["x"], incidents.table["y"])
    return np.bincount(cell[placed], minlength=len(grid))


def _background(background: Incidents, grid: Grid) -> NDArray[np.float64]:
    counts = _counts(background, grid).astype(float)
    if not counts.any():
        raise PatternError("The background has no incident in the study area: leave it out or widen it.")
    # A little of an even spread: no place is impossible because nothing was on record.
    return counts + 0.05 * counts.sum() * grid.area_km2 / grid.area_km2.sum()


def _about_records(inside: Incidents, outside: int, spacing: float, left_out: list[float]) -> str:
    places = len(np.unique(inside.table[["x", "y"]].to_numpy(dtype=float).round(1), axis=0))
    text = f"{len(inside):,} incidents at {places:,} distinct {'place' if places == 1 else 'places'}"
    if outside:
        text += f" ({outside:,} more lie outside the study area)"
    if left_out:
        text += f"; cells under {spacing:,.0f} m were not tried, the usual distance from one recorded place to the next"
    return text + "."


def _about_size(table: pd.DataFrame, best: int, later: int, grid: Grid) -> list[str]:
    sizes = table["cell_size_m"].to_numpy(dtype=float)
    gain = float(np.exp(table["log_likelihood"].iloc[best]))
    kind = "hexagons" if grid.kind == "hexagon" else "squares"
    tried = f"Of {len(sizes)} sizes from {sizes[0]:,.0f} to {sizes[-1]:,.0f} m, " if len(sizes) > 1 else ""
    first = (
        f"{tried}{kind} of {sizes[best]:,.0f} m let the earlier incidents describe the {later:,} latest best"
        f" ({gain:.1f} times as likely as under an even spread)."
    )
    first = first[0].upper() + first[1:]
    second = (
        f"That gives {len(grid):,} cells with {float(table['mean_count'].iloc[best]):.2g} incidents each on average."
    )
    if len(sizes) > 1 and best in (0, len(sizes) - 1):
        second += f" It is the {'smallest' if best == 0 else 'largest'} size tried: name others with sizes_m."
    return [first, second]


def _about_result(surface: Surface, inside: Incidents, fdr: float) -> list[str]:
    null = f"Null hypothesis: {surface.null}."
    rate = f"At a false discovery rate of {100 * fdr:g} %, with exact p-values,"
    hot = discoveries(surface.q_values if surface.q_values is not None else np.ones(len(surface.grid)), fdr=fdr)
    if not hot.any():
        return [null, f"{rate} no cell stands out."]
    cell, placed = surface.grid.assign(inside.table["x"], inside.table["y"])
    held = float(hot[cell[placed]].mean())
    share = float(surface.grid.area_km2[hot].sum() / surface.grid.area_km2.sum())
    count = int(hot.sum())
    verb = "cell is hot: it holds" if count == 1 else "cells are hot: they hold"
    return [null, f"{rate} {count:,} {verb} {100 * held:.0f} % of the incidents on {100 * share:.1f} % of the area."]
