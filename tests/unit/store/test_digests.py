"""Digests of the user's files are remembered while nothing about the file has changed."""

import os
from pathlib import Path

import pytest

from crimepatterns.store import digests
from crimepatterns.store.digests import KnownDigests, sha256_bytes, sha256_file


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Files whose content was read."""
    found: list[Path] = []

    def spy(path: Path) -> str:
        found.append(path)
        return sha256_file(path)

    monkeypatch.setattr(digests, "sha256_file", spy)
    monkeypatch.setattr(digests, "_SETTLED_NS", -1)
    return found


def test_an_unchanged_file_is_read_once(tmp_path: Path, read: list[Path]) -> None:
    file, kept = tmp_path / "a.csv", tmp_path / "known.json"
    file.write_text("one")
    assert [KnownDigests(kept).digest(file) for _ in range(3)] == [sha256_bytes(b"one")] * 3
    assert len(read) == 1


def test_a_change_that_hides_is_found(tmp_path: Path, read: list[Path]) -> None:
    """Same size, and the time of change set back."""
    file, kept = tmp_path / "a.csv", tmp_path / "known.json"
    file.write_text("one")
    os.utime(file, ns=(1, 1))
    assert KnownDigests(kept).digest(file) == sha256_bytes(b"one")
    file.write_text("two")
    os.utime(file, ns=(1, 1))
    assert KnownDigests(kept).digest(file) == sha256_bytes(b"two")
    other = tmp_path / "b.csv"
    other.write_text("six")
    os.utime(other, ns=(1, 1))
    other.replace(file)
    assert KnownDigests(kept).digest(file) == sha256_bytes(b"six")
    assert len(read) == 3


def test_a_file_that_has_just_changed_is_not_trusted(tmp_path: Path) -> None:
    file, kept = tmp_path / "a.csv", tmp_path / "known.json"
    file.write_text("one")
    KnownDigests(kept).digest(file)
    assert not kept.exists()


def test_a_damaged_list_is_made_again(tmp_path: Path, read: list[Path]) -> None:
    file, kept = tmp_path / "a.csv", tmp_path / "known.json"
    file.write_text("one")
    kept.write_text("[1,")
    assert KnownDigests(kept).digest(file) == sha256_bytes(b"one")
    assert KnownDigests(kept).digest(file) == sha256_bytes(b"one")
    assert len(read) == 1
