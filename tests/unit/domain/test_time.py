import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crimepatterns.domain.folds import Fold, rolling, spans
from crimepatterns.domain.periods import Periods
from crimepatterns.errors import DomainError

ZONE = "America/Chicago"
MONDAY = pd.Timestamp("2017-04-03", tz=ZONE)


def test_a_week_over_a_clock_change_is_seven_midnights_long() -> None:
    weeks = Periods.ending_at(pd.Timestamp("2017-03-20", tz=ZONE), days=7, count=2)
    assert [edge.hour for edge in weeks.edges] == [0, 0, 0]
    assert weeks.edges[1] - weeks.edges[0] == pd.Timedelta(hours=167)


def test_periods_are_half_open() -> None:
    weeks = Periods.starting_at(MONDAY, days=7, count=2)
    moments = pd.Series(
        pd.DatetimeIndex([MONDAY - pd.Timedelta(1, "us"), MONDAY, weeks.edges[1], weeks.end]).as_unit("us")
    )
    index, inside = weeks.locate(moments)
    assert inside.tolist() == [False, True, True, False]
    assert index[inside].tolist() == [0, 1]


def test_times_of_another_unit_are_located_alike() -> None:
    weeks = Periods.starting_at(MONDAY, days=7, count=3)
    moments = pd.DatetimeIndex([MONDAY + pd.Timedelta(days=8)])
    for unit in ("s", "ms", "us", "ns"):
        index, inside = weeks.locate(moments.as_unit(unit))
        assert inside.all()
        assert index.tolist() == [1]


@given(st.integers(1, 30), st.integers(1, 40))
@settings(max_examples=30, deadline=None)
def test_both_ways_of_making_periods_agree(days: int, count: int) -> None:
    forwards = Periods.starting_at(MONDAY, days=days, count=count)
    backwards = Periods.ending_at(forwards.end, days=days, count=count)
    assert forwards.edges.equals(backwards.edges)
    assert (np.diff(forwards.edges.asi8) > 0).all()


def test_naive_or_empty_periods_are_refused() -> None:
    with pytest.raises(DomainError, match="time zone"):
        Periods(pd.date_range("2017-01-01", periods=3))
    with pytest.raises(DomainError, match="two edges"):
        Periods(pd.DatetimeIndex([MONDAY]))
    with pytest.raises(DomainError, match="increase"):
        Periods(pd.DatetimeIndex([MONDAY, MONDAY]))


@given(st.integers(1, 28), st.integers(1, 26), st.integers(30, 900))
@settings(max_examples=60, deadline=None)
def test_rolling_folds_never_see_their_test(horizon: int, origins: int, days: int) -> None:
    end = MONDAY + pd.DateOffset(days=days)
    if days // horizon - origins < 1:
        with pytest.raises(DomainError, match="fewer origins"):
            rolling(MONDAY, end, horizon_days=horizon, origins=origins)
        return
    folds = rolling(MONDAY, end, horizon_days=horizon, origins=origins)
    assert len(folds) == origins
    assert folds[-1].test.end == end
    for before, after in itertools.pairwise(folds):
        assert before.test.end == after.test.start
    for fold in folds:
        assert fold.train.end == fold.cutoff == fold.test.start
        assert fold.train.start >= MONDAY


def test_spans_are_disjoint() -> None:
    cut = spans(MONDAY, MONDAY + pd.DateOffset(days=700), horizon_days=7, select_origins=13, judge_origins=26)
    assert (len(cut.select), len(cut.judge)) == (13, 26)
    assert cut.fit_end == cut.select[0].cutoff
    assert cut.select[-1].test.end == cut.judge[0].cutoff


def test_a_fold_that_looks_ahead_cannot_be_made() -> None:
    train = Periods.starting_at(MONDAY, days=7, count=4)
    with pytest.raises(DomainError, match="cutoff"):
        Fold(train.end - pd.Timedelta(days=1), train, Periods.starting_at(train.end, days=7, count=1))


def test_equal_moments_of_two_zones_keep_their_own_midnights() -> None:
    there = pd.Timestamp("2024-03-20", tz="Europe/Berlin")
    for end in (there, there.tz_convert("America/Chicago"), there):
        periods = Periods.ending_at(end, days=7, count=3)
        assert str(periods.edges.tz) == str(end.tz)
        assert [edge.hour for edge in periods.edges] == [end.hour] * 4
