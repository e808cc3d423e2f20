"""This week against what is usual: honest size, late reports, small counts, exact spans."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from crimepatterns.domain.area import StudyArea
from crimepatterns.domain.incidents import Incidents
from crimepatterns.errors import PatternError
from crimepatterns.patterns.usual_counts import _e_test, against_usual, usual_z

END = pd.Timestamp("2024-06-03", tz="America/Chicago")


def _daily(
    area: StudyArea, make_incidents, counts: np.ndarray, *, start: str = "2022-01-01", x: float = 100.0
) -> Incidents:
    days = np.repeat(np.arange(len(counts)), counts)
    times = pd.Timestamp(start) + pd.to_timedelta(days, unit="D") + pd.Timedelta(hours=12)
    return make_incidents(area, np.full(len(days), x), np.full(len(days), 100.0), times=times)


def test_spans_are_counted_exactly(plain_area: StudyArea, make_incidents) -> None:
    days = (END.tz_localize(None) - pd.Timestamp("2022-01-01")).days
    found = against_usual(_daily(plain_area, make_incidents, np.ones(days, dtype=int)), as_of=END)
    whole = found.table.loc[found.table["area"] == "Plainville"].set_index("period")
    assert whole["count"].tolist() == [7, 28, 154, 1]
    assert whole["usual"].tolist() == [7.0, 28.0, (153 + 153) / 2, 1.0]  # 2024 is a leap year
    assert whole["past_periods"].tolist() == [8, 6, 2, 8]
    assert (whole["verdict"] == "as usual").all()
    west = found.table.loc[found.table["area"] == "West End"].set_index("period")
    assert west["count"].tolist() == whole["count"].tolist()
    assert found.table.loc[found.table["area"] == "East End", "count"].tolist() == [0, 0, 0, 0]
    assert found.sentences()[0] == "7 days: all as usual."


def test_a_real_rise_is_told_where_it_is(plain_area: StudyArea, make_incidents) -> None:
    rng = np.random.default_rng(0)
    days = (END.tz_localize(None) - pd.Timestamp("2022-01-01")).days
    west, east = rng.poisson(3, days), rng.poisson(3, days)
    east[-7:] = 9
    parts = [_daily(plain_area, make_incidents, one, x=x) for one, x in ((west, 100.0), (east, 4_000.0))]
    table = pd.concat([one.table for one in parts], ignore_index=True)
    table["id"] = [str(i) for i in range(len(table))]
    found = against_usual(Incidents(table, plain_area), as_of=END).table
    week = found.loc[found["period"] == "7 days"].set_index("area")["verdict"]
    assert week["East End"] == "more"
    assert week["West End"] == "as usual"


def test_a_day_is_held_against_its_own_weekday(plain_area: StudyArea, make_incidents) -> None:
    """Ten incidents on Fridays and one on other days: a Friday with ten is no alarm, a Thursday with ten is one."""
    for end, verdict in (("2024-06-01", "as usual"), ("2024-05-31", "more")):  # up to Friday, up to Thursday
        end_of_day = pd.Timestamp(end, tz=END.tz)
        days = pd.date_range("2022-01-01", end_of_day.tz_localize(None), freq="D", inclusive="left")
        counts = np.where(days.day_of_week == 4, 10, 1)
        counts[-1] = 10
        table = against_usual(_daily(plain_area, make_incidents, counts), as_of=end_of_day, by_area=False).table
        day = table.set_index("period").loc["1 day"]
        assert (day["count"], day["past_periods"], day["verdict"]) == (10, 8, verdict)


def test_late_reports_do_not_make_the_last_week_quiet(plain_area: StudyArea, make_incidents) -> None:
    days = (END.tz_localize(None) - pd.Timestamp("2022-01-01")).days
    incidents = _daily(plain_area, make_incidents, np.full(days, 6))
    table = incidents.table.copy()
    delay = np.random.default_rng(1).geometric(0.25, len(table)) - 1
    table["known_at"] = table["occurred_from"] + pd.to_timedelta(delay, unit="D")
    known = Incidents(table, plain_area).as_of(END)
    week = against_usual(known, as_of=END).table.iloc[0]
    assert week["count"] < 40
    assert week["verdict"] == "as usual"
    # Counted with everything known today, the same week would look quiet.
    plain = table.loc[(table["occurred_from"] < END) & (table["occurred_from"] >= END - pd.DateOffset(days=63))]
    assert week["count"] < 0.8 * len(plain) / 9


@pytest.mark.parametrize(("mean", "past"), [(1.0, 8), (4.0, 2), (20.0, 8), (60.0, 1)])
def test_size_under_no_change(mean: float, past: int) -> None:
    rng = np.random.default_rng(int(mean))
    rejected = 0
    for _ in range(1_500):
        before, now = rng.poisson(mean, past), rng.poisson(mean)
        if now + before.sum() <= 30:
            p = _e_test(int(now), int(before.sum()), past)
        else:
            p = 2 * stats.norm.sf(abs(float(usual_z(now, before.mean(), past))))
        rejected += p <= 0.05
    assert rejected / 1_500 <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 1_500)


def test_few_incidents_can_be_told_from_chance() -> None:
    """The two-sided e-test takes 10 against 1 a week for chance (p = 0.13), since 0 against 2 looks as odd to it."""
    assert stats.poisson_means_test(10, 1, 8, 8).pvalue > 0.1
    assert _e_test(10, 8, 8) < 0.001
    assert _e_test(0, 8, 8) > 0.3
    assert _e_test(3, 3, 1) == 1.0
    rng = np.random.default_rng(5)
    for mean in (0.3, 1.0, 3.0):
        drawn = zip(rng.poisson(mean, 1_500).tolist(), rng.poisson(8 * mean, 1_500).tolist(), strict=True)
        rejected = np.mean([_e_test(now, before, 8) <= 0.05 for now, before in drawn])
        assert rejected <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 1_500)


def test_the_customary_z_rejects_far_too_often() -> None:
    rng = np.random.default_rng(3)
    now, before = rng.poisson(40, 20_000), rng.poisson(40, 20_000)
    customary = np.abs(2 * (np.sqrt(now) - np.sqrt(before))) > 1.96
    corrected = np.abs(usual_z(now, before, 1)) > 1.96
    assert customary.mean() == pytest.approx(0.166, abs=0.01)
    assert corrected.mean() == pytest.approx(0.05, abs=0.006)


def test_overdispersed_areas_need_more() -> None:
    assert abs(usual_z(60, 40, 8, 4.0)) == pytest.approx(abs(usual_z(60, 40, 8)) / 2)
    assert usual_z(60, 40, 8, 0.2) == usual_z(60, 40, 8)


def test_short_records_and_bad_input_are_told(plain_area: StudyArea, make_incidents) -> None:
    young = against_usual(_daily(plain_area, make_incidents, np.ones(5, dtype=int), start="2024-05-29"), as_of=END)
    assert (young.table["verdict"] == "").all()
    assert young.sentences()[2] == "year to date: no earlier periods to compare with."
    with pytest.raises(PatternError, match="midnight"):
        against_usual(_daily(plain_area, make_incidents, np.ones(5, dtype=int)), as_of=END + pd.Timedelta(hours=3))
    with pytest.raises(PatternError, match="no incident"):
        against_usual(make_incidents(plain_area, [], [], times=[]))


def test_a_year_to_date_of_clumped_weeks_is_judged_by_the_clumps(plain_area: StudyArea, make_incidents) -> None:
    """Two earlier years cannot tell how much counts vary: 28-day periods do."""
    days = (END.tz_localize(None) - pd.Timestamp("2022-01-01")).days
    even = np.full(days, 2)
    even[-155:-5] += 1
    clumped = even * 0
    clumped[::21] = np.add.reduceat(even, np.arange(0, days, 21))
    said = {}
    for name, counts in (("even", even), ("clumped", clumped)):
        table = against_usual(_daily(plain_area, make_incidents, counts), as_of=END, by_area=False).table
        said[name] = table.set_index("period").loc["year to date"]
    assert said["even"]["verdict"] == "more"
    assert said["clumped"]["count"] > 1.3 * said["clumped"]["usual"]
    assert said["clumped"]["p_value"] > 10 * said["even"]["p_value"]
