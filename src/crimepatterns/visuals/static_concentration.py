"""Pictures of concentration: the Lorenz curve of the cells, and the busiest exact places (the J-curve)."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator, PercentFormatter

from crimepatterns.errors import PatternError
from crimepatterns.visuals.captions import pattern_caption, pattern_title
from crimepatterns.visuals.frame import framed
from crimepatterns.visuals.palette import ACCENT, BLUE, INK, MUTED, figure_style

__all__ = ["concentration_curve", "j_curve"]

_MOST_PLACES = 60


def concentration_curve(curve: pd.DataFrame, shares: pd.DataFrame, *, city: str, facts: Mapping[str, Any]) -> Figure:
    """Show which share of the incidents lies in which share of the cells, beside what equal risk would give.

    Parameters
    ----------
    curve : DataFrame
        ``places_share``, ``incidents_share`` and ``kind``: ``observed`` and ``chance``.
    shares : DataFrame
        As in `Concentration.shares`.
    city : str
    facts : mapping
    """
    with figure_style():
        frame = framed(
            7.4, 4.6,
            title=pattern_title("Concentration", facts, city), subtitle=str(facts["window"]),
            caption=pattern_caption(facts, "Lorenz curve, busiest cells first; bars: intervals by resampling cells."),
        )  # fmt: skip
        axes = frame.axes(0.7, 0.5, 6.6, 4.0)
        for kind, colour, width, words in (
            ("observed", BLUE, 2.4, "observed"),
            ("chance", MUTED, 1.4, "if all cells ran the same risk"),
        ):
            line = curve.loc[curve["kind"] == kind]
            axes.plot(line["places_share"], line["incidents_share"], color=colour, linewidth=width, label=words)
        marks = shares[["incidents_share", "places_share", "low", "high"]].to_numpy(dtype=float)
        for held, used, low, high in marks:
            axes.plot([low, high], [held] * 2, color=ACCENT, linewidth=3, solid_capstyle="butt")
            axes.plot(used, held, "o", color=ACCENT, markersize=5.5)
            axes.annotate(
                f"{100 * held:.0f} % of incidents in {100 * used:.1f} % of cells",
                (max(high, used), held), xytext=(7, -3), textcoords="offset points",
                fontsize=8.5, fontweight="bold", path_effects=[withStroke(linewidth=3, foreground="white")],
            )  # fmt: skip
        axes.legend(loc="lower right")
        axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="share of the cells", ylabel="share of the incidents")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(PercentFormatter(1.0))
        axes.grid()
    return frame.figure


def j_curve(places: pd.DataFrame, *, city: str, facts: Mapping[str, Any]) -> Figure:
    """Show the busiest exact places as bars, those that may be no place but a default of the geocoder marked.

    Parameters
    ----------
    places : DataFrame
        As in `RepeatPlaces.table`, the busiest first.
    city : str
    facts : mapping

    Raises
    ------
    PatternError
        If no place has more than one incident.
    """
    top = places.head(_MOST_PLACES)
    if top.empty or int(top["incidents"].max()) < 2:
        raise PatternError("No exact place has more than one incident.")
    suspect = top["suspect"].to_numpy(dtype=bool)
    counts = top["incidents"].to_numpy(dtype=float)
    held = 100 * float(top["cumulative_share"].iloc[-1])
    how = f"The {len(top)} busiest exact places hold {held:.1f} % of the incidents."
    with figure_style():
        frame = framed(
            7.8, 3.6,
            title=pattern_title("Busiest places", facts, city), subtitle=str(facts["window"]),
            caption=pattern_caption(facts, how),
        )  # fmt: skip
        axes = frame.axes(0.6, 0.45, 7.1, 3.0)
        axes.bar(top["rank"], counts, width=0.86, color=np.where(suspect, ACCENT, BLUE).tolist())
        for rank, count, marked in zip(top["rank"], counts, suspect, strict=True):
            if marked:
                axes.annotate(
                    f"{count:,.0f}", (rank, count), xytext=(0, 2), textcoords="offset points", fontsize=7.5,
                    ha="center", color=INK,
                )  # fmt: skip
        axes.set(xlim=(0.3, len(top) + 0.7), ylim=(0, counts.max() * 1.12), ylabel="incidents")
        axes.set_xlabel("exact places, the busiest first")
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1))
        axes.grid(axis="y")
        named = [Patch(color=BLUE, label="place")]
        if suspect.any():
            named.append(Patch(color=ACCENT, label="far above its surroundings: look at the address"))
        axes.legend(handles=named, loc="upper right")
    return frame.figure
