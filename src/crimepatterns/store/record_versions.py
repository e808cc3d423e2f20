"""Which rows of a pull say something new: compared with each other, with earlier versions, and with what is published.

The ids and contents of millions of rows are compared by DuckDB, which goes to disk where memory does not suffice.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

__all__ = ["Version", "rows_to_keep", "unpublished_ids"]

_MEMORY = "1GB"
_AGE = "number * 1099511627776 + file_row_number"
"""Order of arrival: the number of the file, then the row; 2^40 rows fit into a file."""


@dataclass(frozen=True)
class Version:
    """A stored copy of records.

    Parameters
    ----------
    path : Path
        Parquet.
    withdraws : bool
        Whether it lists ids of withdrawn records instead.
    kept_out : bool
        Whether its records are published where nobody can ask which of them still are.
    """

    path: Path
    withdraws: bool = False
    kept_out: bool = False


def rows_to_keep(
    pages: Sequence[Path], versions: Sequence[Version], *, id_column: str, volatile: Iterable[str] = ()
) -> list[NDArray[np.bool_]]:
    """Tell for each page which rows are the last of their id and differ from the version that is stored.

    Parameters
    ----------
    pages : sequence of Path
        Parquet files of text columns, in order of arrival.
    versions : sequence of Version
        Earlier copies, in order of arrival.
    id_column : str
        Rows without an id are told apart by their content.
    volatile : iterable of str
        Columns whose change alone makes no new version.

    Returns
    -------
    list of ndarray of bool, shape (n_rows,) each
    """
    keep = [np.ones(pq.read_metadata(path).num_rows, dtype=np.bool_) for path in pages]
    if not pages:
        return keep
    compared = [name for name in _columns_of(pages) if name != id_column and name not in set(volatile)]
    with _database(pages[0].parent) as database:
        database.execute(f"CREATE TEMP TABLE fresh AS {_records(database, 'pages', pages, id_column, compared)}")
        _drop(keep, database, _OVERTAKEN)
        rows = [version for version in versions if not version.withdraws]
        if rows:
            _load_versions(database, versions, id_column, compared)
            _drop(keep, database, _UNCHANGED)
    return keep


def unpublished_ids(
    versions: Sequence[Version], present: Iterable[pa.Array], *, id_column: str, scratch: Path
) -> tuple[pa.Array, int]:
    """Find stored records that are no longer published.

    Parameters
    ----------
    versions : sequence of Version
        In order of arrival.
    present : iterable of pyarrow.Array
        Text ids of all records that are published now.
    id_column : str
    scratch : Path
        Folder for what does not fit into memory.

    Returns
    -------
    ids : pyarrow.StringArray
        Sorted.
    known : int
        Number of stored records that were not withdrawn before.
    """
    with _database(scratch) as database:
        _load_versions(database, versions, id_column, [])
        database.execute("CREATE TEMP TABLE present (id VARCHAR)")
        for ids in present:
            database.register("arrived", pa.table({"id": ids.cast(pa.string())}))
            database.execute("INSERT INTO present SELECT id FROM arrived")
            database.unregister("arrived")
        database.execute(f"CREATE TEMP TABLE known AS {_KNOWN}")
        known = int(database.execute("SELECT count(*) FROM known").fetchall()[0][0])
        gone = database.sql("SELECT id FROM known ANTI JOIN present USING (id) ORDER BY id").to_arrow_table()
    return gone["id"].combine_chunks().cast(pa.string()), known


_OVERTAKEN = """
    SELECT fresh.age FROM fresh
    JOIN (SELECT id, max(age) AS age FROM fresh GROUP BY id HAVING count(*) > 1) last USING (id)
    WHERE fresh.age < last.age
"""
_LATEST = "SELECT id, arg_max(content, age) AS content, arg_max(kept_out, age) AS kept_out, max(age) AS age FROM old"
_UNCHANGED = f"""
    SELECT fresh.age FROM fresh
    JOIN ({_LATEST} WHERE id IN (SELECT id FROM fresh) GROUP BY id) latest USING (id)
    LEFT JOIN withdrawn USING (id)
    WHERE fresh.content = latest.content AND latest.age > coalesce(withdrawn.age, -1)
