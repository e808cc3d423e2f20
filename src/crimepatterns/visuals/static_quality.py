"""Pictures of the data honesty report: hours, places, busiest points, breaks of volume, and hot spots in doubt."""

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter, StrMethodFormatter
from scipy.spatial import cKDTree

from crimepatterns.errors import PatternError
from crimepatterns.quality.completeness import Break
from crimepatterns.quality.honesty import HonestyReport
from crimepatterns.quality.record import Record
from crimepatterns.quality.spans import Weeks
from crimepatterns.quality.times_of_record import ClockCounts
from crimepatterns.visuals.frame import framed
from crimepatterns.visuals.map_sheet import map_sheet
from crimepatterns.visuals.names import category_label
from crimepatterns.visuals.palette import ACCENT, BLUE, GRID, INK, MUTED, OKABE_ITO, figure_style

__all__ = ["busiest_points", "clock_chart", "honesty_figures", "place_lattice", "stability_chart", "volume_chart"]

_CLOSE_UP_M = 1500.0
_BUSIEST = 15
_PANELS = 6
_SCENARIO_NAMES = {"jitter": "places moved", "without": "without suspects", "luck": "luck alone"}


def honesty_figures(report: HonestyReport, record: Record) -> Mapping[str, Callable[[], Figure]]:
    """Name the pictures of a report after the check they belong to; each is a function that draws it.

    Raises
    ------
    PatternError
        When a picture is drawn that has nothing to show, such as hours where none are known.
    """
    return {
        "on_the_hour": partial(clock_chart, report.clock, title=record.incidents.area.name),
        "snapped_points": partial(place_lattice, record, report),
        "default_geocodes": partial(busiest_points, record, report),
        "volume_breaks": partial(volume_chart, report.weeks, report.breaks, title=record.incidents.area.name),
        "hot_spots": partial(stability_chart, report, title=record.incidents.area.name),
    }


def clock_chart(clock: ClockCounts, *, title: str) -> Figure:
    """Show incidents by minute of the day, full hours, noon and midnight marked."""
    if clock.timed < 100:
        raise PatternError("Hours are not known.")
    minutes = np.arange(1440)
    full = minutes % 60 == 0
    with figure_style():
        frame = framed(
            9.4,
            3.4,
            title=f"Times of day as recorded in {title}",
            subtitle=f"{clock.timed:,} incidents with a time of day, by minute",
            caption="Exact times would run smoothly from minute to minute. Tall bars are times that people rounded or "
            "a system filled in.",
        )
        axes = frame.axes(0.75, 0.4, 8.4, 2.85)
        axes.vlines(minutes[~full], 0, clock.minutes[~full], color=MUTED, linewidth=0.5)
        axes.vlines(minutes[full], 0, clock.minutes[full], color=BLUE, linewidth=1.6)
        for minute, name in ((0, "midnight"), (1, "00:01"), (720, "noon")):
            if name == "00:01" and clock.minutes[1] < 3 * np.median(clock.between) / 59:
                continue
            axes.vlines(minute, 0, clock.minutes[minute], color=ACCENT, linewidth=2.6)
            axes.annotate(
                f"{name}: {clock.minutes[minute]:,}",
                (minute, clock.minutes[minute]),
                xytext=(6, -10 if name == "00:01" else 3),
                textcoords="offset points",
                color=ACCENT,
                fontsize=8.5,
                fontweight="bold",
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8},
                zorder=5,
            )
        busiest = 60 * int(np.argmax(np.where(np.arange(24) % 12, clock.full_hours, 0)))
        axes.annotate(
            "full hours",
            (busiest, clock.minutes[busiest]),
            xytext=(0, 4),
            textcoords="offset points",
            color=BLUE,
            fontsize=8.5,
            fontweight="bold",
            ha="center",
        )
        axes.set(xlim=(-8, 1440), ylim=(0, clock.minutes.max() * 1.12), ylabel="incidents")
        axes.set_xticks(np.arange(0, 1441, 180), [f"{hour:02d}:00" for hour in range(0, 25, 3)])
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        axes.grid(axis="y")
    return frame.figure


