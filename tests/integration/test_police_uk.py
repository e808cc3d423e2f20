"""data.police.uk: archives that revise earlier months, and the interface that answers for small areas only."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from crimepatterns.config import Settings, load_settings
from crimepatterns.data_processing import clean, ingest
from crimepatterns.errors import ConfigError, SourceError
from crimepatterns.store.raw import RawStore
from servers import Fault, FaultServer, RandomFaults, Reply
from servers.police import HEADER, PolicePortal, archive, street_csv

CLEVELAND = Path(__file__).resolve().parents[2] / "config" / "cities" / "cleveland.yaml"
MONTHS = ("2024-01", "2024-02", "2024-03")
Make = Callable[..., Settings]


@pytest.fixture
def city(tmp_path: Path, fault_server: FaultServer) -> Make:
    """The shipped example, asking the local server."""

    def make(*, feed: dict[str, Any] | None = None, extra: list[str] | None = None, **source: Any) -> Settings:
        quick = {"allow_private": [fault_server.host], "requests_per_second": 1_000, "timeout_s": 5, "retries": 0}
        asked = {"urls": [], "start": None, **quick, **(feed or {})}
        changes = {"source": {"feed": asked, **source}, "root": str(tmp_path / "root"), "workers": 1}
        changes |= {} if extra is None else {"columns": {"extra": extra}}
        return load_settings(CLEVELAND, changes)

    return make


def store_of(settings: Settings) -> RawStore:
    return RawStore(Path(settings.root) / "data" / "raw" / "cleveland")


def parts_of(settings: Settings) -> dict[str, int]:
    return {entry.cursor["part"]: entry.rows for entry in store_of(settings).current()}


def two_forces(months: tuple[str, ...] = MONTHS, **changes: Any) -> dict[tuple[str, str], bytes]:
    return {
        (month, force): street_csv(month, force, 60 + 10 * i, **changes)
        for i, month in enumerate(months)
        for force in ("cleveland", "west-yorkshire")
    }


def test_an_archive_on_the_web_becomes_incidents(city: Make, fault_server: FaultServer) -> None:
    fault_server.put("/data/archive/latest.zip", archive(two_forces()))
    settings = city(feed={"urls": [fault_server.url("/data/archive/latest.zip")]})
    summary = ingest(settings)
    assert (summary["files"], summary["rows"]) == (3, 210)
    assert summary["dropped_personal_columns"] == []
    assert parts_of(settings) == {"2024-01/cleveland": 60, "2024-02/cleveland": 70, "2024-03/cleveland": 80}
    assert not (store_of(settings).folder / "downloads").exists()
    cleaned = clean(settings)
    assert cleaned["kept"] == 210, "equal rows are different incidents"
    assert cleaned["time_precision"] == {"month": 210}
    table = pd.read_parquet(Path(settings.root) / "data" / "processed" / "cleveland" / "incidents")
    assert table["id"].is_unique
    assert set(table["category"]) >= {"burglary", "anti-social behaviour"}
    months = table["occurred_from"].dt.tz_convert("Europe/London").dt.strftime("%Y-%m-%d %H:%M").unique()
    assert sorted(months) == [f"{month}-01 00:00" for month in MONTHS]


def test_a_later_archive_replaces_revised_months_and_keeps_what_it_no_longer_holds(
    city: Make, fault_server: FaultServer
) -> None:
    url = fault_server.url("/data/archive/latest.zip")
    fault_server.put("/data/archive/latest.zip", archive(two_forces()))
    settings = city(feed={"urls": [url]})
    ingest(settings)
    before = {entry.cursor["part"]: entry.file for entry in store_of(settings).current()}
    listed = store_of(settings).manifest.read_bytes()
    ingest(settings)
    assert "if-none-match" in fault_server.requests[-1].headers
    assert store_of(settings).manifest.read_bytes() == listed
    # January has left the archive, February is as it was, March has outcomes now, April is new.
    later = two_forces(("2024-01", "2024-02"))
    later = {key: content for key, content in later.items() if key[0] == "2024-02"}
    later["2024-03", "cleveland"] = street_csv("2024-03", "cleveland", 79, outcome="Offender given a caution")
    later["2024-04", "cleveland"] = street_csv("2024-04", "cleveland", 50)
    fault_server.put("/data/archive/latest.zip", archive(later))
    summary = ingest(settings)
    store = store_of(settings)
    after = {entry.cursor["part"]: entry.file for entry in store.current()}
    assert sorted(after) == [f"2024-0{k}/cleveland" for k in (1, 2, 3, 4)]
    assert summary["rows"] == 60 + 70 + 79 + 50
    assert [after[f"2024-0{k}/cleveland"] == before[f"2024-0{k}/cleveland"] for k in (1, 2, 3)] == [True, True, False]
    assert [entry.file for entry in store.entries() if not entry.current] == [before["2024-03/cleveland"]]
    assert clean(settings)["kept"] == summary["rows"]
    # A month that the publisher has taken back to its former state counts again as it was.
    fault_server.put("/data/archive/latest.zip", archive(two_forces()))
    assert ingest(settings)["rows"] == 60 + 70 + 80 + 50


def test_forces_and_months_are_chosen(city: Make, tmp_path: Path) -> None:
    path = tmp_path / "2024-03.zip"
    path.write_bytes(archive(two_forces()))
    local = {"paths": [str(path)]}
    some = city(feed={"forces": ["west-yorkshire"], "start": "2024-02-01", "end": "2024-03-01"}, **local)
    assert (ingest(some)["rows"], parts_of(some)) == (70, {"2024-02/west-yorkshire": 70})
    everything = city(feed={"forces": []}, **local)
    assert ingest(everything)["rows"] == 420
    assert parts_of(city(feed={"forces": ["cleveland"]}, **local))["2024-01/cleveland"] == 60
    with pytest.raises(SourceError, match="holds no file of atlantis; it knows cleveland, west-yorkshire"):
        ingest(city(feed={"forces": ["atlantis"]}, **local))
    with pytest.raises(SourceError, match="No month of 2031"):
        ingest(city(feed={"start": "2031-01-01"}, **local))


def test_more_is_wanted_of_an_archive_that_has_not_changed(city: Make, fault_server: FaultServer) -> None:
    fault_server.put("/latest.zip", archive(two_forces()))
    url = fault_server.url("/latest.zip")
    ingest(city(feed={"urls": [url], "start": "2024-03-01"}))
    assert ingest(city(feed={"urls": [url]}))["files"] == 3


def test_a_file_without_rows_is_no_copy(city: Make, tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    empty = {("2024-02", "cleveland"): HEADER.encode(), ("2024-03", "cleveland"): HEADER.encode()}
    path.write_bytes(archive({**two_forces(("2024-01",)), **empty}))
    settings = city(paths=[str(path)])
    ingest(settings)
    assert parts_of(settings) == {"2024-01/cleveland": 60}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (archive({}, readme__txt=b"hello"), "no street-level file"),
        (archive({("2024-01", "cleveland"): b"Type,Date\nPerson search,2024\n"}), "no column 'Crime type'"),
        (archive(two_forces(("2024-01",)))[:-30], "damaged zip archive"),
        (archive({}, **{"../2024-01/2024-01-cleveland-street__csv": b"x"}), "path out of the archive"),
        (b"not a zip", "damaged zip archive"),
    ],
    ids=["other files", "other columns", "truncated", "hostile", "no zip"],
)
def test_what_is_no_archive_is_refused_and_changes_nothing(
    city: Make, fault_server: FaultServer, tmp_path: Path, content: bytes, says: str
) -> None:
    (tmp_path / "a.zip").write_bytes(content)
    fault_server.put("/a.zip", content)
    good = tmp_path / "good.zip"
    good.write_bytes(archive(two_forces()))
    ingest(city(paths=[str(good)]))
    listed = store_of(city()).manifest.read_bytes()
    with pytest.raises(SourceError, match=says):
        ingest(city(paths=[str(tmp_path / "a.zip")]))
    with pytest.raises(SourceError, match=says) as caught:
        ingest(city(feed={"urls": [fault_server.url("/a.zip")]}))
    assert fault_server.url("/a.zip") in str(caught.value)
    assert store_of(city()).manifest.read_bytes() == listed


def test_an_interrupted_archive_goes_on(city: Make, fault_server: FaultServer) -> None:
    content = archive(two_forces())
    fault_server.put("/latest.zip", content)
    fault_server.faults += [Fault(cut_after=3_000), Fault(hang_up=True)]
    settings = city(feed={"urls": [fault_server.url("/latest.zip")]})
    with pytest.raises(SourceError, match="is kept"):
        ingest(settings)
    fault_server.faults.clear()
    assert ingest(settings)["rows"] == 210
    assert fault_server.requests[-1].headers["range"] == "bytes=3000-"


# -- the interface ----------------------------------------------------------------------------------------------------

BOX = [-1.3, 54.4, -1.1, 54.7]


def places(n: int, seed: int = 1) -> list[tuple[float, float]]:
    rng = np.random.default_rng(seed)
    # On a coarse lattice, so that many share a point and some lie on the edges of quartered boxes.
    return [(-1.3 + k / 80, 54.4 + m / 80 * 1.5) for k, m in rng.integers(0, 17, (n, 2))]


@pytest.fixture
def portal(fault_server: FaultServer) -> PolicePortal:
    portal = PolicePortal(fault_server, limit=100)
    for i, month in enumerate(MONTHS):
        portal.fill(month, places(300 + i, seed=i))
    return portal


@pytest.fixture
def api_city(city: Make, fault_server: FaultServer) -> Make:
    def make(**feed: Any) -> Settings:
        return city(feed={"domain": f"http://{fault_server.host}", "area": BOX, "forces": [], **feed}, extra=[])

    return make


def stored(settings: Settings, month: str) -> list[tuple[Any, ...]]:
    store = store_of(settings)
    (entry,) = [one for one in store.current() if one.cursor["part"].startswith(month)]
    table = pq.read_table(store.path_of(entry), partitioning=None).to_pandas()
    return sorted(
        zip(table["Longitude"], table["Latitude"], table["Crime type"], table["Crime ID"].fillna(""), strict=True)
    )


def published(portal: PolicePortal, month: str) -> list[tuple[Any, ...]]:
    return sorted(
        (one["location"]["longitude"], one["location"]["latitude"], one["category"], one["persistent_id"])
        for one in portal.crimes[month]
    )


def test_a_crowded_area_is_asked_for_in_parts_and_nothing_counts_twice(api_city: Make, portal: PolicePortal) -> None:
    settings = api_city()
    assert ingest(settings)["rows"] == 903
    for month in MONTHS:
        assert stored(settings, month) == published(portal, month)
    asked = [request for request in portal.server.requests if request.path.endswith("all-crime")]
    assert len(asked) > 3 * 4
    assert clean(settings)["kept"] == 903
    assert not (store_of(settings).folder / "downloads").exists()


def test_nothing_is_asked_again_until_the_publisher_updates(api_city: Make, portal: PolicePortal) -> None:
    settings = api_city(start="2024-02-01")
    first = ingest(settings)
    listed = store_of(settings).manifest.read_bytes()
    portal.server.requests.clear()
    assert ingest(settings) == first
    assert [request.path for request in portal.server.requests] == [
        "/api/crime-last-updated",
        "/api/crimes-street-dates",
    ]
    assert store_of(settings).manifest.read_bytes() == listed
    # The numbers change with each answer, which is no change; an outcome is one, and so is a new month.
    portal.updated = "2024-06-01"
    portal.fill("2024-02", places(301, seed=1))
    portal.fill("2024-03", places(302, seed=2), outcome="Under investigation")
    portal.fill("2024-04", places(40, seed=9))
    assert ingest(settings)["rows"] == 301 + 302 + 40
    entries = store_of(settings).entries()
    assert [entry.current for entry in entries].count(False) == 1
    # A month without any crime left is a month of no rows.
    portal.updated = "2024-07-01"
    portal.fill("2024-04", [])
    assert ingest(settings)["rows"] == 603
    assert clean(settings)["kept"] == 603


def test_a_broken_pull_goes_on_with_the_next_month(api_city: Make, portal: PolicePortal) -> None:
    settings = api_city()
    seen = []

    def dies_late(request: Any) -> Fault | None:
        seen.append(request)
        return Fault(hang_up=True) if request.query.get("date") == "2024-03" else None

    portal.server.fault_for = dies_late
    with pytest.raises(SourceError, match="cannot be fetched"):
        ingest(settings)
    portal.server.fault_for = None
    portal.server.requests.clear()
    assert ingest(settings)["rows"] == 903
    assert {request.query.get("date") for request in portal.server.requests} == {None, "2024-03"}


def test_the_interface_may_fail_often(api_city: Make, portal: PolicePortal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crimepatterns.sources.http_client.back_off", lambda *_, **__: 0.0)
    portal.server.fault_for = RandomFaults(np.random.default_rng(4), share=0.2)
    settings = api_city(retries=15)
    assert ingest(settings)["rows"] == 903
    for month in MONTHS:
        assert stored(settings, month) == published(portal, month)


def test_an_overloaded_server_is_told_from_a_crowded_area(api_city: Make, portal: PolicePortal) -> None:
    portal.limit = -1
    with pytest.raises(SourceError, match="even for a few streets"):
        ingest(api_city())
    assert len(portal.server.requests) < 40


def test_what_the_interface_must_not_answer(api_city: Make, portal: PolicePortal, fault_server: FaultServer) -> None:
    fault_server.add("/api/crimes-street/all-crime", Reply.json({"error": "no"}))
    with pytest.raises(SourceError, match="without a list of crimes for 2024-01"):
        ingest(api_city())
    fault_server.add("/api/crime-last-updated", Reply.json(["2024"]))
    with pytest.raises(SourceError, match="without 'date'"):
        ingest(api_city())
    portal.crimes.clear()
    PolicePortal(fault_server, crimes={"2024-01": []})
    with pytest.raises(SourceError, match="no crime in the box"):
        ingest(api_city())


def test_the_area_comes_from_the_boundary(city: Make, portal: PolicePortal, tmp_path: Path) -> None:
    import geopandas as gpd
    import shapely

    path = tmp_path / "boundary.geojson"
    square = gpd.GeoDataFrame({"name": ["Town"]}, geometry=[shapely.box(-1.2, 54.5, -1.15, 54.55)], crs="EPSG:4326")
    square.to_crs("EPSG:27700").to_file(path)
    base = city(feed={"domain": f"http://{portal.server.host}", "forces": []})
    settings = base.model_copy(update={"study_area": base.study_area.model_copy(update={"boundary": str(path)})})
    ingest(settings)
    asked = portal.server.requests[-1].query["poly"]
    assert asked.split(":")[0].startswith(("54.48", "54.49"))
    with pytest.raises(ConfigError, match=r"name archives in source\.paths"):
        ingest(base)
