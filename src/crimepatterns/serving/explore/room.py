"""The query room: DuckDB in memory that reaches no file and no network, asked with bound parameters alone."""

import threading
from collections.abc import Mapping, Sequence
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

__all__ = ["QueryRoom"]

_LOCKED = (
    "SET python_enable_replacements = false",
    "SET enable_external_access = false",
    "SET autoinstall_known_extensions = false",
    "SET autoload_known_extensions = false",
    "SET allow_community_extensions = false",
    "SET lock_configuration = true",
)


class QueryRoom:
    """Tables of one snapshot in memory; a cursor of its own for every question.

    Parameters
    ----------
    memory_mb : int
        What DuckDB may use, megabytes.
    threads : int
    """

    def __init__(self, *, memory_mb: int = 512, threads: int = 2) -> None:
        self._connection = duckdb.connect(
            ":memory:", config={"memory_limit": f"{memory_mb}MB", "threads": threads, "temp_directory": ""}
        )
        self._guard = threading.Lock()

    def add(self, name: str, table: pd.DataFrame) -> None:
        """Append rows to a table, which the first rows create; only before the room is locked."""
        arrow = pa.Table.from_pandas(table, preserve_index=False)
        self._connection.register("arriving", arrow)
        there = self.one("SELECT count(*) FROM duckdb_tables() WHERE table_name = ?", [name])[0]
        verb = f"INSERT INTO {name}" if there else f"CREATE TABLE {name} AS"
        self._connection.execute(f"{verb} SELECT * FROM arriving")  # noqa: S608  # names are this package's own
        self._connection.unregister("arriving")

    def drop(self, name: str, column: str) -> None:
        """Take a column away that is needed no more."""
        self._connection.execute(f"ALTER TABLE {name} DROP COLUMN {column}")

    def sort(self, name: str, *, without: Sequence[str] = ()) -> None:
        """Put the rows of a table in order of time and number them: questions about a period read only that.

        Parameters
        ----------
        name : str
        without : sequence of str
            Columns that are needed no more.
        """
        kept = f"* EXCLUDE ({', '.join(without)})" if without else "*"
        self._connection.execute(
            f"CREATE OR REPLACE TABLE {name} AS SELECT (row_number() OVER (ORDER BY occurred, id, category, cell) - 1)"  # noqa: S608
            f"::INTEGER AS line, {kept} FROM {name} ORDER BY line"
        )

    def lock(self) -> None:
        """Close the way to files, extensions and settings for good."""
        for statement in _LOCKED:
            self._connection.execute(statement)

    def one(self, sql: str, parameters: Sequence[Any] = ()) -> tuple[Any, ...]:
        """Return the first row of an answer.

        Raises
        ------
        LookupError
            If there is none.
        """
        row = self._cursor().execute(sql, list(parameters)).fetchone()
        if row is None:
            raise LookupError(sql)
        return tuple(row)

    def columns(
        self, sql: str, parameters: Sequence[Any] = (), *, chosen: NDArray[np.int64] | None = None
    ) -> Mapping[str, NDArray[Any]]:
        """Return an answer by column.

        Parameters
        ----------
        sql : str
            Written by this package; values stand in it as ``?``.
        parameters : sequence
            The values.
        chosen : ndarray of int, optional
            Lines that the question names as the table ``chosen``.
        """
        answer: Mapping[str, NDArray[Any]] = self._asked(sql, parameters, chosen).fetchnumpy()
        return answer

    def table(self, sql: str, parameters: Sequence[Any] = (), *, chosen: NDArray[np.int64] | None = None) -> pa.Table:
        """Return an answer as an Arrow table; see `columns`."""
        return self._asked(sql, parameters, chosen).to_arrow_table()

    def _asked(self, sql: str, parameters: Sequence[Any], chosen: NDArray[np.int64] | None) -> Any:
        cursor = self._cursor()
        if chosen is not None:
            cursor.register("chosen", pa.table({"line": chosen}))
        return cursor.sql(sql, params=list(parameters))

    def _cursor(self) -> Any:
        with self._guard:
            return self._connection.cursor()
