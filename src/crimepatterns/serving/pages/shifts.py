"""The stored forecast by shift: what a cell expects in each shift of the coming days."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crimepatterns.serving.pages.stored import layer_of
from crimepatterns.serving.results import Category, Results

__all__ = ["ShiftTable", "chance_of_none", "shift_names", "shift_table", "summed"]


@dataclass(frozen=True, eq=False)
class ShiftTable:
    """Expected incidents by cell and shift.

    Parameters
    ----------
    cells : ndarray of str, shape (n_cells,)
    edges : tuple of Timestamp, length n_shifts + 1
        Civil times.
    mean : ndarray of float, shape (n_cells, n_shifts)
    names : tuple of str, length n_shifts
        The shift of the calendar that each belongs to, such as ``07-15``; the horizon may begin in the middle of one.
    """

    cells: NDArray[np.str_] = field(repr=False)
    edges: tuple[pd.Timestamp, ...] = field(repr=False)
    mean: NDArray[np.float64] = field(repr=False)
    names: tuple[str, ...]

    def of_day(self, rows: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
        """Add up each shift of the day over all days, for some rows; shape (n_rows,) each, in the calendar's order."""
        return {
            name: self.mean[rows][:, [k for k, own in enumerate(self.names) if own == name]].sum(axis=1)
            for name in sorted(set(self.names))
        }

    def label(self, k: int) -> str:
        """Say which shift the k-th is: ``Thu 1 Jan, 07:00 to 15:00``."""
        start, end = self.edges[k], self.edges[k + 1]
        return f"{start:%a} {start.day} {start:%b}, {start:%H:%M} to {end:%H:%M}"


def shift_table(results: Results, category: Category) -> ShiftTable:
    """Read the forecast by shift of one category.

    Raises
    ------
    MissingInputError
        If there is none: forecast.shifts is empty, or the records do not tell the hours.
    """
    layer, facts = layer_of(results, results.layout.forecasts / "shifts" / f"{category.slug}.parquet")
    zone = results.settings.timezone
    edges = tuple(pd.Timestamp(edge).tz_convert(zone) for edge in facts["edges"])
    mean = layer[[f"mean_{k}" for k in range(len(edges) - 1)]].to_numpy(dtype=float)
    names = shift_names(edges, results.settings.forecast.shifts)
    return ShiftTable(layer["cell_id"].to_numpy(dtype=str), edges, mean, names)


def shift_names(edges: Sequence[pd.Timestamp], starts: Sequence[str]) -> tuple[str, ...]:
    """Name the shift that each span belongs to.

    Parameters
    ----------
    edges : sequence of Timestamp, length n + 1
        Civil times; a shift over midnight may be cut at the horizon's ends.
    starts : sequence of str
        Beginnings of the shifts, such as ``07:00``.

    Returns
    -------
    tuple of str, length n

    Examples
    --------
    >>> day = pd.Timestamp("2026-01-01", tz="UTC")
    >>> shift_names([day, day.replace(hour=7), day.replace(hour=23)], ["07:00", "23:00"])
    ('23-07', '07-23')
    """
    ordered = sorted(starts)
    ends = dict(zip(ordered, [*ordered[1:], ordered[0]], strict=True))
    named = []
    for edge in edges[:-1]:
        begun = [start for start in ordered if start <= f"{edge:%H:%M}"]
        start = begun[-1] if begun else ordered[-1]
        named.append(f"{_short(start)}-{_short(ends[start])}")
    return tuple(named)


def _short(clock: str) -> str:
    return clock.removesuffix(":00")


def chance_of_none(expected: float) -> float:
    """Return the chance that nothing happens where so many incidents are expected."""
    return float(np.exp(-expected))


def summed(tables: Sequence[ShiftTable], cells: Sequence[str]) -> list[dict[str, Any]]:
    """Add up the categories' forecasts by shift of the day, for some cells.

    Parameters
    ----------
    tables : sequence of ShiftTable
        One per category, of the same calendar.
    cells : sequence of str

    Returns
    -------
    list of dict
        Per cell the shifts in order: ``name``, ``expected`` in all days together, ``chance_of_none``.
    """
    if not tables:
        return []
    parts = [table.of_day(_rows(table, cells)) for table in tables]
    total = {name: np.sum([part[name] for part in parts], axis=0) for name in parts[0]}
    return [
        {
            "shifts": [
                {"name": name, "expected": float(value[k]), "chance_of_none": chance_of_none(float(value[k]))}
                for name, value in total.items()
            ]
        }
        for k in range(len(cells))
    ]


def _rows(table: ShiftTable, cells: Sequence[str]) -> NDArray[np.int64]:
    """Return the rows of some cells, -1 for those that are not there."""
    return pd.Index(table.cells).get_indexer(pd.Index(list(cells))).astype(np.int64)
