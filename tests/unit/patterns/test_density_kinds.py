"""Adaptive density, dual density and the choice of a bandwidth: exact sums, coverage, planted truth."""

import numpy as np
import pytest
from scipy import stats

from crimepatterns.domain.area import StudyArea
from crimepatterns.domain.grid import Grid
from crimepatterns.errors import PatternError
from crimepatterns.patterns.bandwidth import choose_bandwidth
from crimepatterns.patterns.density import kernel_density
from crimepatterns.patterns.density_adaptive import adaptive_density
from crimepatterns.patterns.density_ratio import density_ratio
from crimepatterns.patterns.density_sentences import bandwidth_sentence, density_ratio_sentence


def hot_and_thin(rng: np.random.Generator, hot: int = 1500, thin: int = 500) -> tuple[np.ndarray, np.ndarray]:
    xy = np.concatenate([rng.normal((1500, 2500), 150, (hot, 2)), rng.uniform(100, 4900, (thin, 2))])
    return xy[:, 0], xy[:, 1]


# -- adaptive ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["square", "hexagon"])
def test_adaptive_density_is_the_sum_of_kernels_with_their_own_bandwidths(plain_area: StudyArea, kind: str) -> None:
    grid = (Grid.square if kind == "square" else Grid.hexagon)(plain_area, cell_size_m=50)
    x, y = hot_and_thin(np.random.default_rng(1))
    h = 300.0
    surface = adaptive_density((x, y), grid, bandwidth_m=h, edge_correction=False, classes=40)
    pilot = kernel_density((x, y), grid, bandwidth_m=h, edge_correction=False).values[grid.assign(x, y)[0]]
    own = np.clip(h * np.sqrt(np.exp(np.log(pilot).mean()) / pilot), 50, 4 * h)
    distance2 = ((grid.centres[:, None, :] - np.column_stack([x, y])[None]) ** 2).sum(axis=2)
    exact = (np.exp(-0.5 * distance2 / own**2) / (2 * np.pi * own**2)).sum(axis=1) * 1e6
    assert np.abs(surface.values - exact).max() < 0.01 * exact.max()
    few = adaptive_density((x, y), grid, bandwidth_m=h, edge_correction=False)
    assert np.abs(few.values - exact).max() < 0.015 * exact.max()


def test_adaptive_density_keeps_mass_sharpens_peaks_and_calms_the_thin_parts(plain_area: StudyArea) -> None:
    grid = Grid.square(plain_area, cell_size_m=50)
    rng = np.random.default_rng(2)
    x, y = hot_and_thin(rng)
    weights = rng.uniform(0.5, 2.0, len(x))
    fixed = kernel_density((x, y), grid, bandwidth_m=300, weights=weights)
    adaptive = adaptive_density((x, y), grid, bandwidth_m=300, weights=weights)
    assert adaptive.values @ grid.area_km2 == pytest.approx(fixed.values @ grid.area_km2, rel=1e-9)
    assert adaptive.values.max() > 1.2 * fixed.values.max()
    thin = grid.centres[:, 0] > 3000
    assert adaptive.values[thin].std() < fixed.values[thin].std()
    assert adaptive.unit == "weighted incidents per km2"
    assert adaptive.parameters["narrowest_m"] < 300 < adaptive.parameters["widest_m"]


def test_one_point_equal_points_and_bad_classes(plain_area: StudyArea) -> None:
    grid = Grid.square(plain_area, cell_size_m=100)
    for count in (1, 50):
        same = ([2500.0] * count, [2500.0] * count)
        adaptive = adaptive_density(same, grid, bandwidth_m=300)
        np.testing.assert_allclose(adaptive.values, kernel_density(same, grid, bandwidth_m=300).values, atol=1e-9)
    with pytest.raises(PatternError, match="at least one class"):
        adaptive_density(([1.0], [1.0]), grid, bandwidth_m=300, classes=0)
    with pytest.raises(PatternError, match="at least the cell size"):
        adaptive_density(([1.0], [1.0]), grid, bandwidth_m=30)
    with pytest.raises(PatternError, match="at least one incident"):
        adaptive_density(([-1.0], [1.0]), grid, bandwidth_m=300)


# -- dual density -----------------------------------------------------------------------------------------------------


def test_the_ratio_is_one_where_risk_is_even_and_covers(plain_area: StudyArea) -> None:
    grid = Grid.square(plain_area, cell_size_m=200)
    rng = np.random.default_rng(3)
    covered, any_found = [], 0
    for _ in range(40):
        homes = np.concatenate([rng.normal((1500, 2500), 600, (3000, 2)), rng.uniform(0, 5000, (2000, 2))])
        struck = homes[rng.choice(len(homes), 400, replace=False)]
        found = density_ratio(struck.T, homes.T, grid, bandwidth_m=400, edge_correction=True)
        ok = found.supported
        covered.append(((found.low <= 1) & (found.high >= 1))[ok].mean())
        any_found += bool(found.surface.parameters["discoveries"])
    assert np.mean(covered) > 0.93
    assert any_found <= 6


def test_the_boundary_and_snapped_places_are_no_finding(plain_area: StudyArea) -> None:
    """Near the boundary, and where points share places, a density rests on fewer points than its height tells."""
    grid = Grid.square(plain_area, cell_size_m=250)
    rng = np.random.default_rng(12)
    any_found, at_boundary = 0, []
    edge = np.minimum(grid.centres, 5_000 - grid.centres).min(axis=1) < 300
    for _ in range(60):
        corners = rng.uniform(0, 5_000, (60, 2))
        homes = np.concatenate([rng.uniform(0, 5_000, (1_500, 2)), corners[rng.integers(0, 60, 1_500)]])
        struck = np.concatenate([rng.uniform(0, 5_000, (200, 2)), corners[rng.integers(0, 60, 200)]])
        surface = density_ratio(struck.T, homes.T, grid, bandwidth_m=400).surface
        any_found += bool(surface.parameters["discoveries"])
        at_boundary.append((surface.p_values[edge] <= 0.01).mean())
    assert any_found <= stats.binom.ppf(0.999, 60, 0.05)
    assert np.mean(at_boundary) <= 0.02


