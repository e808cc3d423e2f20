"""Maps of ratios: a dual density, smoothed rates, and areas that hold more or less than before."""

from collections.abc import Mapping
from typing import Any

import geopandas as gpd
import numpy as np
import shapely
from matplotlib import colormaps
from matplotlib.collections import PolyCollection
from matplotlib.colors import LinearSegmentedColormap, Normalize, PowerNorm
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from numpy.typing import NDArray

from crimepatterns.domain.area import StudyArea
from crimepatterns.domain.surface import Surface
from crimepatterns.errors import PatternError
from crimepatterns.visuals.captions import pattern_caption, pattern_title
from crimepatterns.visuals.legends import key_ramp, key_rows, key_title
from crimepatterns.visuals.map_sheet import MapSheet, draw_cells, map_sheet, polygon_path
from crimepatterns.visuals.palette import BLUE, HOT, INK, LAND, MUTED, SEQUENTIAL, figure_style

__all__ = ["alike_map", "density_ratio_map", "rates_map"]

_RATIO = LinearSegmentedColormap.from_list("ratio", [BLUE, "#9CC3DC", "#F4F2EE", HOT[0], HOT[1]])
_FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)
_RAMP_QUANTILE = 0.992


def density_ratio_map(surface: Surface, *, facts: Mapping[str, Any]) -> Figure:
    """Show where incidents are more, or fewer, than what they are measured against; significant places outlined.

    Parameters
    ----------
    surface : Surface
        As `density_ratio` or `labelled_ratio` makes it.
    facts : mapping
        ``category``, ``window``, ``against``, ``sentence`` and ``run_date``.

    Raises
    ------
    PatternError
        If the surface was not tested.
    """
    if surface.q_values is None:
        raise PatternError(f"A {surface.method} surface has no significance: give one made by density_ratio.")
    given = surface.parameters
    real = surface.q_values <= float(str(given["fdr"]))
    correction = "chance of any false cell" if "map_p" in given else "false discovery rate"
    how = (
        f"Densities with {given['kernel']} kernel, bandwidth {given['bandwidth_m']:g} m, each as a share of its total. "
        f"Outlined: {correction} {100 * float(str(given['fdr'])):g} %. Where fewer than {given['floor']:g} average "
        "points of the lower density are in reach, the ratio is held back."
    )
    with figure_style():
        sheet = map_sheet(
            surface.grid.area,
            title=pattern_title("Density ratio", facts, surface.grid.area.name),
            subtitle=f"{facts['window']}, against {facts['against']}",
            caption=pattern_caption({**facts, "null": surface.null}, how),
        )
        norm = Normalize(-2.0, 2.0, clip=True)
        draw_cells(sheet, surface.grid, np.log2(np.maximum(surface.values, 2.0**-6)), colours=_RATIO, norm=norm)
        _outline(sheet, surface, real & (surface.values > 1), INK, 1.2)
        _outline(sheet, surface, real & (surface.values <= 1), BLUE, 1.2)
        top = key_title(sheet, sheet.legend_top, ["Ratio"], unit="1 is the mean of the area")
        top = _factor_key(sheet, top, norm)
        more, fewer = (int((real & side).sum()) for side in (surface.values > 1, surface.values <= 1))
        key_rows(sheet, top, [(INK, f"outlined: more\n{more:,} cells"), (BLUE, f"outlined: fewer\n{fewer:,} cells")])
    return sheet.figure


def rates_map(surface: Surface, *, facts: Mapping[str, Any]) -> Figure:
    """Show smoothed rates, with an outline where the raw count is more than its share of the denominator gives.

    Parameters
    ----------
    surface : Surface
        As `smoothed_rates` makes it.
    facts : mapping
        ``category``, ``window``, ``sentence`` and ``run_date``.
    """
    given = surface.parameters
    values, highest = surface.values, float(surface.values.max())
    cut = float(np.quantile(values, _RAMP_QUANTILE))
    beyond = highest > 1.5 * cut > 0
    norm = PowerNorm(0.5, vmin=0.0, vmax=cut if beyond else max(highest, 1e-12), clip=True)
    q = np.ones(len(values)) if surface.q_values is None else surface.q_values
    real = q <= float(str(given["fdr"]))
    how = (
        f"Empirical Bayes: each rate is drawn to the mean of the {given['towards']}, the more the smaller its "
        f"denominator. Outlined: false discovery rate {100 * float(str(given['fdr'])):g} %."
    )
    colours = colormaps[SEQUENTIAL]
    with figure_style():
        sheet = map_sheet(
            surface.grid.area,
            title=pattern_title("Smoothed rates", facts, surface.grid.area.name),
            subtitle=f"{facts['window']} · overall {given['overall_rate']:,.3g} {surface.unit}",
            caption=pattern_caption({**facts, "null": surface.null}, how),
        )
        draw_cells(sheet, surface.grid, values, colours=colours, norm=norm)
        _outline(sheet, surface, real, HOT[1], 1.3)
        unit = surface.unit.replace("incidents ", "", 1)
        top = key_title(sheet, sheet.legend_top, ["Incidents"], unit=unit)
        top = key_ramp(sheet, top, colours, norm, highest=highest if beyond else None)
        key_rows(sheet, top, [(HOT[1], f"outlined: beyond chance\n{int(real.sum()):,} cells")])
    return sheet.figure


