"""Every check in its order: a record in, the whole honesty report out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crimepatterns.domain.grid import Grid
from crimepatterns.domain.incidents import Incidents
from crimepatterns.domain.protocols import Progress, silent
from crimepatterns.patterns.window import last_days
from crimepatterns.quality.calendar_spikes import first_of_month, first_of_year
from crimepatterns.quality.completeness import Break, find_breaks, gaps, volume_breaks
from crimepatterns.quality.consequences import Stability, rank_stability, stability_finding
from crimepatterns.quality.default_points import default_geocodes
from crimepatterns.quality.discovery import discovery
from crimepatterns.quality.duplicates import near_duplicates
from crimepatterns.quality.findings import Finding, worst_first
from crimepatterns.quality.freshness import freshness, recent_weeks, report_delay
from crimepatterns.quality.intake import exact_duplicates, missing_coordinates, null_island, outside_area, unusable_rows
from crimepatterns.quality.labels import code_changes
from crimepatterns.quality.leave_out import affected_rows
from crimepatterns.quality.places import boundary_points, coordinate_precision
from crimepatterns.quality.record import Record
from crimepatterns.quality.snapping import snapped_points
from crimepatterns.quality.spans import Weeks
from crimepatterns.quality.times_of_record import (
    ClockCounts,
    clock_counts,
    hours_unreliable,
    intervals,
    on_the_hour,
    spike,
    time_precision,
)

__all__ = ["CHECKS", "HonestyReport", "Subject", "check_record", "jitter_radius", "run_check"]

_TASK = "Doubting the records"
_SUSPECTED = ("default_geocodes", "near_duplicates")
"""Flags whose rows are left out in the comparison of hot spots."""


@dataclass(frozen=True, eq=False)
class Subject:
    """A record with what the checks need beside it.

    Parameters
    ----------
    record : Record
    area_columns : sequence of str
        Columns of the incidents that may name areas.
    discovery_given : bool
        Whether the publisher says how incidents came to light.
    rng : Generator
    """

    record: Record
    area_columns: Sequence[str] = ()
    discovery_given: bool = True
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0), repr=False)

    @cached_property
    def clock(self) -> ClockCounts:
        """Incidents by minute of the day."""
        return clock_counts(self.record)

    @cached_property
    def changes(self) -> tuple[list[Break], Weeks]:
        """Sudden changes of volume, and the weekly counts in which they were found."""
        if not self.record.dated:
            return [], Weeks(pd.DataFrame(), 7)
        return find_breaks(self.record, self.rng_of("changes"))

    @cached_property
    def hours(self) -> list[Finding]:
        """Findings that say how many hours are not known."""
        return [spike(self.clock, hour=0), spike(self.clock, hour=12), time_precision(self.record)]

    def rng_of(self, check: str) -> np.random.Generator:
        """Random numbers of one check: the same whichever other checks run."""
        return self._children[(*CHECKS, "changes", "consequences").index(check)]

    @cached_property
    def _children(self) -> list[np.random.Generator]:
        return self.rng.spawn(len(CHECKS) + 2)


CHECKS: Mapping[str, Callable[[Subject], Finding]] = MappingProxyType(
    {
        "missing_coordinates": lambda subject: missing_coordinates(subject.record.intake),
        "null_island": lambda subject: null_island(subject.record.intake),
        "outside_area": lambda subject: outside_area(subject.record.intake),
        "unusable_rows": lambda subject: unusable_rows(subject.record.intake),
        "exact_duplicates": lambda subject: exact_duplicates(subject.record.intake, dated=subject.record.dated),
        "near_duplicates": lambda subject: near_duplicates(subject.record),
        "coordinate_precision": lambda subject: coordinate_precision(subject.record),
        "snapped_points": lambda subject: snapped_points(subject.record, subject.rng_of("snapped_points")),
        "default_geocodes": lambda subject: default_geocodes(subject.record, area_columns=subject.area_columns),
        "boundary_points": lambda subject: boundary_points(subject.record),
        "on_the_hour": lambda subject: on_the_hour(subject.clock),
        "midnight": lambda subject: subject.hours[0],
        "noon": lambda subject: subject.hours[1],
        "time_precision": lambda subject: subject.hours[2],
        "intervals": lambda subject: intervals(subject.record),
        "hours_unreliable": lambda subject: hours_unreliable(subject.record, subject.hours),
        "first_of_month": lambda subject: first_of_month(subject.record),
        "first_of_year": lambda subject: first_of_year(subject.record),
        "gaps": lambda subject: gaps(subject.record),
        "volume_breaks": lambda subject: volume_breaks(subject.record, *subject.changes),
        "code_changes": lambda subject: code_changes(subject.record, subject.changes[0]),
        "discovery": lambda subject: discovery(
            subject.record, given=subject.discovery_given, rng=subject.rng_of("discovery")
        ),
        "freshness": lambda subject: freshness(subject.record),
        "report_delay": lambda subject: report_delay(subject.record),
        "recent_weeks": lambda subject: recent_weeks(subject.record, subject.rng_of("recent_weeks")),
    }
)
"""Every check of the records by its name; the comparison of hot spots comes on top. A new check is one line here."""


@dataclass(frozen=True, eq=False)
class HonestyReport:
    """All findings, and the values that the pictures show.

    Parameters
    ----------
    findings : tuple of Finding
        The gravest first.
    clock : ClockCounts
    breaks : tuple of Break
    weeks : Weeks
        Counts by week and category of the record proper.
    stability : tuple of Stability
    """

    findings: tuple[Finding, ...]
    clock: ClockCounts = field(repr=False)
    breaks: tuple[Break, ...] = field(repr=False)
    weeks: Weeks = field(repr=False)
    stability: tuple[Stability, ...] = field(repr=False)

    @property
    def flags(self) -> dict[str, dict[str, Any]]:
        """Raised flags, each with the severity, the share of rows, and the rule that finds the rows."""
        raised: dict[str, dict[str, Any]] = {}
        for finding in self.findings:
            if not finding.alarm or finding.flag in raised:
                continue
            raised[finding.flag] = {
                "check": finding.check,
                "severity": finding.severity,
                "share": round(float(finding.share), 6),
                "found": finding.found,
                "rule": dict(finding.rule),
            }
            if "complete_until" in finding.evidence:
                raised[finding.flag]["complete_until"] = finding.evidence["complete_until"]
        return raised

    def finding(self, check: str) -> Finding:
        """Return the finding of one check."""
        return next(one for one in self.findings if one.check == check)


def run_check(name: str, subject: Subject) -> Finding:
    """Run one check; see `CHECKS` for the names."""
    return CHECKS[name](subject)


def check_record(
    subject: Subject,
    *,
    grid: Grid | None = None,
    categories: Sequence[str] = (),
    window_days: int = 365,
    progress: Progress = silent,
) -> HonestyReport:
    """Run every check on a record.

    Parameters
    ----------
    subject : Subject
    grid : Grid or None
        On which hot spots are compared; None leaves the comparison out.
    categories : sequence of str
        Whose hot spots are compared, besides all of them together.
    window_days : int
        Hot spots are those of the last so many days.
    progress : Progress

    Returns
    -------
    HonestyReport
    """
    steps = len(CHECKS) + 5
    findings = []
    for step, name in enumerate(CHECKS):
        progress(_TASK, step, steps)
        findings.append(run_check(name, subject))
    progress(_TASK, len(CHECKS), steps)
    stability: list[Stability] = []
    if grid is not None:
        stability = _stability(subject, grid, categories, window_days, findings)
        findings.append(stability_finding(stability))
    progress(_TASK, steps, steps)
    breaks, weeks = subject.changes
    return HonestyReport(tuple(worst_first(findings)), subject.clock, tuple(breaks), weeks, tuple(stability))


def jitter_radius(findings: Sequence[Finding]) -> float:
    """How far a true place may lie from the published one, metres, as far as the findings tell.

    Half a mesh of the lattice on which most places lie, half the way to the next point where places are snapped to
    blocks, and never less than half the last decimal.
    """
    by_check = {one.check: one for one in findings}
    radius = 0.5 * float(by_check["coordinate_precision"].evidence.get("metres", 0.0))
    snapped = by_check["snapped_points"]
    lattice = snapped.evidence.get("lattice")
    if lattice is not None and lattice["share"] >= 0.5:
        radius = max(radius, 0.5 * float(lattice["step_m"]))
    elif snapped.alarm and snapped.evidence["block_middles"]["snapped"]:
        radius = max(radius, 0.5 * float(snapped.evidence["spacing_m"]["median"]))
    return radius


def _stability(
    subject: Subject, grid: Grid, categories: Sequence[str], window_days: int, findings: Sequence[Finding]
) -> list[Stability]:
    everything = subject.record.incidents
    recent = last_days(everything, days=window_days).of(everything)
    suspected = [one for one in findings if one.flag in _SUSPECTED and one.alarm and one.rule]
    marks = _marked(recent, suspected)
    what = ", ".join(one.flag.replace("_", " ") for one in suspected)
    radius, rng = jitter_radius(findings), subject.rng_of("consequences")
    results = []
    for name in ("all", *categories):
        chosen = np.ones(len(recent), dtype=bool) if name == "all" else recent.table["category"].eq(name).to_numpy()
        part = Incidents(recent.table.loc[chosen].reset_index(drop=True), recent.area)
        one = rank_stability(
            part, grid, category=name, radius_m=radius, suspicious=marks[chosen], suspicious_what=what, rng=rng
        )
        if one is not None:
            results.append(one)
    return results


def _marked(incidents: Incidents, findings: Sequence[Finding]) -> NDArray[np.bool_]:
    marks = np.zeros(len(incidents), dtype=bool)
    for finding in findings:
        marks |= affected_rows(incidents, finding.rule)
    return marks
