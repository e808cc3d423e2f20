"""Which features a learner leans on: a bar per feature with its spread."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from crimepatterns.visuals.palette import BLUE, GRID, INK, figure_style

__all__ = ["importance_figure"]


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
