"""`evaluate --truth`: files of several kinds, ours and a stranger's, give the hand-computed numbers."""

import json
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely
from typer.testing import CliRunner

from crimepatterns.city import City
from crimepatterns.cli import app
from crimepatterns.config import Settings, load_settings
from crimepatterns.data_processing import clean, ingest
from crimepatterns.domain.map_units import FOOT_M
from crimepatterns.errors import ConfigError, DomainError, MissingInputError, SchemaError
from crimepatterns.evaluation.hotspot_metrics import catch
from crimepatterns.evaluation.selection import Budget
from crimepatterns.forecasting import forecast
from crimepatterns.map_scoring import score_file
from crimepatterns.store.layers import read_forecast

CORNER = (7_640_000.0, 680_000.0)
SIDE_FT = 500.0


def a_map(crs: str = "EPSG:2913", field: str = "hotspot") -> gpd.GeoDataFrame:
    """Two by two cells of 500 ft in Portland; the first is a hot spot."""
    west = CORNER[0] + SIDE_FT * np.array([0, 1, 0, 1])
    south = CORNER[1] + SIDE_FT * np.array([0, 0, 1, 1])
    shapes = shapely.box(west, south, west + SIDE_FT, south + SIDE_FT)
    return gpd.GeoDataFrame({field: [1, 0, 0, 0]}, geometry=list(shapes), crs="EPSG:2913").to_crs(crs)


def incidents_csv(folder: Path) -> Path:
    """Three incidents in the hot cell, two in the next one, one outside, one without a place."""
    steps = [(0.2, 0.2), (0.3, 0.3), (0.4, 0.4), (1.2, 0.2), (1.3, 0.3), (5.0, 5.0)]
    rows = [f"2017-03-0{i + 1},{CORNER[0] + a * SIDE_FT},{CORNER[1] + b * SIDE_FT}" for i, (a, b) in enumerate(steps)]
    path = folder / "truth.csv"
    path.write_text("\n".join(["day,x,y", *rows, "2017-03-01,,"]))
    return path


def settings_for(**more: object) -> Settings:
    cleaning = {"coordinates_crs": "EPSG:2913"}
    return load_settings(overrides={"cleaning": cleaning, "columns": {"occurred_from": "day"}, **more})


@pytest.mark.parametrize(("ending", "crs"), [("gpkg", "EPSG:2913"), ("shp", "EPSG:2913"), ("geojson", "EPSG:4326")])
def test_every_kind_of_file_gives_the_same_numbers(tmp_path: Path, ending: str, crs: str) -> None:
    path = tmp_path / f"map.{ending}"
    a_map(crs).to_file(path)
    found = score_file(settings_for(), incidents_csv(tmp_path), forecast=path)
    assert (found["hits"], found["incidents"], found["best_possible_hits"]) == (3, 6, 3)
    assert (found["in_no_cell"], found["without_place"]) == (1, 1)
    assert found["area_km2"] == pytest.approx((SIDE_FT * FOOT_M) ** 2 / 1e6, rel=2e-3)
    assert found["pai"][0] == pytest.approx(3 / 6 / (1 / 4), rel=1e-3)
    assert found["pei"][0] == pytest.approx(1.0)


def test_days_fields_and_earlier_incidents(tmp_path: Path) -> None:
    a_map(field="Flag").to_file(tmp_path / "map.gpkg")
    truth = incidents_csv(tmp_path)
    found = score_file(
        settings_for(), truth, forecast=tmp_path / "map.gpkg", field="flag",
        start="2017-03-02", until="2017-03-05", before=truth,
    )  # fmt: skip
    # Two of three in the window, three of six before.
    assert (found["hits"], found["incidents"]) == (2, 3)
    assert found["rri"] == pytest.approx((2 / 3) / (3 / 6))


def test_scores_are_cut_at_the_budget(tmp_path: Path) -> None:
    a_map().assign(hotspot=[0.1, 0.4, 0.3, 0.2]).rename(columns={"hotspot": "score"}).to_file(tmp_path / "map.gpkg")
    settings = settings_for(evaluation={"primary_budget": 0.375})
    found = score_file(settings, incidents_csv(tmp_path), forecast=tmp_path / "map.gpkg")
    # The second cell whole, half of the third.
    assert (found["hits"], found["best_possible_hits"]) == (pytest.approx(2.0), pytest.approx(4.0))


