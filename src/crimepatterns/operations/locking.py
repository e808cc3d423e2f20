"""One writer per city at a time."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from crimepatterns.errors import CrimePatternsError

__all__ = ["city_is_busy", "city_lock"]


@contextmanager
def city_lock(folder: Path) -> Iterator[None]:
    """Hold the lock of a city's results folder; the system releases it when the process ends, however it ends.

    Raises
    ------
    CrimePatternsError
        If another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / ".lock"
    with path.open("a+", encoding="utf-8") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            handle.seek(0)
            owner = handle.read().strip() or "unknown"
            raise CrimePatternsError(
                f"Another crimepatterns process ({owner}) is working on {folder.name}: wait for it or stop it."
            ) from error
        handle.truncate(0)
        handle.write(f"pid {os.getpid()}")
        handle.flush()
        yield


def city_is_busy(folder: Path) -> bool | None:
    """Whether a command works on the city now, which then holds the lock; None where the system does not tell.

    The lock is only looked at: taking it, however briefly, could turn away a command that starts in that moment.
    """
    try:
        inode = (folder / ".lock").stat().st_ino
        held = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    except FileNotFoundError:
        return False if Path("/proc/locks").exists() else None
    except OSError:
        return None
    return any("FLOCK" in line and f":{inode} " in line for line in held)
