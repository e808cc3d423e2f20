"""A layer of places or areas that are not incidents, each row with the span of time in which it counts."""

from dataclasses import dataclass, field
from typing import Literal

import geopandas as gpd
import pandas as pd

from crimepatterns.domain.audit_names import refuse_audit_columns
from crimepatterns.errors import DomainError

__all__ = ["CONTEXT_COLUMNS", "ContextLayer"]

CONTEXT_COLUMNS: tuple[str, ...] = ("starts_at", "ends_at", "geometry")
"""Columns every context layer has; the value columns stand beside them."""

_TYPES = {
    "point": ("Point",),
    "line": ("LineString", "MultiLineString"),
    "polygon": ("Polygon", "MultiPolygon"),
}


@dataclass(frozen=True, eq=False)
class ContextLayer:
    """Places, lines or areas as they were known and valid, one row each.

    Parameters
    ----------
    name : str
    kind : {"point", "line", "polygon"}
    table : GeoDataFrame, shape (n_rows, >= 3)
        ``starts_at``: from when a row counts, because it was known and valid then; ``ends_at``: until when, NaT where
        it still does (both tz-aware UTC, half-open); ``geometry`` in a metric system; numbers in all other columns.
    register : bool
        True where each row has a date of its own: before the first one there were none. False where the whole layer
        became known at one moment: before it nothing is known.
    origin : str

    Raises
    ------
    AuditColumnError
        If the layer or a value column is about race, ethnicity, religion, nationality or income.
    DomainError
        If a column is missing, a geometry is of another kind, or a row ends before it starts.
    """

    name: str
    kind: Literal["point", "line", "polygon"]
    table: gpd.GeoDataFrame = field(repr=False)
    register: bool = False
    origin: str = ""

    def __post_init__(self) -> None:
        missing = [name for name in CONTEXT_COLUMNS if name not in self.table.columns]
        if missing:
            raise DomainError(
                f"Context layer {self.name} needs the columns {missing}, found {list(self.table.columns)}."
            )
        refuse_audit_columns([self.name, *self.value_columns], purpose="a context layer for features")
        others = set(self.table.geometry.geom_type) - set(_TYPES[self.kind])
        if others:
            raise DomainError(
                f"Context layer {self.name} must hold {_TYPES[self.kind]}, found {sorted(map(str, others))}."
            )
        for name in ("starts_at", "ends_at"):
            if not isinstance(self.table[name].dtype, pd.DatetimeTZDtype):
                raise DomainError(f"Context layer {self.name}: {name} must be tz-aware, got {self.table[name].dtype}.")
        if self.table["starts_at"].isna().any():
            raise DomainError(f"Context layer {self.name}: every row needs starts_at.")
        if (self.table["ends_at"] < self.table["starts_at"]).any():
            raise DomainError(f"Context layer {self.name}: ends_at must not be before starts_at.")

    def __len__(self) -> int:
        return len(self.table)

    @property
    def value_columns(self) -> tuple[str, ...]:
        """Names of the columns with numbers."""
        return tuple(str(name) for name in self.table.columns if name not in CONTEXT_COLUMNS)
