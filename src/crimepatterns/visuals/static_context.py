"""Maps of context: one fact about every cell, with the places, lines or areas it comes from."""

import numpy as np
import pandas as pd
import shapely
from matplotlib import colormaps
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize, PowerNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from crimepatterns.domain.context import ContextLayer
from crimepatterns.domain.covariates import Covariate
from crimepatterns.domain.grid import Grid
from crimepatterns.errors import PatternError
from crimepatterns.visuals.legends import key_ramp, key_title
from crimepatterns.visuals.map_sheet import MapSheet, draw_cells, map_sheet
from crimepatterns.visuals.names import run_note
from crimepatterns.visuals.palette import ACCENT, INK, SEQUENTIAL, figure_style

__all__ = ["covariate_map", "covariate_title"]

_RAMP_QUANTILE = 0.992
_HALF = 0.5
_EVEN = ("distance", "share", "mean")
_WORDS = {
    "distance": "Distance to {}",
    "density": "Density of {}",
    "count": "Number of {}",
    "length": "Length of {}",
    "share": "Cover by {}",
}


def covariate_map(
    covariate: Covariate,
    grid: Grid,
    *,
    as_of: pd.Timestamp,
    layer: ContextLayer | None = None,
    run_date: str = "",
) -> Figure:
    """Show one fact about every cell as it was known at a moment.

    Parameters
    ----------
    covariate : Covariate
    grid : Grid
        The one it was measured on.
    as_of : Timestamp
        What became known at this moment or later is not shown.
    layer : ContextLayer, optional
        Where it comes from; its rows of that moment are drawn over the cells.
    run_date : str
        Printed in the caption.

    Raises
    ------
    PatternError
        If nothing was known at `as_of`.
    """
    values = covariate.as_of(as_of).newest.astype(np.float64)
    if not np.isfinite(values).any():
        raise PatternError(f"{covariate.name} was not known yet on {as_of.date()}.")
    title = covariate_title(covariate.name, layer=None if layer is None else layer.name)
    origin = f" {covariate.origin.rstrip('.')}." if covariate.origin else ""
    scale = "" if covariate.name.endswith(_EVEN) else " Square-root colour scale."
    blank = " Cells without colour: not known." if np.isnan(values).any() else ""
    with figure_style():
        sheet = map_sheet(
            grid.area,
            title=f"{title} in {grid.area.name}",
            subtitle=f"As known before {as_of.day} {as_of:%b %Y}",
            caption=f"Context, a fact about places.{origin}{scale}{blank}{run_note(run_date)}",
        )
        _cells(sheet, covariate, grid, values, heading=title.split(" ", 1)[0].rstrip(":,"))
        if layer is not None:
            _places(sheet, layer, as_of)
    return sheet.figure


def covariate_title(name: str, *, layer: str | None = None) -> str:
    """Write the name of a covariate as people say it.

    Parameters
    ----------
    name : str
    layer : str, optional
        Name of its layer, which tells a column of it apart.

    Examples
    --------
    >>> covariate_title("transit_stops_distance")
    'Distance to transit stops'
    >>> covariate_title("transit_stops_boardings_total", layer="transit_stops")
    'Transit stops: boardings, total'
    >>> covariate_title("homes_homes_total", layer="homes")
    'Homes, total'
    """
    thing, _, measure = name.rpartition("_")
    if measure in _WORDS:
        return _WORDS[measure].format(_plain(thing))
    column = thing.removeprefix(f"{layer}_") if layer else ""
    if column in {"", layer}:
        return f"{_plain(layer or thing).capitalize()}, {measure}"
    return f"{_plain(str(layer)).capitalize()}: {_plain(column)}, {measure}"


def _cells(sheet: MapSheet, covariate: Covariate, grid: Grid, values: NDArray[np.float64], *, heading: str) -> None:
    near = covariate.name.endswith("distance")
    # Near is as bright as many: the eye goes to where something is.
    colours = colormaps[f"{SEQUENTIAL}_r" if near else SEQUENTIAL]
    known = values[np.isfinite(values)]
    highest, ramp = float(known.max()), float(np.quantile(known, _RAMP_QUANTILE))
    cut = highest > 1.5 * ramp > 0
    top = ramp if cut else max(highest, 1e-12)
    low = min(float(known.min()), 0.0)
    even = covariate.name.endswith(_EVEN) or low < 0
    norm = Normalize(low, top, clip=True) if even else PowerNorm(_HALF, vmin=0.0, vmax=top, clip=True)
    draw_cells(sheet, grid, values, colours=colours, norm=norm)
    below = key_title(sheet, sheet.legend_top, [heading], unit=covariate.unit)
    key_ramp(sheet, below, colours, norm, highest=highest if cut else None, even=even)


def _places(sheet: MapSheet, layer: ContextLayer, as_of: pd.Timestamp) -> None:
    """Draw the rows that counted just before `as_of`: dots, lines or outlines."""
    table = layer.table
    counted = (table["starts_at"] < as_of) & ~(table["ends_at"] < as_of)
    shapes = table.geometry.to_numpy()[counted.to_numpy()]
    if layer.kind == "point":
        place = shapely.get_coordinates(shapes[shapely.contains_properly(_shown(sheet), shapes)])
        size = 9.0 if len(place) < 500 else 3.0
        sheet.map.scatter(
            place[:, 0], place[:, 1], s=size, c=ACCENT, edgecolors="white", linewidths=0.3, zorder=6, rasterized=True
        )
        return
    edges = shapes if layer.kind == "line" else shapely.boundary(shapes)
    parts = shapely.get_parts(shapely.intersection(edges, _shown(sheet)))
    lines = [shapely.get_coordinates(part) for part in parts if part.geom_type == "LineString"]
    colour, width = (ACCENT, 0.5) if layer.kind == "line" else (INK, 0.5)
    sheet.map.add_collection(LineCollection(lines, colors=colour, linewidths=width, zorder=6), autolim=False)


def _shown(sheet: MapSheet) -> shapely.Geometry:
    """Return the rectangle that the map shows."""
    (west, east), (south, north) = sheet.map.get_xlim(), sheet.map.get_ylim()
    return shapely.box(west, south, east, north)


def _plain(name: str) -> str:
    return name.replace("_", " ")
