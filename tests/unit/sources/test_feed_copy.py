"""Pulling a portal: nothing lost, nothing doubled, whatever happens on the way."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from crimepatterns.errors import ConfigError, SchemaError, SourceError
from crimepatterns.sources import feed_copy
from crimepatterns.sources.feed_copy import FeedCopy, Pulled, discard_pending, pull_feed
from crimepatterns.sources.feed_reconcile import Reconciled, reconcile_feeds
from crimepatterns.sources.feed_speed import Speed
from crimepatterns.sources.http_client import HttpClient, HttpPolicy
from crimepatterns.sources.socrata import SocrataFeed
from crimepatterns.store.pending import PendingPages
from crimepatterns.store.raw import RawStore
from servers import Fault, FaultServer, RandomFaults, Received
from servers.records import SODA_KINDS, city_records
from servers.soda import SodaDataset
from servers.stored import stored_records

RECORDS = city_records()
MAPPED = {"id": "case_number", "occurred_from": "occurred_from", "category": "offense", "longitude": "place_longitude"}


@dataclass
class Portal:
    """A dataset on a real server, and the store it is pulled into."""

    server: FaultServer
    dataset: SodaDataset
    store: RawStore
    page_size: int = 200

    @property
    def copy(self) -> FeedCopy:
        feed = SocrataFeed(
            domain=f"http://{self.server.host}", dataset="abcd-1234", id_column="case_number", page_size=self.page_size
        )
        return FeedCopy(feed, "key", mapped=MAPPED, volatile=(":updated_at", ":created_at", ":id"))

    @property
    def client(self) -> HttpClient:
        policy = HttpPolicy(
            allow_private=(self.server.host,), requests_per_second=1e4, back_off_s=0.001, timeout_s=5, retries=12
        )
        return HttpClient(policy, rng=np.random.default_rng(1))

    def pull(self, **options: Any) -> Pulled:
        with self.client as client:
            return pull_feed(self.store, self.copy, client, entries=self.entries, **options)

    def reconcile(self, **options: Any) -> Reconciled:
        with self.client as client:
            return reconcile_feeds(self.store, [self.copy], client, entries=self.entries, **options)

    @property
    def entries(self) -> list[Any]:
        return [entry for entry in self.store.entries() if entry.current]

    @property
    def published(self) -> dict[str, str]:
        return {row["case_number"]: row["offense"] for row in self.dataset.records}

    @property
    def stored(self) -> dict[str, str]:
        return {name: row["offense"] for name, row in stored_records(self.store, "case_number").items()}


@pytest.fixture
def portal(fault_server: FaultServer, tmp_path: Path) -> Portal:
    dataset = SodaDataset(fault_server, "abcd-1234", SODA_KINDS, row_id="case_number")
    dataset.insert(RECORDS[:1000])
    return Portal(fault_server, dataset, RawStore(tmp_path / "raw"))


@pytest.fixture
def stop_after(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Break a pull off, as a kill would, when so many pages are on disk."""
    real = PendingPages.add

    def arm(pages: int) -> None:
        done = 0

        def add(self: PendingPages, *args: Any, **options: Any) -> None:
            nonlocal done
            if done == pages:
                raise KeyboardInterrupt
            done += 1
            real(self, *args, **options)

        monkeypatch.setattr(PendingPages, "add", add if pages >= 0 else real)

    return arm


def test_a_pull_stores_every_record_once_without_what_is_personal(portal: Portal) -> None:
    pulled = portal.pull()
    assert (pulled.received, pulled.fresh, pulled.notes) == (1000, 1000, [])
    assert portal.stored == portal.published
    (entry,) = portal.entries
    assert entry.dropped_columns == ("victim_name",)
    assert not [name for name in entry.columns if name.startswith(":@")]
    assert {":id", ":updated_at", "place_longitude", "place_latitude"} <= set(entry.columns)
    assert (entry.replaces, entry.withdraws, entry.feed) == (False, False, "abcd-1234")
    assert portal.store.path_of(entry).stat().st_mode & 0o222 == 0
    assert not (portal.store.folder / "pending").exists()
    row = stored_records(portal.store, "case_number")["LF-2025-0000001"]
    published = next(record for record in RECORDS if record["case_number"] == "LF-2025-0000001")
    assert [float(row[f"place_{axis}"]) for axis in ("longitude", "latitude")] == published["place"]["coordinates"]
    assert row["occurred_from"] == published["occurred_from"]
    assert row["occurred_until"] == published["occurred_until"]


