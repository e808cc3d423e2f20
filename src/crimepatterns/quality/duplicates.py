"""Near duplicates: the same category at nearly the same place and time, more often than chance and repeats allow."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from crimepatterns.quality.findings import Finding, by_share, per_cent, sound
from crimepatterns.quality.record import Record

__all__ = ["NEAR_M", "NEAR_MINUTES", "near_duplicates", "near_pairs"]

NEAR_M = 30.0
"""Records no farther apart than this are at the same place, metres."""

NEAR_MINUTES = 15
"""Records no farther apart in time than this are at the same time, minutes."""

_LEVEL = 1e-4
_LEAST_SHARE = 0.001
_MORE_THAN_REPEATS = 1.5
_DAY = 1440
_WITHIN_DAY = (60, 240)


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of rows close in space whose distance in time lies in a band; shape (n_pairs,) each.

    Parameters
    ----------
    earlier, later : ndarray of int
        Positions in the table.
    """

    earlier: NDArray[np.int64]
    later: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.earlier)


def near_duplicates(record: Record) -> Finding:
    """Look for pairs of records that are closer than separate incidents come.

    What separate incidents give is measured on the file itself: as many pairs lie within the same metres one and two
    days apart at the same hour (which carries hot places, rhythms, rounding and near repeats), and one to four hours
    apart. Half as much again is allowed for incidents that come in series.
    """
    flag = "near_duplicates"
    timed = record.table["time_precision"].eq("minute").to_numpy(dtype=bool)
    if timed.mean() < 0.5:
        return sound("near_duplicates", "Times are too coarse to tell duplicates from repeats.", flag=flag)
    table = record.table.loc[timed]
    pairs = near_pairs(table)
    usual = max(_next_days(table), _same_day(table))
    copies = len(np.unique(pairs.later))
    seen = len(pairs)
    excess = max(seen - _MORE_THAN_REPEATS * usual, 0.0)
    rows = copies * excess / max(seen, 1)
    share = rows / len(record.table)
    chance = float(stats.poisson.sf(seen - 1, _MORE_THAN_REPEATS * usual + 1.0))
    same = int((record.points[timed][pairs.earlier] == record.points[timed][pairs.later]).sum())
    evidence = {
        "within_m": NEAR_M,
        "within_minutes": NEAR_MINUTES,
        "pairs": seen,
        "expected_pairs": round(usual, 1),
        "pairs_at_the_same_point": same,
        "rows_in_pairs": copies,
        "p_value": float(f"{chance:.2g}"),
        "by_category": _by_category(table, pairs),
    }
    if chance > _LEVEL or share < _LEAST_SHARE:
        return sound(
            "near_duplicates",
            f"{seen:,} pairs of one category lie within {NEAR_M:.0f} m and {NEAR_MINUTES} minutes, no more than "
            "separate incidents give.",
            flag=flag,
            evidence=evidence,
        )
    return Finding(
        "near_duplicates",
        by_share(share),
        f"{seen:,} pairs of one category lie within {NEAR_M:.0f} m and {NEAR_MINUTES} minutes, where separate "
        f"incidents would give {usual:,.0f}: about {per_cent(share)} of the rows are copies, or count victims rather "
        "than events.",
        "Ask whether a row is an event, a victim or an offence; leave them out with quality.leave_out.",
        flag,
        affected=rows,
        share=share,
        evidence=evidence,
        rule={"kind": "near_copies", "metres": NEAR_M, "minutes": NEAR_MINUTES},
    )


def near_pairs(
    table: pd.DataFrame, *, metres: float = NEAR_M, minutes: tuple[float, float] = (0, NEAR_MINUTES)
) -> Pairs:
    """Find pairs of one category within some metres, whose times lie so many minutes apart.

    Parameters
    ----------
    table : DataFrame, shape (n, ...)
        With ``occurred_from``, ``category``, ``x`` and ``y``.
    metres : float
    minutes : tuple of float
        Least and largest distance in time, both included.

    Returns
    -------
    Pairs
        ``earlier`` and ``later`` in time; of equal times the one that stands first in the table is the earlier.
    """
    x, y = (table[axis].to_numpy(dtype=float) for axis in ("x", "y"))
    minute = table["occurred_from"].dt.as_unit("s").dt.tz_convert("UTC").dt.tz_localize(None)
    time = minute.to_numpy().astype(np.int64) // 60
    time = time - time.min(initial=0)
    span = int(time.max(initial=0)) + int(minutes[1]) + 2
    category = pd.factorize(table["category"])[0].astype(np.int64)
    column, row = (np.floor(axis / metres).astype(np.int64) for axis in (x, y))
    column, row = column - column.min(initial=0) + 1, row - row.min(initial=0) + 1
    width, height = int(column.max(initial=0)) + 2, int(row.max(initial=0)) + 2

    def blocks(columns: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.asarray((category * width + columns) * height + rows)

    own = blocks(column, row)
    known, block = np.unique(own, return_inverse=True)
    order = np.lexsort((np.arange(len(x)), time, block))
    key = block[order] * span + time[order]
    firsts, seconds = [], []
    # A pair lies in one block or in two that touch; the earlier one looks for the later one in all nine.
    for across in (-1, 0, 1):
        for along in (-1, 0, 1):
            wanted = blocks(column + across, row + along)
            at = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
            there = np.flatnonzero(known[at] == wanted)
            first, second = _within(key, at[there] * span + time[there], minutes)
            firsts.append(there[first])
            seconds.append(order[second])
    earlier, later = np.concatenate(firsts), np.concatenate(seconds)
    apart = np.hypot(x[earlier] - x[later], y[earlier] - y[later])
    keep = (apart <= metres) & ((time[earlier] < time[later]) | (earlier < later))
    return Pairs(earlier[keep], later[keep])


def _within(
    key: NDArray[np.int64], start: NDArray[np.int64], minutes: tuple[float, float]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """List for each start the positions of sorted keys in ``[start + least, start + largest]``, as two columns."""
    low = np.searchsorted(key, start + int(minutes[0]), side="left")
    high = np.searchsorted(key, start + int(minutes[1]), side="right")
    many = high - low
    owner = np.repeat(np.arange(len(start)), many)
    step = np.arange(len(owner)) - np.repeat(np.cumsum(many) - many, many)
    return owner, low[owner] + step


def _next_days(table: pd.DataFrame) -> float:
    """Pairs that separate incidents would give, from those one and two days apart at the same hour."""
    found = [
        len(near_pairs(table, minutes=(days * _DAY - NEAR_MINUTES, days * _DAY + NEAR_MINUTES))) for days in (1, 2)
    ]
    # The band around a day is twice as wide as the one from zero up.
    return float(np.mean(found)) / 2


def _same_day(table: pd.DataFrame) -> float:
    """Pairs that separate incidents would give, from those one to four hours apart.

    The band holds twelve times the minutes, but of times rounded to the hour only eight times the mass at zero.
    """
    return len(near_pairs(table, minutes=_WITHIN_DAY)) / 8


def _by_category(table: pd.DataFrame, pairs: Pairs) -> dict[str, int]:
    counted = table["category"].iloc[pairs.later].astype(str).value_counts()
    return {str(name): int(count) for name, count in counted.head(5).items()}
