"""Rows of context files: each one kept with its place and its span of time, or refused with a reason."""

from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import shapely

from crimepatterns.cleaning.context_rows import CheckedRows, ContextRules, check_rows, newest_versions
from crimepatterns.cleaning.context_shapes import PlaceIndex, key_of
from crimepatterns.domain.area import StudyArea
from crimepatterns.domain.covariates import ALWAYS
from crimepatterns.errors import ConfigError, SchemaError

CRS, ZONE = "EPSG:32616", "America/Chicago"
BOX = shapely.box(440_000, 4_630_000, 450_000, 4_640_000)
HALVES = gpd.GeoDataFrame(
    {"name": ["West", "East"]},
    geometry=[shapely.box(440_000, 4_630_000, 445_000, 4_640_000), shapely.box(445_000, 4_630_000, 450_000, 4_640_000)],
    crs=CRS,
)
AREA = StudyArea("Test", BOX, CRS, ZONE, HALVES)
PLACES = PlaceIndex(np.array(["7", "old town"], dtype=object), HALVES.geometry.to_numpy())
LON, LAT = (
    gpd.GeoSeries([shapely.Point(445_000, 4_635_000)], crs=CRS).to_crs("EPSG:4326").get_coordinates().to_numpy()[0]
)


def check(
    table: dict[str, list[Any]], *, geometry: list[Any] | None = None, crs: str | None = None, **rules: Any
) -> CheckedRows:
    wanted: dict[str, Any] = {"name": "bars", "kind": "point", "known_from": "always", "known_by": "always"}
    made = ContextRules(**{**wanted, "timezone": ZONE, "misfit": "_misfit", **rules})
    shapes = None if geometry is None else np.array([*geometry, None], dtype=object)[:-1]
    return check_rows(pa.table(table), shapes, crs, made, area=AREA, places=PLACES)


def points(*pairs: tuple[Any, Any]) -> dict[str, list[Any]]:
    return {"n": list(range(len(pairs))), "lon": [x for x, _ in pairs], "lat": [y for _, y in pairs]}


def test_points_are_read_from_columns_and_projected() -> None:
    found = check(
        points((str(LON), str(LAT)), (None, "1"), ("x", "1"), ("0", "0.0"), ("inf", "3"), ("200", "95")),
        x="lon",
        y="lat",
    )
    assert len(found.kept) == 1
    np.testing.assert_allclose(found.kept.geometry.get_coordinates(), [[445_000, 4_635_000]], atol=0.01)
    assert found.reasons == {
        "coordinates are missing": 1,
        "coordinates cannot be read": 2,
        "lies at 0, 0 (null island)": 1,
        "place cannot be projected: check crs": 1,
    }
    assert found.rows_in == 6 == len(found.kept) + sum(found.reasons.values())
    rejected = found.rejected.to_pydict()
    assert rejected["row"] == [2, 3, 4, 5, 6]
    assert rejected["lon"] == [None, "x", "0", "inf", "200"]
    assert found.kept["starts_at"].tolist() == [ALWAYS]


def test_geometry_comes_as_text_or_from_the_file() -> None:
    wkt = ["POINT (445000 4635000)", "POINT (1", None, "LINESTRING (445000 4635000, 445100 4635000)", "POINT EMPTY"]
    made = ContextRules("bars", "point", "always", "always", ZONE, wkt="shape", crs=CRS)
    read = check_rows(pa.table({"shape": wkt}), None, None, made, area=AREA)
    assert len(read.kept) == 1
    assert read.reasons == {"geometry cannot be read": 1, "geometry is missing": 2, "geometry is no point": 1}
    inside = check(
        {"n": [1, 2, 3]},
        geometry=[
            shapely.Point(LON, LAT),
            shapely.MultiPoint([(LON, LAT)]),
            shapely.MultiPoint([(LON, LAT), (LON, 41)]),
        ],
        crs="EPSG:4326",
    )
    assert inside.kept.geometry.geom_type.tolist() == ["Point", "Point"]
    assert inside.reasons == {"row holds several points": 1}
    with pytest.raises(SchemaError, match="holds no geometry"):
        check({"n": [1]})
    with pytest.raises(ConfigError, match="EPSG:99999999"):
        check({"n": [1]}, geometry=[shapely.Point(1, 1)], crs="EPSG:99999999")


def test_polygons_are_repaired_and_lines_need_a_length() -> None:
    x, y = 441_000, 4_631_000
    bow = shapely.Polygon([(x, y), (x + 100, y + 100), (x + 100, y), (x, y + 100)])
    flat = shapely.Polygon([(x, y), (x + 100, y), (x, y)])
    high = shapely.Polygon([(x, y, 5), (x + 100, y, 5), (x, y + 100, 5)])
    found = check({"n": [1, 2, 3, 4]}, geometry=[bow, flat, high, shapely.Point(x, y)], crs=CRS, kind="polygon")
    assert shapely.is_valid(found.kept.geometry.to_numpy()).all()
    assert not shapely.has_z(found.kept.geometry.to_numpy()).any()
    assert found.kept.area.tolist() == [5_000, 5_000]
    assert found.repairs["polygon was invalid and was repaired"] >= 1
    assert sum(found.reasons.values()) == 2
    lines = [shapely.LineString([(x, y), (x, y)]), shapely.LineString([(x, y), (x + 30, y)])]
    assert check({"n": [1, 2]}, geometry=lines, crs=CRS, kind="line").reasons == {"line has no extent": 1}


