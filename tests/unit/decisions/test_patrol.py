"""From forecasts to a plan with hours, its score, its sheet and its table."""

import csv
import io

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

from crimepatterns.decisions.allocation import Capacity
from crimepatterns.decisions.patrol import PLAN_COLUMNS, PlanRules, plan_patrols, reported_shares
from crimepatterns.decisions.plan_score import score_plan
from crimepatterns.decisions.timetable import hours_text, timetable
from crimepatterns.domain.area import StudyArea
from crimepatterns.domain.forecast import Forecast
from crimepatterns.domain.grid import Grid
from crimepatterns.domain.incidents import Incidents
from crimepatterns.domain.periods import Periods
from crimepatterns.errors import DomainError
from crimepatterns.reports.patrol_sheet import patrol_sheet_html, plan_csv

ZONE = "America/Chicago"
START = pd.Timestamp("2024-03-04", tz=ZONE)
CAPACITY = Capacity(units=1, hours_per_unit=4, minutes_per_visit=15, visits_per_place_day=4, shift_hours=8)
RULES = PlanRules(CAPACITY, area_budget=0.2, neighbourhood_cap=1.5)


def make_incidents(times, *, x=150.0, y=150.0, until=None, precision="minute", category="theft", discovery="reported"):
    begin = pd.DatetimeIndex(times, tz=ZONE).as_unit("us")
    count = len(begin)
    end = begin if until is None else pd.DatetimeIndex(until, tz=ZONE).as_unit("us")
    names = ["West", "=East"]
    quarters = gpd.GeoDataFrame(
        {"name": names}, geometry=[shapely.box(0, 0, 1000, 1000), shapely.box(1000, 0, 2000, 1000)], crs="EPSG:32616"
    )
    area = StudyArea("Town", shapely.box(0, 0, 2000, 1000), "EPSG:32616", ZONE, quarters)
    table = pd.DataFrame(
        {
            "id": [f"i{n}" for n in range(count)],
            "occurred_from": begin,
            "occurred_until": end,
            "known_at": end,
            "time_precision": precision,
            "category": category,
            "offence": "",
            "discovery": discovery,
            "source": "test",
            "x": np.broadcast_to(x, count).astype(float),
            "y": np.broadcast_to(y, count).astype(float),
        }
    )
    return Incidents(table, area)


@pytest.fixture(scope="module")
def town():
    """A year of incidents, three quarters of them in the west, two thirds on Friday and Saturday evenings."""
    rng = np.random.default_rng(3)
    days = pd.date_range("2023-03-06", "2024-03-03", freq="D")
    evenings = [day + pd.Timedelta(hours=20) for day in days if day.day_of_week in (4, 5)] * 4
    mornings = [day + pd.Timedelta(hours=9) for day in days if day.day_of_week == 1] * 4
    times = sorted(evenings + mornings)
    west = rng.random(len(times)) < 0.75
    return make_incidents(times, x=np.where(west, rng.uniform(0, 999, len(times)), rng.uniform(1001, 1999, len(times))),
                          y=rng.uniform(0, 999, len(times)))  # fmt: skip


@pytest.fixture(scope="module")
def grid(town):
    return Grid.square(town.area, cell_size_m=100)


def forecast_of(grid, mean, category="theft", model="count_eb"):
    return Forecast(grid, Periods.starting_at(START, days=7, count=1), category, model, START, mean[:, None])


@pytest.fixture(scope="module")
def plan(town, grid):
    mean = np.random.default_rng(4).gamma(0.5, 0.2, len(grid))
    return plan_patrols([forecast_of(grid, mean)], town, rules=RULES)


def test_hours_follow_the_rhythm_of_the_week(town):
    found = timetable(town, shift_hours=8)
    assert found.known == "hours"
    assert found.shares.sum() == pytest.approx(1)
    assert found.shares[4, 2] + found.shares[5, 2] == pytest.approx(2 / 3, abs=0.01)
    assert found.shares[1, 1] == pytest.approx(1 / 3, abs=0.01)


def test_interval_times_are_shared_out_over_their_hours():
    # Monday 22:00 to Tuesday 02:00: half in Monday's last shift, half in Tuesday's first.
    night = make_incidents(["2024-01-01 22:00"] * 99, until=["2024-01-02 02:00"] * 99)
    shares = timetable(night, shift_hours=8).shares
    assert shares[0, 2] == pytest.approx(shares[1, 0])
    assert shares[0, 2] == pytest.approx(0.5, abs=0.01)


def test_part_of_an_hour_counts_as_part():
    # 07:30 to 08:30 on a Monday: half before eight, half after.
    early = make_incidents(["2024-01-01 07:30"] * 99, until=["2024-01-01 08:30"] * 99)
    shares = timetable(early, shift_hours=8).shares
    assert shares[0, 0] == pytest.approx(shares[0, 1])


@pytest.mark.parametrize(("precision", "known"), [("date", "weekdays"), ("month", "nothing")])
def test_unknown_hours_are_said_to_be_unknown(precision, known):
    dated = make_incidents(["2024-01-01"] * 50, precision=precision)
    found = timetable(dated, shift_hours=8)
    assert (found.known, found.shares.shape) == (known, (7, 1))
    assert "hours not known" in hours_text(np.ones((7, 1), dtype=bool), found)


def test_hours_read_as_people_write_them(town):
    blocks = np.zeros((7, 3), dtype=bool)
    blocks[0:4, 2] = True
    blocks[[4, 6], 1] = True
    assert hours_text(blocks, timetable(town, shift_hours=8)) == "Fri, Sun 08-16; Mon-Thu 16-24"


