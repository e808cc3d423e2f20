"""Digests of files and folders, quick enough to ask before every stage."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

__all__ = ["digest_files", "fingerprint", "unchanged"]

_CHUNK = 1 << 20


def digest_files(paths: Iterable[Path]) -> str:
    """Digest the content of files; sha256, 16 hex digits. Folders stand for the files below them."""
    total = hashlib.sha256()
    for path in _files(paths):
        total.update(path.name.encode())
        total.update(_sha256(path).encode())
    return total.hexdigest()[:16]


def fingerprint(root: Path, paths: Iterable[Path]) -> dict[str, dict[str, Any]]:
    """Describe every file below `paths` by size, time of change and sha256; keys are relative to `root`."""
    facts = {}
    for path in _files(paths):
        stat = path.stat()
        facts[_relative(path, root)] = {"size": stat.st_size, "mtime_ns": stat.st_mtime_ns, "sha256": _sha256(path)}
    return facts


def unchanged(root: Path, facts: Mapping[str, Mapping[str, Any]]) -> bool:
    """Tell whether files are still as described; content is read only where the time of change differs."""
    for name, known in facts.items():
        path = root / name
        if not path.is_file() or path.stat().st_size != known["size"]:
            return False
        if path.stat().st_mtime_ns != known["mtime_ns"] and _sha256(path) != known["sha256"]:
            return False
    return True


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
    resolved = path.resolve()
    return str(resolved.relative_to(root.resolve())) if resolved.is_relative_to(root.resolve()) else str(resolved)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as handle:
        while chunk := handle.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
