"""What a space-time scan compares with: incidents by place and day, and how chance would deal them anew."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from crimepatterns.domain.grid import Grid
from crimepatterns.domain.incidents import Incidents
from crimepatterns.errors import PatternError
from crimepatterns.patterns.space_time_pairs import civil_days

__all__ = ["Baseline", "Model", "ScanRecord", "record_by_cells", "record_by_grid"]

Model = Literal["permutation", "poisson"]
Baseline = Literal["record", "step"]

_Floats = NDArray[np.float64]
_Ints = NDArray[np.int64]
_MONTH = "The scan needs days, and some times are known to the month only: leave those out."


@dataclass(frozen=True, eq=False)
class ScanRecord:
    """Incidents by place and day, with what the null hypothesis expects of each.

    Parameters
    ----------
    x, y : ndarray of float, shape (n_places,)
        Metres.
    place, day : ndarray of int, shape (n_incidents,)
        Place of each incident, and civil day from the first of the record.
    days : int
        Length of the record.
    first_day : Timestamp
        Midnight of the first day.
    place_share : ndarray of float, shape (n_places,)
        Expected share of each place.
    day_share : ndarray of float, shape (days + 1,)
        Expected share of the incidents before each day.
    model : {"permutation", "poisson"}
    baseline : {"record", "step"}
        For Poisson scans: the same chance on every day, or the city's own total of each day.
    kept : ndarray of int, shape (n_incidents,)
        Rows of the incident table.
    """

    x: _Floats = field(repr=False)
    y: _Floats = field(repr=False)
    place: _Ints = field(repr=False)
    day: _Ints = field(repr=False)
    days: int
    first_day: pd.Timestamp
    place_share: _Floats = field(repr=False)
    day_share: _Floats = field(repr=False)
    model: Model
    baseline: Baseline
    kept: _Ints = field(repr=False)

    def __len__(self) -> int:
        return len(self.place)

    def drawn(self, rng: np.random.Generator) -> tuple[_Ints, _Ints]:
        """Deal places and days anew under the null hypothesis."""
        if self.model == "permutation":
            return self.place, rng.permutation(self.day)
        place = np.searchsorted(np.cumsum(self.place_share), rng.random(len(self)), side="right")
        # Rounding may leave the last sum just below 1.
        place = np.minimum(place, int(np.flatnonzero(self.place_share)[-1]))
        return place, self.day if self.baseline == "step" else rng.integers(0, self.days, len(self))

    def running(self, place: _Ints, day: _Ints, last: int) -> NDArray[np.int32]:
        """Return how many incidents each place has before each of the last days, shape (n_places, last + 1)."""
        column = day - (self.days - last)
        inside = column >= 0
        counts = np.bincount(place[inside] * last + column[inside], minlength=len(self.x) * last)
        running = np.zeros((len(self.x), last + 1), dtype=np.int32)
        np.cumsum(counts.reshape(len(self.x), last), axis=1, out=running[:, 1:])
        return running


def record_by_cells(
    incidents: Incidents, *, cell_m: float | None, end: pd.Timestamp | None, record_days: int | None
) -> ScanRecord:
    """Sort incidents into square cells, or leave them at their distinct places, for a permutation scan.

    Parameters
    ----------
    incidents : Incidents
    cell_m : float or None
        Side of a cell, metres; None for distinct places.
    end : Timestamp, optional
        First moment after the record; the end of the last day with an incident where left out.
    record_days : int, optional
        Use only so many days before the end.
    """
    kept, day, days, first_day = _days_of(incidents, end, record_days)
    xy = incidents.table[["x", "y"]].to_numpy(dtype=float)[kept]
    if cell_m is None:
        places, place = np.unique(xy, axis=0, return_inverse=True)
    else:
        if not (np.isfinite(cell_m) and cell_m > 0):
            raise PatternError(f"Scan: cell_m must be > 0 metres, or None for distinct places, got {cell_m}.")
        cells, place = np.unique(np.floor(xy / cell_m).astype(np.int64), axis=0, return_inverse=True)
        places = (cells + 0.5) * cell_m
    place = place.ravel().astype(np.int64)
    if len(places) < 2:
        raise PatternError(
            "All incidents are at one place: the permutation scan compares places, so there is nothing to compare. "
            "Take smaller cells (cell_m) or another test."
        )
    if (day == day[0]).all():
        raise PatternError("All incidents are on one day: permuting dates changes nothing. Widen the window.")
    return ScanRecord(
        x=places[:, 0], y=places[:, 1], place=place, day=day, days=days, first_day=first_day,
        place_share=np.bincount(place) / len(place), day_share=_observed_share(day, days),
        model="permutation", baseline="step", kept=kept,
    )  # fmt: skip


def record_by_grid(
    incidents: Incidents,
    grid: Grid,
    *,
    expected: ArrayLike | None,
    baseline: Baseline,
    end: pd.Timestamp | None,
    record_days: int | None,
) -> ScanRecord:
    """Sort incidents into the cells of a grid, for a Poisson scan.

    Parameters
    ----------
    incidents : Incidents
        Those outside the grid are left out.
    grid : Grid
    expected : array_like of float, shape (n_cells,), optional
        In any unit, such as residents; cell areas where left out.
    baseline : {"record", "step"}
    end, record_days
        As for `record_by_cells`.
    """
    if baseline not in ("record", "step"):
        raise PatternError(f"baseline must be 'record' or 'step', got {baseline!r}.")
    mass = grid.area_km2 if expected is None else np.asarray(expected, dtype=float)
    if mass.shape != (len(grid),) or not np.isfinite(mass).all() or (mass < 0).any() or not mass.any():
        raise PatternError(f"Expected counts must be {len(grid)} finite numbers >= 0, not all zero.")
    kept, day, days, first_day = _days_of(incidents, end, record_days)
    table = incidents.table.iloc[kept]
    cell, inside = grid.assign(table["x"], table["y"])
    if not inside.any():
        raise PatternError("No incident of the record lies in the grid: check the window and the reference system.")
    kept, day, cell = kept[inside], day[inside], cell[inside]
    surprising = int((mass[cell] == 0).sum())
    if surprising:
        raise PatternError(
            f"{surprising:,} incidents lie in cells where nothing is expected: no ratio can be formed there. "
            "Leave them out, or give those cells a small expected count."
        )
    share = _observed_share(day, days) if baseline == "step" else np.arange(days + 1) / days
    return ScanRecord(
        x=grid.centres[:, 0], y=grid.centres[:, 1], place=cell, day=day, days=days, first_day=first_day,
        place_share=mass / mass.sum(), day_share=share, model="poisson", baseline=baseline, kept=kept,
    )  # fmt: skip


def _days_of(
    incidents: Incidents, end: pd.Timestamp | None, record_days: int | None
) -> tuple[_Ints, _Ints, int, pd.Timestamp]:
    table = incidents.table
    if len(table) == 0:
        raise PatternError("The scan needs at least two incidents, got none: widen the window or the category.")
    if (table["time_precision"] == "month").any():
        raise PatternError(_MONTH)
    if record_days is not None and record_days < 2:
        raise PatternError(f"Scan: record_days must be at least 2, got {record_days}.")
    day = civil_days(table["occurred_from"])
    after = int(day.max()) + 1 if end is None else int(civil_days(pd.Series([_midnight_after(end, incidents)]))[0])
    before = int(day.min()) if record_days is None else max(int(day.min()), after - record_days)
    kept = np.flatnonzero((day >= before) & (day < after))
    if len(kept) < 2:
        raise PatternError(f"The scan needs at least two incidents in its record, got {len(kept)}: widen the window.")
    first_day = pd.Timestamp(np.datetime64(before, "D")).tz_localize(
        incidents.area.timezone, ambiguous=True, nonexistent="shift_forward"
    )
    return kept, day[kept] - before, after - before, first_day


def _midnight_after(end: pd.Timestamp, incidents: Incidents) -> pd.Timestamp:
    """Return the civil midnight at or after a moment, so that a day begun counts as part of the record."""
    if end.tzinfo is None:
        raise PatternError(f"The end of the record needs a time zone, got {end}.")
    local = end.tz_convert(incidents.area.timezone)
    midnight = local.normalize()
    return midnight if midnight == local else midnight + pd.DateOffset(days=1)


def _observed_share(day: _Ints, days: int) -> _Floats:
    counts = np.bincount(day, minlength=days)
    return np.concatenate([[0.0], np.cumsum(counts) / len(day)])
