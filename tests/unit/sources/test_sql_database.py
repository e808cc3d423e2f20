"""Databases as feeds: everything, then what changed; the same from PostgreSQL, SQLite and DuckDB."""

import json
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from crimepatterns.errors import ConfigError, SourceError
from crimepatterns.sources.feed import Page
from crimepatterns.sources.sql_database import SqlDatabase

VARIABLE = "TEST_RECORDS_DATABASE"
COLUMNS = ("case_id", "occurred", "what", "lon", "lat", "changed")
ROWS = [
    ("C-01", "2024-01-31 23:30:00", "THEFT", "-87.65", "41.9", "2024-02-01 08:00:00"),
    ("C-02", "2024-02-01 00:00:00", "BURGLARY", "-87.66", "41.8", "2024-02-01 08:00:00"),
    ("C-03", "2024-02-10 12:15:30", "THEFT: FROM 50% OFF", None, None, "2024-02-11 09:30:00"),
    ("C-04", "2024-02-28 06:00:00", "Überfall", "-87.61", "41.85", "2024-03-01 00:00:00"),
    ("C-05", "2024-03-01 00:00:00", None, "-87.62", "41.86", "2024-03-01 00:00:00"),
    ("C-06", "2024-03-02 18:45:00", "THEFT", "-87.63", "41.87", None),
]
TABLE = """CREATE TABLE incidents (case_id VARCHAR(20), occurred TIMESTAMP, what VARCHAR(60), lon DOUBLE PRECISION,
           lat DOUBLE PRECISION, changed TIMESTAMP)"""


class Database:
    """One database of any kind: runs statements, and makes the feed under test."""

    def __init__(self, kind: str, url: str, run: Callable[..., object]) -> None:
        self.kind, self.url, self.run = kind, url, run

    def feed(self, **options: Any) -> SqlDatabase:
        if "query" not in options:
            options.setdefault("table", "incidents")
        return SqlDatabase(environment=VARIABLE, **{"id_column": "case_id", **options})

    def fill(self, rows: list[tuple[Any, ...]] = ROWS) -> None:
        values = ", ".join("({})".format(", ".join(map(literal, row))) for row in rows)
        self.run(TABLE, *([f"INSERT INTO incidents VALUES {values}"] if rows else []))  # noqa: S608  # our own rows


def literal(value: Any) -> str:
    if value is None:
        return "NULL"
    return str(value) if isinstance(value, int | float) else "'{}'".format(str(value).replace("'", "''"))


def run_sqlite(path: Path) -> Callable[..., object]:
    def run(*statements: str) -> None:
        with sqlite3.connect(path) as connection:
            for statement in statements:
                connection.execute(statement)
        connection.close()

    return run


def run_duckdb(path: Path) -> Callable[..., object]:
    def run(*statements: str) -> None:
        with duckdb.connect(str(path)) as connection:
            for statement in statements:
                connection.execute(statement)

    return run


