"""Days that were not observed but filled in: the first of the month and the first of the year."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from crimepatterns.quality.findings import Finding, by_share, per_cent, sound
from crimepatterns.quality.record import Record
from crimepatterns.quality.spans import dense_span

__all__ = ["first_of_month", "first_of_year"]

_LEVEL = 3e-3
_LEAST_SHARE = 0.001
_REACH_DAYS = 21
_LEAST_DAYS = 90


def first_of_month(record: Record) -> Finding:
    """Look for more incidents on the first of each month, New Year's Day aside, than on the days around it."""
    return _judged(record, "first_of_month", "the first of the month", month=None)


def first_of_year(record: Record) -> Finding:
    """Look for more incidents on the first of January than on the days around it."""
    return _judged(record, "first_of_year", "the first of January", month=1)


def usual_by_day(total: NDArray[np.float64], days: pd.DatetimeIndex) -> NDArray[np.float64]:
    """Expect of each day what the three weeks before and after it had, times the usual factor of its weekday.

    Parameters
    ----------
    total : ndarray of float, shape (n_days,)
    days : DatetimeIndex, shape (n_days,)

    Returns
    -------
    ndarray of float, shape (n_days,)
    """
    weekday = days.day_of_week.to_numpy()
    ordinary = days.day.to_numpy() != 1
    mean = max(float(total[ordinary].mean()), 1e-9)
    factor = np.array([total[ordinary & (weekday == day)].mean() for day in range(7)]) / mean
    level = np.where(ordinary, total / np.maximum(factor[weekday], 1e-9), np.nan)
    around = pd.Series(level).rolling(2 * _REACH_DAYS + 1, center=True, min_periods=_REACH_DAYS)
    smooth = around.mean().interpolate(limit_direction="both").to_numpy()
    # A day is not part of its own expectation.
    size = around.count().to_numpy()
    without = (smooth * size - np.nan_to_num(level)) / np.maximum(size - ordinary, 1)
    return np.asarray(np.where(ordinary, without, smooth) * factor[weekday])


def _judged(record: Record, check: str, named: str, *, month: int | None) -> Finding:
    flag = f"{check}_spike"
    if not record.dated:
        return sound(check, "Days are not known.", flag=flag)
    daily = record.series("category")
    start, end = dense_span(daily)
    total = daily.sum(axis="columns").loc[start:end]
    days = pd.DatetimeIndex(total.index)
    firsts = (days.day == 1) & ((days.month == 1) if month else (days.month != 1))
    if len(days) < _LEAST_DAYS or not firsts.any():
        return sound(check, "The record is too short to tell.", flag=flag)
    counts = total.to_numpy(dtype=float)
    usual = usual_by_day(counts, days)
    ordinary = (days.day != 1) & (usual > 0)
    squares = (counts - usual)[ordinary] ** 2 / usual[ordinary]
    spread = max(float(squares.mean()), 1.0)
    expected, seen = float(usual[firsts].sum()), float(counts[firsts].sum())
    score = (seen - expected) / np.sqrt(spread * expected * (1 + 1 / (2 * _REACH_DAYS)) + 1e-9)
    chance = float(stats.t.sf(score, max(int(ordinary.sum()) - 8, 8)))
    excess = seen - expected
    share = excess / float(counts.sum())
    evidence = {
        "days": int(firsts.sum()),
        "rows": int(seen),
        "expected_rows": round(expected, 1),
        "dispersion": round(spread, 2),
        "p_value": float(f"{chance:.2g}"),
        "excess_by_category": _by_category(daily.loc[start:end], np.asarray(firsts)),
    }
    if chance > _LEVEL or share < _LEAST_SHARE:
        return sound(check, f"No more incidents on {named} than usual.", flag=flag, evidence=evidence)
    return Finding(
        check,
        by_share(share, warning=0.004, serious=0.05),
        f"{seen:,.0f} incidents on {named}, where {expected:,.0f} would be usual ({per_cent(share)} of all rows).",
        "Find out whether unknown dates are filled in; if so, leave these days out of daily and weekly counts.",
        flag,
        affected=excess,
        share=share,
        evidence=evidence,
        rule={"kind": "first_day", "month": month},
    )


def _by_category(daily: pd.DataFrame, firsts: NDArray[np.bool_]) -> dict[str, float]:
    """Excess on the chosen days of the five categories with the largest."""
    days = pd.DatetimeIndex(daily.index)
    excess = {}
    for name in daily:
        counts = daily[name].to_numpy(dtype=float)
        excess[str(name)] = float((counts - usual_by_day(counts, days))[firsts].sum())
    return {name: round(value, 1) for name, value in sorted(excess.items(), key=lambda item: -item[1])[:5]}
