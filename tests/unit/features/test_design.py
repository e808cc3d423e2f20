import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from crimepatterns.domain.area import StudyArea
from crimepatterns.domain.grid import Grid
from crimepatterns.domain.history import Archive
from crimepatterns.domain.incidents import Incidents
from crimepatterns.domain.panel import Panel
from crimepatterns.domain.periods import Periods
from crimepatterns.errors import ForecastError
from crimepatterns.features.audit import is_audit_name, refuse_audit_columns
from crimepatterns.features.calendar import calendar_features, civil_days, periods_per_year
from crimepatterns.features.design import Design, design_matrix, predictor_categories
from crimepatterns.features.lags import RunningTotals
from crimepatterns.features.neighbours import first_ring, ring_sums, second_ring
from crimepatterns.features.recency import recency_features
from crimepatterns.features.rows import Rows

CRS, ZONE = "EPSG:32616", "America/Chicago"
START = pd.Timestamp("2020-01-06", tz=ZONE)


def area() -> StudyArea:
    import geopandas as gpd

    halves = gpd.GeoDataFrame(
        {"name": ["west", "east"]}, geometry=[shapely.box(0, 0, 1000, 1500), shapely.box(1000, 0, 2000, 1500)], crs=CRS
    )
    return StudyArea("Test", shapely.box(0, 0, 2000, 1500), CRS, ZONE, halves)


AREA = area()
GRID = Grid.square(AREA, cell_size_m=500)
HEXAGONS = Grid.hexagon(AREA, cell_size_m=400)


def panel_of(counts: np.ndarray, *, grid: Grid = GRID, categories: tuple[str, ...] = ("theft", "assault")) -> Panel:
    periods = Periods.starting_at(START, days=7, count=counts.shape[2])
    return Panel(grid, periods, categories, counts.astype(np.int32), periods.end)


def random_counts(seed: int, n_periods: int = 60) -> np.ndarray:
    return np.random.default_rng(seed).poisson(0.6, (2, len(GRID), n_periods))


def incidents(count: int = 300, *, discovery: dict[str, str] | None = None) -> Incidents:
    rng = np.random.default_rng(3)
    happened = START + pd.to_timedelta(np.sort(rng.uniform(0, 140, count)), unit="D").as_unit("us")
    category = rng.choice(["theft", "assault", "drugs"], count, p=[0.5, 0.2, 0.3])
    table = pd.DataFrame(
        {
            "id": [f"i{n}" for n in range(count)],
            "occurred_from": happened,
            "occurred_until": happened,
            "known_at": happened,
            "time_precision": "minute",
            "category": category,
            "offence": "x",
            "discovery": [(discovery or {}).get(name, "reported") for name in category],
            "source": "test",
            "x": rng.uniform(0, 2000, count),
            "y": rng.uniform(0, 1500, count),
        }
    )
    return Incidents(table, AREA)


@given(st.integers(0, 1000), st.integers(1, 59))
@settings(max_examples=15, deadline=None)
def test_a_training_row_is_what_a_forecast_would_have_seen(seed: int, period: int) -> None:
    """Features of target period t come out of the panel that ends at t, whatever the longer panel holds."""
    counts = random_counts(seed)
    long = Design(panel_of(counts), "theft", predictors=["assault"])
    short = Design(panel_of(counts[:, :, :period]), "theft", predictors=["assault"])
    target = Periods(long._panel.periods.edges[period : period + 2])
    pd.testing.assert_frame_equal(
        long.rows(Rows.every_cell(len(GRID), period)), short.next_period(target), check_exact=True
    )


