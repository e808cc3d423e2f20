"""``crimepatterns feeds``: what is known, a city file from a dataset's own columns, checks, and withdrawals."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from crimepatterns.cli import app
from crimepatterns.config import build_settings, load_settings
from crimepatterns.errors import ConfigError, SourceError
from crimepatterns.operations.feeds import add_city, check_feeds
from crimepatterns.operations.pipeline import run_stage
from crimepatterns.sources.feed_presets import PRESETS
from servers import Fault, FaultServer
from servers.arcgis import ArcgisService
from servers.records import ARCGIS_KINDS, SODA_KINDS, city_records, layer_records
from servers.soda import SodaDataset

RECORDS = city_records()
MAKEFILE = Path(__file__).resolve().parents[2] / "Makefile"


def run(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["feeds", *arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture
def portal(fault_server: FaultServer) -> SodaDataset:
    dataset = SodaDataset(fault_server, "abcd-1234", SODA_KINDS, row_id="case_number")
    dataset.insert(RECORDS[:300])
    return dataset


def test_what_is_known_is_listed_and_shown() -> None:
    assert [line.split()[0] for line in run("list").splitlines()] == list(PRESETS)
    assert {one["kind"] for one in json.loads(run("list", "--json"))["presets"]} == {"socrata", "arcgis"}
    shown = run("show", "washington_dc")
    assert "not run against the live portal" in shown
    assert "Crime Incidents" in shown
    assert json.loads(run("show", "seattle", "--json"))["settings"]["columns"]["id"] == "offense_id"


def test_a_dataset_becomes_a_city_file_that_works(
    fault_server: FaultServer, portal: SodaDataset, tmp_path: Path
) -> None:
    portal.kinds["premise"] = "text"
    where = ["--domain", f"http://{fault_server.host}", "--dataset", "abcd-1234", "--allow-private", fault_server.host]
    run("add", "town", *where, "--timezone", "America/Chicago", "--to", str(tmp_path))
    path = tmp_path / "town.yaml"
    written = yaml.safe_load(path.read_text())
    assert written["columns"] == {
        "id": "case_number",
        "occurred_from": "occurred_from",
        "occurred_until": "occurred_until",
        "known_at": "reported",
        "category": "offense",
        "longitude": "place_longitude",
        "latitude": "place_latitude",
        "area": "neighborhood",
    }
    assert written["source"]["origin"] == "Lindenfeld Police, Invented crimes"
    assert "# Invented crimes, 300 rows." in path.read_text()
    assert "victim_name" in path.read_text()
    checked = run("check", "--config", str(path), "--rows", "50")
    assert checked.startswith("ok   Invented crimes: abcd-1234 (Invented crimes, 300 rows)")
    settings = load_settings(path, {"root": str(tmp_path)})
    run_stage(settings, "ingest")
    assert run_stage(settings, "clean").summary["kept"] > 280
    assert "300 rows in 1 copies" in run("show", "--config", str(path), "--set", f"root={tmp_path}")
    portal.delete("case_number", [RECORDS[5]["case_number"]])
    told = run("reconcile", "--config", str(path), "--set", f"root={tmp_path}")
    assert "1 of 300 records are no longer published" in told
    assert json.loads(run("reconcile", "--config", str(path), "--set", f"root={tmp_path}", "--json"))["withdrawn"] == 0
    assert "withdrawn records" in run("show", "--config", str(path), "--set", f"root={tmp_path}")


def test_a_layer_becomes_a_city_file(fault_server: FaultServer, tmp_path: Path) -> None:
    service = ArcgisService(fault_server)
    service.add(0, "Crimes", ARCGIS_KINDS).insert(layer_records(RECORDS[:200]))
    path = add_city(
        "town", tmp_path, url=service.url(0), id_column="CCN", title="Town", allow_private=[fault_server.host]
    )
    written = yaml.safe_load(path.read_text())
    assert written["columns"] == {
        "id": "CCN",
        "occurred_from": "START_DATE",
        "known_at": "REPORT_DAT",
        "category": "OFFENSE",
        "longitude": "geometry_longitude",
        "latitude": "geometry_latitude",
        "area": "WARD",
    }
    settings = load_settings(path, {"root": str(tmp_path)})
    assert run_stage(settings, "ingest").summary["rows"] == 200
    with pytest.raises(ConfigError, match="has no column 'NOPE'"):
        add_city("other", tmp_path, url=service.url(0), id_column="NOPE", allow_private=[fault_server.host])


def test_what_a_portal_says_of_itself_cannot_become_a_setting(
    fault_server: FaultServer, portal: SodaDataset, tmp_path: Path
) -> None:
    facts = portal._view(None)  # type: ignore[arg-type]
    evil = {**json.loads(facts.body), "name": "Crimes\nserving: {host: 0.0.0.0}\n# '\"{}"}
    fault_server.fault_for = lambda request: (
        Fault(body=json.dumps(evil).encode()) if request.path.startswith("/api/views") else None
    )
    path = add_city(
        "town", tmp_path, domain=f"http://{fault_server.host}", dataset="abcd-1234", allow_private=[fault_server.host]
    )
    settings = load_settings(path)
    assert settings.serving.host == "127.0.0.1"
    assert settings.title.startswith("Crimes serving:")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "Give one of --preset"),
        ({"preset": "chicago", "url": "https://a.example/FeatureServer/0"}, "Give one of --preset"),
        ({"domain": "a.example"}, "Give one of --preset"),
        ({"preset": "atlantis"}, "must be one of chicago"),
    ],
)
def test_adding_needs_exactly_one_feed(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        add_city("town", tmp_path, **options)
    assert not list(tmp_path.iterdir())


def test_a_file_is_not_replaced_by_accident(tmp_path: Path) -> None:
    path = add_city("town", tmp_path, preset="chicago")
    assert len([line for line in path.read_text().splitlines() if not line.startswith("#")]) == 5
    path.write_text("city: mine\n")
    with pytest.raises(ConfigError, match="there already"):
        add_city("town", tmp_path, preset="seattle")
    assert path.read_text() == "city: mine\n"
    add_city("town", tmp_path, preset="seattle", replace=True)
    assert load_settings(path).title == "Seattle"
    with pytest.raises(ConfigError, match="short name"):
        add_city("../town", tmp_path, preset="seattle")


@pytest.mark.usefixtures("portal")
def test_a_check_names_what_is_missing_and_what_fails(fault_server: FaultServer, tmp_path: Path) -> None:
    def city(**columns: str) -> Any:
        feed = {"domain": f"http://{fault_server.host}", "datasets": ["abcd-1234", "none-such"]}
        feed |= {"id_column": "case_number", "allow_private": [fault_server.host], "retries": 0}
        source = {"kind": "socrata", "feed": feed}
        columns = {"occurred_from": "occurred_from", "category": "offense", **columns}
        return {"city": "town", "title": "Town", "source": source, "columns": columns, "root": str(tmp_path)}

    good, absent = check_feeds(build_settings(city(area="ward")))
    assert good.missing == {"area": "ward"}
    assert good.examples["category"] in {record["offense"] for record in RECORDS}
    assert "404" in absent.problem
    path = tmp_path / "town.yaml"
    path.write_text(yaml.safe_dump(city(area="ward")))
    done = subprocess.run(
        [sys.executable, "-m", "crimepatterns", "feeds", "check", "--config", str(path)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "columns.area: no column 'ward'" in done.stderr
    assert "2 of 2 feeds cannot be used as they are mapped" in done.stderr
    with pytest.raises(SourceError):
        CliRunner().invoke(app, ["feeds", "check", "--config", str(path), "--json"], catch_exceptions=False)


def test_the_check_of_every_preset_asks_for_one_small_page(
    fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What `make live-check` does, with every portal on this machine and one of its columns gone."""
    dataset_of = {name: known.settings["source"]["feed"].get("datasets", []) for name, known in PRESETS.items()}
    service = ArcgisService(fault_server, "/dcgis/rest/services/FEEDS/MPD/MapServer")
    kinds = {**ARCGIS_KINDS, "END_DATE": "Date", "NEIGHBORHOOD_CLUSTER": "String", "METHOD": "String"}
    service.add(41, "Crime Incidents - 2026", kinds).insert(layer_records(RECORDS[:20]))
    for name, datasets in dataset_of.items():
        settings = PRESETS[name].settings
        mapped = [*(v for k, v in settings["columns"].items() if k != "extra"), *settings["columns"]["extra"]]
        if name == "seattle":
            mapped.remove("offense_sub_category")
        for dataset in datasets:
            SodaDataset(fault_server, dataset, dict.fromkeys(mapped, "text")).insert([dict.fromkeys(mapped, "1")] * 500)
    assert "feeds check --presets" in MAKEFILE.read_text()
    monkeypatch.setattr("crimepatterns.sources.socrata.SocrataFeed.root", f"http://{fault_server.host}")
    address = f"[http://{fault_server.host}/dcgis/rest/services/FEEDS/MPD/MapServer]"
    arguments = ["feeds", "check", "--presets", "--set", f"source.feed.allow_private=['{fault_server.host}']"]
    arguments += ["--set", f"source.feed.urls={address}", "--set", "source.feed.requests_per_second=1000"]
    done = CliRunner().invoke(app, arguments)
    assert done.output.count("ok  ") == 6
    assert "FAIL Seattle: tazs-3rd5" in done.output
    assert "columns.category: no column 'offense_sub_category'" in done.output
    assert isinstance(done.exception, SourceError)
    pages = [request for request in fault_server.requests if "$limit" in request.query]
    assert {request.query["$limit"] for request in pages} == {"10"}


def test_a_city_that_was_never_pulled_says_so(tmp_path: Path) -> None:
    path = add_city("town", tmp_path, preset="chicago")
    assert "Nothing of Chicago was pulled yet" in run("show", "--config", str(path), "--set", f"root={tmp_path}")
    with pytest.raises(ConfigError, match="--config with a city file"):
        CliRunner().invoke(app, ["feeds", "show"], catch_exceptions=False)
