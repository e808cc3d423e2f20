"""Smoothed rates: equal to esda's, better than raw ones, and calm about small denominators."""

import geopandas as gpd
import numpy as np
import pytest
import scipy.sparse as sp
import shapely
from esda.smoothing import Empirical_Bayes, Spatial_Empirical_Bayes
from libpysal.weights import WSP, WSP2W
from scipy import stats

from crimepatterns.domain.area import StudyArea
from crimepatterns.domain.grid import Grid
from crimepatterns.errors import PatternError
from crimepatterns.patterns.autocorrelation import gi_star
from crimepatterns.patterns.smoothed_rates import smoothed_rates, smoothed_rates_sentence


def drawn(grid: Grid, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    base = np.ceil(rng.lognormal(4, 1.5, len(grid)))
    rate = rng.gamma(3, 0.05 / 3, len(grid))
    return rng.poisson(base * rate), base, rate


def test_the_global_estimator_is_that_of_esda(ragged_area: StudyArea) -> None:
    grid = Grid.square(ragged_area, cell_size_m=300)
    counts, base, _ = drawn(grid, 1)
    theirs = Empirical_Bayes(counts, base).r.ravel()
    surface = smoothed_rates(counts, base, grid, per=1000)
    np.testing.assert_allclose(surface.values, theirs * 1000, rtol=1e-10)
    np.testing.assert_allclose(surface.p_values, stats.binom.sf(counts - 1, counts.sum(), base / base.sum()), rtol=1e-9)


@pytest.mark.parametrize("kind", ["square", "hexagon"])
def test_the_local_estimator_is_that_of_esda(ragged_area: StudyArea, kind: str) -> None:
    grid = (Grid.square if kind == "square" else Grid.hexagon)(ragged_area, cell_size_m=300)
    counts, base, _ = drawn(grid, 2)
    weights = WSP2W(WSP(sp.csr_matrix(grid.adjacency)))
    theirs = Spatial_Empirical_Bayes(counts, base, weights).r.ravel()
    surface = smoothed_rates(counts, base, grid, per=1, towards="neighbours")
    np.testing.assert_allclose(surface.values, theirs, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("towards", ["area", "neighbours"])
def test_smoothed_rates_are_nearer_the_truth(plain_area: StudyArea, towards: str) -> None:
    grid = Grid.square(plain_area, cell_size_m=200)
    counts, base, rate = drawn(grid, 3)
    smooth = smoothed_rates(counts, base, grid, per=1, towards=towards).values
    assert ((smooth - rate) ** 2).mean() < 0.6 * ((counts / base - rate) ** 2).mean()


def test_equal_rates_are_drawn_to_the_mean_and_nothing_is_found(plain_area: StudyArea) -> None:
    grid = Grid.square(plain_area, cell_size_m=200)
    rng = np.random.default_rng(4)
    base = np.ceil(rng.lognormal(4, 1.5, len(grid)))
    counts = rng.poisson(0.02 * base)
    surface = smoothed_rates(counts, base, grid)
    assert surface.values.std() < 0.1 * (1000 * counts / base).std()
    assert surface.parameters["discoveries"] == 0


def test_cells_without_a_denominator_and_islands(plain_area: StudyArea) -> None:
    beats = gpd.GeoDataFrame(
        {"name": list("abc")},
        geometry=[shapely.box(0, 0, 900, 900), shapely.box(900, 0, 1800, 900), shapely.box(4000, 4000, 4900, 4900)],
        crs=plain_area.crs,
    )
    grid = Grid.from_polygons(plain_area, beats, id_column="name")
    for towards in ("area", "neighbours"):
        surface = smoothed_rates([5, 3, 2], [100, 0, 50], grid, towards=towards)
        assert np.isfinite(surface.values).all()
        assert surface.p_values[1] == 1.0
        assert surface.parameters["incidents_without_denominator"] == 3
        assert "3 incidents lie where there are no residents" in smoothed_rates_sentence(surface)
    lonely = smoothed_rates([5, 3, 2], [100, 10, 0], grid, towards="neighbours")
    assert lonely.values[2] == pytest.approx(1000 * 8 / 110)


def test_what_cannot_be_a_rate_is_refused(plain_area: StudyArea) -> None:
    grid = Grid.square(plain_area, cell_size_m=2500)
    for counts, base, words in (
        ([1, 2], [1, 2], "shape"),
        ([0.5] * 4, [1] * 4, "whole, non-negative"),
        ([1] * 4, [-1] * 4, "finite and not negative"),
        ([1, 0, 0, 0], [0, 1, 1, 1], "at least one incident in a cell"),
    ):
        with pytest.raises(PatternError, match=words):
            smoothed_rates(counts, base, grid)
    with pytest.raises(PatternError, match="per a number"):
        smoothed_rates([1] * 4, [1] * 4, grid, per=0)
    with pytest.raises(PatternError, match="'area' or 'neighbours'"):
        smoothed_rates([1] * 4, [1] * 4, grid, towards="city")
    with pytest.raises(PatternError, match="no smoothed rates"):
        smoothed_rates_sentence(gi_star([1] * 4, grid))
    assert smoothed_rates_sentence(smoothed_rates([9, 1, 1, 1], [100] * 4, grid)).startswith("Highest in West End: ")