def place_lattice(record: Record, report: HonestyReport) -> Figure:
    """Show a close-up of the busiest quarter, point by point, and how far it is from each point to the next."""
    if len(record.places) < 50:
        raise PatternError("Too few places to show.")
    finding = report.finding("snapped_points")
    evidence = finding.evidence
    lattice = evidence.get("lattice")
    away = cKDTree(record.places).query(record.places, k=2)[0][:, 1]
    with figure_style():
        frame = framed(
            9.4,
            4.6,
            title=f"Where points may lie in {record.incidents.area.name}",
            subtitle=f"{len(record.places):,} distinct points hold {len(record.points):,} incidents",
            caption=f"Left: the busiest {_CLOSE_UP_M / 1000:g} km, each distinct point once, larger where more "
            "incidents share it. Right: from each distinct point to the next one.",
        )
        close = frame.axes(0.1, 0.3, 4.2, 4.2)
        _close_up(close, record, None if lattice is None or lattice["share"] < 0.5 else float(lattice["step_m"]))
        spread = frame.axes(5.2, 0.45, 4.0, 1.9)
        top = float(np.clip(np.quantile(away, 0.98), 5.0, 400.0))
        spread.hist(np.clip(away, 0, top), bins=np.linspace(0, top, 41).tolist(), color=BLUE)
        spread.axvline(float(np.median(away)), color=ACCENT, linewidth=1.4)
        spread.set(xlabel="metres to the next point", ylabel="distinct points", xlim=(0, top))
        spread.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        spread.set_title(f"half of the points stand within {np.median(away):,.0f} m of another")
        middles = frame.axes(6.9, 3.1, 2.3, 1.0)
        block = evidence["block_middles"]
        bars = [float(block["found"]), float(block["expected"])]
        middles.barh([1, 0], bars, color=[ACCENT if block["snapped"] else BLUE, MUTED], height=0.7)
        for place, value in zip((1, 0), bars, strict=True):
            middles.text(value, place, f" {value:,.0f}", va="center", fontsize=8.5)
        middles.set_yticks([1, 0], ["exactly midway", "just beside midway"])
        middles.set(xlim=(0, max(*bars, 1) * 1.3), xticks=[])
        middles.spines["bottom"].set_visible(False)
        middles.set_title("points between two others", x=-0.7)
    return frame.figure


def busiest_points(record: Record, report: HonestyReport) -> Figure:
    """Show the points that hold most incidents, suspicious ones marked."""
    counts = record.rows_per_place
    order = np.argsort(-counts, kind="stable")[:_BUSIEST]
    suspects = report.finding("default_geocodes").evidence["points"]
    marked = {(one["x"], one["y"]) for one in suspects}
    colours = [ACCENT if tuple(np.round(record.places[place], 3).tolist()) in marked else BLUE for place in order]
    area = record.incidents.area
    with figure_style():
        sheet = map_sheet(
            area,
            title=f"The points with most incidents in {area.name}",
            subtitle=f"{_BUSIEST} busiest of {len(counts):,} distinct points; suspected default points in orange",
            caption="A default point stands for places nobody knew: it holds incidents of all over the city. A busy "
            "real place has a mix of its own.",
            legend_width=2.6,
        )
        xy = record.places[order]
        sizes = 20 + 380 * counts[order] / counts[order[0]]
        sheet.map.scatter(
            xy[:, 0], xy[:, 1], s=sizes, c=colours, alpha=0.75, edgecolors="white", linewidths=0.6, zorder=6
        )
        for rank in range(min(5, len(order))):
            sheet.map.annotate(
                str(rank + 1), xy[rank], color=INK, fontsize=8, fontweight="bold", ha="center", va="center", zorder=7
            )
        _ranked_bars(sheet.legend, counts[order], colours, sheet.legend_top, sheet.legend_size[0], len(record.points))
    return sheet.figure


