"""Incident records in a database: one table or one SELECT query, everything at first and later what changed.

Data sheet
----------
Publisher : your own records management system, data warehouse or a file of SQLite or DuckDB; any database for which
    SQLAlchemy has a dialect and a driver is installed. The extra ``sql`` brings SQLAlchemy and PostgreSQL's driver.
Rhythm : as you run it. With an update column each pull asks for records whose stamp is not older than the last one seen
    less an overlap; records without a stamp are read each time. Without an update column each pull reads everything.
    What has not changed is recognised by its content and not stored again; withdrawn records are found by their ids.
Place : columns of coordinates as they are, or a geometry column of PostGIS, or well-known binary: points become
    ``longitude`` and ``latitude`` in WGS84 (of ``geom`` also ``geom_longitude`` where the names are taken); lines and
    polygons do not become points.
Time : moments with a zone are asked for and delivered in UTC; moments without one are left as they are.
Privacy : the connection can only read: a read-only transaction on PostgreSQL, files opened read-only and without access
    to other files, a single SELECT everywhere. On other servers give a user that has no other rights. The address with
    its password comes from an environment variable and appears in no file and no message. Columns that look personal
    are left out before anything is stored; better still, name the columns you need in ``query``. Binary columns such as
    photographs are never read.
Known defects : a transaction that commits later than the overlap with an earlier stamp is missed until its record
    changes again. Text is compared as text: ``start`` and ``end`` need dates written year first. A stamp of PostgreSQL
    that is ``infinity`` cannot be read: leave such records out by ``query``.
Documentation : SQLAlchemy 2 (Working with Engines and Connections, streaming results), PostgreSQL (DECLARE, SET
    TRANSACTION), PostGIS (Extended WKB), DuckDB (Securing DuckDB).
Run against a real PostgreSQL server with PostGIS, SQLite and DuckDB, which the tests start.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pyarrow as pa

from crimepatterns.errors import ConfigError, SourceError
from crimepatterns.sources.feed import FeedColumn, FeedDescription, Page, file_safe
from crimepatterns.sources.sql_values import key_from_json, key_to_json, points_of, stepped_back, text_column

if TYPE_CHECKING:
    import sqlalchemy as sa

    from crimepatterns.sources.http_client import HttpClient
    from crimepatterns.sources.sql_address import DatabaseAddress
    from crimepatterns.sources.sql_connection import DatabaseSession, Kinds
    from crimepatterns.sources.sql_selection import Relation

__all__ = ["SqlDatabase"]


@dataclass(frozen=True)
class SqlDatabase:
    """A table or query of a database, as a feed.

    Parameters
    ----------
    id_column : str
        What identifies a record; without gaps and without repeats.
    table, query : str, optional
        One of the two; a table may carry its schema, ``records.incidents``.
    environment : str, optional
        Environment variable that holds the address of the database.
    address : str, optional
        The address itself, where it holds no password.
    update_column : str, optional
        Stamp or number that grows whenever a record is changed.
    time_column : str, optional
        Bounded by `start` and `end`, which are days such as 2024-01-31, half-open.
    timezone : str
        In which the days begin, for moments that carry a zone.
    geometry_column : str, optional
        Well-known binary; not needed for columns of PostGIS.
    srid : int
        Reference system of geometries that do not name their own.
    page_size : int
        Rows that are held in memory at a time.
    overlap_minutes : float
        How far before the last stamp the next pull asks again.
    """

    id_column: str
    table: str | None = None
    query: str | None = None
    environment: str | None = None
    address: str | None = None
    update_column: str | None = None
    time_column: str | None = None
    start: str | None = None
    end: str | None = None
    timezone: str = "UTC"
    geometry_column: str | None = None
    srid: int = 4326
    page_size: int = 20_000
    overlap_minutes: float = 60.0

    def __post_init__(self) -> None:
        if (self.table is None) == (self.query is None):
            raise ConfigError("Either source.feed.table or source.feed.query must say which records are wanted.")
        if (self.start or self.end) and self.time_column is None:
            raise ConfigError("source.feed.start and source.feed.end need columns.occurred_from or columns.date.")
        if self.query is not None:
            from crimepatterns.sources.sql_selection import checked_query

            checked_query(self.query)

    @property
    def name(self) -> str:
        """``sql-`` and the table, or a digest of the query."""
        of = self.table or hashlib.sha256(str(self.query).encode()).hexdigest()[:12]
        return f"sql-{file_safe(of)}"

    @property
    def key(self) -> str:
        """Digest of what makes the records; another key is another feed."""
        made_by = [_read_address(self).label, self.table, self.query, self.id_column, self.update_column]
        made_by += [self.time_column, self.start, self.end, self.timezone, self.geometry_column, str(self.srid)]
        return hashlib.sha256(json.dumps(made_by).encode()).hexdigest()

    def pull(self, client: "HttpClient | None", cursor: Mapping[str, Any]) -> Iterator[Page]:  # noqa: ARG002  # the protocol's
        """Yield pages of text columns; see `Feed.pull`. All pages of one pull are of one snapshot, where there is one.

        Raises
        ------
        ConfigError
            If the address, a column or a package is missing.
        SourceError
            If the database cannot be reached, refuses or is lost; ids are missing or repeated.
        """
        begun = str(cursor.get("begun") or datetime.now(UTC).isoformat())
        with self._opened() as (session, relation, kinds):
            if not cursor:
                self._check_ids(session, relation)
            parts = self._parts(relation, cursor)
            total = sum(_one(session, relation.count(statement))[0] for statement, _ in parts)
            places = [relation.names.index(name) for name in (self.id_column, self.update_column) if name is not None]
            stamp = cursor.get("stamp") or cursor.get("since")
            for statement, kept in parts:
                for columns in session.columns(statement, self.page_size):
                    keys = [key_to_json(_last(columns[place])) for place in places]
                    after = {**kept, "id": keys[0], "begun": begun}
                    if kept.get("pass") == "stamped":
                        stamp = after["stamp"] = keys[1]
                    yield Page(self._batch(columns, relation.names, kinds), after, total)
            finished = {"finished": True, "since": _not_later(stamp, datetime.fromisoformat(begun))}
            yield Page(self._batch([[]] * len(kinds), relation.names, kinds), finished, total)

    def present_ids(self, client: "HttpClient | None") -> Iterator[pa.Array]:  # noqa: ARG002  # the protocol's
        """Yield the ids of all records, as `pull` writes them."""
        with self._opened() as (session, relation, _):
            for columns in session.columns(relation.ids(), self.page_size):
                yield text_column(columns[0])

    def describe(self, client: "HttpClient | None") -> FeedDescription:  # noqa: ARG002  # the protocol's
        """Tell the columns and the number of records."""
        with self._opened() as (session, relation, kinds):
            names = self._batch([[]] * len(kinds), relation.names, kinds).schema.names
            columns = tuple(FeedColumn(name, kind=kinds.get(name, "plain")) for name in names)
            rows = int(_one(session, relation.count(relation.by_id()))[0])
        title = self.table or "query"
        return FeedDescription(title, "", "", columns, rows, self.id_column, self.update_column)

    def sample(self, client: "HttpClient | None", rows: int) -> pa.RecordBatch:  # noqa: ARG002  # the protocol's
        """Fetch a few records."""
        with self._opened() as (session, relation, kinds):
            columns: Sequence[Any] = next(session.columns(relation.by_id().limit(rows), rows), [[]] * len(kinds))
            return self._batch(columns, relation.names, kinds)

    @contextmanager
    def _opened(self) -> "Iterator[tuple[DatabaseSession, Relation, Kinds]]":
        from crimepatterns.sources.sql_connection import open_session
        from crimepatterns.sources.sql_selection import Relation, checked_query, known_column, known_table, probe

        address = _read_address(self)
        query = None if self.query is None else checked_query(self.query)
        with open_session(address) as session:
            if self.table is not None:
                known_table(self.table, session, label=address.label)
            kinds = session.kinds(probe(self.table, query))
            wanted = {"id_column": self.id_column, "update_column": self.update_column}
            wanted |= {"geometry_column": self.geometry_column, "time_column": self.time_column}
            label = self.table or "the query"
            for setting, column in wanted.items():
                known_column(column, f"source.feed.{setting}", list(kinds), label=label)
            if self.geometry_column is not None:
                kinds = {**kinds, self.geometry_column: "geometry"}
            names = [name for name, kind in kinds.items() if kind != "binary"]
            relation = Relation(
                table=self.table,
                query=query,
                names=names,
                id_column=self.id_column,
                update_column=self.update_column,
                time_column=self.time_column,
                start=self._bound(self.start, kinds),
                end=self._bound(self.end, kinds),
                shown=session.shown(kinds),
            )
            yield session, relation, kinds

    def _parts(self, relation: "Relation", cursor: Mapping[str, Any]) -> "list[tuple[sa.Select[Any], dict[str, Any]]]":
        """Say which statements remain of a pull, and what the cursors of their pages keep."""
        after = None if cursor.get("finished") else key_from_json(cursor.get("id"))
        if self.update_column is None:
            return [(relation.by_id(after=after), {})]
        since = cursor.get("since")
        if cursor.get("pass") == "stamped":
            resumed = (key_from_json(cursor["stamp"]), after)
            return [(relation.by_stamp(after=resumed), {"pass": "stamped"})]
        overlap = timedelta(minutes=self.overlap_minutes)
        begin = None if since is None else stepped_back(key_from_json(since), overlap=overlap, now=datetime.now(UTC))
        return [
            (relation.by_id(after=after, unstamped=True), {"pass": "unstamped", "since": since}),
            (relation.by_stamp(since=begin), {"pass": "stamped"}),
        ]

    def _check_ids(self, session: "DatabaseSession", relation: "Relation") -> None:
        missing, repeated = (int(count) for count in _one(session, relation.faults()))
        if missing or repeated:
            raise SourceError(
                f"source.feed.id_column {self.id_column!r} is missing in {missing:,} and repeated in {repeated:,} "
                f"records of {self.table or 'the query'}: records would replace each other. Name a column without gaps "
                "and repeats, or make one in source.feed.query."
            )

    def _bound(self, day: str | None, kinds: "Kinds") -> str | None:
        """Write a day so that the database can compare it: with the city's offset where moments carry a zone."""
        if day is None or kinds.get(str(self.time_column)) != "zoned":
            return day
        return datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(self.timezone)).isoformat(" ")

    def _batch(self, columns: Sequence[Any], names: Sequence[str], kinds: "Kinds") -> pa.RecordBatch:
        """Turn the columns of a page into text; a geometry becomes two columns at the end."""
        values = dict(zip(names, columns, strict=False))
        ready = {name: text_column(values[name]) for name in names if kinds[name] != "geometry"}
        geometries = [name for name in names if kinds[name] == "geometry"]
        for name in geometries:
            taken = len(geometries) > 1 or not {"longitude", "latitude"}.isdisjoint(ready)
            added = [f"{name}_{axis}" if taken else axis for axis in ("longitude", "latitude")]
            points = points_of(values[name], srid=self.srid, label=f"The column {name}")
            ready |= dict(zip(added, points, strict=True))
        return pa.record_batch(list(ready.values()), schema=pa.schema([(name, pa.string()) for name in ready]))


def _one(session: "DatabaseSession", statement: "sa.Select[Any]") -> list[Any]:
    return [_last(column) for column in next(session.columns(statement, 1))]


def _last(column: Any) -> Any:
    value = column[-1]
    return value.as_py() if isinstance(value, pa.Scalar) else value


def _not_later(stamp: Sequence[Any] | None, begun: datetime) -> list[Any] | None:
    """Take back a stamp that lies after the beginning of its pull: a wrong clock must not hide later changes."""
    return None if stamp is None else key_to_json(stepped_back(key_from_json(stamp), overlap=timedelta(0), now=begun))


def _read_address(feed: SqlDatabase) -> "DatabaseAddress":
    try:
        from crimepatterns.sources.sql_address import read_address

        return read_address(environment=feed.environment, address=feed.address)
    except ModuleNotFoundError as error:
        raise ConfigError(f"Databases need the package {error.name}: pip install 'crimepatterns[sql]'.") from error
