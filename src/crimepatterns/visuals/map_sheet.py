"""A map sheet: the study area at one scale, with a legend column, a scale bar and a north arrow beside it."""

from dataclasses import dataclass, field

import numpy as np
import shapely
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch, Polygon, Rectangle
from matplotlib.path import Path
from numpy.typing import NDArray

from crimepatterns.domain.area import StudyArea
from crimepatterns.domain.grid import Grid
from crimepatterns.visuals.frame import framed
from crimepatterns.visuals.palette import INK, LAND, MUTED

__all__ = ["MapSheet", "draw_cells", "map_sheet", "polygon_path"]

_MAP_MAX = (6.6, 7.4)
_GAP = 0.2
_SHEET_MIN = 6.8
_PADDING = 0.015
_VISIBLE_INCHES = 0.003


@dataclass(frozen=True)
class MapSheet:
    """A sheet with an empty map and an empty legend column.

    Parameters
    ----------
    figure : Figure
    map : Axes
        In metres of the study area.
    legend : Axes
        In inches; its origin is the lower left corner.
    legend_size : tuple of float
        Width and free height above the scale bar, inches; ``legend_top`` is where to begin.
    outline : Path
        Boundary of the study area, as exact as can be seen at this scale.
    """

    figure: Figure = field(repr=False)
    map: Axes = field(repr=False)
    legend: Axes = field(repr=False)
    legend_size: tuple[float, float]
    outline: Path = field(repr=False)

    @property
    def legend_top(self) -> float:
        """Upper edge of the legend column, inches."""
        return float(self.legend.get_ylim()[1])


def map_sheet(area: StudyArea, *, title: str, subtitle: str, caption: str, legend_width: float = 1.75) -> MapSheet:
    """Lay out a map as large as the sheet allows.

    Parameters
    ----------
    area : StudyArea
    title, subtitle, caption : str
    legend_width : float
        Inches.

    Returns
    -------
    MapSheet
        With ground and outlines drawn.
    """
    west, south, east, north = area.polygon.bounds
    pad = _PADDING * max(east - west, north - south)
    extent_w, extent_h = east - west + 2 * pad, north - south + 2 * pad
    inches_per_metre = min(_MAP_MAX[0] / extent_w, _MAP_MAX[1] / extent_h)
    map_w, map_h = extent_w * inches_per_metre, extent_h * inches_per_metre
    width = max(map_w + _GAP + legend_width, _SHEET_MIN)
    height = max(map_h, 3.6)
    frame = framed(width, height, title=title, subtitle=subtitle, caption=caption)
    axes = frame.axes((width - legend_width - _GAP - map_w) / 2, (height - map_h) / 2, map_w, map_h)
    axes.set(xlim=(west - pad, east + pad), ylim=(south - pad, north + pad))
    axes.set_axis_off()
    legend = frame.sheet(width - legend_width, 0.0, legend_width, height)
    furniture = _scale_bar(legend, inches_per_metre, legend_width)
    outline = _drawable(area.polygon, inches_per_metre)
    _ground(axes, area, outline, inches_per_metre)
    return MapSheet(frame.figure, axes, legend, (legend_width, height - furniture), outline)


