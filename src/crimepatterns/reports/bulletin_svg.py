"""The pictures of a bulletin as SVG: numbers and fixed words only, so that nothing needs escaping."""

import numpy as np
import shapely

from crimepatterns.domain.area import StudyArea
from crimepatterns.domain.pattern import PatternCard
from crimepatterns.visuals.card_pictures import WEEKDAY_LETTERS, card_bounds, card_hours, round_length_m

__all__ = ["hours_svg", "map_svg"]

_WIDTH, _HEIGHT = 340.0, 300.0
_LOCATOR = 64.0
_WHOLE = 0.5
_MOST_NUMBERED = 40
_HOUR, _DAY, _LEFT = 11.0, 9.0, 26.0
_DOT, _LAND, _EDGE, _INK = "#b4552d", "#f6f3ec", "#6b6658", "#23211c"

_Bounds = tuple[float, float, float, float]


def map_svg(card: PatternCard, area: StudyArea) -> str:
    """Draw the events of a card, numbered in order of time, with a locator where only a part of the area is shown."""
    bounds = card_bounds(card, area, aspect=_WIDTH / _HEIGHT)
    frame = shapely.box(*bounds)
    scale = _WIDTH / (bounds[2] - bounds[0])
    fine = 0.7 / scale
    ground = shapely.intersection(shapely.simplify(area.polygon, fine), frame)
    parts = [shapely.intersection(shapely.simplify(shape, fine), frame) for shape in area.neighbourhoods.geometry]
    lines = "".join(
        f'<path d="{_path(shape, bounds, scale)}" fill="none" stroke="#c6c2b8" stroke-width=".7"/>'
        for shape in parts
        if not shape.is_empty
    )
    zoomed = frame.area < _WHOLE * shapely.box(*area.polygon.bounds).area
    return (
        f'<svg viewBox="-1 -1 {_WIDTH + 2:.0f} {_HEIGHT + 2:.0f}" role="img" aria-label="Map of the events">'
        f'<path d="{_path(ground, bounds, scale)}" fill="{_LAND}" stroke="{_EDGE}" stroke-width=".6"/>'
        f"{lines}{_marks(card, bounds, scale)}{_scale_bar(scale)}{_locator(area, bounds) if zoomed else ''}"
        f'<rect width="{_WIDTH:.0f}" height="{_HEIGHT:.0f}" fill="none" stroke="{_EDGE}" stroke-width=".8"/></svg>'
    )


def hours_svg(card: PatternCard) -> str:
    """Draw hour by weekday; the darker, the more of the events."""
    week = card_hours(card)
    if not week.used:
        return '<p class="small">Hours are not known.</p>'
    most = float(week.mass.max())
    cells = "".join(
        f'<rect x="{_LEFT + hour * _HOUR:.1f}" y="{day * _DAY:.1f}" width="{_HOUR:.1f}" height="{_DAY:.1f}" '
        f'fill="{_DOT}" fill-opacity="{0.15 + 0.85 * float(week.mass[day, hour]) / most:.2f}"/>'
        for day, hour in np.argwhere(week.mass > 0)
    )
    days = "".join(
        f'<text x="{_LEFT - 4:.0f}" y="{(day + 0.8) * _DAY:.1f}" class="n" text-anchor="end">{name}</text>'
        for day, name in enumerate(WEEKDAY_LETTERS)
    )
    hours = "".join(
        f'<text x="{_LEFT + hour * _HOUR:.0f}" y="{7 * _DAY + 8:.0f}" class="n" text-anchor="middle">{hour}</text>'
        for hour in (0, 6, 12, 18, 24)
    )
    wide, tall = 24 * _HOUR, 7 * _DAY
    return (
        f'<svg viewBox="0 -1 {_LEFT + wide + 8:.0f} {tall + 12:.0f}" role="img" aria-label="Hours and weekdays">'
        f'<rect x="{_LEFT:.0f}" width="{wide:.0f}" height="{tall:.0f}" fill="{_LAND}"/>{cells}{days}{hours}</svg>'
    )


def _path(shape: shapely.Geometry, bounds: _Bounds, scale: float) -> str:
    rings = []
    for polygon in shapely.get_parts(shape):
        if polygon.geom_type != "Polygon":
            continue
        for ring in (polygon.exterior, *polygon.interiors):
            points = (shapely.get_coordinates(ring) - (bounds[0], bounds[3])) * (scale, -scale)
            rings.append("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points) + "Z")
    return "".join(rings)


def _marks(card: PatternCard, bounds: _Bounds, scale: float) -> str:
    labels: dict[tuple[str, str], list[int]] = {}
    for number, (x, y) in enumerate(card.evidence[["x", "y"]].to_numpy(dtype=float), start=1):
        place = f"{(x - bounds[0]) * scale:.1f}", f"{(bounds[3] - y) * scale:.1f}"
        labels.setdefault(place, []).append(number)
    radius = 3.2 if len(card.members) <= _MOST_NUMBERED else 2.2
    dots = "".join(
        f'<circle cx="{x}" cy="{y}" r="{radius * len(own) ** 0.5:.1f}" fill="{_DOT}" fill-opacity=".9" stroke="#fff" '
        'stroke-width=".5"/>'
        for (x, y), own in labels.items()
    )
    if len(card.members) > _MOST_NUMBERED:
        return dots
    words = {
        place: ", ".join(map(str, numbers)) if len(numbers) < 5 else f"{len(numbers)} events"
        for place, numbers in labels.items()
    }
    beside = {place: 1.0 + radius * len(own) ** 0.5 for place, own in labels.items()}
    texts = "".join(
        f'<text x="{float(x) + beside[x, y]:.1f}" y="{float(y) - 3:.1f}" class="n">{word}</text>'
        for (x, y), word in words.items()
    )
    return dots + texts


def _scale_bar(scale: float) -> str:
    length = round_length_m(_WIDTH / 4 / scale)
    bar, y = length * scale, _HEIGHT - 8
    label = f"{length / 1000:g} km" if length >= 1000 else f"{length:g} m"
    return (
        f'<path d="M8 {y:.0f}h{bar:.1f}" stroke="{_INK}" stroke-width="1.5"/>'
        f'<text x="8" y="{y - 4:.0f}" class="n">{label}</text>'
    )


def _locator(area: StudyArea, bounds: _Bounds) -> str:
    west, south, east, north = area.polygon.bounds
    scale = _LOCATOR / max(east - west, north - south)
    outline = shapely.simplify(area.polygon, 0.7 / scale)
    left, top = _WIDTH - (east - west) * scale - 6, 6.0
    x, y = (bounds[0] - west) * scale, (north - bounds[3]) * scale
    # A small part of a large area is still a square that can be seen.
    wide, tall = (max((bounds[i + 2] - bounds[i]) * scale, 4.0) for i in (0, 1))
    return (
        f'<g transform="translate({left:.1f} {top:.1f})"><rect x="-4" y="-4" width="{(east - west) * scale + 8:.1f}" '
        f'height="{(north - south) * scale + 8:.1f}" fill="#fff" fill-opacity=".85"/>'
        f'<path d="{_path(outline, (west, south, east, north), scale)}" fill="{_LAND}" stroke="{_EDGE}" '
        f'stroke-width=".6"/><rect x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{tall:.1f}" '
        f'fill="none" stroke="{_DOT}" stroke-width="1.4"/></g>'
    )
