"""The truth of the embedded city is exact: against simulation, against plain sums, against the record itself."""

import numpy as np
import pandas as pd
import pytest

from crimepatterns.domain.grid import Grid
from crimepatterns.domain.periods import Periods
from crimepatterns.errors import SourceError
from crimepatterns.sources.synthetic import SyntheticCity
from crimepatterns.sources.synthetic_plan import CATEGORIES, CITY_CLASSES, MAX_LAG_DAYS, delay_pmf

ZONE = "America/Chicago"
CONTINUATIONS = 400


def small(city_class: str = "triggering", **options: object) -> SyntheticCity:
    return SyntheticCity(city_class=city_class, **({"incidents": 9_000, "years": 1, "area_km2": 25.0} | options))


def at(day: str) -> pd.Timestamp:
    return pd.Timestamp(day, tz=ZONE)


@pytest.fixture(scope="module")
def city() -> SyntheticCity:
    return small()


@pytest.fixture(scope="module")
def grid(city: SyntheticCity) -> Grid:
    return Grid.square(city.area, cell_size_m=700)


@pytest.mark.parametrize("city_class", CITY_CLASSES)
def test_many_continuations_average_to_the_expected_counts(city_class: str) -> None:
    city = small(city_class)
    grid = Grid.square(city.area, cell_size_m=1000)
    # Over a clock change, a month's end and the start of the intervention; the first week is not scored.
    as_of, periods = at("2025-10-20"), Periods.starting_at(at("2025-10-27"), days=7, count=2)
    expected = city.truth.expected_counts(grid, periods, category="burglary", as_of=as_of)
    rng = np.random.default_rng(1)
    draws = np.array(
        [
            city.truth.simulate_counts(grid, periods, rng=rng, category="burglary", as_of=as_of)
            for _ in range(CONTINUATIONS)
        ]
    )
    error = draws.std(axis=0, ddof=1) / np.sqrt(CONTINUATIONS)
    busy = expected * CONTINUATIONS > 40
    z = (draws.mean(axis=0) - expected)[busy] / error[busy]
    assert busy.sum() > 20
    assert np.abs(z).max() < 4.5
    assert 0.5 < np.mean(z**2) < 1.6
    totals = draws.sum(axis=(1, 2))
    assert totals.mean() == pytest.approx(expected.sum(), abs=4 * totals.std() / np.sqrt(CONTINUATIONS))


def test_next_day_equals_the_plain_sum_over_all_past_incidents(city: SyntheticCity) -> None:
    truth, day = city.truth, 200
    code = city.categories.index("burglary")
    past = truth.history.where((truth.history.category == code) & (truth.history.day < day))
    expected = next(iter(truth.process.expected_days(code, truth.history, day, 1)))
    process = truth.process
    plan, delays = CATEGORIES[code], delay_pmf(CATEGORIES[code].delay_days)
    month = process.calendar.month_of(day)
    plain = (
        process.rate[code] * process.calendar.rhythm(plan, np.array([day]))[0] * process.background.weights(month)[code]
    )
    for when, place in zip(past.day, past.place, strict=True):
        if day - when <= MAX_LAG_DAYS:
            row = process.displacement.matrix[[place], :].toarray()[0]
            plain = plain + process.branching[code] * delays[day - when - 1] * row
    np.testing.assert_allclose(expected, plain, rtol=1e-10, atol=1e-15)


def test_totals_follow_the_scalar_recursion_whatever_the_grid(city: SyntheticCity, grid: Grid) -> None:
    truth, code = city.truth, city.categories.index("theft")
    periods = Periods.starting_at(at("2025-05-01"), days=30, count=3)
    first = truth.process.calendar.day_number(periods.start)
    past = truth.history.where(truth.history.category == code)
    daily = {day: float((past.day == day).sum()) for day in range(first - MAX_LAG_DAYS, first)}
    plan, process = CATEGORIES[code], truth.process
    delays = delay_pmf(plan.delay_days)
    for day in range(first, first + 90):
        weights = process.background.weights(process.calendar.month_of(day))[code].sum()
        own = process.rate[code] * process.calendar.rhythm(plan, np.array([day]))[0] * weights
        daily[day] = own + process.branching[code] * sum(
            delays[lag - 1] * daily[day - lag] for lag in range(1, MAX_LAG_DAYS + 1)
        )
    months = [sum(daily[first + 30 * i + j] for j in range(30)) for i in range(3)]
    for tiling in (grid, Grid.hexagon(city.area, cell_size_m=330)):
        expected = truth.expected_counts(tiling, periods, category="theft")
        np.testing.assert_allclose(expected.sum(axis=0), months, rtol=1e-9)


def test_rows_of_the_displacement_sum_to_one_and_draws_follow_them(city: SyntheticCity) -> None:
    displacement = city.truth.process.displacement
    np.testing.assert_allclose(displacement.matrix.sum(axis=1), 1.0, rtol=1e-12)
    place = 777
    drawn = displacement.draw(np.random.default_rng(3), np.full(40_000, place, dtype=np.int32))
    share = np.bincount(drawn, minlength=displacement.matrix.shape[0]) / 40_000
    row = displacement.matrix[[place], :].toarray()[0]
    assert (share[row == 0] == 0).all()
    np.testing.assert_allclose(share, row, atol=5 * np.sqrt(row.max() / 40_000))


