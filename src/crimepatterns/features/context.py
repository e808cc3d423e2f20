"""From context layers to covariates: each measure of a layer on a grid, in every version in which it was known."""

import re
from collections.abc import Callable, Sequence
from typing import Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from crimepatterns.domain.context import ContextLayer
from crimepatterns.domain.covariates import ALWAYS, Covariate
from crimepatterns.domain.grid import Grid
from crimepatterns.errors import DomainError
from crimepatterns.features.covariates import (
    MeasureFrom,
    area_mean,
    area_totals,
    covered_share,
    distance_to_nearest,
    kernel_weights,
    line_lengths,
    overlaps,
    point_counts,
)

__all__ = ["MEASURES", "Measure", "layer_covariates", "measures_of"]

Measure = Literal["distance", "density", "count", "length", "share", "area_mean", "total"]
MEASURES: tuple[str, ...] = get_args(Measure)
"""Ways of joining a layer to cells; see `layer_covariates`."""

_FOR_KIND = {
    "point": ("distance", "density", "count", "total"),
    "line": ("distance", "length"),
    "polygon": ("distance", "share", "area_mean", "total"),
}
_MOST_VERSIONS = 400
_COARSER = ("D", "W", "M", "Q", "Y")

_Value = Callable[[NDArray[np.bool_]], NDArray[np.float64]]


def measures_of(kind: str) -> tuple[str, ...]:
    """Return the measures that suit points, lines or polygons."""
    return _FOR_KIND[kind]


def layer_covariates(
    layer: ContextLayer,
    grid: Grid,
    measures: Sequence[Measure],
    *,
    bandwidth_m: float = 500.0,
    measure_from: MeasureFrom = "centre",
    most_versions: int = _MOST_VERSIONS,
) -> tuple[Covariate, ...]:
    """Measure a layer on the cells of a grid, in each version in which it was known.

    ============ ===================== =================================================================
    measure      of                    value of a cell
    ============ ===================== =================================================================
    distance     point, line, polygon  metres to the nearest; 0 inside a polygon
    density      point                 places per km2 around the centre, quartic kernel
    count        point                 places in the cell
    length       line                  metres of line in the cell
    share        polygon               share of the cell that is covered, 0 to 1
    area_mean    polygon with values   mean weighted by shared ground: rates and densities
    total        point, polygon, with  sum of the values of places, or of areas by shared ground: residents,
                 values                seats
    ============ ===================== =================================================================

    Parameters
    ----------
    layer : ContextLayer
        In the reference system of the grid's area.
    grid : Grid
    measures : sequence of str
    bandwidth_m : float
        Radius of the kernel of ``density``, metres.
    measure_from : {"centre", "cell"}
        Where ``distance`` starts.
    most_versions : int
        Where rows became known or ended at more moments than this, the moments are moved on to the next day, week,
        month, quarter or year, never back.

    Returns
    -------
    tuple of Covariate
        ``<layer>_<measure>``; ``<layer>_<column>_mean`` and ``<layer>_<column>_total`` for each value column.

    Raises
    ------
    DomainError
        If a measure does not suit the layer.
    """
    starts, ends = _moments(layer, grid.area.timezone, most_versions)
    made = []
    for measure in measures:
        if measure not in measures_of(layer.kind):
            suited = measures_of(layer.kind)
            raise DomainError(
                f"Context layer {layer.name}: {measure} does not suit {layer.kind}s, choose from {suited}."
            )
        for name, unit, value in _columns(layer, grid, measure, bandwidth_m=bandwidth_m, measure_from=measure_from):
            known_at, versions = _versions(starts, ends, value, register=layer.register)
            made.append(Covariate(name, unit, known_at, versions, origin=layer.origin))
    return tuple(made)


