"""A candidate of a real run before its gates: promoted by itself where it passes, told why where it does not."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from crimepatterns.city import City
from crimepatterns.cli import app
from crimepatterns.config import Settings
from crimepatterns.domain.protocols import silent
from crimepatterns.errors import ModelError, UntrustedModelError
from crimepatterns.model_training import train
from crimepatterns.operations.daily import _step
from crimepatterns.operations.pipeline import run_stage
from crimepatterns.operations.stages import stage_named
from crimepatterns.store.gate_records import read_records
from crimepatterns.store.layers import read_layer
from crimepatterns.store.layout import Layout
from crimepatterns.store.model_stages import read_stages

NAME = "default-theft-gradient_boosting"
LENIENT = {
    "catch_margin": 0.9,
    "deviance_margin": 0.9,
    "group_ratio": 50.0,
    "amplification": 50.0,
    "signed_above": 50.0,
}


def changed(settings: Settings, section: str, **values: Any) -> Settings:
    return settings.model_copy(update={section: getattr(settings, section).model_copy(update=values)})


def waiting(settings: Settings, **training: Any) -> Settings:
    """Settings of a city in which a version that was trained in another way waits."""
    few = changed(settings, "forecast", categories=("theft",), models=("count", "count_eb", "gradient_boosting"))
    train(changed(few, "forecast", **training))
    return few


@pytest.fixture
def city(small_city_run: Settings, tmp_path: Path) -> Settings:
    """The small city with its models, apart, so that a test may change who is served."""
    for name in ("data", "models", "results"):
        shutil.copytree(small_city_run.root / name, tmp_path / name, symlinks=True)
    return small_city_run.model_copy(update={"root": tmp_path})


def command(settings: Settings, *arguments: str) -> Any:
    flags = ["categories", "models"]
    changes = [f"--set=forecast.{key}={json.dumps(getattr(settings.forecast, key))}" for key in flags]
    return CliRunner().invoke(app, ["model", *arguments, f"--set=root={settings.root}", *changes])


def test_a_poor_candidate_is_refused_told_and_served_only_by_somebody_who_answers_for_it(city: Settings) -> None:
    settings = waiting(city, max_rows=1_000, train_periods=6)
    home = settings.root / "models" / NAME
    before = read_stages(home)
    assert before.candidate is not None
    summary = run_stage(settings, "gate", force=True).summary
    record = summary["models"][NAME]
    assert record["state"] == "refused"
    assert not record["promoted"]
    stages = read_stages(home)
    assert (stages.candidate, stages.champion) == (before.candidate, before.champion)
    named = {gate["name"]: gate for gate in record["gates"]}
    for gate in ("catch beside the served version", "deviance beside count_eb"):
        assert {"figure", "bound", "margin", "sentence"} <= set(named[gate])
    # Judged once: the next morning finds the verdict and does not try its luck again.
    again = run_stage(settings, "gate", force=True).summary
    assert again["judged"] == 0
    assert again["waiting"][NAME]["state"] == "refused"
    assert len(read_records(home)) == 1
    with pytest.raises(ModelError, match="was refused"):
        raise command(settings, "promote", NAME).exception
    done = command(settings, "promote", NAME, "--despite-gates", "--reason=a drill", "--by=A. Nalyst")
    assert done.exit_code == 0, done.output
    assert read_stages(home).champion == before.candidate
    shown = command(settings, "show", NAME).output
    assert "a drill (A. Nalyst); despite the gates" in shown
    assert "refused. " in shown
    assert "What the gates said" in command(settings, "card", NAME, str(before.candidate)).output
    text = (home / "gates.jsonl").read_text(encoding="utf-8")
    (home / "gates.jsonl").write_text(text.replace('"refused"', '"passed"'), encoding="utf-8")
    with pytest.raises(UntrustedModelError, match="was altered"):
        raise command(settings, "show", NAME).exception


def test_a_good_candidate_is_served_by_the_morning_and_the_forecast_follows(city: Settings) -> None:
    settings = changed(waiting(city, max_rows=20_000), "gates", **LENIENT)
    layout = Layout(settings.root, settings.city)
    home = layout.models / NAME
    candidate = read_stages(home).candidate
    judged, _ = _step(settings, "gate", silent), _step(settings, "forecast", silent)
    record = read_records(home)[-1]
    # Calibration has no margin of its own to be lenient about.
    refused = [gate["name"] for gate in record["gates"] if gate["state"] == "refused"]
    assert refused in ([], ["calibration"]), record["gates"]
    assert judged.state == "done"
    assert record["sentence"] in judged.sentence
    assert (read_stages(home).champion == candidate) is (not refused)
    select = City(settings).spans[0]
    assert record["last_end"] == select.select[-1].test.end.isoformat() == select.judge[0].cutoff.isoformat()
    assert _step(settings, "gate", silent).state == "not due"
    if refused:
        command(settings, "promote", NAME, "--despite-gates", "--reason=drill")
        assert _step(settings, "forecast", silent).state == "done"
    assert _step(settings, "forecast", silent).state == "unchanged"
    assert read_layer(layout.forecasts / "theft" / "gradient_boosting.parquet")[1]["model_version"] == candidate
    # Who is served is no work of training: its result still stands.
    outputs = stage_named("train").outputs(layout)
    assert {path.name for path in outputs} >= {candidate}
    assert not [path for path in outputs if path.is_file()]
