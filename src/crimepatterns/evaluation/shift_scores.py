"""Whether a forecast puts incidents into the right shifts: likelihood of what is known of their time, and catch.

An incident known to lie between two moments scores the log of the mean density over that span, which asks no more of it
than is known. Whole hits count only incidents that lie in one shift; shared hits count each by its share of time.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crimepatterns.domain.aoristic import intervals_of, overlaps
from crimepatterns.domain.hour_spans import HOURS_OF_WEEK, HourSpans
from crimepatterns.domain.periods import Periods
from crimepatterns.errors import DomainError
from crimepatterns.evaluation.comparison import Estimate, PairedComparison, compare, pooled_ratio
from crimepatterns.evaluation.selection import Budget, select_cells

__all__ = ["ShiftOutcome", "compare_contenders", "score_shifts"]


@dataclass(frozen=True, eq=False)
class ShiftOutcome:
    """What happened in the shifts of one horizon.

    Parameters
    ----------
    spans : HourSpans
        Of the incidents that began in the horizon and lie in a cell.
    cell : ndarray of int64, shape (n,)
    sure : ndarray of int64, shape (n_cells, n_shifts)
        Incidents known to lie in one shift.
    shared : ndarray of float64, shape (n_cells, n_shifts)
        Incidents by their share of time in each shift; those whose time tells no hour too.
    """

    spans: HourSpans = field(repr=False)
    cell: NDArray[np.int64] = field(repr=False)
    sure: NDArray[np.int64] = field(repr=False)
    shared: NDArray[np.float64] = field(repr=False)

    @classmethod
    def of(cls, table: pd.DataFrame, cell: NDArray[np.int64], shifts: Periods, *, cells: int) -> "ShiftOutcome":
        """Place incidents in the shifts they can have happened in.

        Parameters
        ----------
        table : DataFrame, shape (n, ...)
            With ``occurred_from``, ``occurred_until`` and ``time_precision``.
        cell : ndarray of int64, shape (n,)
        shifts : Periods
        cells : int
        """
        shape = (cells, len(shifts))
        sure, shared = np.zeros(shape, dtype=np.int64), np.zeros(shape)
        if len(table):
            for row, shift, share in overlaps(*intervals_of(table), shifts.edges.as_unit("us").asi8):
                np.add.at(shared, (cell[row], shift), share)
                whole = share == 1
                np.add.at(sure, (cell[row[whole]], shift[whole]), 1)
        return cls(HourSpans.of(table), cell, sure, shared)


def score_shifts(
    outcome: ShiftOutcome,
    density: Mapping[str, NDArray[np.float64]],
    expected: Mapping[str, NDArray[np.float64]],
    *,
    places: int,
) -> pd.DataFrame:
    """Score contenders on one horizon.

    Parameters
    ----------
    outcome : ShiftOutcome
    density : mapping of str to ndarray of float64, shape (k,)
        Share of a week that each contender gives to the hours of ``outcome.spans``, pair by pair.
    expected : mapping of str to ndarray of float64, shape (n_cells, n_shifts)
        Incidents that each contender expects.
    places : int
        So many places are chosen in every shift; the same number of place-shifts, wherever and whenever, beside it.

    Returns
    -------
    DataFrame
        One row per contender: ``incidents``, ``timed`` (those whose time enters), ``gain`` (sum of the log of how much
        likelier their time is than evenly over the week), ``sure`` and ``unsure`` (incidents known, or not, to lie in
        one shift), ``hits`` and ``shared_hits`` of places in every shift, ``hits_anywhen`` and
        ``shared_hits_anywhen``, ``place_shifts``, ``expected`` there in every shift, and ``empty``: place-shifts
        chosen in which no incident is known to lie.

    Raises
    ------
    DomainError
        If contenders or shapes do not fit.
    """
    if set(density) != set(expected) or any(one.shape != outcome.sure.shape for one in expected.values()):
        raise DomainError(f"Contenders need densities and expected counts alike, got {set(density)}, {set(expected)}.")
    entered = np.unique(outcome.spans.row)
    rows = []
    for name, mean in expected.items():
        gain = np.log(HOURS_OF_WEEK * outcome.spans.chance(density[name])[entered])
        each = _in_every_shift(mean, places)
        whenever = _whenever(mean, places)
        rows.append(
            {
                "contender": name,
                "incidents": outcome.spans.incidents,
                "timed": len(entered),
                "gain": float(gain.sum()),
                "sure": int(outcome.sure.sum()),
                "unsure": outcome.spans.incidents - int(outcome.sure.sum()),
                "hits": float((each * outcome.sure).sum()),
                "shared_hits": float((each * outcome.shared).sum()),
                "hits_anywhen": float((whenever * outcome.sure).sum()),
                "shared_hits_anywhen": float((whenever * outcome.shared).sum()),
                "place_shifts": float(each.sum()),
                "expected": float((each * mean).sum()),
                "empty": float((each * (outcome.sure == 0)).sum()),
            }
        )
    return pd.DataFrame(rows)


def compare_contenders(
    scores: pd.DataFrame, contender: str, baseline: str, column: str, per: str
) -> tuple[Estimate, PairedComparison]:
    """Pool a score over origins and compare it with that of a baseline, origin by origin.

    Parameters
    ----------
    scores : DataFrame
        As `score_shifts` gives them, with ``cutoff``; of one category, or of several, which are added up.
    contender, baseline : str
    column, per : str
        Such as ``gain`` per ``timed`` or ``hits`` per ``sure``.

    Returns
    -------
    Estimate
        Of the contender's own score.
    PairedComparison
        Contender minus baseline; higher is better.
    """
    sums = {
        name: scores.loc[scores["contender"] == name].groupby("cutoff", sort=True)[[column, per]].sum()
        for name in (contender, baseline)
    }
    ours, theirs = sums[contender], sums[baseline]
    own = pooled_ratio(ours[column], ours[per])
    return own, compare(ours[column], theirs[column], ours[per], higher_is_better=True)


def _in_every_shift(mean: NDArray[np.float64], places: int) -> NDArray[np.float64]:
    """Share of each place-shift that is chosen where so many places are chosen in every shift."""
    budget, size = Budget(places=min(places, len(mean))), np.ones(len(mean))
    return np.column_stack([select_cells(column, size, budget) for column in mean.T])


def _whenever(mean: NDArray[np.float64], places: int) -> NDArray[np.float64]:
    """Share of each place-shift that is chosen where as many place-shifts may lie at any time."""
    budget = Budget(places=min(places * mean.shape[1], mean.size))
    return select_cells(mean.ravel(), np.ones(mean.size), budget).reshape(mean.shape)
