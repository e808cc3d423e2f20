"""Context from file to feature: copied, checked, dated, joined, and never about people."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import shapely

from crimepatterns.city import City
from crimepatterns.config import Settings, load_settings
from crimepatterns.context_processing import build_context
from crimepatterns.errors import (
    ArtefactError,
    AuditColumnError,
    ConfigError,
    MissingInputError,
    SchemaError,
    SourceError,
)
from crimepatterns.evaluation.equity import exposure_amplification
from crimepatterns.evaluation.selection import Budget
from crimepatterns.feature_engineering import build_features
from crimepatterns.operations.pipeline import run_stage
from crimepatterns.store.audit_tables import read_audit_table
from crimepatterns.store.context_layers import read_context_layer
from crimepatterns.store.layout import Layout

ZONE = "America/Chicago"
BARS: dict[str, Any] = {
    "name": "bars",
    "kind": "point",
    "paths": ["bars.csv"],
    "how": ["count", "distance", "density"],
    "known_from": "issued",
    "valid_until": "expires",
    "time_format": ["%m/%d/%Y"],
    "x": "lon",
    "y": "lat",
    "only": {"type": ["Tavern"]},
    "origin": "City of Lindenfeld",
    "licence": "CC0",
}
PARKS = {"name": "parks", "kind": "polygon", "paths": ["parks.geojson"], "how": ["share"], "known_from": "2024-03-01"}
STREETS = {"name": "streets", "kind": "line", "paths": ["streets.shp"], "how": ["length"], "known_from": "always"}
HOMES = {
    "name": "homes",
    "kind": "table",
    "paths": ["areas.xlsx"],
    "how": ["total", "area_mean"],
    "columns": ["Homes"],
    "key": "area",
    "known_from": "2023-06-01",
}
GROUPS = {
    "name": "groups",
    "kind": "table",
    "paths": ["areas.xlsx"],
    "role": "audit",
    "columns": ["pct_black", "V2"],
    "key": "area",
    "known_from": "always",
}


@pytest.fixture(scope="module")
def cleaned(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """An embedded city, cleaned."""
    root = tmp_path_factory.mktemp("context-city")
    source = {"incidents": 6_000, "years": 1, "seed": 8}
    settings = load_settings(
        overrides={"root": str(root), "source": source, "grid": {"cell_size_m": 500}, "context": []}
    )
    run_stage(settings, "ingest")
    run_stage(settings, "clean")
    return settings


@pytest.fixture
def city(cleaned: Settings, tmp_path: Path) -> City:
    """The same city in a folder of its own, with context files in its root."""
    root = tmp_path / "city"
    shutil.copytree(cleaned.root, root, copy_function=shutil.copy2)
    made = City(cleaned.model_copy(update={"root": root}))
    write_files(root, made)
    return made


def write_files(root: Path, city: City) -> None:
    rng = np.random.default_rng(2)
    area = city.area
    spots = gpd.GeoSeries(list(shapely.points(inside(area.polygon, rng, 60))), crs=area.crs).to_crs("EPSG:4326")
    issued = pd.Timestamp("2025-01-01") + pd.to_timedelta(rng.integers(0, 360, 60), unit="D")
    bars = pd.DataFrame(
        {
            "licence": [f"L{i}" for i in range(60)],
            "type": np.where(np.arange(60) % 3 == 0, "Bakery", "Tavern"),
            "owner_name": [f"Jane Roe {i}" for i in range(60)],
            "issued": issued.strftime("%m/%d/%Y"),
            "expires": ["06/30/2025" if i % 10 == 1 else "" for i in range(60)],
            "lon": spots.x.round(7).astype(str),
            "lat": spots.y.round(7).astype(str),
        }
    )
    bars.loc[4, "lon"] = ""
    bars.loc[5, "issued"] = "soon"
    bars.to_csv(root / "bars.csv", index=False)
    boxes = [shapely.box(*np.array([0, 0, 700, 400]) + np.tile(inside(area.polygon, rng, 1)[0], 2)) for _ in range(5)]
    gpd.GeoDataFrame({"park": list("abcde")}, geometry=boxes, crs=area.crs).to_crs("EPSG:4326").to_file(
        root / "parks.geojson"
    )
    lines = [shapely.LineString(inside(area.polygon, rng, 3)) for _ in range(20)]
    gpd.GeoDataFrame({"street": range(20)}, geometry=lines, crs=area.crs).to_file(root / "streets.shp")
    names = area.neighbourhoods["name"]
    areas = pd.DataFrame(
        {
            "area": [f" {name.upper()} " for name in names],
            "Homes": np.arange(len(names)) * 10 + 100,
            "pct_black": rng.uniform(0, 1, len(names)),
            "V2": rng.uniform(0, 1e4, len(names)).round(),
        }
    )
    areas["homes_again"] = areas["V2"] * 3 + 5
    pd.concat([areas, pd.DataFrame({"area": ["Atlantis"], "Homes": [5]})]).to_excel(root / "areas.xlsx", index=False)


def inside(polygon: shapely.Geometry, rng: np.random.Generator, count: int) -> np.ndarray:
    west, south, east, north = shapely.bounds(polygon)
    pairs = rng.uniform((west, south), (east, north), (count * 20, 2))
    return pairs[shapely.contains_xy(shapely.buffer(polygon, -800), *pairs.T)][:count]


def with_context(city: City, *layers: dict[str, Any]) -> Settings:
    """Settings with these layers, checked like a city file; paths are relative to the city's root."""
    root = city.settings.root
    placed = [{**one, "paths": [str(root / path) for path in one["paths"]]} for one in layers]
    checked = load_settings(overrides={"context": placed})
    return city.settings.model_copy(update={"context": checked.context})


