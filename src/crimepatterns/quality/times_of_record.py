"""Hours that were not observed but filled in: midnight, noon, the full hour; and how exactly times are known at all."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from crimepatterns.domain.incidents import TIME_PRECISION
from crimepatterns.quality.consequences import peak_shift
from crimepatterns.quality.findings import Finding, Severity, by_share, per_cent, sound
from crimepatterns.quality.leave_out import affected_rows
from crimepatterns.quality.record import Record

__all__ = ["ClockCounts", "clock_counts", "hours_unreliable", "intervals", "on_the_hour", "spike", "time_precision"]

_LEVEL = 1e-3
_LEAST_SHARE = 0.001
"""An excess below this share of the timed rows is not worth telling."""

_LEAST_TIMED = 200
_DAY_S = 86_400
_LONG_H = 30 * 24.0
_UNKNOWN_NOTE, _UNKNOWN_WARNING, _UNKNOWN_SERIOUS = 0.02, 0.10, 0.50


@dataclass(frozen=True, eq=False)
class ClockCounts:
    """Timed incidents by minute of the day.

    Parameters
    ----------
    minutes : ndarray of int, shape (1440,)
    rows : int
        All incidents, timed or not.
    """

    minutes: NDArray[np.int64]
    rows: int

    @property
    def timed(self) -> int:
        """Incidents with a time of day."""
        return int(self.minutes.sum())

    @property
    def full_hours(self) -> NDArray[np.int64]:
        """Incidents on each full hour, shape (24,)."""
        return self.minutes[::60]

    @property
    def between(self) -> NDArray[np.int64]:
        """Incidents in the other 59 minutes of each hour, shape (24,)."""
        return np.asarray(self.minutes.reshape(24, 60)[:, 1:].sum(axis=1))


def clock_counts(record: Record) -> ClockCounts:
    """Count the incidents whose time of day is given, by minute of the day (civil time)."""
    timed = record.table["time_precision"].isin(("minute", "hour")).to_numpy(dtype=bool)
    minute = record.wall[timed] % _DAY_S // 60
    return ClockCounts(np.bincount(minute, minlength=1440).astype(np.int64), len(record.table))


def on_the_hour(clock: ClockCounts) -> Finding:
    """Look for times rounded to the full hour: of exact times one in sixty falls on it."""
    if clock.timed < _LEAST_TIMED:
        return sound("on_the_hour", "Too few incidents have a time of day.", flag="minutes_rounded")
    hours = int(clock.full_hours.sum())
    share = hours / clock.timed
    excess = max((share - 1 / 60) / (1 - 1 / 60), 0.0)
    halves = int(clock.minutes[30::60].sum())
    fives = int(clock.minutes.reshape(-1, 5)[:, 0].sum())
    evidence = {
        "share_on_the_hour": round(share, 4),
        "expected": round(1 / 60, 4),
        "share_on_the_half_hour": round(halves / clock.timed, 4),
        "share_on_five_minutes": round(fives / clock.timed, 4),
        "timed": clock.timed,
    }
    chance = float(stats.binom.sf(hours - 1, clock.timed, 1 / 60))
    if chance > _LEVEL or excess < _LEAST_SHARE:
        return sound(
            "on_the_hour",
            f"{per_cent(share)} of the times lie on the full hour, as exact times would.",
            flag="minutes_rounded",
            evidence=evidence,
        )
    return Finding(
        "on_the_hour",
        by_share(excess, warning=0.02, serious=0.8),
        f"{per_cent(share)} of the times lie on the full hour, where exact times would have 1.7 %.",
        "Trust the hour but not the minute: use windows of an hour or more, also for near repeats.",
        "minutes_rounded",
        affected=excess * clock.timed,
        share=excess,
        evidence=evidence,
    )


def spike(clock: ClockCounts, *, hour: int) -> Finding:
    """Look for a default time: more incidents exactly at midnight, or noon, than the rounding of other hours explains.

    The odds of a full hour against the rest of its hour are compared with those of the 22 ordinary hours, whose own
    spread counts as chance (random effects, DerSimonian and Laird 1986, https://doi.org/10.1016/0197-2456(86)90046-2).

    Parameters
    ----------
    clock : ClockCounts
    hour : {0, 12}
    """
    check, named = ("midnight", "midnight") if hour == 0 else ("noon", "noon")
    if clock.timed < _LEAST_TIMED:
        return sound(check, "Too few incidents have a time of day.", flag=f"{check}_spike")
    at, rest = clock.full_hours + 0.5, clock.between + 0.5
    ordinary = np.array([h for h in range(24) if h not in (0, 12)])
    centre, spread, of_centre = _pooled(np.log(at / rest)[ordinary], (1 / at + 1 / rest)[ordinary])
    difference = float(np.log(at[hour] / rest[hour]) - centre)
    score = difference / np.sqrt(1 / at[hour] + 1 / rest[hour] + spread + of_centre)
    chance = float(stats.t.sf(score, len(ordinary) - 1))
    expected = float(np.exp(centre) * rest[hour])
    excess = max(float(at[hour]) - expected, 0.0)
    beside = _minute_after(clock) if hour == 0 else 0.0
    share_at = int(clock.full_hours[hour]) / clock.timed
    evidence = {
        f"share_at_{named}": round(share_at, 4),
        "rows": int(clock.full_hours[hour]),
        "expected_rows": round(expected, 1),
        "p_value": float(f"{chance:.2g}"),
    }
    if hour == 0:
        evidence["excess_at_00_01"] = round(beside, 1)
    found = chance <= _LEVEL and excess >= _LEAST_SHARE * clock.timed
    affected = (excess if found else 0.0) + (beside if beside >= _LEAST_SHARE * clock.timed else 0.0)
    if affected == 0:
        return sound(
            check,
            f"{per_cent(share_at)} of the times are exactly {named}, about as many as other full hours suggest.",
            flag=f"{check}_spike",
            evidence=evidence,
        )
    if hour == 0 and beside > excess:
        named, share_at = "midnight or 00:01", share_at + float(clock.minutes[1]) / clock.timed
    return Finding(
        check,
        by_share(affected / clock.timed, warning=0.004, serious=0.05),
        f"{per_cent(share_at)} of the times are exactly {named}; about {affected:,.0f} more than the other times lead "
        "to expect.",
        f"Treat times at {named} as unknown hours: they move the peak of hour charts and shifts.",
        f"{check}_spike",
        affected=affected,
        share=affected / clock.timed,
        evidence=evidence,
        rule={"kind": "minutes_of_day", "minutes": [hour * 60, *([1] if hour == 0 and beside else [])]},
    )


def time_precision(record: Record) -> Finding:
    """Tell how exactly times are known, and whether records of several kinds are mixed."""
    counted = record.table["time_precision"].astype(str).value_counts()
    shares = {name: float(counted.get(name, 0) / len(record.table)) for name in TIME_PRECISION}
    coarse = shares["date"] + shares["month"]
    evidence = {"shares": {name: round(share, 4) for name, share in shares.items() if share}}
    if coarse == 0 and shares["hour"] < 0.5:
        return sound("time_precision", "Times are given to the minute.", flag="times_coarse", evidence=evidence)
    if coarse == 0:
        return Finding(
            "time_precision",
            "note",
            f"{per_cent(shares['hour'])} of the times are given to the hour only.",
            "Use windows of an hour or more.",
            "times_coarse",
            affected=counted.get("hour", 0),
            share=shares["hour"],
            evidence=evidence,
        )
    unit = "month" if shares["month"] >= shares["date"] else "day"
    mixed = " and the others more exactly" if coarse < 0.995 else ""
    severity: Severity = "serious" if shares["month"] >= 0.5 else by_share(coarse, warning=0.02, serious=0.5)
    return Finding(
        "time_precision",
        severity,
        f"{per_cent(coarse)} of the times are known to the {unit} only{mixed}.",
        "Weeks and days cannot be counted, forecast or scored; maps of the whole period can."
        if unit == "month"
        else "Leave these rows out of charts by hour, and do not plan shifts from them.",
        "times_coarse",
        affected=coarse * len(record.table),
        share=coarse,
        evidence=evidence,
        rule={"kind": "precision", "levels": ["date", "month"]},
    )


def intervals(record: Record) -> Finding:
    """Measure the spans between earliest and latest possible moment, and look for spans that tell nothing."""
    table = record.table[record.table["time_precision"].isin(("minute", "hour"))]
    hours = (table["occurred_until"] - table["occurred_from"]).dt.total_seconds().to_numpy() / 3600
    spans = hours[hours > 0]
    evidence: dict[str, object] = {"share_with_interval": round(len(spans) / max(len(table), 1), 4)}
    if not len(spans):
        return sound("intervals", "Every time is a moment, none a span.", flag="long_intervals", evidence=evidence)
    quarter, middle, three = np.quantile(spans, [0.25, 0.5, 0.75])
    endless = float((hours > _LONG_H).mean())
    evidence |= {
        "share_without_end": round(float((hours <= 0).mean()), 4),
        "quartiles_h": [round(float(quarter), 1), round(float(middle), 1), round(float(three), 1)],
        "share_over_a_day": round(float((hours > 24).mean()), 4),
        "share_over_30_days": round(endless, 4),
        "longest_days": round(float(spans.max()) / 24, 1),
    }
    usual = f"Half of the {per_cent(len(spans) / len(table))} given as a span are known to within {middle:,.0f} h"
    if endless < _LEAST_SHARE:
        return sound("intervals", f"{usual}.", flag="long_intervals", evidence=evidence)
    return Finding(
        "intervals",
        by_share(endless, warning=0.02, serious=0.2),
        f"{usual}, but {per_cent(endless)} of all span more than 30 days, the longest {spans.max() / 24:,.0f} days.",
        "Leave such spans out of anything by day or week: they may have happened at any time.",
        "long_intervals",
        affected=endless * len(table),
        share=endless,
        evidence=evidence,
        rule={"kind": "longer_than_h", "hours": _LONG_H},
    )


def hours_unreliable(record: Record, spikes: list[Finding]) -> Finding:
    """Sum up for later stages how many rows have no hour, or one that was filled in.

    Parameters
    ----------
    record : Record
    spikes : list of Finding
        Those of `spike` and `time_precision`.
    """
    rows = max(len(record.table), 1)
    filled = sum(one.affected for one in spikes if one.check in ("midnight", "noon"))
    coarse = float(record.table["time_precision"].isin(("date", "month")).mean())
    share = min(filled / rows + coarse, 1.0)
    evidence: dict[str, object] = {
        "share_filled_in": round(filled / rows, 4),
        "share_without_time": round(coarse, 4),
        **(moved := _moved_peak(record, spikes)),
    }
    if share < _UNKNOWN_NOTE:
        return sound(
            "hours_unreliable",
            f"The hour is filled in or missing in {per_cent(share)} of the rows: hours can be used.",
            flag="hours_unreliable",
            evidence=evidence,
        )
    severity: Severity = "note" if share < _UNKNOWN_WARNING else "warning" if share < _UNKNOWN_SERIOUS else "serious"
    return Finding(
        "hours_unreliable",
        severity,
        f"The hour is filled in or missing in {per_cent(share)} of the rows" + _peak_told(moved) + ".",
        "Read charts by hour, peak hours and patrol hours with care; where most hours are missing none are proposed.",
        "hours_unreliable",
        affected=share * rows,
        share=share,
        evidence=evidence,
    )


def _moved_peak(record: Record, spikes: list[Finding]) -> dict[str, object]:
    """Busiest hours with and without the rows at a default time; empty where there are none."""
    rules = [one.rule for one in spikes if one.alarm and one.check in ("midnight", "noon")]
    if not rules:
        return {}
    filled_in = np.logical_or.reduce([affected_rows(record.incidents, rule) for rule in rules])
    return peak_shift(record.incidents, filled_in)


def _peak_told(moved: dict[str, object]) -> str:
    before, after = moved.get("peak_hours"), moved.get("peak_hours_without")
    return "" if before == after or not after else f"; without them the busiest hours are {after}, not {before}"


def _pooled(values: NDArray[np.float64], variances: NDArray[np.float64]) -> tuple[float, float, float]:
    """Random-effects mean, variance between the values, and variance of the mean."""
    weight = 1 / variances
    fixed = float((weight * values).sum() / weight.sum())
    heterogeneity = float((weight * (values - fixed) ** 2).sum())
    scale = float(weight.sum() - (weight**2).sum() / weight.sum())
    between = max((heterogeneity - (len(values) - 1)) / scale, 0.0)
    weight = 1 / (variances + between)
    return float((weight * values).sum() / weight.sum()), between, float(1 / weight.sum())


def _minute_after(clock: ClockCounts) -> float:
    """Incidents at 00:01 (a way of writing that the time is not known) beyond those of the minutes after it."""
    others = [minute for minute in range(2, 60) if minute % 5]
    usual = float(clock.minutes[others].mean())
    seen = int(clock.minutes[1])
    surprising = stats.poisson.sf(seen - 1, 2.0 * usual + 1e-9) <= _LEVEL
    return max(seen - usual, 0.0) if surprising else 0.0
