"""The stage on a small invented city with real baselines: select, judge, ledger, plan."""

import json

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

from crimepatterns.city import City
from crimepatterns.config import load_settings
from crimepatterns.data_processing import clean, ingest
from crimepatterns.domain.periods import Periods
from crimepatterns.errors import MissingInputError, NotApplicableError
from crimepatterns.evaluation.interval_scores import coverage_by_model
from crimepatterns.forecasts.registry import make_forecaster
from crimepatterns.interval_history import audit_columns
from crimepatterns.model_evaluation import evaluate
from crimepatterns.planning import plan
from crimepatterns.store.audit_tables import write_audit_table
from crimepatterns.store.layers import read_layer, write_forecast
from crimepatterns.store.layout import slug
from crimepatterns.store.ledger import read_ledger
from crimepatterns.store.scorecards import read_extra, read_scorecard

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    chosen = load_settings(
        overrides={
            "root": str(tmp_path_factory.mktemp("city")),
            "source": {"incidents": 6000, "years": 1},
            "grid": {"cell_size_m": 400},
            "forecast": {"categories": ["theft"], "models": ["count", "recent_count", "count_eb"]},
            "evaluation": {"simulations": 10},
            "context": [],
        }
    )
    ingest(chosen)
    clean(chosen)
    return chosen


@pytest.fixture(scope="module")
def selected(settings):
    with pytest.raises(MissingInputError, match="before opening the judge span"):
        evaluate(settings, report=True)
    return evaluate(settings)


def test_select_writes_a_scorecard_with_truth_and_champions(settings, selected):
    folder = settings.root / "results" / "default" / "evaluation" / "select"
    card = read_scorecard(folder)
    assert selected["span"] == card.span == "select"
    assert card.notes["origins"] == 13
    assert json.loads((folder / "champions.json").read_text())["theft"] in settings.forecast.models
    share = card.summary.loc[card.summary["metric"] == "ceiling_share", "value"]
    assert share.between(0.2, 1.0).all()
    assert len(card.equity) == 3 * card.equity["neighbourhood"].nunique()
    assert set(read_extra(folder, "curve")["model"]) == set(settings.forecast.models)
    assert all((settings.root / path).exists() for path in selected["outputs"])
    json.dumps(selected)


def test_shifts_are_scored_beside_rhythms_that_cost_nothing(settings, selected):
    folder = settings.root / "results" / "default" / "evaluation" / "select"
    scores = read_extra(folder, "shifts")
    assert set(scores["contender"]) == {"even hours", "city's hours", "cell's own hours", "rhythm by place"}
    assert scores["cutoff"].nunique() == 13
    card = read_scorecard(folder)
    per_origin = scores.loc[scores["contender"] == "even hours"].set_index("cutoff")
    assert (per_origin["gain"].abs() < 1e-6).all()
    assert (per_origin["sure"] + per_origin["unsure"] == per_origin["incidents"]).all()
    pooled = scores.groupby("contender")[["gain", "timed"]].sum()
    gain = pooled["gain"] / pooled["timed"]
    assert gain["rhythm by place"] > gain["city's hours"] - 0.01 > gain["cell's own hours"]
    assert selected["shifts"] == card.notes["shifts"]
    assert "theft: in log, hours of later incidents are" in selected["shifts"][0]
    assert "By shift, theft:" in (folder / "scoreboard.txt").read_text()


def test_intervals_of_areas_are_learned_before_the_span_and_judged_on_it(settings, selected):
    folder = settings.root / "results" / "default" / "evaluation" / "select"
    card = read_scorecard(folder)
    learned = json.loads((folder / "intervals.json").read_text())["learned"]["theft"]
    assert set(learned) == set(settings.forecast.models)
    assert all(one["origins"] > 13 and one["horizon_days"] == 7 for one in learned.values())
    rows = read_extra(folder, "unions")
    assert rows["cutoff"].min() == card.folds["cutoff"].min()
    table = read_extra(folder, "coverage")
    pooled = table.loc[(table["by"] == "all") & (table["model"] == "count_eb")].iloc[0]
    assert pooled["unions"] == (rows["model"] == "count_eb").sum()
    scored = card.summary.loc[card.summary["metric"] == "union_coverage"].set_index("model")
    assert scored.loc["count_eb", "value"] == pytest.approx(pooled["coverage"])
    verdict = card.notes["calibration"]["theft"]["count_eb"]
    assert verdict["intervals"]
    champion = selected["champions"]["theft"]
    assert f"Calibration of theft by {champion}: " in (folder / "scoreboard.txt").read_text()


