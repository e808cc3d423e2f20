"""Whether an explanation names what a forecast really rests on: take that away, and the forecast must fall most."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crimepatterns.domain.history import History
from crimepatterns.domain.panel import Panel
from crimepatterns.domain.periods import Periods
from crimepatterns.domain.protocols import ExplainingForecaster, FittedForecaster

__all__ = ["DELETABLE", "deletion_check"]

DELETABLE: tuple[str, ...] = ("long history", "recent events", "neighbours")
"""Groups of an explanation that are incidents, and so can be taken out of a record."""

_RECENT_DAYS = 30
_REACH_M = 1_000.0


class _Both(FittedForecaster, ExplainingForecaster, Protocol):
    """A fitted forecaster that explains itself."""


def deletion_check(
    fitted: _Both, history: History, periods: Periods, *, cells: Sequence[int], rng: np.random.Generator
) -> pd.DataFrame:
    """Take the incidents of the group that is named first out of the record, and those of another one drawn at random.

    ``long history`` are the incidents in the cell before the last 30 days, ``recent events`` those of the last 30 days
    (of all categories both), ``neighbours`` those of the target in other cells within a kilometre. The fitted
    forecaster looks at each changed record as it would have been. Season and place are not incidents: the greatest of
    the other groups counts as named first.

    Parameters
    ----------
    fitted : fitted forecaster that explains itself
    history : History
    periods : Periods
    cells : sequence of int
        Positions of the cells to look at.
    rng : numpy.random.Generator
        Draws the other group.

    Returns
    -------
    DataFrame
        ``cell_id``, ``expected``, ``named``, ``other``, and how much the forecast of the cell falls without each:
        ``fall_named``, ``fall_other``. Hooker et al. (2019), https://arxiv.org/abs/1806.10758, on the idea.
    """
    why = fitted.explain(history, periods)
    parts = np.column_stack([why.groups[name] for name in DELETABLE])
    record = _Record(history)
    rows = []
    for cell in cells:
        named = int(parts[cell].argmax())
        other = int(rng.choice([group for group in range(len(DELETABLE)) if group != named]))
        falls = [
            float(why.mean[cell] - fitted.predict(record.without(cell, group), periods).mean[cell].sum())
            for group in (named, other)
        ]
        rows.append((history.grid.ids[cell], float(why.mean[cell]), DELETABLE[named], DELETABLE[other], *falls))
    return pd.DataFrame(rows, columns=["cell_id", "expected", "named", "other", "fall_named", "fall_other"])


class _Record:
    """A history from which some incidents can be taken."""

    def __init__(self, history: History) -> None:
        self._history = history
        table = history.incidents.table
        self._cell, self._inside = history.grid.assign(table["x"], table["y"])
        self._recent = (
            table["occurred_from"] >= history.cutoff - pd.DateOffset(days=_RECENT_DAYS)
        ).to_numpy()  # fmt: skip
        self._target = (table["category"] == history.target).to_numpy()

    def without(self, cell: int, group: int) -> History:
        history, grid = self._history, self._history.grid
        here = self._inside & (self._cell == cell)
        gone: NDArray[np.bool_]
        if DELETABLE[group] == "neighbours":
            near = np.linalg.norm(grid.centres - grid.centres[cell], axis=1) <= _REACH_M
            gone = self._inside & self._target & near[self._cell] & ~here
        else:
            gone = here & (self._recent if DELETABLE[group] == "recent events" else ~self._recent)
        if not gone.any():
            return history
        incidents, panel = history.incidents, history.panel
        table = incidents.table
        taken = replace(incidents, table=table.loc[gone].reset_index(drop=True))
        fewer = Panel.count(taken, grid, panel.periods, categories=panel.categories, as_of=panel.as_of)
        kept = replace(incidents, table=table.loc[~gone].reset_index(drop=True))
        return replace(history, incidents=kept, panel=replace(panel, counts=panel.counts - fewer.counts))
