"""What the members of a pattern have in common, beside how common it is around them; and the five conditions."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crimepatterns.domain.pattern import CommonFactor, Condition, Distinctiveness
from crimepatterns.patterns.rhythms import WEEKDAYS, hour_known, weekday_known
from crimepatterns.patterns.significance import binomial_tail

__all__ = ["CONDITIONS", "common_factors", "five_conditions", "shared_values"]

CONDITIONS: tuple[str, ...] = (
    "At least one thing in common",
    "No known relationship between victims and offenders",
    "Notable and distinct from other activity of the time",
    "Of limited duration",
    "Treated as one unit of analysis, addressed by focused efforts",
)
"""The five conditions of a crime pattern after IACA (2011), White Paper 2011-01, in our words and its order."""

_LEAST_SHARE = 0.6
_LEAST_TIMES = 2.0
_LEVEL = 0.01
_LONGEST_DAYS = 124
_PARTS_OF_DAY = ("00-06", "06-12", "12-18", "18-24")


def shared_values(
    table: pd.DataFrame, labels: Mapping[str, NDArray[np.object_]], codes: Mapping[str, NDArray[np.int64]]
) -> dict[str, NDArray[np.object_]]:
    """Return everything in which incidents can agree: behaviour, words of the text, part of the day and weekday.

    Parameters
    ----------
    table : DataFrame, shape (n, ...)
    labels, codes : mapping of str to ndarray, shape (n,)
        Of `crimepatterns.patterns.cards_fields.Fields`.

    Returns
    -------
    dict of str to ndarray of str, shape (n,)
        Empty where unknown.
    """
    values = dict(labels)
    for name, code in codes.items():
        if name not in labels:
            values[name] = np.where(code >= 0, "yes", "no").astype(object)
    begin = table["occurred_from"].dt
    part = np.array(_PARTS_OF_DAY, dtype=object)[begin.hour.to_numpy() // 6]
    values["part of the day"] = np.where(hour_known(table), part, "")
    day = np.array(WEEKDAYS, dtype=object)[begin.day_of_week.to_numpy()]
    values["weekday"] = np.where(weekday_known(table), day, "")
    return values


def common_factors(
    values: Mapping[str, NDArray[np.object_]], members: NDArray[np.int64], around: NDArray[np.int64]
) -> tuple[CommonFactor, ...]:
    """List values that most members share and that are at least twice as frequent as around them.

    Parameters
    ----------
    values : mapping of str to ndarray of str, shape (n,)
    members, around : ndarray of int64
        Positions of the members, and of the other incidents of the same districts and seasons.

    Returns
    -------
    tuple of CommonFactor
        The least likely first.
    """
    found = []
    for name, column in values.items():
        own = column[members][column[members] != ""]
        if len(own) < 2:
            continue
        named, counts = np.unique(own.astype(str), return_counts=True)
        value, count = str(named[np.argmax(counts)]), int(counts.max())
        if value == "no" and name.startswith("text mentions"):
            continue
        others = column[around][column[around] != ""]
        base = float(np.mean(others == value)) if len(others) else 0.0
        # The tail needs a rate that is not nought: one more incident around that shares the value.
        p = float(binomial_tail(count, len(own), (base * len(others) + 1.0) / (len(others) + 1.0)))
        if count / len(own) >= _LEAST_SHARE and count >= _LEAST_TIMES * base * len(own) and p <= _LEVEL:
            found.append(CommonFactor(name, value, count, len(own), base, p))
    return tuple(sorted(found, key=lambda factor: (factor.p_value, factor.field)))


def five_conditions(
    *,
    factors: Sequence[CommonFactor],
    keys: Mapping[str, str],
    distinctiveness: Distinctiveness,
    level: float,
    times: pd.Series,
    before: int | None,
    relationship: Sequence[str] | None,
    strangers: Sequence[str],
) -> tuple[Condition, ...]:
    """Judge the five conditions of a pattern by what the file shows, and by nothing else.

    Parameters
    ----------
    factors : sequence of CommonFactor
    keys : mapping of str to str
        Fields in which all members were sought to agree, and their value.
    distinctiveness : Distinctiveness
    level : float
    times : Series of Timestamp
        Of the members.
    before : int or None
        Incidents with the same values at the same places in as long a span before; None where the record does not reach
        back so far.
    relationship : sequence of str or None
        Of each member; None where the file has no such column.
    strangers : sequence of str
        Values that say that no relationship is known.
    """
    agreed = ", ".join(f"{name} {value}" for name, value in keys.items())
    listed = "; ".join(str(factor) for factor in factors)
    first = Condition(
        CONDITIONS[0],
        "met" if keys else "not met",
        f"All agree in {agreed}." + (f" Far above the base rate: {listed}." if listed else ""),
    )
    met = max(distinctiveness.p_value, distinctiveness.q_value) <= level
    third = Condition(CONDITIONS[2], "met" if met else "not met", distinctiveness.sentence())
    fifth = Condition(CONDITIONS[4], "unknown", "The analyst decides; no decision is on record.")
    return first, _strangers(relationship, strangers), third, _limited(times, before), fifth


def _strangers(relationship: Sequence[str] | None, strangers: Sequence[str]) -> Condition:
    if relationship is None:
        return Condition(CONDITIONS[1], "unknown", "The file has no column on it.")
    wanted = {value.casefold() for value in strangers}
    known = [value for value in relationship if value]
    related = sum(value.casefold() not in wanted for value in known)
    if related:
        return Condition(CONDITIONS[1], "not met", f"A relationship is recorded for {related} of {len(relationship)}.")
    if len(known) < len(relationship):
        missing = len(relationship) - len(known)
        return Condition(CONDITIONS[1], "unknown", f"Not recorded for {missing} of {len(relationship)}.")
    return Condition(CONDITIONS[1], "met", f"All {len(known)} are recorded as without a known relationship.")


def _limited(times: pd.Series, before: int | None) -> Condition:
    days = int((times.max() - times.min()) / pd.Timedelta(days=1)) + 1
    spans = f"The events span {days} day{'' if days == 1 else 's'}"
    if days > _LONGEST_DAYS:
        return Condition(CONDITIONS[3], "not met", f"{spans}, more than {_LONGEST_DAYS}.")
    if before is None:
        return Condition(CONDITIONS[3], "unknown", f"{spans}; the record does not show what was there before.")
    if 2 * before >= len(times):
        return Condition(CONDITIONS[3], "not met", f"{spans}, but {before} alike were there in as long a time before.")
    return Condition(CONDITIONS[3], "met", f"{spans}; {before} alike in as long a time before.")
