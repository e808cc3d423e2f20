"""The short form of the drill: mornings that are killed or run out of disk while a server answers."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

DRILL = Path(__file__).resolve().parents[2] / "benchmarks" / "drills" / "break_daily.py"


@pytest.mark.slow
def test_killed_mornings_and_full_disks_lose_and_tear_nothing() -> None:
    own = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    if shutil.which("unshare") is None or subprocess.run(["unshare", *own, "--mount", "true"], check=False).returncode:
        pytest.skip("mount namespaces are not allowed here")
    done = subprocess.run(
        [sys.executable, str(DRILL), "--kills", "10", "--fulls", "2", "--seed", "7"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-4000:]}{done.stderr[-2000:]}"
    assert len(re.findall(r"killed after", done.stdout)) == 10
    assert len(re.findall(r"disk full but for", done.stdout)) == 2
    read = re.search(r"(\d+) answers read", done.stdout)
    assert read is not None
    assert int(read.group(1)) > 100
