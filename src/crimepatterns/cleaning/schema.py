"""What cleaning is told: which column holds what, how values are read, and which rows are refused."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import IntEnum

from crimepatterns.errors import SchemaError

__all__ = ["FILE_COLUMN", "REASONS", "ColumnMap", "Reason", "Rules", "check_columns"]

FILE_COLUMN = "_file"
"""Stands for the name of the file a row came from, for publishers with one file per category."""


@dataclass(frozen=True)
class ColumnMap:
    """Which raw column holds what; None where there is none. The names are those of ``columns`` in the settings."""

    id: str | None = None
    occurred_from: str | None = None
    occurred_until: str | None = None
    known_at: str | None = None
    date: str | None = None
    time: str | None = None
    category: str | None = None
    offence: str | None = None
    discovery: str | None = None
    x: str | None = None
    y: str | None = None
    longitude: str | None = None
    latitude: str | None = None
    area: str | None = None
    extra: tuple[str, ...] = ()

    @property
    def mapped(self) -> dict[str, str]:
        """Setting to raw column, for every mapped single column."""
        pairs = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "extra"}
        return {setting: column for setting, column in pairs.items() if column is not None}

    @property
    def used(self) -> tuple[str, ...]:
        """Raw columns that are mapped, each once."""
        return tuple(dict.fromkeys([*self.mapped.values(), *self.extra]))

    @property
    def has_coordinates(self) -> bool:
        """Whether a pair of coordinate columns is mapped."""
        return (self.x is not None and self.y is not None) or (self.longitude is not None and self.latitude is not None)


@dataclass(frozen=True)
class Rules:
    """How values are read and which rows are refused; the names are those of ``cleaning`` in the settings.

    ``latest`` is the last civil day on which an incident may have begun.
    """

    timezone: str
    latest: str
    time_format: tuple[str, ...] = ()
    times_are: str = "local"
    time_precision: str = "auto"
    coordinates_crs: str = "EPSG:4326"
    swap_coordinates: bool = False
    earliest: str = "1990-01-01"
    assumed_delay_days: float = 0.0
    drop_duplicates: bool = True


class Reason(IntEnum):
    """Why a row is not kept.

    Where several apply, the last two come before all others, and of those the first in this order is given.
    """

    KEPT = 0
    UNREADABLE = 1
    TIME_MISSING = 2
    TIME_UNREADABLE = 3
    TIME_ANCIENT = 4
    TIME_FUTURE = 5
    INTERVAL_REVERSED = 6
    CATEGORY_MISSING = 7
    CATEGORY_UNMAPPED = 8
    COORDINATES_MISSING = 9
    COORDINATES_UNREADABLE = 10
    COORDINATES_NOT_FINITE = 11
    COORDINATES_ZERO = 12
    COORDINATES_IMPOSSIBLE = 13
    OUTSIDE_AREA = 14
    DUPLICATE = 15
    ID_REPEATED = 16
    SUPERSEDED = 17
    WITHDRAWN = 18


REASONS: dict[Reason, str] = {
    Reason.KEPT: "kept",
    Reason.UNREADABLE: "row does not fit the header",
    Reason.TIME_MISSING: "time is missing",
    Reason.TIME_UNREADABLE: "time cannot be read",
    Reason.TIME_ANCIENT: "time is before cleaning.earliest",
    Reason.TIME_FUTURE: "time is in the future",
    Reason.INTERVAL_REVERSED: "interval ends before it begins",
    Reason.CATEGORY_MISSING: "category is missing",
    Reason.CATEGORY_UNMAPPED: "category is not in taxonomy.mapping",
    Reason.COORDINATES_MISSING: "coordinates are missing",
    Reason.COORDINATES_UNREADABLE: "coordinates cannot be read",
    Reason.COORDINATES_NOT_FINITE: "coordinates are not finite",
    Reason.COORDINATES_ZERO: "coordinates are zero (null island)",
    Reason.COORDINATES_IMPOSSIBLE: "coordinates are impossible in their reference system",
    Reason.OUTSIDE_AREA: "outside the study area",
    Reason.DUPLICATE: "equal to an earlier row in every mapped column",
    Reason.ID_REPEATED: "id of an earlier row",
    Reason.SUPERSEDED: "replaced by a later version of the record",
    Reason.WITHDRAWN: "withdrawn by the publisher",
}
"""Every reason in words, as tables and reports print it."""


def check_columns(columns: ColumnMap, found: Sequence[str], *, source: str, dropped: Sequence[str] = ()) -> None:
    """Make sure that every mapped column is there.

    Parameters
    ----------
    columns : ColumnMap
    found : sequence of str
        Columns of the raw table.
    source : str
        What to call the table in a message.
    dropped : sequence of str
        Columns that were not copied because they look personal.

    Raises
    ------
    SchemaError
        Naming the missing column, the most similar one and all that were found.
    """
    wanted = [*columns.mapped.items(), *[("extra", column) for column in columns.extra]]
    for setting, column in wanted:
        if column in found or column == FILE_COLUMN:
            continue
        if column in dropped:
            raise SchemaError(
                f"columns.{setting} names {column!r}, which was not copied from {source} because it looks personal: "
                "name it in source.keep_columns if it may be kept."
            )
        folded = {name.casefold(): name for name in reversed(found)}
        close = difflib.get_close_matches(column.casefold(), list(folded), n=1, cutoff=0.5)
        hint = f"; did you mean {folded[close[0]]!r}?" if close else "."
        listed = ", ".join(found[:20]) + (f" and {len(found) - 20} more" if len(found) > 20 else "")
        one = " Only one column was found: check source.delimiter." if len(found) == 1 else ""
        raise SchemaError(
            f"columns.{setting} names {column!r}, which {source} does not have{hint} Found: {listed}.{one}"
        )
