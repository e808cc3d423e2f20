"""Values of a database as text columns, keys that survive JSON, and points out of well-known binary."""

import json
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np
import pyarrow as pa

from crimepatterns.errors import SourceError
from crimepatterns.sources.feed import text_of

__all__ = ["key_from_json", "key_to_json", "points_of", "stepped_back", "text_column"]

_STAMP = re.compile(r"^(\d{4}-\d\d-\d\d)(?:([ T])(\d\d:\d\d(?::\d\d)?))?")
_LONGEST_ZONE = timedelta(hours=14)
_READERS: dict[str, Any] = {
    "int": int, "float": float, "str": str, "bool": bool, "Decimal": Decimal, "UUID": UUID,
    "datetime": datetime.fromisoformat, "date": date.fromisoformat,
}  # fmt: skip


def text_column(values: Sequence[Any] | pa.Array) -> pa.Array:
    """Write values as text: moments as ``2016-01-31 13:45:00``, nested values as JSON; binary values are left out.

    Examples
    --------
    >>> text_column([datetime(2024, 5, 1, 7, 30), None]).to_pylist()
    ['2024-05-01 07:30:00', None]
    >>> text_column([Decimal("1.50"), True, b"photo", [1, 2]]).to_pylist()
    ['1.50', 'true', None, '[1, 2]']
    """
    if isinstance(values, pa.Array) and pa.types.is_string(values.type):
        return values
    kinds = {type(value) for value in values} - {type(None)}
    if kinds <= {str}:
        return pa.array(values, pa.string())
    if kinds == {int}:
        try:
            return pa.array(values, pa.int64()).cast(pa.string())
        except (OverflowError, pa.ArrowInvalid):
            pass
    return pa.array([_text(value) for value in values], pa.string())


def key_to_json(value: Any) -> list[Any] | None:
    """Write a key so that it can stand in a cursor.

    Raises
    ------
    SourceError
        If its type has no order that a database and this product agree on.
    """
    if value is None:
        return None
    kind = type(value).__name__
    if kind not in _READERS:
        raise SourceError(f"A key of type {kind} cannot be remembered: expected a number, a text, a moment or a UUID.")
    return [kind, value if kind in {"int", "float", "str", "bool"} else str(value)]


def key_from_json(stored: Sequence[Any] | None) -> Any:
    """Read a key from a cursor.

    Examples
    --------
    >>> key_from_json(key_to_json(datetime(2024, 5, 1, 7, 30)))
    datetime.datetime(2024, 5, 1, 7, 30)
    """
    return None if stored is None else _READERS[stored[0]](stored[1])


def stepped_back(stamp: Any, *, overlap: timedelta, now: datetime) -> Any:
    """Return the update stamp from which the next pull asks again, of the same type as the last one.

    It lies `overlap` before the last stamp, and never in the future, so that one record stamped by a wrong clock does
    not hide all later ones. Stamps that are no moments, such as version numbers, are returned as they are.

    Examples
    --------
    >>> noon = datetime(2024, 5, 1, 12, tzinfo=UTC)
    >>> stepped_back("2024-04-30T10:00:00", overlap=timedelta(hours=1), now=noon)
    '2024-04-30T09:00:00'
    >>> stepped_back(date(2024, 4, 30), overlap=timedelta(hours=1), now=noon)
    datetime.date(2024, 4, 29)
    >>> stepped_back(datetime(2999, 1, 1), overlap=timedelta(0), now=noon)
    datetime.datetime(2024, 4, 30, 22, 0)
    """
    if isinstance(stamp, datetime):
        if stamp.tzinfo is not None:
            return min(stamp, now) - overlap
        # It may be of any zone: what is in the future in all of them becomes the earliest that now may be.
        clock = now.astimezone(UTC).replace(tzinfo=None)
        return (stamp if stamp <= clock + _LONGEST_ZONE else clock - _LONGEST_ZONE) - overlap
    if isinstance(stamp, date):
        return stepped_back(datetime.combine(stamp, time()), overlap=overlap, now=now).date()
    found = _STAMP.match(stamp) if isinstance(stamp, str) else None
    if found is None:
        return stamp
    day, gap, time_of_day = found.groups()
    earlier = stepped_back(datetime.fromisoformat(f"{day} {time_of_day or '00:00'}"), overlap=overlap, now=now)
    return earlier.isoformat(gap, "seconds") if gap else earlier.date().isoformat()


def points_of(values: Sequence[Any], *, srid: int, label: str) -> tuple[pa.Array, pa.Array]:
    """Read points from well-known binary, as bytes or hexadecimal text, also PostGIS's extended form.

    Parameters
    ----------
    values : sequence of bytes, str or None, shape (n,)
    srid : int
        EPSG code for geometries that carry none.
    label : str
        What to call the column in messages.

    Returns
    -------
    longitude, latitude : pyarrow.StringArray, shape (n,)
        Degrees in WGS84, 15 significant digits; null where there is no point, or none that can be projected.

    Raises
    ------
    SourceError
        If a value is no geometry, or its reference system is not known.
    """
    import shapely

    plain = [bytes(value) if isinstance(value, bytearray | memoryview) else value for value in values]
    packed = np.array(plain, dtype=object)
    try:
        shapes = shapely.from_wkb(packed)
    except (shapely.errors.GEOSException, TypeError, ValueError) as error:
        raise SourceError(f"{label} does not hold well-known binary ({' '.join(str(error).split())[:120]}).") from error
    points = np.where((shapely.get_type_id(shapes) == 0) & ~shapely.is_empty(shapes), shapes, None)
    systems = np.where(shapely.get_srid(points) > 0, shapely.get_srid(points), srid)
    x, y = shapely.get_x(points), shapely.get_y(points)
    for system in np.unique(systems[np.isfinite(x)]):
        rows = systems == system
        x[rows], y[rows] = _to_degrees(x[rows], y[rows], int(system), label)
    longitude, latitude = ([f"{value:.15g}" if np.isfinite(value) else None for value in axis] for axis in (x, y))
    return pa.array(longitude, pa.string()), pa.array(latitude, pa.string())


def _to_degrees(x: Any, y: Any, system: int, label: str) -> tuple[Any, Any]:
    import pyproj

    if system == 4326:
        return x, y
    try:
        transformer = pyproj.Transformer.from_crs(f"EPSG:{system}", "EPSG:4326", always_xy=True)
    except pyproj.exceptions.ProjError as error:
        raise SourceError(f"{label} is in the unknown reference system {system}: set source.feed.srid.") from error
    return transformer.transform(x, y)


def _text(value: Any) -> str | None:
    if isinstance(value, bytes | bytearray | memoryview):
        return None
    if isinstance(value, datetime):
        return value.isoformat(" ")
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, dict | list):
        return json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
    return text_of(value) if value is None or isinstance(value, str | bool | int | float) else str(value)
