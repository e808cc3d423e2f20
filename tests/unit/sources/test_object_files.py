"""Files in object stores, on fsspec's own file systems: found, fetched once, fetched again when changed."""

import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pytest

from crimepatterns.errors import ConfigError, SourceError
from crimepatterns.sources.local_file import LocalFiles, read_file
from crimepatterns.sources.object_files import ObjectFiles, copy_objects, is_object_path
from crimepatterns.store.raw import RawEntry, RawStore

TEXT = "when,what,VicName\n2021-01-01,THEFT,Zsazsa Qx\n2021-01-02,ARSON,Zsazsa Qx\n"


@pytest.fixture
def bucket() -> Iterator[Any]:
    """An empty object store in memory."""
    system = fsspec.filesystem("memory")
    system.store.clear()
    system.pseudo_dirs[:] = [""]
    yield system
    system.store.clear()
    system.pseudo_dirs[:] = [""]


@pytest.fixture
def store(tmp_path: Path) -> RawStore:
    return RawStore(tmp_path / "raw")


def copied(store: RawStore, *paths: str, **options: Any) -> list[RawEntry]:
    entries = copy_objects(store, ObjectFiles(paths, LocalFiles(()), **options))
    store.record(entries)
    return entries


def opened(system: Any) -> list[str]:
    """Note every object that is read from now on."""
    names: list[str] = []
    plain = type(system)._open

    def noting(path: str, mode: str = "rb", *args: Any, **kwargs: Any) -> Any:
        names.extend([path] if mode == "rb" else [])
        return plain(system, path, mode, *args, **kwargs)

    system._open = noting
    return names


def test_globs_find_objects_in_order_and_people_are_left_out(bucket: Any, store: RawStore) -> None:
    for name in ("b/2.csv", "b/1.csv", "b/deep/3.csv", "b/readme.md"):
        bucket.pipe(f"/{name}", TEXT.replace("ARSON", name).encode())
    entries = copied(store, "memory://b/*.csv", origin="Police")
    assert [entry.source_name for entry in entries] == ["1.csv", "2.csv"]
    assert [entry.cursor["object"] for entry in entries] == ["memory://b/1.csv", "memory://b/2.csv"]
    assert {(entry.rows, entry.dropped_columns, entry.origin) for entry in entries} == {(2, ("VicName",), "Police")}
    table = pa.Table.from_batches(list(read_file(store.path_of(entries[0])).batches))
    assert table["what"].to_pylist() == ["THEFT", "b/1.csv"]
    left = [path for path in store.folder.rglob("*") if path.is_file()]
    assert not any(b"Zsazsa" in path.read_bytes() for path in left)
    assert not (store.folder / "downloads").exists()
    assert len(copied(store, "memory://b/**/*.csv")) == 3


def test_an_object_is_fetched_again_only_when_it_has_changed(bucket: Any, store: RawStore) -> None:
    bucket.pipe("/b/1.csv", TEXT.encode())
    bucket.pipe("/b/2.csv", TEXT.encode() * 2)
    first = copied(store, "memory://b/*.csv")
    fetched = opened(bucket)
    try:
        assert copied(store, "memory://b/*.csv") == [*first]
        assert not fetched
        bucket.pipe("/b/2.csv", TEXT.encode() + b"2021-01-03,THEFT,\n")
        again = copied(store, "memory://b/*.csv")
        assert fetched == ["/b/2.csv"]
        assert [entry.rows for entry in again] == [2, 3]
        # What is to be kept has changed: the object is needed once more.
        kept = copied(store, "memory://b/*.csv", keep_columns=("VicName",))
        assert [entry.dropped_columns for entry in kept] == [(), ()]
        assert len(fetched) == 3
    finally:
        del bucket._open


