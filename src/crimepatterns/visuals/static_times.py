"""Charts of time: hour by weekday, trend with its incomplete end, and the seasons year by year."""

from typing import Any

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import StrMethodFormatter
from numpy.typing import NDArray

from crimepatterns.domain.aoristic import hour_of_week
from crimepatterns.domain.incidents import Incidents
from crimepatterns.errors import PatternError
from crimepatterns.patterns.calendar_counts import CalendarCounts, count_by_calendar, daily_by_month, record_of
from crimepatterns.patterns.rhythms import WEEKDAYS, hour_known
from crimepatterns.patterns.window import Window, last_days
from crimepatterns.visuals.frame import framed
from crimepatterns.visuals.names import category_label, run_note
from crimepatterns.visuals.palette import BLUE, MUTED, SEQUENTIAL, colours_for, figure_style

__all__ = ["hour_weekday_map", "seasonality", "trend"]

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def hour_weekday_map(
    incidents: Incidents, *, category: str, window: Window, run_date: str = "", note: str = ""
) -> Figure:
    """Show at which hours of which days incidents happen, in incidents per week.

    An incident known only to lie between two moments counts in every hour of that span by its share of the time; a date
    without a time would look like midnight and is left out.

    Parameters
    ----------
    incidents : Incidents
        Those of the window and category.
    category : str
    window : Window
    run_date : str
    note : str
        What there is to say against the hours of these records.

    Returns
    -------
    Figure

    Raises
    ------
    PatternError
        If no incident has an hour.
    """
    week = hour_of_week(incidents.table)
    if not week.used:
        raise PatternError("Hours are not known: times are given to the day or month.")
    counts = week.mass * (604_800 / (window.end - window.start).total_seconds())
    known = hour_known(incidents.table)
    moments = incidents.table.loc[known, "occurred_from"].dt
    doubt = f"{note} " if note else ""
    caption = f"{week} {_sharpness(moments)}{doubt}Civil time, {incidents.area.timezone}.{run_note(run_date)}"
    with figure_style():
        frame = framed(
            9.0,
            4.0,
            title=f"When {'incidents happen' if category == 'all' else f'{category} happens'} in {incidents.area.name}",
            subtitle=str(window),
            caption=caption,
        )
        left, wide, tall, strip = 0.95, 6.6, 2.75, 0.6
        heat = frame.axes(left, 0.5, wide, tall)
        scale = frame.axes(left + wide + strip + 0.4, 0.5, 0.14, tall)
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
    record = record_of(incidents)
    window = Window(max(record.start, last_days(incidents, days=window_days).start), record.end)
    monthly = bool((incidents.table["time_precision"] == "month").any())
    counted = count_by_calendar(window.of(incidents), window, monthly=monthly)
    names = list(counted.counts.columns[:most])
    unit, smooth = counted.unit, 3 if monthly else 9
    caption = (
        f"Incidents by {unit} of occurrence{'' if monthly else ', Monday to Sunday'}; the thick line is the mean of "
        f"{smooth} {unit}s around. Dotted: the {unit} is not complete; the latest ones may still gain late reports."
        f"{run_note(run_date)}"
    )
    with figure_style():
        frame = framed(
            9.4, 4.3, title=f"Incidents per {unit} in {incidents.area.name}", subtitle=str(window), caption=caption
        )
        axes = frame.axes(0.6, 0.35, 7.1, 3.85)
        colours = colours_for(names)
        for name in names:
            _trend_line(axes, counted, name, colours[name], smooth=smooth)
        recent = counted.counts[counted.complete].tail(4).mean() if counted.complete.any() else counted.counts.mean()
        _end_labels(axes, axes.get_xlim()[1], {name: float(recent[name]) for name in names}, colours)
        axes.set_ylim(bottom=0)
        axes.set_ylabel(f"incidents per {unit}")
        axes.grid(axis="y")
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        _date_axis(axes)
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
    table = daily_by_month(incidents)
    if table.empty:
        raise PatternError("Seasonality needs at least one whole calendar month.")
    years = [int(year) for year in table.index][-most:]
    with figure_style():
        frame = framed(
            9.4,
            4.0,
            title=f"Seasons of {category_label(category)} in {incidents.area.name}",
            subtitle=f"{years[0]} to {years[-1]}" if len(years) > 1 else str(years[0]),
            caption="Mean incidents per day in each month, so that long months do not look busier; whole months only. "
            f"The latest year is blue, earlier ones are the lighter the older.{run_note(run_date)}",
        )
        axes = frame.axes(0.6, 0.35, 8.1, 3.55)
        axes.set(xlim=(-0.3, 11.3), ylim=(0, float(np.nanmax(table.to_numpy())) * 1.1), ylabel="incidents per day")
        shades = dict(
            zip(years, [*(str(round(v, 2)) for v in np.linspace(0.78, 0.3, len(years) - 1)), BLUE], strict=True)
        )
        ends: dict[int, dict[str, float]] = {}
        for year, colour in shades.items():
            line = table.loc[year].to_numpy(dtype=float)
            width = 2.4 if year == years[-1] else 1.4
            axes.plot(range(12), line, color=colour, linewidth=width, marker="o", markersize=3.5)
            last = int(np.flatnonzero(np.isfinite(line))[-1])
            ends.setdefault(last, {})[str(year)] = float(line[last])
        for last, heights in ends.items():
            _end_labels(axes, last + 0.15, heights, {str(year): colour for year, colour in shades.items()})
        axes.set_xticks(range(12), _MONTHS)
        axes.grid(axis="y")
    return frame.figure


def _sharpness(moments: Any) -> str:
    """Say how many of the times known to the hour stand at its beginning, where that is more than chance."""
    sharp = float(((moments.minute == 0) & (moments.second == 0)).mean()) if len(moments.minute) else 0.0
    return f"{sharp * 100:.0f} % of the single moments are recorded on the full hour. " if sharp > 0.02 else ""


def _heat(axes: Axes, scale: Axes, counts: NDArray[np.float64]) -> None:
    sns.heatmap(
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


def _trend_line(axes: Axes, counted: CalendarCounts, name: str, colour: str, *, smooth: int) -> None:
    counts, places = counted.counts[name], set(np.flatnonzero(counted.complete).tolist())
    whole = counts[counted.complete]
    axes.plot(whole.index, whole, color=colour, linewidth=0.9, alpha=0.45)
    axes.plot(whole.index, whole.rolling(smooth, center=True).mean(), color=colour, linewidth=2.2)
    for partial in np.flatnonzero(~counted.complete).tolist():
        # Join it to the complete period beside it, if there is one.
        beside = [place for place in (partial - 1, partial + 1) if place in places]
        part = counts.iloc[sorted([partial, *beside])]
        axes.plot(part.index, part, color=colour, linewidth=1.2, linestyle=":")
        axes.plot(counts.index[[partial]], counts.iloc[[partial]], "o", markersize=4.5, mfc="white", mec=colour)


def _date_axis(axes: Axes) -> None:
    locator = AutoDateLocator(maxticks=9)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]


def _end_labels(axes: Axes, at: float, heights: dict[str, float], colours: dict[str, str]) -> None:
    """Name lines at their right end, moved apart where they are close."""
    low, high = axes.get_ylim()
    place = -np.inf
    for name in sorted(heights, key=lambda key: heights[key]):
        place = max(heights[name], place + 0.055 * (high - low))
        axes.text(at, place, f" {name}", color=colours[name], fontsize=9, fontweight="bold", va="center", clip_on=False)
