"""The monitoring page, its API, series, alerts and dashboard, on a server that Prometheus really scrapes."""

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import httpx
import pandas as pd
import pytest
import yaml
from playwright.sync_api import Browser, expect
from prometheus_client.parser import text_string_to_metric_families

from accessible import broken_rules
from crimepatterns.config import Settings
from crimepatterns.operations.pipeline import run_stage
from crimepatterns.store.issued import Verdict, keep_verdict
from crimepatterns.store.layout import Layout
from free_port import free_port

ClientOf = Callable[[Settings], httpx.Client]
DEPLOYMENT = Path(__file__).resolve().parents[2] / "deployment"
SHIPPED = DEPLOYMENT / "monitoring"
GOOD = Verdict(
    "theft", "stack", "count_eb", "2025-01-06", "2025-01-06", "2025-01-13", "2025-02-01",
    expected=100.0, observed=98.0, expected_hot=50.0, observed_hot=51.0, hits=30.0, baseline_hits=29.0, best=60.0,
    caught_both=26.0, inside_interval=90, with_interval=100, deviance=200.0, baseline_deviance=205.0,
)  # fmt: skip


@pytest.fixture(scope="module")
def monitored(small_city_run: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A copy of the small city with verdicts of a good champion and of one that broke, after monitoring."""
    root = tmp_path_factory.mktemp("monitored")
    there, here = (Layout(where, small_city_run.city) for where in (small_city_run.root, root))
    # Cleaned data are a link to a hidden folder of versions beside it.
    shutil.copytree(there.processed.parent, here.processed.parent, symlinks=True)
    shutil.copytree(there.results, here.results)
    settings = small_city_run.model_copy(update={"root": root})
    for week in range(16):
        moved = {
            name: (pd.Timestamp(getattr(GOOD, name)) + pd.DateOffset(weeks=week)).isoformat()
            for name in ("cutoff", "start", "end")
        }
        keep_verdict(here, replace(GOOD, **moved))
        broken = {"observed_hot": 8.0, "hits": 3.0, "caught_both": 2.0} if week > 9 else {}
        keep_verdict(here, replace(GOOD, category="burglary", **moved, **broken))
    run_stage(settings, "monitor", force=True)
    return settings


@pytest.fixture(scope="module")
def watched(client_of: ClientOf, monitored: Settings) -> httpx.Client:
    """Client of the monitored city's server."""
    return client_of(monitored)


# -- page and API ----------------------------------------------------------------------------------------------------


def test_the_page_says_who_is_retired_and_why(watched: httpx.Client) -> None:
    got = watched.get("/monitoring")
    assert got.status_code == 200
    assert "A champion is retired: burglary." in got.text
    assert "hot places get less than 0.8 times" in got.text or "catches less than 85 %" in got.text
    assert "unsafe" not in got.headers["content-security-policy"]
    assert " style=" not in got.text
    assert 'href="/monitoring"' in watched.get("/").text


def test_the_api_gives_the_stored_report(watched: httpx.Client, monitored: Settings) -> None:
    told = watched.get("/api/monitoring").json()
    stored = Layout(monitored.root, monitored.city).monitoring / "report.json"
    assert told == json.loads(stored.read_text(encoding="utf-8"))
    assert {one["category"]: one["retired"] for one in told["champions"]} == {"theft": False, "burglary": True}


def test_before_the_first_run_page_and_api_name_the_command(client: httpx.Client) -> None:
    assert "crimepatterns monitor" in client.get("/monitoring").text
    got = client.get("/api/monitoring")
    assert got.status_code == 404
    assert "crimepatterns monitor" in got.json()["detail"]


def test_series_hold_what_the_report_holds(watched: httpx.Client) -> None:
    report = watched.get("/api/monitoring").json()
    found = {
        (
            sample.name,
            sample.labels.get("category"),
            sample.labels.get("cells"),
            sample.labels.get("group"),
        ): sample.value
        for family in text_string_to_metric_families(watched.get("/metrics").text)
        for sample in family.samples
    }
    assert found["crimepatterns_champion_retired", "burglary", None, None] == 1
    assert found["crimepatterns_champion_retired", "theft", None, None] == 0
    pooled = {one["category"]: one for one in report["matured"]}
    for category, one in pooled.items():
        assert found["crimepatterns_matured_calibration", category, "hot", None] == one["calibration_hot"]
        assert found["crimepatterns_matured_forecasts", category, None, None] == one["forecasts"] == 16
    for group in {one["group"] for one in report["drift"]}:
        alarms = sum(one["alarm"] for one in report["drift"] if one["group"] == group)
        assert found["crimepatterns_drift_alarms", None, None, group] == alarms


# -- Prometheus ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def promtool() -> str:
    """Prometheus' own checker."""
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("Prometheus is missing (make setup-system, as root on Debian)")
    return found


def run(*command: str, cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_configuration_is_one_that_prometheus_takes(promtool: str) -> None:
    assert "12 rules found" in run(promtool, "check", "config", "prometheus.yml", cwd=SHIPPED)


def test_every_alert_fires_where_it_should_and_is_silent_beside_it(promtool: str) -> None:
    run(promtool, "test", "rules", "alerts_test.yml", cwd=SHIPPED)
    rules = yaml.safe_load((SHIPPED / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    tests = yaml.safe_load((SHIPPED / "alerts_test.yml").read_text(encoding="utf-8"))["tests"]
    asked = [(rule["alertname"], bool(rule["exp_alerts"])) for test in tests for rule in test["alert_rule_test"]]
    alerts = [rule["alert"] for group in rules for rule in group["rules"]]
    assert sorted(asked) == sorted((name, fires) for name in alerts for fires in (True, False))


@pytest.fixture(scope="module")
def prometheus(watched: httpx.Client, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A real Prometheus that scrapes the watched server every second, under the shipped rules."""
    if shutil.which("prometheus") is None:
        pytest.skip("Prometheus is missing (make setup-system, as root on Debian)")
    home = tmp_path_factory.mktemp("prometheus")
    shipped = yaml.safe_load((SHIPPED / "prometheus.yml").read_text(encoding="utf-8"))
    shipped["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    job = next(one for one in shipped["scrape_configs"] if one["job_name"] == "crimepatterns-web")
    job["static_configs"] = [{"targets": [str(watched.base_url).removeprefix("http://").rstrip("/")]}]
    shipped["scrape_configs"] = [job]
    shutil.copy(SHIPPED / "alerts.yml", home)
    (home / "prometheus.yml").write_text(yaml.safe_dump(shipped), encoding="utf-8")
    port = free_port()
    command = ["prometheus", "--config.file=prometheus.yml", f"--web.listen-address=127.0.0.1:{port}"]
    with (
        (home / "log").open("wb") as log,
        subprocess.Popen([*command, "--storage.tsdb.path=data"], cwd=home, stdout=log, stderr=log) as process,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10, trust_env=False) as client,
    ):
        try:
            wait_for_scrapes(client, watched, home / "log")
            yield client
        finally:
            process.terminate()
            process.wait(timeout=20)


def ask(prometheus: httpx.Client, query: str) -> list[dict[str, Any]]:
    got = prometheus.get("/api/v1/query", params={"query": query}).json()
    assert got["status"] == "success", f"{query}: {got}"
    found: list[dict[str, Any]] = got["data"]["result"]
    return found


def wait_for_scrapes(prometheus: httpx.Client, watched: httpx.Client, log: Path) -> None:
    """Use the server while it is scraped, until there are five scrapes to take rates from."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        watched.get("/api/forecast/theft")
        watched.get("/no/such/address")
        try:
            found = ask(prometheus, 'count_over_time(up{job="crimepatterns-web"}[1m])')
        except httpx.TransportError:
            found = []
        if found and float(found[0]["value"][1]) >= 5:
            return
        time.sleep(0.5)
    raise AssertionError(f"Prometheus did not scrape within a minute: {log.read_text(errors='replace')[-2000:]}")


def test_every_query_of_the_dashboard_finds_a_series(prometheus: httpx.Client) -> None:
    dashboard = json.loads((SHIPPED / "dashboard.json").read_text(encoding="utf-8"))
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]
    assert len(queries) >= 24
    empty = []
    for query in queries:
        asked = query.replace("$city", ".*").replace("$__rate_interval", "30s")
        assert "$" not in asked
        found = ask(prometheus, asked)
        if not found or any(one["value"][1] == "NaN" for one in found):
            empty.append(query)
    assert empty == []


def test_every_series_of_the_alerts_is_one_that_the_server_has(prometheus: httpx.Client) -> None:
    groups = yaml.safe_load((SHIPPED / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    names = {
        word
        for group in groups
        for rule in group["rules"]
        for word in rule["expr"].replace("(", " ").replace("{", " ").replace("[", " ").split()
        if word.startswith(("crimepatterns_", "process_"))
    }
    assert len(names) >= 10
    assert [name for name in sorted(names) if not ask(prometheus, name)] == []


def test_the_alert_of_a_retired_champion_is_raised_by_the_real_one(prometheus: httpx.Client) -> None:
    for _ in range(40):
        firing = ask(prometheus, 'ALERTS{alertname="ChampionRetired", alertstate="firing"}')
        if firing:
            break
        time.sleep(0.5)
    assert [one["metric"]["category"] for one in firing] == ["burglary"]


# -- in a browser ----------------------------------------------------------------------------------------------------


@pytest.mark.chromium
@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 320)])
def test_the_page_is_accessible_keeps_to_its_policy_and_fits(
    browser: Browser, watched: httpx.Client, scheme: Literal["light", "dark"], width: int
) -> None:
    complaints: list[str] = []
    for bypass in (False, True):  # for the checker's own script
        context = browser.new_context(
            base_url=str(watched.base_url),
            color_scheme=scheme,
            viewport={"width": width, "height": 900},
            bypass_csp=bypass,
        )
        page = context.new_page()
        page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
        page.goto("/monitoring")
        expect(page.get_by_role("heading", level=1)).to_have_text("A champion is retired: burglary.")
        assert page.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth + 1")
        if bypass:
            assert broken_rules(page) == []
        context.close()
    assert complaints == []
