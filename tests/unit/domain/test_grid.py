import geopandas as gpd
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from libpysal.weights import Queen

from crimepatterns.domain.area import StudyArea, choose_metric_crs, empty_neighbourhoods
from crimepatterns.domain.grid import Grid
from crimepatterns.domain.uniting import united
from crimepatterns.errors import GridError, StudyAreaError

CRS = "EPSG:32616"
RING = shapely.Polygon([(0, 0), (4100, 150), (3900, 2950), (2000, 2000), (150, 3050)])


def make_area(polygon: shapely.Geometry = RING) -> StudyArea:
    return StudyArea("Test", polygon, CRS, "America/Chicago", empty_neighbourhoods(CRS))


lattices = st.tuples(
    st.sampled_from(["square", "hexagon"]),
    st.floats(150, 900),
    st.tuples(st.floats(-1000, 1000), st.floats(-1000, 1000)),
    st.floats(0, 89),
)


def test_a_union_of_cells_loses_no_piece() -> None:
    """A lattice of which GEOS 3.14 leaves a hundredth out."""
    cells = Grid.square(make_area(), cell_size_m=681.9421254610742, rotation_deg=0.03125).cells.geometry.to_numpy()
    assert united(cells).area == pytest.approx(RING.area, rel=1e-6)
    assert united(cells[:1]).equals(cells[0])


@given(lattices)
@settings(max_examples=40, deadline=None)
def test_lattice_tiles_the_area_without_gap_or_overlap(lattice: tuple[str, float, tuple[float, float], float]) -> None:
    kind, size, origin, rotation = lattice
    make = Grid.square if kind == "square" else Grid.hexagon
    grid = make(make_area(), cell_size_m=size, origin=origin, rotation_deg=rotation)
    assert grid.area_km2.sum() == pytest.approx(RING.area / 1e6, rel=1e-9)
    assert united(grid.cells.geometry.to_numpy()).area == pytest.approx(RING.area, rel=1e-6)


@given(lattices, st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_assign_finds_the_cell_that_contains_the_point(
    lattice: tuple[str, float, tuple[float, float], float], seed: int
) -> None:
    kind, size, origin, rotation = lattice
    make = Grid.square if kind == "square" else Grid.hexagon
    area = make_area()
    grid = make(area, cell_size_m=size, origin=origin, rotation_deg=rotation)
    points = np.random.default_rng(seed).uniform((0, 0), (4100, 3050), size=(200, 2))
    points = points[area.contains(points[:, 0], points[:, 1])]
    index, inside = grid.assign(points[:, 0], points[:, 1])
    assert inside.all()
    gaps = shapely.distance(shapely.points(points), grid.cells.geometry.to_numpy()[index])
    assert gaps.max() < 1e-6


def test_points_outside_are_told_and_not_moved() -> None:
    grid = Grid.square(make_area(), cell_size_m=250)
    _, inside = grid.assign([1e7, 1000.0, -1e7], [0.0, 1000.0, 3.0])
    assert inside.tolist() == [False, True, False]


@pytest.mark.parametrize("kind", ["square", "hexagon"])
def test_adjacency_agrees_with_libpysal_queen_contiguity(kind: str) -> None:
    make = Grid.square if kind == "square" else Grid.hexagon
    # A rectangle of whole cells: clipping would hide shared corners from a geometric oracle.
    grid = make(make_area(shapely.box(0, 0, 2000, 2000)), cell_size_m=200)
    whole = np.isclose(grid.area_km2, grid.area_km2.max(), rtol=1e-6)
    ours = grid.adjacency.toarray()[np.ix_(whole, whole)]
    cells = grid.cells.loc[whole].reset_index(drop=True)
    cells.geometry = shapely.set_precision(cells.geometry.to_numpy(), 1e-3)
    oracle = Queen.from_dataframe(cells, use_index=False).full()[0]
    assert np.array_equal(ours, oracle)


def test_hexagon_cells_have_six_neighbours_and_squares_eight() -> None:
    assert Grid.hexagon(make_area(), cell_size_m=150).adjacency.sum(axis=1).max() == 6
    assert Grid.square(make_area(), cell_size_m=150).adjacency.sum(axis=1).max() == 8


def test_a_stray_point_does_not_make_a_million_cells() -> None:
    stretched = shapely.union(RING, shapely.box(9e6, 4e6, 9e6 + 10, 4e6 + 10))
    with pytest.raises(GridError, match="stray point"):
        Grid.square(make_area(stretched), cell_size_m=250)


@pytest.mark.parametrize("size", [0.0, -50.0, float("nan")])
def test_cell_size_must_be_positive(size: float) -> None:
    with pytest.raises(GridError, match=r"grid\.cell_size_m"):
        Grid.square(make_area(), cell_size_m=size)


def test_polygons_become_cells_and_keep_their_names() -> None:
    parts = gpd.GeoDataFrame(
        {"beat": ["b1", "b2"]}, geometry=[shapely.box(0, 0, 2000, 3100), shapely.box(2000, 0, 4200, 3100)], crs=CRS
    )
    grid = Grid.from_polygons(make_area(), parts, id_column="beat")
    assert grid.ids.tolist() == ["b1", "b2"]
    index, inside = grid.assign([500.0, 3000.0], [500.0, 500.0])
    assert inside.all()
    assert index.tolist() == [0, 1]
    assert grid.adjacency.toarray().tolist() == [[0, 1], [1, 0]]


def test_overlapping_polygons_are_refused() -> None:
    parts = gpd.GeoDataFrame(geometry=[shapely.box(0, 0, 2000, 2000), shapely.box(1500, 0, 3000, 2000)], crs=CRS)
    with pytest.raises(GridError, match="overlap"):
        Grid.from_polygons(make_area(), parts)


def test_neighbourhoods_name_every_cell() -> None:
    names = gpd.GeoDataFrame(
        {"name": ["west", "east"]}, geometry=[shapely.box(0, 0, 2000, 3100), shapely.box(2050, 0, 4200, 3100)], crs=CRS
    )
    area = StudyArea("Test", RING, CRS, "America/Chicago", names)
    assert set(Grid.square(area, cell_size_m=250).neighbourhood) == {"west", "east"}
    # Between the two: the nearest one.
    assert area.neighbourhood_of([2010.0, 2040.0], [500.0, 500.0]).tolist() == ["west", "east"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"crs": "EPSG:4326"}, "metres"),
        ({"crs": "EPSG:2913"}, "metres"),
        ({"timezone": "Mars/Base"}, "IANA"),
        ({"polygon": shapely.Polygon()}, "non-empty"),
        ({"polygon": shapely.Polygon([(0, 0), (1, 1), (1, 0), (0, 1)])}, "invalid"),
    ],
)
def test_a_study_area_is_checked_once(change: dict[str, object], message: str) -> None:
    parts = {
        "name": "T",
        "polygon": RING,
        "crs": CRS,
        "timezone": "UTC",
        "neighbourhoods": empty_neighbourhoods(CRS),
        **change,
    }
    with pytest.raises(StudyAreaError, match=message):
        StudyArea(**parts)  # type: ignore[arg-type]


def test_the_metric_system_follows_the_points() -> None:
    assert choose_metric_crs([-87.6, -87.7, np.nan], [41.9, 41.8, 0.0]) == "EPSG:32616"
    assert choose_metric_crs([151.2], [-33.9]) == "EPSG:32756"
    with pytest.raises(StudyAreaError, match="Set crs"):
        choose_metric_crs([np.nan], [np.nan])