def test_periods_that_are_not_known_yet_are_not_looked_at() -> None:
    """With a gap of two, the past ends two periods earlier; the calendar and last year stay the target's own."""
    panel = panel_of(random_counts(5))
    rows, earlier = (Rows(np.arange(6), np.full(6, period)) for period in (57, 55))
    apart, plain = (Design(panel, "theft", predictors=["assault"], shape=0.5, gap=gap) for gap in (2, 0))
    hidden, seen, own = apart.rows(rows), plain.rows(earlier), plain.rows(rows)
    of_target = [*calendar_features(panel.periods), "own_last_year"]
    pd.testing.assert_frame_equal(hidden.drop(columns=of_target), seen.drop(columns=of_target))
    pd.testing.assert_frame_equal(hidden[of_target], own[of_target])
    np.testing.assert_array_equal(apart.outcomes(rows), panel.of("theft")[:6, 57])
    counts = panel.counts.copy()
    counts[:, :, -2:] = 99
    changed = Design(panel_of(counts), "theft", predictors=["assault"], shape=0.5, gap=2)
    pd.testing.assert_frame_equal(changed.next_period(), apart.next_period())


def test_window_means_agree_with_plain_slices() -> None:
    counts = random_counts(1)[0]
    rows = Rows.sample(len(GRID), 1, 60, limit=200, rng=np.random.default_rng(0))
    totals = RunningTotals(counts)
    for window in (1, 4, 52):
        plain = [counts[c, max(t - window, 0) : t].mean() for c, t in zip(rows.cells, rows.periods, strict=True)]
        np.testing.assert_allclose(totals.window_mean(rows, window), plain, rtol=1e-6)
    plain = [counts[c, :t].mean() for c, t in zip(rows.cells, rows.periods, strict=True)]
    np.testing.assert_allclose(totals.long_run_mean(rows), plain, rtol=1e-6)


def test_same_season_looks_one_year_back_and_else_at_the_long_run() -> None:
    counts = random_counts(2)[0]
    totals = RunningTotals(counts)
    here = Rows(np.array([3, 3, 3]), np.array([56, 52, 20]))
    np.testing.assert_allclose(
        totals.same_season(here, 52), [counts[3, 2:7].mean(), counts[3, 0:3].mean(), counts[3, :20].mean()], rtol=1e-6
    )
    # With yearly periods the window around last year would reach into the future: it must not.
    np.testing.assert_allclose(
        totals.same_season(Rows(np.array([3]), np.array([10])), 1), [counts[3, 7:10].mean()], rtol=1e-6
    )


def test_silence_and_fading_counts() -> None:
    counts = np.array([[0, 2, 0, 0, 1, 0], [0, 0, 0, 0, 0, 0]])
    rows = Rows(np.array([0, 0, 0, 1]), np.array([2, 4, 5, 6]))
    found = recency_features(counts, rows)
    np.testing.assert_array_equal(found["own_silence"], [1, 3, 1, 104])
    keep = 0.5 ** (1 / 8)
    weights = keep ** np.arange(4)[::-1]
    np.testing.assert_allclose(found["own_fading_8"][1], (weights * counts[0, :4]).sum() / weights.sum(), rtol=1e-6)


@pytest.mark.parametrize("grid", [GRID, HEXAGONS], ids=["square", "hexagon"])
def test_rings_agree_with_distances_between_centres(grid: Grid) -> None:
    apart = np.linalg.norm(grid.centres[:, None] - grid.centres[None], axis=2) / grid.cell_size_m
    first, second = first_ring(grid).toarray(), second_ring(grid).toarray()
    reach = 1.5 if grid.kind == "square" else 1.1
    np.testing.assert_array_equal(first > 0, (apart > 0) & (apart < reach))
    wide = np.abs(grid.lattice[:, None] - grid.lattice[None]).max(axis=2) == 2 if grid.kind == "square" else None
    np.testing.assert_array_equal(second > 0, wide if wide is not None else (apart > reach) & (apart < 2.1))
    assert set(np.unique(second)) == {0.0, 1.0}
    counts = np.arange(len(grid) * 2).reshape(len(grid), 2)
    np.testing.assert_allclose(ring_sums(first_ring(grid), counts), first @ counts)


