"""The forecast by shift and its harm as a user gets them: files, sums, summary, pictures, and what is refused."""

from pathlib import Path

import numpy as np
import pytest

from crimepatterns.city import City
from crimepatterns.config import Settings, load_settings
from crimepatterns.data_processing import clean, ingest
from crimepatterns.domain.periods import Periods
from crimepatterns.errors import ConfigError
from crimepatterns.forecasting import explain, forecast
from crimepatterns.model_evaluation import evaluate
from crimepatterns.operations.sentences import sentence_of
from crimepatterns.serving.results import Results
from crimepatterns.sources.synthetic import SyntheticCity
from crimepatterns.store.layers import read_forecast, read_layer
from crimepatterns.store.scorecards import read_scorecard
from crimepatterns.visualization import visualize

CITY = {
    "source": {"incidents": 6_000, "years": 1},
    "grid": {"cell_size_m": 600},
    "context": [],
    "forecast": {"categories": ["theft", "burglary"], "models": ["count_eb"]},
}


def changed(settings: Settings, **forecast_settings: object) -> Settings:
    return settings.model_copy(update={"forecast": settings.forecast.model_copy(update=forecast_settings)})


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    made = load_settings(overrides={**CITY, "root": str(tmp_path_factory.mktemp("city"))})
    ingest(made)
    clean(made)
    return made


@pytest.mark.slow
@pytest.mark.parametrize("days", [1, 7, 14, 28])
def test_shifts_of_any_horizon_sum_to_the_champions_forecast(settings: Settings, days: int) -> None:
    asked = changed(settings, horizon_days=days, shifts=("06:00", "14:30", "22:00"))
    summary = forecast(asked)
    city = City(asked)
    for name in ("theft", "burglary"):
        whole, _ = read_forecast(city.layout.forecasts / f"{name}.parquet", city.area)
        shifts, facts = read_forecast(city.layout.forecasts / "shifts" / f"{name}.parquet", city.area)
        assert shifts.mean.shape == (len(city.grid), 3 * days + 1), "the night at the edge is cut in two"
        np.testing.assert_allclose(shifts.mean.sum(axis=1), whole.mean[:, 0])
        assert sum(facts["hours_of_week"]) == pytest.approx(1, abs=1e-5)
        told = summary["categories"][name]["shifts"]
        assert told["busiest"]["expected"] == pytest.approx(shifts.mean.sum(axis=0).max(), abs=0.01)
        assert told["top"][0]["expected"] == pytest.approx(shifts.mean.max(), abs=1e-4)
        busiest = -np.sort(-shifts.mean, axis=0)[: told["places"]]
        assert told["none"] == pytest.approx(np.exp(-busiest).mean(), abs=1e-4)
        assert f"results/{asked.city}/forecasts/shifts/{name}.parquet" in summary["outputs"]
    assert "Busiest shift: " in sentence_of("forecast", summary)


@pytest.mark.slow
def test_shifts_can_be_left_out_and_must_be_a_calendar(settings: Settings) -> None:
    summary = forecast(changed(settings, shifts=()))
    assert not any("shifts" in name for name in summary["outputs"])
    with pytest.raises(ConfigError, match=r"forecast.shifts: Shifts begin at times such as 06:00, got \['6 am'\]"):
        forecast(changed(settings, shifts=("6 am",)))


@pytest.mark.slow
def test_a_record_of_dates_has_no_shifts_and_says_so(settings: Settings, tmp_path: Path) -> None:
    city = City(settings)
    table = city.incidents.table[["id", "category", "x", "y"]].assign(
        day=city.incidents.table["occurred_from"].dt.strftime("%Y-%m-%d")
    )
    table.to_csv(tmp_path / "dates.csv", index=False)
    dates = load_settings(
        overrides={
            **CITY, "city": "dates", "root": str(tmp_path), "crs": str(city.area.crs), "timezone": city.area.timezone,
            "source": {"kind": "file", "paths": [str(tmp_path / "dates.csv")]},
            "columns": {"id": "id", "occurred_from": "day", "category": "category", "x": "x", "y": "y"},
            "cleaning": {"coordinates_crs": str(city.area.crs)}, "study_area": {"derive": "concave_hull"},
            "patterns": {"premise_column": None, "indoor": [], "outdoor": []},
        }
    )  # fmt: skip
    ingest(dates)
    clean(dates)
    summary = forecast(dates)
    assert "No rhythm of the week for theft: 0 of" in summary["categories"]["theft"]["shifts"]["note"]
    assert not (City(dates).layout.forecasts / "shifts").exists()
    assert "No rhythm of the week" in sentence_of("forecast", summary)


