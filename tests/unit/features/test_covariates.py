"""Measures of places, lines and areas on cells, set beside brute force and beside geopandas' overlay."""

import geopandas as gpd
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from crimepatterns.domain.area import StudyArea, empty_neighbourhoods
from crimepatterns.domain.grid import Grid
from crimepatterns.errors import DomainError
from crimepatterns.features.covariates import (
    area_mean,
    area_totals,
    covered_share,
    distance_to_nearest,
    kernel_weights,
    line_lengths,
    overlaps,
    point_counts,
)

CRS = "EPSG:32616"
OUTLINE = shapely.Polygon([(0, 0), (2000, 0), (2000, 900), (1300, 1500), (0, 1500)])
AREA = StudyArea("Test", OUTLINE, CRS, "America/Chicago", empty_neighbourhoods(CRS))
GRIDS = {
    "square": Grid.square(AREA, cell_size_m=250, origin=(40, 70), rotation_deg=17),
    "hexagon": Grid.hexagon(AREA, cell_size_m=300),
    "polygon": Grid.from_polygons(
        AREA,
        gpd.GeoDataFrame(
            {"id": ["a", "b", "c"]},
            geometry=[
                shapely.box(-100, -100, 700, 800),
                shapely.box(700, -100, 2100, 800),
                shapely.box(-100, 800, 2100, 1600),
            ],
            crs=CRS,
        ),
        id_column="id",
    ),
}
ALIGNED = Grid.square(AREA, cell_size_m=250)
each_grid = pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS)


def cells_of(grid: Grid) -> np.ndarray:
    return grid.cells.geometry.to_numpy()


def random_points(seed: int, count: int = 60) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return shapely.points(rng.uniform(-300, 2300, count), rng.uniform(-300, 1800, count))


def random_lines(seed: int, count: int = 12) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.array([shapely.LineString(rng.uniform((-200, -200), (2200, 1700), (4, 2))) for _ in range(count)])


def random_polygons(seed: int, count: int = 9) -> np.ndarray:
    """Some overlap each other and some have holes."""
    rng = np.random.default_rng(seed)
    discs = [
        shapely.Point(rng.uniform(0, 2000), rng.uniform(0, 1500)).buffer(rng.uniform(40, 400)) for _ in range(count)
    ]
    return np.array([disc.difference(disc.centroid.buffer(30)) for disc in discs])


def tiles(seed: int) -> np.ndarray:
    """Areas that cover the study area without overlap: the Voronoi cells of random points."""
    parts = shapely.get_parts(shapely.voronoi_polygons(shapely.multipoints(random_points(seed, 14)), extend_to=OUTLINE))
    clipped = shapely.intersection(parts, OUTLINE)
    return clipped[shapely.area(clipped) > 0]


@each_grid
@pytest.mark.parametrize("make", [random_points, random_lines, random_polygons], ids=["point", "line", "polygon"])
def test_distances_are_those_of_every_pair(grid: Grid, make: object) -> None:
    shapes = make(3)  # type: ignore[operator]
    from_centre = shapely.distance(shapely.points(grid.centres)[:, None], shapes[None, :]).min(axis=1)
    from_cell = shapely.distance(cells_of(grid)[:, None], shapes[None, :]).min(axis=1)
    np.testing.assert_allclose(distance_to_nearest(grid, shapes), from_centre, rtol=1e-9, atol=1e-6)
    np.testing.assert_allclose(distance_to_nearest(grid, shapes, measure_from="cell"), from_cell, rtol=1e-9, atol=1e-6)
    assert (from_cell <= from_centre + 1e-6).all() or grid.kind != "polygon"


def test_without_places_there_is_no_distance() -> None:
    assert np.isnan(distance_to_nearest(ALIGNED, random_points(1)[:0])).all()
    assert np.isnan(distance_to_nearest(ALIGNED, random_points(1)[:0], measure_from="cell")).all()


@each_grid
def test_kernel_density_is_the_sum_over_every_pair(grid: Grid) -> None:
    points, h = random_points(5), 400.0
    apart = np.linalg.norm(grid.centres[:, None] - shapely.get_coordinates(points)[None], axis=2)
    plain = np.where(apart < h, 3 / (np.pi * h**2) * (1 - (apart / h) ** 2) ** 2, 0).sum(axis=1) * 1e6
    np.testing.assert_allclose(kernel_weights(grid, points, bandwidth_m=h).sum(axis=1), plain, rtol=1e-9, atol=1e-12)


def test_a_kernel_brings_one_place_in_all_and_peaks_on_it() -> None:
    fine = Grid.square(
        StudyArea("b", shapely.box(0, 0, 2000, 2000), CRS, "UTC", empty_neighbourhoods(CRS)), cell_size_m=20
    )
    weights = kernel_weights(fine, np.array([shapely.Point(1010, 1010)]), bandwidth_m=500)
    assert float(weights.sum() * 20**2 / 1e6) == pytest.approx(1.0, rel=1e-3)
    # The cell whose centre is the place itself has the distance 0 and the peak.
    assert float(weights.max()) == pytest.approx(3 / (np.pi * 0.5**2), rel=1e-9)
    with pytest.raises(DomainError, match="> 0 metres"):
        kernel_weights(fine, random_points(1), bandwidth_m=0)
    assert kernel_weights(fine, random_points(1)[:0], bandwidth_m=10).shape == (len(fine), 0)