def test_expected_counts_of_all_categories_are_the_sum(city: SyntheticCity, grid: Grid) -> None:
    periods = Periods.starting_at(at("2025-03-05"), days=7, count=1)
    parts = [city.truth.expected_counts(grid, periods, category=name) for name in city.categories]
    np.testing.assert_allclose(city.truth.expected_counts(grid, periods), np.sum(parts, axis=0), rtol=1e-12)


@pytest.mark.parametrize("city_class", CITY_CLASSES)
def test_the_record_agrees_with_its_own_weekly_expectation(city_class: str) -> None:
    city = small(city_class)
    grid = Grid.square(city.area, cell_size_m=1000)
    weeks = Periods.starting_at(at("2025-01-06"), days=7, count=50)
    expected = np.column_stack(
        [city.truth.expected_counts(grid, Periods(weeks.edges[i : i + 2])).sum(axis=1) for i in range(len(weeks))]
    )
    truth = city.truth
    places = city.places
    cell, _ = grid.assign(places.geometry.x, places.geometry.y)
    first = truth.process.calendar.day_number(weeks.start)
    mine = truth.history.where((truth.history.day >= first) & (truth.history.day < first + 350))
    observed = np.zeros_like(expected)
    np.add.at(observed, (cell[mine.place], (mine.day - first) // 7), 1)
    # One week ahead the errors do not depend on one another, so that their sum has the sum of their variances.
    errors = (observed - expected).sum(axis=0)
    assert abs(errors.sum()) < 4 * np.sqrt((errors**2).sum())
    by_cell = (observed - expected).sum(axis=1) / np.sqrt(((observed - expected) ** 2).sum(axis=1).clip(1))
    assert 0.5 < np.mean(by_cell[expected.sum(axis=1) > 20] ** 2) < 1.6


def test_branching_is_planted_and_realised() -> None:
    shares = {name: small(name, incidents=20_000).truth for name in CITY_CLASSES}
    for name, truth in shares.items():
        # The share of triggered incidents estimates the branching ratio, weighted by category.
        planted = sum(plan.share * truth.branching[plan.name] for plan in CATEGORIES)
        assert truth.triggered_share == pytest.approx(planted, abs=0.025)
        assert (truth.triggered_share >= 0.4) == (name == "triggering")


def test_hot_places_move_only_in_the_drifting_class() -> None:
    for name in CITY_CLASSES:
        truth = small(name, years=3).truth
        early, late = truth.process.background.untreated(0), truth.process.background.untreated(35)
        moved = 0.5 * np.abs(early - late).sum(axis=1)
        if name == "drifting":
            assert (moved > 0.08).all()
            assert (truth.hot_places(0).distance(truth.hot_places(35)) > 50).sum() > 8
        else:
            assert (moved == 0).all()


def test_intervention_lowers_its_categories_at_its_place_from_its_start(city: SyntheticCity) -> None:
    truth, planted = city.truth, city.truth.intervention
    grid = Grid.square(city.area, cell_size_m=250)
    after = Periods.starting_at(planted["start"], days=28, count=2)
    before = Periods.ending_at(planted["start"], days=28, count=1)
    assert planted["start"] == planted["start"].normalize()
    for category in ("robbery", "theft"):
        with_it = truth.expected_counts(grid, after, category=category)
        without = truth.expected_counts(grid, after, category=category, treated=False)
        centre_m = np.hypot(*(grid.centres - [planted["x"], planted["y"]]).T)
        if category in planted["categories"]:
            core = centre_m < 250
            ratio = with_it[core].sum(axis=0) / without[core].sum(axis=0)
            assert (planted["rate_ratio"] < ratio).all()
            assert (ratio < 0.75).all()
            assert (with_it[centre_m > 2500] <= without[centre_m > 2500] * (1 + 1e-12)).all()
        else:
            np.testing.assert_allclose(with_it, without, rtol=1e-12)
        early = truth.expected_counts(grid, before, category=category)
        np.testing.assert_array_equal(early, truth.expected_counts(grid, before, category=category, treated=False))


def test_what_remains_after_cleaning_is_the_recorded_share(city: SyntheticCity) -> None:
    rows = city.truth.answer_table()
    lost = rows["defect"].isin(["missing_coordinates", "null_island", "missing_category", "impossible_date"])
    assert 1 - lost.mean() == pytest.approx(city.truth.recorded_share, abs=4 * np.sqrt(0.02 / len(rows)))


@pytest.mark.parametrize(
    ("start", "as_of", "category", "message"),
    [
        ("2025-05-01 03:00", None, None, "midnight"),
        ("2025-05-01", "2025-05-02", None, "not after the periods"),
        ("2024-05-01", None, None, "record"),
        ("2028-05-01", "2025-05-01", None, "beyond the record"),
        ("2025-05-01", None, "arson", "arson"),
    ],
)
def test_impossible_questions_are_refused(
    city: SyntheticCity, grid: Grid, start: str, as_of: str | None, category: str | None, message: str
) -> None:
    periods = Periods.starting_at(at(start), days=7, count=1)
    with pytest.raises(SourceError, match=message):
        city.truth.expected_counts(grid, periods, category=category, as_of=None if as_of is None else at(as_of))