def test_keys_name_places_however_they_are_written() -> None:
    assert [key_of(text) for text in ("007", "7.0", " 7 ", "OLD  Town", "0", "n/a")] == [
        "7",
        "7",
        "7",
        "old town",
        "0",
        "",
    ]
    table = {"area": ["007", "Old  TOWN", "nowhere", None], "homes": [10.0, 20.0, 30.0, 40.0]}
    found = check(table, kind="table", key="area", columns=("homes",))
    assert found.kept["key"].tolist() == ["7", "old town"]
    assert found.kept["homes"].tolist() == [10, 20]
    assert found.reasons == {"key matches no place": 1, "key is missing": 1}
    numbers = {"area": [7.0, 7.5], "homes": [1, 2]}
    assert check(numbers, kind="table", key="area", columns=("homes",)).kept["key"].tolist() == ["7"]


def moments(found: CheckedRows, column: str) -> list[str]:
    local = found.kept[column].dt.tz_convert(ZONE)
    return [str(moment)[:16] for moment in local]


def test_a_row_counts_from_when_it_was_known_and_valid_to_the_end_of_its_last_day() -> None:
    table = {
        **points(*[(LON, LAT)] * 6),
        "known": ["2024-03-05", "2024-03", "2024-03-05T16:30:00", "2024-07-01", "2023-12-31", "2024-03-05"],
        "opens": ["2024-04-01", None, "2023-01-01", None, None, ""],
        "closes": ["2024-12-31", "2024-06", "2024-08-01T00:00:00", "9999-12-31", "2024-02-29T12:00:00", None],
    }
    rules = {"known_from": "known", "known_by": "column", "valid_from": "opens", "valid_until": "closes"}
    found = check(table, x="lon", y="lat", **rules)
    assert moments(found, "starts_at") == [
        "2024-04-01 00:00", "2024-03-31 00:00", "2024-03-05 16:30", "2024-07-01 00:00", "2023-12-31 00:00",
        "2024-03-05 00:00",
    ]  # fmt: skip
    assert moments(found, "ends_at") == [
        "2025-01-01 00:00", "2024-07-01 00:00", "2024-08-02 00:00", "NaT", "2024-02-29 12:00", "NaT",
    ]  # fmt: skip


def test_a_row_without_a_knowledge_date_is_not_used() -> None:
    table = {
        **points(*[(LON, LAT)] * 4),
        "known": [None, "soon", "2024-03-05", "2024-03-05"],
        "closes": [None, None, "2024-03-04", "whenever"],
    }
    found = check(table, x="lon", y="lat", known_from="known", known_by="column", valid_until="closes")
    assert found.kept.empty
    assert found.reasons == {
        "knowledge date is missing": 1,
        "known cannot be read as a date": 1,
        "was over before it was known": 1,
        "closes cannot be read as a date": 1,
    }
    american = {**points((LON, LAT)), "known": ["03/05/2024"]}
    dated = check(american, x="lon", y="lat", known_from="known", known_by="column", time_format=("%m/%d/%Y",))
    assert moments(dated, "starts_at") == ["2024-03-05 00:00"]
    whole = check(points((LON, LAT)), x="lon", y="lat", known_from="2019-10-01", known_by="date")
    assert moments(whole, "starts_at") == ["2019-10-01 00:00"]


def test_values_filters_and_repeats() -> None:
    table = {
        **points(*[(LON, LAT)] * 5),
        "n": ["a", "b", "c", "c", "e"],
        "seats": ["10", "many", "5", "5", None],
        "kind": ["Tavern", "TAVERN ", "tavern", "tavern", "Bakery"],
    }
    found = check(table, x="lon", y="lat", columns=("seats",), only={"kind": ("tavern",)})
    assert found.kept["seats"].tolist() == [10, 5]
    assert found.unread == {"seats": 1}
    assert found.reasons == {
        "no number in seats": 1,
        "repeats an earlier row": 1,
        "not among the values of only for kind": 1,
    }
    misfit = check({**points((LON, LAT), (LON, LAT)), "_misfit": [None, "3: a,b,c"]}, x="lon", y="lat")
    assert misfit.reasons == {"row does not fit the header": 1}


def test_a_layer_far_away_has_the_wrong_system() -> None:
    with pytest.raises(SchemaError, match="within 20 km"):
        check(points((LAT, LON)), x="lon", y="lat")
    near_and_far = check(points((LON, LAT), (LON + 5, LAT)), x="lon", y="lat")
    assert len(near_and_far.kept) == 2


def test_a_later_row_of_a_key_ends_the_earlier_one() -> None:
    days = pd.DatetimeIndex(["2024-03-01", "2024-01-01", "2024-01-01", "2024-06-01", "2024-02-01"], tz="UTC")
    ends = pd.DatetimeIndex(["2024-12-31", pd.NaT, pd.NaT, pd.NaT, pd.NaT], tz="UTC")
    rows = gpd.GeoDataFrame(
        {"starts_at": days, "ends_at": ends, "key": ["a", "a", "a", "a", ""], "v": [3.0, 1.0, 2.0, 4.0, 9.0]},
        geometry=[shapely.Point(0, 0)] * 5,
        crs=CRS,
    )
    found, dropped = newest_versions(rows)
    assert dropped == 1
    assert found["v"].tolist() == [2, 9, 3, 4]
    assert [str(end)[:10] for end in found["ends_at"]] == ["2024-03-01", "NaT", "2024-06-01", "NaT"]
