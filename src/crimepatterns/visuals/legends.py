"""Keys of a map: a colour ramp with its unit, or a list of patches."""

from collections.abc import Sequence

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, Normalize
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from crimepatterns.visuals.map_sheet import MapSheet
from crimepatterns.visuals.palette import INK, MUTED

__all__ = ["key_ramp", "key_rows", "key_title", "nice_ticks"]

_LINE = 0.155
_SWATCH = (0.2, 0.13)


def key_title(sheet: MapSheet, top: float, lines: Sequence[str], *, unit: str = "") -> float:
    """Write the heading of a key and return the height below it, inches."""
    for line in lines:
        sheet.legend.text(0, top, line, fontsize=9, fontweight="bold", va="top")
        top -= _LINE + 0.01
    if unit:
        sheet.legend.text(0, top, unit, fontsize=8, color=MUTED, va="top")
        top -= _LINE
    return top - 0.08


def key_ramp(
    sheet: MapSheet,
    top: float,
    colours: Colormap,
    norm: Normalize,
    *,
    highest: float | None = None,
    height: float = 1.9,
    even: bool = False,
) -> float:
    """Draw a colour ramp with round numbers beside it and return the height below it, inches.

    Where the ramp ends below the highest value of the map, `highest` is printed above its arrow. `even` spaces the
    numbers for a scale that is not square-root.
    """
    if highest is not None:
        sheet.legend.text(
            0,
            top + 0.02,
            f"up to {highest:,.3g}" if highest < 100 else f"up to {highest:,.0f}",
            fontsize=8,
            color=MUTED,
            va="top",
        )
        top -= _LINE + 0.06
    total_w, total_h = sheet.figure.get_size_inches()
    box = sheet.legend.get_position()
    axes = sheet.figure.add_axes((box.x0, box.y0 + (top - height) / total_h, 0.17 / total_w, height / total_h))
    bar = sheet.figure.colorbar(
        ScalarMappable(norm=norm, cmap=colours),
        cax=axes,
        extend="neither" if highest is None else "max",
        extendfrac=0.06,
    )
    bar.outline.set_visible(False)
    low, end = float(norm.vmin or 0.0), float(norm.vmax or 1.0)
    ticks = [tick for tick in MaxNLocator(5).tick_values(low, end) if low <= tick <= end] if even else nice_ticks(end)
    bar.set_ticks(list(ticks), labels=[f"{tick:,g}" for tick in ticks])
    bar.ax.tick_params(length=2, labelsize=8, pad=2)
    return top - height - 0.15


def key_rows(
    sheet: MapSheet, top: float, rows: Sequence[tuple[str, str]], *, edge: str = "none", note: str = ""
) -> float:
    """Draw patches with their meaning and return the height below them, inches."""
    for colour, text in rows:
        lines = text.split("\n")
        sheet.legend.add_patch(
            Rectangle((0, top - _SWATCH[1]), *_SWATCH, facecolor=colour, edgecolor=edge, linewidth=0.5)
        )
        for i, line in enumerate(lines):
            colour_of_text = INK if i == 0 else MUTED
            sheet.legend.text(0.29, top + 0.015, line, fontsize=8, color=colour_of_text, va="top")
            top -= _LINE
        top -= 0.06
    for line in note.split("\n") if note else ():
        sheet.legend.text(0, top, line, fontsize=7.5, color=MUTED, va="top")
        top -= _LINE
    return top - 0.08


def nice_ticks(highest: float) -> list[float]:
    """Choose round numbers from 0 that suit a square-root scale up to `highest`."""
    power = 10.0 ** np.floor(np.log10(highest)) if highest > 0 else 1.0
    lead = highest / power
    steps = [0.1, 0.5, 1.0, 2.0] if lead < 3 else [0.2, 1.0, 2.0, 3.0] if lead < 5 else [0.5, 1.0, 2.0, 5.0]
    return [0.0] + [round(step * power, 10) for step in steps if step * power <= highest]
