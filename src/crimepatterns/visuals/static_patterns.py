"""Pictures of patterns: kinds of cells, what changed, near-repeat chains and the near-repeat table."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch

from crimepatterns.domain.area import StudyArea
from crimepatterns.domain.surface import Surface
from crimepatterns.errors import PatternError
from crimepatterns.visuals.frame import framed
from crimepatterns.visuals.legends import key_rows, key_title
from crimepatterns.visuals.map_sheet import MapSheet, map_sheet
from crimepatterns.visuals.names import category_label, run_note
from crimepatterns.visuals.palette import BLUE, HOT, INK, LAND, MUTED, OKABE_ITO, PAPER, figure_style

__all__ = ["chains_map", "change_map", "kinds_map", "repeat_table"]

_KINDS: Mapping[str, str] = MappingProxyType(
    {
        "new hot spot": OKABE_ITO[3],
        "consecutive hot spot": HOT[0],
        "intensifying hot spot": HOT[2],
        "persistent hot spot": HOT[1],
        "diminishing hot spot": OKABE_ITO[5],
        "sporadic hot spot": OKABE_ITO[4],
        "oscillating hot spot": OKABE_ITO[7],
        "historical hot spot": OKABE_ITO[2],
        "high-high": HOT[1],
        "high-low": OKABE_ITO[3],
        "low-high": OKABE_ITO[5],
        "low-low": BLUE,
    }
)
_MEANING: Mapping[str, str] = MappingProxyType(
    {
        "high-high": "busy among busy",
        "high-low": "busy, standing alone",
        "low-high": "quiet among busy",
        "low-low": "quiet among quiet",
    }
)
_COLD = "#7F9FB8"
_LONGEST_CHAINS = 12


def kinds_map(
    layer: gpd.GeoDataFrame,
    area: StudyArea,
    *,
    column: str,
    title: str,
    facts: Mapping[str, Any],
    meaning: Mapping[str, str] = _MEANING,
) -> Figure:
    """Show cells by kind: emerging hot spots or the quadrants of local Moran.

    Parameters
    ----------
    layer : GeoDataFrame
        Cells with the names in `column`; cells without one stay empty.
    area : StudyArea
    column : str
    title : str
        Such as ``Emerging hot spots``.
    facts : mapping
        ``category``, ``window``, ``sentence``, ``run_date`` and, where there is one, ``null``.
    meaning : mapping
        What the key calls each kind.

    Raises
    ------
    PatternError
        If no cell has a kind.
    """
    kinds = layer[column].astype(str)
    present = [kind for kind in _KINDS if (kinds == kind).any()]
    cold = kinds.str.endswith("cold spot")
    if not present and not cold.any():
        raise PatternError(str(facts["sentence"]))
    null = f" Null hypothesis: {facts['null']}." if facts.get("null") else ""
    with figure_style():
        sheet = _sheet(area, title, facts, caption=f"{facts['sentence']}{null}{run_note(str(facts['run_date']))}")
        rows = []
        for kind in present:
            _fill(sheet, layer.geometry[kinds == kind], _KINDS[kind])
            name = meaning.get(kind, kind.removesuffix(" hot spot"))
            rows.append((_KINDS[kind], f"{name}\n{int((kinds == kind).sum()):,} cells"))
        if cold.any():
            _fill(sheet, layer.geometry[cold], _COLD)
            rows.append((_COLD, f"cold, of any history\n{int(cold.sum()):,} cells"))
        rest = int((~kinds.isin(present) & ~cold).sum())
        key_rows(sheet, key_title(sheet, sheet.legend_top, ["Kind of cell"]), [*rows, (LAND, f"none\n{rest:,} cells")])
    return sheet.figure


def change_map(surface: Surface, *, category: str, window: str, facts: Mapping[str, Any]) -> Figure:
    """Show which cells hold more, or fewer, incidents than in the period before, beyond chance.

    Parameters
    ----------
    surface : Surface
        As `change_between` makes it.
    category, window : str
    facts : mapping
        ``sentence`` and ``run_date``.

    Raises
    ------
    PatternError
        If the surface was not tested.
    """
    if surface.q_values is None:
        raise PatternError(f"A {surface.method} surface has no significance: give one made by change_between.")
    shown = surface.q_values <= float(str(surface.parameters["fdr"]))
    rise = np.sign(surface.values)
    up, down = shown & (rise > 0), shown & (rise < 0)
    days = float(str(surface.parameters["days_before"]))
    before = f"the {facts['days_before']:g} days before" if "days_before" in facts else f"{days:g} days before"
    caption = (
        f"{facts['sentence']} Each cell with the cells it touches, against {before}; false discovery rate "
        f"{100 * float(str(surface.parameters['fdr'])):g} %. Null hypothesis: {surface.null}."
        f"{run_note(str(facts['run_date']))}"
    )
    with figure_style():
        told = {"category": category, "window": window}
        sheet = _sheet(surface.grid.area, "Change", told, caption=caption)
        shapes = surface.grid.cells.geometry
        rows = []
        for chosen, colour, name in ((up, HOT[1], "more than before"), (down, BLUE, "fewer than before")):
            if chosen.any():
                _fill(sheet, shapes[chosen], colour)
            rows.append((colour, f"{name}\n{int(chosen.sum()):,} cells"))
        rows.append((LAND, f"not shown to differ\n{int((~shown).sum()):,} cells"))
        key_rows(sheet, key_title(sheet, sheet.legend_top, ["Incidents"]), rows)
    return sheet.figure


def chains_map(chains: gpd.GeoDataFrame, area: StudyArea, *, facts: Mapping[str, Any]) -> Figure:
    """Show the links of near-repeat chains, the longest chains in colour.

    Parameters
    ----------
    chains : GeoDataFrame
        As `near_repeat_chains` makes it: the longest first.
    area : StudyArea
    facts : mapping
        ``category``, ``window``, ``sentence``, ``parameters`` and ``run_date``.

    Raises
    ------
    PatternError
        If there is no chain.
    """
    if chains.empty:
        raise PatternError(str(facts["sentence"]))
    reach = facts["parameters"]
    caption = (
        f"{facts['sentence']} Lines lead to the latest earlier incident within {reach['distance_m']:g} m and "
        f"{reach['days']} days; repeats at the same place have no length.{run_note(str(facts['run_date']))}"
    )
    longest, rest = chains.iloc[:_LONGEST_CHAINS], chains.iloc[_LONGEST_CHAINS:]
    with figure_style():
        sheet = _sheet(area, "Near-repeat chains", facts, caption=caption)
        _lines(sheet, rest, MUTED, 0.5)
        _lines(sheet, longest, HOT[1], 1.0)
        first, last = int(longest["incidents"].iloc[-1]), int(longest["incidents"].iloc[0])
        span = f"{first} to {last} incidents" if first < last else f"{last} incidents"
        rows = [(HOT[1], f"{len(longest)} longest chains\n{span}")]
        if len(rest):
            rows.append((MUTED, f"{len(rest):,} more chains\nup to {int(rest['incidents'].max())} incidents"))
        key_rows(sheet, key_title(sheet, sheet.legend_top, ["Chains"]), rows)
    return sheet.figure


def repeat_table(table: pd.DataFrame, *, city: str, facts: Mapping[str, Any]) -> Figure:
    """Show the near-repeat table: how many times as frequent as chance pairs are, by distance and days.

    Parameters
    ----------
    table : DataFrame
        As `Knox.to_frame` gives it.
    city : str
    facts : mapping
        ``category``, ``window``, ``sentence``, ``null`` and ``run_date``.
    """
    rows, columns = table["distance"].unique(), table["days"].unique()
    grid = table.set_index(["distance", "days"])
    width, height = 1.15 * len(columns) + 1.3, 0.62 * len(rows) + 0.5
    caption = (
        f"{facts['sentence']} Below each ratio its interval; bold and coloured: p at most 0.05, with the many bands "
        f"accounted for. Null hypothesis: {facts['null']}.{run_note(str(facts['run_date']))}"
    )
    with figure_style():
        frame = framed(
            max(width, 6.4), height,
            title=f"Near repeats of {category_label(str(facts['category']))} in {city}",
            subtitle=str(facts["window"]), caption=caption,
        )  # fmt: skip
        axes = frame.axes(1.25, 0.05, 1.15 * len(columns), 0.62 * len(rows))
        shade = Normalize(1.0, max(2.0, float(np.nanmax(table["ratio"].replace(np.inf, np.nan)))))
        for y, distance in enumerate(rows):
            for x, days in enumerate(columns):
                _cell(axes, x, y, grid.loc[(distance, days)], shade)
        axes.set(xlim=(0, len(columns)), ylim=(len(rows), 0))
        axes.set_xticks(np.arange(len(columns)) + 0.5, list(columns))
        axes.set_yticks(np.arange(len(rows)) + 0.5, list(rows))
        axes.xaxis.tick_top()
        axes.tick_params(length=0)
        for side in ("left", "bottom"):
            axes.spines[side].set_visible(False)
    return frame.figure


def _cell(axes: Any, x: int, y: int, row: pd.Series, shade: Normalize) -> None:
    # Tables of earlier runs have no adjusted p-value.
    shown = row.get("p_adjusted", row["p_value"]) <= 0.05 and row["ratio"] > 1
    strength = float(np.clip(shade(row["ratio"]), 0.15, 1.0)) if shown else 0.0
    colour = tuple(1 - strength * (1 - np.array([0.835, 0.369, 0.0]))) if shown else PAPER
    axes.add_patch(PathPatch(_box(x, y), facecolor=colour, edgecolor="#D8D5CE", linewidth=0.6))
    text = "-" if not np.isfinite(row["ratio"]) else f"{row['ratio']:.2f}"
    dark = "white" if strength > 0.75 else INK
    axes.text(x + 0.5, y + 0.42, text, ha="center", va="center", fontweight="bold" if shown else "normal", color=dark)
    if np.isfinite(row["ratio"]):
        limits = f"{row['ratio_lower']:.2f} to {row['ratio_upper']:.2f}"
        small = "white" if strength > 0.75 else MUTED
        axes.text(x + 0.5, y + 0.74, limits, ha="center", va="center", fontsize=6.5, color=small)


def _box(x: int, y: int) -> Any:
    from matplotlib.path import Path

    return Path([(x, y), (x + 1, y), (x + 1, y + 1), (x, y + 1), (x, y)], closed=True)


def _sheet(area: StudyArea, title: str, facts: Mapping[str, Any], *, caption: str) -> MapSheet:
    named = f"{title} of {category_label(str(facts['category']))} in {area.name}"
    return map_sheet(area, title=named, subtitle=str(facts["window"]), caption=caption)


def _fill(sheet: MapSheet, shapes: gpd.GeoSeries, colour: str) -> None:
    parts = shapely.get_parts(shapes.to_numpy())
    rings = [shapely.get_coordinates(part.exterior) for part in parts if part.geom_type == "Polygon"]
    cells = PolyCollection(rings, facecolors=colour, edgecolors=colour, linewidths=0.15, zorder=2)
    sheet.map.add_collection(cells, autolim=False)
    cells.set_clip_path(PathPatch(sheet.outline, transform=sheet.map.transData))


def _lines(sheet: MapSheet, chains: gpd.GeoDataFrame, colour: str, width: float) -> None:
    lines = [shapely.get_coordinates(line) for line in shapely.get_parts(chains.geometry.to_numpy())]
    sheet.map.add_collection(
        LineCollection(lines, colors=colour, linewidths=width, capstyle="round", zorder=4), autolim=False
    )
