"""Stretches of time with nothing in them, and sudden breaks in how much there is of each category."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crimepatterns.quality.change_points import count_height, find_changes
from crimepatterns.quality.findings import Finding, by_share, sound
from crimepatterns.quality.record import Record
from crimepatterns.quality.spans import Weeks, dense_span, whole_weeks

__all__ = ["Break", "find_breaks", "gaps", "volume_breaks"]

_GAP_LEVEL = 1e-4
_EMPTY = 0.1
"""A stretch with less than this share of what is usual counts as empty."""

_BREAK_LEVEL = 0.004
"""Chance that a clean city shows any break in any category."""

_LEAST_PER_PERIOD = 3.0
_ALL = "all"
_SMALLEST_STEP, _SMALLEST_BUMP = 0.1, 0.25
_FRAYED = pd.Timedelta(days=27)


@dataclass(frozen=True)
class Break:
    """A sudden change in how much is recorded.

    Parameters
    ----------
    series : str
        The category, or ``all``.
    start, end : Timestamp
        First day at the other level and the first day after it.
    lasting : bool
        Whether the record ends at the new level.
    before, after : float
        Incidents per week right before, and at the other level.
    missing : float
        Incidents that would be there at the old level; negative where there are too many.
    p_value : float
    """

    series: str
    start: pd.Timestamp
    end: pd.Timestamp
    lasting: bool
    before: float
    after: float
    missing: float
    p_value: float

    @property
    def change(self) -> float:
        """Relative change, such as -0.3 for a third less."""
        return self.after / self.before - 1.0 if self.before > 0 else float("inf")

    def to_dict(self) -> dict[str, object]:
        """Return the break as JSON-able values."""
        return {
            "series": self.series,
            "start": str(self.start.date()),
            "end": str(self.end.date()),
            "lasting": self.lasting,
            "per_week_before": round(self.before, 1),
            "per_week_after": round(self.after, 1),
            "missing": round(self.missing),
            "p_value": float(f"{self.p_value:.2g}"),
        }


def gaps(record: Record) -> Finding:
    """Look for days and months in which hardly anything was recorded though much should have been."""
    daily = record.series("category")
    start, end = dense_span(daily)
    total = daily.sum(axis="columns").loc[start:end]
    if not record.dated:
        total = total.groupby(pd.DatetimeIndex(total.index).to_period("M")).sum()
        total.index = pd.PeriodIndex(total.index).start_time
    stretches = list(_empty_stretches(total))
    outside = int(daily.to_numpy().sum() - daily.loc[start:end].to_numpy().sum())
    evidence = {
        "first_day": str(start.date()),
        "last_day": str(end.date()),
        "gaps": [{"start": str(a.date()), "end": str(b.date()), "missing": round(m)} for a, b, m in stretches],
        "stragglers_outside": outside,
    }
    if not stretches:
        return sound("gaps", f"No gap between {start.date()} and {end.date()}.", flag="gaps", evidence=evidence)
    missing = sum(one[2] for one in stretches)
    share = missing / (float(total.sum()) + missing)
    worst = max(stretches, key=lambda one: one[2])
    return Finding(
        "gaps",
        by_share(share, warning=0.002),
        f"{len(stretches)} gap{'s' if len(stretches) > 1 else ''} with hardly any incident; the largest is "
        f"{worst[0].date()} to {worst[1].date()}, where about {worst[2]:,.0f} would be usual.",
        "Ask the publisher for the missing days, and leave them out of training and of comparisons with other years.",
        "gaps",
        affected=missing,
        share=share,
        evidence=evidence,
    )


def find_breaks(record: Record, rng: np.random.Generator) -> tuple[list[Break], Weeks]:
    """Scan every category with enough incidents, and all together, for sudden changes of level.

    The chance of any false break in a city is bounded over all series looked at (Bonferroni).
    """
    daily = record.series("category")
    start, end = dense_span(daily)
    weeks = whole_weeks(daily.loc[start:end])
    counts = weeks.counts.assign(**{_ALL: weeks.counts.sum(axis="columns")})
    enough = [name for name in counts if counts[name].mean() >= _LEAST_PER_PERIOD * weeks.days / 7]
    breaks: list[Break] = []
    for name in enough:
        values = counts[name].to_numpy()
        level = _BREAK_LEVEL / len(enough)
        found = find_changes(count_height(values), periods_per_year=weeks.per_year, level=level, rng=rng)
        measured = [_measured(str(name), values, one.start, one.end, weeks, one.p_value) for one in found]
        large = [one for one in measured if abs(one.change) >= (_SMALLEST_STEP if one.lasting else _SMALLEST_BUMP)]
        breaks += _apart(large)
    return breaks, weeks


def volume_breaks(record: Record, breaks: list[Break], weeks: Weeks) -> Finding:
    """Tell of sudden changes in how much of each category is recorded."""
    rows = float(record.day_counts["incidents"].sum())
    evidence = {"breaks": [one.to_dict() for one in breaks], "weeks": len(weeks.counts), "level": _BREAK_LEVEL}
    if not record.dated or len(weeks.counts) < 12:
        return sound("volume_breaks", "Too few weeks to tell breaks.", flag="volume_breaks", evidence=evidence)
    if not breaks:
        return sound(
            "volume_breaks",
            "No sudden change of volume in any category beyond season, trend and chance.",
            flag="volume_breaks",
            evidence=evidence,
        )
    by_series = [one for one in breaks if one.series != _ALL] or breaks
    moved = sum(abs(one.missing) for one in by_series)
    share = min(moved / rows, 1.0)
    worst = max(by_series, key=lambda one: abs(one.missing))
    return Finding(
        "volume_breaks",
        by_share(share, warning=0.01, serious=0.1),
        f"{len(breaks)} sudden change{'s' if len(breaks) > 1 else ''} of volume; the largest is {worst.series} from "
        f"{worst.before:,.0f} to {worst.after:,.0f} a week on {worst.start.date()}"
        + (", lasting to the end." if worst.lasting else f", until {worst.end.date()}."),
        "Find out whether recording or policing changed; do not train across the break, and do not read it as crime.",
        "volume_breaks",
        affected=moved,
        share=share,
        evidence=evidence,
    )


def _apart(breaks: list[Break]) -> list[Break]:
    """Keep of changes that begin or end together only the largest: the others are its frayed edges."""
    kept: list[Break] = []
    for one in sorted(breaks, key=lambda found: -abs(found.missing)):
        apart = [abs(a - b) for other in kept for a in _edges(one) for b in _edges(other)]
        if not apart or min(apart) > _FRAYED:
            kept.append(one)
    return sorted(kept, key=lambda found: found.start)


def _edges(one: Break) -> tuple[pd.Timestamp, ...]:
    """Days on which the level changes; the end of the record is none."""
    return (one.start,) if one.lasting else (one.start, one.end)


def _measured(name: str, counts: NDArray[np.int64], start: int, end: int, weeks: Weeks, p_value: float) -> Break:
    """Compare the level inside with the stretches beside it, as long as it is but at most a quarter of a year."""
    reach = max(4, round(91 / weeks.days))
    inside = counts[start : min(end, start + reach)]
    beside = counts[max(start - reach, 0) : start]
    if not len(beside):
        beside = counts[end : end + reach]
    first = pd.Timestamp(weeks.counts.index[start])
    last = pd.Timestamp(weeks.counts.index[-1]) + pd.Timedelta(days=weeks.days)
    scale = 7 / weeks.days
    lasting = end == len(counts)
    missing = (float(beside.mean()) - float(counts[start:end].mean())) * (end - start)
    until = last if lasting else pd.Timestamp(weeks.counts.index[end])
    return Break(
        name, first, until, lasting, float(beside.mean()) * scale, float(inside.mean()) * scale, missing, p_value
    )


def _empty_stretches(total: pd.Series) -> Iterator[tuple[pd.Timestamp, pd.Timestamp, float]]:
    """Yield first and last period of each empty stretch, and how many incidents would be usual in it."""
    counts = total.to_numpy(dtype=float)
    around = pd.Series(np.where(counts > 0, counts, np.nan)).rolling(57, center=True, min_periods=3).median()
    usual = around.interpolate(limit_direction="both").fillna(float(np.median(counts))).to_numpy()
    spread = float(np.clip(np.median((counts - usual) ** 2 / np.maximum(usual, 1.0)) / 0.455, 1.0, 10.0))
    empty = counts <= _EMPTY * usual
    edges = np.flatnonzero(np.diff(np.concatenate([[0], empty.astype(np.int8), [0]])))
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        missing = float((usual - counts)[start:end].sum())
        # Under a clean record so little in so much has at most this chance, dispersion included.
        if np.exp(-missing / spread) * len(counts) <= _GAP_LEVEL:
            yield pd.Timestamp(total.index[start]), pd.Timestamp(total.index[end - 1]), missing
