"""Kernel density, checked against scikit-learn's exact sums."""

import geopandas as gpd
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import KernelDensity

from crimepatterns.domain.area import StudyArea
from crimepatterns.domain.grid import Grid
from crimepatterns.errors import PatternError
from crimepatterns.patterns.density import kernel_density


def scattered(seed: int, n: int = 3000) -> tuple[np.ndarray, np.ndarray]:
    """Clustered points in the lower left of both areas."""
    rng = np.random.default_rng(seed)
    centres = rng.uniform(300, 1400, size=(30, 2))
    points = centres[rng.integers(0, 30, n)] + rng.normal(0, 90, size=(n, 2))
    return np.clip(points[:, 0], 5, 1600), np.clip(points[:, 1], 5, 1700)


def exact(x: np.ndarray, y: np.ndarray, grid: Grid, bandwidth_m: float) -> np.ndarray:
    fitted = KernelDensity(bandwidth=bandwidth_m).fit(np.column_stack([x, y]))
    return np.exp(fitted.score_samples(grid.centres)) * len(x) * 1e6


@pytest.mark.parametrize(("bandwidth", "tolerance"), [(100, 0.03), (200, 0.006), (400, 0.0015)])
@pytest.mark.parametrize("rotation", [0.0, 27.0])
def test_binned_density_is_the_exact_one_within_binning_error(
    plain_area: StudyArea, bandwidth: float, tolerance: float, rotation: float
) -> None:
    grid = Grid.square(plain_area, cell_size_m=100, rotation_deg=rotation, origin=(13.0, -40.0))
    x, y = scattered(1)
    surface = kernel_density((x, y), grid, bandwidth_m=bandwidth, edge_correction=False)
    reference = exact(x, y, grid, bandwidth)
    assert np.abs(surface.values - reference).max() <= tolerance * reference.max()
    assert surface.unit == "incidents per km2"


def test_density_on_hexagons_is_the_exact_one(ragged_area: StudyArea) -> None:
    grid = Grid.hexagon(ragged_area, cell_size_m=120)
    x, y = scattered(2)
    surface = kernel_density((x, y), grid, bandwidth_m=200, edge_correction=False)
    reference = exact(x, y, grid, 200)
    np.testing.assert_allclose(surface.values, reference, atol=1e-5 * reference.max())


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    kind=st.sampled_from(["square", "hexagon"]),
    kernel=st.sampled_from(["gaussian", "quartic"]),
    bandwidth=st.sampled_from([200.0, 260.0, 900.0]),
)
def test_with_edge_correction_no_incident_is_lost(
    ragged_area: StudyArea, seed: int, kind: str, kernel: str, bandwidth: float
) -> None:
    grid = (Grid.square if kind == "square" else Grid.hexagon)(ragged_area, cell_size_m=200)
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(0, 4030, 400), rng.uniform(0, 4020, 400)
    surface = kernel_density((x, y), grid, bandwidth_m=bandwidth, kernel=kernel)
    inside = grid.assign(x, y)[1].sum()
    assert (surface.values * grid.area_km2).sum() == pytest.approx(inside)
    assert surface.parameters["outside"] == 400 - inside
    assert (surface.values >= 0).all()


def test_without_edge_correction_the_surface_sinks_at_the_edge(plain_area: StudyArea) -> None:
    grid = Grid.square(plain_area, cell_size_m=100)
    x, y = np.array([50.0]), np.array([50.0])
    kept = kernel_density((x, y), grid, bandwidth_m=300)
    lost = kernel_density((x, y), grid, bandwidth_m=300, edge_correction=False)
    assert (kept.values * grid.area_km2).sum() == pytest.approx(1.0)
    assert 0.25 < (lost.values * grid.area_km2).sum() < 0.4


def test_one_point_gives_the_kernel_itself(plain_area: StudyArea) -> None:
    grid = Grid.square(plain_area, cell_size_m=50)
    surface = kernel_density(([2525.0], [2525.0]), grid, bandwidth_m=400)
    distance = np.hypot(*(grid.centres - 2525.0).T)
    expected = np.exp(-0.5 * (distance / 400) ** 2) / (2 * np.pi * 0.4**2)
    np.testing.assert_allclose(surface.values, expected, atol=0.005 * expected.max())


