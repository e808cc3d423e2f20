"""The work of a morning on a small synthetic city: safe to repeat, and honest about what failed."""

import json
import multiprocessing
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from crimepatterns.cli import app
from crimepatterns.config import Settings, load_settings
from crimepatterns.errors import CrimePatternsError
from crimepatterns.operations.daily import _due, daily, last_report
from crimepatterns.operations.locking import city_lock
from crimepatterns.store.atomic import read_json, write_json
from crimepatterns.store.layout import Layout

pytestmark = pytest.mark.slow

SETTINGS = {
    "source.incidents": 4_000,
    "source.years": 1,
    "grid.cell_size_m": 500,
    "patterns.methods": ["density"],
    "forecast.categories": ["theft"],
    "forecast.models": ["count", "count_eb"],
    "evaluation.select_origins": 5,
    "evaluation.judge_origins": 5,
    "evaluation.simulations": 20,
    "workers": 1,
}


def changes(root: Path, **more: object) -> list[str]:
    return [f"--set={key}={json.dumps(value)}" for key, value in {**SETTINGS, "root": str(root), **more}.items()]


def settings_of(root: Path) -> Settings:
    nested: dict = {"root": str(root)}
    for key, value in SETTINGS.items():
        section, _, name = key.partition(".")
        if name:
            nested.setdefault(section, {})[name] = value
        else:
            nested[section] = value
    return load_settings(overrides=nested)


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A city after its first morning."""
    root = tmp_path_factory.mktemp("daily")
    done = CliRunner().invoke(app, ["daily", *changes(root), "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    states = {step["name"]: step["state"] for step in json.loads(done.stdout)["steps"]}
    assert states.pop("gate") == "not due"  # no learner, no candidate
    assert set(states.values()) == {"done"}
    assert {"ingest", "train", "evaluate", "forecast", "visualize"} <= set(states)
    return settings_of(root)


def test_a_second_run_changes_nothing_and_teaches_nothing(city: Settings) -> None:
    report = daily(city)
    states = {step.name: step.state for step in report.steps}
    assert {states.pop("train"), states.pop("evaluate")} == {"not due"}
    assert states.pop("gate") == "not due"
    assert states.pop("monitor") == "done"  # how old the data are depends on the day
    assert set(states.values()) == {"unchanged"}
    assert report.sentence() == "All well: monitor done."
    kept = last_report(city)
    assert kept is not None
    assert kept["sentence"] == report.sentence()
    day = Layout(city.root, city.city).daily / f"{report.started_at[:10]}.json"
    assert read_json(day) == kept


def test_models_are_taught_again_when_the_records_have_grown_old(city: Settings) -> None:
    manifest = Layout(city.root, city.city).stages / "train.json"
    facts = read_json(manifest)
    late = city.model_copy(update={"daily": city.daily.model_copy(update={"retrain_days": None})})
    old = {**facts, "summary": {**facts["summary"], "trained_until": "2000-01-01T00:00:00+00:00"}}
    write_json(manifest, old)
    assert {step.name: step.state for step in daily(late).steps}["train"] == "not due"
    states = {step.name: step.state for step in daily(city).steps}
    # The stages themselves find that nothing has changed.
    assert (states["train"], states["evaluate"]) == ("unchanged", "unchanged")
    write_json(manifest, facts)


def test_models_are_taught_again_after_a_drift(city: Settings) -> None:
    """Found beyond what they were taught on; a drift from before is in what they know."""
    layout = Layout(city.root, city.city)
    assert not _due(city, layout)
    manifest = layout.stages / "monitor.json"
    facts = read_json(manifest)
    shift = {**facts["summary"]["drift"][0], "alarm": True}
    for until, due in (("2999-01-01", True), ("2000-01-01", False)):
        write_json(manifest, {**facts, "summary": {**facts["summary"], "drift": [shift], "drift_until": until}})
        assert _due(city, layout) is due
    write_json(manifest, facts)


def test_a_step_that_fails_is_told_and_the_last_result_is_used(city: Settings) -> None:
    """The records cannot be fetched any more: forecasts of what is there still stand."""
    path = Layout(city.root, city.city).forecasts / "theft.parquet"
    before = pd.read_parquet(path, columns=["cell_id", "mean_0"])
    lost: dict[str, object] = {
        "source.kind": "url",
        "source.feed.urls": ["http://127.0.0.1:9/gone.csv"],
        "source.feed.retries": 0,
    }
    lost |= {"columns.occurred_from": "when", "columns.x": "x", "columns.y": "y", "taxonomy.fixed_category": "theft"}
    arguments = ["daily", *changes(city.root, **lost, **{"source.feed.allow_private": ["127.0.0.1:9"]}), "--json"]
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert done.exit_code == 1
    facts = json.loads(done.stdout)
    assert "ingest" in facts["failed"]
    assert "still in place" in facts["sentence"]
    pd.testing.assert_frame_equal(pd.read_parquet(path, columns=["cell_id", "mean_0"]), before)
    states = {step["name"]: step["state"] for step in facts["steps"]}
    assert {states["forecast"], states["plan"]} <= {"done", "unchanged"}


def _hold(folder: Path, ready: "multiprocessing.synchronize.Event", end: "multiprocessing.synchronize.Event") -> None:
    with city_lock(folder):
        ready.set()
        end.wait(60)


def test_a_second_copy_is_refused(city: Settings) -> None:
    context = multiprocessing.get_context("spawn")
    ready, end = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(Layout(city.root, city.city).daily, ready, end))
    other.start()
    try:
        assert ready.wait(60)
        with pytest.raises(CrimePatternsError, match="Another crimepatterns process"):
            daily(city)
    finally:
        end.set()
        other.join()
