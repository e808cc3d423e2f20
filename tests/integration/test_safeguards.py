"""Police-initiated categories are no targets unless named, and then every output about them says what they show."""

import json
from pathlib import Path

import httpx
import numpy as np
import pandas as pd
import pytest
import shapely
from typer.testing import CliRunner

import event_loop
from crimepatterns.city import City
from crimepatterns.cli import app
from crimepatterns.config import Settings, load_settings
from crimepatterns.errors import ConfigError
from crimepatterns.forecast_outputs.expectation import expect
from crimepatterns.forecasting import explain
from crimepatterns.operations.pipeline import StageOutcome, run_all, run_stage
from crimepatterns.operations.sentences import sentence_of
from crimepatterns.serving.model_server.answers import ARROW
from crimepatterns.serving.model_server.application import create_model_app
from crimepatterns.serving.web import create_app
from crimepatterns.store.layers import read_layer
from crimepatterns.visuals import frame

SAYS = "Warning: drugs comes to light mostly because the police look (9"


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, dict[str, StageOutcome], dict[str, str]]:
    """A city whose owner named a police-initiated category; also what was written below each figure."""
    changes = {
        "root": str(tmp_path_factory.mktemp("city")),
        "workers": 1,
        "source": {"incidents": 12_000, "years": 1},
        "grid": {"cell_size_m": 600},
        "forecast": {
            "categories": ["drugs", "theft"],
            "models": ["count", "count_eb", "additive_intensity", "poisson_boosting"],
            "tuning_candidates": 0,
            "max_rows": 4_000,
        },
        "patterns": {"methods": ["density", "gi_star"]},
        "evaluation": {"select_origins": 6, "judge_origins": 6, "simulations": 5},
    }
    settings = load_settings(overrides=changes)
    written: dict[str, str] = {}
    real = frame.save_figure

    def noting(figure: object, path: Path, *, dpi: int, warning: str = "") -> None:
        real(figure, path, dpi=dpi, warning=warning)  # type: ignore[arg-type]
        written[path.stem] = "\n".join(text.get_text() for text in figure.texts)  # type: ignore[attr-defined]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("crimepatterns.visualization.save_figure", noting)
        outcomes = {outcome.name: outcome for outcome in run_all(settings)}
    return settings, outcomes, written


City_ = tuple[Settings, dict[str, StageOutcome], dict[str, str]]


def test_they_are_no_targets_by_default(city: City_) -> None:
    settings, _, _ = city
    default = settings.model_copy(update={"forecast": settings.forecast.model_copy(update={"categories": ()})})
    assert not {"drugs", "prostitution"} & {*City(default).targets, *City(default).reported_categories}
    assert City(default).warnings == {}


@pytest.mark.parametrize("stage", ["patterns", "train", "evaluate", "forecast", "plan"])
def test_the_table_that_ends_a_command_warns(city: City_, stage: str) -> None:
    _, outcomes, _ = city
    told = sentence_of(stage, outcomes[stage].summary)
    assert told.count(SAYS) == 1
    assert "Warning: theft" not in told


def test_files_carry_the_warning(city: City_) -> None:
    settings, _, _ = city
    layout = City(settings).layout
    layers = [*layout.forecasts.rglob("*drugs*.parquet"), *(layout.forecasts / "drugs").glob("*.parquet")]
    layers += [*(layout.patterns / "drugs").glob("*.parquet")]
    assert len(layers) >= 7
    for path in layers:
        assert read_layer(path)[1]["warning"].startswith(SAYS), path
    for path in (layout.forecasts / "theft.parquet", layout.patterns / "theft" / "gi_star.parquet"):
        assert "warning" not in read_layer(path)[1]
    for name in ("scoreboard.txt", "scoreboard.html"):
        assert SAYS in (layout.evaluation / "select" / name).read_text(encoding="utf-8")
    for name in ("sheet.html", "plan.csv", "plan.geojson"):
        assert SAYS in (layout.plan / name).read_text(encoding="utf-8")
    assert read_layer(layout.plan / "plan.parquet")[1]["warnings"][0].startswith(SAYS)
    cards = {path.parent.parent.name: path.read_text(encoding="utf-8") for path in layout.models.rglob("model_card.md")}
    assert SAYS in cards[f"{settings.city}-drugs-poisson_boosting"]
    assert "Warning" not in cards[f"{settings.city}-theft-poisson_boosting"]


def test_every_figure_of_the_category_says_so_below(city: City_) -> None:
    _, outcomes, written = city
    about = {name for name in written if name.endswith("_drugs")}
    assert {
        f"{kind}_drugs" for kind in ("forecast", "scoreboard", "curve", "calibration", "gi_star", "density")
    } <= about
    assert len(written) == len(outcomes["visualize"].summary["outputs"])
    for name, text in written.items():
        assert (SAYS in " ".join(text.split())) == (name in about), name


def test_the_page_and_its_addresses_warn(city: City_) -> None:
    settings, _, _ = city
    assert SAYS in answers(settings, "/").text
    assert answers(settings, "/forecast?category=drugs").text.count(SAYS) >= 3, "beside headline, scores and plan"
    assert answers(settings, "/forecast?category=theft").text.count(SAYS) == 1, "the plan is one for both"
    assert answers(settings, "/api/forecast/drugs").json()["facts"]["warning"].startswith(SAYS)
    assert answers(settings, "/api/scoreboard?category=drugs").json()["warning"].startswith(SAYS)
    assert answers(settings, "/api/scoreboard?category=theft").json()["warning"] is None
    assert answers(settings, "/api/plan").json()["facts"]["warnings"][0].startswith(SAYS)