def test_the_quartic_ends_at_its_bandwidth(plain_area: StudyArea) -> None:
    grid = Grid.square(plain_area, cell_size_m=50)
    surface = kernel_density(([2525.0], [2525.0]), grid, bandwidth_m=500, kernel="quartic")
    distance = np.hypot(*(grid.centres - 2525.0).T)
    assert (surface.values[distance > 580] == 0).all()
    peak = 3 / (np.pi * 0.5**2)
    expected = peak * np.maximum(1 - (distance / 500) ** 2, 0) ** 2
    np.testing.assert_allclose(surface.values, expected, atol=0.02 * peak)


def test_many_equal_points_are_one_point_times_their_number(plain_area: StudyArea) -> None:
    for grid in (Grid.square(plain_area, cell_size_m=100), Grid.hexagon(plain_area, cell_size_m=100)):
        one = kernel_density(([1234.0], [4321.0]), grid, bandwidth_m=300)
        many = kernel_density(([1234.0] * 50, [4321.0] * 50), grid, bandwidth_m=300)
        weighted = kernel_density(([1234.0], [4321.0]), grid, bandwidth_m=300, weights=[50.0])
        np.testing.assert_allclose(many.values, 50 * one.values)
        np.testing.assert_allclose(weighted.values, many.values)
        assert weighted.unit == "weighted incidents per km2"


def test_incidents_are_taken_as_they_are(plain_area: StudyArea, make_incidents) -> None:
    x, y = scattered(7, 200)
    grid = Grid.square(plain_area, cell_size_m=100)
    told = kernel_density(make_incidents(plain_area, x, y), grid, bandwidth_m=300)
    np.testing.assert_array_equal(told.values, kernel_density((x, y), grid, bandwidth_m=300).values)


def test_incidents_beyond_every_centre_stay_in_their_polygon(plain_area: StudyArea) -> None:
    small = [shapely.box(4600 + 100 * i, 4900, 4700 + 100 * i, 5000) for i in range(4)]
    large = shapely.box(0, 0, 5000, 4000)
    polygons = gpd.GeoDataFrame({"beat": list("abcde")}, geometry=[*small, large], crs=plain_area.crs)
    grid = Grid.from_polygons(plain_area, polygons, id_column="beat")
    surface = kernel_density(([10.0, 10.0], [10.0, 10.0]), grid, bandwidth_m=100)
    assert surface.values[4] == pytest.approx(2 / 20)
    assert (surface.values * grid.area_km2).sum() == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"bandwidth_m": 99.0}, "at least the cell size, got 99 m on cells of 100 m"),
        ({"bandwidth_m": 0.0}, "must be > 0"),
        ({"bandwidth_m": float("nan")}, "must be > 0"),
        ({"bandwidth_m": 300.0, "kernel": "epanechnikov"}, "must be one of"),
        ({"bandwidth_m": 300.0, "weights": [1.0, 2.0]}, "Weights must be"),
        ({"bandwidth_m": 300.0, "weights": [-1.0]}, "Weights must be"),
    ],
)
def test_impossible_wishes_are_refused(plain_area: StudyArea, options: dict[str, object], words: str) -> None:
    grid = Grid.square(plain_area, cell_size_m=100)
    with pytest.raises(PatternError, match=words):
        kernel_density(([100.0], [100.0]), grid, **options)


@pytest.mark.parametrize("points", [([], []), ([9e6], [9e6]), ([np.nan], [1.0])])
def test_nothing_inside_is_told(plain_area: StudyArea, points: tuple[list[float], list[float]]) -> None:
    with pytest.raises(PatternError, match="found none among"):
        kernel_density(points, Grid.square(plain_area, cell_size_m=100), bandwidth_m=300)


def test_coordinates_of_different_length_are_refused(plain_area: StudyArea) -> None:
    with pytest.raises(PatternError, match="same length"):
        kernel_density(([1.0, 2.0], [1.0]), Grid.square(plain_area, cell_size_m=100), bandwidth_m=300)
