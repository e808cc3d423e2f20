"""Aoristic mass against a count of single minutes; conservation, clock changes, moments, the edge of the window."""

import tracemalloc
from pathlib import Path
from time import process_time

import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from crimepatterns.domain.aoristic import hour_edges, hour_of_week, intervals_of, overlaps
from crimepatterns.domain.aoristic_panel import AoristicPanel
from crimepatterns.domain.area import StudyArea, empty_neighbourhoods
from crimepatterns.domain.grid import Grid
from crimepatterns.domain.incidents import Incidents
from crimepatterns.domain.panel import Panel
from crimepatterns.domain.periods import Periods
from crimepatterns.errors import DomainError

CRS, ZONE = "EPSG:32616", "America/Chicago"
MINUTE = 60_000_000


def spans(
    begin: list[str], end: list[str] | None = None, *, zone: str = ZONE, precision: str = "minute"
) -> pd.DataFrame:
    """Make a table of spans from civil times."""
    start, stop = (pd.to_datetime(pd.Index(times), format="ISO8601").as_unit("us") for times in (begin, end or begin))
    return pd.DataFrame(
        {
            "occurred_from": start.tz_localize(zone, ambiguous=True),
            "occurred_until": stop.tz_localize(zone, ambiguous=True),
            "time_precision": precision,
        }
    )


def by_minutes(table: pd.DataFrame) -> np.ndarray:
    """The oracle: walk through every minute of every span on the city's own clock."""
    mass = np.zeros((7, 24))
    for start, stop in zip(table["occurred_from"], table["occurred_until"], strict=True):
        whole = pd.date_range(start.tz_convert("UTC"), stop.tz_convert("UTC"), freq="min", inclusive="left")
        minutes = whole.tz_convert(start.tz) if len(whole) else pd.DatetimeIndex([start])
        np.add.at(mass, (minutes.day_of_week.to_numpy(), minutes.hour.to_numpy()), 1.0 / len(minutes))
    return mass


# -- hours of the week -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "day"),
    [
        ("America/Chicago", "2024-03-10"),
        ("America/Chicago", "2024-11-03"),
        ("Europe/London", "2024-03-31"),
        ("Australia/Lord_Howe", "2024-04-07"),
        ("Asia/Kathmandu", "2024-05-05"),
        ("America/Sao_Paulo", "2018-11-04"),
        ("UTC", "2024-02-29"),
    ],
)
def test_hours_of_the_week_are_those_counted_minute_by_minute(zone: str, day: str) -> None:
    rng = np.random.default_rng(4)
    start = pd.Timestamp(day, tz="UTC") + pd.to_timedelta(rng.integers(-2000, 2000, 60), unit="min")
    stop = start + pd.to_timedelta(np.where(rng.random(60) < 0.3, 0, rng.integers(1, 4000, 60)), unit="min")
    table = pd.DataFrame(
        {
            "occurred_from": start.tz_convert(zone).as_unit("us"),
            "occurred_until": stop.tz_convert(zone).as_unit("us"),
            "time_precision": "minute",
        }
    )
    found = hour_of_week(table)
    np.testing.assert_allclose(found.mass, by_minutes(table), atol=1e-12)
    assert found.mass.sum() == pytest.approx(60, abs=1e-12)


def test_days_of_23_and_25_hours() -> None:
    short = hour_of_week(spans(["2024-03-10 00:00"], ["2024-03-11 00:00"])).mass[6]
    assert short[2] == 0
    np.testing.assert_allclose(np.delete(short, 2), 1 / 23, atol=1e-15)
    long = hour_of_week(spans(["2024-11-03 00:00"], ["2024-11-04 00:00"])).mass[6]
    assert long[1] == pytest.approx(2 / 25, abs=1e-15)
    np.testing.assert_allclose(np.delete(long, 1), 1 / 25, atol=1e-15)


def test_a_moment_has_mass_one_in_one_hour() -> None:
    mass = hour_of_week(spans(["2024-05-03 23:00:00", "2024-05-03 23:59:59.999999", "2024-05-04 00:00:00"])).mass
    assert (mass[4, 23], mass[5, 0]) == (2.0, 1.0)
    assert mass.sum() == 3.0


