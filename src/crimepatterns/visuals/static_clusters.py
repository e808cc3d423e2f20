"""Map of clusters, the largest ones numbered and listed beside it."""

from collections.abc import Mapping

import geopandas as gpd
import numpy as np
import shapely
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch

from crimepatterns.domain.area import StudyArea
from crimepatterns.visuals.legends import key_title
from crimepatterns.visuals.map_numbers import metres_per_inch, number_places
from crimepatterns.visuals.map_sheet import MapSheet, map_sheet, polygon_path
from crimepatterns.visuals.names import category_label, place_label, run_note
from crimepatterns.visuals.palette import ACCENT, HOT, MUTED, figure_style

__all__ = ["cluster_map"]

_LEGEND_WIDTH = 2.5
_SMALLEST = 0.06


def cluster_map(
    summary: gpd.GeoDataFrame,
    area: StudyArea,
    *,
    category: str,
    window: str,
    parameters: Mapping[str, object],
    run_date: str = "",
    listed: int = 12,
) -> Figure:
    """Show where incidents cluster, and name the largest clusters.

    Parameters
    ----------
    summary : GeoDataFrame
        As in `Clusters`; may have no rows.
    area : StudyArea
    category, window : str
    parameters : mapping
        Of the clusters: ``radius_m``, ``min_incidents``, ``incidents``, ``clustered``.
    run_date : str
    listed : int
        So many clusters are numbered and listed.

    Returns
    -------
    Figure
    """
    total, clustered = int(str(parameters["incidents"])), int(str(parameters["clustered"]))
    count = f"{len(summary):,} cluster{'' if len(summary) == 1 else 's'}"
    share = f"{clustered:,} of {total:,} incidents ({100 * clustered / total:.0f} %)"
    caption = (
        f"DBSCAN: a core has at least {parameters['min_incidents']} incidents within {parameters['radius_m']:g} m; "
        "drawn is the ground around the members. x around: density compared with the 500 m around the cluster."
        f"{run_note(run_date)}"
    )
    with figure_style():
        sheet = map_sheet(
            area,
            title=f"Clusters of {category_label(category)} in {area.name}",
            subtitle=f"{window} · {count} with {share}" if len(summary) else f"{window} · no place is dense enough",
            caption=caption,
            legend_width=_LEGEND_WIDTH,
        )
        patches = [PathPatch(polygon_path(shape)) for shape in summary.geometry]
        sheet.map.add_collection(
            PatchCollection(patches, facecolor=ACCENT, edgecolor=HOT[-1], linewidths=0.5, zorder=4), autolim=False
        )
        _dot_small(sheet, summary)
        top = summary.head(listed)
        anchors = shapely.get_coordinates(shapely.point_on_surface(top.geometry.to_numpy()))
        number_places(sheet, anchors, top["cluster"].tolist())
        _list(sheet, top)
    return sheet.figure


def _dot_small(sheet: MapSheet, summary: gpd.GeoDataFrame) -> None:
    """Put a dot on clusters that would be too small to see at this scale."""
    shapes = summary.geometry.to_numpy()
    small = shapes[np.sqrt(shapely.area(shapes)) < _SMALLEST * metres_per_inch(sheet)]
    x, y = shapely.get_coordinates(shapely.point_on_surface(small)).T
    sheet.map.scatter(x, y, s=15, color=ACCENT, edgecolors=HOT[-1], linewidths=0.5, zorder=4)


def _list(sheet: MapSheet, top: gpd.GeoDataFrame) -> None:
    if top.empty:
        return
    height = key_title(sheet, sheet.legend_top, ["Largest clusters"])
    step = min(0.42, (sheet.legend_size[1] - 0.4) / len(top))
    for row in top.itertuples():
        count = f"{row.incidents:,} incidents"
        places = f"{row.distinct_places:,} place{'' if row.distinct_places == 1 else 's'}"
        times = "alone" if np.isnan(row.times_surroundings) else f"{row.times_surroundings:,.1f}x around"
        heading = place_label(row.neighbourhood) or count
        facts = [count, places, times] if row.neighbourhood else [places, times]
        sheet.legend.text(0.16, height, str(row.cluster), fontsize=8.5, fontweight="bold", ha="right", va="top")
        sheet.legend.text(0.28, height, heading, fontsize=8.5, va="top")
        sheet.legend.text(0.28, height - 0.16, " · ".join(facts), fontsize=7.2, color=MUTED, va="top")
        height -= step
