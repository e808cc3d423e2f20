"""The model server under load, beside what most people would write: how many answers, how late, how soon, how large.

``python benchmarks/model_server.py`` makes a city of some 10,000 cells below ``--folder`` (once, a few minutes), then
measures. ``--config config/cities/chicago.yaml --root FOLDER`` measures that city instead, in a folder that may hold
its models already. Production middleware is on: a key, roles, rate buckets, request ids and the log of requests.
Latency at a given rate counts from the moment at which a request was due, so that a server that stalls is not spared.
"""

import argparse
import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

PROJECT = Path(__file__).resolve().parent.parent
PEER = '''
"""What most people would write: the same data, an endpoint that returns a list of dicts."""
import httpx
from fastapi import FastAPI

answer = httpx.get({address!r}, headers={headers!r}, trust_env=False).json()["columns"]
rows = [dict(zip(answer, values)) for values in zip(*answer.values())]
app = FastAPI()


@app.get("/forecast")
def forecast():
    return rows
'''
CITY = {
    "grid": {"cell_size_m": 113},
    "source": {"kind": "synthetic", "incidents": 40_000, "years": 3},
    "forecast": {
        "categories": ["theft"],
        "models": ["count_eb", "additive_intensity", "poisson_boosting", "random_forest"],
        "champion": "additive_intensity",
        "tuning_candidates": 1,
        "max_rows": 30_000,
        "tuning_folds": 2,
        "train_periods": 26,
    },
    "security": {"requests_per_second": 1_000_000, "burst": 1_000_000},
    "workers": 1,
}


@dataclass(frozen=True)
class Load:
    """What came back: answers, failures, seconds, and the lateness of each answer in milliseconds."""

    answers: int
    failures: int
    seconds: float
    late_ms: list[float]

    @property
    def rate(self) -> float:
        """Answers per second."""
        return self.answers / self.seconds

    def late(self, share: float) -> float:
        """Lateness that this share of the answers kept below, milliseconds."""
        ranked = sorted(self.late_ms)
        return ranked[min(len(ranked) - 1, int(share * len(ranked)))]


# -- requests ----------------------------------------------------------------------------------------------------------


async def exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> int:
    """Send a request on an open connection and read its answer whole; return the status."""
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    length = next((int(line[16:]) for line in lines if line.startswith(b"content-length: ")), 0)
    await reader.readexactly(length)
    return int(head[9:12])


async def flood(port: int, request: bytes, *, seconds: float, connections: int) -> Load:
    """Ask as fast as answers come, on several connections."""
    counts = {"good": 0, "bad": 0}
    end = time.perf_counter() + seconds

    async def one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**20)
        while time.perf_counter() < end:
            status = await exchange(reader, writer, request)
            counts["good" if status == 200 else "bad"] += 1
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(connections)))
    return Load(counts["good"], counts["bad"], time.perf_counter() - began, [])


async def steady(port: int, requests: list[bytes], *, rate: float, seconds: float, connections: int) -> Load:
    """Ask at a steady rate, whether answers come or not."""
    late: list[float] = []
    failures = 0
    free: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    for _ in range(connections):
        free.put_nowait(await asyncio.open_connection("127.0.0.1", port, limit=2**20))

    async def ask(due: float, request: bytes) -> None:
        nonlocal failures
        reader, writer = await free.get()
        status = await exchange(reader, writer, request)
        late.append((time.perf_counter() - due) * 1e3)
        failures += status != 200
        free.put_nowait((reader, writer))

    began = time.perf_counter()
    asked = []
    for number in range(int(rate * seconds)):
        due = began + number / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        asked.append(asyncio.create_task(ask(due, requests[number % len(requests)])))
    await asyncio.gather(*asked)
    return Load(len(late), failures, time.perf_counter() - began, late)


def raw(path: str, *, key: str | None = None, body: bytes | None = None, **headers: str) -> bytes:
    """Write a request as bytes."""
    told = {"host": "127.0.0.1", "accept-encoding": "gzip", **{k.replace("_", "-"): v for k, v in headers.items()}}
    if key is not None:
        told["authorization"] = f"Bearer {key}"
    if body is not None:
        told["content-length"] = str(len(body))
    lines = "".join(f"{name}: {value}\r\n" for name, value in told.items())
    return f"{'GET' if body is None else 'POST'} {path} HTTP/1.1\r\n{lines}\r\n".encode() + (body or b"")