@each_grid
def test_counts_are_those_of_a_spatial_join(grid: Grid) -> None:
    points = random_points(7, 300)
    joined = gpd.sjoin(
        gpd.GeoDataFrame(geometry=points, crs=CRS), grid.to_geodataframe()[["cell_id", "geometry"]], predicate="within"
    )
    expected = joined["cell_id"].value_counts().reindex(grid.ids, fill_value=0)
    found = point_counts(grid, points).sum(axis=1)
    np.testing.assert_array_equal(found, expected)
    assert found.sum() == shapely.intersects(points, OUTLINE).sum() < len(points)


@each_grid
def test_shares_agree_with_geopandas_overlay(grid: Grid) -> None:
    polygons = random_polygons(2)
    union = gpd.GeoDataFrame(geometry=[shapely.union_all(polygons)], crs=CRS)
    cut = gpd.overlay(grid.to_geodataframe(), union, how="intersection")
    expected = cut.assign(cut=cut.area).groupby("cell_id")["cut"].sum().reindex(grid.ids, fill_value=0.0)
    np.testing.assert_allclose(
        covered_share(grid, polygons), expected / shapely.area(cells_of(grid)), rtol=1e-9, atol=1e-9
    )
    assert covered_share(grid, polygons[:0]).sum() == 0
    np.testing.assert_allclose(covered_share(grid, np.array([OUTLINE.buffer(10)])), 1)


@each_grid
def test_lengths_agree_with_geopandas_overlay(grid: Grid) -> None:
    lines = random_lines(4)
    named = gpd.GeoDataFrame({"line": range(len(lines))}, geometry=lines, crs=CRS)
    cut = gpd.overlay(named, grid.to_geodataframe(), how="intersection", keep_geom_type=True)
    expected = cut.assign(cut=cut.length).groupby("cell_id")["cut"].sum().reindex(grid.ids, fill_value=0.0)
    np.testing.assert_allclose(line_lengths(grid, lines).sum(axis=1), expected, rtol=1e-9, atol=1e-6)


@each_grid
def test_area_values_agree_with_geopandas_overlay(grid: Grid) -> None:
    areas = tiles(8)
    values = np.random.default_rng(1).uniform(1, 900, len(areas))
    values[2] = np.nan
    known = gpd.GeoDataFrame({"v": values, "whole": shapely.area(areas)}, geometry=areas, crs=CRS).dropna()
    cut = gpd.overlay(grid.to_geodataframe(), known, how="intersection")
    cut["a"] = cut.area
    sums = cut.assign(va=cut["v"] * cut["a"], part=cut["v"] * cut["a"] / cut["whole"]).groupby("cell_id")[
        ["a", "va", "part"]
    ]
    expected = sums.sum().reindex(grid.ids)
    shared = overlaps(grid, areas)
    np.testing.assert_allclose(area_mean(shared, values), expected["va"] / expected["a"], rtol=1e-7)
    np.testing.assert_allclose(area_totals(shared, areas, values), expected["part"], rtol=1e-7)


@given(seed=st.integers(0, 10_000), kind=st.sampled_from(sorted(GRIDS)))
@settings(max_examples=25, deadline=None)
def test_totals_of_areas_are_kept(seed: int, kind: str) -> None:
    """What lies in the areas lies in the cells: nothing is lost and nothing is doubled."""
    grid, areas = GRIDS[kind], tiles(seed)
    values = np.random.default_rng(seed).uniform(0, 1e5, len(areas))
    assert area_totals(overlaps(grid, areas), areas, values).sum() == pytest.approx(values.sum(), rel=1e-9)
    # A constant stays what it is, and every mean lies between the smallest and the largest value.
    np.testing.assert_allclose(area_mean(overlaps(grid, areas), np.full(len(areas), 7.5)), 7.5, rtol=1e-9)
    means = area_mean(overlaps(grid, areas), values)
    assert means.min() >= values.min() - 1e-9
    assert means.max() <= values.max() + 1e-9


@given(
    steps=st.lists(st.tuples(st.integers(0, 8), st.integers(0, 6)), min_size=2, max_size=8, unique=True),
    scale=st.sampled_from([250.0, 125.0, 90.0]),
)
@settings(max_examples=60, deadline=None)
def test_lengths_are_kept_even_along_the_borders_of_cells(steps: list[tuple[int, int]], scale: float) -> None:
    line = shapely.LineString(np.array(steps) * scale)
    inside = shapely.length(shapely.intersection(line, OUTLINE))
    assert line_lengths(ALIGNED, np.array([line])).sum() == pytest.approx(inside, rel=1e-9, abs=1e-6)


@given(st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_more_places_are_never_further_and_cover_never_less(seed: int) -> None:
    points, polygons, grid = random_points(seed, 20), random_polygons(seed, 6), GRIDS["square"]
    assert (distance_to_nearest(grid, points) <= distance_to_nearest(grid, points[:8]) + 1e-9).all()
    assert (covered_share(grid, polygons) >= covered_share(grid, polygons[:3]) - 1e-9).all()
    assert point_counts(grid, points).sum() <= len(points)


def test_only_active_areas_count() -> None:
    areas, values = tiles(1), np.arange(len(tiles(1)), dtype=float)
    active = values < 3
    shared = overlaps(GRIDS["hexagon"], areas)
    only = area_totals(overlaps(GRIDS["hexagon"], areas[active]), areas[active], values[active])
    np.testing.assert_allclose(area_totals(shared, areas, values, active=active), only)
    assert np.isnan(area_mean(shared, values, active=np.zeros(len(areas), dtype=bool))).all()
