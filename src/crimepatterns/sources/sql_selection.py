"""What is asked of a database: SELECT statements over one table or one query, every value a bound parameter."""

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from crimepatterns.errors import ConfigError

if TYPE_CHECKING:
    import sqlalchemy as sa

    from crimepatterns.sources.sql_connection import DatabaseSession

__all__ = ["Relation", "checked_query", "known_column", "known_table", "probe"]

_QUOTED = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|\$(\w*)\$.*?\$\1\$", re.DOTALL)
_CHANGES = re.compile(
    r"\b(insert|update|delete|merge|into|truncate|drop|alter|create|grant|copy|call|do)\b", re.IGNORECASE
)


def checked_query(query: str) -> str:
    """Make sure that a query is one SELECT statement; return it without a semicolon at its end.

    Raises
    ------
    ConfigError
        If it is anything else, or several statements.

    Examples
    --------
    >>> checked_query("SELECT a, ';' AS b FROM t; -- all")
    "SELECT a, ';' AS b FROM t"
    """
    bare = _QUOTED.sub(lambda match: " " if match.group().startswith(("-", "/")) else "''", query).strip()
    first = re.match(r"\(*\s*(\w*)", bare)
    word = first.group(1).lower() if first else ""
    if word not in {"select", "with"}:
        raise ConfigError(
            f"source.feed.query must be a SELECT statement, but it begins with {word.upper() or bare[:20]!r}."
        )
    if ";" in bare.rstrip("; \n\t"):
        raise ConfigError("source.feed.query must be one SELECT statement, but it holds several, parted by semicolons.")
    found = _CHANGES.search(bare) if word == "with" else re.search(r"\binto\b", bare, re.IGNORECASE)
    if found:
        raise ConfigError(
            f"source.feed.query must only read, but it holds the word {found.group().upper()}: put it in quotes if it "
            "is the name of a column."
        )
    return _without_end(query)


def probe(table: str | None, query: str | None) -> "sa.Select[Any]":
    """Return a statement that yields no rows, to learn the columns."""
    import sqlalchemy as sa

    return sa.select(sa.text("*")).select_from(_source(table, query, ())).where(sa.text("1 = 0"))


def known_table(table: str, session: "DatabaseSession", *, label: str) -> None:
    """Make sure that a table or view is there.

    Raises
    ------
    ConfigError
        Naming the most similar one and those that were found.
    """
    schema, _, name = table.rpartition(".")
    if session.has_table(name, schema or None):
        return
    found = session.tables(schema or None)
    listed = f"Found: {', '.join(found[:20])}." if found else "It has none that this user may read."
    raise ConfigError(f"source.feed.table names {table!r}, which {label} does not have{_hint(name, found)} {listed}")


def known_column(wanted: str | None, setting: str, names: Sequence[str], *, label: str) -> None:
    """Make sure that a column is there.

    Raises
    ------
    ConfigError
        Naming the most similar one and all that were found.
    """
    if wanted is None or wanted in names:
        return
    listed = ", ".join(names[:30])
    raise ConfigError(f"{setting} names {wanted!r}, which {label} does not have{_hint(wanted, names)} Found: {listed}.")


