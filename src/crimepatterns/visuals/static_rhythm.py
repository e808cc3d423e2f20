"""Pictures of the rhythm of the week, and of what is to be expected in each shift."""

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from crimepatterns.domain.forecast import Forecast
from crimepatterns.patterns.rhythms import WEEKDAYS
from crimepatterns.visuals.frame import framed
from crimepatterns.visuals.names import category_label, model_label, run_note
from crimepatterns.visuals.palette import BLUE, INK, MUTED, SEQUENTIAL, figure_style

__all__ = ["rhythm_before_and_after", "shift_calendar"]


def rhythm_before_and_after(
    before: NDArray[np.float64], after: NDArray[np.float64], *, category: str, city: str, run_date: str = ""
) -> Figure:
    """Show hours by weekday with spans spread evenly and re-shared, and the hours of the day of both.

    Parameters
    ----------
    before, after : ndarray of float64, shape (7, 24)
        Shares of a week's incidents, Monday first.
    category, city : str
    run_date : str

    Returns
    -------
    Figure
    """
    norm, wide, high = Normalize(0.0, 100 * float(max(before.max(), after.max()))), 4.3, 1.9
    with figure_style():
        frame = framed(
            2 * wide + 2.1,
            high + 2.05,
            title=f"When {category_label(category)} happens in {city}",
            subtitle="Share of a week's incidents by hour, %",
            caption="Spans of time spread evenly over the hours they cover, and re-shared by the rhythm found until it "
            f"stays as it is.{run_note(run_date)}",
        )
        for place, (shares, name) in enumerate(((before, "spans spread evenly"), (after, "spans re-shared"))):
            axes = frame.axes(0.95 + place * (wide + 0.25), 1.85, wide, high)
            drawn = axes.pcolormesh(100 * shares, cmap=SEQUENTIAL, norm=norm, edgecolors="white", linewidth=0.5)
            axes.set_ylim(7, 0)
            axes.set_title(name, fontsize=10, loc="left")
            axes.set_yticks(np.arange(7) + 0.5, WEEKDAYS if not place else [""] * 7)
            axes.set_xticks(range(0, 24, 6), [f"{hour:02d}:00" for hour in range(0, 24, 6)])
            axes.tick_params(length=0)
        scale = frame.axes(0.95 + 2 * wide + 0.4, 1.85, 0.12, high)
        frame.figure.colorbar(drawn, cax=scale)
        below = frame.axes(0.95, 0.3, 2 * wide + 0.25, 1.15)
        by_hour = {name: 100 * shares.sum(axis=0) for name, shares in (("evenly", before), ("re-shared", after))}
        apart = int(np.abs(by_hour["evenly"] - by_hour["re-shared"]).argmax())
        for (name, shares), other, colour in zip(by_hour.items(), list(by_hour)[::-1], (MUTED, BLUE), strict=True):
            below.step(range(25), np.append(shares, shares[-1]), where="post", color=colour)
            above = shares[apart] >= by_hour[other][apart]
            below.text(apart, shares[apart], name, color=colour, va="bottom" if above else "top", fontsize=9)
        below.set(xlim=(0, 24), ylim=(0, None), ylabel="% per hour of the day")
        below.set_xticks(range(0, 25, 3), [f"{hour:02d}:00" for hour in range(0, 25, 3)])
        below.grid(axis="y")
    return frame.figure


def shift_calendar(made: Forecast, *, run_date: str = "") -> Figure:
    """Show what is expected in the whole city in each shift of the horizon, day by day.

    Parameters
    ----------
    made : Forecast
        By shift, as `by_shift` makes it; at most 28 days.
    run_date : str

    Returns
    -------
    Figure
    """
    days, columns, names = _days_and_shifts(made)
    totals = made.mean.sum(axis=0)
    grid = np.full((len(days), len(names)), np.nan)
    for day, column, total in zip(columns[0], columns[1], totals, strict=True):
        grid[day, column] = np.nansum([grid[day, column], total])
    norm, colours = Normalize(0.0, max(float(np.nanmax(grid)), 1e-12)), colormaps[SEQUENTIAL]
    wide, high = max(1.15, 5.4 / len(names)), 0.36
    with figure_style():
        frame = framed(
            max(1.5 + wide * len(names), 6.6),
            len(days) * high + 0.45,
            title=f"Expected {category_label(made.category)} by shift in {made.grid.area.name}",
            subtitle=f"{totals.sum():,.0f} incidents expected in all, by the day on which the shift begins",
            caption=f"{model_label(made.model)}, issued {made.issued_at:%Y-%m-%d}, shared out by each place's rhythm "
            f"of the week. Shifts at both ends of the horizon are cut there.{run_note(run_date)}",
        )
        axes = frame.axes(1.45, 0.05, wide * len(names), len(days) * high)
        axes.pcolormesh(grid, cmap=colours, norm=norm, edgecolors="white", linewidth=1.5)
        if len(names) <= 8:
            for day, column in np.argwhere(np.isfinite(grid)).tolist():
                value = grid[day, column]
                bright = np.asarray(colours(norm(value)))[:3] @ (0.3, 0.59, 0.11)
                text, shade = f"{value:,.0f}" if value >= 10 else f"{value:.1f}", INK if bright > 0.5 else "white"
                axes.text(column + 0.5, day + 0.5, text, ha="center", va="center", color=shade, fontsize=9)
        axes.set_ylim(len(days), 0)
        axes.set_xticks(np.arange(len(names)) + 0.5, names, rotation=0 if len(names) <= 8 else 90)
        axes.set_yticks(np.arange(len(days)) + 0.5, days)
        axes.xaxis.tick_top()
        axes.tick_params(length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)
    return frame.figure


def _days_and_shifts(made: Forecast) -> tuple[list[str], tuple[list[int], list[int]], list[str]]:
    """Days on which shifts begin, the day and shift of each period, and the shifts' hours."""
    told: Sequence[str] = made.parameters["shifts"]  # type: ignore[assignment]
    starts = made.periods.starts
    names = sorted({one.partition(" ")[2] for one in told})
    dates = []
    for name, start in zip(told, starts, strict=True):
        # A night that is cut at midnight began the day before.
        behind = start.day_name() != name.partition(" ")[0]
        dates.append((start - np.timedelta64(1, "D") if behind else start).date())
    days = sorted(set(dates))
    shown = [f"{day:%a} {day.day} {day:%b}" for day in days]
    return shown, ([days.index(one) for one in dates], [names.index(one.partition(" ")[2]) for one in told]), names
