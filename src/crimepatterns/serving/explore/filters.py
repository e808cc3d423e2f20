"""What a question is about: offences, period, areas, shape, hours and discovery, read once and checked at the door."""

import datetime as dt
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyproj
import shapely
from numpy.typing import NDArray

from crimepatterns.serving.explore.record import NO_HOUR, Record, View
from crimepatterns.serving.failures import UnknownNameError, UnreadableRequestError

__all__ = ["MOST_VERTICES", "Condition", "Filters", "condition", "date_of", "read_filters"]

MOST_VERTICES = 500
_MOST_METRES = 50_000.0
_EPOCH = dt.date(1970, 1, 1)
_WEEK_HOURS = 168
_FOUND = {"reported": 0, "police-initiated": 1}

Point = tuple[float, float]


@dataclass(frozen=True)
class Filters:
    """One question's filters; None and empty leave everything in.

    Parameters
    ----------
    offences, areas : tuple of str
        Short names of `Labels`.
    start, end : int
        Days since 1970-01-01, half-open.
    polygon : tuple of (longitude, latitude)
    near : (longitude, latitude, metres) or None
    hours : tuple of int
        Hours of the week, 0 is Monday 00:00 to 01:00.
    found : str or None
        ``reported`` or ``police-initiated``.
    """

    start: int
    end: int
    offences: tuple[str, ...] = ()
    areas: tuple[str, ...] = ()
    polygon: tuple[Point, ...] = ()
    near: tuple[float, float, float] | None = None
    hours: tuple[int, ...] = ()
    found: str | None = None

    def without(self, **changes: object) -> "Filters":
        """Return the same question with some filters taken back."""
        return replace(self, **changes)  # type: ignore[arg-type]

    def told(self) -> dict[str, object]:
        """Return what was asked, for answers and files."""
        return {
            "from": date_of(self.start).isoformat(),
            "until": date_of(self.end).isoformat(),
            "offence": list(self.offences),
            "area": list(self.areas),
            "polygon": [list(point) for point in self.polygon],
            "near": list(self.near) if self.near else None,
            "hours": list(self.hours),
            "discovery": self.found,
        }


@dataclass(frozen=True, eq=False)
class Condition:
    """A question in SQL.

    Parameters
    ----------
    sql : str
        What follows WHERE; values stand in it as ``?``.
    bound : list
    chosen : ndarray of int or None
        Lines that the table ``chosen`` holds.
    """

    sql: str
    bound: list[object]
    chosen: NDArray[np.int64] | None = None

    def also(self, sql: str, *values: object) -> "Condition":
        """Add a part."""
        return Condition(f"{self.sql} AND {sql}", [*self.bound, *values], self.chosen)


def date_of(day: int) -> dt.date:
    """Return a day since 1970-01-01 as a date."""
    return _EPOCH + dt.timedelta(days=int(day))


def read_filters(
    record: Record,
    view: View,
    *,
    offence: str = "",
    start: str = "",
    until: str = "",
    area: str = "",
    polygon: str = "",
    near: str = "",
    hours: str = "",
    discovery: str = "",
) -> Filters:
    """Read the filters of an address.

    Parameters
    ----------
    record, view : Record, View
    offence, area : str
        Short names with commas.
    start, until : str
        Dates; `until` is the day after the last one.
    polygon : str
        ``longitude,latitude;longitude,latitude;...``, at least three corners.
    near : str
        ``longitude,latitude,metres``.
    hours : str
        Hours of the week with commas, ranges such as ``0-5,24-29``.
    discovery : str

    Raises
    ------
    UnreadableRequestError
        If one cannot be understood, or this caller may not use it.
    UnknownNameError
        If there is no such offence or area.
    """
    first = _day(start, record.first, "from")
    end = _day(until, record.end, "until")
    if not view.exact:
        _refuse_fine(hours=hours, discovery=discovery)
        first -= (first + 3) % 7  # whole weeks, from Monday
        end += -(end + 3) % 7
    if end <= first:
        raise UnreadableRequestError(f"until ({date_of(end)}) must be after from ({date_of(first)}).")
    if discovery and discovery not in _FOUND:
        raise UnreadableRequestError(f"discovery must be reported or police-initiated, got {discovery[:40]!r}.")
    return Filters(
        start=first,
        end=end,
        offences=_names(offence, view.labels.nodes, "offence"),
        areas=_names(area, view.labels.hoods, "area"),
        polygon=_polygon(polygon),
        near=_near(near),
        hours=_hours(hours),
        found=discovery or None,
    )


def condition(record: Record, view: View, filters: Filters) -> Condition:
    """Turn filters into SQL with bound values; a polygon into the lines inside it."""
    made = Condition("day >= ? AND day < ?", [filters.start, filters.end])
    nodes = [view.labels.nodes[name] for name in filters.offences]
    if nodes:
        whole = [one.code for one in nodes if one.category is None]
        parts = [one.code for one in nodes if one.category is not None]
        tests = [
            f"{column} IN ({_marks(codes)})" for column, codes in (("category", whole), ("offence", parts)) if codes
        ]
        made = made.also(f"({' OR '.join(tests)})", *whole, *parts)
    if filters.areas:
        codes = [view.labels.hoods[name] for name in filters.areas]
        made = made.also(f"hood IN ({_marks(codes)})", *codes)
    if filters.hours:
        made = made.also(f"how IN ({_marks(filters.hours)})", *filters.hours)
    if filters.found:
        made = made.also("found = ?", _FOUND[filters.found])
    if filters.near:
        x, y = _metric(record, [filters.near[:2]])[0]
        metres = filters.near[2]
        made = made.also("x BETWEEN ? AND ? AND y BETWEEN ? AND ?", x - metres, x + metres, y - metres, y + metres)
        made = made.also("(x - ?) * (x - ?) + (y - ?) * (y - ?) <= ?", x, x, y, y, metres * metres)
    if filters.polygon:
        made = _inside(record, view, filters.polygon, made)
    return made


