"""Maps of street segments: which of them stand out from chance, and where incidents are dense along the streets."""

from collections.abc import Mapping
from typing import Any

import geopandas as gpd
import numpy as np
import shapely
from matplotlib import colormaps
from matplotlib.collections import LineCollection
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from crimepatterns.domain.area import StudyArea
from crimepatterns.visuals.captions import pattern_caption, pattern_title
from crimepatterns.visuals.legends import key_ramp, key_rows, key_title
from crimepatterns.visuals.map_sheet import MapSheet, map_sheet
from crimepatterns.visuals.palette import HOT, figure_style

__all__ = ["hot_streets_map", "street_density_map"]

_STREET = "#C3C9CF"
_STEPS = (2.0, 5.0, 10.0)
_RAMP_QUANTILE = 0.995


def hot_streets_map(segments: gpd.GeoDataFrame, area: StudyArea, *, facts: Mapping[str, Any]) -> Figure:
    """Show which street segments, with those they meet, hold more incidents than chance, and how much more.

    Parameters
    ----------
    segments : GeoDataFrame
        With ``q_value``, ``times_expected`` and ``length_m``.
    area : StudyArea
    facts : mapping
        ``category``, ``window``, ``sentence``, ``null``, ``parameters`` and ``run_date``.
    """
    hot = segments["q_value"].to_numpy(dtype=float) <= float(facts["parameters"]["fdr"])
    times, length = (segments[name].to_numpy(dtype=float) for name in ("times_expected", "length_m"))
    step = np.where(hot, np.clip(np.searchsorted(_STEPS, times, side="right"), 1, 3), 0)
    with figure_style():
        sheet = map_sheet(
            area,
            title=pattern_title("Hot street segments", facts, area.name),
            subtitle=f"{facts['window']} · {int(hot.sum()):,} of {len(hot):,} segments stand out from chance",
            caption=pattern_caption(facts, _how(facts)),
        )
        _draw(sheet, segments, step == 0, _STREET, 0.35)
        for level in (1, 2, 3):
            _draw(sheet, segments, step == level, HOT[level - 1], 1.1 + 0.35 * level)
        top = key_title(sheet, sheet.legend_top, ["Segments"], unit="times what chance gives")
        names = [f"below {_STEPS[1]:g} times", f"{_STEPS[1]:g} to {_STEPS[2]:g} times", f"{_STEPS[2]:g} times and more"]
        rows = [(HOT[k - 1], f"{names[k - 1]}\n{_kilometres(length, step == k)}") for k in (3, 2, 1)]
        key_rows(sheet, top, [*rows, (_STREET, f"not shown to differ\n{_kilometres(length, step == 0)}")])
    return sheet.figure


def street_density_map(segments: gpd.GeoDataFrame, area: StudyArea, *, facts: Mapping[str, Any]) -> Figure:
    """Show how many incidents per kilometre there are along the streets.

    Parameters
    ----------
    segments : GeoDataFrame
        With ``density_per_km``.
    area : StudyArea
    facts : mapping
        As for `hot_streets_map`.
    """
    values = segments["density_per_km"].to_numpy(dtype=float)
    highest, cut = float(values.max()), float(np.quantile(values, _RAMP_QUANTILE))
    beyond = highest > 1.5 * cut > 0
    norm = PowerNorm(0.5, vmin=0.0, vmax=cut if beyond else max(highest, 1e-12), clip=True)
    # The brightest end of the ramp would vanish on paper: the busiest streets are drawn dark and thick.
    colours = colormaps["inferno_r"]
    # Without the null hypothesis of the test, which this map does not show.
    told = {**facts, "null": ""}
    with figure_style():
        sheet = map_sheet(
            area,
            title=pattern_title("Density along the streets", facts, area.name),
            subtitle=str(facts["window"]),
            caption=pattern_caption(
                told, f"Reach {facts['parameters']['bandwidth_m']:g} m along the streets.", _how(facts)
            ),
        )
        order = np.argsort(values, kind="stable")
        share = norm(values[order])
        lines = [shapely.get_coordinates(line) for line in segments.geometry.to_numpy()[order]]
        drawn = LineCollection(
            lines, colors=colours(0.06 + 0.94 * np.asarray(share)), linewidths=0.35 + 1.5 * np.asarray(share), zorder=2
        )
        sheet.map.add_collection(drawn, autolim=False)
        top = key_title(sheet, sheet.legend_top, ["Density"], unit="incidents per km")
        key_ramp(sheet, top, colours, norm, highest=highest if beyond else None)
    return sheet.figure


def _draw(sheet: MapSheet, segments: gpd.GeoDataFrame, chosen: NDArray[np.bool_], colour: str, width: float) -> None:
    lines = [shapely.get_coordinates(line) for line in segments.geometry.to_numpy()[chosen]]
    sheet.map.add_collection(
        LineCollection(lines, colors=colour, linewidths=width, capstyle="round", zorder=2 + width / 10), autolim=False
    )


def _how(facts: Mapping[str, Any]) -> str:
    given = facts["parameters"]
    return f"{given['segments']:,} segments of {given['street_km']:,.0f} km of streets."


def _kilometres(length: NDArray[np.float64], chosen: NDArray[np.bool_]) -> str:
    return f"{int(chosen.sum()):,} segments, {length[chosen].sum() / 1e3:,.1f} km"
