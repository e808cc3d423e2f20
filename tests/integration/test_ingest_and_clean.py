"""From file to clean incidents: formats, immutability, personal columns, erasure, crashes, export."""

import gzip
import json
import os
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import shapely

from crimepatterns.city import City
from crimepatterns.cleaning_run import cleaning
from crimepatterns.config import Settings, load_settings
from crimepatterns.data_processing import clean, forget, ingest
from crimepatterns.domain.grid import Grid
from crimepatterns.domain.panel import Panel
from crimepatterns.domain.periods import Periods
from crimepatterns.errors import ArtefactError, CrimePatternsError, MissingInputError
from crimepatterns.store.cell_counts import count_cells

PERSON = "Zsazsa Qx"


def records(n: int = 400) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    when = pd.Timestamp("2020-11-01") + pd.to_timedelta(rng.integers(0, 400 * 24 * 60, n), unit="min")
    table = pd.DataFrame(
        {
            "case": [f"HX{i:05d}" for i in range(n)],
            "when": when,
            "what": rng.choice(["THEFT", "Burglary", "ARSON"], n),
            "lon": np.round(rng.uniform(-87.72, -87.6, n), 6),
            "lat": np.round(rng.uniform(41.8, 41.92, n), 6),
            "premise": rng.choice(["street", "shop", None], n),
            "Victim Name": PERSON,
        }
    )
    return pd.concat([table, table.iloc[:7]], ignore_index=True)


@pytest.fixture
def city(tmp_path: Path) -> Callable[..., Settings]:
    boundary = tmp_path / "boundary.geojson"
    squares = [shapely.box(-87.7, 41.8, -87.65, 41.9), shapely.box(-87.65, 41.8, -87.6, 41.9)]
    gpd.GeoDataFrame({"name": ["West", "East"]}, geometry=squares, crs="EPSG:4326").to_file(boundary)

    def make(path: Path, root: str = "root", **changes: Any) -> Settings:
        base: dict[str, Any] = {
            "city": "test",
            "root": str(tmp_path / root),
            "timezone": "America/Chicago",
            "source": {"kind": "file", "paths": [str(path)], "origin": "Tests", "licence": "none"},
            "columns": {
                "id": "case",
                "occurred_from": "when",
                "category": "what",
                "longitude": "lon",
                "latitude": "lat",
                "extra": ["premise"],
            },
            "study_area": {"boundary": str(boundary)},
        }
        for section, values in changes.items():
            base[section] = {**base[section], **values} if isinstance(values, dict) and section in base else values
        return load_settings(overrides=base)

    return make


