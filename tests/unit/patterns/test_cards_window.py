"""The window of the next event covers what it says, and is not shown where nothing can be said."""

import numpy as np
import pandas as pd
import pytest

from crimepatterns.errors import PatternError
from crimepatterns.patterns.cards_window import gap_interval, next_window


@pytest.mark.parametrize("shape", [1.0, 1.5])
@pytest.mark.parametrize("gaps", [2, 6])
def test_eight_in_ten_next_gaps_lie_in_it(shape: float, gaps: int) -> None:
    rng = np.random.default_rng(int(10 * shape) + gaps)
    held = []
    for _ in range(150):
        drawn = rng.gamma(shape, 4.0 / shape, gaps + 1)
        low, high = gap_interval(drawn[:-1])  # type: ignore[misc]
        held.append(low <= drawn[-1] < high)
    assert 0.7 <= np.mean(held) <= 0.9


def test_chance_alone_is_nearly_the_f_distribution() -> None:
    """With many exponential gaps the interval is that of an exponential variable of their mean."""
    gaps = np.random.default_rng(0).exponential(5.0, 400)
    low, high = gap_interval(gaps)  # type: ignore[misc]
    assert low == pytest.approx(-np.log(0.9) * gaps.mean(), rel=0.15)
    assert high == pytest.approx(-np.log(0.1) * gaps.mean(), rel=0.05)


def test_silence_moves_the_window_and_ends_it() -> None:
    gaps = [4.0, 5.0, 6.0, 5.0]
    at_once, later = gap_interval(gaps), gap_interval(gaps, elapsed=6.0)
    assert at_once is not None
    assert later is not None
    assert later[0] > 6.0
    assert later[1] > at_once[1]
    assert gap_interval(gaps, elapsed=60.0) is None


def test_two_events_are_too_few_and_an_ended_pattern_is_said() -> None:
    days = pd.date_range("2024-03-04 12:00", periods=5, freq="4D", tz="America/Chicago").to_series()
    window, note = next_window(days.iloc[:2], as_of=days.iloc[1])
    assert window is None
    assert note == "Not shown: needs 3 dated events, has 2."
    window, note = next_window(days, as_of=days.iloc[-1])
    assert window is not None
    assert note == ""
    assert days.iloc[-1] < window.start + pd.Timedelta(days=4) < window.end
    assert "If a further event follows, 80 %" in window.sentence()
    over, note = next_window(days, as_of=days.iloc[-1] + pd.Timedelta(days=90))
    assert over is None
    assert "seems over" in note


def test_events_of_one_day_make_a_window_of_a_day_at_least() -> None:
    moments = pd.Series(pd.to_datetime(["2024-05-01 01:00", "2024-05-01 01:20", "2024-05-01 01:50"]))
    window, _ = next_window(moments.dt.tz_localize("America/Chicago"), as_of=pd.Timestamp("2024-05-01 07:00Z"))
    assert window is not None
    assert window.end - window.start >= pd.Timedelta(hours=24)
    with pytest.raises(PatternError, match="two or more positive gaps"):
        gap_interval([1.0])