def test_the_pages_of_patterns_and_single_places_warn(city: City_) -> None:
    settings, _, _ = city
    assert SAYS in answers(settings, "/patterns?category=drugs").text
    assert SAYS not in answers(settings, "/patterns?category=theft").text
    assert SAYS in answers(settings, "/api/explain/drugs").text
    told = expect(settings, category="drugs")
    assert SAYS in told.sentence
    assert str(told.to_json()["warning"]).startswith(SAYS)
    assert expect(settings, category="theft").warning is None


def test_the_model_server_warns(city: City_) -> None:
    settings, _, _ = city

    async def ask() -> dict[str, httpx.Response]:
        server = create_model_app(settings)
        transport = httpx.ASGITransport(server)
        async with (
            server.router.lifespan_context(server),
            httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8001") as client,
        ):
            drugs = await client.get("/v1/forecast/drugs")
            cell = drugs.json()["columns"]["cell_id"][0]
            return {
                "forecast": drugs,
                "theft": await client.get("/v1/forecast/theft"),
                "cells": await client.post("/v1/score/drugs", json={"cells": [cell]}),
                "explanation": await client.get("/v1/explanation/drugs", params={"cell": cell}),
                "scorecard": await client.get("/v1/scorecard/drugs"),
                "info": await client.get("/v1/info"),
                "arrow": await client.get("/v1/forecast/drugs", headers={"accept": ARROW}),
            }

    told = event_loop.run(ask())
    assert told.pop("theft").json()["warning"] is None
    assert SAYS.encode() in told.pop("arrow").content
    for name, answer in told.items():
        assert SAYS in answer.text, name


def answers(settings: Settings, address: str) -> httpx.Response:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(create_app(settings))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client:
            return await client.get(address)

    return event_loop.run(ask())


def test_explanations_and_json_warn(city: City_) -> None:
    settings, _, _ = city
    assert SAYS in explain(settings, category="drugs")[0].sentence()
    assert "Warning" not in explain(settings, category="theft")[0].sentence()
    asked = ["forecast", "--json", *_as_options(settings)]
    told = json.loads(CliRunner().invoke(app, asked).stdout)
    assert told["summary"]["warnings"][0].startswith(SAYS)


def test_arrests_stand_in_where_the_file_does_not_tell(tmp_path: Path) -> None:
    """Half of the records of a category ended in an arrest: it is no target, and no predictor, by default."""
    rng = np.random.default_rng(2)
    count = 400
    what = rng.choice(["theft", "weapons"], count)
    rows = pd.DataFrame(
        {
            "when": pd.date_range("2024-01-01", periods=count, freq="6h").strftime("%Y-%m-%d %H:%M:%S"),
            "what": what,
            "lon": rng.uniform(-87.69, -87.61, count).round(6),
            "lat": rng.uniform(41.81, 41.89, count).round(6),
            "Arrest": np.where(rng.random(count) < np.where(what == "weapons", 0.7, 0.1), "true", "false"),
        }
    )
    rows.to_csv(tmp_path / "rows.csv", index=False)
    square = shapely.geometry.mapping(shapely.box(-87.7, 41.8, -87.6, 41.9))
    boundary = {"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {}, "geometry": square}]}
    (tmp_path / "boundary.geojson").write_text(json.dumps(boundary))
    settings = load_settings(
        overrides={
            "city": "arrests", "root": str(tmp_path), "timezone": "America/Chicago", "workers": 1,
            "source": {"kind": "file", "paths": [str(tmp_path / "rows.csv")]},
            "columns": {
                "occurred_from": "when", "category": "what", "longitude": "lon", "latitude": "lat", "extra": ["Arrest"],
            },
            "study_area": {"boundary": str(tmp_path / "boundary.geojson")},
            "taxonomy": {"arrest_column": "Arrest"}, "context": (),
        }
    )  # fmt: skip
    run_stage(settings, "ingest")
    run_stage(settings, "clean")
    assert City(settings).targets == ("theft",)
    assert 0.5 < City(settings).arrests["weapons"] < 0.8
    named = settings.model_copy(update={"forecast": settings.forecast.model_copy(update={"categories": ("weapons",)})})
    assert "% of its records ended in an arrest" in City(named).warnings["weapons"]
    without = settings.model_copy(
        update={"taxonomy": settings.taxonomy.model_copy(update={"arrest_column": "Custody"})}
    )
    with pytest.raises(ConfigError, match=r"add it to columns\.extra"):
        _ = City(without).targets
    said = settings.model_copy(update={"taxonomy": settings.taxonomy.model_copy(update={"police_initiated": ()})})
    assert City(said).arrests == {}, "what the settings say goes before the arrests"


def _as_options(settings: Settings) -> list[str]:
    chosen = {
        "root": settings.root,
        "workers": 1,
        "source.incidents": settings.source.incidents,
        "source.years": settings.source.years,
        "grid.cell_size_m": settings.grid.cell_size_m,
        "forecast.categories": json.dumps(list(settings.forecast.categories)),
        "forecast.models": json.dumps(list(settings.forecast.models)),
        "forecast.tuning_candidates": 0,
        "forecast.max_rows": settings.forecast.max_rows,
    }
    return [part for key, value in chosen.items() for part in ("--set", f"{key}={value}")]