def test_a_whole_week_is_flat_and_seven_years_are_nearly_so() -> None:
    week = hour_of_week(spans(["2024-05-01 10:20"], ["2024-05-08 10:20"])).mass
    np.testing.assert_allclose(week, 1 / 168, atol=1e-15)
    years = hour_of_week(spans(["2010-05-01 10:20"], ["2017-05-01 10:20"])).mass
    assert years.sum() == pytest.approx(1, abs=1e-12)
    np.testing.assert_allclose(years, 1 / 168, rtol=0.03)
    assert np.unravel_index(years.argmax(), years.shape) == (6, 1), "the doubled hour of autumn"
    assert np.unravel_index(years.argmin(), years.shape) == (6, 2), "the missing hour of spring"


def test_dates_and_months_carry_no_hour() -> None:
    fine = spans(["2024-05-03 23:10"])
    dates = spans(["2024-05-03 00:00", "2024-05-04 00:00"], ["2024-05-04 00:00", "2024-05-05 00:00"], precision="date")
    months = spans(["2024-05-01 00:00"], ["2024-06-01 00:00"], precision="month")
    table = pd.concat([fine, dates, months], ignore_index=True)
    without = hour_of_week(table)
    assert (without.used, without.no_hour, without.share_no_hour) == (1, 3, 0.75)
    assert without.mass.sum() == 1.0
    assert str(without).endswith("75.0 % are known to the day or month only: left out.")
    spread = hour_of_week(table, coarse="spread")
    assert spread.mass.sum() == pytest.approx(4, abs=1e-12)
    assert spread.mass[4].sum() == pytest.approx(2 + 5 / 31, abs=1e-12), "May 2024 has five Fridays"
    assert "spread evenly" in str(spread)
    nobody = hour_of_week(table.iloc[:0])
    assert (nobody.mass.sum(), nobody.share_no_hour) == (0.0, 0.0)


