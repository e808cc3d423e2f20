"""From raw columns, as text or typed, to numbers, moments and canonical text; never fails on a bad value."""

import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from crimepatterns.cleaning.taxonomy import blank

__all__ = ["GOOD", "MISSING", "UNREADABLE", "Moments", "as_text", "join_date_and_time", "read_moments", "read_numbers"]

GOOD, MISSING, UNREADABLE = 0, 1, 2

_PIECES = 8
"""A column with bad values is cut into so many pieces, and those that still have any again."""

_MOST_PIECES = 1_000
"""Where there are more, the whole column goes the careful way."""

_MOST_FORGIVEN = 100_000

_DATE_FIELDS = {"year": (0, 4), "month": (5, 2), "day": (8, 2)}
_TIME_FIELDS = {"hour": (11, 2), "minute": (14, 2), "second": (17, 2)}
_LAST_DAYS = np.array([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])

_OWN = threading.local()

_ISO = """
    SELECT epoch_us(CASE WHEN NOT iso THEN NULL
                         WHEN month THEN try_cast(t || '-01' AS TIMESTAMP)
                         WHEN zoned THEN try_cast(t AS TIMESTAMPTZ) AT TIME ZONE 'UTC'
                         ELSE try_cast(t AS TIMESTAMP) END) AS us,
           zoned, (CASE WHEN month THEN 2 WHEN length(t) <= 10 AND NOT contains(t, ':') THEN 1 ELSE 0 END)::TINYINT
           AS coarse
    FROM (SELECT t, coalesce(ascii(t) BETWEEN 48 AND 57 AND regexp_matches(right(t, 1), '[0-9Z]'), false) AS iso,
                 coalesce(length(t) > 10 AND (suffix(t, 'Z') OR (contains(t, ':')
                          AND regexp_matches(right(t, 6), '[+-][0-9]{2}:?[0-9]{2}$'))), false) AS zoned,
                 coalesce(length(t) <= 7 AND regexp_matches(t, '^[0-9]{4}-[0-9]{1,2}$'), false) AS month
          FROM (SELECT trim(v) AS t FROM batch))
"""


@dataclass(frozen=True, eq=False)
class Moments:
    """Moments read from a column.

    Parameters
    ----------
    micros : ndarray of int64, shape (n,)
        Microseconds since 1970 on the wall clock, or in UTC where `zoned`; 0 where `state` is not GOOD.
    state : ndarray of int8, shape (n,)
        GOOD, MISSING or UNREADABLE.
    zoned : ndarray of bool, shape (n,)
        True where the value carried its own offset.
    coarse : ndarray of int8, shape (n,)
        0 where a time of day was written, 1 for a date only, 2 for a month only.
    """

    micros: NDArray[np.int64]
    state: NDArray[np.int8]
    zoned: NDArray[np.bool_]
    coarse: NDArray[np.int8]


def as_text(column: pa.Array) -> pa.Array:
    """Write any column as canonical text: 4 and 4.0 are ``4``, moments are ``2016-01-31 13:45:00``.

    Returns
    -------
    pyarrow.StringArray, shape (n,)
    """
    kind = column.type
    if pa.types.is_dictionary(kind):
        return as_text(column.dictionary).take(column.indices)
    if pa.types.is_string(kind):
        return column
    if pa.types.is_large_string(kind) or pa.types.is_integer(kind) or pa.types.is_string_view(kind):
        return column.cast(pa.string())
    if pa.types.is_null(kind):
        return pa.nulls(len(column), pa.string())
    expression = "v::VARCHAR"
    if pa.types.is_floating(kind):
        expression = (
            "CASE WHEN isnan(v) THEN NULL WHEN v = trunc(v) AND abs(v) < 1e15 THEN v::BIGINT::VARCHAR "
            "ELSE v::DOUBLE::VARCHAR END"
        )
    return _query(f"SELECT {expression} AS v FROM batch", column)["v"]  # noqa: S608  # built from constants only


