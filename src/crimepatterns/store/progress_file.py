"""How far long work is, in a file that other processes may read at any moment."""

import contextlib
import time
from pathlib import Path
from typing import Any

from crimepatterns.store.atomic import stored_json, write_json

__all__ = ["PROGRESS_FILE", "ProgressFile", "read_progress"]

PROGRESS_FILE = "CRIMEPATTERNS_PROGRESS_FILE"
"""Environment variable that names the file to a command that runs as a job."""

_EVERY_S = 0.5


class ProgressFile:
    """A progress reporter that keeps the last word in a file, at most twice a second except for a new task.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._task, self._written = "", 0.0

    def __call__(self, task: str, done: float, total: float | None) -> None:
        """Write how far the task is; a full disk does not stop the work."""
        now, finished = time.monotonic(), total is not None and done >= total
        if task == self._task and not finished and now - self._written < _EVERY_S:
            return
        self._task, self._written = task, now
        with contextlib.suppress(OSError):
            write_json(
                self._path, {"task": task, "done": float(done), "total": None if total is None else float(total)}
            )


def read_progress(path: Path) -> dict[str, Any] | None:
    """Return ``task``, ``done`` and ``total``, or None where nothing was told yet."""
    found: dict[str, Any] | None = stored_json(path)
    return found
