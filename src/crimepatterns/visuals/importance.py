"""Which features a learner leans on, and what it expects as each of them rises."""

import textwrap

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from crimepatterns.visuals.palette import BLUE, GRID, INK, figure_style

__all__ = ["dependence_figure", "importance_figure"]


def importance_figure(table: pd.DataFrame, *, title: str, shown: int = 20) -> Figure:
    """Draw permutation importance.

    Parameters
    ----------
    table : DataFrame
        ``feature``, ``importance`` (rise of the log loss, nats) and ``spread`` (standard deviation over repeats).
    title : str
    shown : int
        So many features, the most important ones.

    Returns
    -------
    Figure
    """
    top = table.nlargest(shown, "importance").iloc[::-1]
    with figure_style():
        figure = Figure(figsize=(7.0, 1.4 + 0.24 * len(top)), layout="constrained")
        axes = figure.add_subplot()
        places = np.arange(len(top))
        axes.barh(places, top["importance"], color=BLUE, height=0.7)
        axes.errorbar(top["importance"], places, xerr=top["spread"], fmt="none", ecolor=INK, elinewidth=1.0, capsize=2)
        axes.set_yticks(places, top["feature"].str.replace("_", " "))
        axes.set_ylim(-0.6, len(top) - 0.4)
        axes.axvline(0.0, color=INK, linewidth=0.8)
        axes.grid(axis="x", color=GRID)
        axes.set_xlabel("rise of the log loss when shuffled, nats (line: ± 1 s.d.)")
        axes.set_title(title)
    return figure


def dependence_figure(table: pd.DataFrame, *, title: str, columns: int = 3) -> Figure:
    """Draw partial dependence: a panel per feature, all on one scale.

    Parameters
    ----------
    table : DataFrame
        ``feature``, ``value`` and ``expected`` (incidents per cell and period).
    title : str
    columns : int
        Panels side by side.

    Returns
    -------
    Figure
    """
    names = list(table["feature"].unique())
    rows = max(1, -(-len(names) // columns))
    with figure_style():
        figure = Figure(figsize=(2.6 * columns, 0.7 + 2.1 * rows), layout="constrained")
        figure.suptitle(title, x=0.01, ha="left", fontweight="bold", color=INK)
        panels = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
        for axes, name in zip(panels, names, strict=False):
            curve = table[table["feature"] == name]
            axes.plot(curve["value"], curve["expected"], color=BLUE, marker="o", markersize=3)
            axes.set_title(textwrap.fill(str(name).replace("_", " "), 26), fontsize=9)
            axes.grid(color=GRID)
        panels[0].set_ylim(0.0, 1.08 * max(float(table["expected"].max()), 1e-9))
        for axes in panels[len(names) :]:
            axes.set_visible(False)
        for axes in panels[::columns]:
            axes.set_ylabel("expected per cell\nand period")
    return figure
