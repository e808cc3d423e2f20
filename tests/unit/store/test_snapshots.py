"""Versions of a folder: whole for every reader, whatever happens to the writer."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from crimepatterns.errors import ArtefactError, CrimePatternsError
from crimepatterns.store.snapshots import (
    FORMAT,
    Snapshots,
    pinned,
    read_manifest,
    reading,
    share_file,
    share_folder,
    write_manifest,
)

WRITER = """
import sys
from pathlib import Path
from crimepatterns.store.snapshots import Snapshots, share_file, write_manifest
snapshots, limit = Snapshots(Path(sys.argv[1])), int(sys.argv[2])
number = max([int(one.name[1:]) for one in snapshots.home.glob("v*")], default=0) if snapshots.home.exists() else 0
print("ready", flush=True)
while number < limit:
    number += 1
    with snapshots.writing() as folder:
        for i in range(8):
            (folder / f"part-{i}").write_text(str(number))
        write_manifest(folder, {"number": number})
"""

READER = """
import sys
from pathlib import Path
from crimepatterns.store.snapshots import read_manifest, reading
def look(version):
    numbers = {int((version / f"part-{i}").read_text()) for i in range(8)}
    numbers.add(read_manifest(version)["number"])
    assert len(numbers) == 1, numbers
    return numbers.pop()
folder, last, seen = Path(sys.argv[1]), 0, set()
print("ready", flush=True)
while last < int(sys.argv[2]):
    now = reading(folder, look)
    assert now >= last, (now, last)
    last = now
    seen.add(now)
