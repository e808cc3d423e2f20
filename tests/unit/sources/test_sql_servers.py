"""PostgreSQL and PostGIS for real: types, geometries, passwords that stay secret, a server that dies on the way."""

import sqlite3
import struct
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from crimepatterns.errors import ConfigError, SourceError
from crimepatterns.sources.feed_copy import FeedCopy, pull_feed
from crimepatterns.sources.http_client import HttpClient, HttpPolicy
from crimepatterns.sources.sql_database import SqlDatabase
from crimepatterns.store.raw import RawEntry, RawStore
from free_port import free_port
from servers.postgres import PASSWORD, PostgresServer
from servers.stored import stored_records

VARIABLE = "TEST_RECORDS_DATABASE"


@pytest.fixture
def records(postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Make a database of these statements and put its address into the environment; return its name."""

    def make(*statements: str) -> str:
        name = postgres.database(*statements)
        monkeypatch.setenv(VARIABLE, postgres.url(name))
        return name

    return make


@pytest.fixture
def geodatabase(postgres: PostgresServer, records: Callable[..., str]) -> Callable[..., str]:
    if not postgres.run("postgres", "SELECT 1 FROM pg_available_extensions WHERE name = 'postgis'"):
        pytest.skip("PostGIS is missing (make setup-system, as root on Debian)")
    return lambda *statements: records("CREATE EXTENSION postgis", *statements)


def rows_of(**options: Any) -> list[dict[str, Any]]:
    feed = SqlDatabase(**{"id_column": "id", "environment": VARIABLE, **options})
    return [row for page in feed.pull(None, {}) for row in page.batch.to_pylist()]


def test_the_server_of_the_tests_is_run_by_an_ordinary_user(postgres: PostgresServer) -> None:
    assert postgres.user != 0


def test_types_of_postgresql_become_text(records: Callable[..., str]) -> None:
    records(
        """CREATE TABLE incidents AS SELECT 'c2f1a6de-0000-4000-8000-000000000001'::uuid AS id,
           '2024-07-01 12:00:00.25-05'::timestamptz AS reported, '2024-07-01 12:00:00'::timestamp AS occurred,
           '2024-07-01'::date AS day, '23:15'::time AS clock, 1.50::numeric AS amount,
           0.1::float8 AS share, 4::float8 AS beat, true AS arrest,
           ARRAY['a', 'b'] AS tags, '{"k": [1, null]}'::jsonb AS notes, NULL::text AS nothing,
           'Straße 😀'::text AS street, '\\xffd8'::bytea AS photo, interval '90 minutes' AS lasted"""
    )
    (row,) = rows_of(table="incidents")
    assert row == {
        "id": "c2f1a6de-0000-4000-8000-000000000001", "reported": "2024-07-01 17:00:00.250000+00:00",
        "occurred": "2024-07-01 12:00:00", "day": "2024-07-01", "clock": "23:15:00", "amount": "1.50", "share": "0.1",
        "beat": "4", "arrest": "true", "tags": '["a", "b"]', "notes": '{"k": [1, null]}', "nothing": None,
        "street": "Straße 😀", "lasted": "1:30:00",
    }  # fmt: skip


def test_stamps_with_a_zone_and_keys_of_any_type(postgres: PostgresServer, records: Callable[..., str]) -> None:
    name = records(
        """CREATE TABLE incidents AS SELECT md5(i::text)::uuid AS id, '2024-03-10 00:00-06'::timestamptz
           + i * interval '1 hour' AS changed FROM generate_series(1, 60) AS s(i)"""
    )
    feed = SqlDatabase(
        "id", table="incidents", environment=VARIABLE, update_column="changed", page_size=25, overlap_minutes=0
    )
    pages = list(feed.pull(None, {}))
    assert sum(page.batch.num_rows for page in feed.pull(None, pages[0].cursor)) == 35
    postgres.run(name, "UPDATE incidents SET changed = now() WHERE id = md5('7')::uuid")
    assert sum(page.batch.num_rows for page in feed.pull(None, pages[-1].cursor)) == 2


def test_days_of_a_window_begin_in_the_city(records: Callable[..., str]) -> None:
    records(
        """CREATE TABLE incidents AS SELECT i AS id, '2024-03-01 00:00+00'::timestamptz + i * interval '1 hour' AS at
           FROM generate_series(0, 60) AS s(i)"""
    )
    options = {"table": "incidents", "time_column": "at", "start": "2024-03-01", "end": "2024-03-02"}
    assert [int(row["id"]) for row in rows_of(timezone="America/Chicago", **options)] == list(range(6, 30))
    assert [int(row["id"]) for row in rows_of(**options)] == list(range(24))


def test_a_query_cannot_change_anything_even_through_a_function(
    postgres: PostgresServer, records: Callable[..., str]
) -> None:
    name = records(
        "CREATE TABLE incidents (id int)",
        "INSERT INTO incidents VALUES (1)",
        "CREATE FUNCTION wipe() RETURNS int LANGUAGE sql AS 'DELETE FROM incidents RETURNING id'",
    )
    with pytest.raises(SourceError, match="read-only transaction"):
        rows_of(query="SELECT wipe() AS id")
    assert postgres.run(name, "SELECT count(*) FROM incidents") == [(1,)]


def test_all_pages_are_of_one_snapshot_and_few_rows_are_held(
    postgres: PostgresServer, records: Callable[..., str]
) -> None:
    name = records("CREATE TABLE incidents AS SELECT i AS id FROM generate_series(1, 5000) AS s(i)")
    pages = SqlDatabase("id", table="incidents", environment=VARIABLE, page_size=100).pull(None, {})
    first = next(pages)
    asked = postgres.run(name, "SELECT query, state FROM pg_stat_activity WHERE application_name = 'crimepatterns'")
    assert asked == [(asked[0][0], "idle in transaction")]
    assert asked[0][0].startswith("FETCH FORWARD")
    postgres.run(name, "DELETE FROM incidents")
    assert first.batch.num_rows + sum(page.batch.num_rows for page in pages) == 5000


def test_points_of_postgis_become_degrees_as_postgis_computes_them(
    postgres: PostgresServer, geodatabase: Callable[..., str]
) -> None:
    name = geodatabase(
        "CREATE TABLE incidents (id int, geom geometry)",
        """INSERT INTO incidents SELECT i, ST_SetSRID(ST_MakePoint(-87.9 + i * 0.01, 41.6 + i * 0.005), 4326)
           FROM generate_series(1, 20) AS s(i)""",
        "INSERT INTO incidents SELECT 100 + id, ST_Transform(geom, 26916) FROM incidents WHERE id <= 20",
        "INSERT INTO incidents SELECT 200 + id, ST_Transform(ST_Force3D(geom), 3435) FROM incidents WHERE id <= 20",
        """INSERT INTO incidents VALUES (301, NULL), (302, 'SRID=4326;POINT EMPTY'),
           (303, 'SRID=4326;LINESTRING(0 0,1 1)'), (304, ST_SetSRID(ST_MakePoint('Infinity', 'Infinity'), 3435))""",
    )
    computed = postgres.run(
        name,
        """SELECT ST_X(g), ST_Y(g) FROM (SELECT id, ST_Transform(geom, 4326) AS g FROM incidents WHERE id < 300) t
           ORDER BY id""",
    )
    found = rows_of(table="incidents")
    assert list(found[0]) == ["id", "longitude", "latitude"]
    places = np.array([(float(row["longitude"]), float(row["latitude"])) for row in found[:60]])
    # 1e-8 degrees are a millimetre.
    np.testing.assert_allclose(places, np.array(computed), rtol=0, atol=1e-8)
    assert [row["longitude"] for row in found[60:]] == [None] * 4


def test_geographies_named_axes_and_systems_that_are_not_written_down(geodatabase: Callable[..., str]) -> None:
    geodatabase(
        """CREATE TABLE incidents AS SELECT 1 AS id, 'POINT(-87.65 41.9)'::geography AS seen, 'kept'::text AS longitude,
           ST_MakePoint(1176000, 1905000) AS block""",
    )
    (row,) = rows_of(table="incidents", srid=3435)
    assert row["longitude"] == "kept"
    assert (row["seen_longitude"], row["seen_latitude"]) == ("-87.65", "41.9")
    assert float(row["block_longitude"]) == pytest.approx(-87.63, abs=0.02)
    with pytest.raises(
        SourceError, match=r"column block is in the unknown reference system 999999: set source\.feed\.srid"
    ):
        rows_of(table="incidents", srid=999999)


@pytest.mark.parametrize("kind", ["sqlite", "duckdb"])
def test_well_known_binary_in_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    path = tmp_path / f"r.{kind}"
    connect: Any = sqlite3.connect if kind == "sqlite" else duckdb.connect
    connection = connect(str(path))
    connection.execute("CREATE TABLE incidents (id INTEGER, place BLOB, photo BLOB)")
    point = struct.pack("<bIdd", 1, 1, 445000.0, 4640000.0)
    connection.execute("INSERT INTO incidents VALUES (1, ?, ?), (2, NULL, NULL)", [point, b"\xff\xd8"])
    if kind == "duckdb":
        connection.execute("CREATE TABLE typed AS SELECT 1 AS id, 'POINT (-87.5 41.25)'::GEOMETRY AS place")
    else:
        connection.commit()
    connection.close()
    monkeypatch.setenv(VARIABLE, f"{kind}:///{path}")
    first, second = rows_of(table="incidents", geometry_column="place", srid=26916)
    assert float(first["longitude"]) == pytest.approx(-87.664, abs=0.001)
    assert float(first["latitude"]) == pytest.approx(41.910, abs=0.001)
    assert second["longitude"] is None
    assert first.get("photo") is None
    if kind == "duckdb":
        assert rows_of(table="typed") == [{"id": "1", "longitude": "-87.5", "latitude": "41.25"}]


def test_a_query_of_duckdb_reaches_no_other_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "other.csv").write_text("id\n1\n", encoding="utf-8")
    duckdb.connect(str(tmp_path / "r.duckdb")).close()
    monkeypatch.setenv(VARIABLE, f"duckdb:///{tmp_path}/r.duckdb")
    with pytest.raises(SourceError, match="disabled by configuration"):
        rows_of(query=f"SELECT * FROM read_csv('{tmp_path}/other.csv')")  # noqa: S608  # the test's own path


# -- addresses --------------------------------------------------------------------------------------------------------


def failure(**options: Any) -> str:
    """Return the message and everything a traceback would show."""
    with pytest.raises((SourceError, ConfigError)) as caught:
        rows_of(**{"table": "incidents", **options})
    shown = "".join(traceback.format_exception(caught.value))
    for secret in (PASSWORD, quote(PASSWORD, safe=""), "wr0ng"):
        assert secret not in shown
        assert secret not in repr(caught.value)
    return str(caught.value)


def test_a_wrong_password_is_refused_and_not_repeated(
    postgres: PostgresServer, records: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    name = records("CREATE TABLE incidents (id int)")
    monkeypatch.setenv(VARIABLE, f"postgresql://analyst:wr0ng-Pass@127.0.0.1:{postgres.port}/{name}")
    message = failure()
    assert f"postgresql://127.0.0.1:{postgres.port}/{name} cannot be opened" in message
    assert "password authentication failed" in message
    assert f"check The environment variable {VARIABLE}".lower() in message.lower()


def test_a_closed_door_and_a_missing_database(
    postgres: PostgresServer, unused_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, f"postgresql://analyst:wr0ng@127.0.0.1:{unused_port}/records")
    assert "Connection refused" in failure()
    monkeypatch.setenv(VARIABLE, postgres.url("no_such_database"))
    assert 'database "no_such_database" does not exist' in failure()


@pytest.fixture
def unused_port() -> int:
    return free_port()


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("", "is not set"),
        ("postgresql://user:wr0ng@host:port/db", "does not hold the address of a database"),
        ("wr0ng", "does not hold the address of a database"),
        ("sqlite://", "does not hold the address of a database"),
        ("oracle+nothing://u:wr0ng@h/d", "a kind of database that is not known"),
        ("mysql+pymysql://u:wr0ng@127.0.0.1:1/d", r"mysql needs the Python package pymysql: pip install pymysql"),
        ("sqlite:////no/such/file.db", "sqlite:////no/such/file.db does not exist"),
        ("duckdb:////no/such/file.db", "does not exist"),
    ],
)
def test_addresses_that_lead_nowhere(monkeypatch: pytest.MonkeyPatch, address: str, message: str) -> None:
    monkeypatch.setenv(VARIABLE, address)
    assert message in failure()


def test_a_password_has_no_place_in_the_settings() -> None:
    for address in (
        "postgresql://u:wr0ng@h/d",
        "postgresql://h/d?user=u&password=wr0ng",
        "postgresql://h/d?sslpassword=wr0ng",
    ):
        message = failure(environment=None, address=address)
        assert "source.feed.database holds a password" in message
    assert "must name the environment variable" in failure(environment=None)


def test_a_file_that_is_no_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "r.db"
    path.write_text("id,what\n1,THEFT\n" * 200, encoding="utf-8")
    for kind in ("sqlite", "duckdb"):
        monkeypatch.setenv(VARIABLE, f"{kind}:///{path}")
        assert str(path) in failure()


# -- from the database into the raw store -----------------------------------------------------------------------------


@pytest.fixture
def client() -> Iterator[HttpClient]:
    with HttpClient(HttpPolicy()) as client:
        yield client


def copy_of(**options: Any) -> FeedCopy:
    feed = SqlDatabase(**{"id_column": "id", "environment": VARIABLE, "table": "incidents", **options})
    return FeedCopy(feed, key=feed.key)


def entries_of(store: RawStore) -> list[RawEntry]:
    return [entry for entry in store.entries() if entry.current]


def in_database(server: PostgresServer, name: str) -> dict[str, str]:
    return {str(number): what for number, what in server.run(name, "SELECT id, what FROM incidents")}


def in_store(store: RawStore) -> dict[str, str]:
    return {number: row["what"] for number, row in stored_records(store, "id").items()}


def test_changes_arrive_in_the_raw_store_and_names_of_people_do_not(
    postgres: PostgresServer, records: Callable[..., str], client: HttpClient, tmp_path: Path
) -> None:
    name = records(
        """CREATE TABLE incidents AS SELECT i AS id, 'THEFT' AS what, 'Zsazsa Qx'::text AS victim_name,
           '2024-01-01'::timestamp + i * interval '1 minute' AS changed FROM generate_series(1, 500) AS s(i)"""
    )
    store, copy = RawStore(tmp_path / "raw"), copy_of(update_column="changed", page_size=100)
    assert pull_feed(store, copy, client, entries=[]).fresh == 500
    assert pull_feed(store, copy, client, entries=entries_of(store)).fresh == 0
    postgres.run(
        name,
        "UPDATE incidents SET what = 'ROBBERY', changed = '2024-06-01' WHERE id % 100 = 0",
        "INSERT INTO incidents VALUES (501, 'ARSON', 'Zsazsa Qx', '2024-06-01')",
    )
    assert pull_feed(store, copy, client, entries=entries_of(store)).fresh == 6
    assert in_store(store) == in_database(postgres, name)
    assert {entry.dropped_columns for entry in entries_of(store)} == {("victim_name",)}
    assert not any(b"Zsazsa" in path.read_bytes() for path in (tmp_path / "raw").rglob("*") if path.is_file())
    assert not any(PASSWORD.encode() in path.read_bytes() for path in (tmp_path / "raw").rglob("*") if path.is_file())


def test_a_server_that_dies_on_the_way_costs_nothing(
    client: HttpClient, tmp_path: Path, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert postgres.port  # there is a PostgreSQL here
    with PostgresServer() as server:
        name = server.database(
            """CREATE TABLE incidents AS SELECT i AS id, repeat('x', 500) || i AS what, '2024-01-01'::timestamp
               + i * interval '1 second' AS changed FROM generate_series(1, 20000) AS s(i)"""
        )
        monkeypatch.setenv(VARIABLE, server.url(name))
        store, copy = RawStore(tmp_path / "raw"), copy_of(update_column="changed", page_size=1000)
        seen = []

        def crash_after_a_while(_task: str, done: float, total: float | None) -> None:
            seen.append((done, total))
            if done == 5000:
                server.crash()

        with pytest.raises(
            SourceError, match=r"was lost on the way .*: run ingest again, it goes on from the last page"
        ):
            pull_feed(store, copy, client, entries=[], progress=crash_after_a_while)
        assert not store.entries()
        server.start()
        server.run(name, "UPDATE incidents SET what = 'late', changed = '2024-06-01' WHERE id = 17")
        seen.clear()
        pull_feed(store, copy, client, entries=[], progress=lambda _task, done, total: seen.append((done, total)))
        # It went on where it was.
        assert seen[0][0] >= 5000
        assert in_store(store) == in_database(server, name)


def test_present_ids_are_written_as_in_the_pages(records: Callable[..., str]) -> None:
    records("CREATE TABLE incidents AS SELECT (i * 1.50)::numeric(9, 2) AS id FROM generate_series(1, 30) AS s(i)")
    feed = SqlDatabase("id", table="incidents", environment=VARIABLE, page_size=7)
    pulled = pa.concat_arrays([page.batch.column("id") for page in feed.pull(None, {})])
    assert pa.concat_arrays(list(feed.present_ids(None))).to_pylist() == pulled.to_pylist()
    assert pulled[0].as_py() == "1.50"
