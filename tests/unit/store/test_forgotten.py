"""Erased ids are recognised, and cannot be read from the list."""

from pathlib import Path

import pyarrow as pa

from crimepatterns.store.forgotten import Forgotten


def test_erased_ids_are_recognised_and_not_written_down(tmp_path: Path) -> None:
    forgotten, ids = Forgotten(tmp_path / "list.json"), pa.array(["JB1", None, "JB2", "JB12"])
    assert not forgotten.among(ids).any()
    forgotten.add(["JB1"])
    forgotten.add(["JB2"])
    assert Forgotten(tmp_path / "list.json").among(ids).tolist() == [True, False, True, False]
    assert "JB" not in (tmp_path / "list.json").read_text(encoding="utf-8")


def test_known_ids_change_nothing(tmp_path: Path) -> None:
    forgotten = Forgotten(tmp_path / "list.json")
    forgotten.add(["JB1"])
    before = (tmp_path / "list.json").read_bytes()
    forgotten.add(["JB1"])
    assert (tmp_path / "list.json").read_bytes() == before
