"""Which formats the times of a column are written in, found from its values; a person confirms what cannot be told."""

import re
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from crimepatterns.cleaning.values import GOOD, MISSING, as_text, read_moments

__all__ = ["TimeFormats", "find_time_formats"]

_CLOCKS = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
_ORDERS = {"day": "%d{0}%m{0}%Y", "month": "%m{0}%d{0}%Y"}
_ISO = (
    "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%Y-%m-%d",
    "%Y-%m-%dT%H:%M:%S.%f", "%Y-%m-%d %H:%M:%S.%f", "%Y-%m-%dT%H:%M:%SZ",
)  # fmt: skip
_OTHERS = ("%Y/%m/%d", "%Y/%m/%d %H:%M", "%Y/%m/%d %H:%M:%S", "%Y%m%d", "%d %b %Y", "%d %b %Y %H:%M", "%d %B %Y")
_MOST = 8
_LEAST = 0.002
"""A further format must read at least this share of the values."""


@dataclass(frozen=True)
class TimeFormats:
    """What was found.

    Parameters
    ----------
    formats : tuple of str
        strptime formats for ``cleaning.time_format``; empty where ISO 8601 reads as much.
    unread : int
        Values that none of them reads.
    order : {"", "day", "month"}
        Which of day and month comes first where numbers alone say it.
    ambiguous : bool
        Whether the other order would read just as many.
    """

    formats: tuple[str, ...]
    unread: int
    order: str = ""
    ambiguous: bool = False


def find_time_formats(column: pa.Array, *, order: str = "") -> TimeFormats:
    """Look for the fewest usual formats that read the values of a column.

    Day before month and month before day are never mixed: the one that reads more values is taken, and what only the
    other would read is left unread.

    Parameters
    ----------
    column : pyarrow.Array
    order : {"", "day", "month"}
        What a person says.
    """
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return TimeFormats((), 0)
    text = pc.utf8_trim_whitespace(as_text(column))
    plain = read_moments(text)
    filled = plain.state != MISSING
    if not filled.any() or (plain.state[filled] == GOOD).all():
        return TimeFormats((), 0)
    read = {one: _reads(text, one) for one in (*_ISO, *_OTHERS)}
    by_order = {name: _of_order(text, name) for name in _ORDERS}
    reach = {name: int(np.logical_or.reduce([*found.values()]).sum()) for name, found in by_order.items()}
    chosen = order if order in _ORDERS else max(reach, key=lambda name: reach[name])
    formats = _cover({**read, **by_order[chosen]}, filled)
    taken = np.logical_or.reduce([{**read, **by_order[chosen]}[one] for one in formats] or [np.zeros_like(filled)])
    if not formats or int(taken.sum()) <= int((plain.state == GOOD).sum()):
        return TimeFormats((), int((plain.state[filled] != GOOD).sum()))
    numeric = any(re.match(r"%[dm].%[dm]", one) for one in formats)
    return TimeFormats(
        formats,
        int((filled & ~taken).sum()),
        chosen if numeric else "",
        numeric and reach["day"] == reach["month"],
    )


def _reads(text: pa.Array, one: str) -> NDArray[np.bool_]:
    return read_moments(text, (one,)).state == GOOD


def _of_order(text: pa.Array, name: str) -> dict[str, NDArray[np.bool_]]:
    tried = (_ORDERS[name].format(sign) + clock for sign in "/.-" for clock in _CLOCKS)
    return {one: _reads(text, one) for one in tried}


def _cover(read: dict[str, NDArray[np.bool_]], filled: NDArray[np.bool_]) -> tuple[str, ...]:
    """Take the format that reads most of what is left, again and again."""
    left = filled.copy()
    chosen: list[str] = []
    while len(chosen) < _MOST and left.any():
        best = max(read, key=lambda one: int((read[one] & left).sum()))
        gain = int((read[best] & left).sum())
        if gain < max(1, _LEAST * filled.sum()):
            break
        chosen.append(best)
        left &= ~read[best]
    return tuple(chosen)
