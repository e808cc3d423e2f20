"""Train, store, load and forecast on a small synthetic city, stage by stage."""

import json
import shutil
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from crimepatterns.city import City
from crimepatterns.cli import app
from crimepatterns.config import Settings, load_settings
from crimepatterns.context_processing import build_context
from crimepatterns.data_processing import clean, ingest
from crimepatterns.errors import ConfigError, ModelError, UntrustedModelError
from crimepatterns.feature_engineering import build_features, count_panel, engineer_features
from crimepatterns.forecasting import forecast
from crimepatterns.forecasts.registry import CLASSIFIERS, LEARNERS
from crimepatterns.forecasts.stored_learner import restore_learner
from crimepatterns.model_training import train
from crimepatterns.store.layers import read_forecast, read_layer
from crimepatterns.store.model_stages import name_candidate
from crimepatterns.store.models import ARTEFACTS, find_version, load_model


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, dict]:
    changes = {
        "root": str(tmp_path_factory.mktemp("city")),
        "workers": 1,
        "source": {"incidents": 4_000, "years": 1},
        "grid": {"cell_size_m": 500},
        "forecast": {
            "categories": ["theft"],
            "models": ["count", "count_eb", "shrunk_scales", *sorted(LEARNERS), "stack"],
            "tuning_candidates": 2,
            "tuning_folds": 1,
            "max_rows": 6_000,
            "stack_members": ["count_eb", "shrunk_scales", "kde"],
        },
        "evaluation": {"select_origins": 6, "judge_origins": 6},
    }
    settings = load_settings(overrides=changes)
    ingest(settings)
    clean(settings)
    build_context(settings)
    return settings, train(settings)


def test_training_reports_scores_beside_the_shrunk_count(trained: tuple[Settings, dict]) -> None:
    settings, summary = trained
    json.dumps(summary)
    assert set(summary["models"]) == {f"{settings.city}-theft-{name}" for name in LEARNERS}
    for scores in summary["models"].values():
        assert scores["last_end"] <= summary["fit_end"] < summary["trained_until"]
        assert scores["model"]["roc_auc"] > 0.6
        assert scores["model"]["log_loss"] < 1.2 * scores["count_eb"]["log_loss"]
    assert all((settings.root / output / "manifest.json").is_file() for output in summary["outputs"])


def test_a_stored_version_is_whole_and_readable(trained: tuple[Settings, dict]) -> None:
    settings, _ = trained
    for name in LEARNERS:
        folder = find_version(settings.root / "models", f"{settings.city}-theft-{name}")
        assert {path.name for path in folder.iterdir()} == {*ARTEFACTS, "manifest.json"}
        card = (folder / "model_card.md").read_text(encoding="utf-8")
        assert "Not for persons" in card
        assert folder.name in card
        config = yaml.safe_load((folder / "model_config.yaml").read_text(encoding="utf-8"))
        assert config["category"] == "theft"
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        assert {"data_digest", "code_version", "seed", "folds", "libraries", "sha256"} <= set(manifest)
        importance = load_model(folder).metrics["feature_importance"]
        assert len(importance) == len(config["features"])
        assert (folder / "feature_importance.png").read_bytes().startswith(b"\x89PNG")


def test_every_model_forecasts_and_the_stored_one_is_used(trained: tuple[Settings, dict]) -> None:
    settings, _ = trained
    summary = forecast(settings)
    json.dumps(summary)
    city = City(settings)
    assert summary["champions"] == {"theft": "count_eb"}
    for name in settings.forecast.models:
        made, facts = read_forecast(city.layout.forecasts / "theft" / f"{name}.parquet", city.area)
        assert made.model == name
        assert made.issued_at == city.archive.end == made.periods.start
        assert facts["data_digest"]
        if name in LEARNERS:
            stored = load_model(find_version(city.layout.models, f"{settings.city}-theft-{name}"))
            assert facts["model_version"] == stored.version
            history = city.archive.at(city.archive.end, target="theft")
            again = restore_learner(stored.pipeline, stored.config).predict(history, made.periods)
            np.testing.assert_array_equal(again.mean, made.mean)
        if name in CLASSIFIERS:
            chance = stored.pipeline.predict_proba(build_features(history))[:, 1]
            np.testing.assert_allclose(1 - np.exp(-made.mean[:, 0]), chance, atol=1e-9)
    champion, facts = read_forecast(city.layout.forecasts / "theft.parquet", city.area)
    assert champion.model == "count_eb"
    assert facts["champion"] is True


