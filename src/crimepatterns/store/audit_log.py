"""The log of access: lines that are only ever added, each sealed with the one before it."""

import fcntl
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

__all__ = ["AuditCheck", "append_event", "check_log"]

_FIRST = "0" * 16
_LONGEST = 4096


@dataclass(frozen=True)
class AuditCheck:
    """Whether the log is as it was written.

    Parameters
    ----------
    entries : int
    broken_at : int or None
        Number of the first line that was changed, or that follows one that was removed.
    last : tuple of dict
        The last entries.
    """

    entries: int
    broken_at: int | None
    last: tuple[dict[str, object], ...]


def append_event(path: Path, event: Mapping[str, object]) -> None:
    """Add an event with its moment and the seal of the line before; safe from several processes.

    Parameters
    ----------
    path : Path
    event : mapping
        Plain values; nothing personal, no address, no key.

    Raises
    ------
    OSError
        If the disk is full or the folder cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        size = os.fstat(handle).st_size
        tail = os.pread(handle, _LONGEST, max(0, size - _LONGEST))
        # A line torn by a crash stays as it is; the next one must not be glued to it.
        torn = b"\n" if tail and not tail.endswith(b"\n") else b""
        before = tail.rstrip(b"\n").rpartition(b"\n")[2]
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = json.dumps({"at": at, **event, "after": _seal(before)}, ensure_ascii=False)
        os.write(handle, torn + line.encode()[: _LONGEST - 1] + b"\n")
    finally:
        os.close(handle)


def check_log(path: Path, *, last: int = 20) -> AuditCheck:
    """Read the log and see whether every line still follows the one before it.

    A log whose end was cut off cannot be told from a shorter one: keep a copy elsewhere if that matters.
    """
    lines = [line for line in path.read_bytes().split(b"\n") if line] if path.exists() else []
    broken, before, entries = None, b"", []
    for number, line in enumerate(lines, 1):
        try:
            entry = json.loads(line)
            whole = isinstance(entry, dict) and entry.get("after") == _seal(before)
        except ValueError:
            entry, whole = {"torn": line.decode(errors="replace")[:80]}, False
        if not whole and broken is None:
            broken = number
        entries.append(entry if isinstance(entry, dict) else {"torn": str(entry)[:80]})
        before = line
    return AuditCheck(len(lines), broken, tuple(entries[-last:]) if last else ())


def _seal(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()[:16] if line else _FIRST
