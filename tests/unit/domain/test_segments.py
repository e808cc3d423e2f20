"""Street segments: cut, joined, snapped to."""

import geopandas as gpd
import numpy as np
import pytest
import shapely
from scipy.sparse.csgraph import connected_components

from crimepatterns.domain.area import StudyArea, empty_neighbourhoods
from crimepatterns.domain.network_surface import NetworkSurface
from crimepatterns.domain.segments import Segments
from crimepatterns.errors import DomainError
from crimepatterns.sources.synthetic import SyntheticCity

CRS = "EPSG:32616"
AREA = StudyArea("Plain", shapely.box(0, 0, 2_000, 2_000), CRS, "UTC", empty_neighbourhoods(CRS))


def lines(*paths: list[tuple[float, float]], **columns: object) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame(columns or None, geometry=[shapely.LineString(path) for path in paths], crs=CRS)


def test_long_lines_are_cut_into_equal_pieces_that_meet() -> None:
    made = Segments.from_lines(AREA, lines([(0, 0), (250, 0)], [(250, 0), (250, 80)], name=["High", "Low"]),
                               id_column="name")  # fmt: skip
    assert made.ids.tolist() == ["High-1", "High-2", "High-3", "Low-1"]
    assert made.length_m == pytest.approx([250 / 3] * 3 + [80])
    touching = made.adjacency.toarray()
    assert touching.tolist() == [[0, 1, 0, 0], [1, 0, 1, 0], [0, 1, 0, 1], [0, 0, 1, 0]]
    whole = Segments.from_lines(AREA, lines([(0, 0), (250, 0)]), max_length_m=None)
    assert whole.length_m.tolist() == [250.0]
    assert whole.table["street_id"].tolist() == ["0"]


def test_an_end_that_touches_a_line_cuts_it_but_a_bridge_does_not() -> None:
    side, bridge = [(300, 0.3), (300, 90)], [(500, -200), (500, 200)]
    made = Segments.from_lines(AREA, lines([(0, 0), (1_000, 0)], side, bridge), max_length_m=None)
    assert sorted(made.length_m) == pytest.approx([89.7, 300, 400, 700])
    bridge_at = int(np.flatnonzero(np.isclose(made.length_m, 400))[0])
    assert made.adjacency[[bridge_at]].nnz == 0
    assert np.diff(made.adjacency.indptr).sum() == 6


def test_nearly_equal_ends_are_one_junction() -> None:
    paths = [(0, 0), (50, 0)], [(50.3, 0.2), (90, 0)]
    assert Segments.from_lines(AREA, lines(*paths)).adjacency.nnz == 2
    assert Segments.from_lines(AREA, lines(*paths), join_m=0.1).adjacency.nnz == 0


def test_of_parallel_ways_the_graph_keeps_the_shorter() -> None:
    detour = [(0, 0), (50, 200), (100, 0)]
    made = Segments.from_lines(AREA, lines(detour, [(0, 0), (100, 0)]), max_length_m=None)
    assert made.graph.data.tolist() == [100.0, 100.0]
    assert made.adjacency.nnz == 2


def test_points_are_snapped_to_the_nearest_segment_or_refused() -> None:
    made = Segments.from_lines(AREA, lines([(0, 0), (100, 0)], [(100, 0), (100, 100)]))
    found = made.assign([30, 104, 100, 30], [10, 60, 0, 90], max_distance_m=50)
    assert found.inside.tolist() == [True, True, True, False]
    assert found.segment[:3].tolist() == [0, 1, 0]
    assert found.distance_m[:3] == pytest.approx([10, 4, 0])
    assert found.position_m[:3] == pytest.approx([30, 60, 100])
    assert np.isnan(found.distance_m[3])
    assert found.distance_quantiles()["max"] == 10.0
    none = made.assign([], [])
    assert not none.inside.any()
    assert np.isnan(none.distance_quantiles()["median"])


def test_segments_lie_in_the_area_in_its_reference_system() -> None:
    table = lines([(0, 0), (60, 0)], [(5_000, 5_000), (5_100, 5_000)], [(1_950, 50), (2_030, 50)]).to_crs("EPSG:4326")
    made = Segments.from_lines(AREA, table)
    assert made.length_m == pytest.approx([60, 80], abs=1e-3)
    assert made.to_geodataframe().crs == CRS
    multi = gpd.GeoDataFrame(geometry=[shapely.MultiLineString([[(0, 0, 5), (9, 0, 5)], [(20, 0), (30, 0)]])], crs=CRS)
    assert Segments.from_lines(AREA, multi).ids.tolist() == ["0-1", "0-2"]


def test_the_streets_of_the_synthetic_city_are_one_network() -> None:
    city = SyntheticCity(incidents=100, years=1, area_km2=20)
    made = Segments.from_lines(city.area, city.streets, id_column="street_id")
    assert made.length_m.max() <= 100 + 1e-6
    assert made.length_m.sum() == pytest.approx(city.streets["length_m"].sum())
    assert connected_components(made.graph, directed=False)[0] == 1
    # Every address is snapped to the street it was put beside, or at a corner to the nearer one.
    places = city.places
    found = made.assign(places.geometry.x, places.geometry.y)
    own = made.table["street_id"].to_numpy()[found.segment] == places["street_id"].to_numpy()
    assert found.inside.all()
    assert own.mean() > 0.93
    assert found.distance_quantiles()["p99"] < 12.1


def test_what_is_no_network_is_refused() -> None:
    good = lines([(0, 0), (60, 0)])
    with pytest.raises(DomainError, match="no line in the study area"):
        Segments.from_lines(AREA, lines([(9e3, 9e3), (9e3, 9.1e3)]))
    with pytest.raises(DomainError, match="no line in the study area"):
        Segments.from_lines(AREA, gpd.GeoDataFrame(geometry=[shapely.Point(1, 1)], crs=CRS))
    with pytest.raises(DomainError, match="reference system"):
        Segments.from_lines(AREA, good.set_crs(None, allow_override=True))
    with pytest.raises(DomainError, match="id column 'road'"):
        Segments.from_lines(AREA, good, id_column="road")
    with pytest.raises(DomainError, match="max_length_m"):
        Segments.from_lines(AREA, good, max_length_m=0)
    with pytest.raises(DomainError, match="join_m"):
        Segments.from_lines(AREA, good, join_m=-1)
    made = Segments.from_lines(AREA, good)
    with pytest.raises(DomainError, match="max_distance_m"):
        made.assign([0], [0], max_distance_m=-1)
    with pytest.raises(DomainError, match="two ends"):
        Segments(AREA, made.table, made.ends[:0], made.junctions)
    with pytest.raises(DomainError, match="unique segment ids"):
        Segments(AREA, made.table[["geometry"]], made.ends, made.junctions)
    with pytest.raises(DomainError, match="values must have shape"):
        NetworkSurface(made, "x", np.zeros(5), "")
