"""Cleaned incident records: what happened, when, where and when it became known."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import geopandas as gpd
import pandas as pd

from crimepatterns.domain.area import StudyArea
from crimepatterns.errors import DomainError

__all__ = ["DISCOVERY", "INCIDENT_COLUMNS", "TIME_PRECISION", "Incidents"]

INCIDENT_COLUMNS: tuple[str, ...] = (
    "id",
    "occurred_from",
    "occurred_until",
    "known_at",
    "time_precision",
    "category",
    "offence",
    "discovery",
    "source",
    "x",
    "y",
)
"""Columns every incident table has, in this order; further columns are kept behind them."""

TIME_PRECISION: tuple[str, ...] = ("minute", "hour", "date", "month")
"""How exactly the time is known, from fine to coarse."""

DISCOVERY: tuple[str, ...] = ("reported", "police-initiated")
"""How an incident came to light: told by citizens, or found by police activity."""

_TIME_COLUMNS = ("occurred_from", "occurred_until", "known_at")


@dataclass(frozen=True, eq=False)
class Incidents:
    """A table of cleaned incidents in one study area.

    Parameters
    ----------
    table : DataFrame, shape (n, >= 11)
        The columns of `INCIDENT_COLUMNS`; times tz-aware in the area's zone, ``x`` and ``y`` metres in the area's
        reference system, ``id`` unique. ``[occurred_from, occurred_until)`` is the span in which the incident
        happened; the two are equal where the moment is known.
    area : StudyArea
    provenance : mapping
        Origin, licence and digests of the raw files.

    Raises
    ------
    DomainError
        If a column is missing, ids repeat, times lack a zone, or something was known before it happened.
    """

    table: pd.DataFrame = field(repr=False)
    area: StudyArea
    provenance: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}), repr=False)

    def __post_init__(self) -> None:
        missing = [name for name in INCIDENT_COLUMNS if name not in self.table.columns]
        if missing:
            raise DomainError(f"Incidents need the columns {missing}, found {list(self.table.columns)}.")
        for name in _TIME_COLUMNS:
            if not isinstance(self.table[name].dtype, pd.DatetimeTZDtype):
                raise DomainError(f"Incidents: {name} must be tz-aware, got {self.table[name].dtype}.")
        if self.table["id"].duplicated().any():
            repeated = self.table.loc[self.table["id"].duplicated(), "id"].iloc[0]
            raise DomainError(f"Incident ids must be unique, {repeated!r} repeats.")
        if (self.table["occurred_until"] < self.table["occurred_from"]).any():
            raise DomainError("Incidents: occurred_until must not be before occurred_from.")
        if (self.table["known_at"] < self.table["occurred_from"]).any():
            raise DomainError("Incidents: known_at must not be before occurred_from.")
        if self.table[["x", "y"]].isna().to_numpy().any():
            raise DomainError("Incidents: x and y must be finite.")

    def __len__(self) -> int:
        return len(self.table)

    @property
    def categories(self) -> tuple[str, ...]:
        """Categories present, the most frequent first."""
        return tuple(str(name) for name in self.table["category"].value_counts().loc[lambda n: n > 0].index)

    def as_of(self, moment: pd.Timestamp) -> "Incidents":
        """Return only what had happened and was already known at `moment`, exclusive."""
        return self._where((self.table["known_at"] < moment) & (self.table["occurred_from"] < moment))

    def of(self, *categories: str) -> "Incidents":
        """Return only the incidents of the given categories."""
        return self._where(self.table["category"].isin(categories))

    def between(self, start: pd.Timestamp, end: pd.Timestamp) -> "Incidents":
        """Return only incidents whose ``occurred_from`` lies in ``[start, end)``."""
        return self._where((self.table["occurred_from"] >= start) & (self.table["occurred_from"] < end))

    def without(self, ids: Iterable[str]) -> "Incidents":
        """Return the incidents whose id is not among `ids`."""
        return self._where(~self.table["id"].isin(list(ids)))

    def to_geodataframe(self) -> gpd.GeoDataFrame:
        """Return the table with point geometry in the area's reference system."""
        points = gpd.points_from_xy(self.table["x"], self.table["y"])
        return gpd.GeoDataFrame(self.table.copy(), geometry=points, crs=self.area.crs)

    def _where(self, keep: pd.Series) -> "Incidents":
        if keep.all() and self.table.index.equals(pd.RangeIndex(len(self))):
            return self
        # Some rows of a checked table need no second check, which back-tests would repeat thousands of times.
        some = object.__new__(Incidents)
        rows = self.table.loc[keep].reset_index(drop=True)
        for name, value in (("table", rows), ("area", self.area), ("provenance", self.provenance)):
            object.__setattr__(some, name, value)
        return some