def _inside(record: Record, view: View, corners: Sequence[Point], so_far: Condition) -> Condition:
    shape = shapely.Polygon(_metric(record, corners))
    if not shape.is_valid:
        raise UnreadableRequestError(f"The polygon cannot be used ({shapely.is_valid_reason(shape)[:80]}).")
    shapely.prepare(shape)
    west, south, east, north = shape.bounds
    boxed = so_far.also("x BETWEEN ? AND ? AND y BETWEEN ? AND ?", west, east, south, north)
    found = record.room.columns(f"SELECT line, x, y FROM {view.table} WHERE {boxed.sql}", boxed.bound)  # noqa: S608
    lines = np.asarray(found["line"], dtype=np.int64)[shapely.intersects_xy(shape, found["x"], found["y"])]
    return Condition(so_far.also("line IN (SELECT line FROM chosen)").sql, so_far.bound, np.sort(lines))


def _metric(record: Record, points: Sequence[Sequence[float]]) -> NDArray[np.float64]:
    to_metres = pyproj.Transformer.from_crs("EPSG:4326", record.area.crs, always_xy=True)
    given = np.asarray(points, dtype=float)
    made = np.column_stack(to_metres.transform(given[:, 0], given[:, 1]))
    if not np.isfinite(made).all():
        raise UnreadableRequestError("The shape lies outside the part of the earth that this city's map can show.")
    return made


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))


def _refuse_fine(**asked: str) -> None:
    for name, value in asked.items():
        if value:
            raise UnreadableRequestError(f"{name} needs a key of role analyst: the public sees whole weeks and cells.")


def _day(text: str, absent: int, name: str) -> int:
    if not text:
        return absent
    try:
        day = (dt.date.fromisoformat(text) - _EPOCH).days
    except ValueError as error:
        raise UnreadableRequestError(f"{name} must be a date such as 2025-03-01, got {text[:40]!r}.") from error
    if not -50_000 < day < 100_000:
        raise UnreadableRequestError(f"{name} is too far away: {text[:40]!r}.")
    return day


def _names(text: str, known: Collection[str], kind: str) -> tuple[str, ...]:
    wanted = tuple(dict.fromkeys(part for part in text.split(",") if part))
    for name in wanted:
        if name not in known:
            raise UnknownNameError(f"No {kind} {name[:60]!r} here: the names stand in /api/explore/facts.")
    return tuple(sorted(wanted))


def _numbers(text: str, most: int, name: str, check: Callable[[int], bool]) -> list[float]:
    parts = text.split(",")
    try:
        values = [float(part) for part in parts[: most + 1]]
    except ValueError as error:
        raise UnreadableRequestError(f"{name} holds something that is not a number.") from error
    if not check(len(values)) or not np.isfinite(values).all():
        raise UnreadableRequestError(f"{name} has the wrong number of finite numbers.")
    return values


def _point(values: Sequence[float], name: str) -> Point:
    longitude, latitude = values
    if abs(longitude) > 180 or abs(latitude) > 85:
        raise UnreadableRequestError(f"{name} must hold longitude and latitude in degrees.")
    return round(longitude, 6), round(latitude, 6)


def _polygon(text: str) -> tuple[Point, ...]:
    if not text:
        return ()
    parts = [part for part in text.split(";") if part]
    if len(parts) > MOST_VERTICES:
        raise UnreadableRequestError(f"The polygon has {len(parts):,} corners, at most {MOST_VERTICES} are read.")
    points = [_point(_numbers(part, 2, "polygon", lambda n: n == 2), "polygon") for part in parts]
    if len(points) > 1 and points[0] == points[-1]:
        points.pop()
    if len(set(points)) < 3:
        raise UnreadableRequestError("The polygon needs at least three corners.")
    return tuple(points)


def _near(text: str) -> tuple[float, float, float] | None:
    if not text:
        return None
    *place, metres = _numbers(text, 3, "near", lambda n: n == 3)
    if not 0 < metres <= _MOST_METRES:
        raise UnreadableRequestError(f"near: the distance must be more than 0 and at most {_MOST_METRES:,.0f} metres.")
    return (*_point(place, "near"), metres)


def _hours(text: str) -> tuple[int, ...]:
    if not text:
        return ()
    if not re.fullmatch(r"\d{1,3}(-\d{1,3})?(,\d{1,3}(-\d{1,3})?)*", text):
        raise UnreadableRequestError("hours must be numbers and ranges such as 0-5,24-29.")
    chosen: set[int] = set()
    for part in text.split(","):
        low, _, high = part.partition("-")
        if int(high or low) >= _WEEK_HOURS or int(high or low) < int(low):
            raise UnreadableRequestError(f"hours: {part} is no part of a week's 168 hours.")
        chosen.update(range(int(low), int(high or low) + 1))
    return tuple(sorted(chosen))


assert NO_HOUR >= _WEEK_HOURS  # noqa: S101  # an hour that is not known is in no selection
