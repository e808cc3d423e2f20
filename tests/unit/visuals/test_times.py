"""Charts of time count right, hide no gap and show no hour that is not known."""

import numpy as np
import pandas as pd
import pytest

from crimepatterns.errors import PatternError
from crimepatterns.patterns.calendar_counts import count_by_calendar, daily_by_month, record_of
from crimepatterns.patterns.window import Window, last_days
from crimepatterns.visuals.static import hour_weekday_map, seasonality, trend


def test_the_heat_map_is_in_incidents_per_week(make_town_incidents, assert_legible) -> None:
    incidents = make_town_incidents()
    window = last_days(incidents, days=364)
    shown = window.of(incidents)
    figure = hour_weekday_map(shown, category="theft", window=window, run_date="2024-02-09")
    words = " ".join(assert_legible(figure))
    cells = figure.axes[0].collections[0].get_array()
    assert cells.shape == (7, 24)
    assert cells.sum() == pytest.approx(len(shown) / 52)
    first = shown.table["occurred_from"].iloc[0]
    assert cells[first.day_of_week, first.hour] > 0
    assert "When theft happens in Elltown" in words
    assert f"Hours of {len(shown):,} of {len(shown):,} incidents" in words


@pytest.mark.parametrize("precision", ["date", "month"])
def test_unknown_hours_are_not_drawn_as_midnight(make_town_incidents, precision: str) -> None:
    incidents = make_town_incidents(200, precision=precision, span=pd.Timedelta(days=1))
    with pytest.raises(PatternError, match="Hours are not known"):
        hour_weekday_map(incidents, category="all", window=last_days(incidents, days=365))


def test_the_trend_marks_periods_that_are_not_complete(make_town_incidents, assert_legible) -> None:
    incidents = make_town_incidents(start="2022-03-10", days=700)
    figure = trend(incidents, run_date="2024-02-09")
    words = " ".join(assert_legible(figure))
    assert "Incidents per week in Elltown" in words
    assert "theft" in words
    assert "burglary" in words
    hollow = [line for line in figure.axes[0].lines if line.get_marker() == "o"]
    # 10 March 2022 is a Thursday, and the last day, 6 February 2024, is a Tuesday: two ends, two categories.
    assert len(hollow) == 4
    thick = [line for line in figure.axes[0].lines if line.get_linewidth() > 2]
    assert len(thick) == 2
    assert figure.axes[0].get_ylim()[0] == 0


def test_months_are_counted_where_days_are_not_known(make_town_incidents, assert_legible) -> None:
    figure = trend(make_town_incidents(400, start="2022-01-01", days=330, precision="month"))
    assert "Incidents per month in Elltown" in " ".join(assert_legible(figure))
    assert not [line for line in figure.axes[0].lines if line.get_marker() == "o"]


def test_seasons_have_a_line_per_year_from_whole_months(make_town_incidents, assert_legible) -> None:
    figure = seasonality(make_town_incidents(start="2021-03-10", days=1000), category="theft")
    words = " ".join(assert_legible(figure))
    assert {"2021", "2022", "2023"} <= set(words.split())
    by_year = [line.get_ydata() for line in figure.axes[0].lines]
    assert [int(np.isfinite(line).sum()) for line in by_year] == [9, 12, 11]
    with pytest.raises(PatternError, match="whole calendar month"):
        seasonality(make_town_incidents(50, start="2022-01-03", days=20), category="theft")


def test_calendar_counts_sum_to_the_incidents(make_town_incidents) -> None:
    incidents = make_town_incidents(days=200)
    for monthly in (False, True):
        counted = count_by_calendar(incidents, record_of(incidents), monthly=monthly)
        assert counted.counts.to_numpy().sum() == len(incidents)
        assert list(counted.counts.columns) == list(incidents.categories)
        assert counted.complete[1:-1].all()
        assert not counted.complete[0]


def test_daily_means_are_counts_over_days(make_town_incidents) -> None:
    incidents = make_town_incidents(start="2023-01-01", days=365)
    table = daily_by_month(incidents)
    moments = incidents.table["occurred_from"]
    july = ((moments.dt.month == 7) & (moments.dt.year == 2023)).sum()
    assert table.loc[2023, 7] == pytest.approx(july / 31)


def test_a_window_ends_with_the_last_day_or_month_on_record(make_town_incidents) -> None:
    daily = make_town_incidents(100, start="2023-01-01", days=40)
    window = last_days(daily, days=30)
    last = daily.table["occurred_from"].max()
    assert window.end == last.normalize() + pd.DateOffset(days=1)
    assert (window.end - window.start).days == 30
    monthly = make_town_incidents(100, start="2023-01-01", days=40, precision="month")
    assert str(last_days(monthly, days=59)) == "1 Jan 2023 to 28 Feb 2023"
    assert last_days(daily, days=365).start == daily.table["occurred_from"].min().normalize()
    with pytest.raises(PatternError, match="at least one incident"):
        last_days(daily.of("nothing"), days=30)
    half_open = Window(last, window.end).of(daily)
    assert len(half_open) >= 1
    assert len(Window(window.start, last).of(daily)) + len(half_open) == len(window.of(daily))
