"""Which rows of a pull are new, against a plain rewriting of the rules."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crimepatterns.store.record_versions import Version, rows_to_keep, unpublished_ids

Row = tuple[str | None, str | None]
rows = st.lists(st.tuples(st.sampled_from(["a", "b", "c", " ", None]), st.sampled_from(["1", "2", None])), max_size=6)


def write(path: Path, records: list[Row], **more: list[str | None]) -> Path:
    columns = {"id": [row[0] for row in records], "what": [row[1] for row in records], **more}
    pq.write_table(pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()}), path)
    return path


def plain(pages: list[list[Row]], versions: list[tuple[str, list[Row]]]) -> list[list[bool]]:
    def identity(row: Row) -> tuple[str, str | None]:
        return ("id", row[0]) if row[0] is not None and row[0].strip() else ("content", row[1])

    stored: dict[object, object] = {}
    for kind, records in versions:
        for row in records:
            stored[identity(row)] = row[1] if kind == "rows" else Ellipsis
    last = {identity(row): (i, j) for i, page in enumerate(pages) for j, row in enumerate(page)}
    return [
        [
            last[identity(row)] == (i, j) and not (identity(row) in stored and stored[identity(row)] == row[1])
            for j, row in enumerate(page)
        ]
        for i, page in enumerate(pages)
    ]


@given(
    pages=st.lists(rows, min_size=1, max_size=3),
    versions=st.lists(st.tuples(st.sampled_from(["rows", "gone"]), rows), max_size=3),
)
@settings(max_examples=15, deadline=None)
def test_it_keeps_the_last_of_each_id_where_it_differs_from_what_is_stored(
    tmp_path_factory: pytest.TempPathFactory, pages: list[list[Row]], versions: list[tuple[str, list[Row]]]
) -> None:
    folder = tmp_path_factory.mktemp("versions")
    versions = [
        (kind, [row for row in records if kind == "rows" or (row[0] or " ").strip()]) for kind, records in versions
    ]
    files = [write(folder / f"page-{i}.parquet", page) for i, page in enumerate(pages)]
    stored = [
        Version(write(folder / f"old-{i}.parquet", records), withdraws=kind == "gone")
        for i, (kind, records) in enumerate(versions)
    ]
    found = rows_to_keep(files, stored, id_column="id")
    assert [list(map(bool, mask)) for mask in found] == plain(pages, versions)


def test_a_volatile_column_makes_no_new_version_and_a_new_column_does(tmp_path: Path) -> None:
    old = [Version(write(tmp_path / "old.parquet", [("a", "1"), ("b", "1")], stamp=["x", "x"]))]
    page = [write(tmp_path / "page.parquet", [("a", "1"), ("b", "1")], stamp=["y", "y"])]
    assert rows_to_keep(page, old, id_column="id", volatile=["stamp"])[0].tolist() == [False, False]
    assert rows_to_keep(page, old, id_column="id")[0].tolist() == [True, True]
    page = [write(tmp_path / "page.parquet", [("a", "1"), ("b", "1")], stamp=["x", "x"], ward=["7", None])]
    assert rows_to_keep(page, old, id_column="id")[0].tolist() == [True, False]


def test_names_with_quotes_are_only_names(tmp_path: Path) -> None:
    folder = tmp_path / 'it\'s "here"'
    folder.mkdir()
    table = pa.table({':id"; DROP': ["a", "a"], "it's": ["1", "2"]})
    pq.write_table(table, folder / "page.parquet")
    found = rows_to_keep([folder / "page.parquet"], [Version(folder / "page.parquet")], id_column=':id"; DROP')
    assert found[0].tolist() == [False, False]  # the first is overtaken, the second is stored


def test_records_that_are_no_longer_listed_are_found(tmp_path: Path) -> None:
    versions = [
        Version(write(tmp_path / "1.parquet", [("a", "1"), ("b", "1"), ("c", "1"), (None, "1")])),
        Version(write(tmp_path / "2.parquet", [("b", None), ("d", None)]), withdraws=True),
        Version(write(tmp_path / "3.parquet", [("d", "1"), ("e", "1")])),
        Version(write(tmp_path / "4.parquet", [("f", "1"), ("c", "2")]), kept_out=True),
    ]
    present = [pa.array(["d"]), pa.array(["z"])]
    ids, known = unpublished_ids(versions, iter(present), id_column="id", scratch=tmp_path)
    # b was withdrawn before; d is listed; c and f are now in a feed that cannot be asked.
    assert (ids.to_pylist(), known) == (["a", "e"], 3)
    assert not (tmp_path / ".spill").exists()


def test_no_pages_is_no_rows() -> None:
    assert rows_to_keep([], [], id_column="id") == []
    assert np.array(rows_to_keep([], [Version(Path("none"))], id_column="id")).size == 0
