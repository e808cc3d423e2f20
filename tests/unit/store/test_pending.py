"""Pages of an unfinished pull: whole, in order, with their cursor, and only of the pull they belong to."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from crimepatterns.store.pending import PendingPages


def page(*ids: str) -> pa.RecordBatch:
    return pa.record_batch([pa.array(ids, pa.string())], names=["id"])


def test_a_page_and_its_cursor_are_one_file(tmp_path: Path) -> None:
    pending = PendingPages(tmp_path / "pending" / "x", "base")
    assert (pending.cursor, pending.rows, pending.paths) == (None, 0, [])
    for i in range(12):
        pending.add(page(str(i)), {"after": i}, dropped=["name"] if i == 3 else [])
    again = PendingPages(tmp_path / "pending" / "x", "base")
    assert (again.cursor, again.rows, again.dropped) == ({"after": 11}, 12, ("name",))
    assert [pq.read_table(path)["id"].to_pylist() for path in again.paths] == [[str(i)] for i in range(12)]
    assert set(again.columns) == {("id",)}
    again.paths[-1].unlink()
    assert PendingPages(tmp_path / "pending" / "x", "base").cursor == {"after": 10}


def test_pages_of_another_base_are_thrown_away(tmp_path: Path) -> None:
    PendingPages(tmp_path / "pending" / "x", "one").add(page("1"), {})
    PendingPages(tmp_path / "pending" / "y", "one").add(page("1"), {})
    assert PendingPages(tmp_path / "pending" / "x", "two").paths == []
    assert not (tmp_path / "pending" / "x").exists()
    (tmp_path / "pending" / "y" / "pull.json").write_text("{")
    assert PendingPages(tmp_path / "pending" / "y", "one").paths == []
    assert not (tmp_path / "pending").exists()


def test_what_a_kill_left_half_written_is_no_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pending = PendingPages(tmp_path / "x", "base")
    pending.add(page("1"), {"after": 1})
    half = tmp_path / "x" / ".page-0000001.parquet.abcdef01.part"
    half.write_bytes(b"PAR1")
    again = PendingPages(tmp_path / "x", "base")
    assert (again.cursor, again.rows) == ({"after": 1}, 1)
    assert not half.exists()

    def fail(*_: object, **__: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(pq.ParquetWriter, "write_batch", fail)
    with pytest.raises(OSError, match="space"):
        again.add(page("2"), {"after": 2})
    assert (again.cursor, PendingPages(tmp_path / "x", "base").rows) == ({"after": 1}, 1)
