"""Charts of when: trend and season taken apart, and the work of each shift of the week."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure

from crimepatterns.visuals.captions import pattern_caption, pattern_title
from crimepatterns.visuals.frame import framed
from crimepatterns.visuals.palette import ACCENT, BLUE, INK, MUTED, SEQUENTIAL, figure_style

__all__ = ["season_trend_chart", "shift_table"]

_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def season_trend_chart(table: pd.DataFrame, *, city: str, facts: Mapping[str, Any]) -> Figure:
    """Show incidents per day with their trend, the season, and what is left.

    Parameters
    ----------
    table : DataFrame
        As in `SeasonTrend.table`.
    city : str
    facts : mapping
        ``category``, ``sentence``, ``null``, ``parameters`` and ``run_date``.
    """
    given = facts["parameters"]
    how = (
        f"STL by {given['step']}{', robust to single odd periods' if given['robust'] else ''}; strength of the season "
        f"{given['season_strength']:.2f} of 1, of the trend {given['trend_strength']:.2f}. Whole {given['step']}s only."
        f"{' The season is held the same in every cycle.' if given.get('same_season_in_every_cycle') else ''}"
    )
    first, last = table["period"].iloc[0], table["period"].iloc[-1]
    with figure_style():
        frame = framed(
            9.2, 5.2,
            title=pattern_title("Trend and season", facts, city),
            subtitle=f"{given['step'].capitalize()}s from {first:%B %Y} to {last:%B %Y}",
            caption=pattern_caption(facts, how),
        )  # fmt: skip
        panels = [frame.axes(0.65, bottom, 8.4, height) for bottom, height in ((2.95, 2.15), (1.6, 1.15), (0.35, 1.05))]
        _line(panels[0], table, "per_day", MUTED, 1.0, "incidents per day")
        panels[0].plot(table["period"], table["trend"], color=BLUE, linewidth=2.6)
        panels[0].annotate(
            "trend", (table["period"].iloc[-1], table["trend"].iloc[-1]), xytext=(4, 0), textcoords="offset points",
            color=BLUE, fontweight="bold", va="center", annotation_clip=False,
        )  # fmt: skip
        shown = float(given["season_p"]) <= 0.05
        _line(panels[1], table, "season", ACCENT if shown else MUTED, 1.8, "season" if shown else "season\n(not shown)")
        panels[2].bar(table["period"], table["remainder"], width=_width(table), color=MUTED)
        panels[2].set_ylabel("remainder")
        for axes in panels[1:]:
            axes.axhline(0.0, color=INK, linewidth=0.6)
        for axes in panels:
            _dates(axes, table)
        for axes in panels[:2]:
            axes.tick_params(axis="x", labelbottom=False)
        panels[0].set_ylim(bottom=0)
    return frame.figure


def shift_table(table: pd.DataFrame, *, city: str, facts: Mapping[str, Any]) -> Figure:
    """Show how many incidents fall into each shift of the week, shaded by incidents per hour.

    Parameters
    ----------
    table : DataFrame
        As `ShiftMass.to_frame` gives it.
    city : str
    facts : mapping
    """
    names = list(dict.fromkeys(table["shift"]))
    mass = table["incidents"].to_numpy(dtype=float).reshape(7, len(names))
    rate = table["per_hour"].to_numpy(dtype=float).reshape(7, len(names))
    norm, colours = Normalize(0.0, max(float(rate.max()), 1e-12)), colormaps[SEQUENTIAL]
    wide, high = max(1.15, 5.4 / len(names)), 0.4
    with figure_style():
        frame = framed(
            max(1.2 + wide * len(names), 6.6), 7 * high + 0.45,
            title=pattern_title("Shifts", facts, city), subtitle=str(facts["window"]),
            caption=pattern_caption(
                facts, "Shaded by incidents per hour of the shift; a shift belongs to the day on which it begins."
            ),
        )  # fmt: skip
        axes = frame.axes(1.15, 0.05, wide * len(names), 7 * high)
        axes.pcolormesh(rate, cmap=colours, norm=norm, edgecolors="white", linewidth=1.5)
        for day in range(7):
            for k in range(len(names)):
                bright = np.asarray(colours(norm(rate[day, k])))[:3] @ (0.3, 0.59, 0.11)
                text = f"{mass[day, k]:,.0f}" if mass[day, k] >= 10 else f"{mass[day, k]:.1f}"
                dark = INK if bright > 0.5 else "white"
                axes.text(k + 0.5, day + 0.5, text, ha="center", va="center", color=dark, fontsize=9)
        axes.set_ylim(7, 0)
        axes.set_xticks(np.arange(len(names)) + 0.5, names)
        axes.set_yticks(np.arange(7) + 0.5, _WEEKDAYS)
        axes.xaxis.tick_top()
        axes.tick_params(length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)
    return frame.figure


def _line(axes: Axes, table: pd.DataFrame, column: str, colour: str, width: float, name: str) -> None:
    marker = "o" if len(table) <= 80 else None
    thin = 1.0 if len(table) <= 200 else 0.5
    axes.plot(table["period"], table[column], color=colour, linewidth=thin * width, marker=marker, markersize=2.8)
    axes.set_ylabel(name)
    axes.grid(axis="y")


def _width(table: pd.DataFrame) -> float:
    """Return the width of a bar, days."""
    return 0.8 * float(np.median(np.diff(table["period"].to_numpy()) / np.timedelta64(1, "D")))


def _dates(axes: Axes, table: pd.DataFrame) -> None:
    locator = AutoDateLocator(maxticks=9)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    margin = pd.Timedelta(days=_width(table))
    axes.set_xlim(table["period"].iloc[0] - margin, table["period"].iloc[-1] + margin)
