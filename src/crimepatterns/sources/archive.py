"""Look into zip archives and gzipped files with suspicion: nothing is unpacked before its names and sizes are checked.

Refused are names that lead out of the archive, links, encrypted members, archives within archives, members that share
their bytes, and contents that grow more than two hundredfold beyond a quarter of a gigabyte.
"""

import io
import stat
import zipfile
from pathlib import Path, PurePosixPath
from typing import IO, Any

from crimepatterns.errors import SourceError

__all__ = ["LimitedGzip", "checked_members"]

MAX_MEMBERS = 50_000
MAX_BYTES = 200 << 30
MAX_RATIO = 200
UNSUSPICIOUS = 256 << 20
_PACKED = (".zip", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".tar", ".zst")
_MAC_EXTRAS = ("__MACOSX/", ".DS_Store", "._")


def checked_members(path: Path, *, nested: bool = False) -> list[zipfile.ZipInfo]:
    """List the files of a zip archive, none of them dangerous; what macOS adds is left out.

    Parameters
    ----------
    path : Path
    nested : bool
        Whether archives within the archive are fine, since they will not be opened.

    Raises
    ------
    SourceError
        If the archive is hostile.
    zipfile.BadZipFile, OSError
        If it is damaged.
    """
    with zipfile.ZipFile(path) as archive:
        members = [info for info in archive.infolist() if not info.is_dir()]
    if len(members) > MAX_MEMBERS:
        raise SourceError(f"{path} holds {len(members):,} files, more than {MAX_MEMBERS:,}: refused.")
    for info in members:
        problem = _problem(info, nested=nested)
        if problem:
            raise SourceError(f"{path} holds {_plain(info.filename)!r}, which {problem}: refused.")
    _check_sizes(path, members)
    _check_places(path, members)
    return [
        info
        for info in members
        if not PurePosixPath(info.filename).name.startswith(_MAC_EXTRAS[1:])
        and not info.filename.startswith(_MAC_EXTRAS[0])
    ]


class LimitedGzip(io.RawIOBase):
    """Unpacked bytes of a gzipped file that stop with an error when they grow beyond all measure.

    Parameters
    ----------
    packed : binary file
        Its position tells how much was read of it.
    unpacked : binary file
        The same, unpacked.
    what : str
        What the error calls it.
    """

    def __init__(self, packed: IO[bytes], unpacked: Any, what: str) -> None:
        self._packed, self._unpacked, self._what = packed, unpacked, what
        self._total = 0

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Read the next unpacked bytes."""
        piece: bytes = self._unpacked.read(size)
        self._total += len(piece)
        if self._total > UNSUSPICIOUS and self._total > MAX_RATIO * self._packed.tell():
            raise SourceError(
                f"{self._what} unpacks to more than {MAX_RATIO} times its size: refused as a decompression bomb."
            )
        return piece

    def readinto(self, buffer: Any) -> int:
        """Read the next unpacked bytes into a buffer."""
        piece = self.read(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)


def _problem(info: zipfile.ZipInfo, *, nested: bool) -> str:
    name = info.filename.replace("\\", "/")
    if name.startswith("/") or name[1:2] == ":" or ".." in name.split("/"):
        return "is a path out of the archive"
    if any(ord(letter) < 32 for letter in info.orig_filename):
        return "has control characters in its name"
    if stat.S_ISLNK(info.external_attr >> 16):
        return "is a link"
    if info.flag_bits & 0x1:
        return "is encrypted (unpack it yourself)"
    if not nested and name.lower().endswith(_PACKED):
        return "is an archive within the archive (unpack it yourself)"
    return ""


def _check_sizes(path: Path, members: list[zipfile.ZipInfo]) -> None:
    total, packed = sum(info.file_size for info in members), path.stat().st_size
    if total > MAX_BYTES:
        raise SourceError(f"{path} unpacks to {total / 2**30:,.0f} GiB: refused.")
    if total > UNSUSPICIOUS and total > MAX_RATIO * packed:
        raise SourceError(f"{path} unpacks to {total / packed:,.0f} times its size: refused as a decompression bomb.")


def _check_places(path: Path, members: list[zipfile.ZipInfo]) -> None:
    """Members must not share bytes or names: both make one file count several times."""
    names: set[str] = set()
    end = 0
    for info in sorted(members, key=lambda one: one.header_offset):
        if info.filename in names:
            raise SourceError(f"{path} holds {_plain(info.filename)!r} twice: refused.")
        names.add(info.filename)
        if info.header_offset < end:
            raise SourceError(f"{path} holds files that share their bytes: refused as a decompression bomb.")
        end = info.header_offset + info.compress_size


def _plain(name: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in name)[:100]
