"""Colours and type that every figure shares: safe for colour-blind readers, in print and on screen."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

import matplotlib as mpl
from cycler import cycler

__all__ = [
    "ACCENT",
    "BLUE",
    "GRID",
    "HOT",
    "INK",
    "LAND",
    "MUTED",
    "OKABE_ITO",
    "PAPER",
    "SEQUENTIAL",
    "colours_for",
    "figure_style",
]

OKABE_ITO: tuple[str, ...] = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
"""Categorical colours, told apart with every common kind of colour blindness; Okabe and Ito (2008)."""

SEQUENTIAL = "cividis"
"""Colour map for quantities; its lightness rises evenly and it looks the same with red-green blindness."""

INK, MUTED, GRID, LAND, PAPER = "#1B2027", "#5C6670", "#D9DEE3", "#E9ECEF", "#FFFFFF"
"""Text, secondary text, grid lines, empty ground, background."""

BLUE, ACCENT = OKABE_ITO[0], OKABE_ITO[1]

HOT: tuple[str, ...] = ("#F3B27A", "#D55E00", "#7A2E00")
"""Three steps of heat, from light to dark, so that they survive a black-and-white copy."""

_STYLE = MappingProxyType(
    {
        "font.family": "sans-serif",
        "font.sans-serif": ["DejaVu Sans"],
        "font.size": 9.0,
        "text.color": INK,
        "axes.labelcolor": MUTED,
        "axes.labelsize": 9.0,
        "axes.titlesize": 10.0,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "axes.titlecolor": INK,
        "axes.titlepad": 8.0,
        "axes.edgecolor": MUTED,
        "axes.linewidth": 0.6,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": False,
        "axes.axisbelow": True,
        "axes.prop_cycle": cycler(color=OKABE_ITO),
        "axes.unicode_minus": True,
        "grid.color": GRID,
        "grid.linewidth": 0.6,
        "xtick.color": MUTED,
        "ytick.color": MUTED,
        "xtick.labelsize": 8.5,
        "ytick.labelsize": 8.5,
        "xtick.major.width": 0.6,
        "ytick.major.width": 0.6,
        "xtick.major.size": 3.0,
        "ytick.major.size": 3.0,
        "legend.frameon": False,
        "legend.fontsize": 8.5,
        "lines.linewidth": 1.6,
        "figure.facecolor": PAPER,
        "axes.facecolor": PAPER,
        "savefig.facecolor": PAPER,
        "figure.dpi": 100.0,
        "savefig.dpi": 160.0,
    }
)


@contextmanager
def figure_style() -> Iterator[None]:
    """Draw with the house style inside the block, and leave the caller's settings as they were."""
    style: Any = dict(_STYLE)
    with mpl.rc_context(style):
        yield


def colours_for(names: Sequence[str]) -> dict[str, str]:
    """Give each name its colour by its place in the list; the list repeats after eight."""
    return {name: OKABE_ITO[i % len(OKABE_ITO)] for i, name in enumerate(names)}