def write_zip(table: pd.DataFrame, path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.csv", table.to_csv(index=False))


def write_points(table: pd.DataFrame, path: Path) -> None:
    points = gpd.points_from_xy(table["lon"], table["lat"])
    text = table.assign(when=table["when"].astype(str))
    gpd.GeoDataFrame(text, geometry=points, crs="EPSG:4326").to_file(path)


FORMATS: dict[str, Callable[[pd.DataFrame, Path], object]] = {
    "a.csv": lambda table, path: table.to_csv(path, index=False),
    "b.csv": lambda table, path: table.to_csv(path, index=False, sep=";", encoding="utf-16"),
    "c.csv.gz": lambda table, path: path.write_bytes(gzip.compress(table.to_csv(index=False).encode())),
    "d.zip": write_zip,
    "e.parquet": lambda table, path: table.astype({"what": "category"}).to_parquet(path, index=False),
    "f.xlsx": lambda table, path: table.to_excel(path, index=False),
    "g.geojson": write_points,
    "h.gpkg": write_points,
}


def test_clean_incidents_do_not_depend_on_the_storage_format(city: Callable[..., Settings], tmp_path: Path) -> None:
    tables = {}
    for name, write in FORMATS.items():
        write(records(), tmp_path / name)
        settings = city(tmp_path / name, root=f"root-{name}")
        ingest(settings)
        clean(settings)
        tables[name] = City(settings).incidents.table.drop(columns="source")
    first = tables.pop("a.csv")
    assert len(first) > 200
    for table in tables.values():
        pd.testing.assert_frame_equal(table, first)


def test_ids_without_an_id_column_do_not_depend_on_the_format_or_on_other_rows(
    city: Callable[..., Settings], tmp_path: Path
) -> None:
    found = []
    for name, rows in (("a.csv", slice(None)), ("e.parquet", slice(None)), ("f.xlsx", slice(100, None))):
        FORMATS[name](records().iloc[rows], tmp_path / name)
        settings = city(tmp_path / name, root=f"root-{name}", columns={"id": None})
        ingest(settings)
        clean(settings)
        found.append(set(City(settings).incidents.table["id"]))
    assert found[0] == found[1]
    assert found[2] < found[0]


def test_the_same_input_gives_the_same_bytes(city: Callable[..., Settings], tmp_path: Path) -> None:
    FORMATS["a.csv"](records(), tmp_path / "a.csv")
    parts = []
    for root, workers in (("one", 1), ("two", 3)):
        settings = city(tmp_path / "a.csv", root=root, workers=workers)
        ingest(settings)
        clean(settings)
        folder = tmp_path / root / "data/processed/test"
        files = sorted((folder / "incidents").rglob("*.parquet"))
        parts.append([(str(file.relative_to(folder)), file.read_bytes()) for file in files])
    assert parts[0] == parts[1]


def test_raw_copies_are_immutable_and_listed(city: Callable[..., Settings], tmp_path: Path) -> None:
    path, raw = tmp_path / "a.csv", tmp_path / "root/data/raw/test"
    records().drop(columns="Victim Name").to_csv(path, index=False)
    settings = city(path)
    summary = ingest(settings)
    manifest = (raw / "MANIFEST.json").read_bytes()
    entry = json.loads(manifest)["files"][0]
    copy = raw / "files" / entry["file"]
    assert copy.read_bytes() == path.read_bytes()
    assert copy.stat().st_mode & 0o222 == 0
    assert (entry["rows"], entry["origin"], entry["licence"]) == (407, "Tests", "none")
    assert summary["rows"] == 407
    ingest(settings)
    assert (raw / "MANIFEST.json").read_bytes() == manifest
    records(50).drop(columns="Victim Name").to_csv(path, index=False)
    ingest(settings)
    entries = json.loads((raw / "MANIFEST.json").read_text())["files"]
    assert [one["current"] for one in sorted(entries, key=lambda one: -one["rows"])] == [False, True]
    assert copy.exists()
    assert clean(settings)["rows_in"] == 57


@pytest.mark.parametrize("name", ["a.csv", "d.zip", "e.parquet", "f.xlsx", "h.gpkg"])
def test_personal_columns_never_reach_the_disk(city: Callable[..., Settings], tmp_path: Path, name: str) -> None:
    table = records(60)
    path = tmp_path / name
    FORMATS[name](table, path)
    if name == "a.csv":
        with path.open("a") as handle:
            handle.write(f"HX9,2021-01-01,THEFT,{PERSON},1,2,3,4,5\n")
    settings = city(path)
    assert ingest(settings)["dropped_personal_columns"] == ["Victim Name"]
    clean(settings, csv=True)
    report = json.loads((tmp_path / "root/data/processed/test/cleaning_report.json").read_text())
    assert report["sources"][0]["dropped_columns"] == ["Victim Name"]
    assert report["rows_in"] == 67 + (name == "a.csv")
    for value in every_value(tmp_path / "root"):
        assert PERSON not in value


def test_a_sheet_of_mixed_types_is_copied_without_its_personal_columns(
    city: Callable[..., Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crimepatterns.sources.local_file._BATCH_ROWS", 10)
    table = records(30).astype({"case": object, "lon": object})
    table.loc[:14, "case"] = range(15)
    table.loc[20, "lon"] = "unknown"
    table.to_excel(tmp_path / "a.xlsx", index=False)
    settings = city(tmp_path / "a.xlsx")
    ingest(settings)
    assert clean(settings)["rejected"]["coordinates are missing"] == 1
    assert {"0", "14", "HX00025"} & set(City(settings).incidents.table["id"])


def test_personal_columns_stay_where_they_are_kept_by_name(city: Callable[..., Settings], tmp_path: Path) -> None:
    FORMATS["a.csv"](records(60), tmp_path / "a.csv")
    settings = city(
        tmp_path / "a.csv",
        source={"keep_columns": ["Victim Name"]},
        columns={"extra": ["Victim Name"]},
    )
    assert ingest(settings)["dropped_personal_columns"] == []
    clean(settings)
    assert set(City(settings).incidents.table["Victim Name"]) == {PERSON}


@pytest.mark.parametrize("name", ["a.csv", "d.zip", "e.parquet", "f.xlsx", "g.geojson"])
def test_forget_erases_everywhere(city: Callable[..., Settings], tmp_path: Path, name: str) -> None:
    table = records(120)
    FORMATS[name](table, tmp_path / name)
    settings = city(tmp_path / name)
    ingest(settings)
    FORMATS[name](table.iloc[:100], tmp_path / name)
    ingest(settings)
    clean(settings, csv=True)
    processed = tmp_path / "root/data/processed/test"
    before = City(settings).incidents.table
    rejected = pd.read_parquet(processed / "rejected.parquet")
    kept_id, rejected_id = before["id"].iloc[3], rejected["id"].iloc[0]
    summary = forget(settings, [kept_id, rejected_id, "nobody"])
    assert summary["erased_rows"] >= 3  # both are in the current copy, and in the one before
    for value in every_value(tmp_path / "root"):
        assert kept_id not in value
        assert rejected_id not in value
    pd.testing.assert_frame_equal(
        City(settings).incidents.table, before[before["id"] != kept_id].reset_index(drop=True), check_categorical=False
    )
    assert (processed / "preprocessed_data.csv").exists()
    manifest = json.loads((tmp_path / "root/data/raw/test/MANIFEST.json").read_text())
    assert sum(entry["erased_rows"] for entry in manifest["files"]) == summary["erased_rows"]
    # The unchanged file of the publisher does not bring the records back.
    ingest(settings)
    clean(settings)
    assert kept_id not in set(City(settings).incidents.table["id"])


def test_forget_finds_ids_made_from_values_with_their_duplicates(city: Callable[..., Settings], tmp_path: Path) -> None:
    records(60).to_csv(tmp_path / "a.csv", index=False)
    settings = city(tmp_path / "a.csv", columns={"id": None})
    ingest(settings)
    clean(settings)
    rejected = pd.read_parquet(tmp_path / "root/data/processed/test/rejected.parquet")
    doubled = rejected.loc[rejected["reason"].str.startswith("equal to"), "id"].iloc[0]
    assert forget(settings, [doubled])["erased_rows"] == 2


def test_a_crash_leaves_the_last_good_result(
    city: Callable[..., Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    FORMATS["a.csv"](records(), tmp_path / "a.csv")
    settings = city(tmp_path / "a.csv")
    ingest(settings)
    clean(settings)
    folder = tmp_path / "root/data/processed"
    before = {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cleaning, "cleaning_page", fail)
    with pytest.raises(KeyboardInterrupt):
        clean(settings)
    assert {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_stages_in_the_wrong_order_say_what_to_run(city: Callable[..., Settings], tmp_path: Path) -> None:
    settings = city(tmp_path / "a.csv")
    with pytest.raises(MissingInputError, match="crimepatterns ingest"):
        clean(settings)
    with pytest.raises(MissingInputError, match="crimepatterns clean"):
        _ = City(settings).incidents
    FORMATS["a.csv"](records(), tmp_path / "a.csv")
    ingest(settings)
    for copy in (tmp_path / "root/data/raw/test/files").iterdir():
        copy.unlink()
    with pytest.raises(ArtefactError, match="ingest --force"):
        clean(settings)
    ingest(settings)
    assert clean(settings)["kept"]


def test_counts_from_disk_equal_counts_in_memory(city: Callable[..., Settings], tmp_path: Path) -> None:
    FORMATS["a.csv"](records(2_000), tmp_path / "a.csv")
    settings = city(tmp_path / "a.csv")
    ingest(settings)
    clean(settings)
    opened = City(settings)
    grid = Grid.square(opened.area, cell_size_m=900)
    periods = Periods.starting_at(pd.Timestamp("2020-12-01", tz="America/Chicago"), days=7, count=30)
    for as_of in (None, pd.Timestamp("2021-03-01", tz="America/Chicago")):
        expected = Panel.count(opened.incidents, grid, periods, categories=["theft", "arson"], as_of=as_of)
        found = count_cells(opened.layout.incidents, grid, periods, categories=["theft", "arson"], as_of=as_of)
        np.testing.assert_array_equal(found.counts, expected.counts)
        assert (found.outside, found.as_of) == (expected.outside, expected.as_of)


def test_a_changed_setting_of_a_synthetic_city_makes_another_copy(tmp_path: Path) -> None:
    settings = load_settings(overrides={"root": str(tmp_path), "source": {"incidents": 2_000, "years": 1}})
    first = ingest(settings)
    assert ingest(settings) == first
    summary = clean(settings)
    assert 0.9 < summary["kept"] / summary["rows_in"] < 1
    assert summary["rows_in"] == summary["kept"] + sum(summary["rejected"].values())
    city = City(settings)
    assert len(city.area.neighbourhoods) > 3
    assert {"reported", "police-initiated"} == set(city.incidents.table["discovery"])


def test_unreadable_column_names_do_not_stop_the_error(city: Callable[..., Settings], tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"\xff\xfe,b\n1,2\n")
    with pytest.raises(CrimePatternsError):
        ingest(city(tmp_path / "a.csv"))
        clean(city(tmp_path / "a.csv"))


def every_value(folder: Path) -> Iterator[str]:
    """Yield all text below a folder, with the cells of Parquet files decoded."""
    for where, _, names in os.walk(folder):
        for name in names:
            path = Path(where) / name
            if path.suffix == ".parquet":
                yield pq.read_table(path, partitioning=None).to_pandas().to_csv()
            else:
                yield path.read_bytes().decode("utf-8", "replace")
