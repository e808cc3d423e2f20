"""Formats of times are found from values, and day and month are never mixed."""

from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crimepatterns.cleaning.time_formats import find_time_formats
from crimepatterns.cleaning.values import GOOD, read_moments

BEGIN = datetime(2014, 1, 31, tzinfo=UTC)


def test_iso_needs_no_format() -> None:
    column = pa.array(["2025-03-04 10:00:00", "2025-03-04T10:00", None, "2025-03-04"])
    assert find_time_formats(column).formats == ()
    assert find_time_formats(pa.array([date(2025, 3, 4)])).formats == ()
    assert find_time_formats(pa.array(["", None], pa.string())).formats == ()


@pytest.mark.parametrize(
    ("values", "formats", "order"),
    [
        (["13/04/2025 10:00", "01/02/2025 23:59"], ("%d/%m/%Y %H:%M",), "day"),
        (["04/13/2025 10:00:00 PM", "01/02/2025 11:59:00 AM"], ("%m/%d/%Y %I:%M:%S %p",), "month"),
        (["13.04.2025"], ("%d.%m.%Y",), "day"),
        (["20250413"], ("%Y%m%d",), ""),
        (["13/04/2025 10:00"] * 3 + ["2025-04-13"], ("%d/%m/%Y %H:%M", "%Y-%m-%d"), "day"),
    ],
)
def test_usual_formats_are_found(values: list[str], formats: tuple[str, ...], order: str) -> None:
    found = find_time_formats(pa.array(values))
    assert (found.formats, found.order, found.unread, found.ambiguous) == (formats, order, 0, False)


def test_what_only_the_other_order_reads_stays_unread() -> None:
    found = find_time_formats(pa.array(["13/04/2025"] * 9 + ["04/13/2025"]))
    assert (found.formats, found.unread) == (("%d/%m/%Y",), 1)


def test_where_values_cannot_tell_a_person_does() -> None:
    column = pa.array(["03/04/2025", "05/06/2025"])
    assert find_time_formats(column).ambiguous
    assert find_time_formats(column, order="month").formats == ("%m/%d/%Y",)
    assert find_time_formats(column, order="day").formats == ("%d/%m/%Y",)


@settings(max_examples=25, deadline=None)
@given(
    days=st.lists(st.integers(0, 4000), min_size=20, max_size=40, unique=True),
    one=st.sampled_from(["%d/%m/%Y %H:%M", "%m-%d-%Y", "%d.%m.%Y %H:%M:%S", "%d %b %Y", "%Y/%m/%d %H:%M"]),
)
def test_what_was_written_is_read_back(days: list[int], one: str) -> None:
    moments = [BEGIN + timedelta(days=day) for day in [*days, 0]]
    column = pa.array([moment.strftime(one) for moment in moments])
    found = find_time_formats(column)
    read = read_moments(column, found.formats)
    assert (read.state == GOOD).all()
    assert read.micros.tolist() == [
        int((moment - datetime.fromtimestamp(0, UTC)).total_seconds() * 1e6) for moment in moments
    ]
