"""Charts of time: hour by weekday, trend with its incomplete end, and the seasons year by year."""

from typing import Any

import numpy as np
import pandas as pd
import seaborn
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import StrMethodFormatter
from numpy.typing import NDArray

from crimepatterns.domain.incidents import Incidents
from crimepatterns.errors import PatternError
from crimepatterns.patterns.rhythms import WEEKDAYS, hour_known
from crimepatterns.patterns.window import Window, last_days
from crimepatterns.visuals.frame import framed
from crimepatterns.visuals.palette import BLUE, GRID, INK, MUTED, SEQUENTIAL, colours_for, figure_style

__all__ = ["hour_weekday_map", "seasonality", "trend"]

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def hour_weekday_map(incidents: Incidents, *, category: str, window: Window, run_date: str = "") -> Figure:
    """Show at which hours of which days incidents happen, in incidents per week.

    Only incidents whose hour is known are counted: a date without a time would look like midnight.

    Parameters
    ----------
    incidents : Incidents
        Those of the window and category.
    category : str
    window : Window
    run_date : str

    Returns
    -------
    Figure

    Raises
    ------
    PatternError
        If no incident has a known hour.
    """
    known = hour_known(incidents.table)
    if not known.any():
        raise PatternError("Hours are not known: times are given to the day or month, or as spans of hours.")
    moments = incidents.table.loc[known, "occurred_from"].dt
    weeks = (window.end - window.start).total_seconds() / 604_800
    counts = np.zeros((7, 24))
    np.add.at(counts, (moments.day_of_week.to_numpy(), moments.hour.to_numpy()), 1.0 / weeks)
    sharp = float(((moments.minute == 0) & (moments.second == 0)).mean())
    caption = (
        f"Hour known for {int(known.sum()):,} of {len(known):,} incidents; {sharp * 100:.0f} % of those are recorded on the "
        f"full hour. Civil time, {incidents.area.timezone}.{f' Run {run_date}.' if run_date else ''}"
    )
    with figure_style():
        frame = framed(
            9.4,
            4.2,
            title=f"When {_named(category)} happens in {incidents.area.name}"
            if category != "all"
            else f"When incidents happen in {incidents.area.name}",
            subtitle=str(window),
            caption=caption,
        )
        left, wide, tall, strip = 0.95, 6.6, 2.75, 0.6
        heat = frame.axes(left, 0.5, wide, tall)
        scale = frame.axes(left + wide + strip + 0.75, 0.5, 0.14, tall)
        _heat(heat, scale, counts)
        _margin_bars(frame.axes(left, 0.5 + tall + 0.08, wide, strip), counts.sum(axis=0), upright=True)
        _margin_bars(frame.axes(left + wide + 0.08, 0.5, strip, tall), counts.sum(axis=1), upright=False)
    return frame.figure


def trend(incidents: Incidents, *, window_days: int = 1096, run_date: str = "", most: int = 5) -> Figure:
    """Show incidents per week (per month where days are not known), with periods that are not complete marked.

    Parameters
    ----------
    incidents : Incidents
        All on record.
    window_days : int
        Longest stretch shown.
    run_date : str
    most : int
        So many categories, the most frequent ones.

    Returns
    -------
    Figure
    """
    window = last_days(incidents, days=window_days)
    shown = window.of(incidents)
    first = incidents.table["occurred_from"].min().normalize()
    monthly = bool((shown.table["time_precision"] == "month").any())
    counts, complete = _counted(shown, max(window.start, first), window.end, monthly=monthly)
    names = [name for name in shown.categories if name in counts.columns][:most]
    unit = "month" if monthly else "week"
    caption = (
        f"Incidents by {unit} of occurrence{'' if monthly else ', Monday to Sunday'}; the thick line is the mean of "
        f"{3 if monthly else 9} {unit}s around. Dotted: the {unit} is not complete, and the latest ones may still gain late reports."
        f"{f' Run {run_date}.' if run_date else ''}"
    )
    with figure_style():
        last = (window.end - pd.Timedelta(microseconds=1)).date()
        frame = framed(
            9.4,
            4.3,
            title=f"Incidents per {unit} in {incidents.area.name}",
            subtitle=f"{max(window.start, first).date()} to {last}",
            caption=caption,
        )
        axes = frame.axes(0.6, 0.35, 7.1, 3.85)
        for name, colour in colours_for(names).items():
            _trend_line(axes, counts[name], complete, colour, smooth=3 if monthly else 9)
        _end_labels(axes, {name: float(counts[name][complete].tail(4).mean()) for name in names}, colours_for(names))
        axes.set(ylim=(0, axes.get_ylim()[1]), ylabel=f"incidents per {unit}")
        axes.grid(axis="y")
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        locator = AutoDateLocator(maxticks=9)
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    return frame.figure