def test_nothing_new_makes_no_copy_and_changes_no_file(portal: Portal) -> None:
    portal.pull()
    files = {path: path.read_bytes() for path in portal.store.folder.rglob("*") if path.is_file()}
    pulled = portal.pull()
    assert (pulled.received, pulled.fresh) == (0, 0)
    portal.dataset.later(hours=3)
    portal.dataset.change("case_number", "LF-2025-0000001")  # another stamp, the same content
    pulled = portal.pull()
    # All were stamped in the hour before the last stamp, which is asked for again.
    assert (pulled.received, pulled.fresh) == (1000, 0)
    assert {path: path.read_bytes() for path in files} == files
    # What was asked is remembered, although there was no copy to note it on.
    portal.dataset.later(minutes=1)
    portal.dataset.change("case_number", "LF-2025-0000002")
    assert portal.pull().received == 2


def test_the_next_pull_brings_only_what_changed(portal: Portal) -> None:
    portal.dataset.later(days=1)
    portal.dataset.insert([RECORDS[1010]])
    portal.pull()
    portal.dataset.later(days=1)
    portal.dataset.insert(RECORDS[1000:1009])
    portal.dataset.change("case_number", "LF-2025-0000003", offense="ARSON")
    before = len(portal.server.requests)
    pulled = portal.pull()
    assert (pulled.received, pulled.fresh) == (11, 10)  # one in the overlap, asked for again
    assert len(portal.server.requests) - before <= 8
    first, second = portal.entries
    assert (second.rows, second.replaces, second.current, first.current) == (10, True, True, True)
    assert portal.stored == portal.published
    assert portal.stored["LF-2025-0000003"] == "ARSON"


def test_a_broken_pull_goes_on_from_its_last_page(portal: Portal, stop_after: Callable[[int], None]) -> None:
    stop_after(3)
    with pytest.raises(KeyboardInterrupt):
        portal.pull()
    assert portal.entries == []
    stop_after(-1)
    seen: list[tuple[float, float | None]] = []
    before = len(portal.server.requests)
    assert portal.pull(progress=lambda _task, done, total: seen.append((done, total))).received == 1000
    assert seen[0] == (600, None)
    assert seen[1] == (800, 1000)
    assert portal.store.entries()[0].rows == 1000
    assert [r.query.get("$limit") for r in portal.server.requests[before:]].count("200") == 2
    assert portal.stored == portal.published


