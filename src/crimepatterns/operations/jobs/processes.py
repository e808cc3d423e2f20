"""Processes that outlive their parent: found again by number and moment of birth, and ended with all their children."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ["begin_apart", "birth_of", "end_group"]


def begin_apart(command: Sequence[str], *, log: Path, environment: Mapping[str, str]) -> int:
    """Start a command in a session of its own, its words in a file; return its process number, which names its group.

    Raises
    ------
    OSError
        If it cannot be started.
    """
    words = (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)
    return os.posix_spawn(
        command[0],
        list(command),
        {**os.environ, **environment},
        file_actions=[nothing, words, (os.POSIX_SPAWN_DUP2, 1, 2)],
        setsid=True,
    )


def birth_of(pid: int) -> str | None:
    """Return what no other process with this number shares: the machine's start and the process's own.

    None where no such process runs; one that has ended but was not yet fetched by its parent does not run.
    """
    try:
        told = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except FileNotFoundError:
        return None if Path("/proc/self/stat").exists() else _birth_by_ps(pid)
    except OSError:
        return None
    # The name of the program stands in brackets and may hold anything.
    fields = told.rpartition(")")[2].split()
    if fields[0] in {"Z", "X"}:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
        return None
    return f"{_boot()}:{fields[19]}"


def end_group(pid: int, birth: str, *, patience_s: float = 5.0) -> None:
    """Ask a process and its group to end, and end them if they do not; nothing happens where it ended before."""
    if birth_of(pid) != birth:
        return
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGTERM)
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline:
            if birth_of(pid) != birth and not _group_lives(pid):
                return
            time.sleep(0.05)
        os.killpg(pid, signal.SIGKILL)


def _group_lives(group: int) -> bool:
    """Whether any process of a group still runs; those that only wait to be fetched by their parents do not."""
    stats = list(Path("/proc").glob("[0-9]*/stat"))
    if not stats:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return False
        return True
    for path in stats:
        with contextlib.suppress(OSError):
            state, _, own = path.read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[:3]
            if int(own) == group and state not in {"Z", "X"}:
                return True
    return False


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return "unknown"


def _birth_by_ps(pid: int) -> str | None:
    """Where there is no /proc: the second of birth."""
    asked = ["/bin/ps", "-o", "stat=,lstart=", "-p", str(pid)]
    told = subprocess.run(asked, capture_output=True, text=True, check=False)
    state, _, born = told.stdout.strip().partition(" ")
    return born.strip() if born and not state.startswith("Z") else None