def read_numbers(column: pa.Array) -> tuple[NDArray[np.float64], NDArray[np.int8]]:
    """Read numbers; decimal points only.

    Returns
    -------
    values : ndarray of float64, shape (n,)
        nan where `state` is not GOOD; the text ``nan`` and ``inf`` are GOOD and not finite.
    state : ndarray of int8, shape (n,)
    """
    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind):
        doubles = column.cast(pa.float64(), safe=False)
        state = np.where(np.asarray(doubles.is_null()), MISSING, GOOD).astype(np.int8)
        return doubles.fill_null(np.nan).to_numpy(zero_copy_only=False), state
    text = as_text(column)
    doubles = _cast(text, pa.float64(), "SELECT try_cast(v AS DOUBLE) AS v FROM batch")
    return doubles.fill_null(np.nan).to_numpy(zero_copy_only=False), _state(text, doubles)


def read_moments(column: pa.Array, formats: tuple[str, ...] = ()) -> Moments:
    """Read moments from typed columns, ISO 8601 text, or text in the given strptime formats."""
    kind = column.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        micros = column.cast(pa.timestamp("us", getattr(kind, "tz", None)), safe=False)
        n, missing = len(column), np.asarray(column.is_null())
        return Moments(
            micros.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False),
            np.where(missing, MISSING, GOOD).astype(np.int8),
            np.full(n, getattr(kind, "tz", None) is not None),
            np.full(n, 1 if pa.types.is_date(kind) else 0, dtype=np.int8),
        )
    text = as_text(column)
    if not formats:
        return _read_iso(text)
    table = _query(_formatted(formats), text)
    return Moments(_numbers(table["us"]), _state(text, table["us"]), _flags(table["zoned"]), _numbers(table["coarse"]))


def join_date_and_time(date: pa.Array, time: pa.Array) -> pa.Array:
    """Write split columns as one text; a time such as ``2130`` becomes ``21:30``, a blank one leaves the date alone."""
    days, hours = as_text(date), as_text(time)
    # A date that arrives as a midnight loses it, so that the time of day can follow.
    days = pc.replace_substring_regex(days, r"[T ]00:00(:00(\.0+)?)?$", "")
    hours = pc.utf8_trim_whitespace(hours)
    hours = pc.replace_substring_regex(hours, r"^(\d{1,2})(\d{2})$", r"\1:\2")
    hours = pc.replace_substring_regex(hours, r"^(\d):", r"0\1:")
    empty = pc.or_kleene(pc.is_null(hours), pc.equal(hours, ""))
    return pc.if_else(empty, days, pc.binary_join_element_wise(days, hours, " "))


def _read_iso(text: pa.Array) -> Moments:
    """Read ISO 8601; what is plainly ``2016-01-31 13:45:00`` or ``2016-01-31`` takes the short way."""
    length = pc.binary_length(text).fill_null(0).to_numpy(zero_copy_only=False)
    timed, dated = (
        _has_shape(text, length, 19, {4: "-", 13: ":", 16: ":"}),
        _has_shape(text, length, 10, {4: "-", 7: "-"}),
    )
    plain = timed | dated
    # What is null stays so; only other writings must be kept from the short way.
    as_it_is = bool(plain.all()) or len(text) - int(plain.sum()) == text.null_count
    short = text if as_it_is else pc.if_else(pa.array(plain), text, pa.scalar(None, pa.string()))
    try:
        parsed = short.cast(pa.timestamp("us"))
    except pa.ArrowInvalid:
        short = _without_impossible(short, timed, dated)
        parsed = _cast(short, pa.timestamp("us"), "SELECT try_cast(v AS TIMESTAMP) AS v FROM batch")
    parsed = parsed.view(pa.int64())
    micros, coarse = _numbers(parsed).copy(), dated.astype(np.int8)
    zoned, read = np.zeros(len(text), dtype=bool), np.asarray(parsed.is_valid()).copy()
    odd = np.flatnonzero(~plain & (length > 0))
    if odd.size:
        table = _query(_ISO, text.take(pa.array(odd)))
        micros[odd], zoned[odd] = _numbers(table["us"]), _flags(table["zoned"])
        coarse[odd], read[odd] = _numbers(table["coarse"]), np.asarray(table["us"].is_valid())
    return Moments(micros, _state_of(text, read), zoned, coarse)


