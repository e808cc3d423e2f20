"""What is drawn of one pattern card: a map of its events, and the hours and weekdays of them."""

import numpy as np
import shapely
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.patches import PathPatch, Rectangle
from numpy.typing import NDArray

from crimepatterns.domain.aoristic import HourOfWeek, hour_of_week
from crimepatterns.domain.area import StudyArea
from crimepatterns.domain.pattern import PatternCard
from crimepatterns.visuals.map_sheet import polygon_path
from crimepatterns.visuals.palette import ACCENT, INK, LAND, MUTED, PAPER

__all__ = [
    "WEEKDAY_LETTERS",
    "card_bounds",
    "card_hours",
    "card_span",
    "draw_card_hours",
    "draw_card_map",
    "round_length_m",
]

WEEKDAY_LETTERS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")

_LEAST_M = 700.0
_AROUND = 1.3
_MOST_NUMBERED = 12


def card_bounds(card: PatternCard, area: StudyArea, *, aspect: float = 1.0) -> tuple[float, float, float, float]:
    """Return the part of the map that shows a card: its events with some ground around, or the whole area.

    Parameters
    ----------
    card : PatternCard
    area : StudyArea
    aspect : float
        Width by height.

    Returns
    -------
    tuple of float
        West, south, east, north; metres.
    """
    places = card.evidence[["x", "y"]].to_numpy(dtype=float)
    low, high = places.min(axis=0), places.max(axis=0)
    west, south, east, north = area.polygon.bounds
    wide, tall = np.maximum((high - low) * _AROUND, _LEAST_M)
    middle = (low + high) / 2
    if max(wide / (east - west), tall / (north - south)) > 1 / _AROUND:
        # Nearly the whole area: then all of it.
        wide, tall = (east - west) * 1.03, (north - south) * 1.03
        middle = np.array([(west + east) / 2, (south + north) / 2])
    wide, tall = max(wide, tall * aspect), max(tall, wide / aspect)
    half = np.array([wide, tall]) / 2
    return tuple(map(float, (*(middle - half), *(middle + half))))  # type: ignore[return-value]


def card_hours(card: PatternCard) -> HourOfWeek:
    """Return the hours of the week of a card's events, spans spread over the hours they cover."""
    table = card.evidence
    return hour_of_week(table if "time_precision" in table else table.assign(time_precision="minute"))


def card_span(card: PatternCard) -> str:
    """Name the first and the last day of a card."""
    first, last = card.evidence["occurred_from"].min(), card.evidence["occurred_from"].max()
    if first.date() == last.date():
        return f"{last:%d %b %Y}"
    return f"{first:%d %b} to {last:%d %b %Y}" if first.year == last.year else f"{first:%d %b %Y} to {last:%d %b %Y}"


def draw_card_map(
    axes: Axes, card: PatternCard, area: StudyArea, *, size: float = 15.0, numbered: int = _MOST_NUMBERED
) -> None:
    """Draw the events of a card on the ground; up to `numbered` of them with their number in order of time."""
    box = axes.get_window_extent()
    bounds = card_bounds(card, area, aspect=float(box.width / box.height))
    west, south, east, north = bounds
    frame = shapely.box(*bounds)
    fine = (east - west) / 800
    ground = shapely.intersection(shapely.simplify(area.polygon, fine), frame)
    if not ground.is_empty:
        axes.add_patch(PathPatch(polygon_path(ground), facecolor=LAND, edgecolor=MUTED, linewidth=0.5, zorder=1))
    if len(area.neighbourhoods):
        lines = shapely.intersection(shapely.boundary(shapely.simplify(area.neighbourhoods.geometry, fine)), frame)
        parts = [shapely.get_coordinates(part) for part in shapely.get_parts(np.asarray(lines)) if not part.is_empty]
        parts = [part for part in parts if len(part) > 1]
        axes.add_collection(LineCollection(parts, colors="white", linewidths=0.9, zorder=2), autolim=False)
    places = card.evidence[["x", "y"]].to_numpy(dtype=float)
    spots, counts = np.unique(np.round(places), axis=0, return_counts=True)
    axes.scatter(
        spots[:, 0], spots[:, 1], s=size * counts, color=ACCENT, edgecolors="white", linewidths=0.4, alpha=0.9, zorder=3
    )
    if len(places) <= numbered:
        _number(axes, places)
    axes.set(xlim=(west, east), ylim=(south, north), xticks=[], yticks=[])
    axes.patch.set_facecolor(PAPER)
    for spine in axes.spines.values():
        spine.set(visible=True, color=MUTED, linewidth=0.5)
    _scale(axes, bounds)


def draw_card_hours(axes: Axes, card: PatternCard) -> None:
    """Draw hour by weekday: the darker, the more of the card's events."""
    week = card_hours(card)
    mass = week.mass
    axes.add_patch(Rectangle((0, 0), 24, 7, facecolor=LAND, edgecolor="none", zorder=1))
    most = float(mass.max(initial=0.0))
    for day, hour in np.argwhere(mass > 0):
        share = float(mass[day, hour]) / most
        spot = Rectangle((hour, day), 1, 1, facecolor=ACCENT, alpha=0.15 + 0.85 * share, edgecolor="none", zorder=2)
        axes.add_patch(spot)
    for edge in (6, 12, 18):
        axes.axvline(edge, color="white", linewidth=0.6, zorder=3)
    axes.set(xlim=(0, 24), ylim=(7, 0), xticks=[0, 6, 12, 18, 24], yticks=np.arange(7) + 0.5)
    axes.set_yticklabels(WEEKDAY_LETTERS, fontsize=5.5)
    axes.tick_params(length=0, pad=1.5, labelsize=5.5, colors=MUTED)
    for spine in axes.spines.values():
        spine.set_visible(False)
    if not week.used:
        axes.text(12, 3.5, "hours not known", fontsize=7, color=MUTED, ha="center", va="center", zorder=4)


def round_length_m(longest: float) -> float:
    """Return the greatest of 1, 2 or 5 times a power of ten that is at most `longest`."""
    power = 10.0 ** np.floor(np.log10(longest))
    return float(max(step for step in (1, 2, 5) if step * power <= longest * (1 + 1e-9)) * power)


def _number(axes: Axes, places: NDArray[np.float64]) -> None:
    """Write the numbers of events beside them; those at one place share a label."""
    labels: dict[tuple[float, float], list[str]] = {}
    for number, (x, y) in enumerate(places, start=1):
        labels.setdefault((round(float(x)), round(float(y))), []).append(str(number))
    for (x, y), numbers in labels.items():
        text = ", ".join(numbers) if len(numbers) < 5 else f"{len(numbers)} events"
        axes.annotate(text, (x, y), (2.5, 2.5), textcoords="offset points", fontsize=5.5, color=INK, zorder=4)


def _scale(axes: Axes, bounds: tuple[float, float, float, float]) -> None:
    west, south, east, north = bounds
    length = round_length_m((east - west) / 3)
    x, y = west + (east - west) * 0.04, south + (north - south) * 0.04
    axes.plot([x, x + length], [y, y], color=INK, linewidth=1.2, zorder=5, solid_capstyle="butt")
    label = f"{length / 1000:g} km" if length >= 1000 else f"{length:g} m"
    axes.text(x, y + (north - south) * 0.015, label, fontsize=5.5, color=INK, va="bottom", zorder=5)
