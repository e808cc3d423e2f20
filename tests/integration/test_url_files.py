"""Files on the web: the same errors as for files on disk, and no copy, byte or question more than needed."""

import gzip
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas as gpd
import openpyxl
import pandas as pd
import pytest
import yaml

from bad_files import CASES, GOOD, ROW, zip_of
from crimepatterns.config import Settings
from crimepatterns.data_processing import clean, forget, ingest
from crimepatterns.errors import ConfigError, CrimePatternsError, SourceError
from crimepatterns.store.raw import RawStore
from servers import Fault, FaultServer, Received, Reply

ONLY_ON_DISK = {"does not exist", "a folder", "no boundary", "boundary missing"}
OTHERWISE = {"parquet that is csv": "cannot be read as parquet", "broken excel": "damaged|cannot be read as excel"}

City = Callable[..., Settings]


@pytest.fixture
def url_city(loop_city: City, fault_server: FaultServer) -> City:
    """Settings for files of the server, patient without waiting."""

    def make(*paths: str, feed: dict[str, Any] | None = None, **changes: dict[str, Any]) -> Settings:
        asked = {
            "urls": [fault_server.url(path) for path in paths],
            "allow_private": [fault_server.host],
            "requests_per_second": 1_000,
            "timeout_s": 5,
            "retries": 0,
            **(feed or {}),
        }
        source = {**changes.pop("source", {}), "kind": "url", "paths": [], "feed": asked}
        return loop_city("unused", source=source, **changes)

    return make


def store_of(settings: Settings) -> RawStore:
    return RawStore(Path(settings.root) / "data" / "raw" / "test")


WEB_CASES = [case for case in CASES if case[0] not in ONLY_ON_DISK]


@pytest.mark.parametrize(("name", "file", "write", "changes", "says"), WEB_CASES, ids=[case[0] for case in WEB_CASES])
def test_a_bad_file_gives_the_same_line_as_on_disk(
    url_city: City,
    fault_server: FaultServer,
    tmp_path: Path,
    name: str,
    file: str,
    write: Callable[[Path], None],
    changes: dict[str, Any],
    says: str,
) -> None:
    path = tmp_path / file
    write(path)
    fault_server.put(f"/export/{file}", path.read_bytes())
    settings = url_city(f"/export/{file}", **changes)
    with pytest.raises(CrimePatternsError, match=OTHERWISE.get(name, says)) as caught:
        ingest(settings)
        clean(settings)
    message = str(caught.value)
    assert "\n" not in message
    assert 20 < len(message) < 600
    assert str(tmp_path) not in message or "boundary" in message
    assert not (store_of(settings).folder / "downloads").exists()
    if isinstance(caught.value, SourceError) and "source." not in message:
        assert fault_server.url(f"/export/{file}") in message


def excel_file(path: Path) -> None:
    book = openpyxl.Workbook()
    for line in GOOD.decode().splitlines():
        book.active.append(line.split(","))
    book.save(path)


def parquet_file(path: Path) -> None:
    pd.read_csv(pd.io.common.BytesIO(GOOD)).to_parquet(path)


def geojson_file(path: Path) -> None:
    table = pd.read_csv(pd.io.common.BytesIO(GOOD))
    points = gpd.points_from_xy(table["lon"], table["lat"], crs="EPSG:4326")
    gpd.GeoDataFrame(table, geometry=points).to_file(path, driver="GeoJSON")


GOOD_FILES: dict[str, Callable[[Path], Any]] = {
    "a.csv": lambda path: path.write_bytes(GOOD),
    "a.csv.gz": lambda path: path.write_bytes(gzip.compress(GOOD)),
    "a.zip": zip_of(a__csv=GOOD),
    "a.xlsx": excel_file,
    "a.parquet": parquet_file,
    "a.geojson": geojson_file,
}