def test_files_that_cannot_be_scored_say_why(tmp_path: Path) -> None:
    truth, settings = incidents_csv(tmp_path), settings_for()
    a_map(field="other").to_file(tmp_path / "field.gpkg")
    with pytest.raises(SchemaError, match=r"no field 'hotspot'.*--field"):
        score_file(settings, truth, forecast=tmp_path / "field.gpkg")
    a_map().to_file(tmp_path / "crs.shp")
    (tmp_path / "crs.prj").unlink()
    with pytest.raises(SchemaError, match="does not name its reference system"):
        score_file(settings, truth, forecast=tmp_path / "crs.shp")
    doubled = a_map().iloc[[0, 0, 1]]
    doubled.to_file(tmp_path / "overlap.gpkg")
    with pytest.raises(DomainError, match="must not overlap, 1 pairs"):
        score_file(settings, truth, forecast=tmp_path / "overlap.gpkg")
    with pytest.raises(SchemaError, match="no polygons"):
        score_file(settings, truth, forecast=truth)
    with pytest.raises(MissingInputError, match=r"none\.gpkg does not exist"):
        score_file(settings, truth, forecast=tmp_path / "none.gpkg")
    with pytest.raises(ConfigError, match="--forecast FILE"):
        score_file(settings, truth)
    (tmp_path / "bare.csv").write_text("a,b\n1,2\n")
    a_map().to_file(tmp_path / "map.gpkg")
    with pytest.raises(SchemaError, match=r"columns\.x"):
        score_file(settings, tmp_path / "bare.csv", forecast=tmp_path / "map.gpkg")


def test_the_command_prints_sentences_or_json(tmp_path: Path) -> None:
    a_map().to_file(tmp_path / "map.gpkg")
    options = ["--forecast", str(tmp_path / "map.gpkg"), "--set", "cleaning.coordinates_crs=EPSG:2913"]
    command = ["evaluate", "--truth", str(incidents_csv(tmp_path)), *options]
    said = CliRunner().invoke(app, command)
    assert said.exit_code == 0, said.output
    assert "3 of 6 incidents fell into the chosen 0.023 km2" in said.output
    told = json.loads(CliRunner().invoke(app, [*command, "--json"]).output)
    assert told["hits"] == 3


def test_the_rules_of_the_challenge_are_checked(tmp_path: Path) -> None:
    a_map().to_file(tmp_path / "map.gpkg")
    options = ["--forecast", str(tmp_path / "map.gpkg"), "--set", "cleaning.coordinates_crs=EPSG:2913"]
    said = CliRunner().invoke(app, ["evaluate", "--rules", "nij", *options])
    assert said.exit_code == 0, said.output
    assert said.output.splitlines() == [
        "map.gpkg breaks the rules of nij.",
        "Hot spots cover 0.0090 sq mi, not 0.25 to 0.75.",
    ]
    with pytest.raises(ConfigError, match="by --truth"):
        CliRunner().invoke(app, ["evaluate", *options], catch_exceptions=False)


def test_our_own_forecast_is_scored_as_the_backtest_would(tmp_path: Path) -> None:
    few = {"categories": ["theft"], "models": ["count"], "champion": "count"}
    whole = load_settings(
        overrides={"root": str(tmp_path), "source": {"incidents": 4_000, "years": 1}, "context": [], "forecast": few}
    )
    for stage in (ingest, clean, forecast):
        stage(whole)
    city = City(whole)
    table = city.incidents.of("theft").table
    table[["x", "y"]].to_csv(tmp_path / "truth.csv", index=False)
    settings = whole.model_copy(
        update={"cleaning": whole.cleaning.model_copy(update={"coordinates_crs": city.area.crs})}
    )
    found = score_file(settings, tmp_path / "truth.csv", category="theft")
    made, _ = read_forecast(city.layout.forecasts / "theft.parquet", city.area)
    happened = np.bincount(city.grid.assign(table["x"], table["y"])[0], minlength=len(city.grid))
    budget = Budget(area_share=whole.evaluation.primary_budget)
    expected = catch(made.mean[:, 0], happened, city.grid.area_km2, budget)
    assert (found["hits"], found["best_possible_hits"]) == pytest.approx((expected.hits, expected.best))


@pytest.mark.shared
def test_the_districts_of_portland_as_a_map(tmp_path: Path, shared_data: Path) -> None:
    """All districts chosen: everything is caught but what lies outside, and PAI is about 1."""
    folder = shared_data / "portland-nij"
    gpd.read_file(folder / "police_districts_epsg2913.gpkg").assign(hotspot=1).to_file(tmp_path / "all.gpkg")
    settings = load_settings(Path("config/cities/portland.yaml"))
    found = score_file(
        settings, folder / "nij_motor_vehicle_theft_2012-03_2017-02.csv", forecast=tmp_path / "all.gpkg",
        start="2016-03-01", until="2017-03-01",
    )  # fmt: skip
    assert found["study_area_km2"] == pytest.approx(147.7 * 1.609344**2, rel=1e-3)
    assert found["hit_rate"][0] > 0.99
    assert found["pai"][0] == pytest.approx(found["hit_rate"][0], rel=1e-6)
