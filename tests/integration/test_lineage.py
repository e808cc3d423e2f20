"""A forecast is followed back to the raw copies, and one flipped byte anywhere on the way is named."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from crimepatterns.cli import app
from crimepatterns.config import Settings
from crimepatterns.errors import ConfigError, MissingInputError
from crimepatterns.operations.lineage import lineage_of
from crimepatterns.store.digests import sha256_file
from crimepatterns.store.layout import Layout


@pytest.fixture
def city(small_city_run: Settings, tmp_path: Path) -> Settings:
    """The small city apart, so that a test may damage it."""
    for name in ("data", "models", "results"):
        shutil.copytree(small_city_run.root / name, tmp_path / name, symlinks=True)
    return small_city_run.model_copy(update={"root": tmp_path})


def told(settings: Settings, *arguments: str) -> Any:
    return CliRunner().invoke(app, ["lineage", f"--set=root={settings.root}", *_same(settings), *arguments])


def _same(settings: Settings) -> list[str]:
    grid, forecast = settings.grid.cell_size_m, settings.forecast.model_dump(mode="json")
    return [f"--set=grid.cell_size_m={grid}", f"--set=forecast.categories={json.dumps(forecast['categories'])}"]


def flip(path: Path, at: int = -20) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def test_every_link_is_named_by_its_digest(city: Settings) -> None:
    done = told(city, "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    layout = Layout(city.root, city.city)
    assert found["breaks"] == []
    (raw,) = found["raw"]
    assert raw["sha256"] == sha256_file(layout.raw / "files" / raw["file"])
    assert found["clean"]["months"] == found["clean"]["months_as_then"] >= 24
    learned = [one for one in found["models"].values() if one["version"]]
    assert learned
    assert {one["data_digest"] for one in learned} == {found["clean"]["data_digest"]}
    assert {one["taught_on"] for one in learned} == {"the clean data of now"}
    files = found["forecast"]["files"]
    assert files["theft.parquet"] == sha256_file(layout.forecasts / "theft.parquet")
    assert json.loads((city.root / found["written"]).read_text()) == {k: v for k, v in found.items() if k != "written"}
    lines = told(city).output
    assert (
        lines.index("Raw copies")
        < lines.index("Clean incidents")
        < lines.index("Models")
        < lines.index("Forecast from")
    )
    assert "The chain holds" in lines


@pytest.mark.parametrize("link", ["raw", "list", "clean", "model", "card", "forecast", "stages"])
def test_one_flipped_byte_is_named(city: Settings, link: str) -> None:
    layout = Layout(city.root, city.city)
    name = "default-theft-gradient_boosting"
    version = next(path for path in sorted((layout.models / name).glob("[!.]*/")))
    path, said = {
        "raw": (next((layout.raw / "files").iterdir()), "raw copy"),
        "list": (layout.raw / "MANIFEST.json", "the list of raw copies"),
        "clean": (min(layout.incidents.rglob("*.parquet")), "data/processed/default/incidents"),
        "model": (version / "model_pipeline.skops", "model_pipeline.skops"),
        "card": (version / "model_card.md", "model_card.md"),
        "forecast": (layout.forecasts / "theft.parquet", "forecast file theft.parquet"),
        "stages": (layout.models / name / "stages.jsonl", "stages.jsonl"),
    }[link]
    # In the list a letter of the licence, so that it can still be read.
    flip(path, at=path.read_bytes().index(b'"MIT"') + 1 if link == "list" else -20)
    done = told(city)
    assert done.exit_code == 1, done.output
    assert [line for line in done.output.splitlines() if line.startswith("BROKEN") and said in line], done.output


def test_an_earlier_forecast_and_what_is_no_forecast(city: Settings, tmp_path: Path) -> None:
    layout = Layout(city.root, city.city)
    kept = next(layout.forecast_manifests.iterdir())
    facts = json.loads(kept.read_text())
    (layout.forecasts / "manifest.json").write_text(json.dumps({**facts, "run_date": "2030-01-01T00:00:00+00:00"}))
    found = lineage_of(city, kept)
    assert found["forecast"]["state"].startswith("replaced")
    assert found["breaks"] == []
    foreign = tmp_path / "foreign.json"
    foreign.write_text(json.dumps({**facts, "city": "elsewhere"}))
    with pytest.raises(ConfigError, match="forecast of elsewhere"):
        lineage_of(city, foreign)
    shutil.rmtree(layout.forecasts)
    with pytest.raises(MissingInputError, match="no forecast"):
        lineage_of(city)
