"""Check the rows of a context file: where and when each one counts, and why those that are not used are not."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
import shapely
from numpy.typing import NDArray

from crimepatterns.cleaning.context_shapes import (
    PlaceIndex,
    Refusals,
    keys_of,
    shapes_by_key,
    shapes_of,
    shapes_of_points,
)
from crimepatterns.cleaning.values import GOOD, MISSING, as_text, read_moments, read_numbers
from crimepatterns.domain.area import StudyArea
from crimepatterns.domain.covariates import ALWAYS
from crimepatterns.errors import SchemaError

__all__ = ["CheckedRows", "ContextRules", "check_rows", "newest_versions"]

_NEAR_M = 20_000.0
_UTC = "UTC"
_NEVER = pd.Timestamp("2200-01-01", tz=_UTC)


@dataclass(frozen=True)
class ContextRules:
    """How the rows of one layer are read; the settings of the layer, see ``config.yaml``.

    Parameters
    ----------
    name : str
    kind : {"point", "line", "polygon", "table"}
    known_from : str
        ``always``, a day, or a column.
    known_by : {"always", "date", "column"}
        Which of the three it is.
    timezone : str
        Of the city; dates begin at its civil midnights.
    misfit : str
        Column that marks rows which do not fit the header of their file.
    """

    name: str
    kind: Literal["point", "line", "polygon", "table"]
    known_from: str
    known_by: Literal["always", "date", "column"]
    timezone: str
    misfit: str = ""
    valid_from: str | None = None
    valid_until: str | None = None
    time_format: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    key: str | None = None
    x: str | None = None
    y: str | None = None
    wkt: str | None = None
    crs: str = "EPSG:4326"
    only: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class CheckedRows:
    """What became of the rows of one file.

    Parameters
    ----------
    kept : GeoDataFrame
        ``starts_at``, ``ends_at`` (tz-aware UTC), ``key`` (empty where the layer has none), the value columns,
        ``geometry``.
    rejected : pyarrow.Table
        ``reason``, ``row`` (1 is the first) and every column as text.
    rows_in : int
    reasons, repairs, unread : Counter
        Rows by reason; repairs by kind; values that are no number, by column.
    """

    kept: gpd.GeoDataFrame = field(repr=False)
    rejected: pa.Table = field(repr=False)
    rows_in: int
    reasons: Counter[str]
    repairs: Counter[str]
    unread: Counter[str]


def check_rows(
    table: pa.Table,
    geometry: NDArray[np.object_] | None,
    crs: str | None,
    rules: ContextRules,
    *,
    area: StudyArea,
    places: PlaceIndex | None = None,
) -> CheckedRows:
    """Check every row of one file.

    Parameters
    ----------
    table : pyarrow.Table, shape (n, n_columns)
    geometry : ndarray of shapely Geometry, shape (n,), optional
    crs : str, optional
        What the file names.
    rules : ContextRules
    area : StudyArea
    places : PlaceIndex, optional
        For kind ``table``.

    Raises
    ------
    SchemaError
        If the file has no geometry and the rules name none, or nothing lies within 20 km of the study area.
    """
    refusals, unread = Refusals(table.num_rows), Counter[str]()
    if rules.misfit in table.column_names:
        refusals.refuse(np.asarray(_column(table, rules.misfit).is_valid()), "row does not fit the header")
    _filter(table, rules, refusals)
    keys = np.full(table.num_rows, "", dtype=object) if rules.key is None else keys_of(_column(table, rules.key))
    shapes = _shapes(table, geometry, crs, rules, keys, area=area, places=places, refusals=refusals)
    starts, ends = _times(table, rules, refusals)
    values = _values(table, rules, refusals, unread)
    refusals.refuse(_repeated(table, shapes), "repeats an earlier row")
    good = refusals.good
    kept = gpd.GeoDataFrame(
        {
            "starts_at": starts[good],
            "ends_at": ends[good],
            "key": keys[good],
            **{k: v[good] for k, v in values.items()},
        },
        geometry=shapes[good],
        crs=area.crs,
    )
    if table.num_rows and len(kept):
        _refuse_elsewhere(kept, rules, area)
    reasons = Counter(str(reason) for reason in refusals.reasons[~good])
    return CheckedRows(kept, _rejected(table, refusals), table.num_rows, reasons, refusals.repairs, unread)


def newest_versions(rows: gpd.GeoDataFrame) -> tuple[gpd.GeoDataFrame, int]:
    """Let a later row of a key end the earlier one; of several rows with one key and one start the last stays.

    Parameters
    ----------
    rows : GeoDataFrame
        As `check_rows` keeps them; rows with an empty key are left alone.

    Returns
    -------
    rows : GeoDataFrame
        In order of start, then as given.
    dropped : int
        Rows that another one with the same key and start replaced.
    """
    ordered = rows.sort_values("starts_at", kind="stable")
    keyed = ordered["key"] != ""
    again = keyed & ordered.duplicated(["key", "starts_at"], keep="last")
    ordered = ordered.loc[~again].reset_index(drop=True)
    following = ordered.groupby("key")["starts_at"].shift(-1)
    ends = ordered["ends_at"]
    replaced = (ordered["key"] != "") & following.notna() & (ends.isna() | (ends > following))
    ordered["ends_at"] = ends.where(~replaced, following)
    return ordered, int(again.sum())


def _filter(table: pa.Table, rules: ContextRules, refusals: Refusals) -> None:
    for name, wanted in rules.only.items():
        allowed = {value.strip().casefold() for value in wanted}
        values = as_text(_column(table, name)).to_pylist()
        other = np.array([value is None or value.strip().casefold() not in allowed for value in values], dtype=bool)
        refusals.refuse(other, f"not among the values of only for {name}")


def _shapes(
    table: pa.Table,
    geometry: NDArray[np.object_] | None,
    crs: str | None,
    rules: ContextRules,
    keys: NDArray[np.object_],
    *,
    area: StudyArea,
    places: PlaceIndex | None,
    refusals: Refusals,
) -> NDArray[np.object_]:
    if rules.kind == "table":
        if places is None:
            raise SchemaError(f"Context {rules.name}: a table needs the places its key refers to.")
        return shapes_by_key(keys, places, refusals)
    if rules.x is not None and rules.y is not None:
        geometry, crs = shapes_of_points(_column(table, rules.x), _column(table, rules.y), refusals), None
    elif rules.wkt is not None:
        texts = as_text(_column(table, rules.wkt)).to_numpy(zero_copy_only=False)
        geometry, crs = shapely.from_wkt(texts, on_invalid="ignore"), None
        refusals.refuse(shapely.is_missing(geometry) & (texts != None), "geometry cannot be read")  # noqa: E711
    if geometry is None:
        raise SchemaError(
            f"Context {rules.name}: the file holds no geometry, only the columns {table.column_names[:30]}: set x and "
            "y, or wkt, or kind: table with a key."
        )
    return shapes_of(geometry, crs, rules.kind, declared_crs=rules.crs, area_crs=area.crs, refusals=refusals)


def _times(table: pa.Table, rules: ContextRules, refusals: Refusals) -> tuple[pd.DatetimeIndex, pd.DatetimeIndex]:
    """Return from when and until when each row counts: known and valid, in UTC."""
    rows = table.num_rows
    if rules.known_by == "column":
        starts, missing = _moments(table, rules.known_from, rules, refusals, month="end")
        refusals.refuse(missing, "knowledge date is missing")
    else:
        day = ALWAYS if rules.known_by == "always" else pd.Timestamp(rules.known_from).tz_localize(rules.timezone)
        starts = pd.DatetimeIndex([day.tz_convert(_UTC)] * rows).as_unit("us")
    if rules.valid_from is not None:
        valid, missing = _moments(table, rules.valid_from, rules, refusals, month="begin")
        starts = starts.where(missing | (valid <= starts), valid)
    ends = pd.DatetimeIndex([pd.NaT] * rows, tz=_UTC).as_unit("us")
    if rules.valid_until is not None:
        ends, _ = _moments(table, rules.valid_until, rules, refusals, month="after")
        ends = _blanked(ends, np.asarray(ends < _NEVER))
    refusals.refuse(np.asarray(ends <= starts), "was over before it was known")
    return starts, ends


def _moments(
    table: pa.Table, name: str, rules: ContextRules, refusals: Refusals, *, month: Literal["begin", "end", "after"]
) -> tuple[pd.DatetimeIndex, NDArray[np.bool_]]:
    """Read a column of dates as moments in UTC, and tell which are missing.

    A month stands for its first day (``begin``), its last (``end``), or the first day after it (``after``); with
    ``after`` a day stands for the one that follows it.
    """
    found = read_moments(_column(table, name), rules.time_format)
    refusals.refuse((found.state != GOOD) & (found.state != MISSING), f"{name} cannot be read as a date")
    good = found.state == GOOD
    # Publishers write 1900 and 9999 for what has no beginning and no end.
    first, last = pd.DatetimeIndex([ALWAYS, _NEVER]).as_unit("us").asi8
    wall = pd.DatetimeIndex(np.clip(found.micros, first, last).astype("datetime64[us]"))
    if month != "begin":
        monthly = wall + pd.offsets.MonthBegin(1) - pd.Timedelta(days=0 if month == "after" else 1)
        wall = wall.where(found.coarse != 2, monthly.as_unit("us"))
    if month == "after":
        # Many portals write a day as its midnight.
        wall = wall.where((found.coarse == 2) | (wall != wall.normalize()), wall + pd.Timedelta(days=1))
    local = wall.tz_localize(rules.timezone, ambiguous=np.ones(len(wall), dtype=bool), nonexistent="shift_forward")
    moments = local.tz_convert(_UTC).where(~found.zoned, wall.tz_localize(_UTC)).as_unit("us")
    return _blanked(moments, good), ~good


def _blanked(moments: pd.DatetimeIndex, good: NDArray[np.bool_]) -> pd.DatetimeIndex:
    micros = np.where(good, moments.asi8, np.iinfo(np.int64).min)
    return pd.DatetimeIndex(micros.view("datetime64[us]")).tz_localize(_UTC)


def _values(
    table: pa.Table, rules: ContextRules, refusals: Refusals, unread: Counter[str]
) -> dict[str, NDArray[np.float64]]:
    values = {}
    for name in rules.columns:
        numbers, state = read_numbers(_column(table, name))
        values[name] = np.where(np.isfinite(numbers), numbers, np.nan)
        wrong = int(((state != GOOD) & (state != MISSING)).sum())
        if wrong:
            unread[name] += wrong
    if values:
        nothing = np.isnan(np.column_stack(list(values.values()))).all(axis=1)
        refusals.refuse(nothing, f"no number in {', '.join(rules.columns)}")
    return values


def _repeated(table: pa.Table, shapes: NDArray[np.object_]) -> NDArray[np.bool_]:
    """Tell which rows equal an earlier one in every column and in their geometry."""
    frame = pd.DataFrame({i: as_text(_single(column)).to_pylist() for i, column in enumerate(table.columns)})
    frame["geometry"] = shapely.to_wkb(shapes)
    return np.asarray(frame.duplicated(), dtype=bool)


def _refuse_elsewhere(kept: gpd.GeoDataFrame, rules: ContextRules, area: StudyArea) -> None:
    near = shapely.dwithin(kept.geometry.to_numpy(), area.polygon, _NEAR_M)
    if not near.any():
        raise SchemaError(
            f"Context {rules.name}: none of {len(kept):,} rows lies within {_NEAR_M / 1000:.0f} km of the study area: "
            "check crs, and the order of x and y."
        )


def _rejected(table: pa.Table, refusals: Refusals) -> pa.Table:
    rows = np.flatnonzero(~refusals.good)
    gone = table.take(pa.array(rows))
    names = ["reason", "row", *(f"raw_{name}" if name in {"reason", "row"} else name for name in gone.column_names)]
    columns = [
        pa.array(refusals.reasons[rows].tolist(), pa.string()),
        pa.array(rows + 1),
        *[as_text(_single(one)) for one in gone.columns],
    ]
    return pa.table(columns, names=names)


def _column(table: pa.Table, name: str) -> pa.Array:
    if name not in table.column_names:
        raise SchemaError(f"No column {name!r} in the copy of a context file, it has {table.column_names[:30]}.")
    return _single(table.column(name))


def _single(column: pa.ChunkedArray) -> pa.Array:
    joined = column.combine_chunks()
    return joined.chunk(0) if isinstance(joined, pa.ChunkedArray) else joined
