"""Study areas from polygons and from incidents."""

import geopandas as gpd
import numpy as np
import pytest
import shapely

from crimepatterns.cleaning.boundary import area_around, area_from_polygons
from crimepatterns.errors import StudyAreaError

CITY = {"name": "here", "timezone": "America/Chicago", "crs": None}


def squares(**columns: list[object]) -> gpd.GeoDataFrame:
    shapes = [shapely.box(-87.7 + i / 10, 41.8, -87.6 + i / 10, 41.9) for i in range(3)]
    return gpd.GeoDataFrame(columns, geometry=shapes, crs="EPSG:4326")


def test_polygons_are_united_and_projected() -> None:
    area = area_from_polygons(squares(code=[1, 2, 3], label=["A", "B", "C"]), None, **CITY)  # type: ignore[arg-type]
    assert area.crs == "EPSG:32616"
    assert list(area.neighbourhoods["name"]) == ["A", "B", "C"]
    expected = squares(n=[1, 2, 3]).to_crs("EPSG:32616").area.sum() / 1e6
    assert area.area_km2 == pytest.approx(expected, rel=1e-6)


def test_repeated_names_are_dissolved_and_unknown_columns_refused() -> None:
    layer = squares(district=["N", "S", "N"])
    area = area_from_polygons(layer, None, **CITY, neighbourhood_name="district")  # type: ignore[arg-type]
    assert sorted(area.neighbourhoods["name"]) == ["N", "S"]
    with pytest.raises(StudyAreaError, match=r"'Bezirk' is not in the layer, it has \['district'\]"):
        area_from_polygons(layer, None, **CITY, neighbourhood_name="Bezirk")  # type: ignore[arg-type]


def test_a_broken_polygon_is_repaired() -> None:
    bow = shapely.Polygon([(-87.7, 41.8), (-87.6, 41.9), (-87.6, 41.8), (-87.7, 41.9)])
    area = area_from_polygons(gpd.GeoDataFrame(geometry=[bow], crs="EPSG:4326"), None, **CITY)  # type: ignore[arg-type]
    assert area.polygon.is_valid
    assert area.area_km2 == pytest.approx(46, abs=2)


def test_a_layer_without_polygons_is_refused() -> None:
    with pytest.raises(StudyAreaError, match="no polygon"):
        area_from_polygons(gpd.GeoDataFrame(geometry=[shapely.Point(0, 0)], crs="EPSG:4326"), None, **CITY)  # type: ignore[arg-type]


def test_a_hull_holds_the_incidents_but_not_a_stray_point() -> None:
    rng = np.random.default_rng(3)
    lon, lat = rng.normal(-87.65, 0.03, 3_000), rng.normal(41.85, 0.03, 3_000)
    town_lon, town_lat = rng.normal(-87.65, 0.005, 60), rng.normal(43.0, 0.005, 60)
    area = area_around(
        np.concatenate([lon, town_lon, [-60.0]]),
        np.concatenate([lat, town_lat, [10.0]]),
        **CITY,  # type: ignore[arg-type]
    )
    points = gpd.GeoSeries.from_xy(
        np.concatenate([lon, town_lon]), np.concatenate([lat, town_lat]), crs="EPSG:4326"
    ).to_crs(area.crs)
    assert points.within(area.polygon).all()
    assert area.area_km2 < 5_000


def test_too_few_places_for_a_hull() -> None:
    with pytest.raises(StudyAreaError, match="too few"):
        area_around(np.array([-87.6, -87.6]), np.array([41.8, 41.8]), **CITY)  # type: ignore[arg-type]
    with pytest.raises(StudyAreaError, match="No usable coordinates"):
        area_around(np.array([]), np.array([]), **CITY)  # type: ignore[arg-type]
