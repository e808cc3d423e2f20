"""Connections that can only read: servers and SQLite through SQLAlchemy, DuckDB files through DuckDB itself.

Rows are streamed: a server keeps its cursor open and hands over some thousand rows at a time, all from one snapshot.
"""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

from crimepatterns.errors import ConfigError, SourceError
from crimepatterns.sources.sql_address import DatabaseAddress

if TYPE_CHECKING:
    import duckdb
    import sqlalchemy as sa

__all__ = ["DatabaseSession", "Kinds", "open_session"]

Kinds = Mapping[str, str]
"""Column to ``geometry``, ``binary``, ``zoned`` (a moment with its zone) or, for everything else, ``plain``."""

_CONNECT_SECONDS = 15
_POSTGRES_SETTINGS = (
    # Moments come back in one zone, whatever the server's; the whole result is wanted, not its first rows.
    "SET TIME ZONE 'UTC'",
    "SET cursor_tuple_fraction = 1.0",
)
_POSTGRES_KINDS = (
    "SELECT oid, typname FROM pg_catalog.pg_type WHERE typname IN ('geometry', 'geography', 'bytea', 'timestamptz')"
)
_DUCKDB_TEXT = {
    "zoned": "strftime({} AT TIME ZONE 'UTC', '%Y-%m-%d %H:%M:%S.%f+00:00')",
    "plain": "CAST({} AS VARCHAR)",
}


class DatabaseSession(Protocol):
    """One read-only transaction."""

    def kinds(self, statement: "sa.Select[Any]") -> Kinds:
        """Tell the columns of a statement, in order, and which need care."""
        ...

    def shown(self, kinds: Kinds) -> "Mapping[str, sa.ColumnElement[Any]]":
        """Tell how columns are best written in a list of columns, where not by their names."""
        ...

    def columns(self, statement: "sa.Select[Any]", rows: int) -> Iterator[list[Sequence[Any]]]:
        """Stream a statement: the values of each column, `rows` rows at a time."""
        ...

    def has_table(self, name: str, schema: str | None) -> bool:
        """Tell whether there is a table or view of that name."""
        ...

    def tables(self, schema: str | None) -> list[str]:
        """List tables and views."""
        ...


@contextmanager
def open_session(address: DatabaseAddress) -> Iterator[DatabaseSession]:
    """Open a read-only transaction.

    Raises
    ------
    ConfigError
        If a program is missing that the database needs.
    SourceError
        If the database cannot be reached, refuses, or is lost on the way.
    """
    if address.file is not None and not address.file.is_file():
        raise SourceError(f"{address.label} does not exist: check {address.setting}.")
    if address.backend == "duckdb":
        with _duckdb_session(address) as session:
            yield session
        return
    with _alchemy_session(address) as session:
        yield session


# -- servers and SQLite -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _AlchemySession:
    connection: "sa.Connection"

    def kinds(self, statement: "sa.Select[Any]") -> Kinds:
        result = self.connection.execute(statement)
        names, cursor = list(result.keys()), result.cursor
        codes = [column[1] for column in (cursor.description if cursor is not None else ())]
        result.close()
        if self.connection.dialect.name != "postgresql":
            return dict.fromkeys(names, "plain")
        listed = self.connection.exec_driver_sql(_POSTGRES_KINDS).all()
        special = {"geography": "geometry", "bytea": "binary", "timestamptz": "zoned"}
        by_code = {code: special.get(name, name) for code, name in listed}
        return {name: by_code.get(code, "plain") for name, code in zip(names, codes, strict=True)}

    def shown(self, kinds: Kinds) -> "Mapping[str, sa.ColumnElement[Any]]":  # noqa: ARG002  # the protocol's
        return {}

    def columns(self, statement: "sa.Select[Any]", rows: int) -> Iterator[list[Sequence[Any]]]:
        options = {"stream_results": True, "max_row_buffer": rows}
        with self.connection.execute(statement, execution_options=options) as result:
            for part in result.partitions(rows):
                yield list(zip(*part, strict=True))

    def has_table(self, name: str, schema: str | None) -> bool:
        import sqlalchemy as sa

        return sa.inspect(self.connection).has_table(name, schema)

    def tables(self, schema: str | None) -> list[str]:
        import sqlalchemy as sa

        inspector = sa.inspect(self.connection)
        return sorted([*inspector.get_table_names(schema), *inspector.get_view_names(schema)])


