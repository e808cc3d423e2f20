"""A small town whose file of records grows, for drills: what its mornings do, and what its server answers."""

import random
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from killing import run_or_kill

FIRST_DAY = datetime(2024, 1, 1, tzinfo=UTC)
KEPT = ("data/issued/**/*", "ledger/*.jsonl", "models/*/*.jsonl")
"""What nothing can make again: it may grow, and nothing of it may go."""
CITY = """
city: drill
title: Drill
crs: EPSG:32632
workers: 1
columns: {id: id, occurred_from: at, category: what, longitude: lon, latitude: lat}
cleaning: {time_format: ["%Y-%m-%d %H:%M:%S"]}
study_area: {derive: concave_hull}
grid: {cell_size_m: 500}
patterns: {methods: [density]}
forecast:
  categories: [theft]
  models: [count, count_eb, gradient_boosting]
  tuning_candidates: 0
  max_rows: 2000
evaluation: {select_origins: 4, judge_origins: 4, simulations: 5, interval_origins: 0}
daily: {retrain_days: 1}
serving: {reload_s: 0.5}
security: {requests_per_second: 10000, burst: 10000}
"""


@dataclass
class Town:
    """A town whose file of records grows by a day each morning."""

    root: Path
    chance: random.Random
    rows: int = 0
    day: int = 0
    port: int = 0
    problems: list[str] = field(default_factory=list)
    answers: int = 0
    reads: int = 0
    complete: bool = False
    whole: dict[Path, tuple[int, int]] = field(default_factory=dict)
    runs: dict[str, tuple[str, float]] = field(default_factory=dict)

    @property
    def records(self) -> Path:
        """The publisher's file."""
        return self.root / "records.csv"

    def publish(self, count: int, days: int) -> None:
        """Add records of the next days; the publisher's disk is another one, so a full disk never cuts its file."""
        lines = []
        for _ in range(count):
            moment = FIRST_DAY + timedelta(days=self.day + self.chance.random() * days)
            when = moment.strftime("%Y-%m-%d %H:%M:%S")
            lon, lat = (8.0 + self.chance.gauss(0, 0.012), 48.0 + self.chance.gauss(0, 0.008))
            self.rows += 1
            lines.append(f"r{self.rows},{when},{self.chance.choice(['theft', 'burglary'])},{lon:.6f},{lat:.6f}\n")
        before = self.records.read_text(encoding="utf-8") if self.records.exists() else "id,at,what,lon,lat\n"
        self.records.write_text(before + "".join(lines), encoding="utf-8")
        self.day += days

    def command(self, *name: str) -> list[str]:
        """Give the command line of a crimepatterns command on this town."""
        city = self.root / "drill.yaml"
        city.write_text(f"{CITY}source: {{kind: file, paths: ['{self.records}']}}\n", encoding="utf-8")
        sets = ["--set", f"root={self.root / 'disk'}", "--set", f"serving.model_port={self.port}"]
        return [sys.executable, "-m", "crimepatterns", *name, "--config", str(city), *sets]

    def morning(self, *, kill_after: float | None = None) -> tuple[int, float, str]:
        """Run `daily`, killed after a while if asked; return exit status, seconds and output."""
        began = time.monotonic()
        status, output = run_or_kill(self.command("daily"), kill_after)
        self.complete = status == 0
        return status, time.monotonic() - began, output

    def undisturbed(self) -> float:
        """Run `daily` to its end, which must be a good one; return seconds."""
        status, seconds, output = self.morning()
        if status != 0:
            self.problems.append(f"an undisturbed morning failed: {output[-1500:]}")
        return seconds

    def kept(self) -> dict[str, bytes]:
        """Read what may only grow."""
        disk = self.root / "disk"
        found = (path for pattern in KEPT for path in disk.glob(pattern) if path.is_file())
        return {str(path.relative_to(disk)): path.read_bytes() for path in found}

    def take(self, answer: httpx.Response) -> None:
        """Look at an answer of the server: whole, and of one run."""
        self.answers += 1
        if answer.status_code != 200:
            self.problems.append(f"the server answered {answer.status_code}: {answer.text[:200]}")
            return
        told = answer.json()
        columns = told["columns"]
        if len({len(column) for column in columns.values()} - {0}) != 1:
            self.problems.append("the server gave columns of different lengths")
        facts = (told["start"], told["expected_total"])
        if self.runs.setdefault(told["run"], facts) != facts or abs(sum(columns["expected"]) - facts[1]) > 1e-3:
            self.problems.append(f"the server mixed runs: {told['run']}")


def free_port() -> int:
    """Find a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def await_server(port: int, holds: Callable[[dict[str, Any]], bool] = lambda _: True) -> None:
    """Wait until the model server has a forecast and tells of itself what is asked for."""
    for _ in range(1200):
        try:
            told = httpx.get(f"http://127.0.0.1:{port}/v1/info", timeout=30)
            if told.status_code == 200 and told.json()["run"] and holds(told.json()):
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    raise SystemExit("the model server did not begin")
