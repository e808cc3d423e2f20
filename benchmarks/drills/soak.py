"""Ask the page's server and the model server for half an hour, and look whether they grow.

The load is mixed: pages, layers, charts, free questions, tiles and downloads with parameters that never end, maps and
rows through the API, forecasts of parts in both forms, explanations, scores, wrong addresses and conditional requests;
every two minutes new forecasts take the place of the old ones. Memory and open files of both servers are read every
five seconds. After a warm-up of a sixth of the time the memory of the last sixth may be at most 5 % above that of the
second, and there may be no more open files.

Run with ``make drill``, or: python benchmarks/drills/soak.py --minutes 30 --root FOLDER (a project folder in which
`crimepatterns run` has been; a small town is made without it). Exits with 1 if something grows or fails.
"""

import argparse
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import httpx

sys.path.insert(0, str(Path(__file__).resolve().parent))
from town import Town, await_server, free_port

from crimepatterns.store.atomic import replacing_folder

REPLACED_S, LOOKED_S = 120, 5
MOST_GROWTH = 0.05
ARROW = {"accept": "application/vnd.apache.arrow.stream"}
PAGES = ("/", "/forecast", "/explore", "/patterns", "/compare", "/data", "/monitoring", "/status", "/developers")
PAGE_API = ("/api/forecast/theft", "/api/layers/theft/density", "/api/charts/trend", "/api/charts/rhythm", "/api/plan",
            "/api/status", "/api/monitoring", "/api/explore/facts", "/api/scoreboard", "/metrics", "/ogc/collections",
            "/reports/plan", "/neighbourhoods", "/health", "/ready")  # fmt: skip
MODEL_API = ("/v1/forecast/theft", "/v1/scorecard/theft", "/v1/info", "/v1/models", "/metrics", "/health", "/ready")


@dataclass
class Server:
    """A server under load, and what was seen of it."""

    name: str
    port: int
    process: subprocess.Popen[bytes]
    seen: list[tuple[float, float, int]] = field(default_factory=list)
    answers: Counter[int] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def look(self, since: float) -> None:
        """Note minutes, resident memory in MB and open files."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")
        resident = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1024
        self.seen.append(
            ((time.monotonic() - since) / 60, resident, len(list(Path(f"/proc/{self.process.pid}/fd").iterdir())))
        )

    def judged(self) -> list[str]:
        """Print how it went and return what was wrong."""
        sixth = max(1, len(self.seen) // 6)
        early, late = self.seen[sixth : 2 * sixth], self.seen[-sixth:]
        memory = [statistics.mean(one[1] for one in part) for part in (early, late)]
        # The load itself has connections open: the fewest of a while are what the server keeps.
        files = [min(one[2] for one in part) for part in (early, late)]
        growth = memory[1] / memory[0] - 1
        print(
            f"{self.name}: {self.seen[0][1]:.0f} MB at the start, {memory[0]:.1f} MB in the second sixth, "
            f"{memory[1]:.1f} MB in the last ({growth * 100:+.1f} %); open files {files[0]}, {files[1]}; "
            f"answers {dict(self.answers)}"
        )
        for minute, resident, opened in self.seen[:: max(1, len(self.seen) // 15)]:
            print(f"  {minute:5.1f} min {resident:7.1f} MB {opened:4d} files")
        wrong = self.problems[:10]
        if growth >= MOST_GROWTH:
            wrong.append(f"{self.name} grew by {growth * 100:.1f} %")
        if files[1] > files[0]:
            wrong.append(f"{self.name} has {files[1] - files[0]} more files open")
        return wrong


def page_request(dice: random.Random, cells: list[str]) -> tuple[str, dict[str, str]]:
    """Choose an address of the page's server."""
    first, days = dice.randrange(1, 300), dice.randrange(7, 400)
    span = f"offence=theft&from={day(first)}&until={day(first + days)}"
    return dice.choice(
        (
            (dice.choice(PAGES), {}),
            (dice.choice(PAGE_API), {}),
            (dice.choice(PAGE_API), {}),
            (f"/api/explain/theft?cell={dice.choice(cells)}", {}),
            (f"/api/explore/counts?{span}", {}),
            (f"/api/explore/incidents?{span}&size=50&page={dice.randrange(1, 9)}", {}),
            (f"/api/explore/tiles/12/{dice.randrange(4096)}/{dice.randrange(4096)}?{span}", {}),
            (f"/api/explore/download.{dice.choice(('csv', 'geojson', 'parquet', 'gpkg'))}?{span}", {}),
            (f"/ogc/collections/incidents/items?limit=20&offset={dice.randrange(500)}", {}),
            (f"/nothing/{dice.random()}", {}),
        )
    )