def test_coarse_times_that_nobody_widened_count_as_whole_units() -> None:
    table = pd.concat(
        [
            spans(["2024-05-03 07:00"], precision="hour"),
            spans(["2024-11-03 00:00"], precision="date"),
            spans(["2024-02-01 00:00"], precision="month"),
            spans(["2024-02-01 00:00"]),
        ],
        ignore_index=True,
    )
    start, end = intervals_of(table)
    assert ((end - start) // (60 * MINUTE)).tolist() == [1, 25, 29 * 24, 0]
    widened = spans(["2024-05-03 00:00"], ["2024-05-04 00:00"], precision="date")
    start, end = intervals_of(widened)
    assert (end - start).tolist() == [24 * 60 * MINUTE]


def test_edges_of_hours_are_civil() -> None:
    begin, stop = (
        pd.Timestamp(moment, tz="Australia/Lord_Howe") for moment in ("2024-04-07 00:00", "2024-04-07 04:00")
    )
    edges, label = hour_edges(begin, stop)
    assert (np.diff(edges) // MINUTE).tolist() == [60, 90, 60, 60], "clocks go back by half an hour at two"
    assert (label - 6 * 24).tolist() == [0, 1, 2, 3]


# -- cutting intervals -------------------------------------------------------------------------------------------------

edges_of = st.lists(st.integers(0, 2_000), min_size=2, max_size=12, unique=True).map(sorted)
some_spans = st.lists(st.tuples(st.integers(-500, 2_500), st.one_of(st.just(0), st.integers(0, 1_500))), max_size=30)


@given(some_spans, edges_of, st.integers(1, 50))
def test_the_shares_are_the_overlaps_whatever_the_portions(
    given_spans: list[tuple[int, int]], edges: list[int], most: int
) -> None:
    start = np.array([begin for begin, _ in given_spans], dtype=np.int64)
    end = start + np.array([length for _, length in given_spans], dtype=np.int64)
    found = np.zeros((len(start), len(edges) - 1))
    for row, place, share in overlaps(start, end, np.array(edges), most_pairs=most):
        assert len(row) <= max(most, len(edges) - 1)
        found[row, place] += share
    for i, (begin, stop) in enumerate(zip(start.tolist(), end.tolist(), strict=True)):
        for j in range(len(edges) - 1):
            low, high = edges[j], edges[j + 1]
            expected = float(low <= begin < high) if begin == stop else max(0, min(stop, high) - max(begin, low))
            assert found[i, j] == pytest.approx(expected / max(stop - begin, 1), abs=1e-15)
    inside = np.minimum(end, edges[-1]) - np.maximum(start, edges[0])
    kept = np.where(end > start, np.maximum(inside, 0) / np.maximum(end - start, 1), 0.0)
    kept = np.where(end == start, (start >= edges[0]) & (start < edges[-1]), kept)
    np.testing.assert_allclose(found.sum(axis=1), kept, atol=1e-12)


def test_an_interval_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(DomainError, match="must not end before they begin"):
        list(overlaps(np.array([5]), np.array([4]), np.array([0, 10])))


def test_a_million_intervals_take_seconds_and_bounded_memory() -> None:
    rng = np.random.default_rng(2)
    start = rng.integers(0, 4 * 365 * 1440, 1_000_000) * MINUTE
    end = start + (np.exp(rng.normal(6.4, 1.0, 1_000_000)) * MINUTE).astype(np.int64)
    edges = np.arange(-1, 5 * 365 * 24) * 60 * MINUTE
    tracemalloc.start()
    began, total, pairs = process_time(), 0.0, 0
    for row, _, share in overlaps(start, end, edges):
        total, pairs = total + float(share.sum()), pairs + len(row)
    took = process_time() - began
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert pairs > 10_000_000
    assert total == pytest.approx(1_000_000, rel=1e-12)
    assert took < 20, "a loop over incidents takes minutes"
    assert peak < 400e6


# -- the panel ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def town() -> StudyArea:
    return StudyArea("Town", shapely.box(0, 0, 3000, 3000), CRS, ZONE, empty_neighbourhoods(CRS))


def draw(area: StudyArea, n: int, seed: int) -> Incidents:
    rng = np.random.default_rng(seed)
    begin = pd.Timestamp("2024-03-04", tz=ZONE) + pd.to_timedelta(rng.integers(0, 20 * 1440, n), unit="min")
    begin = pd.Series(begin.as_unit("us"))
    length = np.where(rng.random(n) < 0.4, 0, rng.integers(1, 4 * 1440, n))
    until = begin + pd.to_timedelta(length, unit="min")
    table = pd.DataFrame(
        {
            "id": [str(i) for i in range(n)],
            "occurred_from": begin,
            "occurred_until": until,
            "known_at": until + pd.to_timedelta(rng.integers(0, 3 * 1440, n), unit="min"),
            "time_precision": "minute",
            "category": pd.Categorical(rng.choice(["a", "b", "c"], n)),
            "offence": "x",
            "discovery": "reported",
            "source": "test",
            "x": rng.uniform(-300, 3300, n),
            "y": rng.uniform(0, 3000, n),
        }
    )
    return Incidents(table, area)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 60))
def test_nothing_is_lost_but_what_lies_outside(seed: int, n: int) -> None:
    area = StudyArea("Town", shapely.box(0, 0, 3000, 3000), CRS, ZONE, empty_neighbourhoods(CRS))
    grid, incidents = Grid.square(area, cell_size_m=500), draw(area, n, seed)
    periods = Periods.starting_at(pd.Timestamp("2024-03-08", tz=ZONE), days=1, count=5)
    panel = AoristicPanel.spread(incidents, grid, periods, categories=("b", "a"))
    table = incidents.table[incidents.table["category"].isin(["a", "b"])]
    start, end = intervals_of(table)
    low, high = (int(moment.as_unit("us").asm8.astype(np.int64)) for moment in (periods.start, periods.end))
    length = np.maximum(end - start, 1)
    kept = np.where(
        start == end,
        (start >= low) & (start < high),
        np.clip(np.minimum(end, high) - np.maximum(start, low), 0, None) / length,
    )
    assert panel.weights.sum() + panel.outside == pytest.approx(kept.sum(), abs=1e-12)
    meets = kept > 0
    assert panel.lost == pytest.approx((1 - kept[meets]).sum(), abs=1e-12)
    for name in ("a", "b"):
        cell, inside = grid.assign(table["x"], table["y"])
        own = (table["category"] == name).to_numpy() & inside
        np.testing.assert_allclose(
            panel.of(name).sum(axis=1), np.bincount(cell[own], weights=kept[own], minlength=len(grid)), atol=1e-12
        )
    np.testing.assert_allclose(panel.total, panel.of("a") + panel.of("b"), atol=1e-12)


