"""Local Moran: equal to esda's statistic, exact p-values, and never more discoveries than promised."""

from itertools import combinations

import geopandas as gpd
import numpy as np
import pytest
import scipy.sparse as sp
import shapely

from crimepatterns.domain.area import StudyArea, empty_neighbourhoods
from crimepatterns.domain.grid import Grid
from crimepatterns.errors import PatternError
from crimepatterns.patterns.local_moran import local_moran, quadrants, shuffled_sum_tails


@pytest.fixture(scope="module")
def grid(plain_area: StudyArea) -> Grid:
    return Grid.square(plain_area, cell_size_m=200)


@pytest.fixture(scope="module")
def counts(grid: Grid) -> np.ndarray:
    rng = np.random.default_rng(4)
    centre = np.exp(-((grid.centres - 2_000) ** 2).sum(axis=1) / (2 * 500**2))
    return rng.poisson(0.3 + 5 * centre)


@pytest.mark.filterwarnings("ignore:The alternative hypothesis:DeprecationWarning")  # of esda's next release
def test_statistic_and_p_values_agree_with_esda(grid: Grid, counts: np.ndarray) -> None:
    from esda.moran import Moran_Local
    from libpysal.graph import Graph

    weights = Graph.from_sparse(sp.coo_array(grid.adjacency)).transform("r")
    theirs = Moran_Local(counts, weights, permutations=9_999, seed=1, n_jobs=1)
    ours = local_moran(counts, grid)
    assert ours.values == pytest.approx(theirs.Is, abs=1e-10)
    # esda compares floats, so that rounding decides whether a tie counts: it lies between our tails with and without.
    degree, lag = np.diff(grid.adjacency.indptr), grid.adjacency @ counts.astype(float)
    upper, lower = shuffled_sum_tails(counts.astype(float), degree, lag)
    with_ties = np.where(counts > counts.mean(), upper, lower)
    without = 1 - np.where(counts > counts.mean(), lower, upper)
    told = np.array([theirs.p_sim, 1 - theirs.p_sim])  # it folds at one half
    error = 5 * np.sqrt(np.maximum(told * (1 - told), 1e-4) / 9_999) + 2e-4
    assert ((without - error <= told) & (told <= with_ties + error)).any(axis=0).all()
    assert (with_ties - without < 0.02).sum() > 50


def test_tails_equal_full_enumeration() -> None:
    counts = np.array([0, 0, 0, 1, 1, 2, 5.0])
    degree = np.array([2, 3, 1, 2, 3, 2, 3])
    rng = np.random.default_rng(0)
    sums = np.array([rng.permutation(np.delete(counts, i))[:k].sum() for i, k in enumerate(degree)])
    upper, lower = shuffled_sum_tails(counts, degree, sums)
    for i, k in enumerate(degree):
        drawn = np.array([sum(one) for one in combinations(np.delete(counts, i), k)])
        assert upper[i] == pytest.approx((drawn >= sums[i]).mean(), abs=1e-12)
        assert lower[i] == pytest.approx((drawn <= sums[i]).mean(), abs=1e-12)


def test_exact_and_simulated_nulls_agree(grid: Grid, counts: np.ndarray) -> None:
    exact, drawn = local_moran(counts, grid), local_moran(counts, grid, method="permutation", replicates=1_999, seed=3)
    assert exact.p_values is not None
    assert drawn.p_values is not None
    error = np.abs(exact.p_values - drawn.p_values)
    allowed = 2 * (5 * np.sqrt(exact.p_values * np.maximum(1 - exact.p_values / 2, 0.25) / 1_999) + 2 / 2_000)
    assert (error < allowed).all()


def test_exact_answer_needs_no_seed_and_planted_places_are_named(grid: Grid, counts: np.ndarray) -> None:
    one, two = local_moran(counts, grid, seed=1), local_moran(counts, grid, seed=2)
    assert np.array_equal(one.p_values, two.p_values)
    kinds = quadrants(counts, grid)
    assert one.q_values is not None
    found = (one.q_values <= 0.05) & (kinds == "high-high")
    distance = np.sqrt(((grid.centres - 2_000) ** 2).sum(axis=1))
    assert found[distance < 300].all()
    assert not found[distance > 1_800].any()
    assert one.parameters["high-high"] == found.sum()


@pytest.mark.slow
@pytest.mark.parametrize("mean", [0.02, 0.05, 0.2, 1.0])
def test_size_on_sparse_counts(grid: Grid, mean: float) -> None:
    rng = np.random.default_rng(int(mean * 100))
    maps = [local_moran(rng.poisson(mean, len(grid)), grid) for _ in range(1_000)]
    assert np.mean([one.parameters["discoveries"] > 0 for one in maps]) <= 0.07  # type: ignore[operator]


def test_rates_are_shuffled(grid: Grid, counts: np.ndarray) -> None:
    rates = counts / np.random.default_rng(1).uniform(1, 3, len(grid))
    surface = local_moran(rates, grid, replicates=99)
    assert surface.parameters["null"] == "simulated permutation"
    with pytest.raises(PatternError, match="whole numbers"):
        local_moran(rates, grid, method="exact")


def test_islands_zeros_and_constants_are_harmless() -> None:
    boxes = [shapely.box(0, 0, 100, 100), shapely.box(100, 0, 200, 100), shapely.box(900, 900, 1000, 1000)]
    polygons = gpd.GeoDataFrame({"id": list("abc")}, geometry=boxes, crs="EPSG:32616")
    area = StudyArea("A", shapely.union_all(boxes), "EPSG:32616", "UTC", empty_neighbourhoods("EPSG:32616"))
    grid = Grid.from_polygons(area, polygons, id_column="id")
    surface = local_moran([3, 0, 7], grid)
    assert surface.p_values is not None
    assert surface.p_values[2] == 1.0
    assert surface.values.tolist()[2] == 0.0
    assert surface.parameters["without_neighbours"] == 1
    for flat in ([0, 0, 0], [4, 4, 4]):
        assert local_moran(flat, grid).parameters["discoveries"] == 0
    with pytest.raises(PatternError, match="finite"):
        local_moran([1, np.nan, 2], grid)
    with pytest.raises(PatternError, match="one value per cell"):
        local_moran([1, 2], grid)