def layer_file(settings: Settings, name: str, folder: str = "layers") -> Path:
    return Layout(settings.root, settings.city).context / folder / f"{name}.parquet"


def test_layers_come_in_with_every_row_accounted_for(city: City) -> None:
    settings = with_context(city, BARS, PARKS, STREETS, HOMES, GROUPS)
    summary = run_stage(settings, "context").summary
    bars = summary["layers"]["bars"]
    assert bars["rows_in"] == 60 == bars["kept"] + sum(bars["rejected"].values())
    assert bars["rejected"] == {
        "not among the values of only for type": 20,
        "coordinates are missing": 1,
        "issued cannot be read as a date": 1,
    } | {key: value for key, value in bars["rejected"].items() if key == "was over before it was known"}
    rejected = pq.read_table(layer_file(settings, "bars", "rejected")).to_pandas()
    assert len(rejected) == sum(bars["rejected"].values())
    assert set(rejected["source"]) == {"bars.csv"}
    assert summary["layers"]["homes"]["rejected"] == {"key matches no place": 1}
    layer, facts = read_context_layer(layer_file(settings, "bars"))
    assert layer.table.crs == city.area.crs
    assert layer.origin == "City of Lindenfeld (CC0)"
    source = facts["sources"][0]
    assert source["dropped_columns"] == ["owner_name"]
    assert len(source["sha256"]) == 64
    # Persons reach neither the raw copy nor anything made from it.
    for path in (city.layout.raw_context, city.layout.context):
        assert not any(b"Jane Roe" in file.read_bytes() for file in path.rglob("*") if file.is_file())


def test_the_mixed_table_leaves_what_is_about_people_behind(city: City) -> None:
    settings = with_context(city, HOMES, GROUPS)
    run_stage(settings, "context")
    _, facts = read_context_layer(layer_file(settings, "homes"))
    assert facts["sources"][0]["dropped_columns"] == ["pct_black"]
    audit, facts = read_audit_table(layer_file(settings, "groups", "audit"))
    assert facts["role"] == "audit"
    assert {"neighbourhood", "pct_black", "V2"} <= set(audit.columns)
    assert set(audit["neighbourhood"]) == set(city.area.neighbourhoods["name"])


