"""Gaps, breaks and labels on records whose defects are known."""

import numpy as np
import pandas as pd

from crimepatterns.domain.incidents import Incidents
from crimepatterns.quality.honesty import run_check


def thinned(incidents: Incidents, start: str, end: str, keep: float, *, category: str | None = None) -> Incidents:
    """Lose a share of the rows of some days, of one category or all."""
    table = incidents.table
    zone = incidents.area.timezone
    begun = table["occurred_from"]
    inside = ((begun >= pd.Timestamp(start, tz=zone)) & (begun < pd.Timestamp(end, tz=zone))).to_numpy()
    if category is not None:
        inside = inside & table["category"].eq(category).to_numpy()
    rng = np.random.default_rng(5)
    stays = ~inside | (rng.random(len(table)) < keep)
    return Incidents(table.loc[stays].reset_index(drop=True), incidents.area)


def test_a_gap_is_told_with_its_days_and_what_is_missing(clean, subject_of) -> None:
    lost = clean.between(*(pd.Timestamp(day, tz=clean.area.timezone) for day in ("2024-03-04", "2024-03-11")))
    finding = run_check("gaps", subject_of(thinned(clean, "2024-03-04", "2024-03-11", 0.0)))
    assert finding.evidence["gaps"][0]["start"] == "2024-03-04"
    assert finding.evidence["gaps"][0]["end"] == "2024-03-10"
    assert abs(finding.affected - len(lost)) < 0.25 * len(lost)


def test_a_few_days_with_few_incidents_are_no_gap(clean, subject_of) -> None:
    assert run_check("gaps", subject_of(thinned(clean, "2024-03-04", "2024-03-06", 0.5))).severity == "ok"


def test_stragglers_before_the_record_are_counted_not_called_a_gap(clean, subject_of) -> None:
    table = clean.table.copy()
    early = table.index[:6]
    for name in ("occurred_from", "occurred_until"):
        table.loc[early, name] = table.loc[early, name] - pd.Timedelta(days=2_000)
    finding = run_check("gaps", subject_of(Incidents(table, clean.area)))
    assert finding.severity == "ok"
    assert finding.evidence["stragglers_outside"] == 6


def test_a_hole_and_a_step_of_one_category_are_both_told(clean, subject_of) -> None:
    hole = thinned(clean, "2023-06-01", "2023-08-10", 0.2, category="theft")
    both = thinned(hole, "2025-01-01", "2026-01-01", 0.5, category="theft")
    finding = run_check("volume_breaks", subject_of(both))
    theft = [one for one in finding.evidence["breaks"] if one["series"] == "theft"]
    assert [one["lasting"] for one in theft] == [False, True]
    for one, day in zip(theft, ("2023-06-01", "2025-01-01"), strict=True):
        assert abs(pd.Timestamp(one["start"]) - pd.Timestamp(day)) <= pd.Timedelta(days=21)
        assert one["per_week_after"] < 0.8 * one["per_week_before"]
    assert abs(finding.affected - (len(clean) - len(both))) < 0.5 * (len(clean) - len(both))


def test_incidents_that_move_to_another_label_are_told_as_a_move(clean, subject_of) -> None:
    table = clean.table.copy()
    late = table["category"].eq("robbery") & (
        table["occurred_from"] >= pd.Timestamp("2025-03-01", tz=clean.area.timezone)
    )
    for name in ("category", "offence"):
        table[name] = table[name].astype(str).where(~late, "armed robbery")
    finding = run_check("code_changes", subject_of(Incidents(table, clean.area)))
    (move,) = finding.evidence["moves"]
    assert (move["from"], move["to"]) == ("robbery", "armed robbery")
    assert abs(pd.Timestamp(move["day"]) - pd.Timestamp("2025-03-01")) <= pd.Timedelta(days=7)
    assert abs(finding.affected - late.sum()) < 0.3 * late.sum()


def test_a_rare_label_that_rests_is_no_change(clean, subject_of) -> None:
    table = clean.table.copy()
    rare = np.random.default_rng(3).choice(len(table), 25, replace=False)
    offence = table["offence"].astype(str).to_numpy(dtype=object)
    offence[rare] = "bicycle, tandem"
    table["offence"] = offence
    assert run_check("code_changes", subject_of(Incidents(table, clean.area))).severity == "ok"


def test_months_alone_can_still_have_gaps(clean, subject_of) -> None:
    table = clean.table.copy()
    month = table["occurred_from"].dt.tz_localize(None).dt.to_period("M")
    table["occurred_from"] = month.dt.start_time.dt.tz_localize(clean.area.timezone)
    table["occurred_until"] = (month + 1).dt.start_time.dt.tz_localize(clean.area.timezone)
    table["known_at"] = table["occurred_until"]
    table["time_precision"] = "month"
    whole = Incidents(table, clean.area)
    assert run_check("gaps", subject_of(whole)).severity == "ok"
    assert run_check("exact_duplicates", subject_of(whole)).severity == "ok"
    assert run_check("volume_breaks", subject_of(whole)).severity == "ok"
    assert run_check("time_precision", subject_of(whole)).severity == "serious"
    finding = run_check("gaps", subject_of(thinned(whole, "2024-05-01", "2024-06-01", 0.0)))
    assert [one["start"] for one in finding.evidence["gaps"]] == ["2024-05-01"]