@dataclass(frozen=True, eq=False)
class Relation:
    """The records that are asked for, and how they are put in order.

    Parameters
    ----------
    table, query : str, optional
        One of the two.
    names : sequence of str
        All its columns.
    id_column : str
    update_column : str, optional
    time_column : str, optional
        Bounded by `start` and `end`.
    start, end : str, optional
        Text that the database can compare with `time_column`; half-open.
    shown : mapping of str to ColumnElement
        How a column is written in the list of columns, where not by its name.
    """

    table: str | None
    query: str | None
    names: Sequence[str]
    id_column: str
    update_column: str | None
    time_column: str | None
    start: str | None
    end: str | None
    shown: Mapping[str, "sa.ColumnElement[Any]"]

    def count(self, statement: "sa.Select[Any]") -> "sa.Select[Any]":
        """Count the rows of one of the statements below."""
        import sqlalchemy as sa

        counted: Any = sa.select(sa.func.count()).select_from(statement.order_by(None).subquery("counted"))
        return counted

    def faults(self) -> "sa.Select[Any]":
        """Count records without an id, and ids beyond the first of a kind."""
        import sqlalchemy as sa

        missing: Any = sa.func.count() - sa.func.count(self._id)
        repeated: Any = sa.func.count(self._id) - sa.func.count(self._id.distinct())
        return sa.select(missing, repeated).select_from(self._from).where(*self._window)

    def by_id(self, *, after: Any = None, unstamped: bool = False) -> "sa.Select[Any]":
        """Select records in the order of their ids; `unstamped` only those without an update stamp."""
        conditions: list[Any] = [self._stamp.is_(None)] if unstamped else []
        if after is not None:
            conditions.append(self._id > _bound(after))
        return self._select(*conditions).order_by(self._id)

    def by_stamp(self, *, since: Any = None, after: tuple[Any, Any] | None = None) -> "sa.Select[Any]":
        """Select records in the order of their update stamps.

        Parameters
        ----------
        since : object, optional
            The earliest stamp.
        after : (stamp, id), optional
            The record after which to go on; wins over `since`.
        """
        import sqlalchemy as sa

        conditions: list[sa.ColumnElement[bool]] = [self._stamp.is_not(None)]
        if after is not None:
            stamp, record = map(_bound, after)
            conditions.append(sa.or_(self._stamp > stamp, sa.and_(self._stamp == stamp, self._id > record)))
        elif since is not None:
            conditions.append(self._stamp >= _bound(since))
        return self._select(*conditions).order_by(self._stamp, self._id)

    def ids(self) -> "sa.Select[Any]":
        """Select the ids of all records."""
        import sqlalchemy as sa

        shown = self.shown.get(self.id_column)
        return sa.select(self._id if shown is None else shown).select_from(self._from).where(*self._window)

    @cached_property
    def _from(self) -> Any:
        return _source(self.table, self.query, self.names)

    @property
    def _id(self) -> "sa.ColumnElement[Any]":
        return self._column(self.id_column)

    @property
    def _stamp(self) -> "sa.ColumnElement[Any]":
        return self._column(str(self.update_column))

    @property
    def _window(self) -> list["sa.ColumnElement[bool]"]:
        if self.time_column is None:
            return []
        column = self._column(self.time_column)
        bounds = [column >= _bound(self.start)] if self.start is not None else []
        return [*bounds, column < _bound(self.end)] if self.end is not None else bounds

    def _column(self, name: str) -> "sa.ColumnElement[Any]":
        import sqlalchemy as sa

        return sa.column(name)

    def _select(self, *conditions: "sa.ColumnElement[bool]") -> "sa.Select[Any]":
        import sqlalchemy as sa

        chosen = [self.shown.get(name, self._column(name)) for name in self.names]
        return sa.select(*chosen).select_from(self._from).where(*self._window, *conditions)


def _bound(value: Any) -> "sa.BindParameter[Any]":
    """Bind a value without a type of its own, so that the database reads it as what it is compared with."""
    import sqlalchemy as sa

    return sa.bindparam(None, value, type_=sa.types.NullType(), unique=True)


def _hint(wanted: str, names: Sequence[str]) -> str:
    close = difflib.get_close_matches(wanted.casefold(), [name.casefold() for name in names], n=1, cutoff=0.5)
    return next((f"; did you mean {name!r}?" for name in names if close and name.casefold() == close[0]), ".")


def _source(table: str | None, query: str | None, names: Sequence[str]) -> Any:
    import sqlalchemy as sa

    if query is not None:
        # A colon would start a parameter; the query has none of its own.
        text = sa.text(query.replace(":", "\\:"))
        return text.columns(*[sa.column(name) for name in names]).subquery("records")
    schema, _, name = str(table).rpartition(".")
    return sa.table(name, schema=schema or None)


def _without_end(query: str) -> str:
    """Cut comments and semicolons from the end, where they would swallow what follows."""
    end = 0
    for match in re.finditer(rf"{_QUOTED.pattern}|[^\s;]", query, re.DOTALL):
        if not match.group().startswith(("--", "/*")):
            end = match.end()
    return query[:end]
