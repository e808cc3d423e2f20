"""From a portal to clean incidents: killed pulls, changes, withdrawals, erasure, and what the commands say."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from crimepatterns.city import City
from crimepatterns.config import load_settings
from crimepatterns.data_processing import forget
from crimepatterns.errors import ConfigError, SchemaError, SourceError
from crimepatterns.feed_ingest import reconcile
from crimepatterns.operations.pipeline import run_stage
from live_city import COLUMNS, RECORDS, LiveCity, known
from servers import Fault, FaultServer, RandomFaults
from servers.arcgis import ArcgisService
from servers.records import ARCGIS_KINDS, SODA_KINDS, layer_records
from servers.soda import SodaDataset


@pytest.fixture
def live(fault_server: FaultServer, tmp_path: Path) -> LiveCity:
    dataset = SodaDataset(fault_server, "abcd-1234", SODA_KINDS, row_id="case_number")
    dataset.insert(RECORDS[:900])
    feed = {
        "domain": f"http://{fault_server.host}",
        "datasets": ["abcd-1234"],
        "id_column": "case_number",
        "page_size": 150,
        "allow_private": [fault_server.host],
        "requests_per_second": 1000,
        "timeout_s": 5,
    }
    # The boundary is drawn once, around the places of the first day.
    city = {
        "city": "live",
        "title": "Lindenfeld, live",
        "timezone": "America/Chicago",
        "source": {"kind": "socrata", "feed": feed},
        "columns": COLUMNS,
        "cleaning": {"latest": "2026-12-31", "drop_duplicates": False},
        "study_area": {"derive": "concave_hull", "buffer_m": 20_000},
    }
    file = tmp_path / "live.yaml"
    file.write_text(yaml.safe_dump(city))
    return LiveCity(fault_server, dataset, tmp_path, file)


def test_records_arrive_change_and_go(live: LiveCity) -> None:
    summary = live.run("ingest")
    assert (summary["rows"], summary["received"], summary["dropped_personal_columns"]) == (900, 900, ["victim_name"])
    live.run("clean")
    assert live.incidents == known(RECORDS[:900])
    assert run_stage(live.settings, "ingest").summary["sentence"].startswith("0 records came")
    assert run_stage(live.settings, "clean").skipped
    live.dataset.later(days=1)
    live.dataset.insert(RECORDS[900:950])
    live.dataset.change("case_number", RECORDS[1]["case_number"], offense="ARSON")
    live.dataset.delete("case_number", [RECORDS[2]["case_number"]])
    summary = live.run()
    assert summary["rejected"]["replaced by a later version of the record"] == 1
    assert live.incidents[RECORDS[1]["case_number"]] == "arson"
    assert reconcile(live.settings).withdrawn == 1
    summary = live.run()
    assert summary["rejected"]["withdrawn by the publisher"] == 1
    assert live.incidents == live.published
    assert live.accounted


def test_a_killed_ingest_goes_on_and_loses_and_doubles_nothing(live: LiveCity) -> None:
    """SIGKILL a real process in the middle of its pull, three times, while records come, change and go."""
    kills: list[int] = []
    process: list[subprocess.Popen[bytes]] = []
    queue = iter(RECORDS[900:960])

    def publish_and_kill(page: int) -> None:
        live.dataset.later(minutes=5)
        live.dataset.insert([next(queue)])
        live.dataset.change("case_number", RECORDS[page * 7]["case_number"], offense="ARSON")
        live.dataset.delete("case_number", [RECORDS[page * 11 + 1]["case_number"]])
        if page in {3, 4, 6}:
            os.kill(process[-1].pid, signal.SIGKILL)

    live.dataset.between = publish_and_kill
    live.server.faults.extend([None, None, None, Fault(cut_after=300), None, Fault(hang_up=True)])
    command = [
        sys.executable,
        "-m",
        "crimepatterns",
        "ingest",
        "--config",
        str(live.file),
        "--set",
        f"root={live.folder}",
    ]
    while True:
        process.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE))
        _, complaint = process[-1].communicate(timeout=120)
        if process[-1].returncode == 0:
            break
        assert process[-1].returncode == -signal.SIGKILL, complaint
        kills.append(live.dataset.pages)
        assert list((live.folder / "data/raw/live/pending/abcd-1234").glob("page-*.parquet"))
    assert kills == [3, 4, 6]
    live.dataset.between = lambda _: None
    live.run("ingest")
    reconcile(live.settings)
    live.run()
    assert live.incidents == live.published
    assert live.accounted
    assert not (live.folder / "data/raw/live/pending").exists()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_random_faults_and_breaks_over_many_days(live: LiveCity, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    from crimepatterns.sources import http_pacing
    from crimepatterns.store.pending import PendingPages

    rng, real, left = np.random.default_rng(seed), PendingPages.add, [0]

    def add(self: PendingPages, *args: Any, **options: Any) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise KeyboardInterrupt
        real(self, *args, **options)

    monkeypatch.setattr(PendingPages, "add", add)
    monkeypatch.setattr(http_pacing.time, "sleep", lambda _: None)
    live.server.fault_for = RandomFaults(rng, share=0.1)
    queue = list(RECORDS[900:])
    for _ in range(8):
        left[0] = int(rng.integers(1, 12))
        with contextlib.suppress(KeyboardInterrupt):
            live.run()
        left[0] = 0
        names = list(live.published)
        live.dataset.later(hours=float(rng.integers(1, 30)))
        live.dataset.insert([queue.pop() for _ in range(10)])
        live.dataset.change("case_number", str(rng.choice(names)), offense="FRAUD")
        live.dataset.delete("case_number", [str(rng.choice(names))])
    live.run("ingest")
    live.server.fault_for = None
    reconcile(live.settings)
    live.run()
    assert live.incidents == live.published
    assert live.accounted


def test_withdrawals_are_looked_for_when_it_is_time(live: LiveCity) -> None:
    live.run()
    live.dataset.delete("case_number", [RECORDS[2]["case_number"]])
    assert live.run("ingest")["withdrawn"] == 0
    state = live.folder / "data/raw/live/.feeds/reconciled.json"
    state.write_text(json.dumps({"at": "2020-01-01T00:00:00+00:00"}))
    summary = live.run("ingest")
    assert (summary["withdrawn"], summary["rows"]) == (1, 900)
    assert "1 withdrawn" in summary["sentence"]
    # A listing that cannot be believed is told, and stops nothing.
    state.write_text(json.dumps({"at": "2020-01-01T00:00:00+00:00"}))
    live.dataset.later(days=1)
    live.dataset.delete("case_number", [record["case_number"] for record in RECORDS[10:400]])
    live.dataset.insert(RECORDS[900:901])
    summary = live.run("ingest")
    assert (summary["new_or_changed"], summary["withdrawn"]) == (1, 0)
    assert "max_withdrawn" in summary["sentence"]
    with pytest.raises(SourceError, match="--accept"):
        reconcile(live.settings)
    assert reconcile(live.settings, accept=True).withdrawn == 390
    live.run()
    assert live.incidents == live.published


def test_another_condition_pulls_anew(live: LiveCity) -> None:
    live.run()
    change = {"source": {"feed": {"start": "2025-06-01", "where": "offense != 'ROBBERY'"}}, "root": str(live.folder)}
    settings = load_settings(live.file, change)
    run_stage(settings, "ingest")
    run_stage(settings, "clean")
    table = City(settings).incidents.table
    assert table["occurred_from"].min() >= pd.Timestamp("2025-06-01", tz="America/Chicago")
    assert "robbery" not in set(table["category"])
    assert 100 < len(table) < 700
    live.run()
    assert live.incidents == known(RECORDS[:900])


def test_an_erased_record_is_gone_from_unfinished_pulls_too(live: LiveCity, monkeypatch: pytest.MonkeyPatch) -> None:
    from crimepatterns.store.pending import PendingPages

    live.run()
    live.dataset.later(days=1)
    live.dataset.change("case_number", RECORDS[3]["case_number"], offense="ARSON")
    real: Callable[..., None] = PendingPages.add

    def once(self: PendingPages, *args: Any, **options: Any) -> None:
        real(self, *args, **options)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(PendingPages, "add", once)
        live.run("ingest")
    assert (live.folder / "data/raw/live/pending").exists()
    assert forget(live.settings, [RECORDS[3]["case_number"], RECORDS[4]["case_number"]])["erased_rows"] == 2
    for path in (live.folder / "data").rglob("*.parquet"):
        table = pq.read_table(path, partitioning=None)
        texts = [column for column in table.columns if pa.types.is_string(column.type)]
        assert all(RECORDS[4]["case_number"] not in column.to_pylist() for column in texts)


def test_a_feed_cannot_bring_an_erased_record_back(live: LiveCity) -> None:
    live.run()
    name = RECORDS[4]["case_number"]
    assert name in live.incidents
    assert forget(live.settings, [name])["erased_rows"] == 1
    live.dataset.later(days=1)
    live.dataset.change("case_number", name, offense="ARSON")
    live.dataset.change("case_number", RECORDS[5]["case_number"], offense="ARSON")
    live.run()
    assert name not in live.incidents
    assert live.incidents[RECORDS[5]["case_number"]] == "arson"
    assert name not in (live.folder / "data/raw/live/.forgotten.json").read_text()


def test_layers_of_a_service_are_one_city(fault_server: FaultServer, tmp_path: Path) -> None:
    service = ArcgisService(fault_server)
    rows = layer_records(RECORDS[:600])
    service.add(8, "Crime Incidents - 2024", ARCGIS_KINDS).insert(rows[:300])
    service.add(41, "Crime Incidents - 2025", ARCGIS_KINDS).insert(rows[300:590])
    service.add(20, "Registry of persons", {"NAME": "String"}).insert([{"NAME": "Zsazsa Qx"}])
    feed = {
        "urls": [service.url()],
        "layers": r"Crime Incidents\s*(-|in)?\s*\d{4}",
        "id_column": "CCN",
        "allow_private": [fault_server.host],
        "requests_per_second": 1000,
        "reconcile_days": 0,
    }
    columns = {
        "occurred_from": "START_DATE",
        "known_at": "REPORT_DAT",
        "category": "OFFENSE",
        "longitude": "geometry_longitude",
        "latitude": "geometry_latitude",
    }
    change = {
        "city": "live",
        "title": "Live",
        "root": str(tmp_path),
        "timezone": "America/Chicago",
        "source": {"kind": "arcgis", "feed": feed},
        "columns": columns,
        "study_area": {"derive": "concave_hull", "buffer_m": 20_000},
    }
    settings = load_settings(overrides=change)

    def ids() -> set[str]:
        run_stage(settings, "ingest")
        run_stage(settings, "clean")
        return set(City(settings).incidents.table["id"])

    expected = {row["CCN"] for row in rows[:590]}
    assert ids() == expected
    table = City(settings).incidents.table.set_index("id")
    first = next(record for record in RECORDS if record["case_number"] in expected)
    moment = pd.Timestamp(first["occurred_from"], tz="America/Chicago")
    assert table.loc[first["case_number"], "occurred_from"] == moment
    # The new year: numbers change, the oldest layer goes, a row moves, one is withdrawn, one is added.
    service.layers = {7: service.layers[41], 3: service.add(3, "Crime Incidents - 2026", ARCGIS_KINDS)}
    service.layers[3].insert(rows[590:])
    moved, gone = service.layers[7].rows[1], service.layers[7].rows[2]["CCN"]
    service.layers[3].insert([moved])
    service.layers[7].delete("CCN", [moved["CCN"], gone])
    outcome = run_stage(settings, "ingest").summary
    assert outcome["withdrawn"] == 1
    assert outcome["notes"] == ["Crime_Incidents_-_2024 is no longer published; its records are kept."]
    added = {row["CCN"] for row in rows[590:]}
    assert ids() == (expected | added) - {gone}
    assert not [one for one in fault_server.requests if one.path.endswith("/20") or "/20/" in one.path]


# -- what is told ---------------------------------------------------------------------------------------------------


def test_settings_that_cannot_work_are_told(live: LiveCity, monkeypatch: pytest.MonkeyPatch) -> None:
    def attempt(**feed: Any) -> None:
        run_stage(load_settings(live.file, {"root": str(live.folder), "source": {"feed": feed}}), "ingest")

    variable = "PORTAL_TOKEN"
    with pytest.raises(SourceError, match="allow_private"):
        attempt(allow_private=[])
    with pytest.raises(SourceError, match="404"):
        attempt(datasets=["none-such"])
    with pytest.raises(ConfigError, match="PORTAL_TOKEN, which is not set"):
        attempt(token_env=variable)
    with pytest.raises(SourceError, match="No such column"):
        attempt(where="nope = '1'")
    with pytest.raises(ConfigError, match="field name"):
        attempt(update_column="a) or (1=1")
    with pytest.raises(SchemaError, match="no longer has the column"):
        run_stage(load_settings(live.file, {"root": str(live.folder), "columns": {"category": "offence"}}), "ingest")
    live.dataset.token = "s3cret"  # noqa: S105  # of the server in the test
    monkeypatch.setenv(variable, "s3cret")
    attempt(token_env=variable)
    for path in live.folder.rglob("*"):
        assert not path.is_file() or b"s3cret" not in path.read_bytes()


def test_a_city_without_feeds_has_nothing_to_reconcile(tmp_path: Path, live: LiveCity) -> None:
    with pytest.raises(ConfigError, match=r"has no feeds: source\.kind is synthetic"):
        reconcile(load_settings(overrides={"root": str(tmp_path)}))
    with pytest.raises(SourceError, match="run `crimepatterns ingest` first"):
        reconcile(live.settings)
