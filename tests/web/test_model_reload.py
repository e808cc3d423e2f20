"""What a running model server takes over, and what it refuses: nothing dropped, nothing mixed, nothing bad served."""

import json
import pickle
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from app_server import served
from crimepatterns.config import Settings
from crimepatterns.operations.pipeline import run_stage
from crimepatterns.serving.model_server.application import create_model_app
from crimepatterns.serving.model_server.snapshot import read_snapshot
from crimepatterns.store.atomic import replacing_folder
from crimepatterns.store.digests import sha256_file
from crimepatterns.store.layout import Layout
from crimepatterns.store.model_stages import promote
from crimepatterns.store.models import ARTEFACTS, find_version, load_model
from model_city import copied, explained_copy, until

REPLACEMENTS = 20
NAME = "default-theft-gradient_boosting"


@pytest.fixture(scope="module")
def explained(small_city_run: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A city with forecasts and learners; not to be spoilt."""
    return explained_copy(small_city_run, tmp_path_factory.mktemp("reload-city"))


@pytest.fixture
def city(explained: Settings, tmp_path: Path) -> Settings:
    """One that the test may spoil."""
    return copied(explained, tmp_path)


@pytest.fixture
def client(city: Settings) -> Iterator[httpx.Client]:
    """Client of its model server, learners loaded."""
    with served(create_model_app(city)) as made:
        until(made, lambda told: told["models"]["state"] == "ready")
        yield made


def layout(settings: Settings) -> Layout:
    return Layout(settings.root, settings.city)


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at % len(content)] ^= 1
    path.write_bytes(content)


# -- taken over --------------------------------------------------------------------------------------------------------


def test_new_forecasts_are_taken_over_without_a_dropped_or_mixed_answer(city: Settings, client: httpx.Client) -> None:
    live, kept = layout(city).forecasts, [city.root / "first", city.root / "second"]
    shutil.copytree(live, kept[0])
    run_stage(city, "forecast", options={"as_of": "2025-10-01"}, force=True)
    shutil.copytree(live, kept[1])
    runs = [read_snapshot(folder, cache_bytes=1).run for folder in kept]
    stop, wrong, totals, answers = threading.Event(), [], {}, [0]

    def ask() -> None:
        with httpx.Client(base_url=client.base_url, trust_env=False, timeout=60) as own:
            while not stop.is_set():
                got = own.get("/v1/forecast/theft")
                answers[0] += 1
                if got.status_code != 200:
                    wrong.append(got.text)
                    continue
                told = got.json()
                total = totals.setdefault(told["run"], (told["expected_total"], told["start"]))
                if total != (told["expected_total"], told["start"]):
                    wrong.append(f"{told['run']}: {total} and {told['expected_total']}")
                if abs(sum(told["columns"]["expected"]) - told["expected_total"]) > 1e-3:
                    wrong.append("cells and total are of two runs")

    askers = [threading.Thread(target=ask) for _ in range(4)]
    for one in askers:
        one.start()
    try:
        for turn in range(REPLACEMENTS):
            with replacing_folder(live) as folder:
                shutil.copytree(kept[turn % 2], folder, dirs_exist_ok=True)
            until(client, lambda told, wanted=runs[turn % 2]: told["run"] == wanted)  # type: ignore[misc]
    finally:
        stop.set()
        for one in askers:
            one.join()
    assert wrong == []
    assert set(totals) == set(runs)
    assert len(set(totals.values())) == 2
    assert answers[0] > REPLACEMENTS
    assert client.get("/v1/info").json()["refused_forecasts"] is None


def test_promotions_are_taken_over_without_a_dropped_or_mixed_score(city: Settings, client: httpx.Client) -> None:
    home = layout(city).models / NAME
    first = find_version(layout(city).models, NAME).name
    second = _second_version(home, first)
    features = client.get(f"/v1/models/{NAME}").json()["features"]
    body = {"learner": "gradient_boosting", "columns": {name: [0.5] for name in features}}
    stop, wrong, seen = threading.Event(), [], {}

    def ask() -> None:
        with httpx.Client(base_url=client.base_url, trust_env=False, timeout=60) as own:
            while not stop.is_set():
                got = own.post("/v1/score/theft", json=body)
                told = got.json()
                if got.status_code != 200 or seen.setdefault(told["version"], told["columns"]) != told["columns"]:
                    wrong.append(got.text)

    askers = [threading.Thread(target=ask) for _ in range(2)]
    for one in askers:
        one.start()
    try:
        for turn in range(6):
            wanted = (second, first)[turn % 2]
            promote(home, wanted, reason="test")
            until(client, lambda told, wanted=wanted: _version(told) == wanted)  # type: ignore[misc]
    finally:
        stop.set()
        for one in askers:
            one.join()
    assert wrong == []
    assert set(seen) == {first, second}
    assert seen[first] != seen[second]


def _version(told: dict[str, Any]) -> str:
    return next(str(one["version"]) for one in told["models"]["loaded"] if one["name"] == NAME)


def _second_version(home: Path, first: str) -> str:
    """Store the same model with another calibration as a later version."""
    from skops import io as skops_io

    stored = load_model(home / first)
    folder = home / "20990101-0badcafe"
    shutil.copytree(home / first, folder)
    stored.pipeline[-1].intercept += 1.0
    skops_io.dump(stored.pipeline, folder / "model_pipeline.skops")
    _rewrite_manifest(folder, version=folder.name)
    return folder.name


def _rewrite_manifest(folder: Path, **facts: str) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["sha256"] = {file: sha256_file(folder / file) for file in ARTEFACTS}
    (folder / "manifest.json").write_text(json.dumps({**manifest, **facts}))


# -- refused -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", [3, 200, -300, -5])
def test_one_flipped_byte_in_a_forecast_is_refused_and_the_last_good_one_stays(
    city: Settings, client: httpx.Client, at: int
) -> None:
    good = client.get("/v1/forecast/theft")
    flip(layout(city).forecasts / "theft.parquet", at)
    told = until(client, lambda told: told["refused_forecasts"] is not None)
    assert "not the file that was saved" in told["refused_forecasts"]
    assert str(city.root) not in told["refused_forecasts"]
    assert client.get("/v1/forecast/theft").content == good.content
    assert client.get("/ready").status_code == 200
    flip(layout(city).forecasts / "theft.parquet", at)
    until(client, lambda told: told["refused_forecasts"] is None)


def test_a_flipped_byte_of_another_model_or_a_foreign_file_is_refused_too(city: Settings, client: httpx.Client) -> None:
    folder = layout(city).forecasts
    flip(folder / "theft" / "count_eb.parquet", 999)
    until(client, lambda told: "count_eb" in str(told["refused_forecasts"]))
    flip(folder / "theft" / "count_eb.parquet", 999)
    until(client, lambda told: told["refused_forecasts"] is None)
    shutil.copy(folder / "theft.parquet", folder / "arson.parquet")
    until(client, lambda told: "not part of this forecast" in str(told["refused_forecasts"]))
    assert client.get("/v1/forecast/arson").status_code == 404


def test_a_damaged_forecast_at_start_is_told_and_nothing_is_served(city: Settings) -> None:
    flip(layout(city).forecasts / "theft.parquet", 100)
    with served(create_model_app(city)) as client:
        got = client.get("/v1/forecast/burglary")
        assert got.status_code == 503
        assert "not the file that was saved" in got.json()["detail"]
        assert int(got.headers["retry-after"]) > 0
        assert client.get("/ready").status_code == 503
        assert client.get("/health").status_code == 200


@pytest.mark.parametrize("file", [*ARTEFACTS, "manifest.json"])
def test_one_flipped_byte_in_any_artefact_of_a_model_is_refused(
    city: Settings, client: httpx.Client, file: str
) -> None:
    folder = find_version(layout(city).models, NAME)
    flip(folder / file, 17 if file == "manifest.json" else 40)
    told = until(client, lambda told: any(one["name"] == NAME for one in told["models"]["refused"]))
    (refusal,) = told["models"]["refused"]
    assert refusal["serving"] == folder.name
    assert str(city.root) not in refusal["reason"]
    assert client.get(f"/v1/models/{NAME}").status_code == 200


def test_stages_that_go_back_are_refused(city: Settings, client: httpx.Client) -> None:
    models = layout(city).models
    home, first = models / NAME, find_version(models, NAME).name
    kept = {path: path.read_bytes() for path in (home / "stages.jsonl", models / ".stages.json")}
    second = _second_version(home, first)
    promote(home, second, reason="test")
    until(client, lambda told: _version(told) == second)
    for path, content in kept.items():
        path.write_bytes(content)  # both files together: only a server that remembers can tell
    told = until(client, lambda told: bool(told["models"]["refused"]))
    assert "went back" in told["models"]["refused"][0]["reason"]
    assert _version(told) == second
    (home / "stages.jsonl").unlink()
    assert _version(client.get("/v1/info").json()) == second


def _forget_stages(city: Settings) -> None:
    """Remove what vouches for the manifest: so far can somebody get who may write everywhere below models."""
    (layout(city).models / NAME / "stages.jsonl").unlink()
    (layout(city).models / ".stages.json").unlink()


def test_a_pickle_in_disguise_is_refused_and_never_run(city: Settings) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (city.root / "sprung",))

    folder = find_version(layout(city).models, NAME)
    (folder / "model_pipeline.skops").write_bytes(pickle.dumps(Trap()))
    _rewrite_manifest(folder)
    _forget_stages(city)
    with served(create_model_app(city)) as client:
        told = until(client, lambda told: told["models"]["state"] == "ready")
    assert "cannot be read as a model" in told["models"]["refused"][0]["reason"]
    assert not (city.root / "sprung").exists()


def test_a_model_with_a_foreign_type_is_refused(city: Settings) -> None:
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import FunctionTransformer
    from skops import io as skops_io

    folder = find_version(layout(city).models, NAME)
    skops_io.dump(Pipeline([("f", FunctionTransformer(shutil.rmtree))]), folder / "model_pipeline.skops")
    _rewrite_manifest(folder)
    _forget_stages(city)
    with served(create_model_app(city)) as client:
        told = until(client, lambda told: told["models"]["state"] == "ready")
    assert "does not trust" in told["models"]["refused"][0]["reason"]
    assert "rmtree" in told["models"]["refused"][0]["reason"]


def test_a_bad_model_at_start_leaves_the_others_in_service(city: Settings) -> None:
    flip(find_version(layout(city).models, NAME) / "trained_model.skops", 40)
    with served(create_model_app(city)) as client:
        told = until(client, lambda told: told["models"]["state"] == "ready")
        assert {one["name"] for one in told["models"]["refused"]} == {NAME}
        assert len(told["models"]["loaded"]) == 3
        got = client.get(f"/v1/models/{NAME}")
        assert got.status_code == 503
        assert "not the file that was saved" in got.json()["detail"]