def _without_impossible(text: pa.Array, timed: NDArray[np.bool_], dated: NDArray[np.bool_]) -> pa.Array:
    """Blank out what has the shape of a time but is none, such as 30 February: one such would stop the whole column."""
    offsets = np.frombuffer(text.buffers()[1], dtype=np.int32)[text.offset : text.offset + len(text)]
    letters = np.frombuffer(text.buffers()[2], dtype=np.uint8)
    possible = np.ones(len(text), dtype=bool)
    for shaped, fields in ((timed, _DATE_FIELDS | _TIME_FIELDS), (dated, _DATE_FIELDS)):
        rows = np.flatnonzero(shaped)
        if rows.size:
            start = offsets[rows].astype(np.int64)
            value = {name: _digits(letters, start + place, count) for name, (place, count) in fields.items()}
            good = np.logical_and.reduce([part >= 0 for part in value.values()])
            month = np.clip(value["month"], 1, 12)
            leap = (value["year"] % 4 == 0) & ((value["year"] % 100 != 0) | (value["year"] % 400 == 0))
            last = _LAST_DAYS[month - 1] + (leap & (month == 2))
            good &= (month == value["month"]) & (value["day"] >= 1) & (value["day"] <= last)
            for name, most in (("hour", 23), ("minute", 59), ("second", 59)):
                good &= value.get(name, np.zeros(1, dtype=np.int32)) <= most
            possible[rows] = good
    if possible.all():
        return text
    return pc.if_else(pa.array(possible), text, pa.scalar(None, pa.string()))


def _digits(letters: NDArray[np.uint8], start: NDArray[np.int64], count: int) -> NDArray[np.int32]:
    """Read so many digits from each place on; -1 where something else stands there."""
    total, good = np.zeros(len(start), dtype=np.int32), np.ones(len(start), dtype=bool)
    for k in range(count):
        # What lies below the digits wraps round to above them.
        digit = letters[start + k] - np.uint8(48)
        good &= digit <= 9
        total *= 10
        total += digit
    total[~good] = -1
    return total


def _has_shape(text: pa.Array, length: NDArray[np.int32], size: int, signs: dict[int, str]) -> NDArray[np.bool_]:
    """Tell which values have `size` bytes, the given signs at their places, and a digit at the end."""
    fits = length == size
    rows = np.flatnonzero(fits)
    if rows.size:
        offsets = np.frombuffer(text.buffers()[1], dtype=np.int32)[text.offset : text.offset + len(text)]
        letters, start = np.frombuffer(text.buffers()[2], dtype=np.uint8), offsets[rows]
        last = letters[start + size - 1]
        good = (last >= 48) & (last <= 57)
        for place, sign in signs.items():
            good &= letters[start + place] == ord(sign)
        fits[rows] = good
    return fits


def _cast(text: pa.Array, kind: pa.DataType, careful: str) -> pa.Array:
    """Parse a whole column at once; what cannot be parsed so, value by value with the query that forgives it."""
    try:
        return text.cast(kind)
    except pa.ArrowInvalid:
        pieces = list(islice(_pieces(text, kind), _MOST_PIECES))
        if len(pieces) == _MOST_PIECES:
            return _query(careful, text)["v"].cast(kind)
        values = [piece[0].as_py() for piece, parsed in pieces if parsed is None]
        forgiven = _forgive(values, kind, careful)
        return pa.concat_arrays([forgiven[piece[0].as_py()] if parsed is None else parsed for piece, parsed in pieces])


