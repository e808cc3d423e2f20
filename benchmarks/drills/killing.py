"""A command that is run, and killed with all its children after a while."""

import os
import signal
import subprocess
import tempfile
from collections.abc import Sequence


def run_or_kill(command: Sequence[str], after_s: float | None) -> tuple[int, str]:
    """Run a command and kill its whole process group after so long (None: never); return exit status and output."""
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        try:
            process.wait(timeout=after_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        log.seek(0)
        return process.returncode, log.read()


def last_task(output: str) -> str:
    """Tell what a command said last that it does."""
    lines = [line.strip() for line in output.splitlines() if line.strip().endswith("...")]
    return lines[-1] if lines else "starting"