def test_moments_alone_give_the_counts(town: StudyArea) -> None:
    grid, incidents = Grid.square(town, cell_size_m=500), draw(town, 300, 1)
    table = incidents.table.assign(occurred_until=incidents.table["occurred_from"])
    moments = Incidents(table, town)
    periods = Periods.starting_at(pd.Timestamp("2024-03-08", tz=ZONE), days=2, count=6)
    names = ("a", "b", "c")
    spread = AoristicPanel.spread(moments, grid, periods, categories=names)
    counted = Panel.count(moments, grid, periods, categories=names)
    np.testing.assert_array_equal(spread.weights, counted.counts)
    assert (spread.outside, spread.lost) == (counted.outside, 0.0)


def test_periods_over_a_clock_change_share_elapsed_time(town: StudyArea) -> None:
    grid = Grid.square(town, cell_size_m=3000)
    incidents = draw(town, 1, 1)
    begin, stop = (pd.Timestamp(day, tz=ZONE).as_unit("us") for day in ("2024-03-09", "2024-03-11"))
    table = incidents.table.assign(occurred_from=begin, occurred_until=stop, known_at=stop, x=1500.0, y=1500.0)
    periods = Periods.starting_at(begin, days=1, count=2)
    panel = AoristicPanel.spread(Incidents(table, town), grid, periods)
    np.testing.assert_allclose(panel.weights.ravel(), [24 / 47, 23 / 47], atol=1e-15)


def test_only_what_was_known_is_spread(town: StudyArea) -> None:
    grid, incidents = Grid.square(town, cell_size_m=1000), draw(town, 200, 3)
    periods = Periods.starting_at(pd.Timestamp("2024-03-05", tz=ZONE), days=1, count=7)
    cutoff = periods.end
    then = AoristicPanel.spread(incidents, grid, periods, as_of=cutoff)
    np.testing.assert_allclose(
        then.weights, AoristicPanel.spread(incidents.as_of(cutoff), grid, periods, categories=then.categories).weights
    )
    assert then.as_of == cutoff


def test_a_panel_checks_its_weights(town: StudyArea) -> None:
    grid = Grid.square(town, cell_size_m=3000)
    periods = Periods.starting_at(pd.Timestamp("2024-03-05", tz=ZONE), days=1, count=2)
    good = np.zeros((1, len(grid), 2))
    for weights, words in (
        (good[:, :, :1], "must have shape"),
        (good.astype(int), "floating-point"),
        (good - 1.0, "not negative"),
        (good * np.nan, "finite"),
    ):
        with pytest.raises(DomainError, match=words):
            AoristicPanel(grid, periods, ("a",), weights, periods.end)
    with pytest.raises(DomainError, match="no category 'z'"):
        AoristicPanel(grid, periods, ("a",), good, periods.end).of("z")


# -- real spans --------------------------------------------------------------------------------------------------------


@pytest.mark.shared
def test_real_vehicle_thefts_minute_by_minute(shared_data: Path) -> None:
    raw = pd.read_parquet(shared_data / "nyc" / "nyc_vehicle_thefts_start_end.parquet")
    begin = raw["date_start"].dt.tz_localize("America/New_York", ambiguous=True, nonexistent="shift_forward")
    stop = raw["date_end"].fillna(raw["date_start"])
    stop = stop.dt.tz_localize("America/New_York", ambiguous=True, nonexistent="shift_forward")
    stop = stop.where(stop >= begin, begin)
    table = pd.DataFrame(
        {
            "occurred_from": begin.dt.as_unit("us"),
            "occurred_until": stop.dt.as_unit("us"),
            "time_precision": "minute",
        }
    )
    everything = hour_of_week(table)
    assert len(table) == 35_746
    assert everything.mass.sum() == pytest.approx(35_746, rel=1e-12)
    hours = (table["occurred_until"] - table["occurred_from"]).dt.total_seconds() / 3600
    assert hours.max() > 6 * 365 * 24, "the seven-year span is in it"
    sample = table[hours < 96].sample(500, random_state=1)
    np.testing.assert_allclose(hour_of_week(sample).mass, by_minutes(sample), atol=1e-11)
    start_only = hour_of_week(table.assign(occurred_until=table["occurred_from"])).mass.sum(axis=0)
    evening = slice(18, 23)
    assert start_only[evening].sum() > 1.2 * everything.mass.sum(axis=0)[evening].sum(), (
        "parked in the evening, not stolen"
    )