@pytest.mark.parametrize("scheme", ["file", "local"])
def test_local_paths_with_a_scheme(tmp_path: Path, store: RawStore, scheme: str) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv").write_text(TEXT, encoding="utf-8")
    (entry,) = copied(store, f"{scheme}://{tmp_path}/in/*.csv")
    assert entry.rows == 2
    assert copied(store, f"{scheme}://{tmp_path}/in/a.csv") == [entry]


def test_members_of_an_archive_that_lies_in_a_store(tmp_path: Path, bucket: Any, store: RawStore) -> None:
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("2021/a.csv", TEXT)
        archive.writestr("2021/b.csv", TEXT + "2021-01-03,THEFT,\n")
        archive.writestr("2022/c.csv", TEXT)
    bucket.pipe("/b/all.zip", (tmp_path / "all.zip").read_bytes())
    entries = copied(store, "zip://2021/*.csv::memory://b/all.zip")
    assert [entry.rows for entry in entries] == [2, 3]
    assert entries[0].cursor["object"] == "zip://2021/a.csv::memory://b/all.zip"
    assert list(entries[0].cursor["facts"]) == ["crc"]


def test_an_object_that_changes_while_it_is_read_is_not_kept(bucket: Any, store: RawStore) -> None:
    bucket.pipe("/b/1.csv", TEXT.encode())
    plain = type(bucket)._open

    def changing(path: str, *args: Any, **kwargs: Any) -> Any:
        handle = plain(bucket, path, *args, **kwargs)
        bucket.__dict__.pop("_open", None)
        bucket.pipe("/b/1.csv", TEXT.encode() * 3)
        return handle

    bucket._open = changing
    with pytest.raises(SourceError, match="was changed while it was read"):
        copied(store, "memory://b/1.csv")
    assert not store.entries()
    assert not (store.folder / "downloads").exists()
    assert copied(store, "memory://b/1.csv")[0].rows == 8


WRONG = [
    ("memory://b/nothing.csv", SourceError, "names no object"),
    ("memory://b/*.xlsx", SourceError, "names no object"),
    ("memory://b", SourceError, r"is a folder: source\.paths needs files, such as memory://b/\*\.csv"),
    ("memory://b/shape.shp", SourceError, "only a part of a Shapefile"),
    ("memory://b/empty.csv", SourceError, r"memory://b/empty\.csv is empty"),
    ("memory://b/broken.parquet", SourceError, r"memory://b/broken\.parquet cannot be read as parquet"),
    ("s3://bucket/a.csv", ConfigError, "needs a driver that is not installed .*s3fs"),
    ("gs://bucket/*.csv", ConfigError, "needs a driver that is not installed .*gcsfs"),
    ("nonsense://a.csv", ConfigError, "in no file system that fsspec knows"),
    ("https://example.org/a.csv", ConfigError, "set source.kind to url"),
    ("zip://a.csv::HTTP://169.254.169.254/a.zip", ConfigError, "set source.kind to url"),
    ("sftp://user:wr0ng@host/a.csv", ConfigError, "holds a password in sftp://"),
    ("zip://a.csv::memory://b/empty.csv", SourceError, "cannot be"),
]


@pytest.mark.parametrize(("path", "error", "message"), WRONG, ids=[path for path, _, _ in WRONG])
def test_what_is_wrong_is_said(bucket: Any, store: RawStore, path: str, error: type[Exception], message: str) -> None:
    for name, content in {"empty.csv": b"", "shape.shp": b"x", "broken.parquet": b"PAR1 and no more"}.items():
        bucket.pipe(f"/b/{name}", content)
    with pytest.raises(error, match=message) as caught:
        copied(store, path)
    assert "wr0ng" not in str(caught.value)
    assert not (store.folder / "downloads").exists()


def test_without_fsspec_the_extra_is_named(store: RawStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(ConfigError, match=r"pip install 'crimepatterns\[objects\]'"):
        copied(store, "memory://b/1.csv")


def test_plain_paths_are_not_objects() -> None:
    assert not is_object_path("data/raw/*.csv")
    assert is_object_path("s3://bucket/a.csv")