@pytest.mark.usefixtures("selected")
def test_audit_tables_serve_to_judge_intervals_only(settings):
    audit = {"name": "census", "kind": "table", "paths": ["x.csv"], "role": "audit", "known_from": "2020-01-01",
             "key": "area", "columns": ["poverty"]}  # fmt: skip
    city = City(load_settings(overrides={**settings.model_dump(mode="json"), "context": [audit]}))
    assert audit_columns(city) == {}
    names = city.area.neighbourhoods["name"].tolist()
    rows = {"neighbourhood": [*names, names[0]], "poverty": [*np.arange(len(names)) / 100, 0.9]}
    years = [2020] * len(names) + [2022]
    moments = pd.to_datetime([f"{year}-01-01" for year in years], utc=True)
    table = gpd.GeoDataFrame(
        {**rows, "starts_at": moments}, geometry=[shapely.Point(0, 0)] * len(years), crs=city.area.crs
    )
    write_audit_table(city.layout.context / "audit" / "census.parquet", table, {})
    found = audit_columns(city)["census: poverty"]
    assert found[names[0]] == 0.9
    assert len(found) == len(names)
    rows = read_extra(city.layout.evaluation / "select", "unions")
    tenths = coverage_by_model(rows, audit=audit_columns(city)).query("by == 'census: poverty'")
    assert 2 <= tenths["group"].nunique() <= 10


def test_spans_are_disjoint_and_every_opening_is_logged(settings, selected):
    layout = City(settings).layout
    first = evaluate(settings, report=True)
    again = evaluate(settings, report=True)
    entries = read_ledger(layout.ledger)
    assert (first["openings"], again["openings"], len(entries)) == (1, 2, 2)
    assert entries[0]["scores"] == entries[1]["scores"]
    assert entries[0]["champions"] == selected["champions"]
    assert {"opened_at", "commit", "config_digest", "data_digest"} <= set(entries[0])
    select, judge = read_scorecard(layout.evaluation / "select"), read_scorecard(layout.evaluation / "judge")
    assert select.folds["cutoff"].max() < judge.folds["cutoff"].min()
    assert pd.Timestamp(select.notes["last_test_end"]) <= judge.folds["cutoff"].min()


@pytest.mark.usefixtures("selected")
def test_a_plan_comes_with_its_score(settings):
    city = City(settings)
    cutoff = city.archive.end
    history = city.archive.at(cutoff, target="theft")
    fitted = make_forecaster("count_eb").fit(history, rng=np.random.default_rng(1))
    made = fitted.predict(history, Periods.starting_at(cutoff, days=7, count=1))
    write_forecast(city.layout.forecasts / f"{slug('theft')}.parquet", made)
    summary = plan(settings)
    places, facts = read_layer(city.layout.plan / "plan.parquet")
    assert len(places) == summary["places"] > 0
    assert facts["expected_in_hours"] == pytest.approx(summary["expected_in_hours"])
    score = json.loads((city.layout.plan / "backtest.json").read_text())
    assert len(score["origins"]) == 13
    assert 0 < score["in_hours"]["share"] < score["at_places"]["share"] < 1
    geojson = json.loads((city.layout.plan / "plan.geojson").read_text())
    assert len(geojson["features"]) == len(places)
    assert score["sentences"][0].split("%")[0] in (city.layout.plan / "sheet.html").read_text()
    assert all((settings.root / path).exists() for path in summary["outputs"])


def test_too_short_a_record_says_what_is_needed(settings):
    impatient = settings.model_copy(update={"forecast": settings.forecast.model_copy(update={"horizon_days": 90})})
    with pytest.raises(NotApplicableError, match="need at least 10 periods"):
        evaluate(impatient)


def test_a_short_record_is_shortened_and_described(settings):
    wide = settings.model_copy(update={"forecast": settings.forecast.model_copy(update={"horizon_days": 28}),
                                       "city": "default"})  # fmt: skip
    found = evaluate(wide)
    assert any("Data allow only" in note for note in found["notes"])
    assert any("described, not claimed" in note for note in found["notes"])
    assert all("not shown" in sentence for sentence in found["verdicts"])
