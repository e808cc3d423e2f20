"""A real disk that is full or read-only: a little memory file system in a mount namespace of its own."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

__all__ = ["on_small_disk"]


def on_small_disk(disk: Path, script: str, *, size: str, environment: dict[str, str]) -> str:
    """Run a shell script while `disk` is a file system of that size; return what it printed, errors included.

    What the script leaves on the disk is gone afterwards: it must print what is to be looked at.
    """
    disk.mkdir(exist_ok=True)
    own = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    if shutil.which("unshare") is None or subprocess.run(["unshare", *own, "--mount", "true"], check=False).returncode:
        pytest.skip("mount namespaces are not allowed here")
    mounting = f"mount -t tmpfs -o size={size} none {disk}\n"
    ran = subprocess.run(
        ["unshare", *own, "--mount", "bash", "-c", mounting + script],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return ran.stdout + ran.stderr
