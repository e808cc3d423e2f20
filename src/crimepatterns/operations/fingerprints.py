"""Digests of files and folders, quick enough to ask before every stage."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from crimepatterns.store.digests import sha256_file

__all__ = ["digest_files", "fingerprint", "unchanged"]

Facts = Mapping[str, Mapping[str, Any]]


def digest_files(paths: Iterable[Path], *, digest: Callable[[Path], str] = sha256_file) -> str:
    """Digest the content of files; sha256, 16 hex digits. Folders stand for the files below them."""
    total = hashlib.sha256()
    for path in _files(paths):
        total.update(path.name.encode())
        total.update(digest(path).encode())
    return total.hexdigest()[:16]


def fingerprint(root: Path, paths: Iterable[Path], *, known: Facts | None = None) -> dict[str, dict[str, Any]]:
    """Describe every file below `paths` by size, time of change, place on disk and sha256; keys are relative to `root`.

    Parameters
    ----------
    root : Path
    paths : iterable of Path
    known : mapping, optional
        An earlier description. The content of a file that is still the same one on disk, of the same size and time of
        change, is not read again, whatever its name is now.
    """
    before = {_marks(facts): str(facts["sha256"]) for facts in (known or {}).values()}
    described = {}
    for path in _files(paths):
        stat = path.stat()
        facts: dict[str, Any] = {"size": stat.st_size, "mtime_ns": stat.st_mtime_ns, "inode": stat.st_ino}
        described[_relative(path, root)] = {**facts, "sha256": before.get(_marks(facts)) or sha256_file(path)}
    return described


def unchanged(root: Path, facts: Facts) -> bool:
    """Tell whether files are still as described; content is read only where the time of change differs."""
    for name, known in facts.items():
        path = root / name
        if not path.is_file() or path.stat().st_size != known["size"]:
            return False
        if path.stat().st_mtime_ns != known["mtime_ns"] and sha256_file(path) != known["sha256"]:
            return False
    return True


def _marks(facts: Mapping[str, Any]) -> tuple[Any, ...]:
    return facts["size"], facts["mtime_ns"], facts.get("inode")


def _files(paths: Iterable[Path]) -> list[Path]:
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(inner for inner in path.rglob("*") if inner.is_file() and not _hidden(inner, path))
        elif path.is_file():
            found.append(path)
    return found


def _hidden(path: Path, above: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(above).parts)


def _relative(path: Path, root: Path) -> str:
    """Write a path as seen from `root`, through links: the folder of a version keeps the name readers know it by."""
    place, above = path.absolute(), root.absolute()
    if place.is_relative_to(above):
        return str(place.relative_to(above))
    resolved = path.resolve()
    return str(resolved.relative_to(root.resolve())) if resolved.is_relative_to(root.resolve()) else str(resolved)
