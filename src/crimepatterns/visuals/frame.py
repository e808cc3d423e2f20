"""The sheet around every picture: title, subtitle and caption, with the picture between them."""

import textwrap
from dataclasses import dataclass, field
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from crimepatterns.visuals.palette import ACCENT, INK, MUTED

__all__ = ["Frame", "framed", "save_figure"]

_MARGIN = 0.28
_TITLE, _SUBTITLE, _CAPTION = 14.0, 9.5, 7.5
_LEADING = 1.32
_POINTS = 72.0


@dataclass(frozen=True)
class Frame:
    """A figure with an empty space in which axes are placed by inches.

    Parameters
    ----------
    figure : Figure
    left, bottom : float
        Lower left corner of the space, inches.
    width, height : float
        Size of the space, inches.
    """

    figure: Figure = field(repr=False)
    left: float
    bottom: float
    width: float
    height: float

    def axes(self, left: float, bottom: float, width: float, height: float) -> Axes:
        """Add axes at a place inside the space, inches from its lower left corner."""
        total_w, total_h = self.figure.get_size_inches()
        axes: Axes = self.figure.add_axes(
            ((self.left + left) / total_w, (self.bottom + bottom) / total_h, width / total_w, height / total_h)
        )
        return axes

    def sheet(self, left: float, bottom: float, width: float, height: float) -> Axes:
        """Add axes without frame or ticks whose units are inches, for legends and furniture."""
        axes = self.axes(left, bottom, width, height)
        axes.set(xlim=(0, width), ylim=(0, height))
        axes.set_axis_off()
        return axes


def framed(width: float, height: float, *, title: str, subtitle: str, caption: str) -> Frame:
    """Make a figure as large as its picture and texts need.

    Parameters
    ----------
    width, height : float
        Space for the picture, inches.
    title, subtitle, caption : str
        Wrapped to the width; the title says what, where and when, the caption how.

    Returns
    -------
    Frame
    """
    blocks = [
        (_wrapped(title, width, _TITLE, bold=True), _TITLE, INK, "bold"),
        (_wrapped(subtitle, width, _SUBTITLE), _SUBTITLE, MUTED, "normal"),
    ]
    note = _wrapped(caption, width, _CAPTION)
    head = sum(_height(lines, size) for lines, size, _, _ in blocks) + 0.14
    foot = _height(note, _CAPTION) + 0.14
    total_w, total_h = width + 2 * _MARGIN, height + head + foot + 2 * _MARGIN
    figure = Figure(figsize=(total_w, total_h))
    top = total_h - _MARGIN
    for lines, size, colour, weight in blocks:
        if lines:
            figure.text(
                _MARGIN / total_w,
                top / total_h,
                "\n".join(lines),
                fontsize=size,
                color=colour,
                fontweight=weight,
                va="top",
                linespacing=_LEADING,
            )
        top -= _height(lines, size)
    figure.text(
        _MARGIN / total_w,
        _MARGIN / total_h,
        "\n".join(note),
        fontsize=_CAPTION,
        color=MUTED,
        va="bottom",
        linespacing=_LEADING,
    )
    return Frame(figure, _MARGIN, _MARGIN + foot, width, height)


def save_figure(figure: Figure, path: Path, *, dpi: int, warning: str = "") -> None:
    """Save a figure as a picture, with a warning below everything that it shows.

    Parameters
    ----------
    figure : Figure
    path : path
    dpi : int
        Pixels per inch.
    warning : str
        Wrapped to the width; the picture grows by its lines.
    """
    if not warning:
        figure.savefig(path, dpi=dpi)
        return
    total_w = figure.get_size_inches()[0]
    lines = _wrapped(warning, total_w - 2 * _MARGIN, _CAPTION)
    figure.text(
        _MARGIN / total_w, 0.0, "\n".join(lines), fontsize=_CAPTION, color=ACCENT, va="top", linespacing=_LEADING
    )
    figure.savefig(path, dpi=dpi, bbox_inches="tight", pad_inches=_MARGIN)


def _wrapped(text: str, width: float, size: float, *, bold: bool = False) -> list[str]:
    # Mean advance of DejaVu Sans, a little wide so that no line runs over.
    advance = size * (0.66 if bold else 0.57) / _POINTS
    return textwrap.wrap(text, max(int(width / advance), 20))


def _height(lines: list[str], size: float) -> float:
    return len(lines) * size * _LEADING / _POINTS
