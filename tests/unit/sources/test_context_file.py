"""Context files of every format, and what of them reaches the raw store."""

import json
import zipfile
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pytest
import shapely

from crimepatterns.errors import AuditColumnError, ConfigError, SchemaError, SourceError
from crimepatterns.sources.context_file import copy_context_file, read_context
from crimepatterns.store.raw import RawStore

FRAME = gpd.GeoDataFrame(
    {"park": ["A", "B"], "pct_black": [0.2, 0.4], "owner_name": ["x", "y"]},
    geometry=[shapely.box(0, 0, 1, 1), shapely.box(2, 2, 3, 3)],
    crs="EPSG:32616",
)
SHAPES = FRAME.geometry.to_numpy()


def write(folder: Path, ending: str) -> Path:
    path = folder / f"parks{ending}"
    if ending == ".geoparquet":
        FRAME.to_parquet(path)
    elif ending == ".zip":
        inner = folder / "inner"
        inner.mkdir()
        FRAME.to_file(inner / "parks.shp")
        with zipfile.ZipFile(path, "w") as archive:
            for part in inner.iterdir():
                archive.write(part, part.name)
    else:
        FRAME.to_file(path)
    return path


@pytest.mark.parametrize("ending", [".geoparquet", ".gpkg", ".shp", ".zip", ".fgb"])
def test_geometry_of_every_format_arrives(tmp_path: Path, ending: str) -> None:
    found = read_context(write(tmp_path, ending))
    assert found.geometry is not None
    assert sorted(shapely.bounds(found.geometry)[:, 0].tolist()) == [0, 2]
    assert found.crs is not None
    assert "32616" in found.crs or "16N" in found.crs
    assert {"park", "pct_black"} <= set(found.columns)
    assert sorted(found.table.column("park").to_pylist()) == ["A", "B"]


def test_a_layer_of_a_geopackage_is_chosen_by_name(tmp_path: Path) -> None:
    path = tmp_path / "city.gpkg"
    FRAME.to_file(path, layer="parks")
    FRAME.iloc[:1].to_file(path, layer="one")
    assert read_context(path, sheet="one").table.num_rows == 1
    assert read_context(path, sheet="parks").table.num_rows == 2
    with pytest.raises(SourceError, match="cannot be read as vector"):
        read_context(path, sheet="none")


def test_tables_arrive_without_geometry(tmp_path: Path) -> None:
    table = pd.DataFrame({"area": ["1", "2"], "homes": [3, 4]})
    table.to_csv(tmp_path / "a.csv", index=False)
    table.to_excel(tmp_path / "a.xlsx", index=False)
    table.to_parquet(tmp_path / "a.parquet")
    for ending in ("csv", "xlsx", "parquet"):
        found = read_context(tmp_path / f"a.{ending}")
        assert found.geometry is None
        assert found.columns == ("area", "homes")
        assert [str(value) for value in found.table.column("homes").to_pylist()] == ["3", "4"]
    (tmp_path / "empty.csv").write_text("area,homes\n")
    assert read_context(tmp_path / "empty.csv").table.num_rows == 0


def test_damaged_and_missing_files_say_so(tmp_path: Path) -> None:
    (tmp_path / "a.gpkg").write_bytes(b"SQLite format 3\0 and then nothing")
    with pytest.raises(SourceError, match="damaged or cut off"):
        read_context(tmp_path / "a.gpkg")
    with pytest.raises(SourceError, match="does not exist"):
        read_context(tmp_path / "none.csv")


@pytest.mark.parametrize("ending", [".geoparquet", ".gpkg", ".shp", ".zip"])
def test_the_copy_for_features_holds_nothing_about_people(tmp_path: Path, ending: str) -> None:
    store = RawStore(tmp_path / "raw")
    path = write(tmp_path, ending)
    entry = copy_context_file(store, path, needed={"key": "park"}, for_features=True, origin="City", licence="CC0")
    copied = store.path_of(entry)
    assert set(entry.dropped_columns) == {"owner_name", "pct_black"}
    assert entry.columns == ("park",)
    assert b"pct_black" not in copied.read_bytes()
    assert copied.stat().st_mode & 0o222 == 0
    back = read_context(copied, format=entry.format, **entry.reading)
    assert back.columns == ("park",)
    assert back.geometry is not None
    assert shapely.equals(back.geometry, SHAPES).all()
    assert copy_context_file(store, path, needed={}, for_features=True).file == entry.file


def test_a_copy_for_audit_keeps_groups_and_drops_persons(tmp_path: Path) -> None:
    store = RawStore(tmp_path / "raw")
    entry = copy_context_file(store, write(tmp_path, ".gpkg"), needed={"columns[0]": "pct_black"}, for_features=False)
    assert entry.dropped_columns == ("owner_name",)
    assert "pct_black" in entry.columns


def test_a_clean_file_is_copied_byte_by_byte(tmp_path: Path) -> None:
    path = tmp_path / "stops.geojson"
    feature = {"type": "Feature", "properties": {"stop": "S1"}, "geometry": {"type": "Point", "coordinates": [1, 2]}}
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    store = RawStore(tmp_path / "raw")
    entry = copy_context_file(store, path, needed={}, for_features=True)
    assert store.path_of(entry).read_bytes() == path.read_bytes()
    assert entry.rows == 1


def test_needed_columns_must_be_there_and_must_be_allowed(tmp_path: Path) -> None:
    store, path = RawStore(tmp_path / "raw"), write(tmp_path, ".gpkg")
    with pytest.raises(SchemaError, match=r"no column 'parc' for context parks: key, perhaps 'park'"):
        copy_context_file(store, path, needed={"context parks: key": "parc"}, for_features=True)
    with pytest.raises(AuditColumnError, match="pct_black"):
        copy_context_file(store, path, needed={"columns[0]": "pct_black"}, for_features=True)
    with pytest.raises(ConfigError, match="keep_columns"):
        copy_context_file(store, path, needed={"key": "owner_name"}, for_features=True)
    kept = copy_context_file(store, path, needed={"key": "owner_name"}, for_features=True, keep_columns=("owner_name",))
    assert "owner_name" in kept.columns
    assert store.entries() == []


def test_what_does_not_fit_the_header_keeps_no_personal_text(tmp_path: Path) -> None:
    path = tmp_path / "bars.csv"
    path.write_text("lon,lat,owner_name\n1,2,Jo\n1,2,Jane Roe,12 Elm Street\n")
    store = RawStore(tmp_path / "raw")
    entry = copy_context_file(store, path, needed={"x": "lon", "y": "lat"}, for_features=True)
    raw = store.path_of(entry).read_bytes()
    assert b"Jane" not in raw
    assert b"Elm" not in raw
    assert entry.rows == 2