def draw_cells(
    sheet: MapSheet, grid: Grid, values: NDArray[np.float64], *, colours: Colormap, norm: Normalize | None = None
) -> None:
    """Fill cells by value, clipped to the study area; cells with nan stay empty.

    Upright squares are drawn as one image, which has no seams between cells; other cells as polygons.
    """
    drawn: Artist
    if grid.kind == "square" and not grid.rotation_deg:
        low = grid.lattice.min(axis=0)
        shape = tuple(grid.lattice.max(axis=0) - low + 1)
        raster = np.full(shape, np.nan)
        raster[tuple((grid.lattice - low).T)] = values
        west, south = low * grid.cell_size_m + np.asarray(grid.origin)
        east, north = west + shape[0] * grid.cell_size_m, south + shape[1] * grid.cell_size_m
        limits = sheet.map.get_xlim(), sheet.map.get_ylim()
        drawn = sheet.map.imshow(
            raster.T,
            origin="lower",
            extent=(west, east, south, north),
            cmap=colours,
            norm=norm,
            interpolation="nearest",
            aspect="auto",
            zorder=2,
        )
        sheet.map.set(xlim=limits[0], ylim=limits[1])
    else:
        kept = np.isfinite(values)
        rings = [shapely.get_coordinates(_exterior(shape)) for shape in grid.cells.geometry[kept]]
        cells = PolyCollection(rings, array=values[kept], cmap=colours, norm=norm, linewidths=0.15, zorder=2)
        cells.set_edgecolor("face")
        drawn = sheet.map.add_collection(cells, autolim=False)
    drawn.set_clip_path(PathPatch(sheet.outline, transform=sheet.map.transData))


def polygon_path(shape: shapely.Geometry) -> Path:
    """Turn a polygon or multipolygon, holes included, into a matplotlib path."""
    oriented = shapely.orient_polygons(shape)
    rings = [
        ring
        for part in shapely.get_parts(oriented)
        if part.geom_type == "Polygon"
        for ring in (part.exterior, *part.interiors)
    ]
    return Path.make_compound_path(*[Path(shapely.get_coordinates(ring), closed=True) for ring in rings])


def _drawable(polygon: shapely.Geometry, inches_per_metre: float) -> Path:
    return polygon_path(shapely.simplify(polygon, _VISIBLE_INCHES / inches_per_metre, preserve_topology=False))


def _ground(axes: Axes, area: StudyArea, outline: Path, inches_per_metre: float) -> None:
    axes.add_patch(PathPatch(outline, facecolor=LAND, edgecolor="none", zorder=1))
    if not area.neighbourhoods.empty:
        step = _VISIBLE_INCHES / inches_per_metre
        rough = shapely.simplify(area.neighbourhoods.geometry.to_numpy(), step, preserve_topology=False)
        lines = shapely.get_parts(shapely.boundary(rough))
        inner = [shapely.get_coordinates(line) for line in lines]
        axes.add_collection(LineCollection(inner, colors="white", linewidths=0.55, alpha=0.75, zorder=3), autolim=False)
    axes.add_patch(PathPatch(outline, facecolor="none", edgecolor=INK, linewidth=0.8, zorder=5))


def _scale_bar(legend: Axes, inches_per_metre: float, width: float) -> float:
    """Draw a scale bar and a north arrow at the foot of the legend column; return their height in inches."""
    room_m = (width - 0.55) / inches_per_metre
    power = 10.0 ** np.floor(np.log10(room_m))
    length_m = next(step * power for step in (5, 2, 1) if step * power <= room_m)
    length = length_m * inches_per_metre
    label = f"{length_m / 1000:g} km" if length_m >= 1000 else f"{length_m:g} m"
    for part, colour in ((0.0, INK), (0.5, "white")):
        legend.add_patch(
            Rectangle((part * length, 0.06), length / 2, 0.07, facecolor=colour, edgecolor=INK, linewidth=0.6)
        )
    legend.text(0, 0.19, "0", fontsize=7.5, color=MUTED, ha="left", va="bottom")
    legend.text(
        length, 0.19, label, fontsize=7.5, color=MUTED, ha="center" if length < width - 0.4 else "right", va="bottom"
    )
    tip = width - 0.16
    legend.add_patch(
        Polygon([(tip - 0.09, 0.06), (tip, 0.36), (tip + 0.09, 0.06), (tip, 0.13)], facecolor=INK, edgecolor="none")
    )
    legend.text(tip, 0.4, "N", fontsize=8, fontweight="bold", ha="center", va="bottom")
    return 0.7


def _exterior(shape: shapely.Geometry) -> shapely.Geometry:
    parts = shapely.get_parts(shape)
    polygons = parts[shapely.get_type_id(parts) == 3]
    return polygons[np.argmax(shapely.area(polygons))].exterior