def test_neighbourhood_rate_is_per_km2() -> None:
    counts = np.zeros((2, len(GRID), 13))
    west = GRID.neighbourhood == "west"
    counts[0, np.flatnonzero(west)[0]] = 3
    found = Design(panel_of(counts), "theft").next_period()
    np.testing.assert_allclose(found.loc[west, "neighbourhood_last_13"], 3 / 1.5)
    assert (found.loc[~west, "neighbourhood_last_13"] == 0).all()


def test_calendar_counts_civil_days_over_a_clock_change() -> None:
    periods = Periods.starting_at(pd.Timestamp("2020-03-02", tz=ZONE), days=7, count=2)
    np.testing.assert_array_equal(civil_days(periods), [7, 7])
    assert periods_per_year(periods) == 52
    found = calendar_features(periods)
    np.testing.assert_array_equal(found["month"], [3, 3])
    np.testing.assert_allclose(found["season_sin"] ** 2 + found["season_cos"] ** 2, 1, rtol=1e-6)


def test_rows_are_sampled_without_regard_to_the_outcome_and_never_twice() -> None:
    rows = Rows.sample(12, 5, 25, limit=50, rng=np.random.default_rng(1))
    assert len({*zip(rows.cells.tolist(), rows.periods.tolist(), strict=True)}) == 50
    assert rows.periods.min() >= 5
    assert rows.periods.max() < 25
    everything = Rows.sample(12, 5, 25, limit=1_000, rng=np.random.default_rng(1))
    assert len(everything) == 12 * 20


def test_a_target_needs_a_past() -> None:
    with pytest.raises(ForecastError, match="at least one period"):
        Rows(np.array([0]), np.array([0]))


@pytest.mark.parametrize(
    "name",
    [
        "race", "share_black", "pct-hispanic", "MedianIncome", "perCapitaIncome", "ethnicity", "white_share",
        "religion", "muslim", "nationality", "foreign_born", "poverty_rate", "below_poverty", "PCT_ASIAN",
        "hardship_index",
    ],
)  # fmt: skip
def test_audit_columns_are_refused_by_name(name: str) -> None:
    with pytest.raises(ForecastError, match="must not become"):
        refuse_audit_columns([name])


@pytest.mark.parametrize("name", ["trace", "bars_within_200m", "population", "street_lights", "whitewater", "area_km2"])
def test_plain_columns_pass(name: str) -> None:
    assert not is_audit_name(name)
    refuse_audit_columns([name], {name: "covariate"})


def test_audit_columns_are_refused_by_role_and_in_the_design() -> None:
    history = Archive(incidents(), GRID, 7).at(START + pd.DateOffset(days=140), target="theft")
    extra = pd.DataFrame({"bars": np.arange(len(GRID))})
    assert design_matrix(history, covariates=extra)["bars"].tolist() == list(range(len(GRID)))
    with pytest.raises(ForecastError, match="bars"):
        design_matrix(history, covariates=extra, roles={"bars": "audit"})
    with pytest.raises(ForecastError, match="income"):
        design_matrix(history, covariates=extra.rename(columns={"bars": "income"}))
    with pytest.raises(ForecastError, match="one row per cell"):
        design_matrix(history, covariates=extra.iloc[:2])


def test_police_initiated_categories_are_no_predictors() -> None:
    cutoff = START + pd.DateOffset(days=140)
    found = Archive(incidents(discovery={"drugs": "police-initiated"}), GRID, 7).at(cutoff, target="theft")
    assert predictor_categories(found) == ("assault",)
    open_to_all = Archive(incidents(), GRID, 7).at(cutoff, target="theft")
    assert predictor_categories(open_to_all) == ("drugs", "assault")


def test_the_design_is_finite_named_once_and_float32() -> None:
    for n_periods in (1, 3, 60):
        table = Design(panel_of(random_counts(5, n_periods)), "theft", predictors=["assault", "gone"]).next_period()
        assert table.shape[0] == len(GRID)
        assert not table.columns.duplicated().any()
        assert (table.dtypes == np.float32).all()
        assert np.isfinite(table.to_numpy()).all()
        assert (table["other_gone_last_13"] == 0).all()
        assert not any(is_audit_name(str(name)) for name in table.columns)
