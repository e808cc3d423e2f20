"""Hours and weekdays, only where they are known."""

import numpy as np
import pandas as pd
import pytest

from crimepatterns.domain.area import StudyArea
from crimepatterns.patterns.rhythms import hour_known, peak_hours, peak_weekday, weekday_known


def test_an_hour_needs_a_fine_time_and_a_short_span(plain_area: StudyArea, make_incidents) -> None:
    def known(**options: object) -> tuple[bool, bool]:
        table = make_incidents(plain_area, [1.0], [1.0], **options).table
        return bool(hour_known(table)[0]), bool(weekday_known(table)[0])

    assert known() == (True, True)
    assert known(precision="hour", span=pd.Timedelta(hours=1)) == (True, True)
    assert known(span=pd.Timedelta(hours=10)) == (False, True)
    assert known(precision="date", span=pd.Timedelta(days=1)) == (False, True)
    assert known(span=pd.Timedelta(days=3)) == (False, False)
    assert known(precision="month", span=pd.Timedelta(days=31)) == (False, False)


def test_peak_hours_pass_midnight(plain_area: StudyArea, make_incidents) -> None:
    times = pd.to_datetime(["2024-05-01 23:10", "2024-05-02 00:20", "2024-05-02 01:40", "2024-05-02 12:00"])
    peak = peak_hours(make_incidents(plain_area, [1.0] * 4, [1.0] * 4, times=times).table, length=3)
    assert peak is not None
    assert (peak.start, peak.end, peak.share) == (23, 2, 0.75)
    assert str(peak) == "23:00-02:00"


def test_spans_count_in_every_hour_they_cover(plain_area: StudyArea, make_incidents) -> None:
    begins = pd.to_datetime(["2024-05-01 20:00", "2024-05-02 20:00", "2024-05-03 20:00"])
    nights = make_incidents(plain_area, [1.0] * 3, [1.0] * 3, times=begins, span=pd.Timedelta(hours=8)).table
    morning = make_incidents(plain_area, [1.0], [1.0], times="2024-05-06 03:30").table
    peak = peak_hours(pd.concat([nights, morning], ignore_index=True), length=2)
    assert peak is not None
    assert (peak.start, peak.end) == (2, 4), "the moment at half past three, and an eighth of each night"
    assert peak.share == pytest.approx((1 + 2 * 3 / 8) / 4)


def test_a_weekday_must_stand_out(plain_area: StudyArea, make_incidents) -> None:
    even = pd.date_range("2024-05-01 12:00", periods=70, freq="D")
    assert peak_weekday(make_incidents(plain_area, np.ones(70), np.ones(70), times=even).table) == ""
    saturdays = pd.date_range("2024-05-04 12:00", periods=20, freq="7D")
    times = even.append(saturdays)
    assert peak_weekday(make_incidents(plain_area, np.ones(90), np.ones(90), times=times).table) == "Saturday"


def test_mostly_unknown_times_have_no_peak(plain_area: StudyArea, make_incidents) -> None:
    table = make_incidents(plain_area, [1.0] * 3, [1.0] * 3, span=pd.Timedelta(days=2)).table
    assert peak_hours(table) is None
    assert peak_weekday(table) == ""
    assert peak_hours(table.iloc[:0]) is None
