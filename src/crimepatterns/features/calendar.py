"""When a period lies: its place in the year."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crimepatterns.domain.periods import Periods

__all__ = ["calendar_features", "civil_days", "periods_per_year", "year_angle"]

YEAR_DAYS = 365.25


def calendar_features(periods: Periods) -> dict[str, NDArray[np.float32]]:
    """Describe each period by the season and month of its middle.

    Parameters
    ----------
    periods : Periods

    Returns
    -------
    dict of str to ndarray of float32, shape (n_periods,)
        ``season_sin``, ``season_cos`` of the time of year, ``month`` from 1 to 12.
    """
    middle = _middles(periods)
    angle = year_angle(middle)
    return {
        "season_sin": np.sin(angle).astype(np.float32),
        "season_cos": np.cos(angle).astype(np.float32),
        "month": middle.month.to_numpy().astype(np.float32),
    }


def year_angle(moments: pd.DatetimeIndex) -> NDArray[np.float64]:
    """Time of year as an angle, 0 at new year and 2 pi a year later; shape (n,)."""
    day = moments.day_of_year.to_numpy(dtype=float) - 1.0 + moments.hour.to_numpy(dtype=float) / 24.0
    return 2.0 * np.pi * day / YEAR_DAYS


def civil_days(periods: Periods) -> NDArray[np.float64]:
    """Length of each period in civil days: a week over a clock change has seven; shape (n_periods,)."""
    edges = periods.edges.tz_localize(None).as_unit("us").asi8
    days: NDArray[np.float64] = np.diff(edges) / 86_400e6
    return days


def periods_per_year(periods: Periods) -> int:
    """Tell how many such periods a year has, at least 1."""
    return max(1, round(YEAR_DAYS / float(np.median(civil_days(periods)))))


def _middles(periods: Periods) -> pd.DatetimeIndex:
    edges = periods.edges.tz_localize(None).as_unit("us").asi8
    return pd.DatetimeIndex(((edges[:-1] + edges[1:]) // 2).astype("datetime64[us]"))
