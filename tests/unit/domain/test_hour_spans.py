"""Hours of the week of incidents: by hand, over clock changes, and what tells nothing."""

import numpy as np
import pandas as pd
import pytest

from crimepatterns.domain.hour_spans import HourSpans

ZONE = "America/Chicago"


def table(*rows: tuple[str, str, str]) -> pd.DataFrame:
    begin, end, precision = zip(*rows, strict=True)
    times = {
        name: pd.Series(pd.to_datetime(list(values), format="mixed").tz_localize(ZONE))
        for name, values in (("occurred_from", begin), ("occurred_until", end))
    }
    return pd.DataFrame({**times, "time_precision": list(precision)})


def test_moments_and_spans_meet_their_hours_by_the_share_of_time() -> None:
    # Monday 13:20; Monday 23:30 to Tuesday 01:00.
    spans = HourSpans.of(
        table(("2024-05-06 13:20", "2024-05-06 13:20", "minute"), ("2024-05-06 23:30", "2024-05-07 01:00", "minute"))
    )
    assert spans.row.tolist() == [0, 1, 1]
    assert spans.hour.tolist() == [13, 23, 24]
    assert spans.share.tolist() == pytest.approx([1, 1 / 3, 2 / 3])
    assert (spans.incidents, spans.telling, spans.used) == (2, 2, 2)


def test_what_tells_no_hour_is_counted_apart() -> None:
    spans = HourSpans.of(
        table(
            ("2024-05-06 13:00", "2024-05-06 13:00", "hour"),
            ("2024-05-06", "2024-05-06", "date"),
            ("2024-05-01", "2024-05-01", "month"),
            ("2024-05-06 08:00", "2024-05-08 08:00", "minute"),
            ("2024-05-06 08:00", "2024-05-20 08:00", "minute"),
        )
    )
    assert (spans.incidents, spans.telling, spans.used) == (5, 1, 3)
    assert set(spans.row.tolist()) == {0, 1, 3}
    assert spans.hour[spans.row == 1].tolist() == list(range(24))
    assert np.bincount(spans.row, weights=spans.share).tolist() == pytest.approx([1, 1, 0, 1])
    assert HourSpans.of(table(("2024-05-01", "2024-05-01", "month"))).used == 0


def test_the_night_in_which_clocks_go_back_has_a_doubled_hour() -> None:
    spans = HourSpans.of(table(("2024-11-03 00:00", "2024-11-03 03:00", "minute")))
    mass = np.bincount(spans.hour, weights=spans.share, minlength=168)[6 * 24 :]
    assert mass[:4].tolist() == pytest.approx([1 / 4, 2 / 4, 1 / 4, 0])


def test_spans_are_shared_out_in_proportion_to_a_density() -> None:
    spans = HourSpans.of(table(("2024-05-06 10:00", "2024-05-06 12:00", "minute")))
    density = np.where(spans.hour == 10, 3.0, 1.0)
    assert spans.chance(density).tolist() == pytest.approx([2.0])
    assert spans.shared_out(density).tolist() == pytest.approx([0.75, 0.25])
