"""Versions of a folder: a reader sees one whole version, whatever a writer does meanwhile, and however it ends.

``data/processed/<city>`` is a link to the folder of the current version, such as ``.chicago/v000012`` beside it. A
writer makes the next version beside and turns the link in one step. Files that do not change are shared between
versions (hard links), so a version costs only what is new in it. The version before the current one is kept until the
next is written, for readers that began with it.

Each version holds ``manifest.json`` with the number of its format. Format 1, written before there were versions, is a
plain folder without a manifest; it can be read, and the next writer replaces it.
"""

import fcntl
import os
import re
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from crimepatterns.errors import ArtefactError, CrimePatternsError, MissingInputError
from crimepatterns.store.atomic import read_json, write_json
from crimepatterns.version import __version__

__all__ = [
    "FORMAT",
    "MANIFEST",
    "Snapshots",
    "pinned",
    "read_manifest",
    "reading",
    "share_file",
    "share_folder",
    "write_manifest",
]

FORMAT = 2
"""Format of the versions that this program writes; it reads this one and format 1."""

MANIFEST = "manifest.json"

_NAME = re.compile(r"v(\d{6,})")
_TRIES = 5

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Snapshots:
    """The versions of one folder.

    Parameters
    ----------
    folder : Path
        Where readers look, such as ``data/processed/chicago``.
    """

    folder: Path

    @property
    def home(self) -> Path:
        """Where the versions lie."""
        return self.folder.with_name(f".{self.folder.name}")

    @property
    def current(self) -> Path | None:
        """The folder of the current version; None where there is none."""
        return self.folder.resolve() if self.folder.is_dir() else None

    @contextmanager
    def writing(self) -> Iterator[Path]:
        """Yield an empty folder; it becomes the current version when the block ends without an error.

        Raises
        ------
        CrimePatternsError
            If another process is writing a version.
        """
        self.home.mkdir(parents=True, exist_ok=True)
        with _locked(self.home):
            self._recover()
            beside = self.home / f".{uuid.uuid4().hex[:8]}.part"
            beside.mkdir()
            try:
                yield beside
                self._publish(beside)
            finally:
                shutil.rmtree(beside, ignore_errors=True)

    def forget_earlier(self) -> None:
        """Remove all versions but the current one at once, such as after an erasure."""
        for path in self._versions()[:-1]:
            _remove(path)

    def remove(self) -> None:
        """Remove all versions."""
        if self.folder.is_symlink():
            self.folder.unlink()
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.rmtree(self.home, ignore_errors=True)

    def _publish(self, beside: Path) -> None:
        earlier = self._versions()
        number = int(earlier[-1].name[1:]) + 1 if earlier else 1
        version = self.home / f"v{number:06d}"
        beside.rename(version)
        _sync(self.home)
        if self.folder.exists() and not self.folder.is_symlink():
            # Format 1. Should the process die between these two steps, `_recover` finds the new version.
            self.folder.rename(self.home / "v000000")
        self._turn(version)
        for path in self._versions()[:-2]:
            _remove(path)

    def _turn(self, version: Path) -> None:
        link = self.home / f".{uuid.uuid4().hex[:8]}.link"
        link.symlink_to(version.relative_to(self.folder.parent))
        link.replace(self.folder)
        _sync(self.folder.parent)

    def _recover(self) -> None:
        """Clear what a killed writer left; where it died before turning the link, its version is whole but unseen."""
        for stale in (*self.home.glob(".*.part"), *self.home.glob(".*.link")):
            stale.unlink() if stale.is_symlink() else shutil.rmtree(stale, ignore_errors=True)
        versions = self._versions()
        if versions and not os.path.lexists(self.folder):
            self._turn(versions[-1])
        elif self.folder.is_symlink():
            seen = int(self.folder.resolve().name[1:])
            for path in versions:
                if int(path.name[1:]) > seen:
                    _remove(path)

    def _versions(self) -> list[Path]:
        found = [path for path in self.home.glob("v*") if _NAME.fullmatch(path.name)]
        return sorted(found, key=lambda path: int(path.name[1:]))


def pinned(path: Path) -> Path:
    """Return the same path inside the version that is current now, after checking that this program can read it.

    Raises
    ------
    ArtefactError
        If the version was written by a newer program.
    """
    resolved = path.resolve()
    for folder in (resolved, *resolved.parents[:2]):
        if (folder / MANIFEST).is_file():
            read_manifest(folder)
            break
    return resolved


def reading(path: Path, read: Callable[[Path], Answer]) -> Answer:
    """Read from one version; where that was removed meanwhile, because two newer ones were written, start again.

    Parameters
    ----------
    path : Path
        A file or folder of the current version.
    read : callable
        Is given the same path inside the pinned version.
    """
    for attempt in range(_TRIES):
        place = path.resolve()
        try:
            return read(pinned(place))
        except (OSError, CrimePatternsError):
            # Only a version that was removed under the reader is a reason to try again.
            if place.exists() or path.resolve() == place or attempt == _TRIES - 1:
                raise
    raise AssertionError


def read_manifest(version: Path) -> dict[str, Any]:
    """Read what a version says of itself; ``{"format": 1}`` for a folder from before there were versions.

    Raises
    ------
    ArtefactError
        If it is damaged or of a newer format.
    MissingInputError
        If there is no such folder.
    """
    path = version / MANIFEST
    if not path.exists():
        if not version.is_dir():
            raise MissingInputError(f"{version} is gone: it was replaced by newer versions.")
        return {"format": 1}
    manifest: dict[str, Any] = read_json(path)
    try:
        found = int(manifest["format"])
    except (KeyError, TypeError, ValueError) as error:
        raise ArtefactError(f"{path} is damaged ({error!r}): run `crimepatterns clean --force`.") from error
    if found > FORMAT:
        writer = manifest.get("written_by", "of a later version")
        raise ArtefactError(
            f"{version} has format {found}, written by crimepatterns {writer}; this is crimepatterns {__version__}, "
            f"which reads formats up to {FORMAT}: install {writer} or a later one, or run `crimepatterns clean "
            "--force` to make the data again in this one's format."
        )
    return manifest


def write_manifest(version: Path, facts: Mapping[str, Any]) -> None:
    """Write what a version says of itself, with its format and the program that wrote it."""
    write_json(version / MANIFEST, {**facts, "format": FORMAT, "written_by": __version__})


def share_file(source: Path, target: Path) -> None:
    """Take a file over from one version to the next: one content, two names; a copy where the disk cannot do that."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def share_folder(source: Path | None, target: Path) -> None:
    """Take over all files of a version, if there is one."""
    if source is None:
        return
    for path in sorted(source.rglob("*")):
        if path.is_file():
            share_file(path, target / path.relative_to(source))


@contextmanager
def _locked(home: Path) -> Iterator[None]:
    with (home / ".lock").open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CrimePatternsError(
                f"Another process is writing {home.name.lstrip('.')}: wait for it or stop it."
            ) from error
        yield


def _remove(version: Path) -> None:
    """Remove a version, at once for readers: none of them finds half of it."""
    away = version.with_name(f".{version.name}.{uuid.uuid4().hex[:8]}.part")
    version.rename(away)
    shutil.rmtree(away, ignore_errors=True)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