def volume_chart(weeks: Weeks, breaks: tuple[Break, ...], *, title: str) -> Figure:
    """Show incidents per week of the largest categories, and of those with a break, breaks shaded."""
    if len(weeks.counts) < 8:
        raise PatternError("Too few weeks to show.")
    totals = weeks.counts.sum().sort_values(ascending=False)
    broken = [name for name in totals.index if any(one.series == str(name) for one in breaks)]
    names = ["all", *[*broken, *[name for name in totals.index if name not in broken]][: _PANELS - 1]]
    counts = weeks.counts.assign(all=weeks.counts.sum(axis="columns"))
    columns, rows = 2, -(-len(names) // 2)
    unit = "week" if weeks.days == 7 else "four weeks"
    with figure_style():
        frame = framed(
            9.4,
            1.75 * rows + 0.3,
            title=f"Incidents per {unit} in {title}, with sudden changes",
            subtitle=f"{weeks.counts.index[0]:%d %b %Y} to "
            f"{weeks.counts.index[-1] + pd.Timedelta(days=weeks.days - 1):%d %b %Y}",
            caption="Orange: the level changed from one week to the next, more than season, trend, chance and "
            "clustering explain. A break is a question to the publisher, not yet a change of crime.",
        )
        for number, name in enumerate(names):
            row, column = divmod(number, columns)
            axes = frame.axes(0.55 + 4.75 * column, 0.35 + 1.75 * (rows - 1 - row), 4.05, 1.15)
            _volume_panel(axes, counts[name], [one for one in breaks if one.series == str(name)])
            axes.set_title(category_label(str(name)))
    return frame.figure


def stability_chart(report: HonestyReport, *, title: str) -> Figure:
    """Show how much of the top 2 % of the area stays on top when the records are changed within what is known."""
    results = [one for one in report.stability if one.scenarios]
    if not results:
        raise PatternError("Too few incidents to compare hot spots.")
    rows = [(one.category, scenario) for one in results for scenario in one.scenarios]
    colours = {"jitter": ACCENT, "without": OKABE_ITO[3], "luck": MUTED}
    with figure_style():
        frame = framed(
            9.4,
            0.34 * len(rows) + 0.9,
            title=f"How far hot spots in {title} can be trusted",
            subtitle="Share of the top 2 % of the area (Gi*) that stays on top when the records are changed",
            caption="Dots are means, lines run from the least to the most of the repetitions. Luck alone: as many "
            "incidents drawn again from the same ones, what no record can avoid.",
        )
        axes = frame.axes(2.9, 0.45, 6.1, 0.34 * len(rows) + 0.3)
        height = len(rows)
        for category, scenario in rows:
            height -= 1
            mean, least, most = scenario.overlap
            colour = colours[scenario.name]
            axes.plot([least, most], [height, height], color=colour, linewidth=2.2, alpha=0.6, clip_on=False)
            axes.plot([mean], [height], "o", color=colour, markersize=6.5, clip_on=False)
            axes.text(1.016, height, f"{mean:.0%}", fontsize=8.5, va="center", color=colour, fontweight="bold")
            label = f"{category_label(category)}, {_SCENARIO_NAMES[scenario.name]}"
            axes.text(
                -0.015, height, label, ha="right", va="center", fontsize=8.8, transform=axes.get_yaxis_transform()
            )
        axes.set(ylim=(-0.7, len(rows) - 0.3), xlim=(0, 1.0), yticks=[])
        axes.xaxis.set_major_formatter(PercentFormatter(1.0))
        axes.grid(axis="x")
        axes.spines["left"].set_visible(False)
    return frame.figure


def _close_up(axes: Axes, record: Record, step_m: float | None) -> None:
    """Draw the square with most distinct places, point by point."""
    corner = np.floor(record.places / _CLOSE_UP_M)
    cells, which, sizes = np.unique(corner, axis=0, return_inverse=True, return_counts=True)
    busiest = int(np.argmax(sizes))
    inside = which.reshape(-1) == busiest
    west, south = cells[busiest] * _CLOSE_UP_M
    xy, rows = record.places[inside] - (west, south), record.rows_per_place[inside]
    axes.scatter(xy[:, 0], xy[:, 1], s=np.clip(1.5 * rows, 2, 120), color=BLUE, alpha=0.6, linewidths=0)
    axes.set(xlim=(0, _CLOSE_UP_M), ylim=(0, _CLOSE_UP_M), aspect="equal")
    if step_m is not None and 15 <= step_m <= _CLOSE_UP_M / 3:
        axes.set_xticks(np.arange(0, _CLOSE_UP_M, step_m), minor=True)
    axes.set_xticks([0, 500, 1000, 1500], ["0", "500", "1,000", "1,500 m"])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(True)
        spine.set_color(GRID)


def _ranked_bars(axes: Axes, counts: np.ndarray, colours: list[str], top: float, width: float, rows: int) -> None:
    """List the points with their incidents in the legend column."""
    step = 0.24
    axes.text(0, top - 0.12, "incidents at one point", fontsize=9, fontweight="bold", va="center")
    for rank, (count, colour) in enumerate(zip(counts, colours, strict=True)):
        y = top - 0.42 - step * rank
        if y < 0.9:
            break
        length = (width - 1.45) * count / counts[0]
        axes.text(0.16, y, str(rank + 1), fontsize=8, color=MUTED, ha="right", va="center")
        axes.barh(y, length, left=0.24, height=0.15, color=colour)
        axes.text(0.3 + length, y, f"{count:,} ({100 * count / rows:.2g} %)", fontsize=8, va="center")


def _volume_panel(axes: Axes, counts: pd.Series, breaks: list[Break]) -> None:
    axes.plot(counts.index, counts, color=BLUE, linewidth=0.9, alpha=0.5)
    axes.plot(counts.index, counts.rolling(5, center=True, min_periods=2).mean(), color=BLUE, linewidth=1.8)
    for one in breaks:
        start, end = (float(date2num(moment)) for moment in (one.start, one.end))  # type: ignore[no-untyped-call]
        axes.axvspan(start, end, color=ACCENT, alpha=0.15, linewidth=0)
        axes.axvline(start, color=ACCENT, linewidth=1.4)
        axes.annotate(
            f"{one.change:+.0%}",
            (start, 0.97),
            xycoords=("data", "axes fraction"),
            xytext=(3, 0),
            textcoords="offset points",
            color=ACCENT,
            fontsize=8.5,
            fontweight="bold",
            va="top",
        )
    axes.set_ylim(0, max(float(counts.max()) * 1.15, 1))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.grid(axis="y")
    locator = AutoDateLocator(minticks=3, maxticks=8)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