def test_the_champion_of_the_evaluation_is_served_unless_the_settings_name_one(
    trained: tuple[Settings, dict],
) -> None:
    settings, _ = trained
    choice = City(settings).layout.evaluation / "select" / "champions.json"
    choice.parent.mkdir(parents=True)
    choice.write_text(json.dumps({"theft": "gradient_boosting"}), encoding="utf-8")
    assert forecast(settings)["champions"] == {"theft": "gradient_boosting"}
    named = settings.model_copy(update={"forecast": settings.forecast.model_copy(update={"champion": "kde"})})
    assert forecast(named)["champions"] == {"theft": "kde"}
    choice.unlink()


def test_a_forecast_as_of_an_earlier_day_does_not_use_a_model_that_knows_better(
    trained: tuple[Settings, dict],
) -> None:
    settings, _ = trained
    city = City(settings)
    day = city.archive.end - np.timedelta64(30, "D")
    summary = forecast(settings, as_of=str(day.date()))
    made, facts = read_forecast(city.layout.forecasts / "theft" / "random_forest.parquet", city.area)
    assert summary["cutoff"] == made.issued_at.isoformat() == day.normalize().isoformat()
    assert "fitted anew" in facts["model_version"]
    for wrong in ("2001-01-01", "2999-01-01", "soon"):
        with pytest.raises(ConfigError, match="--as-of"):
            forecast(settings, as_of=wrong)


def test_a_model_for_another_grid_or_a_changed_model_is_refused(trained: tuple[Settings, dict]) -> None:
    settings, _ = trained
    other = settings.model_copy(update={"grid": settings.grid.model_copy(update={"cell_size_m": 600.0})})
    with pytest.raises(ModelError, match="another grid"):
        forecast(other)
    folder = find_version(settings.root / "models", f"{settings.city}-theft-random_forest")
    card = folder / "model_card.md"
    before = card.read_bytes()
    card.write_bytes(before + b"approved for persons")
    with pytest.raises(UntrustedModelError, match=r"model_card\.md"):
        forecast(settings)
    card.write_bytes(before)


def test_features_are_written_for_inspection(trained: tuple[Settings, dict]) -> None:
    settings, _ = trained
    summary = engineer_features(settings)
    layer, facts = read_layer(Path(settings.root) / summary["outputs"][0])
    assert isinstance(layer, gpd.GeoDataFrame)
    assert facts["features"] == summary["features"]["theft"]
    assert set(facts["features"]) <= set(layer.columns)
    city = City(settings)
    panel = count_panel(city.incidents, city.grid, days=7)
    table = build_features(city.archive.at(panel.periods.end, target="theft"))
    np.testing.assert_array_equal(layer["own_last_1"], table["own_last_1"])


def test_stages_are_changed_from_the_command_line(trained: tuple[Settings, dict]) -> None:
    """A second version waits, is served after promotion, and is left again by going back."""
    settings, _ = trained
    name, models = f"{settings.city}-theft-poisson_boosting", settings.root / "models"
    first = find_version(models, name)
    changes = [f"--set=root={settings.root}"]

    def run(*arguments: str) -> str:
        done = CliRunner().invoke(app, ["model", *arguments, *changes], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.output

    later = models / name / "29990101-later"
    shutil.copytree(first, later)
    manifest = json.loads((later / "manifest.json").read_text(encoding="utf-8"))
    (later / "manifest.json").write_text(json.dumps({**manifest, "version": later.name}), encoding="utf-8")
    name_candidate(models / name, later.name, reason="trained")
    listed = json.loads(run("list", "--json"))["models"]
    assert {one["name"]: one["candidate"] for one in listed}[name] == later.name
    assert find_version(models, name) == first
    with pytest.raises(ModelError, match="was not judged"):
        run("promote", name, "--reason", "better")
    assert later.name in run("promote", name, "--reason", "better", "--despite-gates")
    assert find_version(models, name) == later
    assert "better" in run("show", name)
    # A champion that was altered is refused by readers, and going back does not need it.
    (later / "manifest.json").write_text("{}", encoding="utf-8")
    with pytest.raises(UntrustedModelError, match="roll-back"):
        find_version(models, name)
    with pytest.raises(UntrustedModelError, match="roll-back"):
        forecast(settings)
    run("roll-back", name)
    assert find_version(models, name) == first
    shutil.rmtree(later)
    assert "Removed 0" in run("prune")