def seasonality(incidents: Incidents, *, category: str, run_date: str = "", most: int = 6) -> Figure:
    """Show incidents per day by month, one line per year, from whole months only.

    Parameters
    ----------
    incidents : Incidents
        Of one category, all on record.
    category : str
    run_date : str
    most : int
        So many years, the last ones.

    Raises
    ------
    PatternError
        If no calendar month is complete.
    """
    table = _daily_by_month(incidents)
    if table.empty:
        raise PatternError("Seasonality needs at least one whole calendar month.")
    years = [int(year) for year in table.index][-most:]
    with figure_style():
        frame = framed(
            9.4,
            4.0,
            title=f"Seasons of {_named(category)} in {incidents.area.name}",
            subtitle=f"{years[0]} to {years[-1]}" if len(years) > 1 else str(years[0]),
            caption=(
                "Mean incidents per day in each month, so that long months do not look busier; only whole months."
                f"{f' Run {run_date}.' if run_date else ''}"
            ),
        )
        axes = frame.axes(0.6, 0.35, 7.9, 3.55)
        shades = np.linspace(0.25, 0.7, max(len(years) - 1, 1))
        for i, year in enumerate(years):
            latest = year == years[-1]
            colour: Any = BLUE if latest else str(1.0 - shades[i])
            axes.plot(
                range(12), table.loc[year], color=colour, linewidth=2.2 if latest else 1.4, marker="o", markersize=3.5
            )
        _end_labels(
            axes,
            {str(year): float(table.loc[year].dropna().iloc[-1]) for year in years},
            {str(year): BLUE if year == years[-1] else MUTED for year in years},
            at=max(int(np.flatnonzero(table.loc[year].notna())[-1]) for year in years),
        )
        axes.set(xlim=(-0.3, 11.3), ylim=(0, float(table.max().max()) * 1.1), ylabel="incidents per day")
        axes.set_xticks(range(12), _MONTHS)
        axes.grid(axis="y")
    return frame.figure


def _named(category: str) -> str:
    return "all incidents" if category == "all" else category


def _heat(axes: Axes, scale: Axes, counts: NDArray[np.float64]) -> None:
    seaborn.heatmap(
        counts, ax=axes, cbar_ax=scale, cmap=SEQUENTIAL, vmin=0, linewidths=0.6, linecolor="white",
        xticklabels=False, yticklabels=False,
    )  # fmt: skip
    scale.set_ylabel("incidents per week", fontsize=8.5, color=MUTED)
    scale.tick_params(length=2, labelsize=8)
    axes.set_xticks(np.arange(0, 25, 3), [f"{hour:02d}:00" for hour in range(0, 25, 3)], rotation=0)
    axes.set_yticks(np.arange(7) + 0.5, WEEKDAYS, rotation=0)
    axes.tick_params(length=0)
    axes.set_xlabel("hour of the day")
    for spine in axes.spines.values():
        spine.set_visible(False)


