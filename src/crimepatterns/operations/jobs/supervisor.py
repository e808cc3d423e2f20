"""The process of one job: runs its commands one after another, and writes down how it ended.

    python -m crimepatterns.operations.jobs.supervisor FOLDER

It belongs to no server: whoever reads the folder knows how far it is.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any

from crimepatterns.operations.jobs.records import last_words, write_outcome, write_process
from crimepatterns.store.atomic import read_json, write_json
from crimepatterns.store.progress_file import PROGRESS_FILE

__all__ = ["main"]

_NICER = 5
"""Jobs step back behind those who wait for a page."""


class _StoppedError(Exception):
    """Somebody asked this process to end."""


def main(folder: Path) -> int:
    """Do the job in `folder`; return the exit status."""
    signal.signal(signal.SIGTERM, _stop)
    with contextlib.suppress(OSError):
        os.nice(_NICER)
    told = read_json(folder / "job.json")
    write_process(folder, os.getpid())
    deadline = time.monotonic() + float(told["most_seconds"])
    lacking = []
    try:
        for number, step in enumerate(told["steps"], 1):
            write_json(folder / "step.json", {"number": number, "name": step["name"]})
            (folder / "progress.json").unlink(missing_ok=True)
            problem = _run(folder, step, deadline)
            if problem and step["optional"] and time.monotonic() < deadline:
                lacking.append(problem)
            elif problem:
                write_outcome(folder, "failed", problem)
                return 1
    except _StoppedError:
        write_outcome(folder, "failed", "It was stopped from outside. The last good result stands.")
        return 1
    write_outcome(folder, "done", " ".join(["Without:", *lacking]) if lacking else _conclusion(folder))
    return 0


def _run(folder: Path, step: dict[str, Any], deadline: float) -> str:
    """Run one command; return why it failed, or nothing."""
    command = [sys.executable, "-P", "-m", "crimepatterns", *step["arguments"]]
    environment = {**os.environ, PROGRESS_FILE: str(folder / "progress.json"), "COLUMNS": "140", "NO_COLOR": "1"}
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, env=environment)
    try:
        status = child.wait(timeout=max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        _end_children(child)
        return f"{step['name']}: stopped, since it took longer than jobs.most_hours allows."
    except _StoppedError:
        _end_children(child)
        raise
    if status == 0:
        return ""
    if status < 0:
        return f"{step['name']}: its process was killed (signal {-status}); perhaps the memory did not suffice."
    return _complaint(folder) or f"{step['name']}: failed with exit status {status}."


def _end_children(child: "subprocess.Popen[bytes]") -> None:
    """End the whole group but this process."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(os.getpgid(0), signal.SIGTERM)
    try:
        child.wait(timeout=3)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _complaint(folder: Path) -> str:
    lines = last_words(folder)
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    return (errors or lines or [""])[-1]


def _conclusion(folder: Path) -> str:
    """Return what the last command said at its end where that is a sentence, also in the last row of its table."""
    said: list[str] = []
    for line in reversed(last_words(folder)):
        name, edge, text = line.rpartition("\N{BOX DRAWINGS LIGHT VERTICAL}")
        said.insert(0, text.strip())
        if not edge or name.replace("\N{BOX DRAWINGS LIGHT VERTICAL}", "").strip():
            break  # not a row that goes on
    whole = " ".join(said)
    return whole if whole.endswith(".") else ""


def _stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  # what a handler is given
    raise _StoppedError


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
