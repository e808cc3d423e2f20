"""Small charts as SVG: lines over weeks with incomplete ones marked, bars, and hours by weekday."""

import math
from collections.abc import Sequence

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from crimepatterns.patterns.rhythms import WEEKDAYS

__all__ = ["bars", "hour_grid", "trend_line"]

_TONES = 5


def trend_line(
    counts: Sequence[float], complete: Sequence[bool], label: str, *, width: int = 260, height: int = 64
) -> Markup:
    """Draw counts per week; the line ends at the last whole week, and an incomplete one is a ring beside it.

    Parameters
    ----------
    counts : sequence of float, length n
    complete : sequence of bool, length n
    label : str
        Read aloud in place of the picture.
    width, height : int
        Of the drawing; it scales with its place.
    """
    top = max([*counts, 1])
    step = (width - 14) / max(len(counts) - 1, 1)
    points = [(7 + k * step, height - 6 - (height - 14) * value / top) for k, value in enumerate(counts)]
    whole = [point for point, sure in zip(points, complete, strict=True) if sure]
    rings = [point for point, sure in zip(points, complete, strict=True) if not sure]
    line = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in whole) if whole else ""
    dots = Markup("").join(
        Markup('<circle class="ring" cx="{:.1f}" cy="{:.1f}" r="3.5"/>').format(x, y) for x, y in rings
    )
    return Markup(
        '<svg class="spark" viewBox="0 0 {} {}" role="img" aria-label="{}"><path class="base" d="M7 {}H{}"/>'
        '<path class="line" d="{}"/>{}<text x="7" y="10">{:,.0f}</text></svg>'
    ).format(width, height, label, height - 6, width - 7, line, dots, top)


def bars(values: Sequence[float], names: Sequence[str], label: str, *, width: int = 420, height: int = 120) -> Markup:
    """Draw one bar per value, missing ones as a gap."""
    top = max([value for value in values if not math.isnan(value)] or [1]) or 1
    slot = (width - 10) / max(len(values), 1)
    drawn = []
    for k, (value, name) in enumerate(zip(values, names, strict=True)):
        x = 5 + k * slot
        if not math.isnan(value):
            tall = (height - 30) * value / top
            drawn.append(
                Markup('<rect class="bar" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>').format(
                    x + slot * 0.12, height - 18 - tall, slot * 0.76, tall
                )
            )
        drawn.append(Markup('<text x="{:.1f}" y="{}" class="middle">{}</text>').format(x + slot / 2, height - 4, name))
    return Markup('<svg class="spark" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        width, height, label, Markup("").join(drawn)
    )


def hour_grid(counts: NDArray[np.int64], label: str) -> Markup:
    """Draw counts by weekday and hour, shape (7, 24), as squares; darker is more."""
    top = max(int(counts.max()), 1)
    parts = [
        Markup('<text x="0" y="{}">{}</text>').format(26 + 16 * day, name[:3]) for day, name in enumerate(WEEKDAYS)
    ]
    clock = Markup('<text x="{}" y="10">{:02d}</text>')
    parts += [clock.format(34 + 16 * hour, hour) for hour in range(0, 24, 3)]
    square = Markup('<rect class="tone-{}" x="{}" y="{}" width="15" height="15"/>')
    for day, hour in np.ndindex(7, 24):
        if counts[day, hour]:
            tone = min(int(_TONES * counts[day, hour] / top) + 1, _TONES)
            parts.append(square.format(tone, 34 + 16 * hour, 15 + 16 * day))
    return Markup('<svg class="spark sketch hours" viewBox="0 0 420 130" role="img" aria-label="{}">{}</svg>').format(
        label, Markup("").join(parts)
    )
