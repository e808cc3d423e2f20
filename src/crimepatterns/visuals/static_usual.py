"""Chart of recent counts beside what is usual, area by area."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from crimepatterns.errors import PatternError
from crimepatterns.visuals.captions import pattern_caption, pattern_title
from crimepatterns.visuals.frame import framed
from crimepatterns.visuals.names import place_label
from crimepatterns.visuals.palette import ACCENT, BLUE, GRID, INK, MUTED, figure_style

__all__ = ["usual_chart"]

_MOST_ROWS = 18
_ROW, _PANEL, _GAP, _NAMES = 0.24, 2.35, 0.25, 1.85
_COLOURS = {"more": ACCENT, "fewer": BLUE, "as usual": MUTED, "": MUTED}


def usual_chart(table: pd.DataFrame, *, city: str, facts: Mapping[str, Any]) -> Figure:
    """Show for the last 7 and 28 days and the year to date how many incidents there were and are usual.

    Parameters
    ----------
    table : DataFrame
        As in `UsualCounts`: the first area is the whole. The last day is left out: areas have too few for a picture.
    city : str
    facts : mapping
        ``category``, ``sentence``, ``as_of``, ``parameters`` and ``run_date``.

    Raises
    ------
    PatternError
        If no period has earlier ones to compare with.
    """
    told = table.loc[(table["verdict"] != "") & (table["period"] != "1 day")]
    if told.empty:
        raise PatternError(str(facts["sentence"]))
    periods = list(told["period"].unique())
    whole = str(table["area"].iloc[0])
    shown = _chosen(told, whole)
    left_out = told["area"].nunique() - 1 - len(shown)
    fdr = 100 * float(facts["parameters"]["fdr"])
    more = f"{left_out} more areas are not shown; those that differ most stand first. " if left_out > 0 else ""
    how = (
        "Ring: mean of earlier periods of equal length; dot: now. Coloured: beyond chance at a false discovery rate "
        f"of {fdr:g} % over the areas. {more}z corrected for the noise of the mean, e-test for small counts."
    )
    rows = max(len(shown), 1)
    width = _NAMES + len(periods) * (_PANEL + _GAP)
    with figure_style():
        frame = framed(
            width, rows * _ROW + 0.95,
            title=pattern_title("Recent counts", facts, city),
            subtitle=f"Up to {str(facts['as_of'])[:10]}, beside what is usual",
            caption=pattern_caption(facts, how),
        )  # fmt: skip
        for k, period in enumerate(periods):
            axes = frame.axes(_NAMES + k * (_PANEL + _GAP), 0.3, _PANEL, rows * _ROW)
            _panel(axes, told.loc[told["period"] == period].set_index("area"), shown, str(period), whole)
            axes.set_yticks(np.arange(len(shown)) + 0.5, [place_label(name) for name in shown] if k == 0 else [])
    return frame.figure


def _chosen(told: pd.DataFrame, whole: str) -> list[str]:
    """Return the areas to list: the whole stands in the heading, then those that differ most."""
    parts = told.loc[told["area"] != whole]
    order = parts.groupby("area", sort=False)["p_value"].min().sort_values(kind="stable")
    return [str(name) for name in order.index[:_MOST_ROWS]]


def _panel(axes: Axes, rows: pd.DataFrame, shown: list[str], period: str, whole: str) -> None:
    everything = rows.loc[whole]
    axes.set_title(f"last {period}" if period[0].isdigit() else period, pad=26)
    words = f"all: {everything['count']:,.0f}, usual {everything['usual']:,.0f} ({everything['verdict']})"
    colour = _COLOURS[str(everything["verdict"])]
    axes.annotate(
        words, (0, 1), xycoords="axes fraction", xytext=(0, 8), textcoords="offset points", fontsize=8,
        color=INK if colour == MUTED else colour,
    )  # fmt: skip
    for k, name in enumerate(shown):
        if name not in rows.index:
            continue
        row = rows.loc[name]
        colour = _COLOURS[str(row["verdict"])]
        axes.plot([row["usual"], row["count"]], [k + 0.5] * 2, color=colour, linewidth=1.4, alpha=0.6, zorder=2)
        axes.plot(row["usual"], k + 0.5, "o", markersize=5, mfc="white", mec=MUTED, zorder=3, clip_on=False)
        axes.plot(row["count"], k + 0.5, "o", markersize=5.5, color=colour, zorder=4, clip_on=False)
    axes.set_ylim(max(len(shown), 1), 0)
    axes.set_xlim(left=0)
    axes.margins(x=0.08)
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.grid(axis="y", color=GRID, linewidth=0.4)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
