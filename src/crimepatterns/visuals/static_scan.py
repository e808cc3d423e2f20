"""Map of space-time clusters: the circles of a scan, the strongest numbered and listed beside it."""

from collections.abc import Mapping
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from crimepatterns.domain.area import StudyArea
from crimepatterns.errors import PatternError
from crimepatterns.visuals.captions import pattern_caption, pattern_title
from crimepatterns.visuals.legends import key_title
from crimepatterns.visuals.map_numbers import metres_per_inch, number_places
from crimepatterns.visuals.map_sheet import MapSheet, map_sheet
from crimepatterns.visuals.names import place_label
from crimepatterns.visuals.palette import ACCENT, HOT, MUTED, figure_style

__all__ = ["scan_map"]

_LEGEND_WIDTH = 2.5
_SMALLEST_INCHES = 0.05
_LISTED = 8
_LEVEL = 0.05


def scan_map(clusters: gpd.GeoDataFrame, area: StudyArea, *, facts: Mapping[str, Any]) -> Figure:
    """Show where and when more happened than the null hypothesis gives; candidates that chance explains stay grey.

    Parameters
    ----------
    clusters : GeoDataFrame
        As `SpaceTimeScan.to_geodataframe` gives it, the strongest first.
    area : StudyArea
    facts : mapping
        Those inside the file: ``category``, ``window``, ``sentence``, ``null``, ``parameters``, ``run_date``.

    Raises
    ------
    PatternError
        If there is not even a candidate.
    """
    if clusters.empty:
        raise PatternError(str(facts["sentence"]))
    real = clusters["p_value"].to_numpy(dtype=float) <= _LEVEL
    limits = facts["parameters"]
    how = (
        f"Circles of up to {limits['max_radius_m']:g} m and {limits['max_days']} days; p against the strongest "
        f"of {limits['replicates']} permuted records. Grey: candidates that chance explains."
    )
    count = f"{int(real.sum())} cluster{'' if real.sum() == 1 else 's'} beyond chance, {int((~real).sum())} candidates"
    with figure_style():
        sheet = map_sheet(
            area,
            title=pattern_title("Space-time clusters", facts, area.name),
            subtitle=f"{_span(facts)} · {count}",
            caption=pattern_caption(facts, how),
            legend_width=_LEGEND_WIDTH,
        )
        _circles(sheet, clusters.loc[~real], face="none", edge=MUTED)
        _circles(sheet, clusters.loc[real], face=ACCENT, edge=HOT[-1])
        shown = clusters.head(_LISTED)
        number_places(sheet, shown[["x", "y"]].to_numpy(dtype=float), shown["cluster"].tolist())
        _list(sheet, shown)
    return sheet.figure


def _span(facts: Mapping[str, Any]) -> str:
    """Name the record that was scanned, which is shorter than the window where it says so."""
    start = pd.Timestamp(facts["parameters"]["start"])
    last = pd.Timestamp(start) + pd.Timedelta(days=int(facts["parameters"]["days"]) - 1)
    return f"{start.day} {start:%b %Y} to {last.day} {last:%b %Y}"


def _circles(sheet: MapSheet, rows: gpd.GeoDataFrame, *, face: str, edge: str) -> None:
    least = _SMALLEST_INCHES * metres_per_inch(sheet)
    size = np.maximum(np.sqrt(shapely.area(rows.geometry.to_numpy()) / np.pi), least)
    made = [Circle((x, y), radius) for x, y, radius in zip(rows["x"], rows["y"], size, strict=True)]
    patches = PatchCollection(made, facecolor=face, edgecolor=edge, linewidths=0.9, alpha=0.85, zorder=4)
    sheet.map.add_collection(patches, autolim=False)


def _list(sheet: MapSheet, shown: gpd.GeoDataFrame) -> None:
    height = key_title(sheet, sheet.legend_top, ["Strongest first"])
    step = min(0.58, (sheet.legend_size[1] - 0.4) / len(shown))
    for row in shown.itertuples():
        last = row.end - pd.DateOffset(days=1)
        when = _day(row.start) if row.days == 1 else f"{_day(row.start)} to {_day(last)}"
        counts = f"{row.observed:,} for {row.expected:,.1f} expected · p {row.p_value:.2g}"
        colour = HOT[1] if row.p_value <= _LEVEL else MUTED
        heading = place_label(row.neighbourhood) or f"within {row.radius_m:,.0f} m"
        sheet.legend.text(
            0.16, height, str(row.cluster), fontsize=8.5, fontweight="bold", ha="right", va="top", color=colour
        )
        sheet.legend.text(0.28, height, heading, fontsize=8.5, va="top")
        sheet.legend.text(0.28, height - 0.16, when, fontsize=7.2, color=MUTED, va="top")
        sheet.legend.text(0.28, height - 0.29, counts, fontsize=7.2, color=MUTED, va="top")
        height -= step


def _day(moment: pd.Timestamp) -> str:
    return f"{moment.day} {moment:%b %Y}"