def _margin_bars(axes: Axes, totals: NDArray[np.float64], *, upright: bool) -> None:
    places = np.arange(len(totals)) + 0.5
    if upright:
        axes.bar(places, totals, width=0.86, color=MUTED)
        axes.set(xlim=(0, len(totals)), ylim=(0, totals.max() * 1.05))
    else:
        axes.barh(places, totals, height=0.86, color=MUTED)
        axes.set(ylim=(len(totals), 0), xlim=(0, totals.max() * 1.05))
        for place, total in zip(places, totals, strict=True):
            axes.text(
                total * 0.94,
                place,
                f"{total:,.0f}" if total >= 10 else f"{total:.1f}",
                color="white",
                fontsize=7.5,
                ha="right",
                va="center",
            )
    axes.set_axis_off()


def _counted(
    incidents: Incidents, start: pd.Timestamp, end: pd.Timestamp, *, monthly: bool
) -> tuple[pd.DataFrame, NDArray[np.bool_]]:
    """Count by calendar week or month and category; tell which periods lie wholly inside ``[start, end)``."""
    naive = incidents.table["occurred_from"].dt.tz_localize(None)
    period = naive.dt.to_period("M" if monthly else "W-SUN")
    counts = pd.crosstab(period, incidents.table["category"].astype(str))
    whole = pd.period_range(counts.index.min(), counts.index.max(), freq=counts.index.freq)
    counts = counts.reindex(whole, fill_value=0)
    begins, ends = counts.index.start_time, (counts.index + 1).start_time
    complete = (begins >= start.tz_localize(None)) & (ends <= end.tz_localize(None))
    counts.index = begins
    return counts, np.asarray(complete, dtype=bool)


def _trend_line(axes: Axes, counts: pd.Series, complete: NDArray[np.bool_], colour: str, *, smooth: int) -> None:
    whole = counts[complete]
    axes.plot(whole.index, whole, color=colour, linewidth=0.9, alpha=0.45)
    axes.plot(whole.index, whole.rolling(smooth, center=True).mean(), color=colour, linewidth=2.2)
    places = np.flatnonzero(complete)
    for part in ((places[0] - 1, places[0]), (places[-1], places[-1] + 1)) if places.size else ():
        if 0 <= part[0] and part[1] < len(counts):
            ends = counts.iloc[list(part)]
            axes.plot(ends.index, ends, color=colour, linewidth=1.2, linestyle=":")
            partial = part[0] if part[0] < places[0] else part[1]
            axes.plot(counts.index[partial], counts.iloc[partial], "o", markersize=4.5, mfc="white", mec=colour)


def _end_labels(axes: Axes, heights: dict[str, float], colours: dict[str, str], *, at: float | None = None) -> None:
    """Name the lines at their right end, moved apart where they are close."""
    low, high = 0.0, max(axes.get_ylim()[1], max(heights.values()) * 1.1)
    axes.set_ylim(low, high)
    least = 0.055 * (high - low)
    place = -np.inf
    right = axes.get_xlim()[1]
    for name in sorted(heights, key=lambda key: heights[key]):
        place = max(heights[name], place + least)
        axes.text(
            right if at is None else at + 0.3, place, f" {name}", color=colours.get(name, INK), fontsize=9,
            fontweight="bold", va="center", clip_on=False,
        )  # fmt: skip


def _daily_by_month(incidents: Incidents) -> pd.DataFrame:
    """Mean incidents per day, one row per year and one column per month; nan where the month is not complete."""
    window = last_days(incidents, days=1)
    first = incidents.table["occurred_from"].min().normalize()
    counts, complete = _counted(incidents, first, window.end, monthly=True)
    total = counts.sum(axis=1)[complete]
    per_day = total / total.index.days_in_month
    table = pd.Series(per_day.to_numpy(), index=[total.index.year, total.index.month]).unstack()
    return table.reindex(columns=range(1, 13)) if len(table) else table