def test_a_kill_between_copy_and_manifest_or_before_clearing_up_does_no_harm(
    portal: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(RawStore, "record", die)
        portal.pull()
    assert portal.entries == []
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("crimepatterns.store.pending.shutil.rmtree", die)
        portal.pull()
    assert len(portal.entries) == 1
    assert (portal.store.folder / "pending").exists()
    assert portal.pull().fresh == 0
    assert not (portal.store.folder / "pending").exists()
    assert portal.stored == portal.published
    files = {path.name for path in (portal.store.folder / "files").iterdir()}
    assert files == {entry.file for entry in portal.entries}


def test_what_changed_since_a_pull_broke_off_comes_with_it(portal: Portal, stop_after: Callable[[int], None]) -> None:
    stop_after(3)
    with pytest.raises(KeyboardInterrupt):
        portal.pull()
    stop_after(-1)
    portal.dataset.later(days=3)
    portal.dataset.change("case_number", "LF-2025-0000001", offense="ARSON")
    portal.pull()
    assert len(portal.entries) == 1
    assert portal.stored == portal.published


def test_a_record_that_is_stamped_late_is_not_missed(portal: Portal) -> None:
    portal.dataset.later(days=1)
    portal.dataset.insert([RECORDS[1000]])
    portal.pull()
    portal.dataset.later(minutes=-30)
    portal.dataset.insert([RECORDS[1001]])
    assert portal.pull().fresh == 1
    assert portal.stored == portal.published


def test_changes_between_pages_are_there_at_once_or_after_the_next_pull(portal: Portal) -> None:
    def change(page: int) -> None:
        portal.dataset.later(minutes=1)
        if page == 2:
            portal.dataset.insert(RECORDS[1000:1050])
            portal.dataset.change("case_number", "LF-2025-0000001", offense="ARSON")  # its page has gone by
            portal.dataset.change("case_number", "LF-2025-0000900", offense="ARSON")  # its page is to come
            portal.dataset.delete("case_number", ["LF-2025-0000002", "LF-2025-0000901"])

    portal.dataset.between = change
    portal.pull()
    portal.dataset.between = lambda _: None
    added = {record["case_number"] for record in RECORDS[1000:1050]}
    lacking = {name for name, _ in portal.published.items() - portal.stored.items()}
    assert "LF-2025-0000001" in lacking
    assert lacking <= added | {"LF-2025-0000001"}
    portal.pull()
    assert portal.published.items() <= portal.stored.items()
    assert set(portal.stored) - set(portal.published) == {"LF-2025-0000002"}
    assert portal.reconcile().withdrawn == 1
    assert portal.stored == portal.published


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=429, headers={"Retry-After": "0"}),
        Fault(status=500, body=b'{"error": true}'),
        Fault(cut_after=700),
        Fault(body=b'[{"case_number": "LF-2'),
        Fault(hang_up=True),
        Fault(drip_bytes=40_000, drip_s=0.01),
        Fault(status=202, body=b""),
    ],
    ids=["429", "500", "cut", "half JSON", "hang-up", "slow", "202"],
)
def test_a_fault_in_the_middle_is_overcome(portal: Portal, fault: Fault) -> None:
    portal.server.faults.extend([None, None, None, fault, None, fault, fault])
    assert portal.pull().received == 1000
    assert portal.stored == portal.published


def test_a_portal_that_stays_down_stops_the_pull_and_not_what_came(portal: Portal) -> None:
    asked = iter(range(100))
    portal.server.fault_for = lambda _: Fault(status=503, headers={"Retry-After": "0"}) if next(asked) > 5 else None
    with pytest.raises(SourceError):
        portal.pull()
    asked = iter(range(-1000, 0))
    assert portal.pull().received == 1000
    assert portal.stored == portal.published
    listed = [r.query["$where"] for r in portal.server.requests if r.query.get("$limit") and "$where" in r.query]
    assert len(set(listed)) <= 5


def test_duplicate_pages_and_short_pages_double_nothing(portal: Portal) -> None:
    listings = iter(range(1000))
    first = [row for _, row in sorted(portal.dataset.rows.items())][:70]

    def stale(request: Received) -> Fault | None:
        """Answer the third listing with the first page again, as a cache may do."""
        again = "$limit" in request.query and next(listings) == 2
        return Fault(body=json.dumps(first).encode()) if again else None

    portal.server.fault_for = stale
    portal.dataset.page_cap = 70
    portal.pull()
    assert portal.stored == portal.published


def test_a_portal_that_grows_as_fast_as_it_is_read_does_not_hold_the_pull(portal: Portal) -> None:
    waiting = iter(RECORDS[1000:])
    portal.dataset.between = lambda _: portal.dataset.insert([next(waiting)])
    assert portal.pull().received == 1000
    portal.dataset.between = lambda _: None
    portal.pull()
    assert portal.stored == portal.published


def test_a_server_that_ignores_the_position_is_noticed(portal: Portal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SodaDataset, "_holds", lambda *_: True)
    with pytest.raises(SourceError, match="same rows again"):
        portal.pull()


def test_a_replaced_dataset_brings_only_what_differs(portal: Portal) -> None:
    portal.pull()
    portal.dataset.later(days=1)
    fresh = [{**RECORDS[0], "offense": "ARSON"}, *RECORDS[1:1005]]
    portal.dataset.replace(fresh)
    pulled = portal.pull()
    assert (pulled.received, pulled.fresh) == (1005, 6)
    assert portal.stored == portal.published


