"""A small city with forecasts that explain themselves and with stored learners, in a folder that tests may spoil."""

import contextlib
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI

from crimepatterns.config import Settings
from crimepatterns.operations.pipeline import run_stage
from crimepatterns.store.layout import Layout

MODELS = ["count_eb", "additive_intensity", "random_forest", "gradient_boosting"]


def explained_copy(made: Settings, root: Path) -> Settings:
    """Copy a city on which everything has run, and forecast it once more by models that can tell why."""
    city = copied(made, root)
    forecast = city.forecast.model_copy(update={"models": tuple(MODELS), "champion": "additive_intensity"})
    city = city.model_copy(update={"forecast": forecast})
    run_stage(city, "forecast", force=True)
    return city


def copied(made: Settings, root: Path) -> Settings:
    """Copy what the model server reads, and what forecasting needs."""
    old, new = Layout(made.root, made.city), Layout(root, made.city)
    for name in ("raw", "processed", "context", "results"):
        source, target = getattr(old, name), getattr(new, name)
        if source.exists():
            shutil.copytree(source.resolve(), target)
    shutil.copytree(old.models, new.models)
    serving = made.serving.model_copy(update={"reload_s": 0.05})
    return made.model_copy(update={"root": root, "serving": serving})


@contextlib.contextmanager
def served(app: FastAPI) -> Iterator[httpx.Client]:
    """Run an application on a free port of this machine; the client's addresses begin there."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, server_header=False, proxy_headers=False))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 60
    while not server.started:
        if time.monotonic() > deadline or not thread.is_alive():
            raise RuntimeError("The test's own server did not start within a minute.")
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join(timeout=30)


def until(client: httpx.Client, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Wait until what ``/v1/info`` tells is as it should be."""
    deadline = time.monotonic() + 90
    while True:
        told: dict[str, Any] = client.get("/v1/info").json()
        if holds(told):
            return told
        assert time.monotonic() < deadline, told
        time.sleep(0.02)
