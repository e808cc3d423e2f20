"""A file that arrives in pieces, maybe over several runs: kept beside its target until it is whole."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from crimepatterns.errors import ArtefactError
from crimepatterns.store.atomic import read_json, write_json

__all__ = ["PartialFile"]


class PartialFile:
    """The part of a file that is there already, with a note of what it is a part of.

    Parameters
    ----------
    target : Path
        Where the whole file will be; the part lies beside it as ``<name>.part``, the note as ``<name>.part.json``.
    """

    def __init__(self, target: Path) -> None:
        self.target = target
        self.path = target.with_name(f"{target.name}.part")
        self._note = target.with_name(f"{target.name}.part.json")

    @property
    def size(self) -> int:
        """How many bytes are there."""
        return self.path.stat().st_size if self.path.is_file() else 0

    def note(self) -> dict[str, str]:
        """Return what the part belongs to; empty where there is no part or no readable note."""
        if not self.size:
            return {}
        try:
            found = read_json(self._note)
        except ArtefactError:
            return {}
        return {str(name): str(value) for name, value in found.items()} if isinstance(found, dict) else {}

    def restart(self, note: Mapping[str, str]) -> None:
        """Throw the part away and begin a new one."""
        self.discard()
        self.target.parent.mkdir(parents=True, exist_ok=True)
        write_json(self._note, dict(note))

    def append(self, chunks: Iterable[bytes]) -> None:
        """Add pieces as they come; what has come stays when the stream breaks."""
        with self.path.open("ab") as handle:
            for chunk in chunks:
                handle.write(chunk)

    def finish(self, source: Path | None = None) -> None:
        """Move the whole file to its place, or another one made from it."""
        whole = source or self.path
        with whole.open("ab") as handle:
            os.fsync(handle.fileno())
        whole.replace(self.target)
        self.discard()

    def discard(self) -> None:
        """Remove the part and its note."""
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)
