"""Gi* and local Moran beside a reference: exact tails, level under the null, and what the reference leaves."""

import geopandas as gpd
import numpy as np
import pytest
import shapely
from scipy import stats

from crimepatterns.domain.area import StudyArea
from crimepatterns.domain.grid import Grid
from crimepatterns.errors import PatternError
from crimepatterns.patterns.autocorrelation import gi_star
from crimepatterns.patterns.local_moran_given import local_moran_given, quadrants_given


@pytest.fixture(scope="module")
def grid(plain_area: StudyArea) -> Grid:
    return Grid.square(plain_area, cell_size_m=250)


@pytest.fixture(scope="module")
def risk(grid: Grid) -> np.ndarray:
    """A city with a busy centre."""
    far = np.hypot(*(grid.centres - 2500).T)
    return np.exp(-far / 900)


def test_gi_star_beside_a_background_is_the_conditional_test_of_two_counts(grid: Grid, risk: np.ndarray) -> None:
    rng = np.random.default_rng(1)
    now, before = rng.poisson(3 * risk), rng.poisson(9 * risk)
    surface = gi_star(now, grid, background=before)
    near = grid.adjacency.toarray() + np.eye(len(grid))
    lag, lag_before = near @ now, near @ before
    share = now.sum() / (now.sum() + before.sum())
    np.testing.assert_allclose(surface.p_values, stats.binom.sf(lag - 1, lag + lag_before, share), atol=1e-12)
    busy = lag_before > 0
    times = lag[busy] / (lag_before[busy] * now.sum() / before.sum())
    np.testing.assert_allclose(surface.times_expected[busy], times)
    assert f"the {before.sum():,} of the background" in surface.null
    assert surface.parameters["null"] == "background"
    with pytest.raises(PatternError, match="not both"):
        gi_star(now, grid, background=before, expected=risk)


def test_a_busy_centre_is_hot_beside_an_even_spread_but_not_beside_its_own_past(grid: Grid, risk: np.ndarray) -> None:
    rng = np.random.default_rng(2)
    now, before = rng.poisson(5 * risk), rng.poisson(10 * risk)
    assert gi_star(now, grid).parameters["discoveries"] > 20
    assert gi_star(now, grid, background=before).parameters["discoveries"] == 0
    now[7] += 25
    beyond = gi_star(now, grid, background=before)
    assert beyond.parameters["discoveries"] >= 4
    assert beyond.q_values[7] <= 0.05


@pytest.mark.parametrize("kind", ["background", "expected"])
def test_local_moran_beside_a_reference_keeps_its_level(grid: Grid, risk: np.ndarray, kind: str) -> None:
    rng = np.random.default_rng(3)
    found = 0
    for _ in range(100):
        reference = rng.poisson(8 * risk) if kind == "background" else risk
        counts = rng.poisson(4 * risk)
        found += bool(local_moran_given(counts, reference, grid, kind=kind).parameters["discoveries"])  # type: ignore[arg-type]
    assert found <= 12


def test_local_moran_finds_a_growing_corner_and_names_it(grid: Grid, risk: np.ndarray) -> None:
    rng = np.random.default_rng(4)
    before, now = rng.poisson(8 * risk), rng.poisson(4 * risk)
    corner = (grid.centres < 900).all(axis=1)
    now[corner] += 6
    surface = local_moran_given(now, before, grid)
    kinds = quadrants_given(now, before, grid)
    shown = surface.q_values <= 0.05
    assert (shown & corner).sum() >= 6
    assert set(kinds[shown & corner]) == {"high-high"}
    assert surface.parameters["high-high"] == int((kinds[shown] == "high-high").sum())


def test_the_neighbours_law_is_exact(grid: Grid) -> None:
    rng = np.random.default_rng(5)
    now, before = rng.poisson(2.0, len(grid)), rng.poisson(3.0, len(grid))
    surface = local_moran_given(now, before, grid)
    near = grid.adjacency.toarray()
    for cell in (0, 57, 399):
        lag, past = near[cell] @ now, near[cell] @ before
        rest, rest_past = now.sum() - now[cell], before.sum() - before[cell]
        law = stats.binom(lag + past, rest / (rest + rest_past))
        assert surface.p_values[cell] == pytest.approx(min(1.0, 2 * min(law.sf(lag - 1), law.cdf(lag))))


def test_islands_and_bad_references_are_named(plain_area: StudyArea, grid: Grid) -> None:
    shapes = [shapely.box(0, 0, 900, 900), shapely.box(900, 0, 1800, 900), shapely.box(4000, 4000, 4900, 4900)]
    islands = Grid.from_polygons(plain_area, gpd.GeoDataFrame(geometry=shapes, crs=plain_area.crs))
    surface = local_moran_given([1, 2, 50], [5, 5, 5], islands)
    assert surface.p_values[2] == 1.0
    assert surface.parameters["without_neighbours"] == 1
    assert quadrants_given([1, 2, 50], [5, 5, 5], islands)[2] == ""
    counts = np.ones(len(grid))
    for reference in (np.zeros(len(grid)), counts * 0.5, -counts):
        with pytest.raises(PatternError, match="reference needs"):
            local_moran_given(counts, reference, grid)
    with pytest.raises(PatternError, match="kind must be"):
        local_moran_given(counts, counts, grid, kind="past")  # type: ignore[arg-type]
    with pytest.raises(PatternError, match="one count per cell"):
        local_moran_given(counts[:-1], counts[:-1], grid)
