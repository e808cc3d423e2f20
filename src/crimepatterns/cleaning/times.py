"""When it happened, between which moments, and when it became known."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from crimepatterns.cleaning.clock import CivilClock, civil_clock
from crimepatterns.cleaning.precision import DAY, HOUR, ColumnPrecision, Precisions, as_dates, start_column
from crimepatterns.cleaning.schema import ColumnMap, Reason, Rules
from crimepatterns.cleaning.values import GOOD, MISSING, Moments, read_moments
from crimepatterns.domain.incidents import TIME_PRECISION
from crimepatterns.errors import ConfigError

__all__ = ["Spans", "read_spans"]

_MINUTE, _HOUR, _DATE, _MONTH = range(4)

Micros = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Spans:
    """Times of one batch, microseconds since 1970 in UTC, shape (n,) each.

    ``wall`` is ``start`` on the city's clock; ``precision`` indexes `TIME_PRECISION`; ``reason`` holds `Reason`
    values, 0 where the times are good.
    """

    start: Micros
    end: Micros
    known: Micros
    wall: Micros
    precision: NDArray[np.int8]
    reason: NDArray[np.int8]
    repairs: Counter[str]


def read_spans(batch: dict[str, pa.Array], columns: ColumnMap, rules: Rules, *, precision: Precisions) -> Spans:
    """Apply every rule about time to one batch.

    Parameters
    ----------
    batch : dict of str to pyarrow.Array, shape (n,) each
    columns : ColumnMap
    rules : Rules
    precision : Precisions
        The table's own, from `guess_precisions`.
    """
    clock = civil_clock(rules.timezone)
    repairs: Counter[str] = Counter()
    begun = as_dates(read_moments(start_column(batch, columns), rules.time_format), precision.begun, rules)
    shown = _to_wall(begun, clock, rules)
    exact = _exactness(begun, shown, precision.begun.level, guessed=rules.time_precision == "auto")
    wall, wall_end = _widen(shown, exact)
    start, in_gap = _universal(begun, wall, exact, clock, rules)
    end = np.where(exact == _MINUTE, start, clock.to_utc(wall_end)[0]) if exact.any() else start
    reason = _refuse(begun, wall, rules)
    repairs["time in the gap of a clock change, moved forward"] = int((in_gap & (reason == 0)).sum())
    if columns.occurred_until is not None:
        end, ended = _later(batch[columns.occurred_until], clock, rules, precision.until, exact, end)
        reason[(reason == 0) & ended & (end < start)] = Reason.INTERVAL_REVERSED
    known = end + int(rules.assumed_delay_days * DAY)
    if columns.known_at is not None:
        told, was_told = _later(batch[columns.known_at], clock, rules, precision.known, np.zeros_like(exact), known)
        early = was_told & (told < start)
        repairs["known before it happened, moved to the beginning"] = int((early & (reason == 0)).sum())
        known = np.where(early, start, told)
    return Spans(start, end, known, clock.to_wall(start), exact, reason, repairs)


def _precision_of(moments: Moments) -> NDArray[np.int8]:
    return np.array([_MINUTE, _DATE, _MONTH], dtype=np.int8)[moments.coarse]


def _exactness(moments: Moments, wall: Micros, precision: str, *, guessed: bool) -> NDArray[np.int8]:
    """Return the precision of each row: its own, or the file's where that is coarser.

    A guess from the first rows holds only for values it does not change: a time of day is never taken away by it.
    """
    own, level = _precision_of(moments), TIME_PRECISION.index(precision)
    if level == _MINUTE:
        return own
    coarse = np.maximum(own, level).astype(np.int8)
    return np.where(_widen(wall, coarse)[0] == wall, coarse, own).astype(np.int8) if guessed else coarse


def _to_wall(moments: Moments, clock: CivilClock, rules: Rules) -> Micros:
    universal = moments.zoned | (rules.times_are == "utc") & (moments.coarse == 0)
    if not universal.any():
        return moments.micros
    return np.where(universal, clock.to_wall(moments.micros), moments.micros)


def _universal(
    moments: Moments, wall: Micros, exact: NDArray[np.int8], clock: CivilClock, rules: Rules
) -> tuple[Micros, NDArray[np.bool_]]:
    start, in_gap = clock.to_utc(wall)
    # A moment that was given in UTC is kept as it was; the wall clock may show it twice.
    given = (moments.zoned | (rules.times_are == "utc") & (moments.coarse == 0)) & (exact == _MINUTE)
    return (np.where(given, moments.micros, start), in_gap & ~given) if given.any() else (start, in_gap)


def _widen(wall: Micros, exact: NDArray[np.int8]) -> tuple[Micros, Micros]:
    """Return the first moment of the hour, day or month, and the first after it."""
    if not exact.any():
        return wall, wall
    start, end = wall.copy(), wall.copy()
    for level, size in ((_HOUR, HOUR), (_DATE, DAY)):
        rows = exact == level
        if rows.any():
            start[rows] = wall[rows] // size * size
            end[rows] = start[rows] + size
    rows = exact == _MONTH
    if rows.any():
        months = wall[rows].view("datetime64[us]").astype("datetime64[M]")
        start[rows] = months.astype("datetime64[us]").view(np.int64)
        end[rows] = (months + 1).astype("datetime64[us]").view(np.int64)
    return start, end


def _later(
    column: pa.Array,
    clock: CivilClock,
    rules: Rules,
    precision: ColumnPrecision,
    exact: NDArray[np.int8],
    otherwise: Micros,
) -> tuple[Micros, NDArray[np.bool_]]:
    """Read a second moment; where it is blank or unreadable, `otherwise` stands. A coarse one counts to its end."""
    moments = as_dates(read_moments(column, rules.time_format), precision, rules)
    own, shown = _precision_of(moments), _to_wall(moments, clock, rules)
    level = TIME_PRECISION.index(precision.level)
    coarse = np.maximum(np.maximum(own, exact), level).astype(np.int8)
    if coarse.any():
        coarse = np.where(_widen(shown, coarse)[0] == shown, coarse, own).astype(np.int8)
    start, widened = _widen(shown, coarse)
    moment, _ = _universal(moments, start, coarse, clock, rules)
    if coarse.any():
        moment = np.where(coarse == _MINUTE, moment, clock.to_utc(widened)[0])
    there = moments.state == GOOD
    return np.where(there, moment, otherwise), there


def _refuse(moments: Moments, wall: Micros, rules: Rules) -> NDArray[np.int8]:
    earliest = _day(rules.earliest, "cleaning.earliest")
    latest = _day(rules.latest, "cleaning.latest") + DAY
    reason = np.zeros(len(wall), dtype=np.int8)
    reason[wall >= latest] = Reason.TIME_FUTURE
    reason[wall < earliest] = Reason.TIME_ANCIENT
    reason[moments.state != GOOD] = Reason.TIME_UNREADABLE
    reason[moments.state == MISSING] = Reason.TIME_MISSING
    return reason


def _day(text: str, setting: str) -> int:
    try:
        return int(np.datetime64(text[:10], "us").astype(np.int64))
    except ValueError as error:
        raise ConfigError(f"{setting} must be a day such as 2020-01-31, got {text!r}.") from error
