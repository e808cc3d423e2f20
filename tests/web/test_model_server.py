"""The model server on a city on which everything has really run: forecasts, reasons, scores, and what it refuses."""

import gzip
import itertools
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from app_server import served
from crimepatterns.config import Settings
from crimepatterns.forecasting import explain
from crimepatterns.forecasts.stored_learner import restore_learner
from crimepatterns.serving.model_server.answers import ARROW
from crimepatterns.serving.model_server.application import create_model_app
from crimepatterns.store.areas import read_study_area
from crimepatterns.store.layers import read_forecast
from crimepatterns.store.layout import Layout
from crimepatterns.store.models import find_version, load_model
from free_port import free_port
from model_city import explained_copy, until

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def city(small_city_run: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A city whose champion can explain itself; not to be spoilt."""
    return explained_copy(small_city_run, tmp_path_factory.mktemp("model-city"))


@pytest.fixture(scope="module")
def client(city: Settings) -> Iterator[httpx.Client]:
    """Client of its model server, learners loaded."""
    with served(create_model_app(city)) as made:
        until(made, lambda told: told["models"]["state"] == "ready")
        yield made


def layout(settings: Settings) -> Layout:
    return Layout(settings.root, settings.city)


def answer(client: httpx.Client, address: str, status: int = 200, **how: Any) -> Any:
    got = client.get(address, **how)
    assert got.status_code == status, f"{address}: {got.status_code} {got.text[:300]}"
    return got.json()


# -- forecasts ---------------------------------------------------------------------------------------------------------


def test_the_forecast_is_the_stored_one(client: httpx.Client, city: Settings) -> None:
    where = layout(city)
    stored, facts = read_forecast(where.forecasts / "theft.parquet", read_study_area(where.study_area))
    told = answer(client, "/v1/forecast/theft")
    assert told["model"] == stored.model == "additive_intensity"
    assert told["data_digest"] == facts["data_digest"]
    assert told["columns"]["cell_id"] == [str(one) for one in stored.grid.ids]
    assert told["columns"]["expected"] == pytest.approx(stored.mean[:, 0], abs=1e-6)
    assert told["expected_total"] == pytest.approx(stored.mean.sum())
    assert told["columns"]["q95"] == pytest.approx(stored.quantiles[0.95][:, 0])
    centres = stored.grid.cells.geometry.centroid.to_crs("EPSG:4326")
    assert told["columns"]["longitude"] == pytest.approx(centres.x.to_numpy(), abs=1e-6)
    assert told["columns"]["latitude"] == pytest.approx(centres.y.to_numpy(), abs=1e-6)


def test_arrow_holds_the_same(client: httpx.Client) -> None:
    told = answer(client, "/v1/forecast/burglary")
    got = client.get("/v1/forecast/burglary", headers={"accept": f"{ARROW}, */*;q=0.1"})
    assert got.headers["content-type"] == ARROW
    table = pa.ipc.open_stream(got.content).read_all()
    assert table.column_names == list(told["columns"])
    assert table["cell_id"].to_pylist() == told["columns"]["cell_id"]
    assert table["expected"].to_numpy() == pytest.approx(np.array(told["columns"]["expected"]), abs=1e-6)
    facts = json.loads(table.schema.metadata[b"crimepatterns"])
    assert facts == {name: value for name, value in told.items() if name != "columns"}


def test_parts_of_the_city(client: httpx.Client) -> None:
    whole = answer(client, "/v1/forecast/theft")["columns"]
    name = whole["neighbourhood"][len(whole["neighbourhood"]) // 2]
    part = answer(client, "/v1/forecast/theft", params={"neighbourhood": name.upper()})
    assert set(part["columns"]["neighbourhood"]) == {name}
    assert part["cells"] == whole["neighbourhood"].count(name)
    west, east = np.quantile(whole["longitude"], [0.3, 0.6])
    box = answer(client, "/v1/forecast/theft", params={"bbox": f"{west},-90,{east},90"})
    inside = [west <= x <= east for x in whole["longitude"]]
    assert box["columns"]["expected"] == [e for e, there in zip(whole["expected"], inside, strict=True) if there]
    two = [whole["cell_id"][7], whole["cell_id"][2]]
    assert answer(client, "/v1/forecast/theft", params={"cells": ",".join(two)})["columns"]["cell_id"] == two
    assert answer(client, "/v1/forecast/theft", params={"bbox": "0,0,1,1"})["cells"] == 0
    other = answer(client, "/v1/forecast/theft", params={"model": "count_eb"})
    assert other["model"] == "count_eb"
    assert answer(client, "/v1/forecast/theft?horizon_days=7")["run"] == other["run"]


@pytest.mark.parametrize(
    ("address", "status", "told"),
    [
        ("/v1/forecast/arson", 404, "burglary"),
        ("/v1/forecast/theft?model=oracle", 404, "count_eb"),
        ("/v1/forecast/theft?neighbourhood=Nowhere", 404, "there are"),
        ("/v1/forecast/theft?cells=x1", 404, "ids look like"),
        ("/v1/forecast/theft?horizon_days=28", 404, "--set forecast.horizon_days=28"),
        ("/v1/forecast/theft?bbox=1,2,3", 422, "west,south,east,north"),
        ("/v1/forecast/theft?bbox=3,0,1,1", 422, "west <= east"),
        ("/v1/forecast/theft?bbox=nan,0,1,1", 422, "west <= east"),
        ("/v1/forecast/theft?cells=,", 422, "1 to"),
        ("/v1/forecast/theft?cells=a&bbox=0,0,1,1", 422, "combined"),
        ("/v1/forecast/theft?horizon_days=no", 422, "horizon_days"),
        ("/v1/explanation/theft", 422, "cell"),
        ("/v1/explanation/theft?cell=x1", 404, "ids look like"),
        ("/v1/models/nothing", 404, "there are"),
        ("/v1/forecast/..%2f..%2fmodels", 404, ""),
        ("/v1/nothing", 404, "No such address"),
    ],
)
def test_what_cannot_be_answered_is_a_sentence(client: httpx.Client, address: str, status: int, told: str) -> None:
    problem = answer(client, address, status)
    assert set(problem) == {"error", "detail"}
    assert told in problem["detail"]


@pytest.mark.parametrize("accept", ["application/json", ARROW])
def test_an_answer_is_sent_once_and_compressed(client: httpx.Client, accept: str) -> None:
    headers = {"accept": accept, "accept-encoding": "gzip"}
    with client.stream("GET", "/v1/forecast/theft", headers=headers) as first:
        packed = b"".join(first.iter_raw())
    tag = first.headers["etag"]
    plain = client.get("/v1/forecast/theft", headers={"accept": accept, "accept-encoding": "identity"})
    assert gzip.decompress(packed) == plain.content
    assert plain.headers["etag"] != tag
    assert set(plain.headers["vary"].split(", ")) == {"Accept", "Accept-Encoding"}
    again = client.get("/v1/forecast/theft", headers={**headers, "if-none-match": tag})
    assert (again.status_code, again.content) == (304, b"")
    other = {**headers, "accept": ARROW if accept != ARROW else "application/json", "if-none-match": tag}
    assert client.get("/v1/forecast/theft", headers=other).status_code == 200


def test_an_explanation_is_the_one_that_the_command_tells(client: httpx.Client, city: Settings) -> None:
    for one in explain(city, category="theft"):
        told = answer(client, "/v1/explanation/theft", params={"cell": one.cell_id})
        assert told.pop("run")
        assert told == json.loads(json.dumps(one.to_json()))


def test_the_scorecard_is_the_one_of_the_page(client: httpx.Client) -> None:
    told = answer(client, "/v1/scorecard/theft")
    assert any(row["model"] == "count_eb" for row in told["models"])


# -- learners ----------------------------------------------------------------------------------------------------------


def test_rows_are_scored_as_the_learner_scores_them(client: httpx.Client, city: Settings) -> None:
    rng = np.random.default_rng(3)
    for one in answer(client, "/v1/models")["loaded"]:
        features = answer(client, f"/v1/models/{one['name']}")["features"]
        stored = load_model(find_version(layout(city).models, one["name"]))
        columns = {name: rng.gamma(1.0, 1.0, 40).round(3).tolist() for name in features}
        body = {"learner": one["learner"], "columns": columns}
        got = client.post(f"/v1/score/{one['category']}", json=body)
        assert got.status_code == 200, got.text
        import pandas as pd

        rows = pd.DataFrame(columns)
        fitted = restore_learner(stored.pipeline, stored.config)
        assert got.json()["version"] == stored.version
        assert got.json()["columns"]["expected"] == pytest.approx(fitted.expected(rows), abs=1e-8)
        assert got.json()["columns"]["chance_of_any"] == pytest.approx(fitted.chance(rows), abs=1e-8)


def test_cells_are_scored_by_the_stored_forecast(client: httpx.Client) -> None:
    whole = answer(client, "/v1/forecast/theft?model=random_forest")["columns"]
    cells = whole["cell_id"][3:6]
    got = client.post("/v1/score/theft", json={"cells": cells, "model": "random_forest"}).json()
    assert got["model"] == "random_forest"
    assert got["columns"]["expected"] == whole["expected"][3:6]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "JSON"),
        (b"[1]", "columns"),
        (b"{}", "either"),
        (b'{"columns": {}, "cells": []}', "either"),
        (b'{"columns": {"a": 1}}', "list"),
        (b'{"columns": {"no_such_feature": [1]}}', "not known"),
        (b'{"cells": [1]}', "list of ids"),
        (b'{"cells": ["x1"]}', "ids look like"),
        (b'{"columns": {}, "learner": 5}', "either"),
        (b'{"columns": {}, "query": "drop"}', "must be"),
    ],
)
def test_a_batch_that_cannot_be_scored_is_told_why(client: httpx.Client, body: bytes, told: str) -> None:
    got = client.post("/v1/score/theft", content=body)
    assert got.status_code in {404, 422}, got.text
    assert told in got.json()["detail"]


def test_rows_of_odd_values_are_told_why(client: httpx.Client) -> None:
    (one, *_) = [m for m in answer(client, "/v1/models")["loaded"] if m["category"] == "theft"]
    features = answer(client, f"/v1/models/{one['name']}")["features"]

    def status(make: Any) -> int:
        columns = {name: make(at) for at, name in enumerate(features)}
        return client.post("/v1/score/theft", json={"learner": one["learner"], "columns": columns}).status_code

    assert status(lambda at: [1.0] * (1 + at % 2)) == 422
    assert status(lambda _: []) == 422
    assert status(lambda _: ["text"]) == 422
    assert status(lambda _: [{}]) == 422
    assert status(lambda _: [True]) == 200


def test_a_large_batch_is_refused_before_it_is_read(city: Settings) -> None:
    small = city.model_copy(update={"security": city.security.model_copy(update={"max_body_kb": 4})})
    with served(create_model_app(small)) as client:
        assert client.post("/v1/score/theft", content=b"x" * 4097).status_code == 413
        assert client.post("/v1/score/theft", content=iter([b"x" * 3000] * 2)).status_code == 413


# -- start and end -----------------------------------------------------------------------------------------------------


def test_stored_forecasts_are_served_before_scikit_learn_is_imported(city: Settings) -> None:
    code = f"""
import asyncio, sys, httpx
from crimepatterns.config import load_settings
from crimepatterns.serving.model_server.application import create_model_app
app = create_model_app(load_settings(overrides={{"root": {str(city.root)!r}}}))
current = app.state.current
async def ask(method, address, **how):
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        return await client.request(method, address, **how)
current.refresh_forecasts()
got = asyncio.run(ask("GET", "/v1/forecast/theft"))
assert got.status_code == 200 and got.json()["cells"] > 100, got.text
assert asyncio.run(ask("GET", "/ready")).json()["models"] == "loading"
for heavy in ("sklearn", "skops", "pandas", "geopandas"):
    assert heavy not in sys.modules, heavy
got = asyncio.run(ask("POST", "/v1/score/theft", json={{"columns": {{"a": [1]}}}}))
assert got.status_code == 503 and int(got.headers["retry-after"]) > 0, got.text
assert asyncio.run(ask("GET", "/v1/models/x")).status_code == 503
assert asyncio.run(ask("POST", "/v1/score/theft", json={{"cells": ["x"]}})).status_code == 404
current.refresh_learners()
assert "sklearn" in sys.modules
assert asyncio.run(ask("POST", "/v1/score/theft", json={{"columns": {{"a": [1]}}}})).status_code == 422
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


def test_requests_that_have_begun_are_answered_when_the_server_is_told_to_stop(city: Settings, tmp_path: Path) -> None:
    port = free_port()
    config = tmp_path / "city.yaml"
    default = yaml.safe_load((PROJECT / "config" / "cities" / "default.yaml").read_text())
    config.write_text(yaml.safe_dump({**default, "root": str(city.root)}))
    command = [sys.executable, "-m", "uvicorn", "--app-dir", "deployment/model_server", "app:app", "--port", str(port)]
    env = {**os.environ, "CRIMEPATTERNS_CONFIG": str(config)}
    with subprocess.Popen(command, cwd=PROJECT, env=env, stderr=subprocess.PIPE) as process:
        try:
            _wait_for(f"http://127.0.0.1:{port}/ready", process)
            with socket.create_connection(("127.0.0.1", port)) as half:
                head = f"POST /v1/score/theft HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: 16\r\n\r\n"
                half.sendall(head.encode() + b'{"cells":')
                time.sleep(0.3)
                process.send_signal(signal.SIGTERM)
                time.sleep(0.5)
                half.sendall(b' ["x"]}')
                assert half.recv(4096).startswith(b"HTTP/1.1 404")
            # uvicorn ends in order and then hands the signal on, as programs should.
            assert process.wait(timeout=60) in {0, -signal.SIGTERM}
        finally:
            process.kill()
        lines = [json.loads(line) for line in process.stderr.read().splitlines()] if process.stderr else []
    scored = [line for line in lines if line.get("route") == "/v1/score/{category}"]
    assert [line["status"] for line in scored] == [404]
    assert all("at" in line and "level" in line for line in lines)


def _wait_for(address: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        try:
            if httpx.get(address, trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError("The model server was not ready within a minute.")


def test_before_the_first_forecast_it_says_what_to_run(tmp_path: Path, small_city_run: Settings) -> None:
    with served(create_model_app(small_city_run.model_copy(update={"root": tmp_path}))) as client:
        assert answer(client, "/health")["status"] == "ok"
        assert "crimepatterns forecast" in answer(client, "/ready", 503)["detail"]
        assert "crimepatterns forecast" in answer(client, "/v1/forecast/theft", 404)["detail"]
        told = until(client, lambda told: told["models"]["state"] == "ready")
        assert told["categories"] == []
        assert client.post("/v1/score/theft", json={"columns": {"a": [1]}}).status_code == 404


def test_prometheus_can_read_what_is_served(client: httpx.Client) -> None:
    answer(client, "/v1/forecast/theft")
    series = {
        (sample.name, sample.labels.get("route", "")): sample.value
        for family in text_string_to_metric_families(client.get("/metrics").text)
        for sample in family.samples
    }
    assert series["crimepatterns_model_server_forecasts", ""] == 2
    assert series["crimepatterns_model_server_models", ""] == 4
    assert series["crimepatterns_model_server_models_ready", ""] == 1
    assert series["crimepatterns_model_server_models_refused", ""] == 0
    assert series["crimepatterns_model_server_forecasts_refused", ""] == 0
    assert series["crimepatterns_http_requests_total", "/v1/forecast/{category}"] >= 1


# -- what the documentation shows --------------------------------------------------------------------------------------


def test_the_examples_of_the_documentation_work(client: httpx.Client) -> None:
    page = (PROJECT / "docs" / "model_server.md").read_text(encoding="utf-8")
    examples = re.findall(r"^curl (.+?)(?:\s+#.*)?$", page.replace("\\\n", " "), flags=re.MULTILINE)
    assert len(examples) >= 10
    whole = answer(client, "/v1/forecast/theft")["columns"]
    for example in examples:
        filled = example.replace("CELL", whole["cell_id"][0]).replace("Old Town", whole["neighbourhood"][0])
        words = shlex.split(filled)
        address = next(word for word in words if word.startswith("http://127.0.0.1:8001"))
        pairs = [word.partition(": ") for flag, word in itertools.pairwise(words) if flag == "-H"]
        headers = {name: value for name, _, value in pairs if name.lower() != "authorization"}
        sent = [word for flag, word in itertools.pairwise(words) if flag in {"-d", "--data"}]
        method = "POST" if sent else "GET"
        got = client.request(
            method, address.removeprefix("http://127.0.0.1:8001"), headers=headers, content=sent[0] if sent else None
        )
        assert got.status_code == 200, f"{example}: {got.status_code} {got.text[:200]}"


def test_every_route_is_documented(client: httpx.Client) -> None:
    page = (PROJECT / "docs" / "model_server.md").read_text(encoding="utf-8")
    for route in answer(client, "/v1/openapi.json")["paths"]:
        assert f"`{route.replace('{category}', 'CATEGORY').replace('{name}', 'NAME')}`" in page, route
