"""Stages of models: one pointer, changed whole, that nobody can quietly turn back."""

import json
from pathlib import Path

import pytest

from crimepatterns.errors import ModelError, UntrustedModelError
from crimepatterns.store.model_stages import (
    check_staged,
    name_candidate,
    promote,
    prune,
    read_changes,
    read_stages,
    roll_back,
)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A model with five versions; the log does not look into them."""
    for version in "abcde":
        (tmp_path / "model" / version).mkdir(parents=True)
        (tmp_path / "model" / version / "manifest.json").write_text(json.dumps({"version": version}), encoding="utf-8")
    return tmp_path / "model"


def test_the_first_version_is_served_and_later_ones_wait(home: Path) -> None:
    assert read_stages(home).champion is None
    assert name_candidate(home, "a", reason="trained").champion == "a"
    waiting = name_candidate(home, "b", reason="trained")
    assert (waiting.candidate, waiting.champion, waiting.previous) == ("b", "a", None)
    served = promote(home, "b", reason="better")
    assert (served.candidate, served.champion, served.previous) == (None, "b", "a")
    back = roll_back(home, reason="worse after all")
    assert (back.candidate, back.champion, back.previous) == ("b", "a", None)
    assert read_stages(home) == back
    assert [change.action for change in read_changes(home)] == ["promote", "candidate", "promote", "roll back"]
    with pytest.raises(ModelError, match="no previous version"):
        roll_back(home, reason="again")
    with pytest.raises(ModelError, match="no version 'z'"):
        promote(home, "z", reason="typo")


def test_what_changes_nothing_is_not_logged(home: Path) -> None:
    name_candidate(home, "a", reason="trained")
    name_candidate(home, "a", reason="trained")
    promote(home, "a", reason="again")
    assert read_stages(home).number == 1


def test_a_version_that_was_made_again_keeps_its_stage(home: Path) -> None:
    name_candidate(home, "a", reason="trained")
    (home / "a" / "manifest.json").write_text("{}", encoding="utf-8")
    stages = name_candidate(home, "a", reason="trained")
    assert (stages.champion, stages.number) == ("a", 2)
    check_staged(home, "a", stages)


def test_an_altered_champion_is_refused(home: Path) -> None:
    stages = name_candidate(home, "a", reason="trained")
    check_staged(home, "a", stages)
    (home / "a" / "manifest.json").write_text("{}", encoding="utf-8")
    with pytest.raises(UntrustedModelError, match="not the version that was given its stage"):
        check_staged(home, "a", stages)


def test_an_old_log_put_back_is_refused(home: Path) -> None:
    name_candidate(home, "a", reason="trained")
    old = (home / "stages.jsonl").read_bytes()
    promote(home, "b", reason="better")
    (home / "stages.jsonl").write_bytes(old)
    with pytest.raises(UntrustedModelError, match="old copy"):
        read_stages(home)
    (home / "stages.jsonl").unlink()
    with pytest.raises(UntrustedModelError, match="old copy"):
        read_stages(home)


@pytest.mark.parametrize("line", [0, 1])
def test_an_altered_log_is_refused(home: Path, line: int) -> None:
    for version in "ab":
        promote(home, version, reason="better")
    lines = (home / "stages.jsonl").read_text(encoding="utf-8").splitlines()
    lines[line] = lines[line].replace("better", "approved")
    (home / "stages.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(UntrustedModelError, match="does not follow" if line == 0 else "was altered"):
        read_stages(home)


def test_a_process_that_died_after_the_log_leaves_a_good_log(home: Path) -> None:
    promote(home, "a", reason="better")
    before = (home.parent / ".stages.json").read_bytes()
    promote(home, "b", reason="better")
    (home.parent / ".stages.json").write_bytes(before)
    assert read_stages(home).champion == "b"
    assert promote(home, "c", reason="better").number == 3


def test_a_torn_line_is_refused(home: Path) -> None:
    promote(home, "a", reason="better")
    path = home / "stages.jsonl"
    path.write_text(path.read_text(encoding="utf-8")[:-9], encoding="utf-8")
    with pytest.raises(UntrustedModelError, match="no stage"):
        read_stages(home)


def test_versions_with_a_stage_are_never_pruned(home: Path) -> None:
    promote(home, "a", reason="better")
    promote(home, "b", reason="better")
    name_candidate(home, "c", reason="trained")
    assert prune(home, keep=0) == ["d", "e"]
    assert prune(home, keep=1) == ["d"]
    assert prune(home, keep=5) == []
