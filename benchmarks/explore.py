"""The Explore side with many incidents: tiles cold and warm, counts at a steady rate, and the server's memory.

``python benchmarks/explore.py`` makes the embedded city with ``--incidents`` (1,000,000) below ``--folder`` once,
starts `crimepatterns serve` on it, and asks from this second process. Lateness at a given rate counts from the moment
at which a request was due, so that a server that stalls is not spared. At last a browser without a graphics card opens
the page and chooses filters, each time in a profile of its own; figures are those of the page's own clock.
"""

import argparse
import asyncio
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
import numpy as np
import psutil
from playwright.sync_api import sync_playwright

DRAW = np.random.default_rng(7)
CHROMIUM = os.environ.get("CRIMEPATTERNS_CHROMIUM", "/usr/bin/chromium")
FLAGS = "--no-sandbox --disable-quic --no-first-run --use-gl=angle --use-angle=swiftshader --enable-unsafe-swiftshader"
# When the page says that it rests, in milliseconds since it was asked for.
RESTS = """() => new Promise((told) => {
  const one = document.querySelector("#explore");
  const look = () => one.dataset.state === "idle" && told(performance.now());
  new MutationObserver(look).observe(one, { attributes: true });
  look();
})"""
CHOICES = ('[data-preset="28"]', '[name="offence"][value="theft"]', '[name="discovery"][value="reported"]')
CHOOSE = """(name) => new Promise((told) => {
  const one = document.querySelector("#explore");
  const began = performance.now();
  let asked = false;
  new MutationObserver(() => {
    if (one.dataset.state === "loading") asked = true;
    else if (asked && one.dataset.state === "idle") told(performance.now() - began);
  }).observe(one, { attributes: true });
  document.querySelector(name).click();
})"""


def main() -> None:
    """Measure, and print a table."""
    chosen = argparse.ArgumentParser(description=__doc__)
    chosen.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "crimepatterns-explore")
    chosen.add_argument("--incidents", type=int, default=1_000_000)
    chosen.add_argument("--seconds", type=int, default=60)
    chosen.add_argument("--rate", type=int, default=50)
    wanted = chosen.parse_args()
    prepare(wanted.folder, wanted.incidents)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = [f"root={wanted.folder}", f"serving.port={port}", "security.requests_per_second=1000000"]
    settings += ["security.burst=1000000"]
    command = [sys.executable, "-m", "crimepatterns", "serve", *(part for one in settings for part in ("--set", one))]
    started = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        try:
            asyncio.run(measure(f"http://127.0.0.1:{port}", server.pid, started, wanted.rate, wanted.seconds))
            browse(f"http://127.0.0.1:{port}")
            memory(server.pid, "memory at the end")
        finally:
            server.terminate()


def prepare(folder: Path, incidents: int) -> None:
    """Make the city, where it is not there yet."""
    from crimepatterns.config import load_settings
    from crimepatterns.operations.pipeline import run_stage

    folder.mkdir(parents=True, exist_ok=True)
    settings = load_settings(overrides={"root": str(folder), "source": {"incidents": incidents}})
    for stage in ("ingest", "clean"):
        run_stage(settings, stage)


async def measure(address: str, process: int, started: float, rate: int, seconds: int) -> None:
    """Ask for everything in turn."""
    async with httpx.AsyncClient(base_url=address, timeout=120, trust_env=False) as client:
        await alive(client)
        facts = (await client.get("/api/explore/facts")).json()
        print(f"{'ready to answer, from start':<44}{time.monotonic() - started:8.1f} s")
        total = (await client.get("/api/explore/counts")).json()["total"]
        print(f"{'incidents':<44}{total:8,}")
        memory(process, "memory after loading")
        west, south, east, north = (await client.get("/api/areas")).json()["bounds"]
        tiles = [tile(west, south, east, north) for _ in range(300)]
        questions = [question(facts) for _ in range(60)]
        asked = [f"/api/explore/tiles/{one}?{DRAW.choice(questions)}" for one in tiles]
        report("tile, cold", [await timed(client, one) for one in asked])
        report("tile, warm", [await timed(client, one) for one in asked])
        fresh = [f"/api/explore/counts?{question(facts)}" for _ in range(100)]
        report("counts, cold, one at a time", [await timed(client, one) for one in fresh])
        paths = [f"/api/explore/counts?{DRAW.choice(questions)}" for _ in range(rate * seconds)]
        began = time.monotonic()
        late = await asyncio.gather(*(due(client, one, began + i / rate) for i, one in enumerate(paths)))
        report(f"counts, {rate}/s for {seconds} s, {len(questions)} questions", list(late))
        memory(process, "memory after the questions")


