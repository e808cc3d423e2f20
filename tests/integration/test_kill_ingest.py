"""The short form of the drill: a few kills of ingest and clean while the portal fails."""

import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_killed_ingests_of_a_failing_portal_lose_and_double_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(PROJECT / "benchmarks" / "drills"))
    from kill_ingest import drill

    told: list[str] = []
    assert drill(tmp_path, kills=5, seed=7, say=told.append) == []
    assert sum("kill" in line for line in told) == 5
    assert "kill_ingest" in sys.modules
