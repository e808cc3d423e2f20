"""Many files in one, each with its digest: what a backup is kept in.

An archive is a plain tar file whose last member, ``BACKUP.json``, lists size and sha256 of every other one. A torn
archive has no list and is refused. Files are read back by name from that list alone: links, devices, and names that
lead out of the folder are refused. The **seal**, the sha256 of the list, stands for everything in the archive; whoever
notes it elsewhere can tell an archive that was made anew from the one that was written.
"""

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from crimepatterns.errors import ArtefactError
from crimepatterns.store.atomic import replacing

__all__ = ["Archive", "read_archive", "write_archive"]

_LIST = "BACKUP.json"
_FORMAT = 1
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Archive:
    """What an archive says of itself.

    Parameters
    ----------
    facts : mapping
        What its writer noted, such as city and time.
    files : mapping of str to mapping
        ``size`` in bytes and ``sha256`` per name.
    seal : str
        sha256 of the list; 64 hex digits.
    """

    facts: Mapping[str, Any]
    files: Mapping[str, Mapping[str, Any]]
    seal: str

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(int(one["size"]) for one in self.files.values())


def write_archive(path: Path, files: Iterable[tuple[str, Path]], *, facts: Mapping[str, Any]) -> Archive:
    """Write files into one archive, whole or not at all; each is read once.

    Parameters
    ----------
    path : Path
    files : iterable of (str, Path)
        Name in the archive, with forward slashes, and where the file lies.
    facts : mapping
        JSON-able.
    """
    listed: dict[str, dict[str, Any]] = {}
    with replacing(path) as beside:
        # An archive holds what only the owner of the project folder may read.
        beside.touch(mode=0o600)
        with tarfile.open(beside, "w", format=tarfile.PAX_FORMAT) as tar:
            for name, source in files:
                entry = tar.gettarinfo(source, arcname=_safe(name))
                entry.uid = entry.gid = 0
                entry.uname = entry.gname = ""
                with source.open("rb") as handle:
                    counted = _Counted(handle)
                    tar.addfile(entry, counted)
                listed[name] = {"size": entry.size, "sha256": counted.digest.hexdigest()}
            text = json.dumps({"format": _FORMAT, "facts": dict(facts), "files": listed}, indent=2, sort_keys=True)
            content = text.encode()
            closing = tarfile.TarInfo(_LIST)
            closing.size, closing.mode = len(content), 0o600
            tar.addfile(closing, io.BytesIO(content))
    return Archive(dict(facts), listed, hashlib.sha256(content).hexdigest())


def read_archive(path: Path, *, into: Path | None = None, seal: str | None = None) -> Archive:
    """Read a whole archive and check every file; with `into`, leave the files below that folder.

    Parameters
    ----------
    path : Path
    into : Path, optional
        An empty folder. What it holds after an error is to be thrown away.
    seal : str, optional
        The seal that the archive must have.

    Raises
    ------
    ArtefactError
        If the archive is torn, damaged, altered, of another format, or holds anything but the files it lists.
    """
    found: dict[str, dict[str, Any]] = {}
    content: bytes | None = None
    with _opened(path) as tar:
        for entry in tar:
            if content is not None or not entry.isreg() or entry.name in found:
                raise ArtefactError(f"{path} holds {entry.name!r}, as no backup of this product does: do not use it.")
            stream = cast("IO[bytes]", tar.extractfile(entry))
            if entry.name == _LIST:
                content = stream.read()
            else:
                found[entry.name] = _take(entry, stream, into)
    if content is None:
        raise ArtefactError(f"{path} is torn: it has no list of its files. Take another backup.")
    archive = _described(path, content)
    for name in sorted({*archive.files, *found}):
        if dict(archive.files.get(name, {})) != found.get(name):
            raise ArtefactError(f"{path}: {name} is not the file that was saved. Take another backup.")
    if seal is not None and seal.lower() != archive.seal:
        raise ArtefactError(f"{path} has the seal {archive.seal}, expected {seal}: it is not that backup.")
    return archive


class _Counted:
    """A file that digests what is read from it."""

    def __init__(self, handle: IO[bytes]) -> None:
        self.handle = handle
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        block = self.handle.read(size)
        self.digest.update(block)
        return block


@contextmanager
def _opened(path: Path) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(path, "r:") as tar:
            yield tar
    except FileNotFoundError as error:
        raise ArtefactError(f"There is no backup {path}.") from error
    except (tarfile.TarError, EOFError) as error:
        raise ArtefactError(f"{path} is torn or no backup ({error}). Take another one.") from error


def _take(entry: tarfile.TarInfo, stream: IO[bytes], into: Path | None) -> dict[str, Any]:
    """Digest one file, and write it below `into`."""
    counted, size = _Counted(stream), 0
    target = Path(os.devnull) if into is None else into / _safe(entry.name)
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as handle:
        while block := counted.read(_BLOCK):
            size += handle.write(block)
        if into is not None:
            handle.flush()
            os.fsync(handle.fileno())
            target.chmod(entry.mode & 0o755 | 0o400)
    return {"size": size, "sha256": counted.digest.hexdigest()}


def _described(path: Path, content: bytes) -> Archive:
    try:
        told = json.loads(content)
        known, facts, files = told["format"], dict(told["facts"]), dict(told["files"])
    except (KeyError, TypeError, ValueError) as error:
        raise ArtefactError(f"{path} has a damaged list of its files ({error}). Take another backup.") from error
    if known != _FORMAT:
        raise ArtefactError(f"{path} has format {known}; this program reads {_FORMAT}: use the one that wrote it.")
    return Archive(facts, files, hashlib.sha256(content).hexdigest())


def _safe(name: str) -> str:
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or "\\" in name or name == _LIST:
        raise ArtefactError(f"{name!r} is no name for a file in a backup: it leads out of the project folder.")
    return name