@pytest.mark.parametrize("file", GOOD_FILES)
@pytest.mark.parametrize("ending", [True, False], ids=["with ending", "without ending"])
def test_every_kind_arrives_whatever_its_address(
    url_city: City, fault_server: FaultServer, tmp_path: Path, file: str, *, ending: bool
) -> None:
    GOOD_FILES[file](tmp_path / file)
    address = f"/export/{file}" if ending else "/api/download"
    fault_server.put(address, (tmp_path / file).read_bytes())
    settings = url_city(f"{address}?layers=0", source={"licence": "CC0"})
    assert ingest(settings)["rows"] == 40
    assert clean(settings)["kept"] == 40
    (entry,) = store_of(settings).current()
    assert entry.origin == entry.cursor["url"] == fault_server.url(f"{address}?layers=0")
    assert entry.licence == "CC0"
    assert not (store_of(settings).folder / "downloads").exists()


def test_what_has_not_changed_is_not_fetched_again(url_city: City, fault_server: FaultServer) -> None:
    fault_server.put("/a.csv", GOOD)
    fault_server.put("/b.csv", GOOD + ROW, etag=None)
    settings = url_city("/a.csv", "/b.csv")
    first = ingest(settings)
    listed = store_of(settings).manifest.read_bytes()
    assert ingest(settings) == first
    assert store_of(settings).manifest.read_bytes() == listed
    again = fault_server.requests[2:]
    assert again[0].headers["if-none-match"].startswith('"')
    assert "if-none-match" not in again[1].headers, "without a tag the file is fetched and compared"
    fault_server.put("/a.csv", GOOD + ROW.replace(b":15", b":16"))
    assert ingest(settings)["rows"] == 82
    store = store_of(settings)
    assert [entry.rows for entry in store.entries()] == [40, 41, 41]
    assert [entry.current for entry in store.entries()] == [False, True, True]
    # A file whose copy has gone, or that is to be read otherwise, is fetched whole.
    fault_server.requests.clear()
    ingest(url_city("/a.csv", source={"encoding": "cp1252"}))
    assert "if-none-match" not in fault_server.requests[0].headers


def test_columns_to_keep_are_fetched_again(url_city: City, fault_server: FaultServer) -> None:
    fault_server.put("/a.csv", GOOD.replace(b"lat\n", b"lat,victim name\n").replace(b"0\n", b"0,Ann\n"))
    assert ingest(url_city("/a.csv"))["dropped_personal_columns"] == ["victim name"]
    kept = ingest(url_city("/a.csv", source={"keep_columns": ["victim name"]}))
    assert "victim name" in kept["columns"]
    with pytest.raises(ConfigError, match="looks personal"):
        ingest(url_city("/a.csv", columns={"offence": "victim name"}))