def test_a_planted_risk_is_found_beside_a_crowd_that_is_none(plain_area: StudyArea) -> None:
    grid = Grid.square(plain_area, cell_size_m=200)
    rng = np.random.default_rng(4)
    homes = np.concatenate([rng.normal((1500, 2500), 300, (4000, 2)), rng.uniform(0, 5000, (6000, 2))])
    risk = np.where(np.hypot(homes[:, 0] - 4000, homes[:, 1] - 1000) < 500, 0.4, 0.05)
    struck = homes[rng.random(len(homes)) < risk]
    found = density_ratio(struck.T, homes.T, grid, bandwidth_m=300)
    at = int(grid.assign([4000.0], [1000.0])[0][0])
    crowd = int(grid.assign([1500.0], [2500.0])[0][0])
    assert found.surface.values[at] > 3
    assert found.low[at] > 2
    assert found.surface.q_values[at] < 0.001
    assert found.surface.values[crowd] == pytest.approx(0.8, abs=0.25)
    assert density_ratio_sentence(found).startswith("In ")
    again = density_ratio(struck.T, homes.T, grid, bandwidth_m=300, denominator_weights=np.full(len(homes), 7.0))
    np.testing.assert_allclose(again.surface.values, found.surface.values)
    np.testing.assert_allclose(again.low, found.low)


def test_the_floor_holds_the_ratio_where_nobody_lives(plain_area: StudyArea) -> None:
    grid = Grid.square(plain_area, cell_size_m=200)
    rng = np.random.default_rng(5)
    homes = rng.uniform((0, 0), (2500, 5000), (3000, 2))
    struck = np.concatenate([homes[:200], [[4500.0, 4500.0]]])
    found = density_ratio(struck.T, homes.T, grid, bandwidth_m=300)
    lonely = int(grid.assign([4500.0], [4500.0])[0][0])
    assert not found.supported[lonely]
    assert np.isfinite(found.surface.values).all()
    assert found.surface.q_values[lonely] == 1.0
    assert found.surface.values[lonely] < 60
    assert found.surface.parameters["unsupported_cells"] > 200
    with pytest.raises(PatternError, match="floor must be"):
        density_ratio(struck.T, homes.T, grid, bandwidth_m=300, floor=0)


# -- bandwidth --------------------------------------------------------------------------------------------------------


def drawn_city(
    area: StudyArea, make_incidents: object, spread_m: float, snap_m: float, rng: np.random.Generator
) -> object:
    centres = rng.uniform(800, 4200, (25, 2))
    xy = centres[rng.integers(0, 25, 3000)] + rng.normal(0, spread_m, (3000, 2))
    xy = np.clip(np.round(xy / snap_m) * snap_m, 1, 4999)
    days = np.datetime64("2024-01-01T12:00") + np.sort(rng.integers(0, 365, 3000)) * np.timedelta64(1, "D")
    return make_incidents(area, xy[:, 0], xy[:, 1], times=days)


def test_wider_places_get_a_wider_bandwidth(plain_area: StudyArea, make_incidents: object) -> None:
    grid = Grid.square(plain_area, cell_size_m=50)
    rng = np.random.default_rng(6)
    narrow = choose_bandwidth(drawn_city(plain_area, make_incidents, 60, 1, rng), grid)
    wide = choose_bandwidth(drawn_city(plain_area, make_incidents, 350, 1, rng), grid)
    assert narrow.bandwidth_m < 100 < wide.bandwidth_m
    assert wide.table["log_likelihood"].max() > 0
    assert len(narrow.to_frame()) == 9
    assert f"{wide.bandwidth_m:,.0f} m describes" in bandwidth_sentence(wide)


def test_snapped_records_do_not_collapse_the_bandwidth(plain_area: StudyArea, make_incidents: object) -> None:
    grid = Grid.square(plain_area, cell_size_m=50)
    snapped = drawn_city(plain_area, make_incidents, 350, 100, np.random.default_rng(7))
    assert choose_bandwidth(snapped, grid).bandwidth_m >= 100
    adaptive = choose_bandwidth(snapped, grid, adaptive=True, candidates_m=(100, 200, 400), origins=2)
    assert adaptive.bandwidth_m in (100, 200, 400)


def test_a_choice_at_the_edge_is_said(plain_area: StudyArea, make_incidents: object) -> None:
    grid = Grid.square(plain_area, cell_size_m=100)
    city = drawn_city(plain_area, make_incidents, 60, 1, np.random.default_rng(8))
    choice = choose_bandwidth(city, grid, candidates_m=(400, 800), origins=1)
    assert choice.at_the_edge
    assert choice.reasons[-1].startswith("The best lies at the end")
    with pytest.raises(PatternError, match="at least the cell size"):
        choose_bandwidth(city, grid, candidates_m=(50, 800))
    with pytest.raises(PatternError, match="horizon_days"):
        choose_bandwidth(city, grid, horizon_days=0)
    with pytest.raises(PatternError, match="needs incidents"):
        choose_bandwidth(make_incidents(plain_area, [], []), grid)
    with pytest.raises(PatternError, match="longer record"):
        choose_bandwidth(make_incidents(plain_area, [5.0], [5.0]), grid)
