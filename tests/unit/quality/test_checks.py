"""A clean city raises no alarm; each planted defect raises its own."""

import json

import numpy as np
import pytest

from crimepatterns.domain.incidents import Incidents
from crimepatterns.quality.findings import SEVERITIES, Finding, by_share, worst_first
from crimepatterns.quality.honesty import CHECKS, check_record, run_check
from crimepatterns.quality.leave_out import affected_rows
from crimepatterns.sources.planted_defects import PLANTS
from crimepatterns.sources.planted_places import snapped_to_blocks
from crimepatterns.sources.synthetic import SyntheticCity

# What each plant may set off beside its own check: the same rows seen from another side.
RULED = {
    "default point, areas named": 1.0,
    "lattice of 0.002 degrees": 0.99,
    "lattice of 100 m": 0.99,
    "middles of neighbourhoods": 0.99,
    "three decimals": 0.99,
    "clamped to the boundary": 0.99,
    "near copies": 0.99,
    "midnight": 0.99,
    "noon": 0.99,
    "dates without times": 1.0,
    "endless intervals": 0.99,
}


def test_a_clean_city_raises_no_alarm(clean, subject_of) -> None:
    report = check_record(subject_of(clean))
    assert [one.check for one in report.findings if one.alarm] == []
    assert report.flags == {}
    assert {one.check for one in report.findings} == set(CHECKS)


@pytest.mark.parametrize("name", list(PLANTS))
def test_a_defect_in_five_per_cent_of_the_rows_is_found(name, clean, subject_of) -> None:
    check, plant = PLANTS[name]
    planted = plant(clean, 0.05, np.random.default_rng(3))
    finding = run_check(check, subject_of(planted))
    assert finding.alarm, finding
    assert finding.found.endswith(".")
    assert finding.advice.endswith(".")
    assert json.loads(json.dumps(finding.to_dict())) == finding.to_dict()
    assert 0 < finding.share <= 1


@pytest.mark.parametrize("name", list(RULED))
def test_its_rule_finds_the_rows_again(name, clean, subject_of) -> None:
    check, plant = PLANTS[name]
    planted = plant(clean, 0.05, np.random.default_rng(3))
    rule = run_check(check, subject_of(planted)).rule
    touched = changed_rows(clean, planted)
    marked = affected_rows(planted, rule)
    assert marked[touched].mean() >= RULED[name]
    assert marked[~touched].mean() < 0.01


def changed_rows(before: Incidents, after: Incidents) -> np.ndarray:
    """Tell which rows a plant changed or added."""
    old = before.table.set_index("id")
    known = after.table["id"].isin(old.index).to_numpy()
    same = old.loc[after.table.loc[known, "id"]]
    columns = ["occurred_from", "occurred_until", "x", "y"]
    equal = np.all([same[name].to_numpy() == after.table.loc[known, name].to_numpy() for name in columns], axis=0)
    touched = np.ones(len(after), dtype=bool)
    touched[np.flatnonzero(known)] = ~equal
    return touched


def test_blocks_are_told_by_their_middles(invented: SyntheticCity, clean, subject_of) -> None:
    snapped = snapped_to_blocks(invented)(clean, 0.05, np.random.default_rng(3))
    finding = run_check("snapped_points", subject_of(snapped))
    assert finding.alarm
    assert finding.evidence["block_middles"]["found"] > 3 * finding.evidence["block_middles"]["expected"]


def test_a_check_does_not_depend_on_the_others(clean, subject_of) -> None:
    planted = PLANTS["one category missing"][1](clean, 0.05, np.random.default_rng(3))
    alone = run_check("volume_breaks", subject_of(planted))
    among = check_record(subject_of(planted)).finding("volume_breaks")
    assert alone == among


def test_refused_rows_are_told_with_the_label_that_suffers_most(clean, subject_of) -> None:
    subject = subject_of(
        clean,
        rows_in=len(clean) + 400,
        rejected={"coordinates are missing": 300, "coordinates are zero (null island)": 100},
        refused_by_label={"coordinates are missing": {"SEX OFFENSE": 200, "LARCENY": 100}},
        rows_by_label={"SEX OFFENSE": 500, "LARCENY": 10_000},
    )
    finding = run_check("missing_coordinates", subject)
    assert finding.affected == 300
    assert finding.severity == "warning"
    assert "40 % of SEX OFFENSE" in finding.found
    assert run_check("null_island", subject).affected == 100
    assert run_check("outside_area", subject).severity == "ok"


def test_stale_records_and_missing_report_dates_are_told(clean, subject_of) -> None:
    late = clean.table["occurred_from"].max() + np.timedelta64(400, "D")
    subject = subject_of(clean, taken_at=late, report_dates=False, assumed_delay_days=3.0)
    assert run_check("freshness", subject).severity == "note"
    assert run_check("freshness", subject).evidence["age_days"] == pytest.approx(400, abs=1)
    assert run_check("report_delay", subject).flag == "no_report_dates"
    assert run_check("report_delay", subject).severity == "note"


def test_reports_still_to_come_are_told_from_the_delays(clean, subject_of) -> None:
    """An export in the middle of the record lacks what was not yet known."""
    moment = clean.table["occurred_from"].max() - np.timedelta64(200, "D")
    slow = clean.table.assign(known_at=clean.table["known_at"] + np.timedelta64(9, "D"))
    export = Incidents(slow, clean.area).as_of(moment)
    finding = run_check("recent_weeks", subject_of(export))
    assert finding.alarm
    until = np.datetime64(finding.evidence["complete_until"])
    assert np.timedelta64(7, "D") <= np.datetime64(moment.date()) - until <= np.timedelta64(40, "D")


def test_severity_grows_with_the_share() -> None:
    assert [by_share(share) for share in (0.0, 0.001, 0.01, 0.2)] == list(SEVERITIES)
    findings = [Finding(name, grade, "", "", name) for name, grade in zip("abcd", SEVERITIES, strict=True)]
    assert [one.severity for one in worst_first(findings)] == ["serious", "warning", "note", "ok"]
