"""NIBRS extracts and files in object stores, from the settings to clean incidents or counts."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import geopandas as gpd
import pandas as pd
import pytest
import shapely

from crimepatterns.city import City
from crimepatterns.config import Settings, load_settings
from crimepatterns.data_processing import clean, ingest
from crimepatterns.errors import SchemaError
from crimepatterns.operations.pipeline import run_stage
from nibrs_extract import LAYOUTS, PERSON, archive, since_2021

NIBRS_CITY = Path(__file__).resolve().parents[2] / "config" / "cities" / "nibrs_state.yaml"


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_extract_ends_in_counts_by_county_month_and_category(tmp_path: Path, layout: str) -> None:
    path = archive(tmp_path / "XX-2019.zip", LAYOUTS[layout]())
    settings = load_settings(NIBRS_CITY, {"root": str(tmp_path / "root"), "source": {"paths": [str(path)]}})
    assert ingest(settings)["rows"] == 4
    with pytest.raises(SchemaError, match=r"No coordinates: .* counts of 4 incidents by area \(county\)"):
        clean(settings)
    counts = pd.read_csv(tmp_path / "root/data/processed/nibrs_state/area_counts.csv")
    assert [tuple(row) for row in counts.itertuples(index=False)] == [
        ("EXAMPLE", "2019-03", "assault", 1),
        ("EXAMPLE", "2019-03", "burglary", 1),
        ("EXAMPLE", "2019-03", "robbery", 1),
        ("PEÑA; EXAMPLE", "2019-12", "theft", 1),
    ]
    kept = [file for file in (tmp_path / "root").rglob("*") if file.is_file()]
    assert not any(PERSON.encode() in file.read_bytes() for file in kept)


def test_points_of_agencies_put_offences_into_polygons(tmp_path: Path) -> None:
    path = archive(tmp_path / "XX-2019.zip", since_2021())
    (tmp_path / "places.csv").write_text(
        "ori,longitude,latitude\nXX0010100,-83.1,40.1\nXX0020000,-82.4,40.4\n", "utf-8"
    )
    counties = [shapely.box(-83.5, 40, -82.9, 40.5), shapely.box(-82.9, 40, -82, 40.5)]
    gpd.GeoDataFrame({"county": ["EXAMPLE", "PEÑA"]}, geometry=counties, crs="EPSG:4326").to_file(
        tmp_path / "c.geojson"
    )
    changes: dict[str, Any] = {
        "root": str(tmp_path / "root"),
        "source": {"paths": [str(path)], "agency_places": str(tmp_path / "places.csv")},
        "columns": {"longitude": "longitude", "latitude": "latitude"},
        "study_area": {"boundary": str(tmp_path / "c.geojson"), "neighbourhood_name": "county"},
        "grid": {"kind": "polygon", "polygons": str(tmp_path / "c.geojson"), "polygon_id": "county"},
    }
    settings = load_settings(NIBRS_CITY, changes)
    ingest(settings)
    assert clean(settings)["kept"] == 4
    city = City(settings)
    table = city.incidents.table
    assert sorted(table["time_precision"].astype(str)) == ["date", "hour", "hour", "hour"]
    assert table.set_index("id").loc["9010", "report_date_flag"] == "R"
    cell, inside = city.grid.assign(table["x"].to_numpy(), table["y"].to_numpy())
    assert inside.all()
    assert sorted(pd.Series(cell).value_counts()) == [1, 3]


@pytest.fixture
def bucket() -> Iterator[Any]:
    system = fsspec.filesystem("memory")
    system.store.clear()
    yield system
    system.store.clear()


@pytest.fixture
def object_city(tmp_path: Path) -> Callable[..., Settings]:
    def make(*paths: str) -> Settings:
        changes = {
            "city": "objects",
            "root": str(tmp_path / "root"),
            "source": {"kind": "file", "paths": list(paths)},
            "columns": {"id": "n", "occurred_from": "when", "category": "what", "longitude": "lon", "latitude": "lat"},
            "study_area": {"derive": "concave_hull", "buffer_m": 500},
        }
        return load_settings(overrides=changes)

    return make


def incidents(first: int, last: int) -> str:
    rows = [
        f"{i},2024-01-{1 + i % 28:02d} 10:{i % 60:02d},THEFT,{-87.6 - i % 7 / 100},{41.8 + i % 11 / 100}"
        for i in range(first, last)
    ]
    return "n,when,what,lon,lat\n" + "\n".join(rows) + "\n"


def test_files_in_a_store_and_on_disk_are_one_city(
    tmp_path: Path, bucket: Any, object_city: Callable[..., Settings]
) -> None:
    bucket.pipe("/records/2024-01.csv", incidents(0, 100).encode())
    bucket.pipe("/records/2024-02.csv", incidents(100, 200).encode())
    (tmp_path / "more.csv").write_text(incidents(200, 250), encoding="utf-8")
    settings = object_city("memory://records/*.csv", str(tmp_path / "more.csv"))
    assert ingest(settings)["rows"] == 250
    assert clean(settings)["kept"] == 250
    assert ingest(settings)["files"] == 3
    bucket.pipe("/records/2024-02.csv", incidents(100, 230).encode())
    assert ingest(settings)["rows"] == 280
    # Thirty ids are in both.
    assert clean(settings)["kept"] == 250


def test_a_changed_object_makes_the_stage_run_again(bucket: Any, object_city: Callable[..., Settings]) -> None:
    bucket.pipe("/records/a.csv", incidents(0, 60).encode())
    settings = object_city("memory://records/a.csv")
    assert run_stage(settings, "ingest").summary["rows"] == 60
    bucket.pipe("/records/a.csv", incidents(0, 90).encode())
    assert run_stage(settings, "ingest").summary["rows"] == 90
