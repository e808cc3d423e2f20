"""Intervals of a forecast's areas, from the command that judges past weeks to the answer about any place."""

import json

import geopandas as gpd
import numpy as np
import pytest
from typer.testing import CliRunner

from crimepatterns.city import City
from crimepatterns.cli import app
from crimepatterns.config import Settings, load_settings
from crimepatterns.data_processing import clean, ingest
from crimepatterns.errors import ConfigError, MissingInputError
from crimepatterns.forecast_outputs.expectation import expect
from crimepatterns.forecasting import forecast
from crimepatterns.model_evaluation import evaluate
from crimepatterns.operations.replay import replay_forecast
from crimepatterns.operations.sentences import sentence_of
from crimepatterns.store.layers import read_forecast, read_layer
from crimepatterns.visuals import static

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    found = load_settings(
        overrides={
            "root": str(tmp_path_factory.mktemp("city")),
            "workers": 1,
            "source": {"incidents": 8_000, "years": 1},
            "grid": {"cell_size_m": 500},
            "forecast": {"categories": ["theft"], "models": ["count", "count_eb"]},
            "evaluation": {"select_origins": 13, "judge_origins": 2, "simulations": 5},
            "context": [],
        }
    )
    ingest(found)
    clean(found)
    return found


@pytest.fixture(scope="module")
def before(settings: Settings) -> dict:
    """What is said before any past week was judged."""
    with pytest.raises(MissingInputError, match="run `crimepatterns forecast`"):
        expect(settings, category="theft")
    summary = forecast(settings)["categories"]["theft"]
    return {"summary": summary, "asked": expect(settings, category="theft")}


@pytest.fixture(scope="module")
def judged(settings: Settings, before: dict) -> dict:
    evaluate(settings)
    return {**before, "again": forecast(settings)}


def test_without_past_weeks_intervals_are_poisson_and_say_so(before: dict) -> None:
    assert "the model's own" in before["summary"]["intervals_from"]
    assert "too narrow" in before["asked"].intervals_from
    assert [before["asked"].lower, before["asked"].upper] == before["summary"]["interval"]


def test_past_weeks_widen_the_interval_of_the_city_and_set_the_quantiles_of_cells(
    settings: Settings, judged: dict
) -> None:
    told = judged["again"]["categories"]["theft"]
    assert told["intervals_from"].startswith("learned from ")
    assert np.diff(told["interval"])[0] > np.diff(judged["summary"]["interval"])[0]
    city = City(settings)
    made, facts = read_forecast(city.layout.forecasts / "theft.parquet", city.area)
    assert facts["intervals"]["origins"] > 13
    assert (made.quantiles[0.95] >= made.quantiles[0.05]).all()
    low, high = told["interval"]
    assert f"theft {told['expected']:.0f} ({low} to {high})" in sentence_of("forecast", judged["again"])


def test_the_layer_of_areas_and_the_question_have_one_answer(settings: Settings, judged: dict) -> None:
    layout = City(settings).layout
    layer, facts = read_layer(layout.forecasts / "areas" / "theft.parquet")
    assert facts["intervals_from"] == judged["again"]["categories"]["theft"]["intervals_from"]
    assert layer["kind"].tolist().count("city") == 1
    city = layer.loc[layer["kind"] == "city"].iloc[0]
    local = layer.loc[layer["kind"] == "neighbourhood"]
    assert local["expected"].sum() == pytest.approx(city["expected"])
    # Areas do not all have a bad week at once, so the city's interval is narrower than the sum of theirs.
    assert city["upper"] - city["lower"] < (local["upper"] - local["lower"]).sum()
    for row in local.head(3).to_dict("records"):
        found = expect(settings, category="theft", neighbourhood=row["area"])
        assert (found.lower, found.upper) == (row["lower"], row["upper"])
        assert found.expected == pytest.approx(row["expected"], abs=1e-4)
        assert found.chance_of_none == pytest.approx(row["chance_of_none"], abs=1e-6)
    whole = expect(settings, category="theft")
    assert (whole.lower, whole.upper) == (city["lower"], city["upper"])
    assert static.areas_chart(layer, city="Town", facts=facts).axes


