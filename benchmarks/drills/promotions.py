"""Promote a model twenty times in a minute, and replace the forecasts with it, under 100 requests a second.

A small town is taught twice, so that one learner has two versions and there are two forecasts. The model server runs as
users run it; half of the requests score a row, half ask for the forecast, each at the moment at which it is due. No
request may fail. Every score must be that of the version named in the answer, every forecast that of its run, whole;
and each promotion must be served before the next one.

Run with ``make drill``, or: python benchmarks/drills/promotions.py. Exits with 1 if anything is wrong.
"""

import argparse
import asyncio
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx

sys.path.insert(0, str(Path(__file__).resolve().parent))
from town import Town, await_server, free_port

from crimepatterns.store.atomic import replacing_folder
from crimepatterns.store.model_stages import promote, read_stages

LEARNER = "gradient_boosting"
HOME = f"drill-theft-{LEARNER}"
NEW = 30


@dataclass
class Answers:
    """What came back."""

    problems: list[str] = field(default_factory=list)
    late_ms: list[float] = field(default_factory=list)
    scores: dict[str, Any] = field(default_factory=dict)
    served: list[tuple[float, str]] = field(default_factory=list)

    def scored(self, sent: float, told: dict[str, Any]) -> None:
        """Look at a score: equal rows have equal answers from one version."""
        self.served.append((sent, told["version"]))
        if self.scores.setdefault(told["version"], told["columns"]) != told["columns"]:
            self.problems.append(f"two answers of {told['version']} differ")


async def ask(town: Town, body: dict[str, Any], *, rate: float, seconds: float) -> Answers:
    """Send requests at a steady rate, whether answers come or not."""
    found = Answers()
    limits = httpx.Limits(max_connections=64, max_keepalive_connections=64)
    address = f"http://127.0.0.1:{town.port}"
    async with httpx.AsyncClient(base_url=address, timeout=30, limits=limits, trust_env=False) as client:

        async def one(due: float, *, score: bool) -> None:
            sent = time.perf_counter()
            try:
                path = "/v1/score/theft" if score else "/v1/forecast/theft"
                answer = await (client.post(path, json=body) if score else client.get(path))
            except httpx.HTTPError as error:
                found.problems.append(f"no answer: {error!r}")
                return
            found.late_ms.append((time.perf_counter() - due) * 1e3)
            if not score:
                town.take(answer)
            elif answer.status_code == 200:
                found.scored(sent, answer.json())
            else:
                found.problems.append(f"{answer.status_code}: {answer.text[:200]}")

        began, asked = time.perf_counter(), []
        for number in range(int(rate * seconds)):
            due = began + number / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            asked.append(asyncio.create_task(one(due, score=number % 2 == 0)))
        await asyncio.gather(*asked)
    found.problems += town.problems
    return found


async def drill(root: Path, *, promotions: int, seconds: float, rate: float, say: Callable[[str], None]) -> list[str]:
    """Run the drill in an empty folder; return what was wrong."""
    town, kept = prepared(root)
    home, live = root / "disk" / "models" / HOME, root / "disk" / "results" / "drill" / "forecasts"
    versions = sorted(path.parent.name for path in home.glob("*/manifest.json"))[-2:]
    first = read_stages(home).champion
    order = sorted(versions, key=lambda version: version == first)
    server = subprocess.Popen(town.command("model", "serve"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        await_server(town.port, lambda told: told["models"]["state"] == "ready")
        described = httpx.get(f"http://127.0.0.1:{town.port}/v1/models/{HOME}").json()
        body = {"learner": LEARNER, "columns": {name: [0.5] for name in described["features"]}}
        moments: list[tuple[float, str]] = []
        asking = asyncio.create_task(ask(town, body, rate=rate, seconds=seconds))
        began = time.perf_counter()
        for turn in range(promotions):
            await asyncio.sleep(max(0.0, began + turn * seconds / promotions - time.perf_counter()))
            wanted = order[turn % 2]
            await asyncio.to_thread(promote, home, wanted, reason="drill")
            await asyncio.to_thread(replaced, live, kept[turn % 2])
            moments.append((time.perf_counter(), wanted))
        found = await asking
        moments.append((time.perf_counter(), ""))
    finally:
        server.terminate()
        server.wait()
    problems = [*found.problems, *not_served(moments, found.served)]
    late = sorted(found.late_ms)
    say(f"{promotions} promotions in {seconds:.0f} s, {len(late)} answers at {rate:.0f} a second, of "
        f"{len(found.scores)} versions and {len(town.runs)} runs; median {statistics.median(late):.1f} ms, "
        f"99 of 100 within {late[int(0.99 * len(late))]:.0f} ms, the last after {late[-1]:.0f} ms")  # fmt: skip
    if len(found.scores) != 2 or len(town.runs) != 2 or len({str(one) for one in found.scores.values()}) != 2:
        problems.append("it was not between two versions and two runs that are told apart")
    return problems


def prepared(root: Path) -> tuple[Town, list[Path]]:
    """Teach the town twice; return it and copies of both forecasts."""
    town = Town(root, random.Random(3))  # noqa: S311  # records of a drill, not a secret
    town.port = free_port()
    kept = [root / "first", root / "second"]
    for number, count in enumerate((2500, NEW)):
        town.publish(count, 400 if number == 0 else 2)
        town.undisturbed()
        shutil.copytree(root / "disk" / "results" / "drill" / "forecasts", kept[number])
    return town, kept


def replaced(live: Path, copy: Path) -> None:
    """Put another run's forecasts in place, as `forecast` does."""
    with replacing_folder(live) as folder:
        shutil.copytree(copy, folder, dirs_exist_ok=True)


def not_served(moments: list[tuple[float, str]], served: list[tuple[float, str]]) -> list[str]:
    """Name promotions of which the last score sent before the next one is not."""
    wrong = []
    for (begin, wanted), (end, _) in pairwise(moments):
        within = [version for sent, version in sorted(served) if begin <= sent < end]
        if not within or within[-1] != wanted:
            wrong.append(f"{wanted} was promoted and not served before the next promotion")
    return wrong


def main() -> int:
    """Run the drill and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--promotions", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rate", type=float, default=100, help="requests per second")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "disk").mkdir()
        work = drill(Path(folder), promotions=asked.promotions, seconds=asked.seconds, rate=asked.rate, say=print)
        problems = asyncio.run(work)
    print(f"{len(problems)} problems", *problems[:20], sep="\n")
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
