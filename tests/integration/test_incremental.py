"""Cleaning only what is new gives what cleaning everything gives: rows, reasons, report and memory."""

import json
import pickle
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import duckdb
import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pytest
import shapely

from arriving_copies import NAMES, arrive, assert_same, some_rows, state
from crimepatterns.city import City
from crimepatterns.cleaning_run import cleaning, compacting
from crimepatterns.config import Settings, load_settings
from crimepatterns.data_processing import clean
from crimepatterns.errors import SchemaError
from crimepatterns.store.layout import Layout
from crimepatterns.store.raw import RawStore
from crimepatterns.store.snapshots import Snapshots


@pytest.fixture
def city(tmp_path: Path) -> Settings:
    boundary = tmp_path / "boundary.geojson"
    area = gpd.GeoDataFrame({"name": ["here"]}, geometry=[shapely.box(-87.7, 41.8, -87.6, 41.9)], crs="EPSG:4326")
    area.to_file(boundary)
    return load_settings(
        overrides={
            "city": "test",
            "root": str(tmp_path / "root"),
            "timezone": "America/Chicago",
            "source": {"kind": "file", "paths": ["unused.csv"]},
            "columns": dict(zip(("id", "occurred_from", "category", "longitude", "latitude"), NAMES, strict=True)),
            "study_area": {"boundary": str(boundary)},
        }
    )


@pytest.mark.parametrize("seed", range(10))
def test_new_copies_alone_give_what_all_copies_give(city: Settings, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compacting, "_SMALL", 40)
    rng = np.random.default_rng(seed)
    arrive(city, some_rows(rng, 80))
    clean(city)
    for _ in range(5):
        for _ in range(rng.integers(1, 3)):
            kind = rng.choice(["more", "replaces", "replaces", "withdraws"])
            if kind == "withdraws":
                gone = [f"c{i}" for i in rng.integers(0, 70, 8)]
                arrive(city, pd.DataFrame({"case": gone}), withdraws=True)
            else:
                arrive(city, some_rows(rng, int(rng.integers(1, 40))), replaces=kind == "replaces")
        assert clean(city)["cleaned_anew"] == ""
    found = state(city)
    assert clean(city, rebuild=True)["cleaned_anew"] == "it was asked for"
    assert_same(found, state(city))


class Backwards:
    """Runs the last item first, as workers may finish in any order; results come in the order of the items."""

    workers = 2

    def map(self, function: Callable[[Any], Any], items: Sequence[Any], *, lost: Any = None) -> Iterator[Any]:
        assert lost is None
        done = {id(item): function(pickle.loads(pickle.dumps(item))) for item in reversed(items)}  # our own
        return (done[id(item)] for item in items)


@pytest.mark.parametrize("seed", range(6))
def test_tables_cleaned_by_themselves_give_what_one_after_another_gives(
    city: Settings, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compacting, "_SMALL", 40)
    monkeypatch.setattr(cleaning, "_spreading", lambda *_: nullcontext(Backwards()))
    rng = np.random.default_rng(100 + seed)
    for step in range(2):
        for _ in range(4):
            kind = rng.choice(["more", "more", "replaces", "withdraws"])
            if kind == "withdraws":
                arrive(city, pd.DataFrame({"case": [f"c{i}" for i in rng.integers(0, 70, 8)]}), withdraws=True)
            else:
                arrive(city, some_rows(rng, int(rng.integers(1, 60))), replaces=kind == "replaces")
        assert (clean(city)["cleaned_anew"] == "") == (step == 1)
    found = state(city)
    monkeypatch.undo()
    clean(city, rebuild=True)
    assert_same(found, state(city))


def test_a_row_refused_for_its_id_is_a_duplicate_where_an_equal_one_came_before(
    city: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = (["c1", "2021-01-05 10:05", what, "-87.65", "41.85"] for what in ("THEFT", "ARSON"))
    arrive(city, pd.DataFrame([one], columns=NAMES))
    arrive(city, pd.DataFrame([two, one, two], columns=NAMES))
    monkeypatch.setattr(cleaning, "_spreading", lambda *_: nullcontext(Backwards()))
    clean(city)
    found = state(city)
    assert found["rejected"]["reason"].str[:5].tolist() == ["id of", "equal", "equal"]
    monkeypatch.undo()
    clean(city, rebuild=True)
    assert_same(found, state(city))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["joblib", "dask"])