def test_covariates_follow_what_was_known(city: City) -> None:
    settings = with_context(city, BARS, PARKS, STREETS, HOMES)
    run_stage(settings, "context")
    opened = City(settings)
    facts = opened.covariates
    assert facts is not None
    assert facts.names == (
        "bars_count", "bars_distance", "bars_density", "parks_share", "streets_length", "homes_homes_total",
        "homes_homes_mean",
    )  # fmt: skip
    table = pd.read_csv(settings.root / "bars.csv", dtype=str).drop([4, 5])
    table = table[table["type"] == "Tavern"]
    issued = pd.to_datetime(table["issued"], format="%m/%d/%Y")
    over = pd.to_datetime(table["expires"], format="%m/%d/%Y")
    for day in ("2025-02-01", "2025-06-30", "2025-07-01", "2025-07-02", "2025-12-20"):
        cutoff = pd.Timestamp(day)
        # The last day of a licence still counts; what ends with it is known on the day after.
        open_then = (
            (issued < cutoff) & ~(over + pd.Timedelta(days=1) < cutoff) & ~(over + pd.Timedelta(days=1) <= issued)
        )
        counted = facts.as_of(cutoff.tz_localize(ZONE)).newest[:, 0].sum()
        assert counted == open_then.sum(), day
    homes = pd.read_excel(settings.root / "areas.xlsx")["Homes"][:-1].sum()
    assert np.nansum(facts.newest[:, 5]) == pytest.approx(homes, rel=1e-5)
    streets = gpd.read_file(settings.root / "streets.shp").to_crs(city.area.crs)
    length = shapely.length(shapely.intersection(streets.geometry.to_numpy(), city.area.polygon)).sum()
    assert facts.newest[:, 4].sum() == pytest.approx(length, rel=1e-5)
    history = opened.archive.at(pd.Timestamp("2025-06-01", tz=ZONE), target="theft")
    features = build_features(history)
    assert set(facts.names) <= set(features.columns)
    assert features["bars_count"].sum() == facts.as_of(history.cutoff).newest[:, 0].sum()
    # Published on the first of March 2024, so known long before; a history of 2023 would not have it.
    assert np.isnan(facts.as_of(pd.Timestamp("2024-03-01", tz=ZONE)).newest[:, 3]).all()


def test_unchanged_context_is_left_alone_and_a_new_file_makes_a_new_copy(city: City) -> None:
    settings = with_context(city, BARS, PARKS)
    assert not run_stage(settings, "context").skipped
    assert run_stage(settings, "context").skipped
    path = settings.root / "bars.csv"
    path.write_text("\n".join(path.read_text().splitlines()[:-6]) + "\n")
    again = run_stage(settings, "context")
    assert not again.skipped
    assert again.summary["layers"]["bars"]["rows_in"] == 54
    manifest = json.loads((city.layout.raw_context / "bars" / "MANIFEST.json").read_text())["files"]
    assert [entry["current"] for entry in manifest] == [False, True]
    assert all((city.layout.raw_context / "bars" / "files" / entry["file"]).is_file() for entry in manifest)
    # Incidents are not touched by it.
    assert run_stage(settings, "ingest").skipped
    assert run_stage(settings, "clean").skipped
    fewer = settings.model_copy(update={"context": settings.context[1:]})
    run_stage(fewer, "context")
    assert not layer_file(settings, "bars").exists()
    run_stage(settings.model_copy(update={"context": ()}), "context")
    assert not layer_file(settings, "parks").exists()