# -- city and servers --------------------------------------------------------------------------------------------------


def prepare(folder: Path, root: Path | None, city: Path | None) -> tuple[Path, str]:
    """Make the invented city, or the one asked for, once, and a key; return its config file and the key."""
    from crimepatterns.config import load_settings
    from crimepatterns.serving.security.keys import create_key
    from crimepatterns.serving.security.roles import Role

    folder.mkdir(parents=True, exist_ok=True)
    asked = yaml.safe_load((city or PROJECT / "config" / "cities" / "default.yaml").read_text())
    if city is None:
        asked |= {**CITY, "source": {**asked["source"], **CITY["source"]}}  # type: ignore[dict-item]
    config = folder / "city.yaml"
    config.write_text(yaml.safe_dump({**asked, "security": CITY["security"], "root": str(root or folder)}))
    settings = load_settings(config)
    if not (settings.root / "results" / settings.city / "forecasts").exists():
        from crimepatterns.forecasting import forecast
        from crimepatterns.operations.pipeline import run_stage

        for stage in ("ingest", "clean", "context", "train"):
            run_stage(settings, stage)
        forecast(settings)
    _, key = create_key(settings.root / settings.security.keys_file, name="benchmark", role=Role.ANALYST)
    return config, key


@contextmanager
def running(command: list[str], port: int, **env: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server of one worker; its log goes to a file."""
    words = [sys.executable, "-m", "uvicorn", *command, "--port", str(port), "--no-access-log"]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(words, env={**os.environ, **env}, stderr=log, stdout=log, cwd=PROJECT)
        try:
            yield process
        finally:
            process.terminate()
            process.wait(timeout=30)


def wait_for(address: str, accept: Any, **headers: str) -> tuple[float, httpx.Response]:
    """Ask until the answer will do; return when that was."""
    with httpx.Client(trust_env=False, headers=headers, timeout=30) as client:
        while True:
            try:
                got = client.get(address)
                if got.status_code == 200 and accept(got):
                    return time.perf_counter(), got
            except httpx.TransportError:
                pass
            time.sleep(0.01)


def cpu_seconds(process: subprocess.Popen[bytes]) -> float:
    """Processor time that a process has used: unlike the clock it does not depend on what else the machine does."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mb(process: subprocess.Popen[bytes], what: str = "VmRSS") -> float:
    """Memory of a process, or its peak (``VmHWM``), MB."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith(what)) / 1024


# -- measuring ---------------------------------------------------------------------------------------------------------


def measure_ours(port: int, config: Path, key: str, seconds: float) -> dict[str, Any]:
    """Measure start, rates, lateness and memory of the model server."""
    address, headers = f"http://127.0.0.1:{port}", {"authorization": f"Bearer {key}"}
    command = ["--app-dir", "deployment/model_server", "app:app"]
    began = time.perf_counter()
    with running(command, port, CRIMEPATTERNS_CONFIG=str(config)) as process:
        first, got = wait_for(f"{address}/v1/forecast/theft", lambda _: True, **headers)
        ready, models = wait_for(f"{address}/v1/models", lambda got: got.json()["state"] == "ready", **headers)
        columns = got.json()["columns"]
        told: dict[str, Any] = {
            "cells": len(columns["cell_id"]),
            "start, stored forecast served, s": first - began,
            "start, models ready, s": ready - began,
            "body, kB compressed": int(got.headers["content-length"]) / 1e3,
        }
        forecast = raw("/v1/forecast/theft", key=key)
        arrow = raw("/v1/forecast/theft", key=key, accept="application/vnd.apache.arrow.stream")
        asyncio.run(flood(port, forecast, seconds=1, connections=4))
        for name, request in (("JSON", forecast), ("Arrow", arrow)):
            used = cpu_seconds(process)
            found = asyncio.run(flood(port, request, seconds=seconds / 2, connections=16))
            told[f"{name}, requests/s"] = found.rate
            told[f"{name}, requests per CPU second"] = found.answers / (cpu_seconds(process) - used)
            told[f"{name}, failures"] = found.failures
        told |= measured(process, "300/s forecast", port, [forecast], rate=300, seconds=seconds)
        cells = random.Random(7).sample(  # noqa: S311
            columns["cell_id"], min(len(columns["cell_id"]), 5_000)
        )
        why = [raw(f"/v1/explanation/theft?cell={cell}", key=key) for cell in cells]
        told |= measured(process, "50/s explanation", port, why, rate=50, seconds=seconds)
        for one in (one for one in models.json()["loaded"] if one["category"] == "theft"):
            rows = scoring(address, headers, one, key)
            told |= measured(process, f"50/s prediction by {one['learner']}", port, rows, rate=50, seconds=seconds)
        told["memory, MB"], told["memory peak, MB"] = resident_mb(process), resident_mb(process, "VmHWM")
    return told


def scoring(address: str, headers: dict[str, str], model: dict[str, str], key: str) -> list[bytes]:
    """Make requests for single rows, each another one."""
    features = httpx.get(f"{address}/v1/models/{model['name']}", headers=headers, trust_env=False).json()["features"]
    dice = random.Random(3)  # noqa: S311
    bodies = [
        {"learner": model["learner"], "columns": {name: [round(dice.expovariate(1), 3)] for name in features}}
        for _ in range(200)
    ]
    return [raw("/v1/score/theft", key=key, body=json.dumps(body).encode()) for body in bodies]


def measured(
    process: subprocess.Popen[bytes], name: str, port: int, requests: list[bytes], *, rate: float, seconds: float
) -> dict[str, float]:
    """Ask at a steady rate; tell the median and 99th percentile, the failures, and processor time per answer."""
    used = cpu_seconds(process)
    found = asyncio.run(steady(port, requests, rate=rate, seconds=seconds, connections=32))
    return {
        f"{name}, p50 ms": found.late(0.5),
        f"{name}, p99 ms": found.late(0.99),
        f"{name}, failures": found.failures,
        f"{name}, CPU ms each": (cpu_seconds(process) - used) / found.answers * 1e3,
    }


def measure_peer(port: int, config: Path, key: str, folder: Path, seconds: float) -> tuple[float, float]:
    """Measure the endpoint of dicts on the same data; return answers per second and per second of processor time."""
    source = {
        "address": f"http://127.0.0.1:{port + 1}/v1/forecast/theft",
        "headers": {"authorization": f"Bearer {key}"},
    }
    (folder / "plain_endpoint.py").write_text(PEER.format(**source))
    with running(["--app-dir", "deployment/model_server", "app:app"], port + 1, CRIMEPATTERNS_CONFIG=str(config)):
        wait_for(source["address"], lambda _: True, **source["headers"])  # type: ignore[arg-type]
        with running(["--app-dir", str(folder), "plain_endpoint:app"], port) as process:
            wait_for(f"http://127.0.0.1:{port}/forecast", lambda _: True)
            used = cpu_seconds(process)
            found = asyncio.run(flood(port, raw("/forecast"), seconds=seconds, connections=16))
            return found.rate, found.answers / (cpu_seconds(process) - used)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--folder",
        type=Path,
        default=Path(tempfile.gettempdir()) / "crimepatterns-model-server",
        help="where the city is made, or was made before",
    )
    parser.add_argument("--config", type=Path, help="of another city than the invented one; it must know theft")
    parser.add_argument("--root", type=Path, help="a project folder with a city's results already in it")
    parser.add_argument("--seconds", type=float, default=20, help="of each measurement; the goal is stated for 60")
    parser.add_argument("--port", type=int, default=8801)
    asked = parser.parse_args()
    config, key = prepare(asked.folder.resolve(), asked.root, asked.config)
    told = measure_ours(asked.port, config, key, asked.seconds)
    rate, per_cpu = measure_peer(asked.port + 1, config, key, asked.folder.resolve(), asked.seconds / 2)
    told["endpoint of dicts, requests/s"], told["endpoint of dicts, requests per CPU second"] = rate, per_cpu
    told["times as many"] = told["JSON, requests/s"] / rate
    told["times as many per CPU second"] = told["JSON, requests per CPU second"] / per_cpu
    told["load of the machine"] = os.getloadavg()[0]
    for name, value in told.items():
        print(f"{name:<48} {value:>12,.2f}" if isinstance(value, float) else f"{name:<48} {value:>12,}")


if __name__ == "__main__":
    main()
