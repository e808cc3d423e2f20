"""When in the week each place has its incidents: the city's rhythm, bent by district and cell where data bear it.

A cell has far too few incidents for a rhythm of its own, and the city's rhythm fits no bar street. Each district bends
the city's rhythm, and each cell that of its district, as far as incidents of later weeks have shown it to help.
"""

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crimepatterns.domain.grid import Grid
from crimepatterns.domain.history import History
from crimepatterns.domain.hour_spans import HOURS_OF_WEEK, HourSpans
from crimepatterns.errors import ForecastError
from crimepatterns.forecasts.hour_profile_em import Levels, Places, Trial, refine

__all__ = ["FittedHourProfile", "HourProfile"]

_MEMORY_DAYS = 1_096
_LEAST_TELLING = 0.5
_FEWEST = 50
_HELD_OUT = 0.25
_DISTRICT_M = 2_000.0


@dataclass(frozen=True)
class HourProfile:
    r"""Rhythm of the week by place, with incidents between two moments re-shared until nothing changes.

    The density of an incident over the hours h of the week is, for the city, the smoothed aoristic mass drawn towards
    "weekday times hour of working days or weekends"; for a district and then a cell it is its parent's, times

    .. math:: r(b) = (O(b) + \alpha) / (E(b) + \alpha)

    for each hour b of working days and of weekends, with O the mass there and E what the parent gives, both smoothed
    over neighbouring hours (a Gamma prior with mean 1). Each alpha, infinity among them, is the one by which incidents
    of later weeks were most likely.

    Spans are first spread evenly (aoristic mass, Ratcliffe 2002, https://doi.org/10.1023/A:1013240828824), then in
    proportion to the rhythm found, and so on: the EM algorithm for interval-censored data (Turnbull 1976,
    https://doi.org/10.1111/j.2517-6161.1976.tb01597.x) with smoothing in each step (Silverman et al. 1990).

    Parameters
    ----------
    refined : bool, optional
        True re-shares spans, False keeps the even spread; left out, spans are re-shared where that foretells better
        when later incidents happened whose moment is known.
    by_place : bool
        False gives every cell the city's rhythm.
    """

    name: ClassVar[str] = "hour_profile"
    refined: bool | None = None
    by_place: bool = True

    def fit(self, history: History) -> "FittedHourProfile":
        """Learn the rhythm of the target category from what `history` knows.

        Raises
        ------
        ForecastError
            If there are too few incidents, or most of them do not tell the hour.
        """
        table = history.target_incidents.between(
            history.cutoff - pd.DateOffset(days=_MEMORY_DAYS), history.cutoff
        ).table
        cell, inside = history.grid.assign(table["x"], table["y"])
        # In order of time and id, so that sums are of the same bits whatever the order of the rows.
        order = np.lexsort((table["id"].astype(str).to_numpy(), table["occurred_from"].to_numpy()))
        order = order[inside[order]]
        table, cell = table.iloc[order], cell[order]
        spans = HourSpans.of(table)
        if spans.used < _FEWEST or spans.share_telling < _LEAST_TELLING:
            raise ForecastError(
                f"No rhythm of the week for {history.target}: {spans.telling:,} of {spans.incidents:,} incidents tell "
                f"the hour, at least {_FEWEST} and half of them must."
            )
        places = Places(cell, _districts(history.grid), len(history.grid))
        refined, levels = self._choose(table, places)
        found = refine(spans, places, levels, refined=refined)
        facts = {
            "incidents": spans.used,
            "share_telling_hour": round(spans.share_telling, 4),
            "spans": "re-shared" if refined else "even",
            "rounds": found.rounds,
            "strength_district": _told(levels.district.strength),
            "strength_cell": _told(levels.cell.strength),
            "smoothing_h": levels.city.smoothing_h,
        }
        return FittedHourProfile(history.target, history.cutoff, found.profiles, found.slot, MappingProxyType(facts))

    def _choose(self, table: pd.DataFrame, places: Places) -> tuple[bool, Levels]:
        """Learn from the first three quarters what foretells the last one."""
        begun = max(1, round((1 - _HELD_OUT) * len(table)))
        trial = Trial(HourSpans.of(table.iloc[:begun]), HourSpans.of(table.iloc[begun:]), places, begun)
        ways = (self.refined,) if self.refined is not None else (False, True) if trial.has_spans else (False,)
        found = {way: trial.choose_levels(refined=way, by_place=self.by_place) for way in ways}
        if len(found) == 1:
            return ways[0], found[ways[0]]
        refined = trial.gains_by_re_sharing(found[False], found[True])
        return refined, found[refined]


@dataclass(frozen=True, eq=False)
class FittedHourProfile:
    """The rhythm of the week of every cell.

    Parameters
    ----------
    target : str
        Category.
    trained_until : Timestamp
    profiles : ndarray of float64, shape (n_profiles, 168)
        Share of a week's incidents by hour of the week, Monday first; each sums to 1. The first is the city's.
    slot : ndarray of int64, shape (n_cells,)
        Which of them is that of each cell: cells without incidents have their district's.
    facts : mapping
        What it rests on, JSON-able.
    """

    target: str
    trained_until: pd.Timestamp
    profiles: NDArray[np.float64] = field(repr=False)
    slot: NDArray[np.int64] = field(repr=False)
    facts: MappingProxyType[str, float | int | str | None]

    @property
    def city(self) -> NDArray[np.float64]:
        """Rhythm of the whole city, shape (7, 24)."""
        return self.profiles[0].reshape(7, 24)

    def of_cells(self) -> NDArray[np.float64]:
        """Rhythm of every cell, shape (n_cells, 168)."""
        return np.asarray(self.profiles[self.slot])

    def density(self, cell: NDArray[np.int64], hour: NDArray[np.int64]) -> NDArray[np.float64]:
        """Share of a week's incidents of a cell in an hour of the week, shape as `cell`."""
        if hour.size and not 0 <= int(hour.min()) <= int(hour.max()) < HOURS_OF_WEEK:
            raise ForecastError(f"Hours of the week lie from 0 to 167, got {int(hour.min())} to {int(hour.max())}.")
        return np.asarray(self.profiles[self.slot[cell], hour])


def _told(strength: float) -> float | None:
    """Give a strength to a file; None where the place is not bent at all."""
    return float(strength) if np.isfinite(strength) else None


def _districts(grid: Grid) -> NDArray[np.int64]:
    """Give each cell the number of its neighbourhood, or of its square of two kilometres where there are no names."""
    names, number = np.unique(grid.neighbourhood.astype(str), return_inverse=True)
    if len(names) > 1:
        return number.astype(np.int64)
    squares = np.floor(grid.centres / _DISTRICT_M).astype(np.int64)
    return np.unique(squares, axis=0, return_inverse=True)[1].ravel().astype(np.int64)
