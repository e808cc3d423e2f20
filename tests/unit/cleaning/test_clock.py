"""Civil time against the standard library's own zone rules."""

import datetime as dt
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from crimepatterns.cleaning.clock import civil_clock, civil_months

EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001  # wall-clock times have no zone


@pytest.mark.parametrize(
    "zone", ["America/Chicago", "Europe/London", "Australia/Lord_Howe", "Asia/Kolkata", "UTC", "Pacific/Apia"]
)
def test_wall_clock_to_utc_agrees_with_zoneinfo_around_every_change(zone: str) -> None:
    clock = civil_clock(zone)
    rng = np.random.default_rng(1)
    edges = clock.changes_utc + np.maximum(clock.offsets[:-1], clock.offsets[1:])
    some = rng.integers(-900_000_000, 3_900_000_000, 2_000) * 1_000_000
    wall = np.concatenate([some, edges, edges - 1, edges - 1_800_000_000, edges - 5_400_000_000])
    wall = wall[(wall > -900_000_000_000_000) & (wall < 3_900_000_000_000_000)]
    expected = [
        round((EPOCH + dt.timedelta(microseconds=int(w))).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1e6)
        for w in wall
    ]
    utc, in_gap = clock.to_utc(wall)
    np.testing.assert_array_equal(utc, expected)
    # A time that never was is the only one that does not come back.
    np.testing.assert_array_equal(clock.to_wall(utc) != wall, in_gap)


def test_a_time_in_the_spring_gap_moves_forward() -> None:
    clock = civil_clock("America/Chicago")
    wall = np.array(["2016-03-13T02:30:00"], dtype="datetime64[us]").astype(np.int64)
    utc, in_gap = clock.to_utc(wall)
    assert in_gap.all()
    assert str(clock.to_wall(utc).view("datetime64[us]")[0]) == "2016-03-13T03:30:00.000000"


def test_a_time_that_occurs_twice_is_the_first() -> None:
    clock = civil_clock("America/Chicago")
    wall = np.array(["2016-11-06T01:30:00"], dtype="datetime64[us]").astype(np.int64)
    utc, in_gap = clock.to_utc(wall)
    assert not in_gap.any()
    assert str(utc.view("datetime64[us]")[0]) == "2016-11-06T06:30:00.000000"


def test_months_are_those_of_the_calendar_also_far_away() -> None:
    days = np.random.default_rng(1).integers(-200_000, 200_000, 3_000) * 86_400_000_000 + 86_399_999_999
    expected = days.view("datetime64[us]").astype("datetime64[M]").view(np.int64)
    np.testing.assert_array_equal(civil_months(days), expected)
