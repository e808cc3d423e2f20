"""A small city with forecasts that explain themselves and with stored learners, in a folder that tests may spoil."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

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


def until(client: httpx.Client, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Wait until what ``/v1/info`` tells is as it should be."""
    deadline = time.monotonic() + 90
    while True:
        told: dict[str, Any] = client.get("/v1/info").json()
        if holds(told):
            return told
        assert time.monotonic() < deadline, told
        time.sleep(0.02)