def test_a_dataset_without_a_stamp_is_compared_row_by_row(portal: Portal) -> None:
    def pull() -> Pulled:
        copy = replace(portal.copy, feed=replace(portal.copy.feed, update_column="none"))  # type: ignore[type-var]
        with portal.client as client:
            return pull_feed(portal.store, copy, client, entries=portal.entries)

    pull()
    portal.dataset.change("case_number", "LF-2025-0000003", offense="ARSON")
    pulled = pull()
    assert (pulled.received, pulled.fresh) == (1000, 1)
    assert portal.stored == portal.published


# -- schema ---------------------------------------------------------------------------------------------------------


def test_a_mapped_column_that_went_is_named(portal: Portal) -> None:
    portal.pull()
    portal.dataset.kinds.pop("offense")
    portal.dataset.later(days=1)
    portal.dataset.insert([{"case_number": "X1"}])
    with pytest.raises(SchemaError, match=r"no longer has the column 'offense' that columns\.category names"):
        portal.pull()
    assert len(portal.entries) == 1


def test_a_mapped_column_that_goes_while_pages_come_is_named(portal: Portal) -> None:
    def change(page: int) -> None:
        if page == 4:
            portal.dataset.kinds.pop("offense", None)

    portal.dataset.between = change
    with pytest.raises(SchemaError, match="'offense'"):
        portal.pull()
    assert portal.entries == []
    assert not (portal.store.folder / "pending").exists()


def test_other_columns_that_come_and_go_are_noted(portal: Portal) -> None:
    portal.pull()
    portal.dataset.kinds.pop("premise")
    portal.dataset.kinds.update({"ward": "text", "suspect_age": "number"})
    portal.dataset.later(days=1)
    portal.dataset.insert([{**RECORDS[1000], "ward": "7", "suspect_age": "31"}])
    notes = portal.pull().notes
    assert notes == [
        "abcd-1234 has a new column 'ward'; it is empty in older records.",
        "abcd-1234 no longer has the column 'premise'; it is empty in newer records.",
    ]
    assert portal.entries[-1].dropped_columns == ("victim_name", "suspect_age")
    assert stored_records(portal.store, "case_number")[RECORDS[1000]["case_number"]]["ward"] == "7"


def test_a_mapped_personal_column_is_refused(portal: Portal) -> None:
    copy = replace(portal.copy, mapped={"category": "victim_name"})
    with portal.client as client, pytest.raises(ConfigError, match="looks personal"):
        pull_feed(portal.store, copy, client, entries=[])


def test_an_empty_feed_says_so(portal: Portal) -> None:
    portal.dataset.rows.clear()
    with pytest.raises(SourceError, match=r"no records: check source\.feed\.where"):
        portal.pull()


# -- withdrawals ----------------------------------------------------------------------------------------------------


def test_withdrawn_records_are_listed_and_may_come_back(portal: Portal) -> None:
    portal.pull()
    portal.dataset.delete("case_number", ["LF-2025-0000001", "LF-2025-0000002"])
    found = portal.reconcile()
    assert (found.withdrawn, found.known) == (2, 1000)
    assert portal.entries[-1].columns == ("case_number",)
    assert portal.entries[-1].withdraws
    assert portal.stored == portal.published
    assert portal.reconcile().withdrawn == 0
    assert len(portal.entries) == 2
    portal.dataset.later(hours=2)
    portal.dataset.insert([RECORDS[0]])
    # Its content is what was stored before; it counts again all the same.
    assert portal.pull().fresh == 1
    assert portal.stored == portal.published


def test_a_listing_that_lacks_too_much_is_not_believed(portal: Portal) -> None:
    portal.pull()
    portal.dataset.delete("case_number", [record["case_number"] for record in RECORDS[:400]])
    with pytest.raises(SourceError, match=r"lists 600 of 1,000 known records"):
        portal.reconcile()
    assert len(portal.entries) == 1
    assert portal.reconcile(max_withdrawn=0.5).withdrawn == 400
    assert portal.stored == portal.published