def test_a_plan_is_within_its_rules(plan, grid, town):
    assert list(plan.places.columns) == list(PLAN_COLUMNS)
    assert plan.places["rank"].tolist() == list(range(1, len(plan.places) + 1))
    assert plan.facts["area_share"] <= 0.2 + 1e-9
    assert (plan.blocks.sum(axis=(0, 2)) <= CAPACITY.places_per_day).all()
    shares = reported_shares(town, grid)
    for row in plan.facts["exposure"]:
        assert row["share_of_plan"] <= 1.5 * shares[row["neighbourhood"]] + 1e-9


def test_the_cap_has_a_price_and_it_is_printed(town, grid):
    east = np.where(grid.centres[:, 0] > 1000, 1.0, 0.1)
    capped = plan_patrols([forecast_of(grid, east)], town, rules=RULES)
    free = plan_patrols([forecast_of(grid, east)], town, rules=PlanRules(CAPACITY, 0.2, None))
    assert capped.facts["expected_in_hours"] < capped.facts["uncapped_expected_in_hours"]
    assert capped.facts["uncapped_expected_in_hours"] == pytest.approx(free.facts["expected_in_hours"])
    assert set(free.places["neighbourhood"]) == {"=East"}


def test_expected_numbers_add_up(plan):
    assert plan.places["expected"].sum() == pytest.approx(plan.facts["expected_at_places"])
    assert plan.places["expected_in_hours"].sum() == pytest.approx(plan.facts["expected_in_hours"])
    assert plan.places["chance_of_none"].to_numpy() == pytest.approx(np.exp(-plan.places["expected"].to_numpy()))
    assert plan.places["place_days"].sum() == plan.facts["place_days"] == plan.blocks.sum()


def test_nobody_is_sent_to_a_place_quieter_than_the_average(town, grid):
    mean = np.full(len(grid), 0.01)
    mean[:3] = 2.0
    made = plan_patrols([forecast_of(grid, mean)], town, rules=PlanRules(CAPACITY, 0.5, None))
    assert sorted(made.places["cell_id"]) == sorted(grid.ids[:3])


def test_weights_move_the_plan_to_the_graver_category(town, grid):
    thefts, assaults = np.full(len(grid), 0.5), np.full(len(grid), 0.01)
    assaults[7] = 0.4
    both = [forecast_of(grid, thefts), forecast_of(grid, assaults, category="assault")]
    weighted = PlanRules(CAPACITY, 0.2, None, {"assault": 50.0})
    first = plan_patrols(both, town, rules=weighted).places.iloc[0]
    assert first["cell_id"] == grid.ids[7]
    assert first["category_mix"] == "theft 56 %, assault 44 %"


def test_only_what_was_known_shapes_the_plan(town, grid):
    later = make_incidents(["2024-03-10 03:00"] * 500)
    table = pd.concat([town.table, later.table.assign(id=[f"z{i}" for i in range(500)])], ignore_index=True)
    mean = np.random.default_rng(4).gamma(0.5, 0.2, len(grid))
    before = plan_patrols([forecast_of(grid, mean)], town, rules=RULES)
    after = plan_patrols([forecast_of(grid, mean)], Incidents(table, town.area), rules=RULES)
    assert np.array_equal(before.blocks, after.blocks)


def test_forecasts_must_fit_together_and_expect_something(town, grid):
    other = Grid.square(town.area, cell_size_m=200)
    with pytest.raises(DomainError, match="must share grid"):
        plan_patrols([forecast_of(grid, np.ones(len(grid))), forecast_of(other, np.ones(len(other)), "assault")],
                     town, rules=RULES)  # fmt: skip
    with pytest.raises(DomainError, match="Nothing is expected"):
        plan_patrols([forecast_of(grid, np.zeros(len(grid)))], town, rules=RULES)


def test_score_counts_places_and_hours(town, grid):
    mean = np.full(len(grid), 1e-6)
    mean[:4] = 5.0
    made = plan_patrols([forecast_of(grid, mean)], town, rules=PlanRules(CAPACITY, 0.02, None))
    x, y = grid.centres[1]
    # Friday evening is a planned block, Friday at three in the morning is not; the last is elsewhere.
    happened = make_incidents(["2024-03-08 20:00", "2024-03-08 03:00", "2024-03-08 20:00"],
                              x=np.array([x, x, 1950.0]), y=np.array([y, y, 950.0]))  # fmt: skip
    hits = score_plan(made, happened, grid, window=(START, START + pd.DateOffset(days=7)), categories=["theft"])
    assert (hits.at_places, hits.in_hours, hits.total, hits.total_timed) == (2, 1, 3, 3)
    assert hits.empty_places == pytest.approx(3 / 4)


def test_the_sheet_is_self_contained_and_escapes(plan, town):
    page = patrol_sheet_html(plan, town.area, title="<b>Town</b>", made_at=START, run={"Version": "1"}, rows=3,
                             backtest={"sentences": ["A & B"]})  # fmt: skip
    assert "<b>Town" not in page
    assert "A &amp; B" in page
    assert "http" not in page
    assert page.count('class="why"') == 3
    assert f"{len(plan.places) - 3} more places" in page
    assert "<svg" in page
    assert "Price of the cap" in page


def test_the_table_is_safe_in_a_spreadsheet(plan):
    rows = list(csv.DictReader(io.StringIO(plan_csv(plan))))
    assert len(rows) == len(plan.places)
    assert {row["neighbourhood"] for row in rows} <= {"West", "'=East"}
    assert "'=East" in {row["neighbourhood"] for row in rows}
    assert all(-88.6 < float(row["longitude"]) < -80 for row in rows) or float(rows[0]["longitude"]) < 0
