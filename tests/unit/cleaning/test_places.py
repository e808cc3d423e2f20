"""Coordinates: the fast test of the area equals the exact one; swapped pairs are put right."""

import numpy as np
import pyarrow as pa
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from crimepatterns.cleaning.places import AreaMask, Projector, locate
from crimepatterns.cleaning.schema import ColumnMap, Reason

COLUMNS = ColumnMap(longitude="lon", latitude="lat")
AREA = shapely.buffer(shapely.Point(447_000, 4_636_000), 20_000)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_the_mask_equals_the_polygon(seed: int) -> None:
    rng = np.random.default_rng(seed)
    blobs = shapely.buffer(shapely.points(rng.uniform(0, 100, (4, 2))), rng.uniform(1, 30, 4))
    polygon = shapely.difference(shapely.union_all(blobs), shapely.box(40, 40, 55, 55))
    if polygon.is_empty:
        return
    west, south, east, north = polygon.bounds
    corners = shapely.get_coordinates(polygon)
    x = np.concatenate([rng.uniform(-40, 140, 3_000), corners[:, 0], [west, east, np.nan, np.inf]])
    y = np.concatenate([rng.uniform(-40, 140, 3_000), corners[:, 1], [south, north, 1.0, 1.0]])
    np.testing.assert_array_equal(AreaMask(polygon).contains(x, y), shapely.intersects_xy(polygon, x, y))


def test_every_rule_about_place() -> None:
    cases = [
        ("-87.65", "41.85", Reason.KEPT),
        ("41.85", "-87.65", Reason.KEPT),
        ("0", "0.0", Reason.COORDINATES_ZERO),
        ("", "41.85", Reason.COORDINATES_MISSING),
        ("west", "41.85", Reason.COORDINATES_UNREADABLE),
        ("nan", "41.85", Reason.COORDINATES_NOT_FINITE),
        ("inf", "41.85", Reason.COORDINATES_NOT_FINITE),
        ("-87.65", "141.85", Reason.COORDINATES_IMPOSSIBLE),
        ("-1000", "41.85", Reason.COORDINATES_IMPOSSIBLE),
        ("-80", "41.85", Reason.OUTSIDE_AREA),
    ]
    batch = {"lon": pa.array([case[0] for case in cases]), "lat": pa.array([case[1] for case in cases])}
    found = locate(batch, COLUMNS, Projector("EPSG:4326", "EPSG:32616"), AreaMask(AREA), swap=False)
    assert [Reason(code) for code in found.reason] == [case[2] for case in cases]
    assert found.repairs["coordinates were swapped"] == 1
    assert found.x[0] == found.x[1]


def test_swapping_throughout_the_file() -> None:
    batch = {"lon": pa.array([41.85]), "lat": pa.array([-87.65])}
    found = locate(batch, COLUMNS, Projector("EPSG:4326", "EPSG:32616"), AreaMask(AREA), swap=True)
    assert found.reason.tolist() == [Reason.KEPT]
    assert not found.repairs


def test_feet() -> None:
    """State plane feet of Oregon North become metres of UTM zone 10, and come back."""
    batch = {"x": pa.array([7_646_893]), "y": pa.array([698_007])}
    columns = ColumnMap(x="x", y="y")
    found = locate(batch, columns, Projector("EPSG:2913", "EPSG:32610"), None, swap=False)
    back = Projector("EPSG:32610", "EPSG:2913")(found.x, found.y)
    np.testing.assert_allclose([back[0][0], back[1][0]], [7_646_893, 698_007], atol=1e-3)
    assert 520_000 < found.x[0] < 530_000
