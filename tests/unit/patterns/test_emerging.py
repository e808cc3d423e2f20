"""Emerging hot spots: rules by hand, planted histories, and few false names where nothing changes."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from crimepatterns.domain.area import StudyArea
from crimepatterns.domain.grid import Grid
from crimepatterns.domain.periods import Periods
from crimepatterns.errors import PatternError
from crimepatterns.patterns.emerging import emerging_hot_spots
from crimepatterns.patterns.emerging_classes import NO_PATTERN, name_histories
from crimepatterns.patterns.emerging_sentences import emerging_sentence


def months(count: int) -> Periods:
    return Periods.starting_at(pd.Timestamp("2024-01-01", tz="America/Chicago"), days=30, count=count)


def name(text: str, *, rising: bool = False, falling: bool = False) -> str:
    """Name one history written with h (hot), c (cold) and . (neither)."""
    hot = np.array([[letter == "h" for letter in text]])
    cold = np.array([[letter == "c" for letter in text]])
    return str(name_histories(hot, cold, np.array([rising]), np.array([falling]))[0])


@pytest.mark.parametrize(
    ("history", "named"),
    [
        ("...........h", "new hot spot"),
        (".........hhh", "consecutive hot spot"),
        ("hhhhhhhhhhhh", "persistent hot spot"),
        (".hhhhhhhhhhh", "persistent hot spot"),
        ("h..h.hh...hh", "sporadic hot spot"),
        ("c..h.hh...hh", "oscillating hot spot"),
        ("c..........h", "new hot spot"),
        ("hhhhhhhhhhh.", "historical hot spot"),
        ("hhh.........", NO_PATTERN),
        ("............", NO_PATTERN),
        ("...........c", "new cold spot"),
        ("h..c.cc...cc", "oscillating cold spot"),
        ("ccccccccccc.", "historical cold spot"),
    ],
)
def test_the_customary_rules(history: str, named: str) -> None:
    assert name(history) == named


def test_trends_part_the_persistent() -> None:
    assert name("hhhhhhhhhhhh", rising=True) == "intensifying hot spot"
    assert name("hhhhhhhhhhhh", falling=True) == "diminishing hot spot"
    assert name("cccccccccccc", falling=True) == "intensifying cold spot"
    assert name("h..h.hh...hh", rising=True) == "sporadic hot spot"
    with pytest.raises(PatternError, match="hot and cold"):
        name_histories(np.ones((1, 4), bool), np.ones((1, 4), bool), np.ones(1, bool), np.ones(1, bool))
    with pytest.raises(PatternError, match="matching arrays"):
        name_histories(np.ones((1, 4), bool), np.ones((2, 4), bool), np.ones(1, bool), np.ones(1, bool))


@pytest.mark.parametrize("baseline", ["record", "step"])
@pytest.mark.parametrize("time_lag", [0, 2])
def test_windows_and_tails_by_brute_force(ragged_area: StudyArea, baseline: str, time_lag: int) -> None:
    grid = Grid.square(ragged_area, cell_size_m=700)
    # Civil months: the steps differ in length.
    edges = pd.date_range("2024-01-01", periods=7, freq="MS", tz="America/Chicago").as_unit("us")
    periods = Periods(edges)
    counts = np.random.default_rng(1).poisson(0.8, (len(grid), 6))
    found = emerging_hot_spots(counts, grid, periods, time_lag=time_lag, baseline=baseline, replicates=9)
    near = (grid.adjacency.toarray() + np.eye(len(grid))) > 0
    lengths = np.diff(edges.asi8) / np.diff(edges.asi8).sum()
    for cell in (0, 7, len(grid) - 1):
        place = grid.area_km2[near[cell]].sum() / grid.area_km2.sum()
        for step in range(6):
            span = slice(max(step - time_lag, 0), step + 1)
            k = counts[near[cell], span].sum()
            n = counts.sum() if baseline == "record" else counts[:, span].sum()
            share = place * lengths[span].sum() if baseline == "record" else place
            p = min(2 * min(stats.binom.sf(k - 1, n, share), stats.binom.cdf(k, n, share)), 1.0)
            assert found.p_values[cell, step] == pytest.approx(p, rel=1e-9)
            assert found.times_expected[cell, step] == pytest.approx(k / (n * share))
    np.testing.assert_allclose(found.q_values.ravel(), stats.false_discovery_control(found.p_values.ravel()))


def planted(grid: Grid, steps: int, rng: np.random.Generator) -> tuple[np.ndarray, dict[str, int]]:
    """A quiet city of 0.3 incidents per cell and step with five places whose history is known."""
    rate = np.full((len(grid), steps), 0.3)
    places = {
        "persistent": (500.0, 500.0, np.full(steps, 14.0)),
        "intensifying": (2500.0, 500.0, np.linspace(8.0, 30.0, steps)),
        "diminishing": (4500.0, 500.0, np.linspace(45.0, 14.0, steps)),
        "consecutive": (500.0, 4500.0, np.r_[np.full(steps - 3, 0.3), np.full(3, 16.0)]),
        "new": (2500.0, 4500.0, np.r_[np.full(steps - 1, 0.3), np.full(1, 25.0)]),
    }
    cells = {}
    for named, (x, y, course) in places.items():
        cells[named] = int(grid.assign([x], [y])[0][0])
        rate[cells[named]] = course
    return rng.poisson(rate), cells


def test_planted_histories_are_named_and_nothing_else_is(plain_area: StudyArea) -> None:
    grid = Grid.square(plain_area, cell_size_m=200)
    counts, cells = planted(grid, 16, np.random.default_rng(2))
    found = emerging_hot_spots(counts, grid, months(16), time_lag=0)
    for named, cell in cells.items():
        assert found.classes[cell] == f"{named} hot spot", named
    near = np.asarray(grid.adjacency[list(cells.values())].sum(axis=0) > 0).ravel()
    near[list(cells.values())] = True
    assert not any(str(kind).endswith("hot spot") for kind in found.classes[~near])
    table = found.to_geodataframe()
    assert table.loc[cells["persistent"], "steps_hot"] >= 15
    assert table.loc[cells["intensifying"], "tau"] > 0.3
    assert found.latest().parameters["steps"] == 16
    sentence = emerging_sentence(found)
    assert "persistent" in sentence
    assert sentence.endswith(".")


def test_a_rise_of_the_whole_city_is_no_change_of_a_place(plain_area: StudyArea) -> None:
    grid = Grid.square(plain_area, cell_size_m=500)
    counts = np.random.default_rng(3).poisson(np.linspace(1.0, 8.0, 12), (len(grid), 12))
    by_step = emerging_hot_spots(counts, grid, months(12), baseline="step")
    assert set(by_step.classes) == {NO_PATTERN}
    assert (emerging_hot_spots(counts, grid, months(12)).classes != NO_PATTERN).mean() > 0.5


def test_expected_counts_explain_a_persistent_hot_spot_away(plain_area: StudyArea) -> None:
    grid = Grid.square(plain_area, cell_size_m=500)
    expected = np.where(grid.centres[:, 0] < 1000, 8.0, 1.0)
    counts = np.random.default_rng(4).poisson(expected[:, None], (len(grid), 12))
    assert "persistent hot spot" in set(emerging_hot_spots(counts, grid, months(12)).classes)
    given = emerging_hot_spots(counts, grid, months(12), expected=expected)
    assert set(given.classes) == {NO_PATTERN}
    assert "expected counts" in given.null


def stationary_cities(
    grid: Grid, mean: float, *, cities: int, uneven: bool, require_change: bool = True
) -> tuple[float, float]:
    """Return the share of cities with any name, and with any name that claims a change or a trend."""
    rng = np.random.default_rng(100)
    any_name = any_change = 0
    for seed in range(cities):
        rate = mean * (rng.gamma(0.5, 2.0, len(grid)) if uneven else np.ones(len(grid)))
        counts = rng.poisson(rate[:, None], (len(grid), 12))
        found = emerging_hot_spots(counts, grid, months(12), replicates=499, seed=seed, require_change=require_change)
        kinds = Counter(str(kind).split()[0] for kind in found.classes if kind != NO_PATTERN)
        any_name += bool(kinds)
        any_change += bool(set(kinds) - {"persistent"})
    return any_name / cities, any_change / cities


@pytest.mark.slow
@pytest.mark.parametrize("mean", [0.02, 0.2, 1.0])
def test_even_cities_where_nothing_happens_get_few_names(plain_area: StudyArea, mean: float) -> None:
    grid = Grid.square(plain_area, cell_size_m=200)
    any_name, any_change = stationary_cities(grid, mean, cities=150, uneven=False)
    # 7 % promised; with 150 cities chance allows 3 % more (99 %).
    assert any_name <= 0.12
    assert any_change <= 0.07


@pytest.mark.slow
@pytest.mark.parametrize("mean", [0.2, 1.0, 5.0])
def test_uneven_cities_that_stay_as_they_are_show_no_change(plain_area: StudyArea, mean: float) -> None:
    grid = Grid.square(plain_area, cell_size_m=250)
    assert stationary_cities(grid, mean, cities=40, uneven=True)[1] <= 0.15
    # The customary rules take the flicker of significance for change.
    assert stationary_cities(grid, mean, cities=8, uneven=True, require_change=False)[1] >= 0.5


def test_a_stationary_uneven_city_is_persistent_only(plain_area: StudyArea) -> None:
    grid = Grid.square(plain_area, cell_size_m=250)
    assert stationary_cities(grid, 1.0, cities=3, uneven=True) == (1.0, 0.0)


def test_one_incident_many_at_one_place_and_one_cell(plain_area: StudyArea) -> None:
    grid = Grid.square(plain_area, cell_size_m=1000)
    counts = np.zeros((25, 8), dtype=int)
    counts[3, 2] = 1
    quiet = emerging_hot_spots(counts, grid, months(8))
    assert set(quiet.classes) == {NO_PATTERN}
    assert emerging_sentence(quiet).startswith("No cell has a history")
    counts[3, 7] = 5000
    assert emerging_hot_spots(counts, grid, months(8)).classes[3] == "new hot spot"
    whole = Grid.square(plain_area, cell_size_m=5000)
    assert emerging_hot_spots(np.full((1, 8), 3), whole, months(8)).classes.tolist() == [NO_PATTERN]


def test_what_cannot_be_followed_is_refused(plain_area: StudyArea) -> None:
    grid = Grid.square(plain_area, cell_size_m=1000)
    for counts, words in (
        (np.zeros((25, 8)), "at least one incident"),
        (np.ones((25, 7)), r"shape \(25, 8\)"),
        (np.full((25, 8), 0.5), "whole, non-negative"),
    ):
        with pytest.raises(PatternError, match=words):
            emerging_hot_spots(counts, grid, months(8))
    with pytest.raises(PatternError, match="four steps"):
        emerging_hot_spots(np.ones((25, 3)), grid, months(3))
    with pytest.raises(PatternError, match="time lag"):
        emerging_hot_spots(np.ones((25, 8)), grid, months(8), time_lag=7)
    with pytest.raises(PatternError, match="'record' or 'step'"):
        emerging_hot_spots(np.ones((25, 8)), grid, months(8), baseline="week")
    with pytest.raises(PatternError, match="Expected counts"):
        emerging_hot_spots(np.ones((25, 8)), grid, months(8), expected=np.zeros(25))
    gap = np.ones((25, 8))
    gap[:, 3] = 0
    with pytest.raises(PatternError, match="longer steps"):
        emerging_hot_spots(gap, grid, months(8), baseline="step")