@pytest.mark.usefixtures("judged")
def test_a_polygon_counts_cells_by_their_share(settings: Settings, tmp_path) -> None:
    city = City(settings)
    cells = city.grid.to_geodataframe()
    made, _ = read_forecast(city.layout.forecasts / "theft.parquet", city.area)
    full = np.flatnonzero(cells["area_km2"] > 0.2499)
    chosen = cells.iloc[full[np.argsort(-made.mean[full, 0])[:3]]]
    ids = tuple(chosen["cell_id"].astype(str))
    path = tmp_path / "beat.geojson"
    chosen[["geometry"]].to_crs("EPSG:4326").to_file(path)
    drawn, named = expect(settings, category="theft", polygon=path), expect(settings, category="theft", cells=ids)
    assert drawn.expected == pytest.approx(named.expected, rel=1e-3)
    half = gpd.GeoDataFrame(geometry=chosen.geometry.scale(xfact=0.5), crs=cells.crs)
    half.to_file(tmp_path / "half.gpkg")
    halved = expect(settings, category="theft", polygon=tmp_path / "half.gpkg")
    assert halved.expected == pytest.approx(named.expected / 2, rel=1e-3)
    assert named.lower <= named.expected <= named.upper
    assert 0 < named.chance_of_none < 1
    away = gpd.GeoDataFrame(geometry=chosen.geometry.translate(xoff=1e6), crs=cells.crs)
    away.to_file(tmp_path / "away.gpkg")
    with pytest.raises(ConfigError, match="do not meet"):
        expect(settings, category="theft", polygon=tmp_path / "away.gpkg")
    (tmp_path / "broken.geojson").write_text("{", encoding="utf-8")
    with pytest.raises(ConfigError, match="cannot be read"):
        expect(settings, category="theft", polygon=tmp_path / "broken.geojson")


@pytest.mark.usefixtures("judged")
def test_what_does_not_exist_is_named(settings: Settings) -> None:
    for wrong, message in (
        ({"cells": ["nowhere"]}, "No cell 'nowhere'"),
        ({"neighbourhood": "Nowhere"}, "No neighbourhood 'Nowhere'"),
        ({"neighbourhood": "x", "cells": ["y"]}, "one kind of place"),
    ):
        with pytest.raises(ConfigError, match=message):
            expect(settings, category="theft", **wrong)
    with pytest.raises(ConfigError, match="No forecast of 'arson'"):
        expect(settings, category="arson")


@pytest.mark.usefixtures("judged")
def test_the_command_answers_in_words_and_in_json(settings: Settings) -> None:
    changes = [
        *("--set", f"root={settings.root}", "--set", "grid.cell_size_m=500"),
        *("--set", "source.incidents=8000", "--set", "source.years=1"),
    ]
    told = CliRunner().invoke(app, ["expect", "--category", "theft", *changes])
    assert "Whole city: " in told.output
    assert "90 % interval" in told.output
    facts = json.loads(CliRunner().invoke(app, ["expect", "--category", "theft", "--json", *changes]).output)
    assert facts["lower"] < facts["expected"] < facts["upper"]
    assert facts["sentence"] in told.output


def test_a_replay_takes_what_was_learned_from_the_manifest(settings: Settings, judged: dict) -> None:
    learned = City(settings).layout.evaluation / "select" / "intervals.json"
    kept = learned.read_bytes()
    learned.unlink()
    try:
        again = replay_forecast(settings, settings.root / judged["again"]["manifest"])
    finally:
        learned.write_bytes(kept)
    assert "same" in again["sentence"]


@pytest.mark.usefixtures("judged")
def test_weeks_that_end_after_the_forecast_begins_teach_nothing(settings: Settings) -> None:
    city = City(settings)
    day = city.spans[0].select[5].cutoff
    summary = forecast(settings, as_of=str(day.date()))
    assert "end after this forecast begins" in summary["categories"]["theft"]["intervals_from"]
    coarse = settings.model_copy(update={"grid": settings.grid.model_copy(update={"cell_size_m": 700.0})})
    assert "another grid" in forecast(coarse)["categories"]["theft"]["intervals_from"]
    forecast(settings)
