"""What a server has freed goes back to the system, though something allocated later is still in use."""

import subprocess
import sys

import pytest

PROGRAM = """
import time
from pathlib import Path
from crimepatterns.serving import memory

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20

memory._EVERY_S = 0.5
pieces = [bytes(2000) for _ in range(100_000)]
last = bytes(2000)
del pieces
before = resident()
memory.keep_small()
deadline = time.monotonic() + 20
while resident() > before - 100 and time.monotonic() < deadline:
    time.sleep(0.1)
print(before - resident())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the allocator is glibc's")
def test_freed_memory_is_given_back() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert float(done.stdout) > 100