def test_an_interrupted_download_goes_on_in_the_next_run(url_city: City, fault_server: FaultServer) -> None:
    body = GOOD + b"".join(ROW.replace(b":15:00", b":%02d:%02d" % (i // 60, i % 60)) for i in range(3_000))
    fault_server.put("/a.csv", body)
    fault_server.faults += [Fault(cut_after=50_000), Fault(hang_up=True)]
    settings = url_city("/a.csv")
    with pytest.raises(SourceError, match="what has come is kept"):
        ingest(settings)
    fault_server.faults.clear()
    assert ingest(settings)["rows"] == 3_040
    assert fault_server.requests[-1].headers["range"] == "bytes=50000-"


def test_a_failed_ingest_leaves_the_former_copy(url_city: City, fault_server: FaultServer) -> None:
    fault_server.put("/a.csv", GOOD)
    settings = url_city("/a.csv")
    ingest(settings)
    before = store_of(settings).manifest.read_bytes()
    for fault in (Fault(status=500), Fault(status=404), Fault(body=b"<!DOCTYPE html><title>Sign in</title>")):
        fault_server.faults.append(fault)
        with pytest.raises(SourceError):
            ingest(settings)
        assert store_of(settings).manifest.read_bytes() == before
    assert clean(settings)["kept"] == 40


def test_a_web_page_is_no_data(url_city: City, fault_server: FaultServer) -> None:
    fault_server.put("/a.csv", b"\n<html><body>Please sign in</body></html>")
    with pytest.raises(SourceError, match="is a web page, not data"):
        ingest(url_city("/a.csv"))


def test_secrets_come_from_the_environment_and_go_nowhere(
    url_city: City, fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PORTAL_KEY", "k3y-of-the-portal")
    monkeypatch.setenv("PORTAL_USER", "ann:p4ssw0rd")
    monkeypatch.setenv("PORTAL_TOKEN", "b34rer-token")

    def protected(request: Received) -> Reply:
        fine = request.query.get("apikey") == "k3y-of-the-portal" and request.headers.get("authorization", "") != ""
        return Reply(200, GOOD, {"ETag": '"1"'}) if fine else Reply(403, b"no")

    fault_server.add("/a.csv", protected)
    bare = fault_server.url("/a.csv?apikey=${PORTAL_KEY}")
    settings = url_city(feed={"urls": [bare], "token_env": "PORTAL_TOKEN"})
    assert ingest(settings)["rows"] == 40
    assert fault_server.requests[-1].headers["authorization"] == "Bearer b34rer-token"
    ingest(url_city(feed={"urls": [bare.replace("://", "://${PORTAL_USER}@")]}))
    assert fault_server.requests[-1].headers["authorization"].startswith("Basic ")
    for folder, _, files in os.walk(settings.root):
        for file in files:
            text = (Path(folder) / file).read_bytes()
            assert not re.search(b"k3y-of|p4ssw0rd|b34rer", text), file
    assert "apikey=***" in store_of(settings).current()[0].origin
    with pytest.raises(ConfigError, match="environment variable NOT_SET is not set"):
        ingest(url_city(feed={"urls": [bare.replace("PORTAL_KEY", "NOT_SET")]}))
    with pytest.raises(ConfigError, match="NOT_SET, which is not set"):
        ingest(url_city(feed={"urls": [bare], "token_env": "NOT_SET"}))
    for secret in ("https://ann:p4ssw0rd@example.org/a.csv", "https://example.org/a.csv?token=p4ssw0rd"):
        with pytest.raises(ConfigError, match="put it into an environment variable") as caught:
            url_city(feed={"urls": [secret]})
        assert "p4ssw0rd" not in f"{caught.value} {caught.value.__cause__}"
    with pytest.raises(ConfigError, match="names no address"):
        ingest(url_city())


def test_private_addresses_need_leave(url_city: City, fault_server: FaultServer) -> None:
    fault_server.put("/a.csv", GOOD)
    with pytest.raises(SourceError, match="not on the public Internet"):
        ingest(url_city("/a.csv", feed={"allow_private": []}))
    assert not fault_server.requests


def test_an_erased_record_stays_erased_while_the_file_is_the_same(url_city: City, fault_server: FaultServer) -> None:
    fault_server.put("/a.csv", GOOD)
    settings = url_city("/a.csv")
    ingest(settings)
    clean(settings)
    table = pd.read_parquet(Path(settings.root) / "data" / "processed" / "test" / "incidents")
    assert forget(settings, [table["id"].iloc[0]])["erased_rows"] == 1
    assert ingest(settings)["rows"] == 39
    (entry,) = store_of(settings).current()
    assert entry.erased_rows == 1


def test_a_killed_ingest_goes_on_where_it_was(url_city: City, fault_server: FaultServer, tmp_path: Path) -> None:
    body = GOOD + b"".join(ROW.replace(b":15:00", b":%02d:%02d" % (i // 60, i % 60)) for i in range(3_000))
    fault_server.put("/a.csv", body)
    # About ten seconds for the whole file: the kill comes in the middle.
    fault_server.faults.append(Fault(drip_bytes=1_500, drip_s=0.1))
    settings = url_city("/a.csv")
    config = tmp_path / "city.yaml"
    config.write_text(yaml.safe_dump(settings.model_dump(mode="json")))
    command = [sys.executable, "-m", "crimepatterns", "ingest", "--config", str(config)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        part = store_of(settings).folder / "downloads"
        for _ in range(600):
            arrived = [path.stat().st_size for path in part.rglob("*.part")] if part.exists() else []
            if arrived and arrived[0] > 8_000:
                break
            time.sleep(0.05)
        running.kill()
    (arrived,) = [path.stat().st_size for path in part.rglob("*.part")]
    assert 8_000 < arrived < len(body)
    assert not store_of(settings).manifest.exists()
    assert ingest(settings)["rows"] == 3_040
    assert fault_server.requests[-1].headers["range"] == f"bytes={arrived}-"
    (entry,) = store_of(settings).current()
    assert store_of(settings).path_of(entry).read_bytes() == body