def test_workers_in_other_processes_give_the_same(city: Settings, kind: str) -> None:
    rng = np.random.default_rng(9)
    for _ in range(5):
        arrive(city, some_rows(rng, 200, ids=300))
    execution = city.execution.model_copy(update={"kind": kind, "workers": 2})
    clean(city.model_copy(update={"execution": execution}))
    found = state(city)
    clean(city, rebuild=True)
    assert_same(found, state(city))


def test_only_months_that_lose_or_gain_rows_are_written(city: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compacting, "_SMALL", 1)
    rng = np.random.default_rng(1)
    arrive(city, some_rows(rng, 400, ids=4_000))
    clean(city)
    incidents = Layout(city.root, city.city).incidents

    def inodes() -> dict[str, int]:
        return {str(path.relative_to(incidents)): path.stat().st_ino for path in sorted(incidents.rglob("*.parquet"))}

    before = inodes()
    table = ds.dataset(sorted(incidents.rglob("*.parquet")), format="parquet").to_table()
    january = table.filter(pc.equal(pc.month(table["occurred_from"]), 1))["id"].to_pylist()[5]
    new = some_rows(rng, 30, ids=4_000).assign(when="2020-12-03 11:00:00", case=[f"n{i}" for i in range(33)])
    arrive(city, new)
    arrive(city, pd.DataFrame({"case": [january]}), withdraws=True)
    clean(city)
    after = inodes()
    written = {name.rsplit("/", 1)[0] for name in after if before.get(name) != after[name]}
    assert written == {"year=2020/month=12", "year=2021/month=01"}
    # December only gains rows: its file stays as it is, and the new rows lie beside.
    assert before["year=2020/month=12/part-00000.parquet"] == after["year=2020/month=12/part-00000.parquet"]


def test_other_programs_read_the_files_as_they_lie(city: Settings) -> None:
    rng = np.random.default_rng(11)
    for _ in range(2):
        arrive(city, some_rows(rng, 120, ids=400))
        kept = clean(city)["kept"]
    layout = Layout(city.root, city.city)
    found = duckdb.read_parquet(f"{layout.incidents}/**/*.parquet", hive_partitioning=True)
    wall = "occurred_from AT TIME ZONE 'America/Chicago'"
    agreed = f"count(*), count(DISTINCT id), bool_and(year = year({wall}) AND month = month({wall}))"
    assert found.aggregate(agreed).fetchall() == [(kept, kept, True)]
    layer = gpd.read_parquet(layout.incidents)
    assert len(layer) == kept
    np.testing.assert_array_equal(layer.geometry.x, layer["x"])


def test_a_folder_of_format_1_is_read_and_replaced(city: Settings) -> None:
    """As the program before wrote it: plain files, rejected rows in one, no manifest."""
    arrive(city, some_rows(np.random.default_rng(12), 100))
    clean(city)
    layout, expected = Layout(city.root, city.city), state(city)
    version = Snapshots(layout.processed).current
    assert version is not None
    old = version.parent.parent / "old"
    shutil.copytree(version, old, ignore=shutil.ignore_patterns(".state", "manifest.json", "rejected.parquet"))
    shutil.copy(version / "rejected.parquet" / "part-00000.parquet", old / "rejected.parquet")
    Snapshots(layout.processed).remove()
    old.rename(layout.processed)
    assert len(City(city).incidents) == expected["incidents"].num_rows
    assert clean(city)["cleaned_anew"] == "the earlier result has format 1"
    assert_same(state(city), expected)