def model_request(dice: random.Random, cells: list[str]) -> tuple[str, dict[str, str]]:
    """Choose an address of the model server."""
    some = ",".join(dice.sample(cells, min(len(cells), 5)))
    form = dice.choice(({}, ARROW, {"if-none-match": '"none"'}))
    return dice.choice(
        (
            (dice.choice(MODEL_API), form),
            (f"/v1/forecast/theft?cells={some}", form),
            (f"/v1/explanation/theft?cell={dice.choice(cells)}", {}),
            (f"/v1/forecast/theft?cells={dice.random()}", {}),
        )
    )


def day(number: int) -> str:
    """Return a day of the years 2023 to 2025, ISO."""
    return time.strftime("%Y-%m-%d", time.gmtime(1_672_531_200 + number * 86_400))


def asked(server: Server, cells: list[str], rate: float, done: threading.Event, seed: int) -> None:
    """Ask at a steady rate until told to stop; a refusal is an answer, a failure is not."""
    dice = random.Random(seed)  # noqa: S311
    learners: list[dict[str, str]] = []
    choose = page_request if server.name == "page" else model_request
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=120, trust_env=False) as client:
        if server.name == "model server":
            learners = client.get("/v1/models").json()["loaded"]
        due = time.monotonic()
        while not done.wait(max(0.0, due - time.monotonic())):
            due = max(due + 1 / rate, time.monotonic() - 5)
            try:
                if learners and dice.random() < 0.3:
                    answer = scored(client, dice.choice(learners), dice)
                else:
                    path, headers = choose(dice, cells)
                    answer = client.get(path, headers=headers)
            except httpx.HTTPError as error:
                server.problems.append(f"no answer: {error!r}")
                continue
            server.answers[answer.status_code] += 1
            if answer.status_code >= 500:
                server.problems.append(f"{answer.status_code} {answer.request.url}: {answer.text[:200]}")


def scored(client: httpx.Client, model: dict[str, str], dice: random.Random) -> httpx.Response:
    """Score a row through a learner."""
    features = client.get(f"/v1/models/{model['name']}").json()["features"]
    columns = {name: [dice.random()] for name in features}
    return client.post(f"/v1/score/{model['category']}", json={"learner": model["learner"], "columns": columns})


def soak(servers: list[Server], live: Path, minutes: float, rate: float) -> list[str]:
    """Ask both servers for a while; return what was wrong."""
    done = threading.Event()
    await_server(servers[1].port, lambda told: told["models"]["state"] == "ready")
    told = httpx.get(f"http://127.0.0.1:{servers[1].port}/v1/forecast/theft", timeout=60).json()
    cells = [str(cell) for cell in told["columns"]["cell_id"]]
    askers = [
        threading.Thread(target=asked, args=(server, cells, rate / 2, done, seed))
        for seed, server in enumerate(servers * 2)
    ]
    for one in askers:
        one.start()
    began = replaced = time.monotonic()
    try:
        while time.monotonic() - began < minutes * 60:
            for server in servers:
                server.look(began)
            time.sleep(LOOKED_S)
            if time.monotonic() - replaced > REPLACED_S:
                replaced = time.monotonic()
                kept = live.with_name(".kept")
                shutil.copytree(live, kept)
                with replacing_folder(live) as folder:
                    shutil.copytree(kept, folder, dirs_exist_ok=True)
                shutil.rmtree(kept)
    finally:
        done.set()
        for one in askers:
            one.join()
    return [problem for server in servers for problem in server.judged()]


def main() -> int:
    """Start both servers, ask them, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--rate", type=float, default=8, help="requests per second to each of the two servers")
    parser.add_argument("--root", type=Path, help="a project folder with results of the embedded city")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        town = Town(Path(folder), random.Random(5))  # noqa: S311  # records of a drill, not a secret
        if chosen.root is None:
            (town.root / "disk").mkdir()
            town.publish(2500, 400)
            town.undisturbed()
        servers, commands = [], {"page": ["serve"], "model server": ["model", "serve"]}
        for name, words in commands.items():
            port = town.port = free_port()
            settings = [f"root={chosen.root}", "security.requests_per_second=10000", "security.burst=10000",
                        f"serving.port={port}", f"serving.model_port={port}"]  # fmt: skip
            sets = [part for one in settings for part in ("--set", one)]
            own = [sys.executable, "-m", "crimepatterns", *words, *sets]
            command = own if chosen.root else [*town.command(*words), "--set", f"serving.port={port}"]
            log = (town.root / f"{name}.log").open("wb")
            servers.append(Server(name, port, subprocess.Popen(command, stdout=log, stderr=log)))
        try:
            city = chosen.root / "results" / "default" if chosen.root else town.root / "disk" / "results" / "drill"
            problems = soak(servers, city / "forecasts", chosen.minutes, chosen.rate)
        finally:
            for server in servers:
                server.process.terminate()
                server.process.wait()
    print(f"{chosen.minutes:g} minutes, {len(problems)} problems", *problems, sep="\n")
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