@contextmanager
def _alchemy_session(address: DatabaseAddress) -> Iterator[_AlchemySession]:
    from sqlalchemy.exc import DBAPIError, SQLAlchemyError

    engine = _engine(address)
    connected = False
    try:
        with engine.connect() as connection:
            if address.backend == "postgresql":
                connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
                for setting in _POSTGRES_SETTINGS:
                    connection.exec_driver_sql(setting)
            connected = True
            yield _AlchemySession(connection)
    except SQLAlchemyError as error:
        reason = str(error.orig) if isinstance(error, DBAPIError) else str(error)
        lost = isinstance(error, DBAPIError) and error.connection_invalidated
        # Not chained: what the driver says may repeat the address.
        raise _explained(address, reason, connected=connected, lost=lost) from None
    finally:
        engine.dispose()


def _engine(address: DatabaseAddress) -> "sa.Engine":
    import sqlalchemy as sa

    options: dict[str, Any] = {"poolclass": sa.pool.NullPool, "hide_parameters": True}
    if address.file is not None:
        place = f"file:{quote(str(address.file.resolve()))}?mode=ro"
        options["creator"] = lambda: _query_only(sqlite3.connect(place, uri=True))
    elif address.backend == "postgresql":
        options["connect_args"] = {"connect_timeout": _CONNECT_SECONDS, "application_name": "crimepatterns"}
    try:
        return sa.create_engine("sqlite://" if address.file is not None else address.url, **options)
    except ModuleNotFoundError as error:
        extra = (
            "pip install 'crimepatterns[sql]'"
            if error.name in {"psycopg", "sqlalchemy"}
            else f"pip install {error.name}"
        )
        raise ConfigError(f"{address.backend} needs the Python package {error.name}: {extra}.") from error
    except sa.exc.ArgumentError:
        raise ConfigError(f"{address.setting} names a kind of database that is not known: {address.backend}.") from None


def _query_only(connection: sqlite3.Connection) -> sqlite3.Connection:
    connection.execute("PRAGMA query_only = ON")
    return connection


# -- DuckDB -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _DuckdbSession:
    connection: "duckdb.DuckDBPyConnection"

    def kinds(self, statement: "sa.Select[Any]") -> Kinds:
        text, values = _compiled(statement)
        described = self.connection.execute(text, values).description
        special = {"GEOMETRY": "geometry", "BLOB": "binary", "TIMESTAMP WITH TIME ZONE": "zoned"}
        return {column[0]: special.get(str(column[1]), "plain") for column in described}

    def shown(self, kinds: Kinds) -> "Mapping[str, sa.ColumnElement[Any]]":
        import sqlalchemy as sa

        written = {name: _DUCKDB_TEXT.get(kind) for name, kind in kinds.items()}
        return {
            name: sa.literal_column(pattern.format('"{}"'.format(name.replace('"', '""'))))
            for name, pattern in written.items()
            if pattern is not None
        }

    def columns(self, statement: "sa.Select[Any]", rows: int) -> Iterator[list[Sequence[Any]]]:
        text, values = _compiled(statement)
        reader: Any = self.connection.sql(text, params=values).to_arrow_reader(rows)
        for batch in reader:
            if batch.num_rows:
                yield [column if column.type == "string" else column.to_pylist() for column in batch.columns]

    def has_table(self, name: str, schema: str | None) -> bool:
        return name in self.tables(schema)

    def tables(self, schema: str | None) -> list[str]:
        statement = "SELECT table_name FROM information_schema.tables WHERE table_schema = ? ORDER BY 1"
        return [str(name) for (name,) in self.connection.execute(statement, [schema or "main"]).fetchall()]


@contextmanager
def _duckdb_session(address: DatabaseAddress) -> Iterator[_DuckdbSession]:
    import duckdb

    connected = False
    try:
        # A query may not reach beyond the file.
        settings: dict[str, Any] = {"enable_external_access": "false"}
        with duckdb.connect(str(address.file), read_only=True, config=settings) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            connection.execute("BEGIN TRANSACTION READ ONLY")
            connected = True
            yield _DuckdbSession(connection)
    except duckdb.Error as error:
        raise _explained(address, str(error), connected=connected, lost=False) from None


def _compiled(statement: "sa.Select[Any]") -> tuple[str, list[Any]]:
    from sqlalchemy.engine.default import DefaultDialect

    compiled = statement.compile(dialect=DefaultDialect(paramstyle="qmark"))
    return str(compiled), [compiled.params[name] for name in compiled.positiontup or ()]


def _explained(address: DatabaseAddress, reason: str, *, connected: bool, lost: bool) -> SourceError:
    shown = address.redact(reason)
    if lost:
        return SourceError(
            f"{address.label} was lost on the way ({shown}): run ingest again, it goes on from the last page."
        )
    if not connected:
        return SourceError(f"{address.label} cannot be opened ({shown}): check {address.setting} and the server.")
    return SourceError(f"{address.label} refused ({shown}).")