"""  # noqa: S608  # built from constants only
_KNOWN = f"""
    SELECT latest.id FROM ({_LATEST} WHERE named GROUP BY id) latest LEFT JOIN withdrawn USING (id)
    WHERE latest.age > coalesce(withdrawn.age, -1) AND NOT latest.kept_out
"""  # noqa: S608  # built from constants only


@contextmanager
def _database(scratch: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    settings: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": _MEMORY,
        "temp_directory": str(scratch / ".spill"),
        "threads": 2,
    }
    with duckdb.connect(":memory:", config=settings) as database:
        yield database


def _load_versions(
    database: duckdb.DuckDBPyConnection, versions: Sequence[Version], id_column: str, compared: Sequence[str]
) -> None:
    """Make the tables ``old`` (a row per stored row) and ``withdrawn`` (when each id was last withdrawn)."""
    paths = [version.path for version in versions]
    rows = [i for i, version in enumerate(versions) if not version.withdraws]
    gone = [i for i, version in enumerate(versions) if version.withdraws]
    flags = pa.table({"number": pa.array(rows, pa.int64()), "kept_out": [versions[i].kept_out for i in rows]})
    database.register("flags", flags)
    old = _records(database, "rows", [paths[i] for i in rows], id_column, compared, rows)
    database.execute(f"CREATE TEMP VIEW old AS SELECT * FROM ({old}) JOIN flags USING (number)")  # noqa: S608  # names are quoted
    if gone:
        listed = _records(database, "gone", [paths[i] for i in gone], id_column, [], gone)
        latest = f"SELECT id, max(age) AS age FROM ({listed}) GROUP BY id"  # noqa: S608  # names are quoted
        database.execute(f"CREATE TEMP TABLE withdrawn AS {latest}")
    else:
        database.execute("CREATE TEMP TABLE withdrawn (id VARCHAR, age BIGINT)")


def _records(
    database: duckdb.DuckDBPyConnection,
    name: str,
    paths: Sequence[Path],
    id_column: str,
    compared: Sequence[str],
    numbers: Sequence[int] | None = None,
) -> str:
    """Write the query that gives id, content and order of arrival of every row of some Parquet files."""
    listed = [str(path) for path in paths]
    table = pa.table({"filename": listed, "number": pa.array(numbers or range(len(listed)), pa.int64())})
    database.register(f"{name}_files", table)
    there = set(_columns_of(paths))
    values = [f"{_quoted(column)}::VARCHAR" if column in there else "NULL::VARCHAR" for column in compared]
    content = f"hash({', '.join(values)})" if values else "0::UBIGINT"
    # Blank ids would all be one record; they are told apart by what they say.
    own = f"CASE WHEN trim({_quoted(id_column)}) <> '' THEN {_quoted(id_column)}::VARCHAR END"
    files = ", ".join("'" + path.replace("'", "''") + "'" for path in listed)
    return (  # names and paths are quoted
        f"SELECT coalesce({own}, '?' || {content}) AS id, {own} IS NOT NULL AS named, {content} AS content, number, "  # noqa: S608
        f"{_AGE} AS age FROM read_parquet([{files}], union_by_name=true, filename=true, file_row_number=true) "
        f"JOIN {name}_files USING (filename)"
    )


def _drop(keep: list[NDArray[np.bool_]], database: duckdb.DuckDBPyConnection, query: str) -> None:
    ages = np.asarray(database.execute(query).fetchnumpy()["age"], dtype=np.int64)
    numbers, rows = np.divmod(ages, 1 << 40)
    for number in np.unique(numbers):
        keep[int(number)][rows[numbers == number]] = False


def _columns_of(paths: Sequence[Path]) -> list[str]:
    return list(dict.fromkeys(name for path in paths for name in pq.read_schema(path).names))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
