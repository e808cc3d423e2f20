"""Shifts of any length: mass is conserved, midnight is crossed, clocks change."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crimepatterns.domain.aoristic import hour_of_week
from crimepatterns.domain.area import StudyArea
from crimepatterns.errors import PatternError
from crimepatterns.patterns.shifts import ShiftCalendar, mass_by_shift

UNEQUAL = ShiftCalendar(("06:30", "14:00", "22:00"), ("early", "late", "night"))


def _table(begin: list[str], end: list[str], precision: str = "minute") -> pd.DataFrame:
    times = {
        name: pd.Series(pd.to_datetime(values).tz_localize("America/Chicago"))
        for name, values in (("occurred_from", begin), ("occurred_until", end))
    }
    return pd.DataFrame({**times, "time_precision": precision})


def test_a_night_belongs_to_the_day_on_which_it_begins() -> None:
    tuesday_at_two = _table(["2024-05-07 02:00"], ["2024-05-07 02:00"])
    found = mass_by_shift(tuesday_at_two, UNEQUAL)
    assert found.mass[0].tolist() == [0, 0, 1], "Monday night"
    assert found.mass.sum() == 1
    assert found.calendar.hours.tolist() == [7.5, 8.0, 8.5]
    assert "Monday night" in found.sentence()


def test_a_span_is_shared_by_elapsed_time() -> None:
    # Monday 20:00 to Tuesday 08:30 is 12.5 hours: 2 late, 8.5 night, 2 early.
    found = mass_by_shift(_table(["2024-05-06 20:00"], ["2024-05-07 08:30"]), UNEQUAL)
    assert found.mass[0].tolist() == pytest.approx([0, 2 / 12.5, 8.5 / 12.5])
    assert found.mass[1].tolist() == pytest.approx([2 / 12.5, 0, 0])
    assert found.per_hour[0, 2] == pytest.approx(1 / 12.5)


@pytest.mark.parametrize(("day", "hours"), [("2024-03-09", 7.5), ("2024-11-02", 9.5)])
def test_a_night_in_which_clocks_change_is_an_hour_shorter_or_longer(day: str, hours: float) -> None:
    following = str((pd.Timestamp(day) + pd.Timedelta(days=1)).date())
    found = mass_by_shift(_table([f"{day} 21:00"], [f"{following} 06:30"]), UNEQUAL)
    assert found.mass[5].tolist() == pytest.approx([0, 1 / (hours + 1), hours / (hours + 1)])


def test_a_change_of_shift_in_the_missing_hour_comes_at_once() -> None:
    calendar = ShiftCalendar(("02:15", "02:45", "12:00"))
    found = mass_by_shift(_table(["2024-03-10 00:00"], ["2024-03-10 12:00"]), calendar)
    assert found.mass.sum() == pytest.approx(1)
    assert found.mass[6].tolist() == pytest.approx([0, 9 / 11, 0]), "the shift inside the missing hour does not exist"
    assert found.mass[5].tolist() == pytest.approx([0, 0, 2 / 11])


def test_hourly_shifts_are_hours_of_the_week(plain_area: StudyArea, make_incidents) -> None:
    rng = np.random.default_rng(2)
    times = pd.Timestamp("2024-03-05") + pd.to_timedelta(rng.integers(120, 60 * 24 * 4, 80), unit="min")
    table = make_incidents(plain_area, np.ones(80), np.ones(80), times=times, span=pd.Timedelta(minutes=437)).table
    hourly = ShiftCalendar(tuple(f"{hour:02d}:00" for hour in range(24)))
    np.testing.assert_allclose(mass_by_shift(table, hourly).mass, hour_of_week(table).mass, atol=1e-9)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(0, 24 * 60 - 1), min_size=1, max_size=5, unique=True),
    st.lists(st.tuples(st.integers(0, 60 * 24 * 400), st.integers(0, 60 * 70)), min_size=1, max_size=20),
)
def test_mass_is_conserved_for_any_calendar(minutes: list[int], spans: list[tuple[int, int]]) -> None:
    calendar = ShiftCalendar(tuple(f"{m // 60:02d}:{m % 60:02d}" for m in sorted(minutes)))
    start = pd.Timestamp("2024-01-01", tz="UTC") + pd.to_timedelta([a for a, _ in spans], unit="min")
    begin = pd.Series(start.tz_convert("America/Chicago"))
    end = begin + pd.to_timedelta([b for _, b in spans], unit="min")
    table = pd.DataFrame({"occurred_from": begin, "occurred_until": end, "time_precision": "minute"})
    found = mass_by_shift(table, calendar)
    assert found.mass.sum() == pytest.approx(len(spans))
    assert found.to_frame()["share"].sum() == pytest.approx(1)


def test_dates_carry_no_hour() -> None:
    dates = _table(["2024-05-06"], ["2024-05-07"], "date")
    found = mass_by_shift(dates, UNEQUAL)
    assert (found.used, found.no_hour, found.mass.sum()) == (0, 1, 0)
    assert found.sentence() == "No incident has a known hour."
    spread = mass_by_shift(dates, UNEQUAL, coarse="spread")
    assert spread.mass[0].tolist() == pytest.approx([7.5 / 24, 8 / 24, 2 / 24])
    assert spread.mass[6].tolist() == pytest.approx([0, 0, 6.5 / 24])


def test_bad_calendars_are_told() -> None:
    for starts in ((), ("25:00",), ("08:00", "06:00"), ("08:00", "08:00")):
        with pytest.raises(PatternError, match="Shifts"):
            ShiftCalendar(starts)
    with pytest.raises(PatternError, match="names"):
        ShiftCalendar(("08:00", "20:00"), ("day",))
