"""Several cities in one command: the same results as one by one, and what fails in one stops no other."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

from crimepatterns.config import load_settings
from crimepatterns.errors import ConfigError, ExecutionError
from crimepatterns.operations.locking import city_lock
from crimepatterns.operations.many_cities import CityOutcome, run_cities
from crimepatterns.operations.pipeline import run_all

SMALL = {
    "source": {"kind": "synthetic", "incidents": 2_000, "years": 1},
    "timezone": "UTC",
    "grid": {"cell_size_m": 600},
    "patterns": {"methods": ["density"]},
    "forecast": {"categories": ["theft"], "models": ["count", "count_eb"]},
    "evaluation": {"select_origins": 4, "judge_origins": 4, "simulations": 10},
}
BROKEN = {"source": {"paths": ["absent.csv"]}, "columns": {"occurred_from": "when", "category": "what"}}


def city_file(folder: Path, name: str, settings: dict) -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump({"city": name, "title": name.title(), **settings}))
    return path


def results_of(root: Path, city: str) -> dict[str, pd.DataFrame]:
    home = root / "results" / city
    tables = [*home.glob("forecasts/*.parquet"), *home.glob("evaluation/select/*.parquet"), *home.glob("plan/*.csv")]
    assert len(tables) > 6
    found = {
        str(path.relative_to(home)): pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)
        for path in tables
    }
    incidents = pd.read_parquet(root / "data" / "processed" / city / "incidents")
    return {**found, "incidents": incidents.drop(columns="source")}


@pytest.mark.slow
def test_cities_run_apart_and_errors_keep_to_their_city(tmp_path):
    files = [
        city_file(tmp_path, "north", SMALL),
        city_file(tmp_path, "broken", BROKEN),
        city_file(tmp_path, "busy", SMALL),
        city_file(tmp_path, "south", {**SMALL, "source": {**SMALL["source"], "seed": 5}}),
    ]
    command = [sys.executable, "-m", "crimepatterns", "run", *[f"--config={path}" for path in files]]
    with city_lock(tmp_path / "results" / "busy"):
        done = subprocess.run(
            [*command, "--json", "--set", "execution.kind=dask"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 1, done.stderr
    assert done.stderr == ""
    north, broken, busy, south = json.loads(done.stdout)["cities"]
    assert "absent.csv" in broken["error"]
    assert f"pid {os.getpid()}" in busy["error"]
    assert north["error"] == south["error"] == ""
    assert [stage["stage"] for stage in north["stages"]] == [stage["stage"] for stage in south["stages"]]
    # One by one in this process the results are the same files.
    alone = load_settings(files[0], {"root": str(tmp_path / "alone")})
    run_all(alone)
    expected, found = results_of(alone.root, "north"), results_of(tmp_path, "north")
    assert sorted(expected) == sorted(found)
    for name, table in expected.items():
        pd.testing.assert_frame_equal(found[name], table, check_exact=True)
    assert not found["forecasts/theft.parquet"].equals(results_of(tmp_path, "south")["forecasts/theft.parquet"])
    # A second time everything is there, and the table says so; the busy city is free now.
    again = subprocess.run([*command, "--set", "workers=2"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "4 cities, 1 with an error" in again.stdout
    assert again.stdout.count("unchanged") == 2


def test_a_city_named_twice_is_refused_before_anything_runs(tmp_path):
    city = load_settings(city_file(tmp_path, "north", SMALL), {"root": str(tmp_path)})
    with pytest.raises(ConfigError, match="north is named twice"):
        run_cities([city, city])


def test_workers_that_cannot_be_reached_end_the_run(tmp_path):
    city = load_settings(
        city_file(tmp_path, "north", SMALL),
        {"root": str(tmp_path), "execution": {"scheduler": "tcp://127.0.0.1:9", "connect_timeout_s": 0.5}},
    )
    with pytest.raises(ExecutionError, match="No Dask scheduler answers"):
        run_cities([city])


def test_one_worker_runs_cities_one_after_the_other_and_tells_how_far_it_is(tmp_path):
    told = []
    cities = [
        load_settings(city_file(tmp_path, name, BROKEN), {"root": str(tmp_path), "workers": 1}) for name in ("a", "b")
    ]
    found = run_cities(cities, progress=lambda task, done, total: told.append((task, done, total)))
    assert [one.city for one in found] == ["a", "b"]
    assert all("absent.csv" in one.sentence for one in found)
    assert told == [("Running cities", done, 2) for done in range(3)]


def test_a_sentence_tells_how_a_city_went():
    assert CityOutcome("a", "A", (), 0.0, "because").sentence == "because"
