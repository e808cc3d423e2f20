"""Records that a feed has replaced or withdrawn, from the raw store to the incidents."""

import json
from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd
import pyarrow as pa
import pytest
import shapely

from crimepatterns.city import City
from crimepatterns.config import Settings, load_settings
from crimepatterns.data_processing import clean, forget
from crimepatterns.store.layout import Layout
from crimepatterns.store.raw import RawEntry, RawStore, write_batches

NAMES = ("case", "when", "what", "lon", "lat")


@pytest.fixture
def city(tmp_path: Path) -> Settings:
    boundary = tmp_path / "boundary.geojson"
    gpd.GeoDataFrame({"name": ["here"]}, geometry=[shapely.box(-87.7, 41.8, -87.6, 41.9)], crs="EPSG:4326").to_file(
        boundary
    )
    columns = dict(zip(("id", "occurred_from", "category", "longitude", "latitude"), NAMES, strict=True))
    return load_settings(
        overrides={
            "city": "test",
            "root": str(tmp_path / "root"),
            "timezone": "America/Chicago",
            "source": {"kind": "file", "paths": ["unused.csv"]},
            "columns": columns,
            "study_area": {"boundary": str(boundary)},
        }
    )


def rows(ids: range, what: str, minute: int) -> pd.DataFrame:
    n = len(ids)
    values = ([f"c{i}" for i in ids], f"2021-05-01 10:{minute}:00", what, "-87.65", [f"{41.81 + i / 1e3}" for i in ids])
    return pd.DataFrame(dict(zip(NAMES, values, strict=True)), index=range(n))


def arrive(settings: Settings, table: pd.DataFrame, **facts: Any) -> RawEntry:
    """Add a raw copy as a feed does."""
    store = RawStore(Layout(settings.root, settings.city).raw)
    before = store.entries()
    file = f"copy-{len(before)}.parquet"
    batches = pa.Table.from_pandas(table, preserve_index=False).to_batches()
    digest = store.write(file, lambda path: write_batches(path, batches))
    fetched = f"2026-01-{len(before) + 1:02d}T00:00:00+00:00"
    made = RawEntry(file, "feed", "key", digest, len(table), tuple(table.columns), (), "parquet", fetched_at=fetched)
    entry = RawEntry(**{**vars(made), **facts})
    store.record([*before, entry])
    return entry


def test_every_version_of_a_record_is_accounted_for(city: Settings) -> None:
    arrive(city, rows(range(10), "THEFT", 10))
    arrive(city, rows(range(3, 6), "BURGLARY", 20), replaces=True)
    arrive(city, pd.DataFrame({"case": ["c0", "c4", "c99"]}), withdraws=True)
    summary = clean(city)
    assert (summary["rows_in"], summary["kept"]) == (13, 8)
    assert summary["rejected"] == {"replaced by a later version of the record": 3, "withdrawn by the publisher": 2}
    table = City(city).incidents.table
    assert dict(table["category"].value_counts()) == {"theft": 6, "burglary": 2}
    layout = Layout(city.root, city.city)
    gone = pd.read_parquet(layout.rejected).sort_values(["reason", "id"])
    assert gone["id"].tolist() == ["c3", "c4", "c5", "c0", "c4"]
    assert gone["what"].tolist() == ["THEFT"] * 4 + ["BURGLARY"]
    report = json.loads(layout.cleaning_report.read_text())
    assert report["rows_in"] == report["kept"] + report["rejected_total"]


def test_a_record_is_forgotten_in_all_its_versions(city: Settings) -> None:
    arrive(city, rows(range(10), "THEFT", 10))
    arrive(city, rows(range(3, 6), "BURGLARY", 20), replaces=True)
    arrive(city, pd.DataFrame({"case": ["c4", "c5"]}), withdraws=True)
    clean(city)
    assert forget(city, ["c4"])["erased_rows"] == 3
    store = RawStore(Layout(city.root, city.city).raw)
    for entry in store.current():
        assert "c4" not in pd.read_parquet(store.path_of(entry))["case"].tolist()
    assert City(city).incidents.table["id"].tolist() == ["c0", "c1", "c2", "c6", "c7", "c8", "c9", "c3"]