@pytest.mark.slow
def test_harm_adds_up_cell_by_cell_and_is_told_and_drawn(settings: Settings) -> None:
    harmful = settings.model_copy(update={"taxonomy": settings.taxonomy.model_copy(update={"harm": "cambridge"})})
    summary = forecast(harmful)
    city = City(harmful)
    path = city.layout.forecasts / "harm.parquet"
    layer, facts = read_layer(path)
    parts = layer[["harm_theft", "harm_burglary"]]
    np.testing.assert_allclose(parts.sum(axis=1), layer["value"])
    for name, weight in (("theft", 1.0), ("burglary", 183.5)):
        whole, _ = read_forecast(city.layout.forecasts / f"{name}.parquet", city.area)
        np.testing.assert_allclose(layer[f"harm_{name}"], weight * whole.mean[:, 0])
        assert summary["harm"]["categories"][name]["weight"] == weight
    assert facts["unit"] == "days of harm in 7 days"
    assert summary["harm"]["expected"] == pytest.approx(layer["value"].sum(), abs=0.01)
    assert summary["harm"]["top_cells"][0]["harm"] == pytest.approx(layer["value"].max(), abs=0.01)
    assert "results/default/forecasts/harm.parquet" in summary["outputs"]
    assert "Expected harm: " in sentence_of("forecast", summary)
    with pytest.raises(ConfigError, match="No forecast of 'harm'"):
        explain(harmful, category="harm")
    drawn = visualize(harmful)["outputs"]
    assert {f"results/default/figures/{name}.png" for name in ("harm", "shift_forecast_theft")} <= set(drawn)
    assert forecast(settings)["harm"] is None
    assert not path.exists()


@pytest.mark.slow
def test_outdoors_and_indoors_are_forecast_apart_and_the_others_are_counted(settings: Settings) -> None:
    apart = changed(settings, split_premise=("theft",), shifts=())
    city = City(apart)
    assert city.targets == ("theft (outdoor)", "theft (indoor)", "burglary")
    sides = {side: f"theft ({side})" for side in ("outdoor", "indoor")}
    summary = forecast(apart)
    whole = City(settings).incidents.of("theft")
    premises = whole.table["Premise"].astype(str)
    source, rules = settings.source, settings.patterns
    truth = SyntheticCity(
        city_class=source.city_class, incidents=source.incidents, years=source.years, seed=source.seed,
        timezone=settings.timezone,
    ).truth  # fmt: skip
    week = Periods.starting_at(city.archive.end, days=7, count=1)
    true = truth.expected_counts(city.grid, week, category="theft").sum() * truth.recorded_share
    for side, name in sides.items():
        chosen = city.incidents.of(name)
        listed = getattr(rules, side)
        assert set(chosen.table["id"]) == set(whole.table.loc[premises.isin(listed), "id"])
        expected = summary["categories"][name]["expected"]
        assert expected == pytest.approx(true * truth.premise_share("theft", listed), rel=0.25)
        assert (city.layout.forecasts / f"theft_{side}.parquet").exists()
    unknown = len(whole) - sum(len(city.incidents.of(name)) for name in sides.values())
    assert unknown == len(city.incidents.of("theft (premise unknown)")) > 0
    assert f"{unknown:,} of unknown premise are in neither forecast." in sentence_of("forecast", summary)
    card = read_scorecard(apart.root / evaluate(changed(apart, models=("count", "count_eb")))["outputs"][0])
    ceiling = card.summary.loc[card.summary["metric"] == "ceiling_share"]
    assert set(sides.values()) <= set(ceiling["category"]), "the truth of each side is known too"
    assert ceiling["value"].between(0.2, 1.0).all()
    shown = {one.name for one in Results(apart).categories if one.forecast}
    assert shown == {"theft (outdoor)", "theft (indoor)", "burglary"}


@pytest.mark.slow
def test_a_split_needs_a_column_and_categories_that_occur(settings: Settings) -> None:
    with pytest.raises(ConfigError, match=r"split_premise names \['arson'\], which do not occur"):
        _ = City(changed(settings, split_premise=("arson",))).targets
    blind = settings.model_copy(update={"patterns": settings.patterns.model_copy(update={"premise_column": None})})
    with pytest.raises(ConfigError, match=r"split_premise needs patterns\.premise_column"):
        _ = City(changed(blind, split_premise=("theft",))).targets
    odd = settings.model_copy(update={"patterns": settings.patterns.model_copy(update={"outdoor": ("Moon",)})})
    with pytest.raises(ConfigError, match=r"theft cannot be split by 'Premise': 0 incidents outdoors"):
        _ = City(changed(odd, split_premise=("theft",))).targets