def browse(address: str, *, visits: int = 9) -> None:
    """Open the page and choose filters, in software WebGL."""
    opened: list[float] = []
    chosen: list[float] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS.split())
        for _ in range(visits):
            context = browser.new_context(base_url=address, viewport={"width": 1280, "height": 800})
            page = context.new_page()
            page.goto("/explore", wait_until="commit")
            page.wait_for_selector("#explore", state="attached")
            opened.append(page.evaluate(RESTS))
            chosen.extend(page.evaluate(CHOOSE, name) for name in CHOICES)
            context.close()
        browser.close()
    report("first map at rest", opened)
    report("filter chosen to map at rest", chosen)


def question(facts: dict[str, object]) -> str:
    """Choose offences, a period and at times a neighbourhood."""
    categories, areas = facts["categories"], facts["areas"]
    assert isinstance(categories, list)
    assert isinstance(areas, list)
    first, end = np.datetime64(str(facts["first"])), np.datetime64(str(facts["end"]))
    length = int(DRAW.choice([7, 28, 91, 365]))
    start = first + int(DRAW.integers(max(1, int((end - first).astype(int)) - length)))
    parts = [
        f"from={start}",
        f"until={start + length}",
        f"offence={categories[DRAW.integers(len(categories))]['slug']}",
    ]
    if DRAW.random() < 0.3:
        parts.append(f"area={areas[DRAW.integers(len(areas))]['slug']}")
    return "&".join(parts)


def tile(west: float, south: float, east: float, north: float) -> str:
    """Choose a tile over the city."""
    zoom = int(DRAW.integers(9, 16))
    longitude, phi = DRAW.uniform(west, east), np.radians(DRAW.uniform(south, north))
    down = 0.5 - np.arcsinh(np.tan(phi)) / (2 * np.pi)
    return f"{zoom}/{int((longitude / 360 + 0.5) * 2**zoom)}/{int(down * 2**zoom)}"


async def alive(client: httpx.AsyncClient) -> None:
    """Wait for the server."""
    for _ in range(600):
        try:
            await client.get("/health")
        except httpx.TransportError:
            await asyncio.sleep(0.1)
        else:
            return
    raise SystemExit("The server did not start.")


async def timed(client: httpx.AsyncClient, path: str) -> float:
    """Ask once; milliseconds, or infinity for a failure."""
    began = time.monotonic()
    answer = await client.get(path)
    return (time.monotonic() - began) * 1000 if answer.status_code == 200 else float("inf")


async def due(client: httpx.AsyncClient, path: str, moment: float) -> float:
    """Ask at a moment; milliseconds from that moment on."""
    await asyncio.sleep(max(0.0, moment - time.monotonic()))
    try:
        answer = await client.get(path)
    except httpx.HTTPError:
        return float("inf")
    return (time.monotonic() - moment) * 1000 if answer.status_code == 200 else float("inf")


def report(name: str, late: list[float]) -> None:
    """Print quantiles and failures."""
    failed = sum(1 for one in late if one == float("inf"))
    good = [one for one in late if one != float("inf")]
    p50, p99 = np.quantile(good, [0.5, 0.99])
    print(f"{name:<44}{p50:8.1f} ms median {p99:8.1f} ms p99 {max(good):8.1f} ms worst  {failed} failed of {len(late)}")


def memory(process: int, name: str) -> None:
    """Print the resident memory of the server."""
    print(f"{name:<44}{psutil.Process(process).memory_info().rss / 2**20:8.0f} MB")


if __name__ == "__main__":
    main()