def _pieces(text: pa.Array, kind: pa.DataType) -> Iterator[tuple[pa.Array, pa.Array | None]]:
    """Cut a column with bad values into parsed pieces and the bad values, each by itself without answer."""
    if len(text) == 1:
        yield text, None
        return
    size = -(-len(text) // _PIECES)
    for piece in (text.slice(start, size) for start in range(0, len(text), size)):
        try:
            yield piece, piece.cast(kind)
        except pa.ArrowInvalid:
            yield from _pieces(piece, kind)


def _forgive(values: list[str], kind: pa.DataType, careful: str) -> dict[str, pa.Array]:
    """Parse bad values; the same few come again and again, so the answers are remembered."""
    if not hasattr(_OWN, "forgiven"):
        _OWN.forgiven = {}
    known = _OWN.forgiven.setdefault(careful, {})
    if len(known) > _MOST_FORGIVEN:
        known.clear()
    new = [value for value in dict.fromkeys(values) if value not in known]
    if new:
        answer = _query(careful, pa.array(new, pa.string()))["v"].cast(kind)
        known.update((value, answer.slice(i, 1)) for i, value in enumerate(new))
    found: dict[str, pa.Array] = known
    return found


def _numbers(column: pa.Array) -> NDArray[Any]:
    return column.fill_null(0).to_numpy(zero_copy_only=False)


def _flags(column: pa.Array) -> NDArray[np.bool_]:
    return pc.fill_null(column, False).to_numpy(zero_copy_only=False)


def _formatted(formats: tuple[str, ...]) -> str:
    tries = ", ".join(f"try_strptime(t, {_quoted(one)})" for one in formats)
    coarse = " ".join(f"WHEN try_strptime(t, {_quoted(one)}) IS NOT NULL THEN {_coarse(one)}" for one in formats)
    zoned = " OR ".join(
        f"try_strptime(t, {_quoted(one)}) IS NOT NULL" if re.search("%z", one) else "false" for one in formats
    )
    return (
        f"SELECT epoch_us(coalesce({tries})) AS us, coalesce({zoned}, false) AS zoned, "  # noqa: S608  # quoted above
        f"(CASE {coarse} ELSE 0 END)::TINYINT AS coarse FROM (SELECT trim(v) AS t FROM batch)"
    )


def _coarse(one: str) -> int:
    if re.search(r"%-?[HIcXT]", one):
        return 0
    return 1 if re.search(r"%-?[djxDF]", one) else 2


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _state(text: pa.Array, parsed: pa.Array) -> NDArray[np.int8]:
    return _state_of(text, np.asarray(parsed.is_valid()))


def _state_of(text: pa.Array, read: NDArray[np.bool_]) -> NDArray[np.int8]:
    written = pc.binary_length(text).fill_null(0).to_numpy(zero_copy_only=False) > 0
    state = np.where(read, GOOD, MISSING).astype(np.int8)
    bad = np.flatnonzero(~read & written)
    if bad.size:
        words = text.take(pa.array(bad)).dictionary_encode()
        verdict = [MISSING if blank(word) else UNREADABLE for word in words.dictionary.to_pylist()]
        state[bad] = np.array(verdict, dtype=np.int8)[words.indices.to_numpy()]
    return state


def _query(sql: str, column: pa.Array) -> dict[str, Any]:
    """Run one query over a column called ``v`` of a table called ``batch``; each thread has its own engine."""
    if not hasattr(_OWN, "connection"):
        _OWN.connection = duckdb.connect(config={"threads": 1})
        _OWN.connection.execute("SET TimeZone = 'UTC'")
    connection = _OWN.connection
    connection.register("batch", pa.table({"v": column}))
    table = connection.sql(sql).to_arrow_table().combine_chunks()
    connection.unregister("batch")
    return {name: _single(table.column(name)) for name in table.column_names}


def _single(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks else pa.array([], column.type)
