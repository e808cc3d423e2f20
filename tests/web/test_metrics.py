"""What Prometheus reads from the web server, on results that the whole pipeline has really made."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import httpx
import pandas as pd
import pytest
from fastapi import FastAPI
from prometheus_client.parser import text_string_to_metric_families

import event_loop
from crimepatterns.config import Settings, load_settings
from crimepatterns.serving.head import HeadAsGet
from crimepatterns.serving.metrics import CountRequests, ServerMetrics
from crimepatterns.store.atomic import read_json
from crimepatterns.store.layout import Layout

ClientOf = Callable[[Settings], httpx.Client]
Series = dict[tuple[str, frozenset[tuple[str, str]]], float]


def read(text: str) -> Series:
    """Parse the text format with the library's own parser."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(series: Series, name: str, **labels: str) -> float:
    return series[name, frozenset(labels.items())]


@pytest.fixture
def small_server() -> FastAPI:
    """Two routes, one of which fails, with the middleware in the order of the product."""
    metrics, app = ServerMetrics("web"), FastAPI()

    @app.get("/things/{name}")
    def thing(name: str) -> str:
        return name

    @app.get("/broken")
    def broken() -> str:
        raise RuntimeError("on purpose")

    app.add_api_route("/metrics", metrics.response, include_in_schema=False)
    app.add_middleware(CountRequests, metrics=metrics)
    app.add_middleware(HeadAsGet)
    return app


def asked(app: FastAPI, *requests: tuple[str, str]) -> list[str]:
    """Send requests to the application one after the other; return the texts of its answers."""

    async def send() -> list[str]:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return [(await client.request(method, path)).text for method, path in requests]

    return event_loop.run(send())


def test_requests_are_counted_by_route_and_status_never_by_address(small_server: FastAPI) -> None:
    text = asked(
        small_server,
        *(("GET", f"/things/{name}") for name in "abc"),
        ("HEAD", "/things/a"),
        ("GET", "/broken"),
        ("GET", "/no/such/place"),
        ("BREW", "/things/a"),
        ("GET", "/metrics"),
    )[-1]
    series = read(text)
    requests = "crimepatterns_http_requests_total"
    assert value(series, requests, method="GET", route="/things/{name}", status="200") == 4
    assert value(series, requests, method="GET", route="/broken", status="500") == 1
    assert value(series, requests, method="GET", route="no route", status="404") == 1
    assert [key for key in series if key[0] == requests and ("method", "other") in key[1]]
    assert value(series, "crimepatterns_http_request_seconds_count", route="/things/{name}") >= 4
    assert value(series, "crimepatterns_http_requests_open") == 1  # the one that asks
    assert "/things/a" not in text
    assert "BREW" not in text


def test_the_web_server_tells_its_resources_and_the_state_of_the_results(client: httpx.Client, layout: Layout) -> None:
    client.get("/api/forecast/theft")
    got = client.get("/metrics")
    assert got.headers["content-type"].startswith("text/plain; version=")
    assert got.headers["cache-control"] == "no-store"
    series = read(got.text)
    assert value(series, "process_resident_memory_bytes") > 50e6
    assert value(series, "process_open_fds") > 3
    assert value(
        series, "crimepatterns_http_requests_total", method="GET", route="/api/forecast/{category}", status="200"
    )
    report = read_json(layout.cleaning_report)
    last = value(series, "crimepatterns_data_last_incident_timestamp_seconds", city=layout.city)
    assert last == pd.Timestamp(report["last"]).timestamp()
    assert value(series, "crimepatterns_data_incidents", city=layout.city) == report["kept"]
    rejected = value(series, "crimepatterns_data_rejected_rows", city=layout.city)
    assert rejected == sum(report["rejected"].values())
    for stage in ("ingest", "clean", "forecast", "plan"):
        assert value(series, "crimepatterns_stage_finished_timestamp_seconds", city=layout.city, stage=stage) > 1.7e9
    for category in ("theft", "burglary"):
        cutoff = value(series, "crimepatterns_forecast_cutoff_timestamp_seconds", city=layout.city, category=category)
        end = value(series, "crimepatterns_forecast_end_timestamp_seconds", city=layout.city, category=category)
        assert last < cutoff
        assert end - cutoff == pytest.approx(7 * 86_400, abs=3_700)  # a week, maybe over a clock change
        served = [
            key for key in series if key[0] == "crimepatterns_forecast_model" and ("category", category) in key[1]
        ]
        assert len(served) == 1


def test_promtool_finds_nothing_to_mend(client: httpx.Client) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("Prometheus is missing (make setup-system, as root on Debian)")
    text = client.get("/metrics").text
    done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    ours = [line for line in done.stderr.splitlines() if line.startswith("crimepatterns")]
    assert ours == []
    assert "error" not in done.stderr


def test_an_empty_root_is_alive_not_ready_and_still_counted(client_of: ClientOf, tmp_path: Path) -> None:
    client = client_of(load_settings(overrides={"root": str(tmp_path)}))
    assert client.get("/health").status_code == 200
    ready = client.get("/ready")
    assert ready.status_code == 503
    assert ready.headers["retry-after"]
    assert "crimepatterns run" in ready.json()["detail"]
    text = client.get("/metrics").text
    assert "crimepatterns_http_requests_total" in text
    assert "crimepatterns_forecast_model{" not in text


def test_a_server_with_forecasts_is_ready(client: httpx.Client) -> None:
    got = client.get("/ready")
    assert got.status_code == 200
    assert set(got.json()["categories"]) == {"burglary", "theft"}
