"""What the checks look at: incidents one by one, counts of every day, and what cleaning had to refuse."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crimepatterns.domain.incidents import Incidents

__all__ = ["DAY_COLUMNS", "Intake", "Record", "count_days"]

DAY_COLUMNS: tuple[str, ...] = ("day", "category", "offence", "discovery", "incidents")
"""Columns of the counts by day; ``day`` is a civil date without a zone."""


@dataclass(frozen=True)
class Intake:
    """What cleaning reports of the raw rows.

    Parameters
    ----------
    rows_in : int
    rejected : mapping of str to int
        Rows refused, by reason in words.
    taken_at : Timestamp or None
        When the raw copy was made, tz-aware; None where it is not known.
    coordinates_crs : str
        Reference system in which the coordinates were published.
    report_dates : bool
        Whether the file says when an incident became known.
    assumed_delay_days : float
        Delay assumed where it does not.
    own_ids : bool
        Whether the publisher gives an identifier to each row.
    drop_duplicates : bool
        Whether cleaning removed equal rows.
    refused_by_label : mapping of str to mapping of str to int
        For each reason the refused rows by the publisher's label.
    rows_by_label : mapping of str to int
        All rows by the publisher's label.
    """

    rows_in: int
    rejected: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    taken_at: pd.Timestamp | None = None
    coordinates_crs: str = "EPSG:4326"
    report_dates: bool = True
    assumed_delay_days: float = 0.0
    own_ids: bool = True
    drop_duplicates: bool = True
    refused_by_label: Mapping[str, Mapping[str, int]] = field(default_factory=lambda: MappingProxyType({}))
    rows_by_label: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, eq=False)
class Record:
    """Everything a check may look at.

    Parameters
    ----------
    incidents : Incidents
        All cleaned incidents, or those of days drawn at random where there are too many.
    day_counts : DataFrame
        The columns of `DAY_COLUMNS`: counts of all incidents, whether drawn or not.
    intake : Intake
    sampled : float
        Share of the days that `incidents` holds; 1 where it holds all.
    """

    incidents: Incidents = field(repr=False)
    day_counts: pd.DataFrame = field(repr=False)
    intake: Intake
    sampled: float = 1.0

    @property
    def table(self) -> pd.DataFrame:
        """The incidents' table."""
        return self.incidents.table

    @cached_property
    def wall(self) -> NDArray[np.int64]:
        """Civil time of ``occurred_from`` in whole seconds since 1970, shape (n,)."""
        return self.table["occurred_from"].dt.tz_localize(None).dt.as_unit("s").to_numpy().astype(np.int64)

    @cached_property
    def points(self) -> NDArray[np.int64]:
        """Number of each incident's exact point (to the millimetre), shape (n,), in no special order."""
        table = self.table
        x, y = (np.round(table[axis].to_numpy(dtype=float) * 1e3).astype(np.int64) for axis in ("x", "y"))
        x, y = x - x.min(initial=0), y - y.min(initial=0)
        key = x * (int(y.max(initial=0)) + 1) + y
        return np.unique(key, return_inverse=True)[1]

    @cached_property
    def places(self) -> NDArray[np.float64]:
        """Coordinates of the distinct points, shape (n_points, 2), in the order of `points`."""
        first = np.empty(int(self.points.max(initial=-1)) + 1, dtype=np.int64)
        first[self.points[::-1]] = np.arange(len(self.points))[::-1]
        return self.table[["x", "y"]].to_numpy(dtype=float)[first]

    @cached_property
    def rows_per_place(self) -> NDArray[np.int64]:
        """Incidents at each distinct point, shape (n_points,)."""
        return np.bincount(self.points, minlength=len(self.places))

    def series(self, column: str) -> pd.DataFrame:
        """Count all incidents by day and the values of one column of `day_counts`; a column per value, no day left out.

        Parameters
        ----------
        column : {"category", "offence", "discovery"}
        """
        wide = self.day_counts.pivot_table(
            index="day", columns=column, values="incidents", aggfunc="sum", fill_value=0, observed=True
        )
        days = pd.date_range(wide.index.min(), wide.index.max(), freq="D")
        return wide.reindex(days, fill_value=0)

    @cached_property
    def dated(self) -> bool:
        """Whether most incidents are known at least to the day."""
        return bool((self.table["time_precision"] != "month").mean() > 0.5)


def count_days(table: pd.DataFrame) -> pd.DataFrame:
    """Count incidents by civil day, category, offence and discovery.

    Parameters
    ----------
    table : DataFrame
        With ``occurred_from`` (tz-aware), ``category``, ``offence`` and ``discovery``.

    Returns
    -------
    DataFrame
        The columns of `DAY_COLUMNS`.
    """
    keys = pd.DataFrame(
        {
            "day": table["occurred_from"].dt.tz_localize(None).dt.normalize().to_numpy(),
            **{name: table[name].to_numpy() for name in ("category", "offence", "discovery")},
        }
    )
    counted = keys.groupby(list(keys.columns), observed=True, sort=True).size()
    return counted.rename("incidents").reset_index()
