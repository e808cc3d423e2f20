"""One process at a time changes a file: the others wait."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["exclusive"]


@contextmanager
def exclusive(lock: Path) -> Iterator[None]:
    """Wait for a lock and hold it; the system releases it when the process ends, however it ends.

    The file is for its owner alone; its folder must be there.
    """
    handle = os.open(lock, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