def test_a_bad_file_leaves_the_last_good_layers(city: City) -> None:
    settings = with_context(city, BARS, PARKS)
    run_stage(settings, "context")
    before = layer_file(settings, "bars").read_bytes()
    path = settings.root / "parks.geojson"
    good = path.read_text()
    for content in (good[: len(good) // 2], "{}"):
        path.write_text(content)
        with pytest.raises((SourceError, SchemaError)):
            run_stage(settings, "context")
        assert layer_file(settings, "bars").read_bytes() == before
    path.write_text(good)
    wrong = with_context(city, {**BARS, "known_from": "isued"})
    with pytest.raises(SchemaError, match="perhaps 'issued'"):
        run_stage(wrong, "context")
    elsewhere = with_context(city, {**BARS, "x": "lat", "y": "lon"})
    with pytest.raises(SchemaError, match="check crs"):
        run_stage(elsewhere, "context")
    nothing = with_context(city, {**BARS, "only": {"type": ["Casino"]}})
    with pytest.raises(SchemaError, match="none of 60 rows can be used"):
        run_stage(nothing, "context")
    assert layer_file(settings, "bars").read_bytes() == before


def test_a_killed_stage_leaves_the_last_good_layers(city: City, tmp_path: Path) -> None:
    settings = with_context(city, BARS, PARKS)
    run_stage(settings, "context")
    before = {path: path.read_bytes() for path in city.layout.context.rglob("*.parquet")}
    config = tmp_path / "city.json"
    config.write_text(settings.model_dump_json())
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV_")}
    for delay in (0.0, 0.05):
        process = subprocess.Popen(
            [sys.executable, "-m", "crimepatterns", "context", "--force", "--config", str(config)],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        end = time.monotonic() + 60
        while (
            not list(city.layout.context.parent.glob(".*.part")) and process.poll() is None and time.monotonic() < end
        ):
            time.sleep(0.002)
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        assert {path: path.read_bytes() for path in before} == before
    assert not run_stage(settings, "context", force=True).skipped
    assert not list(city.layout.context.parent.glob(".*.part"))


def test_without_the_stage_features_say_what_is_missing(city: City) -> None:
    with pytest.raises(MissingInputError, match="crimepatterns context"):
        _ = City(with_context(city, PARKS)).covariates
    assert City(city.settings).covariates is None


def test_columns_about_people_are_refused_at_every_door(city: City) -> None:
    """By name in the settings, at ingest, on disk and by their values; by role whatever their name."""
    with pytest.raises(ConfigError, match="pct_black"):
        with_context(city, {**HOMES, "columns": ["pct_black"]})
    # Settings that were changed behind the back of their checks.
    settings = with_context(city, HOMES)
    forged = settings.context[0].model_copy(update={"columns": ("pct_black",)})
    with pytest.raises(AuditColumnError, match="pct_black"):
        build_context(settings.model_copy(update={"context": (forged,)}))
    # A column that one layer audits, and one that is computed from it, under harmless names.
    renamed = settings.context[0].model_copy(update={"columns": ("V2",)})
    audit = with_context(city, GROUPS).context[0]
    with pytest.raises(AuditColumnError, match="'V2' of context layer homes holds the values of 'V2'"):
        build_context(settings.model_copy(update={"context": (renamed, audit)}))
    with pytest.raises(AuditColumnError, match="'homes_again' of context layer homes holds the values of 'V2'"):
        build_context(with_context(city, {**HOMES, "columns": ["homes_again"]}, GROUPS))
    # An audit table put where a feature layer is looked for, and a layer whose column was renamed on disk.
    good = with_context(city, HOMES, GROUPS)
    run_stage(good, "context")
    path = layer_file(good, "homes")
    original = path.read_bytes()
    shutil.copy(layer_file(good, "groups", "audit"), path)
    with pytest.raises(ArtefactError, match="no context layer for features"):
        _ = City(good).covariates
    path.write_bytes(original)
    table = pq.read_table(path)
    renamed_table = table.rename_columns(["Median_Income" if name == "Homes" else name for name in table.column_names])
    metadata = {key: value for key, value in table.schema.metadata.items() if key != b"pandas"}
    pq.write_table(renamed_table.replace_schema_metadata(metadata), path)
    with pytest.raises(AuditColumnError, match="Median_Income"):
        _ = City(good).covariates


def test_audit_tables_serve_the_figures_of_exposure(city: City) -> None:
    settings = with_context(city, GROUPS)
    run_stage(settings, "context")
    opened = City(settings)
    assert opened.covariates is None
    audit, _ = read_audit_table(layer_file(settings, "groups", "audit"))
    residents = pd.DataFrame(
        {
            "neighbourhood": audit["neighbourhood"],
            "group": audit["V2"] * audit["pct_black"],
            "others": audit["V2"] * (1 - audit["pct_black"]),
        }
    )
    history = opened.archive.at(opened.archive.end, target="theft")
    counts = history.counts.sum(axis=1)
    wanted: dict[str, Any] = {"residents": residents, "group": "group", "reference": "others"}
    found = exposure_amplification(opened.grid, counts.astype(float), counts, **wanted, budget=Budget(area_share=0.05))
    assert all(np.isfinite(value) for value in found.values())


def test_a_table_may_refer_to_places_of_a_file(city: City) -> None:
    grid = city.grid.to_geodataframe().iloc[::7][["cell_id", "geometry"]].rename(columns={"cell_id": "tract"})
    grid.to_file(city.settings.root / "tracts.gpkg")
    stops = gpd.GeoDataFrame(
        {"stop": ["1", "2"]}, geometry=grid.geometry.centroid.iloc[:2].to_numpy(), crs=city.area.crs
    )
    stops.to_file(city.settings.root / "stops.geojson")
    pd.DataFrame({"tract": grid["tract"], "jobs": 7}).to_csv(city.settings.root / "jobs.csv", index=False)
    pd.DataFrame({"stop": ["01", "2", "3"], "boardings": [100, 50, 1]}).to_csv(
        city.settings.root / "boardings.csv", index=False
    )
    jobs = {
        "name": "jobs", "kind": "table", "paths": ["jobs.csv"], "how": ["total"], "columns": ["jobs"], "key": "tract",
        "places": str(city.settings.root / "tracts.gpkg"), "places_key": "tract", "known_from": "always",
    }  # fmt: skip
    boardings = {
        "name": "boardings", "kind": "table", "paths": ["boardings.csv"], "how": ["total", "distance"], "key": "stop",
        "columns": ["boardings"], "places": str(city.settings.root / "stops.geojson"), "places_key": "stop",
        "known_from": "always",
    }  # fmt: skip
    settings = with_context(city, jobs, boardings)
    summary = run_stage(settings, "context").summary
    assert summary["layers"]["boardings"]["rejected"] == {"key matches no place": 1}
    facts = City(settings).covariates
    assert facts is not None
    assert np.nansum(facts.newest[:, 0]) == pytest.approx(7 * len(grid), rel=1e-5)
    assert np.nansum(facts.newest[:, 1]) == 150
    assert facts.names == ("jobs_jobs_total", "boardings_boardings_total", "boardings_distance")
    assert (city.layout.raw_context / "jobs" / "places" / "MANIFEST.json").is_file()


def test_embedded_layers_belong_to_the_embedded_city(city: City) -> None:
    bars = {
        "name": "bars", "kind": "point", "paths": ["embedded:bars"], "how": "density", "known_from": "granted",
        "valid_until": "surrendered", "key": "licence",
    }  # fmt: skip
    layers = load_settings(overrides={"context": [bars]}).context
    settings = city.settings.model_copy(update={"context": layers})
    summary = run_stage(settings, "context").summary
    assert summary["layers"]["bars"]["kept"] == summary["layers"]["bars"]["rows_in"] > 20
    elsewhere = settings.model_copy(update={"source": settings.source.model_copy(update={"kind": "file"})})
    with pytest.raises(SourceError, match="belongs to the embedded city"):
        build_context(elsewhere)
