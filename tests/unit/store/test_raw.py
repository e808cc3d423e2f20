"""The raw store: copies, manifest, damage."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from crimepatterns.errors import ArtefactError, MissingInputError
from crimepatterns.store.raw import RawEntry, RawStore, copy_bytes, file_digest, read_column


def entry(file: str, digest: str = "d", **changes: object) -> RawEntry:
    facts = {"source_name": "a.csv", "source_sha256": "s", "sha256": digest, "rows": 3, "format": "csv"}
    return RawEntry(file=file, columns=("a",), dropped_columns=(), **{**facts, **changes})  # type: ignore[arg-type]


def stored(tmp_path: Path) -> tuple[RawStore, RawEntry]:
    store, source = RawStore(tmp_path / "raw"), tmp_path / "a.csv"
    source.write_text("a\n1\n2\n3\n")
    digest = store.write("x.csv", lambda target: copy_bytes(source, target))
    made = entry("x.csv", digest)
    store.record([made])
    return store, made


def test_a_copy_has_its_digest_and_cannot_be_written(tmp_path: Path) -> None:
    store, made = stored(tmp_path)
    path = store.path_of(made)
    assert made.sha256 == file_digest(path)
    assert path.stat().st_mode & 0o222 == 0
    assert store.current() == [made]
    assert store.find("s", (), {}) == made
    assert store.find("s", ("b",), {}) is None


def test_the_list_is_written_only_when_it_changes(tmp_path: Path) -> None:
    store, made = stored(tmp_path)
    assert not store.record([made])
    other = entry("y.csv", fetched_at="2026-01-01")
    assert store.record([other])
    assert [(one.file, one.current) for one in store.entries()] == [("x.csv", False), ("y.csv", True)]


def test_copies_are_listed_in_order_of_arrival(tmp_path: Path) -> None:
    store = RawStore(tmp_path / "raw")
    late, early = entry("b.parquet", fetched_at="2026-01-02"), entry("a.parquet", fetched_at="2026-01-01")
    store.record([late])
    store.record([late, early])
    store.record([early, late])
    assert [one.file for one in store.entries()] == ["b.parquet", "a.parquet"]


def test_one_column_is_read_alone(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": ["1", "2"], "b": ["3", "4"]}), tmp_path / "x.parquet")
    assert [column.to_pylist() for column in read_column(tmp_path / "x.parquet", "b")] == [["3", "4"]]


def test_what_a_killed_run_left_is_cleared(tmp_path: Path) -> None:
    store, made = stored(tmp_path)
    left = [tmp_path / "raw" / name for name in ("files/.x.csv.12345678.part", ".MANIFEST.json.12345678.part")]
    for path in left:
        path.write_text("half")
    store.record([made])
    assert not any(path.exists() for path in left)


def test_a_failed_copy_leaves_nothing(tmp_path: Path) -> None:
    store = RawStore(tmp_path / "raw")

    def fail(target: Path) -> str:
        target.write_text("half")
        raise OSError("disk is full")

    with pytest.raises(OSError, match="full"):
        store.write("x.csv", fail)
    assert list((tmp_path / "raw" / "files").iterdir()) == []
    with pytest.raises(MissingInputError, match="crimepatterns ingest"):
        store.current()


def test_a_damaged_manifest_is_told(tmp_path: Path) -> None:
    store, _ = stored(tmp_path)
    store.manifest.write_text('{"files": [{"file": "x"}]}')
    with pytest.raises(ArtefactError, match="damaged"):
        store.entries()


def test_a_manifest_of_a_later_version_is_told_from_a_damaged_one(tmp_path: Path) -> None:
    store, _ = stored(tmp_path)
    listed = json.loads(store.manifest.read_text())
    listed["files"][0]["colour"] = "blue"
    store.manifest.write_text(json.dumps(listed))
    with pytest.raises(ArtefactError, match=r"\['colour'\].*written by a later version"):
        store.entries()


def test_erasing_replaces_the_copy_and_counts(tmp_path: Path) -> None:
    store, made = stored(tmp_path)
    rest = pa.record_batch([pa.array(["1", "3"])], names=["a"])
    fresh = store.erase(made, [rest], rows=1)
    again = store.erase(fresh, [rest.slice(0, 1)], rows=1)
    assert not store.path_of(made).exists()
    assert not store.path_of(fresh).exists()
    assert pq.read_table(store.path_of(again))["a"].to_pylist() == ["1"]
    assert (again.rows, again.erased_rows, again.format) == (1, 2, "parquet")
    assert store.entries() == [again]
