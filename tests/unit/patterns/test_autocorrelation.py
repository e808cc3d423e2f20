"""Gi*: z-scores equal to esda's, and tests that hold their size on sparse counts."""

import numpy as np
import pytest
import scipy.sparse as sp
from esda.getisord import G_Local
from libpysal.graph import Graph
from scipy import stats

from crimepatterns.domain.area import StudyArea
from crimepatterns.domain.grid import Grid
from crimepatterns.errors import PatternError
from crimepatterns.patterns.autocorrelation import gi_star


def esda_z(counts: np.ndarray, grid: Grid) -> np.ndarray:
    neighbours = Graph.from_sparse(sp.coo_array(grid.adjacency))
    return G_Local(counts.astype(float), neighbours, transform="B", star=True, permutations=0).Zs


@pytest.mark.parametrize("kind", ["square", "hexagon"])
@pytest.mark.parametrize("mean", [0.05, 1.0, 20.0])
def test_z_is_that_of_esda(ragged_area: StudyArea, kind: str, mean: float) -> None:
    make = Grid.square if kind == "square" else Grid.hexagon
    grid = make(ragged_area, cell_size_m=150)
    counts = np.random.default_rng(3).poisson(mean, len(grid))
    np.testing.assert_allclose(gi_star(counts, grid).values, esda_z(counts, grid), atol=1e-8)


def test_p_is_the_exact_binomial_tail(ragged_area: StudyArea) -> None:
    grid = Grid.square(ragged_area, cell_size_m=300)
    counts = np.random.default_rng(4).poisson(0.3, len(grid))
    dense = grid.adjacency.toarray() + np.eye(len(grid))
    share = dense @ grid.area_km2 / grid.area_km2.sum()
    surface = gi_star(counts, grid)
    np.testing.assert_allclose(surface.p_values, stats.binom.sf(dense @ counts - 1, counts.sum(), share), rtol=1e-9)
    np.testing.assert_allclose(surface.q_values, stats.false_discovery_control(surface.p_values))
    cold = gi_star(counts, grid, alternative="cold")
    np.testing.assert_allclose(cold.p_values, stats.binom.cdf(dense @ counts, counts.sum(), share), rtol=1e-9)
    assert f"each of the {counts.sum()} incidents" in surface.null


def any_discovery(mean: float, *, maps: int, grid: Grid, seed: int) -> float:
    rng = np.random.default_rng(seed)
    found = 0
    for _ in range(maps):
        counts = rng.poisson(mean, len(grid))
        found += counts.any() and bool(gi_star(counts, grid).parameters["discoveries"])
    return found / maps


@pytest.mark.parametrize("mean", [0.02, 0.05, 0.2, 1.0])
def test_chance_alone_rarely_gives_a_hot_spot(plain_area: StudyArea, mean: float) -> None:
    grid = Grid.square(plain_area, cell_size_m=80)  # 3,969 cells
    assert any_discovery(mean, maps=1000, grid=grid, seed=11) <= 0.07


def test_a_planted_hot_spot_is_found_and_nothing_else(plain_area: StudyArea) -> None:
    grid = Grid.square(plain_area, cell_size_m=100)
    rng = np.random.default_rng(5)
    counts = rng.poisson(0.05, len(grid))
    centre, _ = grid.assign([3050.0], [2050.0])
    counts[centre] += 8
    surface = gi_star(counts, grid)
    found = np.flatnonzero(surface.q_values <= 0.05)
    around = set(grid.adjacency[[int(centre[0])]].indices) | {int(centre[0])}
    assert int(centre[0]) in found
    assert set(found) <= around
    assert surface.parameters["discoveries"] == len(found)


def test_expected_counts_explain_a_hot_spot_away(plain_area: StudyArea) -> None:
    grid = Grid.square(plain_area, cell_size_m=250)
    rng = np.random.default_rng(6)
    expected = np.where(grid.centres[:, 0] < 1000, 5.0, 0.5)
    counts = rng.poisson(expected)
    assert gi_star(counts, grid).parameters["discoveries"] > 20
    given_expected = gi_star(counts, grid, expected=expected)
    assert given_expected.parameters["discoveries"] == 0
    assert "expected counts" in given_expected.null
    assert abs(given_expected.values.mean()) < 0.3
    # Only proportions of the expectation matter.
    np.testing.assert_allclose(gi_star(counts, grid, expected=7 * expected).p_values, given_expected.p_values)


def test_a_clipped_cell_is_expected_to_hold_less(ragged_area: StudyArea) -> None:
    grid = Grid.square(ragged_area, cell_size_m=400)
    counts = np.ones(len(grid), dtype=int)
    surface = gi_star(counts, grid)
    assert (surface.values == 0).all()
    small = int(np.argmin(grid.area_km2))
    assert surface.p_values[small] < np.median(surface.p_values)


def test_one_cell_that_is_the_whole_area(plain_area: StudyArea) -> None:
    grid = Grid.square(plain_area, cell_size_m=5000)
    surface = gi_star([7], grid)
    assert surface.values.tolist() == [0.0]
    assert surface.p_values.tolist() == [1.0]


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        (np.zeros(25), "at least one incident"),
        (np.full(25, 0.5), "whole, non-negative"),
        (np.full(25, -1.0), "whole, non-negative"),
        (np.full(25, np.nan), "whole, non-negative"),
        (np.ones(24), r"shape \(25,\)"),
    ],
)
def test_counts_that_are_no_counts_are_refused(plain_area: StudyArea, counts: np.ndarray, words: str) -> None:
    with pytest.raises(PatternError, match=words):
        gi_star(counts, Grid.square(plain_area, cell_size_m=1000))


def test_unusable_expectations_and_alternatives_are_refused(plain_area: StudyArea) -> None:
    grid = Grid.square(plain_area, cell_size_m=1000)
    for expected in (np.zeros(25), np.full(25, -1.0), np.full(25, np.inf), np.ones(3)):
        with pytest.raises(PatternError, match="Expected counts"):
            gi_star(np.ones(25), grid, expected=expected)
    with pytest.raises(PatternError, match="'hot' or 'cold'"):
        gi_star(np.ones(25), grid, alternative="warm")