def alike_map(areas: gpd.GeoDataFrame, area: StudyArea, *, facts: Mapping[str, Any]) -> Figure:
    """Show which areas hold a larger, or smaller, share of the incidents than in the days before.

    Parameters
    ----------
    areas : GeoDataFrame
        With ``kind``: ``larger share than before``, ``smaller share than before`` or ``as before``.
    area : StudyArea
    facts : mapping
    """
    given = facts["parameters"]
    how = (
        f"Andresen's S {given['s']:.2f}, among areas with incidents {given['s_robust']:.2f}; two draws from one map "
        f"would give {given['s_by_chance']:.2f}. An area differs where its share before lies outside the "
        f"{100 * given['level']:g} % interval of its share now; areas are not corrected for their number."
    )
    with figure_style():
        sheet = map_sheet(
            area,
            title=pattern_title("Shares by area", facts, area.name),
            subtitle=f"{facts['window']}, against the {facts['days_before']} days before",
            caption=pattern_caption(facts, how),
        )
        rows = []
        colours = {"larger share than before": HOT[1], "smaller share than before": BLUE, "as before": LAND}
        for kind, colour in colours.items():
            chosen = (areas["kind"] == kind).to_numpy(dtype=bool)
            _fill(sheet, areas.geometry.to_numpy()[chosen], colour)
            rows.append((colour, f"{kind}\n{int(chosen.sum()):,} areas"))
        key_rows(sheet, key_title(sheet, sheet.legend_top, ["Share of incidents"]), rows)
    return sheet.figure


def _outline(sheet: MapSheet, surface: Surface, chosen: NDArray[np.bool_], colour: str, width: float) -> None:
    if not chosen.any():
        return
    joined = shapely.union_all(surface.grid.cells.geometry.to_numpy()[chosen])
    line = PathPatch(polygon_path(joined), facecolor="none", edgecolor=colour, linewidth=width, zorder=4)
    sheet.map.add_patch(line)
    line.set_clip_path(PathPatch(sheet.outline, transform=sheet.map.transData))


def _factor_key(sheet: MapSheet, top: float, norm: Normalize) -> float:
    """Draw the ramp of a ratio with its factors beside it."""
    from matplotlib.cm import ScalarMappable

    height = 1.7
    total_w, total_h = sheet.figure.get_size_inches()
    box = sheet.legend.get_position()
    axes = sheet.figure.add_axes((box.x0, box.y0 + (top - height) / total_h, 0.17 / total_w, height / total_h))
    bar = sheet.figure.colorbar(ScalarMappable(norm=norm, cmap=_RATIO), cax=axes, extend="both", extendfrac=0.06)
    bar.outline.set_visible(False)
    bar.set_ticks([float(np.log2(factor)) for factor in _FACTORS], labels=[f"{factor:g}" for factor in _FACTORS])
    bar.ax.tick_params(length=2, labelsize=8, pad=2, colors=MUTED)
    return top - height - 0.2


def _fill(sheet: MapSheet, shapes: NDArray[np.object_], colour: str) -> None:
    parts = shapely.get_parts(shapes)
    rings = [shapely.get_coordinates(part.exterior) for part in parts if part.geom_type == "Polygon"]
    drawn = PolyCollection(rings, facecolors=colour, edgecolors="white", linewidths=0.5, zorder=2)
    sheet.map.add_collection(drawn, autolim=False)
    drawn.set_clip_path(PathPatch(sheet.outline, transform=sheet.map.transData))
