"""An earlier forecast is made again byte for byte, or refused by the name of what has changed."""

import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from crimepatterns.cli import app
from crimepatterns.config import Settings, load_settings
from crimepatterns.context_processing import build_context
from crimepatterns.data_processing import clean, ingest
from crimepatterns.errors import ArtefactError, ConfigError
from crimepatterns.forecasting import forecast
from crimepatterns.model_training import train
from crimepatterns.operations.replay import replay_forecast
from crimepatterns.store.layout import Layout

MODELS = ["count", "count_eb", "shrunk_scales", "additive_intensity", "poisson_boosting"]


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, Path]:
    """A city with a stored learner, and the manifest of its forecast."""
    changes = {
        "root": str(tmp_path_factory.mktemp("city")),
        "workers": 1,
        "source": {"incidents": 3_000, "years": 1},
        "grid": {"cell_size_m": 600},
        "forecast": {"categories": ["theft"], "models": MODELS, "tuning_candidates": 0, "max_rows": 3_000},
        "evaluation": {"select_origins": 4, "judge_origins": 4},
    }
    settings = load_settings(overrides=changes)
    ingest(settings)
    clean(settings)
    build_context(settings)
    train(settings)
    return settings, settings.root / forecast(settings)["manifest"]


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files if path.name != "manifest.json"}


def test_a_replay_gives_the_same_bytes_each_time(city: tuple[Settings, Path]) -> None:
    settings, manifest = city
    layout = Layout(settings.root, settings.city)
    made = contents(layout.forecasts)
    assert {"theft.parquet", *(f"theft/{name}.parquet" for name in MODELS)} <= set(made)
    assert json.loads((layout.forecasts / "manifest.json").read_text()) == json.loads(manifest.read_text())
    for _ in range(2):
        summary = replay_forecast(settings, manifest)
        assert summary["files"] == len(made)
        assert contents(settings.root / summary["folder"]) == made


def test_the_manifest_wins_over_settings_that_have_changed_since(city: tuple[Settings, Path]) -> None:
    settings, manifest = city
    changed = settings.model_copy(
        update={"forecast": settings.forecast.model_copy(update={"seed": 99, "models": ("kde",), "champion": "kde"})}
    )
    folder = settings.root / replay_forecast(changed, manifest)["folder"]
    assert contents(folder) == contents(Layout(settings.root, settings.city).forecasts)


def test_a_newer_model_does_not_take_the_place_of_the_one_that_was_used(city: tuple[Settings, Path]) -> None:
    settings, manifest = city
    home = settings.root / "models" / f"{settings.city}-theft-poisson_boosting"
    used = json.loads(manifest.read_text())["models"][home.name]
    shutil.copytree(home / used, home / "29991231-newer")
    (home / "latest.txt").write_text("29991231-newer\n")
    replay_forecast(settings, manifest)
    kept = (home / used).rename(home.with_name("elsewhere"))
    with pytest.raises(ArtefactError, match=rf"model {home.name} \({used}, \w+ then, not there now\)"):
        replay_forecast(settings, manifest)
    kept.rename(home / used)
    shutil.rmtree(home / "29991231-newer")
    (home / "latest.txt").write_text(f"{used}\n")


def test_a_changed_incident_is_refused_by_the_name_of_its_month(city: tuple[Settings, Path]) -> None:
    """Also where the digest of the layers would not see it; a later record than the cutoff changes nothing."""
    settings, manifest = city
    early = settings.root / forecast(settings, as_of="2025-06-02")["manifest"]
    files = sorted(Layout(settings.root, settings.city).incidents.rglob("*.parquet"), key=str)
    for file, month, touched in ((files[1], "2025-02", (manifest, early)), (files[-1], "2025-12", (manifest,))):
        before = file.read_bytes()
        table = pq.read_table(file, partitioning=None)
        assert table["occurred_from"][0].as_py().strftime("%Y-%m") == month
        place = table.column_names.index("offence")
        words = table["offence"].to_pylist()
        changed = pa.array(["another word", *words[1:]]).cast(table.schema.field(place).type)
        pq.write_table(table.set_column(place, table.schema.field(place), changed), file)
        for one in (manifest, early):
            if one in touched:
                with pytest.raises(ArtefactError, match=rf"1 of the things .* incidents of {month} \(\d+ rows"):
                    replay_forecast(settings, one)
            else:
                replay_forecast(settings, one)
        file.write_bytes(before)
    forecast(settings)


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"code": {"numpy": "1.0"}}, ArtefactError, r"numpy \(1\.0 then, "),
        ({"code": {"crimepatterns": "0.0.1"}}, ArtefactError, r"crimepatterns \(0\.0\.1 then, "),
        ({"outputs": {"theft.parquet": "00"}}, ArtefactError, r"1 of \d+ files came out different, theft\.parquet"),
        ({"settings": {"forecast": {"depth": 3}}}, ArtefactError, "settings that this version does not know"),
        ({"city": "elsewhere"}, ConfigError, "a forecast of elsewhere, the settings are of default"),
        ({"colour": "red"}, ArtefactError, "not the manifest of a forecast run"),
    ],
)
def test_what_does_not_fit_is_named(
    city: tuple[Settings, Path], tmp_path: Path, change: dict[str, Any], error: type[Exception], says: str
) -> None:
    settings, manifest = city
    stored = json.loads(manifest.read_text())
    for key, value in change.items():
        stored[key] = {**stored[key], **value} if isinstance(stored.get(key), dict) else value
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps(stored))
    with pytest.raises(error, match=says):
        replay_forecast(settings, path)


def test_the_command_says_how_it_went(city: tuple[Settings, Path]) -> None:
    settings, manifest = city
    asked = ["forecast", "--replay", str(manifest), "--set", f"root={settings.root}"]
    told = CliRunner().invoke(app, asked)
    assert told.exit_code == 0, told
    files = len(json.loads(manifest.read_text())["outputs"])
    assert f"all {files} files are the same, byte for byte" in told.stdout
    assert json.loads(CliRunner().invoke(app, [*asked, "--json"]).stdout)["files"] == files
    with pytest.raises(ConfigError, match="leave out --as-of"):
        CliRunner().invoke(app, [*asked, "--as-of", "2025-06-02"], catch_exceptions=False)
