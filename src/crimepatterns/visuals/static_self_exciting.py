"""Chart of what follows an incident: how many more, how soon and how near."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from crimepatterns.errors import PatternError
from crimepatterns.visuals.captions import pattern_caption, pattern_title
from crimepatterns.visuals.frame import framed
from crimepatterns.visuals.palette import ACCENT, INK, MUTED, figure_style

__all__ = ["followers_chart"]

_PANEL, _HEIGHT, _LEFT, _GAP = 3.1, 2.6, 0.55, 0.75
_DRAWS = 2_000


def followers_chart(table: pd.DataFrame, *, city: str, facts: Mapping[str, Any]) -> Figure:
    """Show how many more incidents 100 bring directly, within so many days and within so many metres.

    Parameters
    ----------
    table : DataFrame
        As `SelfExciting.to_frame` gives it.
    city : str
    facts : mapping
        ``category``, ``window``, ``sentence``, ``null`` and ``run_date``.

    Raises
    ------
    PatternError
        If no incident is shown to follow another one.
    """
    figures = {str(name): _Figure(value, low, high) for name, value, low, high, _ in table.itertuples(index=False)}
    if not figures["branching"].value > 0:
        raise PatternError(str(facts["sentence"]))
    caption = pattern_caption(facts, "Shaded: 95 % of the curves that the intervals allow.")
    with figure_style():
        frame = framed(
            _LEFT + 2 * _PANEL + _GAP, _HEIGHT + 0.5, title=pattern_title("What follows an incident", facts, city),
            subtitle=f"Direct followers of 100 incidents, {facts['window']}", caption=caption,
        )  # fmt: skip
        for k, (figure, unit, times, shape) in enumerate(
            (("half-life", "days", 6.0, _in_time), ("half-distance", "metres", 3.0, _in_space))
        ):
            axes = frame.axes(_LEFT + k * (_PANEL + _GAP), 0.45, _PANEL, _HEIGHT)
            _panel(axes, figures["branching"], figures[figure], times, shape)
            axes.set_xlabel(f"within so many {unit}")
            axes.set_ylim(0, 115 * figures["branching"].high)
    return frame.figure


def _in_time(x: NDArray[np.float64], half: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(1.0 - np.exp2(-x / half))


def _in_space(x: NDArray[np.float64], half: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(1.0 - np.exp2(-((x / half) ** 2)))


def _panel(axes: Axes, many: "_Figure", half: "_Figure", times: float, shape: Any) -> None:
    x = np.linspace(0.0, times * half.value, 120)
    rng = np.random.default_rng(0)
    curves = 100 * many.draw(rng)[:, None] * shape(x[None, :], half.draw(rng)[:, None])
    low, high = np.quantile(curves, [0.025, 0.975], axis=0)
    axes.fill_between(x, low, high, color=ACCENT, alpha=0.22, linewidth=0)
    axes.plot(x, 100 * many.value * shape(x, np.asarray(half.value)), color=ACCENT)
    level = 50 * many.value
    axes.plot([half.value, half.value, 0.0], [0.0, level, level], color=MUTED, linewidth=0.8, linestyle=(0, (3, 2)))
    told = f"{half.value:.1f} days" if shape is _in_time else f"{half.value:.0f} m"
    axes.annotate(
        f"half of them within {told}", (half.value, level), xytext=(8, -10), textcoords="offset points",
        fontsize=8.5, color=INK,
    )  # fmt: skip
    axes.set_xlim(0.0, x[-1])
    axes.grid(axis="y")


class _Figure(NamedTuple):
    """A figure with its interval."""

    value: float
    low: float
    high: float

    def draw(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """Draw from a log-normal with this interval."""
        spread = np.log(self.high / self.low) / (2.0 * 1.96)
        return np.asarray(self.value * np.exp(spread * rng.normal(size=_DRAWS)))