@pytest.fixture(params=["sqlite", "duckdb", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Database:
    if request.param == "postgresql":
        server = request.getfixturevalue("postgres")
        name = server.database()
        made = Database("postgresql", server.url(name), lambda *statements: server.run(name, *statements))
    else:
        path = tmp_path / f"records.{request.param}"
        run = run_sqlite(path) if request.param == "sqlite" else run_duckdb(path)
        made = Database(request.param, f"{request.param}:///{path}", run)
    monkeypatch.setenv(VARIABLE, made.url)
    return made


def pulled(pages: Iterator[Page]) -> tuple[list[tuple[Any, ...]], dict[str, Any]]:
    """Return the rows and the cursor of a finished pull, as it comes out of JSON."""
    rows, cursor = [], {}
    for page in pages:
        assert all(field.type == pa.string() for field in page.batch.schema)
        rows += [tuple(row.values()) for row in page.batch.to_pylist()]
        cursor = json.loads(json.dumps(page.cursor))
    return rows, cursor


def ids(rows: list[tuple[Any, ...]]) -> list[str]:
    return [row[0] for row in rows]


def test_everything_arrives_as_text_in_pages(database: Database) -> None:
    database.fill()
    pages = list(database.feed(page_size=2).pull(None, {}))
    assert [page.batch.num_rows for page in pages] == [2, 2, 2, 0]
    assert {page.total for page in pages} == {len(ROWS)}
    assert all(tuple(page.batch.schema.names) == COLUMNS for page in pages)
    assert pulled(iter(pages))[0] == ROWS


def test_without_an_update_column_each_pull_reads_everything(database: Database) -> None:
    database.fill()
    feed = database.feed()
    rows, cursor = pulled(feed.pull(None, {}))
    database.run("UPDATE incidents SET what = 'ARSON' WHERE case_id = 'C-01'")
    again, _ = pulled(feed.pull(None, cursor))
    assert ids(again) == ids(rows)
    assert again[0][2] == "ARSON"


def test_with_an_update_column_only_changes_come(database: Database) -> None:
    database.fill()
    feed = database.feed(update_column="changed", overlap_minutes=0)
    first, cursor = pulled(feed.pull(None, {}))
    # Records without a stamp first, then by stamp and id.
    assert ids(first) == ["C-06", "C-01", "C-02", "C-03", "C-04", "C-05"]
    database.run(
        "UPDATE incidents SET what = 'ARSON', changed = '2024-03-05 10:00:00' WHERE case_id = 'C-02'",
        "UPDATE incidents SET changed = '2024-03-04 10:00:00' WHERE case_id = 'C-06'",
        "INSERT INTO incidents VALUES ('C-00', '2024-03-05 01:00:00', 'THEFT', 1, 2, '2024-03-05 09:00:00')",
        "INSERT INTO incidents VALUES ('C-07', '2024-03-05 01:00:00', 'THEFT', 1, 2, NULL)",
        "DELETE FROM incidents WHERE case_id = 'C-03'",
    )
    changes, cursor = pulled(feed.pull(None, cursor))
    # Those of the last stamp come again: others of the same moment may have been committed since.
    assert ids(changes) == ["C-07", "C-04", "C-05", "C-06", "C-00", "C-02"]
    assert changes[-1][2] == "ARSON"
    assert ids(pulled(feed.pull(None, cursor))[0]) == ["C-07", "C-02"]
    present = [name for array in feed.present_ids(None) for name in array.to_pylist()]
    assert sorted(present) == ["C-00", "C-01", "C-02", "C-04", "C-05", "C-06", "C-07"]


def test_an_overlap_asks_again_for_what_was_stamped_late(database: Database) -> None:
    database.fill(ROWS[:5])
    _, cursor = pulled(database.feed(update_column="changed").pull(None, {}))
    database.run("INSERT INTO incidents VALUES ('C-09', '2024-02-29 01:00:00', 'THEFT', 1, 2, '2024-02-29 23:10:00')")
    assert "C-09" not in ids(pulled(database.feed(update_column="changed", overlap_minutes=30).pull(None, cursor))[0])
    assert "C-09" in ids(pulled(database.feed(update_column="changed", overlap_minutes=60).pull(None, cursor))[0])


def test_a_stamp_from_a_wrong_clock_hides_nothing(database: Database) -> None:
    database.fill([*ROWS[:5], ("C-08", "2024-03-03 00:00:00", "THEFT", None, None, "2999-01-01 00:00:00")])
    feed = database.feed(update_column="changed")
    _, cursor = pulled(feed.pull(None, {}))
    database.run("UPDATE incidents SET what = 'ARSON', changed = CURRENT_TIMESTAMP WHERE case_id = 'C-01'")
    assert ids(pulled(feed.pull(None, cursor))[0]) == ["C-01", "C-08"]


@pytest.mark.parametrize("update_column", [None, "changed"])
def test_a_broken_pull_goes_on_after_any_page(database: Database, update_column: str | None) -> None:
    # Many records of one stamp, and some without.
    stamps = [None if i % 5 == 0 else f"2024-01-0{1 + i // 20} 00:00:00" for i in range(40)]
    rows = [(f"C-{i:02d}", "2024-01-01 00:00:00", "THEFT", 1.5, 2.5, stamp) for i, stamp in enumerate(stamps)]
    database.fill(rows)
    feed = database.feed(update_column=update_column, page_size=7)
    pages = list(feed.pull(None, {}))
    whole = ids(pulled(iter(pages))[0])
    assert sorted(whole) == [row[0] for row in rows]
    for k in range(1, len(pages)):
        before, cursor = pulled(iter(pages[:k]))
        after, end = pulled(feed.pull(None, cursor))
        assert ids(before) + ids(after) == whole
        assert end["finished"]


def test_a_window_of_time_is_half_open(database: Database) -> None:
    database.fill()
    feed = database.feed(time_column="occurred", start="2024-02-01", end="2024-03-01")
    assert ids(pulled(feed.pull(None, {}))[0]) == ["C-02", "C-03", "C-04"]
    assert sum(len(part) for part in feed.present_ids(None)) == 3
    assert feed.key != database.feed(time_column="occurred", start="2024-02-01").key


def test_a_query_may_hold_colons_percent_signs_and_comments(database: Database) -> None:
    database.fill()
    query = """
        -- thefts; only those
        WITH chosen AS (SELECT case_id, what, occurred FROM incidents WHERE what LIKE '%: FROM 50%' /* : */)
        SELECT case_id AS id, what, CAST(occurred AS DATE) AS "The Day", '12:30' AS "at" FROM chosen; -- all: of them
    """
    feed = database.feed(query=query, id_column="id")
    (page, _) = feed.pull(None, {})
    assert page.batch.schema.names == ["id", "what", "The Day", "at"]
    assert page.batch.column("what").to_pylist() == ["THEFT: FROM 50% OFF"]
    assert page.batch.column("at").to_pylist() == ["12:30"]
    assert feed.name.startswith("sql-")


def test_numbers_as_ids_are_compared_as_numbers(database: Database) -> None:
    database.run("CREATE TABLE incidents (case_id BIGINT, changed INTEGER)")
    values = ", ".join(str((i * 5_000_000_000, i % 3)) for i in range(1, 25))
    database.run(f"INSERT INTO incidents VALUES {values}")  # noqa: S608  # our own rows
    rows, cursor = pulled(database.feed(page_size=4).pull(None, {}))
    assert ids(rows) == [str(i * 5_000_000_000) for i in range(1, 25)]
    feed = database.feed(update_column="changed", page_size=4)
    pages = list(feed.pull(None, {}))
    assert len(pulled(feed.pull(None, pages[2].cursor))[0]) == 24 - 12
    _, cursor = pulled(iter(pages))
    database.run("UPDATE incidents SET changed = 9 WHERE case_id = 5000000000")
    assert ids(pulled(feed.pull(None, cursor))[0])[-1] == "5000000000"


def test_a_description_and_a_sample(database: Database) -> None:
    database.fill()
    described = database.feed(update_column="changed").describe(None)
    assert (described.title, described.rows, described.names) == ("incidents", 6, COLUMNS)
    assert database.feed().sample(None, 2).num_rows == 2


def test_a_view_is_a_table_too_and_names_are_quoted(database: Database) -> None:
    database.run(
        'CREATE TABLE "Select" ("Case Id" VARCHAR(9), "what""s" VARCHAR(9))', "INSERT INTO \"Select\" VALUES ('a', 'b')"
    )
    database.run('CREATE VIEW listed AS SELECT * FROM "Select"')
    for table in ("Select", "listed"):
        (page, _) = database.feed(table=table, id_column="Case Id").pull(None, {})
        assert page.batch.to_pylist() == [{"Case Id": "a", 'what"s': "b"}]


def test_an_empty_table_gives_its_columns(database: Database) -> None:
    database.fill([])
    (page,) = database.feed(update_column="changed").pull(None, {})
    assert (tuple(page.batch.schema.names), page.batch.num_rows) == (COLUMNS, 0)


WRONG = [
    ({"table": "incident"}, ConfigError, r"names 'incident', which .* does not have; did you mean 'incidents'\?"),
    (
        {"id_column": "caseid"},
        ConfigError,
        r"id_column names 'caseid', .*; did you mean 'case_id'\? Found: case_id, occ",
    ),
    ({"update_column": "stamp"}, ConfigError, "update_column names 'stamp'"),
    ({"time_column": "nothing", "start": "2024-01-01"}, ConfigError, "names 'nothing'"),
    ({"start": "2024-01-01"}, ConfigError, r"need columns\.occurred_from"),
    ({"id_column": "what"}, SourceError, "'what' is missing in 1 and repeated in 1 records of incidents"),
    ({"query": "SELECT nonsense FROM incidents"}, SourceError, "refused"),
    ({"query": "SELEC 1"}, ConfigError, "must be a SELECT statement, but it begins with 'SELEC'"),
    ({"query": "DELETE FROM incidents"}, ConfigError, "must be a SELECT statement, but it begins with 'DELETE'"),
    ({"query": "-- SELECT\nDROP TABLE incidents"}, ConfigError, "begins with 'DROP'"),
    ({"query": "SELECT 1; DELETE FROM incidents"}, ConfigError, "several, parted by semicolons"),
    ({"query": "SELECT * INTO mine FROM incidents"}, ConfigError, "holds the word INTO"),
    ({"query": "WITH x AS (DELETE FROM incidents RETURNING *) SELECT * FROM x"}, ConfigError, "holds the word DELETE"),
    ({"query": ""}, ConfigError, "must be a SELECT statement"),
    ({"geometry_column": "what"}, SourceError, "The column what does not hold well-known binary"),
]


@pytest.mark.parametrize(("options", "error", "message"), WRONG, ids=[message[:40] for _, _, message in WRONG])
def test_what_is_wrong_is_said_and_nothing_is_changed(
    database: Database, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    database.fill()
    with pytest.raises(error, match=message):
        list(database.feed(**options).pull(None, {}))
    assert len(pulled(database.feed().pull(None, {}))[0]) == len(ROWS)


def test_records_without_id_are_not_lost_in_silence(database: Database) -> None:
    database.fill([*ROWS, (None, "2024-03-02 18:45:00", "THEFT", None, None, None)])
    with pytest.raises(SourceError, match="missing in 1 and repeated in 0"):
        list(database.feed().pull(None, {}))


def test_either_table_or_query() -> None:
    with pytest.raises(ConfigError, match="Either"):
        SqlDatabase("id", environment=VARIABLE)
    with pytest.raises(ConfigError, match="Either"):
        SqlDatabase("id", table="a", query="SELECT 1", environment=VARIABLE)