def _columns(
    layer: ContextLayer, grid: Grid, measure: Measure, *, bandwidth_m: float, measure_from: MeasureFrom
) -> list[tuple[str, str, _Value]]:
    """Name, unit and function from the rows that count to the cells' values, of each column a measure makes."""
    shapes = layer.table.geometry.to_numpy()
    name = f"{layer.name}_{measure}"
    if measure == "distance":
        return [(name, "m", lambda rows: distance_to_nearest(grid, shapes[rows], measure_from=measure_from))]
    if measure == "share":
        return [(name, "share of the cell", lambda rows: covered_share(grid, shapes[rows]))]
    if measure == "density":
        return [(name, "per km²", _sum(kernel_weights(grid, shapes, bandwidth_m=bandwidth_m)))]
    if measure == "count":
        return [(name, "per cell", _sum(point_counts(grid, shapes)))]
    if measure == "length":
        return [(name, "m per cell", _sum(line_lengths(grid, shapes)))]
    if not layer.value_columns:
        raise DomainError(f"Context layer {layer.name}: {measure} needs value columns, and there are none.")
    ending = "mean" if measure == "area_mean" else "total"
    unit = "area mean" if measure == "area_mean" else "per cell"
    return [
        (f"{layer.name}_{_plain(column)}_{ending}", unit, value)
        for column, value in zip(layer.value_columns, _of_values(layer, grid, measure), strict=True)
    ]


def _of_values(layer: ContextLayer, grid: Grid, measure: Measure) -> list[_Value]:
    shapes = layer.table.geometry.to_numpy()
    columns = [layer.table[name].to_numpy(dtype=np.float64) for name in layer.value_columns]
    if layer.kind == "point":
        counts = point_counts(grid, shapes)
        return [_sum(counts, np.nan_to_num(values)) for values in columns]
    shared = overlaps(grid, shapes)

    def of(values: NDArray[np.float64]) -> _Value:
        if measure == "area_mean":
            return lambda rows: area_mean(shared, values, active=rows)
        return lambda rows: area_totals(shared, shapes, values, active=rows)

    return [of(values) for values in columns]


def _sum(matrix: sparse.csr_array, values: NDArray[np.float64] | None = None) -> _Value:
    def total(rows: NDArray[np.bool_]) -> NDArray[np.float64]:
        weights = rows.astype(np.float64) if values is None else np.where(rows, values, 0.0)
        found: NDArray[np.float64] = matrix @ weights
        return found

    return total


def _versions(
    starts: pd.DatetimeIndex, ends: pd.DatetimeIndex, value: _Value, *, register: bool
) -> tuple[pd.DatetimeIndex, NDArray[np.float32]]:
    """Evaluate a column at every moment at which rows come or go; equal neighbours are one version."""
    first, last = starts.as_unit("us").asi8, ends.as_unit("us").asi8
    gone = np.asarray(ends.isna())
    moments = np.unique(np.concatenate([first, last[~gone]]))
    if register:
        moments = np.unique(np.append(moments, pd.DatetimeIndex([ALWAYS]).as_unit("us").asi8))
    known: list[int] = []
    versions: list[NDArray[np.float32]] = []
    for moment in moments.tolist():
        rows = (first <= moment) & (gone | (last > moment))
        made = value(rows).astype(np.float32)
        if not versions or not np.array_equal(made, versions[-1], equal_nan=True):
            known.append(moment)
            versions.append(made)
    index = pd.DatetimeIndex(np.array(known, dtype="datetime64[us]")).tz_localize("UTC")
    n_cells = len(value(np.zeros(len(first), dtype=bool)))
    return index, np.array(versions, dtype=np.float32).reshape(len(versions), n_cells)


def _moments(layer: ContextLayer, timezone: str, most: int) -> tuple[pd.DatetimeIndex, pd.DatetimeIndex]:
    """Start and end of each row, moved on to rounder moments until there are few enough different ones."""
    starts = pd.DatetimeIndex(layer.table["starts_at"])
    ends = pd.DatetimeIndex(layer.table["ends_at"])
    for step in ("", *_COARSER):
        rounded = [(_next(one, step, timezone) if step else one) for one in (starts, ends)]
        if len(rounded[0].append(rounded[1]).dropna().unique()) <= most:
            break
    return rounded[0], rounded[1]


def _next(moments: pd.DatetimeIndex, step: str, timezone: str) -> pd.DatetimeIndex:
    """Move each moment on to the first of the next civil day, week, month, quarter or year, unless it is one."""
    local = moments.tz_convert(timezone).tz_localize(None)
    period = local.to_period(step)
    begin = period.to_timestamp()
    on = begin.where((begin == local) | local.isna(), (period + 1).to_timestamp())
    there = on.tz_localize(timezone, ambiguous=np.ones(len(on), dtype=bool), nonexistent="shift_forward")
    # What has always been known stays so.
    return there.tz_convert("UTC").as_unit("us").where(moments != ALWAYS, ALWAYS)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") or "value"
