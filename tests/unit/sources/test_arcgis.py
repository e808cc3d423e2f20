"""ArcGIS layers: paging, errors with a status of 200, what values become, and what changed since."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crimepatterns.errors import ConfigError, SchemaError, SourceError
from crimepatterns.sources.arcgis import ArcgisFeed
from crimepatterns.sources.arcgis_rest import ArcgisServer, find_layers
from crimepatterns.sources.feed_copy import FeedCopy, Pulled, pull_feed
from crimepatterns.sources.feed_reconcile import Reconciled, reconcile_feeds
from crimepatterns.sources.http_client import HttpClient, HttpPolicy
from crimepatterns.store.raw import RawEntry, RawStore
from servers import Fault, FaultServer
from servers.arcgis import ArcgisLayer, ArcgisService
from servers.records import ARCGIS_KINDS, city_records, layer_records
from servers.stored import stored_records

RECORDS = layer_records(city_records())
MAPPED = {"id": "CCN", "occurred_from": "START_DATE", "category": "OFFENSE", "longitude": "geometry_longitude"}


@dataclass
class Portal:
    service: ArcgisService
    store: RawStore
    id_column: str = "CCN"

    def layer(self, **options: Any) -> ArcgisLayer:
        layer = self.service.add(0, "Crime Incidents - 2025", ARCGIS_KINDS, **options)
        layer.insert(RECORDS[:450])
        return layer

    @property
    def client(self) -> HttpClient:
        host = self.service.server.host
        policy = HttpPolicy(allow_private=(host,), requests_per_second=1e4, back_off_s=0.001, timeout_s=5, retries=6)
        return HttpClient(policy, rng=np.random.default_rng(1))

    def copy(self, client: HttpClient) -> FeedCopy:
        feed = ArcgisFeed.open(client, self.service.url(0), id_column=self.id_column)
        return FeedCopy(feed, "key", mapped={**MAPPED, "id": self.id_column}, volatile=feed.volatile)

    def pull(self, **changes: Any) -> Pulled:
        with self.client as client:
            copy = self.copy(client)
            copy = replace(copy, feed=replace(copy.feed, **changes))  # type: ignore[type-var]
            return pull_feed(self.store, copy, client, entries=self.entries)

    def reconcile(self) -> Reconciled:
        with self.client as client:
            return reconcile_feeds(self.store, [self.copy(client)], client, entries=self.entries)

    @property
    def entries(self) -> list[RawEntry]:
        return [entry for entry in self.store.entries() if entry.current]

    @property
    def stored(self) -> dict[str, dict[str, Any]]:
        return stored_records(self.store, self.id_column)

    def agrees(self, layer: ArcgisLayer) -> bool:
        published = {str(row[self.id_column]): row["OFFENSE"] for row in layer.rows.values()}
        return published == {name: row["OFFENSE"] for name, row in self.stored.items()}


@pytest.fixture
def portal(fault_server: FaultServer, tmp_path: Path) -> Portal:
    return Portal(ArcgisService(fault_server), RawStore(tmp_path / "raw"))


@pytest.mark.parametrize("sorts", [True, False], ids=["ordered", "unordered"])
@pytest.mark.parametrize("page_size", [None, 30], ids=["server's size", "own size"])
def test_every_row_comes_once_in_the_order_of_object_ids(portal: Portal, sorts: bool, page_size: int | None) -> None:
    layer = portal.layer(sorts=sorts)
    layer.delete("OBJECTID", range(100, 220, 3))
    pulled = portal.pull(page_size=page_size)
    assert pulled.received == pulled.fresh == 410
    assert portal.agrees(layer)
    assert portal.entries[0].dropped_columns == ("SUSPECT_NAME",)
    numbers = [int(row["OBJECTID"]) for row in portal.stored.values()]
    assert numbers == sorted(numbers)


def test_values_become_text_that_cleaning_reads(portal: Portal) -> None:
    portal.layer(domains={"SHIFT": {1: "DAY"}})  # type: ignore[dict-item]
    portal.pull()
    record = RECORDS[0]
    row = portal.stored[record["CCN"]]
    assert (row["SHIFT"], row["WARD"]) == ("DAY", "7")
    point = (float(row["geometry_longitude"]), float(row["geometry_latitude"]))
    assert point == pytest.approx(record["point"])
    moment = np.datetime64(record["START_DATE"], "ms").item().isoformat(timespec="milliseconds")
    assert row["START_DATE"] == f"{moment}Z"
    nowhere = next(one for one in RECORDS[:450] if one["point"] is None)
    assert portal.stored[nowhere["CCN"]]["geometry_longitude"] is None


def test_dates_without_a_known_zone_are_civil_time(portal: Portal) -> None:
    portal.layer(civil=True)
    portal.pull()
    assert not portal.stored[RECORDS[0]["CCN"]]["START_DATE"].endswith("Z")


@pytest.mark.parametrize("code", [429, 500, 503])
def test_an_error_with_a_status_of_200_is_tried_again(portal: Portal, code: int) -> None:
    layer = portal.layer()
    trouble = Fault(body=json.dumps({"error": {"code": code, "message": "Try later", "details": []}}).encode())
    portal.service.server.faults.extend([trouble, None, None, trouble, trouble, None, trouble])
    portal.pull()
    assert portal.agrees(layer)


def test_an_error_that_stays_is_told(portal: Portal) -> None:
    portal.layer()
    with pytest.raises(SourceError, match=r"Invalid field: NOPE.*source\.feed\.where"):
        portal.pull(where="NOPE = '1'")
    portal.service.server.fault_for = lambda _: Fault(body=b'{"error": {"code": 504, "message": "Gateway"}}')
    with pytest.raises(SourceError, match="refuses: Gateway"):
        portal.pull()
    portal.service.server.fault_for = lambda _: Fault(body=b"[1]")
    with pytest.raises(SourceError, match="must answer with a JSON object"):
        portal.pull()


def test_a_token_goes_into_a_header_only(portal: Portal) -> None:
    layer = portal.layer()
    portal.service.token = "s3cret"  # noqa: S105  # of the server in the test
    with pytest.raises(SourceError, match=r"Token Required.*token_env"):
        portal.pull()
    with portal.client as client:
        feed = ArcgisFeed.open(client, portal.service.url(0), id_column="CCN", token=portal.service.token)
        pull_feed(portal.store, FeedCopy(feed, "key", mapped=MAPPED), client, entries=[])
    assert portal.agrees(layer)
    assert not [one for one in portal.service.server.requests if "s3cret" in f"{one.path}{dict(one.query)}"]
    assert "s3cret" not in repr(feed)


def test_tracked_edits_bring_only_what_was_edited(portal: Portal) -> None:
    layer = portal.layer(tracks_edits=True)
    layer.later(days=2)
    layer.insert(RECORDS[450:451])
    portal.pull()
    layer.later(days=1)
    layer.change("CCN", RECORDS[3]["CCN"], OFFENSE="ARSON")
    layer.insert(RECORDS[451:455])
    layer.delete("CCN", [RECORDS[9]["CCN"]])
    pulled = portal.pull()
    assert (pulled.received, pulled.fresh) == (6, 5)
    assert portal.reconcile().withdrawn == 1
    assert portal.agrees(layer)


def test_a_layer_that_was_not_edited_is_left_alone(portal: Portal) -> None:
    layer = portal.layer(tells_edit=True)
    portal.pull()
    assert portal.pull().received == 0
    layer.later(days=1)
    layer.change("CCN", RECORDS[3]["CCN"], OFFENSE="ARSON")
    pulled = portal.pull()
    assert (pulled.received, pulled.fresh) == (450, 1)
    assert portal.agrees(layer)
    assert portal.pull().received == 0


def test_a_layer_that_tells_nothing_is_compared_and_may_be_published_anew(portal: Portal) -> None:
    layer = portal.layer()
    portal.pull()
    assert portal.pull().fresh == 0
    rows = list(layer.rows.values())
    layer.rows.clear()
    layer.insert([{**row, "OFFENSE": "ARSON"} if i == 7 else row for i, row in enumerate(rows)])
    assert portal.pull().fresh == 1
    assert portal.reconcile().withdrawn == 0
    assert portal.agrees(layer)


def test_object_ids_serve_where_the_publisher_has_none(portal: Portal) -> None:
    portal.id_column = "OBJECTID"
    layer = portal.layer()
    portal.pull()
    layer.delete("CCN", [RECORDS[3]["CCN"]])
    assert portal.reconcile().withdrawn == 1
    assert portal.agrees(layer)


def test_rows_that_come_and_go_between_pages(portal: Portal) -> None:
    layer = portal.layer(tracks_edits=True)

    def change(page: int) -> None:
        layer.later(minutes=10)
        if page == 3:
            layer.insert(RECORDS[450:460])
            layer.change("CCN", RECORDS[3]["CCN"], OFFENSE="ARSON")
            layer.delete("CCN", [RECORDS[4]["CCN"], RECORDS[440]["CCN"]])

    layer.between = change
    portal.pull()
    layer.between = lambda _: None
    portal.pull()
    portal.reconcile()
    assert portal.agrees(layer)


def test_a_server_that_orders_wrongly_or_stops_giving_is_noticed(
    portal: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer = portal.layer()
    real = ArcgisLayer.query

    def emptied(self: ArcgisLayer, query: Mapping[str, str]) -> dict[str, Any]:
        answer = real(self, query)
        return {**answer, "features": []} if "OBJECTID > 200" in query.get("where", "") else answer

    with monkeypatch.context() as patch, pytest.raises(SourceError, match="250 more rows but gives none"):
        patch.setattr(ArcgisLayer, "query", emptied)
        portal.pull()
    with monkeypatch.context() as patch, pytest.raises(SourceError, match="does not order"):
        patch.setattr(ArcgisLayer, "_ordered", lambda _self, rows, _order: rows[::-1])
        portal.pull()
    portal.pull()
    assert portal.agrees(layer)


def test_a_mapped_field_that_went_is_named(portal: Portal) -> None:
    layer = portal.layer()
    portal.pull()
    layer.kinds.pop("OFFENSE")
    with pytest.raises(SchemaError, match=r"no longer has the column 'OFFENSE' that columns\.category"):
        portal.pull()


def test_layers_are_found_by_name(portal: Portal) -> None:
    for number, name in (
        (8, "Crime Incidents - 2018"),
        (41, "crime incidents in 2026"),
        (20, "Registry"),
        (3, "Wards"),
    ):
        portal.service.add(number, name, ARCGIS_KINDS)
    with portal.client as client:
        server = ArcgisServer(client)
        found = find_layers(server, portal.service.url(), r"Crime Incidents\s*(-|in)?\s*\d{4}")
        assert found == [
            ("Crime Incidents - 2018", portal.service.url(8)),
            ("crime incidents in 2026", portal.service.url(41)),
        ]
        with pytest.raises(SourceError, match=r"no layer whose name fits 'Nope'.*Registry"):
            find_layers(server, portal.service.url(), "Nope")
        with pytest.raises(ConfigError, match="regular expression"):
            find_layers(server, portal.service.url(), "(")
        with pytest.raises(SourceError, match="has no fields"):
            ArcgisFeed.open(client, portal.service.url())


def test_a_layer_describes_itself(portal: Portal) -> None:
    portal.layer(tracks_edits=True)
    with portal.client as client:
        feed = portal.copy(client).feed
        assert isinstance(feed, ArcgisFeed)
        told = feed.describe(client)
        assert (told.title, told.publisher, told.rows) == ("Crime Incidents - 2025", "Lindenfeld Police", 450)
        assert (told.id_column, told.update_column) == ("OBJECTID", "EditDate")
        assert {"CCN", "geometry_latitude"} <= set(told.names)
        assert feed.sample(client, 3).num_rows == 3
        assert feed.name == "Crime_Incidents_-_2025-0"
        assert feed.volatile == ("OBJECTID", "EditDate")
