"""How old the record is, how long incidents take to become known, and from when on it is not complete yet."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crimepatterns.quality.change_points import count_height, low_end
from crimepatterns.quality.findings import Finding, Severity, per_cent, sound
from crimepatterns.quality.record import Record
from crimepatterns.quality.spans import dense_span, whole_weeks

__all__ = ["freshness", "recent_weeks", "report_delay"]

_STALE_DAYS, _OLD_DAYS = 90, 730
_LOW_LEVEL = 0.004
_LOW_SHARE = 0.1
_LONGEST_WEEKS = 8
_SETTLED_DAYS = 90
_LAST_DAYS = 28
_SURELY_SEEN = 10.0
_WAITING_NOTE = 0.05
_AT_ONCE = 0.95


def freshness(record: Record) -> Finding:
    """Tell how old the last incident was when the raw copy was made."""
    last = record.table["occurred_from"].max()
    if not record.dated:
        last = max(last, record.table["occurred_until"].max() - pd.Timedelta(microseconds=1))
    taken = record.intake.taken_at
    if taken is None:
        return sound(
            "freshness", f"The record ends on {last.date()}.", flag="stale", evidence={"last": str(last.date())}
        )
    age = max((taken - last).total_seconds() / 86_400, 0.0)
    evidence = {"last": str(last.date()), "taken_at": str(taken.date()), "age_days": round(age, 1)}
    told = f"The last incident was {age:,.0f} days old when the copy was made on {taken.date()}"
    if age <= _STALE_DAYS:
        return sound("freshness", f"{told}.", flag="stale", evidence=evidence)
    return Finding(
        "freshness",
        "note" if age <= _OLD_DAYS else "warning",
        f"{told}.",
        "Fetch newer records before planning from them; use these to learn and to compare.",
        "stale",
        share=1.0,
        affected=len(record.table),
        evidence=evidence,
    )


def report_delay(record: Record) -> Finding:
    """Measure how long it takes until incidents are known, by category."""
    if not record.intake.report_dates:
        delay = record.intake.assumed_delay_days
        return Finding(
            "report_delay",
            "note",
            f"The file does not say when incidents became known; {delay:g} days after they ended are assumed.",
            "Set cleaning.assumed_delay_days to what the agency knows, or ask the publisher for report dates.",
            "no_report_dates",
            affected=len(record.table),
            share=1.0,
            evidence={"assumed_delay_days": delay},
        )
    table = record.table
    days = (table["known_at"] - table["occurred_until"]).dt.total_seconds() / 86_400
    quantiles = [0.5, 0.9, 0.95, 0.99]
    by_category = days.groupby(table["category"], observed=True).quantile(0.95)
    evidence = {
        "quantiles_days": {f"{q:g}": round(float(days.quantile(q)), 2) for q in quantiles},
        "95_by_category": {str(name): round(float(value), 2) for name, value in by_category.items()},
        "share_known_at_once": round(float((days <= 0).mean()), 4),
    }
    if float((days <= 0).mean()) > _AT_ONCE:
        return Finding(
            "report_delay",
            "note",
            "Nearly every incident is said to be known the moment it happened: the report date repeats the incident's.",
            "Do not take these for report dates: set columns.known_at to null and assume a delay.",
            "no_report_dates",
            affected=float((days <= 0).sum()),
            share=float((days <= 0).mean()),
            evidence=evidence,
        )
    half, most = float(days.quantile(0.5)), float(days.quantile(0.95))
    return sound(
        "report_delay",
        f"Half of the incidents are known within {_span(half)}, 95 % within {_span(most)}.",
        flag="no_report_dates",
        evidence=evidence,
    )


def recent_weeks(record: Record, rng: np.random.Generator) -> Finding:
    """Look for a last stretch that is not complete yet: too few incidents in it, or reports that are still to come."""
    flag = "recent_weeks_incomplete"
    if not record.dated:
        return sound("recent_weeks", "Weeks are not known.", flag=flag)
    by_volume, by_delay = _low_volume(record, rng), _still_to_come(record)
    evidence = {"by_volume": by_volume, "by_delay": by_delay}
    missing = max(by_volume.get("missing", 0.0), by_delay.get("missing", 0.0))
    moments = [str(one["complete_until"]) for one in (by_volume, by_delay) if "complete_until" in one]
    if not moments:
        return sound(
            "recent_weeks", "The last weeks are as full as the ones before them.", flag=flag, evidence=evidence
        )
    until = min(moments)
    share = missing / (float(record.day_counts["incidents"].sum()) + missing)
    why = (
        f"{per_cent(by_volume['share_missing'])} fewer incidents than expected"
        if by_volume.get("complete_until") == until
        else f"{per_cent(by_delay['share_missing'])} of the last four weeks' incidents are not yet reported"
    )
    severity: Severity = "warning" if missing > 0 else "note"
    return Finding(
        "recent_weeks",
        severity,
        f"The record is not complete after {until}: {why}.",
        f"Score and compare only until {until}; what comes after will still grow.",
        flag,
        affected=missing,
        share=share,
        evidence={**evidence, "complete_until": until},
    )


def _low_volume(record: Record, rng: np.random.Generator) -> dict[str, Any]:
    """Test whether the last weeks hold fewer incidents than trend and season lead to expect."""
    daily = record.series("category")
    start, end = dense_span(daily)
    total = daily.loc[start:end].sum(axis="columns").to_frame("all")
    weeks = whole_weeks(total)
    counts = weeks.counts["all"].to_numpy()
    longest = max(_LONGEST_WEEKS * 7 // weeks.days, 1)
    low = low_end(count_height(counts), periods_per_year=weeks.per_year, longest=longest, rng=rng)
    if low is None:
        return {}
    reach = max(4, round(91 / weeks.days))
    usual = _usual_at_end(counts, low.start, reach, round(weeks.per_year))
    missing = usual - float(counts[low.start :].sum())
    facts: dict[str, Any] = {
        "weeks": (len(counts) - low.start) * weeks.days // 7,
        "missing": round(missing, 1),
        "share_missing": round(missing / max(usual, 1e-9), 4),
        "p_value": float(f"{low.p_value:.2g}"),
    }
    if low.p_value <= _LOW_LEVEL and facts["share_missing"] >= _LOW_SHARE:
        return facts | {"complete_until": str(pd.Timestamp(weeks.counts.index[low.start]).date())}
    return {key: value for key, value in facts.items() if key != "missing"}


def _usual_at_end(counts: NDArray[np.int64], first: int, reach: int, per_year: int) -> float:
    """Expect of the last periods what those before had, times the change of the season a year ago where it is known."""
    recent = float(counts[max(first - reach, 0) : first].mean())
    length = len(counts) - first
    back = slice(first - per_year, first - per_year + length)
    before = slice(max(first - per_year - reach, 0), first - per_year)
    if first - per_year >= reach and counts[before].mean() > 0:
        recent *= float(np.clip(counts[back].mean() / counts[before].mean(), 0.5, 2.0))
    return recent * length


def _still_to_come(record: Record) -> dict[str, Any]:
    """Estimate from the delays of settled incidents how many of the last four weeks' are not yet reported.

    Where so many of the last days before the export are empty that reports cannot be the reason, the record ended
    there, and nothing more is to come.
    """
    if not record.intake.report_dates:
        return {}
    table = record.table
    export = table["known_at"].max()
    waited = (export - table["occurred_from"]).dt.total_seconds().to_numpy() / 86_400
    delay = (table["known_at"] - table["occurred_from"]).dt.total_seconds().to_numpy() / 86_400
    settled = np.sort(delay[waited >= _SETTLED_DAYS])
    if len(settled) < 500:
        return {}
    days = np.arange(_LAST_DAYS)
    known = np.searchsorted(settled, days + 0.5, side="right") / len(settled)
    before = (waited >= _LAST_DAYS) & (waited < _LAST_DAYS + _SETTLED_DAYS)
    per_day = float(before.sum()) / _SETTLED_DAYS / record.sampled
    empty = min(int(waited.min()), _LAST_DAYS)
    ended = per_day * float(known[:empty].sum()) > _SURELY_SEEN
    open_days = days >= (empty if ended else 0)
    missing = per_day * float((1 - known)[open_days].sum())
    share = missing / max(per_day * float(open_days.sum()), 1e-9)
    facts: dict[str, Any] = {"share_missing": round(share, 4)}
    if share < _WAITING_NOTE:
        return facts
    until = export - pd.Timedelta(days=float(np.quantile(settled, 0.95)))
    return facts | {"missing": round(missing, 1), "complete_until": str(until.date())}


def _span(days: float) -> str:
    return f"{days * 24:,.0f} hours" if days < 2 else f"{days:,.0f} days"
