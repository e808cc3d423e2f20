from pathlib import Path

import pytest

from crimepatterns.errors import ArtefactError
from crimepatterns.store.atomic import read_json, replacing, replacing_folder, write_json, write_text


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(RuntimeError), replacing(path) as beside:
        beside.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert [item.name for item in tmp_path.iterdir()] == ["a.txt"]


def test_a_failed_folder_leaves_the_old_folder(tmp_path: Path) -> None:
    folder = tmp_path / "f"
    with replacing_folder(folder) as beside:
        (beside / "x").write_text("1")
    with pytest.raises(RuntimeError), replacing_folder(folder) as beside:
        (beside / "y").write_text("2")
        raise RuntimeError
    assert [item.name for item in folder.iterdir()] == ["x"]
    assert [item.name for item in tmp_path.iterdir()] == ["f"]


def test_a_death_between_the_two_renames_loses_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "f"
    with replacing_folder(folder) as beside:
        (beside / "x").write_text("1")
    # The state that a kill between the renames leaves.
    folder.rename(tmp_path / ".f.old")
    (tmp_path / ".f.0123abcd.part").mkdir()
    with pytest.raises(RuntimeError), replacing_folder(folder):
        raise RuntimeError
    assert (folder / "x").read_text() == "1"
    assert [item.name for item in tmp_path.iterdir()] == ["f"]


def test_json_is_the_same_bytes_for_equal_values(tmp_path: Path) -> None:
    write_json(tmp_path / "a", {"b": 1, "a": [1, 2]})
    write_json(tmp_path / "b", {"a": [1, 2], "b": 1})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert read_json(tmp_path / "a") == {"a": [1, 2], "b": 1}


def test_damaged_and_missing_json_are_named(tmp_path: Path) -> None:
    (tmp_path / "bad").write_text("{")
    with pytest.raises(ArtefactError, match="damaged"):
        read_json(tmp_path / "bad")
    with pytest.raises(ArtefactError, match="missing"):
        read_json(tmp_path / "none")
