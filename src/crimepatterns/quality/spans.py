"""Days and weeks of a record: where it really begins and ends, and counts of whole weeks."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["Weeks", "dense_span", "whole_weeks"]

_THIN = 0.1
_MOST_PERIODS = 270


@dataclass(frozen=True, eq=False)
class Weeks:
    """Counts of equally long stretches that end on the last day of the record.

    Parameters
    ----------
    counts : DataFrame, shape (n_periods, n_series)
        Indexed by the first day of each stretch.
    days : int
        Length of a stretch: 7, or 28 in long records.
    """

    counts: pd.DataFrame
    days: int

    @property
    def per_year(self) -> float:
        """Stretches per year."""
        return 365.25 / self.days


def dense_span(daily: pd.DataFrame) -> tuple[pd.Timestamp, pd.Timestamp]:
    """Find the first and the last day of the record proper, without a few stragglers long before or after it.

    Parameters
    ----------
    daily : DataFrame
        Counts by day, no day left out, one column per series.
    """
    total = daily.sum(axis="columns")
    months = total.groupby(pd.DatetimeIndex(total.index).to_period("M")).sum()
    typical = float(months[months > 0].median())
    proper = months.index[months >= _THIN * typical]
    inside = total[(total.index >= proper[0].start_time) & (total.index <= proper[-1].end_time) & (total > 0)]
    return pd.Timestamp(inside.index[0]), pd.Timestamp(inside.index[-1])


def whole_weeks(daily: pd.DataFrame) -> Weeks:
    """Sum days to weeks, counted back from the last day, so that none is incomplete.

    Parameters
    ----------
    daily : DataFrame
        Counts by day of the record proper, no day left out.
    """
    days = 7 if len(daily) <= 7 * _MOST_PERIODS else 28
    periods = len(daily) // days
    kept = daily.iloc[len(daily) - periods * days :]
    values: NDArray[np.int64] = kept.to_numpy(dtype=np.int64).reshape(periods, days, -1).sum(axis=1)
    return Weeks(pd.DataFrame(values, index=kept.index[::days], columns=daily.columns), days)
