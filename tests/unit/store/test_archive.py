"""Archives are whole, say what they hold, and give back nothing else."""

import io
import json
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crimepatterns.errors import ArtefactError
from crimepatterns.store.archive import read_archive, write_archive


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    (tmp_path / "a.txt").write_text("records")
    (tmp_path / "b.bin").write_bytes(bytes(range(256)) * 40)
    files = [("data/a.txt", tmp_path / "a.txt"), ("models/m/b.bin", tmp_path / "b.bin")]
    write_archive(tmp_path / "kept.tar", files, facts={"city": "test"})
    return tmp_path / "kept.tar"


def test_what_went_in_comes_out(archive: Path, tmp_path: Path) -> None:
    found = read_archive(archive, into=tmp_path / "out")
    assert found.facts == {"city": "test"}
    assert found.size == 7 + 256 * 40
    assert (tmp_path / "out" / "data" / "a.txt").read_text() == "records"
    assert (tmp_path / "out" / "models" / "m" / "b.bin").read_bytes() == (tmp_path / "b.bin").read_bytes()
    assert read_archive(archive, seal=found.seal) == found


def test_only_the_owner_may_read_it(archive: Path) -> None:
    assert archive.stat().st_mode & 0o777 == 0o600


def test_the_same_files_give_the_same_seal(archive: Path, tmp_path: Path) -> None:
    files = [("data/a.txt", tmp_path / "a.txt"), ("models/m/b.bin", tmp_path / "b.bin")]
    again = write_archive(tmp_path / "again.tar", files, facts={"city": "test"})
    assert again.seal == read_archive(archive).seal
    (tmp_path / "a.txt").write_text("Records")
    other = write_archive(tmp_path / "other.tar", files, facts={"city": "test"})
    assert other.seal != again.seal
    with pytest.raises(ArtefactError, match="has the seal"):
        read_archive(tmp_path / "other.tar", seal=again.seal)


@given(share=st.floats(0.001, 0.999))
def test_a_torn_archive_is_refused(share: float, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("torn")
    (folder / "a.txt").write_text("records" * 2000)
    write_archive(folder / "kept.tar", [("a.txt", folder / "a.txt")], facts={})
    whole = (folder / "kept.tar").read_bytes()
    end = whole.rindex(b"}") + 1
    (folder / "kept.tar").write_bytes(whole[: int(end * share)])
    with pytest.raises(ArtefactError, match=r"torn|damaged"):
        read_archive(folder / "kept.tar")


def test_a_flipped_byte_is_named(archive: Path) -> None:
    content = bytearray(archive.read_bytes())
    content[content.index(b"records")] ^= 1
    archive.write_bytes(content)
    with pytest.raises(ArtefactError, match=r"data/a\.txt is not the file that was saved"):
        read_archive(archive)


@pytest.mark.parametrize("name", ["../out", "/etc/passwd", "a/../../b", "BACKUP.json"])
def test_names_that_lead_elsewhere_are_refused_on_both_ways(name: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(ArtefactError, match="leads out"):
        write_archive(tmp_path / "kept.tar", [(name, tmp_path / "a.txt")], facts={})
    if name != "BACKUP.json":
        forge(tmp_path / "forged.tar", tarfile.TarInfo(name), b"x")
        with pytest.raises(ArtefactError, match="leads out"):
            read_archive(tmp_path / "forged.tar", into=tmp_path / "into")
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE])
def test_links_devices_and_folders_are_refused(kind: bytes, tmp_path: Path) -> None:
    entry = tarfile.TarInfo("data/a.txt")
    entry.type, entry.linkname = kind, "/etc/passwd"
    forge(tmp_path / "forged.tar", entry, b"")
    with pytest.raises(ArtefactError, match="as no backup of this product does"):
        read_archive(tmp_path / "forged.tar", into=tmp_path / "into")


def test_a_file_that_is_not_listed_is_refused(tmp_path: Path) -> None:
    forge(tmp_path / "forged.tar", tarfile.TarInfo("data/a.txt"), b"more", listed={})
    with pytest.raises(ArtefactError, match=r"data/a\.txt is not the file"):
        read_archive(tmp_path / "forged.tar")


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "damaged list"), ("[]", "damaged list"), ('{"format": 9, "facts": {}, "files": {}}', "has format 9")],
)
def test_a_list_of_another_kind_is_refused(text: str, message: str, tmp_path: Path) -> None:
    forge(tmp_path / "forged.tar", None, b"", text=text)
    with pytest.raises(ArtefactError, match=message):
        read_archive(tmp_path / "forged.tar")


def test_no_archive_at_all(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="There is no backup"):
        read_archive(tmp_path / "kept.tar")
    (tmp_path / "kept.tar").write_text("some text that is no archive" * 100)
    with pytest.raises(ArtefactError, match="torn or no backup"):
        read_archive(tmp_path / "kept.tar")


def forge(
    path: Path,
    entry: tarfile.TarInfo | None,
    content: bytes,
    *,
    listed: dict[str, object] | None = None,
    text: str | None = None,
) -> None:
    """Write an archive as a stranger would."""
    with tarfile.open(path, "w") as tar:
        if entry is not None:
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
        told = text or json.dumps({"format": 1, "facts": {}, "files": listed or {}})
        closing = tarfile.TarInfo("BACKUP.json")
        closing.size = len(told)
        tar.addfile(closing, io.BytesIO(told.encode()))
