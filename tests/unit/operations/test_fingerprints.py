import os
import subprocess
import sys
from pathlib import Path

import pytest

from crimepatterns.errors import CrimePatternsError
from crimepatterns.operations import fingerprints
from crimepatterns.operations.fingerprints import digest_files, fingerprint, unchanged
from crimepatterns.operations.locking import city_lock
from crimepatterns.store.digests import sha256_file


def test_a_touched_file_is_unchanged_and_an_edited_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "in" / "a.txt"
    path.parent.mkdir()
    path.write_text("one")
    facts = fingerprint(tmp_path, [path.parent])
    assert unchanged(tmp_path, facts)
    os.utime(path, (1, 1))
    assert unchanged(tmp_path, facts)
    path.write_text("two")
    assert not unchanged(tmp_path, facts)
    path.unlink()
    assert not unchanged(tmp_path, facts)


def test_what_is_known_is_not_read_again_wherever_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As with files that a newer version shares with the one before."""
    (tmp_path / "v1").mkdir()
    (tmp_path / "v1" / "a").write_text("one")
    (tmp_path / "v1" / "b").write_text("two")
    before = fingerprint(tmp_path, [tmp_path / "v1"])
    (tmp_path / "v2").mkdir()
    (tmp_path / "v2" / "a").hardlink_to(tmp_path / "v1" / "a")
    (tmp_path / "v2" / "b").write_text("new")
    read: list[str] = []

    def sha256(path: Path) -> str:
        read.append(path.name)
        return sha256_file(path)

    monkeypatch.setattr(fingerprints, "sha256_file", sha256)
    after = fingerprint(tmp_path, [tmp_path / "v2"], known=before)
    assert read == ["b"]
    assert after["v2/a"] == before["v1/a"]
    assert after["v2/b"]["sha256"] != before["v1/b"]["sha256"]


def test_links_keep_their_name(tmp_path: Path) -> None:
    (tmp_path / ".versions" / "v1").mkdir(parents=True)
    (tmp_path / ".versions" / "v1" / "a").write_text("one")
    (tmp_path / "city").symlink_to(Path(".versions") / "v1")
    assert list(fingerprint(tmp_path, [tmp_path / "city"])) == ["city/a"]


def test_a_digest_follows_content_not_place(tmp_path: Path) -> None:
    for folder, text in (("a", "x"), ("b", "x"), ("c", "y")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "f").write_text(text)
    assert digest_files([tmp_path / "a"]) == digest_files([tmp_path / "b"])
    assert digest_files([tmp_path / "a"]) != digest_files([tmp_path / "c"])


def test_hidden_temporary_files_do_not_count(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x")
    before = digest_files([tmp_path])
    (tmp_path / ".f.1234.part").write_text("half")
    assert digest_files([tmp_path]) == before


def test_a_second_process_is_told_who_works(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from crimepatterns.operations.locking import city_lock\n"
        f"with city_lock(Path({str(tmp_path)!r})): print('held', flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    assert other.stdout.readline().strip() == "held"
    with pytest.raises(CrimePatternsError, match=f"pid {other.pid}"), city_lock(tmp_path):
        pass
    other.kill()
    other.communicate()
    # The system released it with the process.
    with city_lock(tmp_path):
        pass