print(len(seen))
"""


def start(code: str, folder: Path, limit: int) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(folder), str(limit)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def write(snapshots: Snapshots, text: str) -> None:
    with snapshots.writing() as folder:
        (folder / "a").write_text(text)
        write_manifest(folder, {})


def test_readers_in_other_processes_see_whole_versions_only(tmp_path: Path) -> None:
    folder = tmp_path / "city"
    assert start(WRITER, folder, 1).communicate(timeout=300)[1] == ""
    readers = [start(READER, folder, 250) for _ in range(2)]
    writer = start(WRITER, folder, 250)
    assert writer.communicate(timeout=300)[1] == ""
    for reader in readers:
        out, error = reader.communicate(timeout=300)
        assert reader.returncode == 0, error
        assert int(out) > 3


def test_a_killed_writer_leaves_the_last_good_version(tmp_path: Path) -> None:
    folder, chance = tmp_path / "city", random.Random(4)
    last = 0
    for _ in range(12):
        writer = start(WRITER, folder, 10_000)
        time.sleep(chance.uniform(0.0, 0.15))
        os.kill(writer.pid, signal.SIGKILL)
        writer.communicate()
        if not folder.exists():
            # It died before its very first version was in place.
            assert last == 0
            continue
        number = read_manifest(folder)["number"]
        assert {(folder / f"part-{i}").read_text() for i in range(8)} == {str(number)}
        assert number >= last
        last = number
    assert last > 0
    write(Snapshots(folder), "after")
    left = sorted(path.name for path in Snapshots(folder).home.iterdir())
    assert len([name for name in left if name.startswith("v")]) == 2
    assert not [name for name in left if name.endswith((".part", ".link"))]


def test_the_version_before_stays_until_the_next_is_written(tmp_path: Path) -> None:
    snapshots = Snapshots(tmp_path / "city")
    write(snapshots, "one")
    begun = pinned(snapshots.folder / "a")
    write(snapshots, "two")
    assert begun.read_text() == "one"
    assert (snapshots.folder / "a").read_text() == "two"
    write(snapshots, "three")
    assert not begun.exists()
    snapshots.forget_earlier()
    assert [path.name for path in snapshots.home.glob("v*")] == ["v000003"]


def test_a_reader_whose_version_went_begins_again(tmp_path: Path) -> None:
    snapshots = Snapshots(tmp_path / "city")
    write(snapshots, "one")
    looks = []

    def look(path: Path) -> str:
        looks.append(path)
        if len(looks) == 1:
            write(snapshots, "two")
            write(snapshots, "three")
        return path.read_text()

    assert reading(snapshots.folder / "a", look) == "three"
    assert len(looks) == 2
    with pytest.raises(FileNotFoundError):
        reading(snapshots.folder / "b", Path.read_text)


def test_an_error_leaves_the_version_as_it_is(tmp_path: Path) -> None:
    snapshots = Snapshots(tmp_path / "city")
    write(snapshots, "one")

    def fail() -> None:
        with snapshots.writing() as folder:
            (folder / "a").write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert (snapshots.folder / "a").read_text() == "one"
    assert [path.name for path in snapshots.home.iterdir() if path.name != ".lock"] == ["v000001"]


@pytest.mark.parametrize("state", ["unseen", "vanished"])
def test_a_version_that_was_written_but_not_shown(tmp_path: Path, state: str) -> None:
    """The writer died after its version was whole and before readers were led to it."""
    snapshots = Snapshots(tmp_path / "city")
    write(snapshots, "one")
    version = snapshots.home / "v000002"
    version.mkdir()
    (version / "a").write_text("two")
    if state == "vanished":
        snapshots.folder.unlink()
    with snapshots.writing() as folder:
        assert (snapshots.folder / "a").read_text() == ("one" if state == "unseen" else "two")
        share_folder(snapshots.current, folder)
    assert (snapshots.folder / "a").read_text() == ("one" if state == "unseen" else "two")


def test_files_are_shared_between_versions(tmp_path: Path) -> None:
    snapshots = Snapshots(tmp_path / "city")
    write(snapshots, "one")
    before = snapshots.current
    assert before is not None
    with snapshots.writing() as folder:
        share_file(before / "a", folder / "deep" / "a")
    assert (snapshots.folder / "deep" / "a").stat().st_ino == (before / "a").stat().st_ino


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    snapshots = Snapshots(tmp_path / "city")
    with snapshots.writing() as folder:
        (folder / "a").write_text("mine")
        with pytest.raises(CrimePatternsError, match="Another process is writing city"), snapshots.writing():
            pass
    assert (snapshots.folder / "a").read_text() == "mine"


def test_the_plain_folder_of_format_1_becomes_a_version(tmp_path: Path) -> None:
    snapshots = Snapshots(tmp_path / "city")
    snapshots.folder.mkdir()
    (snapshots.folder / "a").write_text("old")
    assert read_manifest(snapshots.folder) == {"format": 1}
    assert reading(snapshots.folder / "a", Path.read_text) == "old"
    with snapshots.writing() as folder:
        assert (snapshots.folder / "a").read_text() == "old"
        (folder / "a").write_text("new")
        write_manifest(folder, {})
    assert snapshots.folder.is_symlink()
    assert (snapshots.folder / "a").read_text() == "new"
    assert read_manifest(snapshots.folder)["format"] == FORMAT
    write(snapshots, "newer")
    assert not (snapshots.home / "v000000").exists()


def test_a_newer_format_is_refused_and_says_what_is_needed(tmp_path: Path) -> None:
    snapshots = Snapshots(tmp_path / "city")
    write(snapshots, "one")
    manifest = snapshots.folder / "manifest.json"
    manifest.write_text(json.dumps({"format": FORMAT + 1, "written_by": "9.1.0"}))
    with pytest.raises(ArtefactError, match=r"by crimepatterns 9\.1\.0.*reads formats up to 2: install 9\.1\.0"):
        reading(snapshots.folder / "a", Path.read_text)
    manifest.write_text(json.dumps({"format": "two"}))
    with pytest.raises(ArtefactError, match="clean --force"):
        pinned(snapshots.folder / "a")


def test_everything_can_be_removed(tmp_path: Path) -> None:
    snapshots = Snapshots(tmp_path / "city")
    write(snapshots, "one")
    snapshots.remove()
    assert list(tmp_path.iterdir()) == []
    assert snapshots.current is None