def test_a_record_that_moved_to_another_feed_of_the_city_is_not_withdrawn(portal: Portal) -> None:
    other = SodaDataset(portal.server, "wxyz-9876", SODA_KINDS)
    other.insert(RECORDS[1000:1100])
    feed = replace(portal.copy.feed, dataset="wxyz-9876")  # type: ignore[type-var]
    copies = [portal.copy, replace(portal.copy, feed=feed, key="other")]
    with portal.client as client:
        for copy in copies:
            pull_feed(portal.store, copy, client, entries=portal.entries)
        moved = [record["case_number"] for record in RECORDS[:50]]
        portal.dataset.delete("case_number", moved)
        other.later(days=1)
        other.insert(RECORDS[:50])
        other.delete("case_number", [RECORDS[1000]["case_number"]])
        assert reconcile_feeds(portal.store, copies, client, entries=portal.entries).withdrawn == 1
        for copy in copies:
            pull_feed(portal.store, copy, client, entries=portal.entries)
        assert reconcile_feeds(portal.store, copies, client, entries=portal.entries).withdrawn == 0
    assert portal.stored == {**portal.published, **{row["case_number"]: row["offense"] for row in other.records}}


def test_a_feed_that_cannot_list_its_records_loses_none(portal: Portal) -> None:
    class Silent(SocrataFeed):
        def present_ids(self, _: HttpClient) -> Iterator[pa.Array] | None:  # type: ignore[override]
            return None

    feed = Silent(f"http://{portal.server.host}", "abcd-1234", "case_number")
    with portal.client as client:
        portal.pull()
        found = reconcile_feeds(portal.store, [replace(portal.copy, feed=feed)], client, entries=portal.entries)
    assert (found.withdrawn, found.unlisted) == (0, ("abcd-1234",))


def test_forgetting_what_an_unfinished_pull_left(portal: Portal, stop_after: Callable[[int], None]) -> None:
    stop_after(2)
    with pytest.raises(KeyboardInterrupt):
        portal.pull()
    discard_pending(portal.store)
    assert not (portal.store.folder / "pending").exists()


# -- the life of a portal -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_whatever_happens_the_store_ends_as_the_portal_stands(
    portal: Portal, stop_after: Callable[[int], None], seed: int
) -> None:
    """Random days: publishing, faults, changes between pages, kills at random pages, looks for withdrawals."""
    rng = np.random.default_rng(seed)
    waiting = list(RECORDS[1000:])
    portal.page_size = 150

    def publish(_: int = 0) -> None:
        portal.dataset.later(minutes=int(rng.integers(1, 500)))
        names = list(portal.published)
        if rng.random() < 0.5 and waiting:
            portal.dataset.insert([waiting.pop() for _ in range(min(len(waiting), int(rng.integers(1, 40))))])
        if rng.random() < 0.5:
            portal.dataset.change("case_number", str(rng.choice(names)), offense=str(rng.choice(["ARSON", "FRAUD"])))
        if rng.random() < 0.4:
            portal.dataset.delete("case_number", map(str, rng.choice(names, 3)))
        if rng.random() < 0.05:
            portal.dataset.replace(portal.dataset.records)

    portal.server.fault_for = RandomFaults(rng, share=0.1)
    for _ in range(6):
        portal.dataset.between = publish if rng.random() < 0.5 else lambda _: None
        stop_after(int(rng.integers(0, 8)))
        try:
            portal.pull()
            if rng.random() < 0.3:
                portal.reconcile()
        except KeyboardInterrupt:
            pass
        stop_after(-1)
        publish()
    portal.dataset.between = lambda _: None
    portal.pull()
    portal.reconcile()
    assert portal.stored == portal.published


def test_the_clock_may_be_set_back(portal: Portal) -> None:
    portal.pull(now=lambda: datetime(2030, 1, 1, tzinfo=UTC))
    portal.dataset.later(days=1)
    portal.dataset.change("case_number", "LF-2025-0000003", offense="ARSON")
    portal.pull(now=lambda: datetime(2029, 1, 1, tzinfo=UTC))
    assert [entry.replaces for entry in portal.entries] == [False, True]
    assert portal.stored == portal.published


def test_progress_tells_rate_and_remaining_time(portal: Portal, monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = iter(range(0, 1000, 2))
    monkeypatch.setattr(feed_copy, "Speed", lambda rows: Speed(rows, clock=lambda: float(next(seconds))))
    told: list[str] = []
    portal.pull(progress=lambda task, _done, _total: told.append(task))
    assert told[0] == "Pulling abcd-1234"
    assert told[1] == "Pulling abcd-1234 · 200 of 1,000 rows, 100 rows/s, 8 s left"
