"""Odd requests in every role: nothing breaks, and nobody sees the plan who may not."""

from typing import Any
from urllib.parse import quote

import duckdb
import httpx
import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import event_loop
from crimepatterns.config import Settings
from crimepatterns.serving.model_server.application import MODEL_ACCESS, create_model_app
from crimepatterns.serving.security.keys import create_key
from crimepatterns.serving.security.roles import WEB_ACCESS, AccessTable, Role
from crimepatterns.serving.web import create_app
from crimepatterns.store.layout import Layout
from model_city import copied

EXAMPLES = 60
VALUES = st.one_of(
    st.sampled_from(
        ["theft", "burglary", "all", "density", "gi_star", "clusters", "count_eb", "Old Town", "0,0,1,1",
         "1", "-1", "7", "nan", "1e999", "None", "null", "..", "../..", "%00", "a" * 300, "'; DROP TABLE x;--", "{}"]
    ),
    st.text(max_size=30),
)  # fmt: skip
NAMES = st.sampled_from(["category", "model", "cell", "cells", "bbox", "neighbourhood", "horizon_days", "x"])
BODIES = st.one_of(
    st.binary(max_size=200),
    st.sampled_from([b'{"cells": ["x"]}', b'{"columns": {}}', b'{"columns": {"a": [1e9]}}', b"[" * 2000, b'"\\ud800"']),
)


@pytest.fixture(scope="module")
def city(small_city_run: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The small city with keys, unlimited rates and a folder of its own."""
    made = copied(small_city_run, tmp_path_factory.mktemp("fuzzed-city"))
    security = made.security.model_copy(update={"requests_per_second": 1e6, "burst": 10**6})
    return made.model_copy(update={"security": security})


@pytest.fixture(scope="module")
def secrets(city: Settings) -> list[str]:
    """What only the plan says, asked of the file by another program."""
    table = Layout(city.root, city.city).plan / "plan.csv"
    rows = duckdb.sql(f"SELECT DISTINCT reason FROM read_csv('{table}', header = true)").fetchall()  # noqa: S608
    found = [str(reason) for (reason,) in rows if reason]
    assert len(found) > 3
    return found


def _filled(route: str, values: list[str]) -> str:
    """Put values, escaped, where a route has parameters."""
    left = iter(values)
    return "/".join(quote(next(left), safe="") if part.startswith("{") else part for part in route.split("/"))


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("server", ["web", "model"])
def test_odd_requests_break_nothing_and_show_nobody_too_much(
    city: Settings, secrets: list[str], server: str, role: Role
) -> None:
    _, key = create_key(city.root / city.security.keys_file, name="fuzz", role=role)
    app, access = _application(city, server)
    routes = st.sampled_from([*access.roles, "/nowhere/{x}"])

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(route=routes, values=st.lists(VALUES, min_size=3, max_size=3),
           query=st.dictionaries(NAMES, VALUES, max_size=3),
           body=st.none() | BODIES, method=st.sampled_from(["GET", "GET", "HEAD", "POST", "DELETE"]))  # fmt: skip
    def ask(route: str, values: list[str], query: dict[str, str], body: bytes | None, method: str) -> None:
        path = _filled(route, values)
        sent = "POST" if "score/" in route else method
        got = event_loop.run(_send(app, sent, path, key, params=query, content=body if sent == "POST" else None))
        assert got.status_code < 500, f"{sent} {path} {query}: {got.text[:300]}"
        if got.status_code >= 400 and path.startswith("/api/") and sent != "HEAD":
            assert {name: type(told) for name, told in got.json().items()} == {"error": str, "detail": str}, path
        if role < Role.PLANNER:
            assert not any(secret in got.text for secret in secrets), f"{path} shows {role.label}s the plan"
        assert str(city.root) not in got.text

    ask()


def test_the_plan_is_there_for_planners(city: Settings, secrets: list[str]) -> None:
    _, key = create_key(city.root / city.security.keys_file, name="desk", role=Role.PLANNER)
    got = event_loop.run(_send(_application(city, "web")[0], "GET", "/reports/plan.csv", key))
    assert all(secret in got.text for secret in secrets)


@pytest.mark.parametrize("server", ["web", "model"])
def test_refusals_are_described_as_they_are(city: Settings, server: str) -> None:
    described = _application(city, server)[0].openapi()
    assert set(described["components"]["schemas"]["Failure"]["properties"]) == {"error", "detail"}
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            told = operation["responses"]["422"]["content"]["application/json"]["schema"]
            assert told == {"$ref": "#/components/schemas/Failure"}, f"{method} {path}"


def _application(city: Settings, server: str) -> tuple[FastAPI, AccessTable]:
    if server == "web":
        return create_app(city), WEB_ACCESS
    app = create_model_app(city)
    app.state.current.refresh_forecasts()
    app.state.current.refresh_learners()
    return app, MODEL_ACCESS


async def _send(app: FastAPI, method: str, path: str, key: str, **how: Any) -> httpx.Response:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        return await client.request(method, path, headers={"authorization": f"Bearer {key}"}, **how)