def test_a_clean_without_news_changes_nothing(city: Settings) -> None:
    arrive(city, some_rows(np.random.default_rng(2), 90))
    first = clean(city)
    before = state(city)
    assert clean(city) == {**first, "cleaned_anew": ""}
    assert_same(state(city), before)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"cleaning": {"earliest": "2020-12-01"}}, "settings, study area or program"),
        ({"cleaning": {"latest": "2020-12-01"}}, "settings, study area or program"),
        ({"taxonomy": {"mapping": {"THEFT": "stealing"}}}, "settings, study area or program"),
        ({"study_area": {"boundary": None, "derive": "concave_hull"}}, "drawn around the incidents"),
    ],
)
def test_other_settings_clean_everything_anew(city: Settings, change: dict[str, Any], reason: str) -> None:
    rng = np.random.default_rng(3)
    arrive(city, some_rows(rng, 300))
    clean(city)
    arrive(city, some_rows(rng, 60))
    other = load_settings(overrides={**json.loads(city.model_dump_json(exclude_unset=True)), **change})
    assert reason in clean(other)["cleaned_anew"]
    found = state(other)
    clean(other, rebuild=True)
    assert_same(found, state(other))


def test_a_moved_boundary_cleans_everything_anew(city: Settings) -> None:
    arrive(city, some_rows(np.random.default_rng(4), 200))
    kept = clean(city)["kept"]
    area = gpd.GeoDataFrame({"name": ["here"]}, geometry=[shapely.box(-87.7, 41.8, -87.65, 41.9)], crs="EPSG:4326")
    area.to_file(Path(str(city.study_area.boundary)))
    summary = clean(city)
    assert "study area" in summary["cleaned_anew"]
    assert 0 < summary["kept"] < kept


def test_new_columns_and_other_copies_clean_everything_anew(city: Settings) -> None:
    rng = np.random.default_rng(5)
    arrive(city, some_rows(rng, 100))
    clean(city)
    arrive(city, some_rows(rng, 20).assign(beat="12"))
    assert "further columns" in clean(city)["cleaned_anew"]
    store = RawStore(Layout(city.root, city.city).raw)
    store.record(store.entries()[1:])
    assert "exchanged" in clean(city)["cleaned_anew"]


@pytest.mark.parametrize("hurt", ["incidents", "rejected", "state", "manifest"])
def test_damage_is_noticed_and_made_good(city: Settings, hurt: str) -> None:
    rng = np.random.default_rng(6)
    arrive(city, some_rows(rng, 100))
    clean(city)
    version = Snapshots(Layout(city.root, city.city).processed).current
    assert version is not None
    pattern = {
        "incidents": "incidents/**/*.parquet",
        "rejected": "rejected.parquet/*",
        "state": ".state/*",
        "manifest": "manifest.json",
    }
    path = min(version.glob(pattern[hurt]))
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content[: len(content) // 2])
    arrive(city, some_rows(rng, 20))
    assert clean(city)["cleaned_anew"] != ""
    found = state(city)
    clean(city, rebuild=True)
    assert_same(found, state(city))


def test_nothing_left_is_an_error_and_leaves_the_last_result(city: Settings) -> None:
    table = some_rows(np.random.default_rng(7), 20)
    named = table[table["case"].fillna("").str.strip() != ""]
    arrive(city, named)
    clean(city)
    before = state(city)
    arrive(city, named[["case"]], withdraws=True)
    with pytest.raises(SchemaError, match=r"None of \d+ rows can be used \(withdrawn by the publisher"):
        clean(city)
    assert_same(state(city), before)


def test_replacing_while_duplicates_are_kept_cleans_everything_anew(city: Settings) -> None:
    rng = np.random.default_rng(8)
    keeping = city.model_copy(update={"cleaning": city.cleaning.model_copy(update={"drop_duplicates": False})})
    arrive(city, some_rows(rng, 80))
    clean(keeping)
    arrive(city, some_rows(rng, 30))
    assert clean(keeping)["cleaned_anew"] == ""
    found = state(keeping)
    clean(keeping, rebuild=True)
    assert_same(found, state(keeping))
    arrive(city, some_rows(rng, 30), replaces=True)
    assert "duplicates are kept" in clean(keeping)["cleaned_anew"]
