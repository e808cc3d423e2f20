"""The pattern stage and the figure stage on a small invented city, from raw records to PNG files."""

import json

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread
from pyogrio import read_info

from crimepatterns import find_clusters, hot_spots
from crimepatterns.city import City
from crimepatterns.config import load_settings
from crimepatterns.context_processing import build_context
from crimepatterns.data_processing import clean, ingest
from crimepatterns.errors import ConfigError, PatternError
from crimepatterns.pattern_analysis import find_patterns
from crimepatterns.store.layers import read_layer, read_surface, read_table
from crimepatterns.visualization import visualize

pytestmark = pytest.mark.slow

OVERRIDES = {
    "source": {"incidents": 5000, "years": 1},
    "grid": {"cell_size_m": 400},
    "forecast": {"categories": ["theft", "burglary"]},
    "patterns": {"density_cell_m": 200, "dbscan_min_incidents": 8},
}


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    chosen = load_settings(overrides={**OVERRIDES, "context": [], "root": str(tmp_path_factory.mktemp("city"))})
    ingest(chosen)
    clean(chosen)
    return chosen


@pytest.fixture(scope="module")
def summary(settings):
    return find_patterns(settings)


def test_layers_carry_their_facts(settings, summary) -> None:
    city = City(settings)
    assert json.loads(json.dumps(summary)) == summary
    assert set(summary["categories"]) == {"theft", "burglary", "all"}
    names = {path.split("/")[-2] + "/" + path.split("/")[-1] for path in summary["outputs"]}
    every = {"density", "gi_star", "dbscan", "dbscan_members", "local_moran", "local_moran_kinds", "emerging", "change",
             "persistence", "concentration", "concentration_curve", "repeat_places", "usual"}  # fmt: skip
    # One year of records has no year before it to compare with.
    every -= {"change"}
    one = every | {"knox", "near_repeat", "near_repeat_alerts", "near_repeat_members", "scan"}
    expected = {("theft", f) for f in one} | {("burglary", f) for f in one} | {("all", f) for f in every}
    assert names == {f"{folder}/{file}.parquet" for folder, file in expected}
    assert "holds nothing" in summary["categories"]["theft"]["change"]["not_applicable"]
    assert all((settings.root / path).exists() for path in summary["outputs"])
    for name in ("theft", "all"):
        folder = city.layout.patterns / name
        density, facts = read_surface(folder / "density.parquet", city.area)
        assert {"as_of", "window", "category", "parameters", "run_date", "sentence", "city"} <= set(facts)
        assert density.grid.area_km2 @ density.values == pytest.approx(facts["incidents"])  # noqa: PD011
        gi_star, _ = read_surface(folder / "gi_star.parquet", city.area)
        assert (gi_star.q_values <= 0.05).sum() == summary["categories"][name]["gi_star"]["hot_cells"]
        assert gi_star.times_expected is not None
        clusters, facts = read_layer(folder / "dbscan.parquet")
        members, _ = read_layer(folder / "dbscan_members.parquet")
        assert len(clusters) == summary["categories"][name]["dbscan"]["clusters"]
        assert members.groupby("cluster").size().tolist() == clusters["incidents"].tolist()
        assert members["id"].is_unique
        assert len(members) == facts["parameters"]["clustered"]


def test_the_window_counts_only_its_own_days(settings, summary) -> None:
    city = City(settings)
    recent = find_patterns(
        settings.model_copy(update={"patterns": settings.patterns.model_copy(update={"window_days": 60})})
    )
    assert recent["categories"]["theft"]["incidents"] < summary["categories"]["theft"]["incidents"]
    table = city.incidents.of("theft").table
    end = city.archive.end
    inside = (table["occurred_from"] >= end - np.timedelta64(60, "D")).sum()
    assert recent["categories"]["theft"]["incidents"] == pytest.approx(inside, abs=2)
    find_patterns(settings)


def test_unknown_categories_and_methods_are_refused(settings) -> None:
    unknown = settings.patterns.model_copy(update={"categories": ("arson",)})
    with pytest.raises(ConfigError, match="arson"):
        find_patterns(settings.model_copy(update={"patterns": unknown}))
    city = City(settings)
    with pytest.raises(PatternError, match="'gi_star' or 'density'"):
        hot_spots(city.incidents, city.grid, method="heat")


def test_the_python_api_gives_frames(settings) -> None:
    city = City(settings)
    thefts = city.incidents.of("theft")
    tested = hot_spots(thefts, city.grid).to_geodataframe()
    assert isinstance(tested, gpd.GeoDataFrame)
    assert {"value", "p_value", "q_value", "times_expected"} <= set(tested.columns)
    assert hot_spots(thefts, city.grid, method="density").parameters["bandwidth_m"] == 800
    assert len(find_clusters(thefts, radius_m=150, min_incidents=10).summary) >= 1


@pytest.mark.usefixtures("summary")
def test_figures_are_drawn_and_the_missing_ones_named(settings) -> None:
    drawn = visualize(settings)
    names = {path.rsplit("/", 1)[1] for path in drawn["outputs"]}
    assert {"trend.png", "density_theft.png", "gi_star_all.png", "hours_burglary.png", "seasons_all.png"} <= names
    assert "run `crimepatterns evaluate` first" in drawn["not_drawn"]["scoreboard_theft"]
    assert "forecast_theft" in drawn["not_drawn"]
    for path in drawn["outputs"]:
        picture = imread(settings.root / path)
        assert min(picture.shape[:2]) > 400
        assert picture[..., :3].std() > 0.02
    json.dumps(drawn)


def test_one_method_of_one_category_as_of_a_day_in_other_forms(settings) -> None:
    chosen = {"methods": ["gi_star", "near_repeat", "usual"], "categories": ["theft"], "as_of": "2025-07-01"}
    changed = load_settings(
        overrides={**OVERRIDES, "context": [], "root": str(settings.root),
                   "patterns": {**OVERRIDES["patterns"], **chosen, "export": ["geojson", "gpkg", "csv"]}}
    )  # fmt: skip
    summary = find_patterns(changed)
    assert set(summary["categories"]["theft"]) == {"incidents", "gi_star", "near_repeat", "usual"}
    assert summary["as_of"] <= "2025-07-01T00:00:00-06:00"
    folder = City(changed).layout.patterns / "theft"
    layer, facts = read_layer(folder / "gi_star.parquet")
    document = json.loads((folder / "gi_star.geojson").read_text(encoding="utf-8"))
    assert len(document["features"]) == len(layer)
    assert document["crimepatterns"]["parameters"]["fdr"] == facts["parameters"]["fdr"]
    assert {"run_date", "as_of"} <= set(document["crimepatterns"])
    package = gpd.read_file(folder / "gi_star.gpkg")
    assert package.crs == layer.crs
    assert package["value"].tolist() == pytest.approx(layer["value"].tolist())
    told = json.loads(read_info(folder / "gi_star.gpkg")["layer_metadata"]["crimepatterns"])
    assert told["run_date"] == facts["run_date"]
    table, facts = read_table(folder / "usual.parquet")
    assert list(table["period"].unique()) == ["7 days", "28 days", "year to date", "1 day"]
    assert not (folder / "usual.geojson").exists()
    assert (folder / "usual.csv").read_text(encoding="utf-8").startswith("period,area,count")
    members, _ = read_table(folder / "near_repeat_members.parquet")
    assert members["occurred_from"].max() < pd.Timestamp("2025-07-01", tz=City(changed).area.timezone)
    find_patterns(settings)


def test_the_answer_of_a_single_method_is_the_summary(settings) -> None:
    asked = {"methods": ["rhythms", "smoothed_rates"], "categories": ["theft"]}
    summary = find_patterns(
        load_settings(overrides={**OVERRIDES, "context": [], "root": str(settings.root), "patterns": asked})
    )
    assert "theft: Busiest shift per hour: " in summary["sentence"]
    assert "No denominator: set patterns.denominator" in summary["sentence"]
    assert not summary["sentence"].endswith("..")
    find_patterns(settings)


def test_a_day_before_the_record_is_refused(settings) -> None:
    early = {**OVERRIDES, "context": [], "root": str(settings.root), "patterns": {"as_of": "1999-01-01"}}
    with pytest.raises(ConfigError, match="before the first incident"):
        find_patterns(load_settings(overrides=early))
    with pytest.raises(ConfigError, match="as_of"):
        load_settings(overrides={"patterns": {"as_of": "soon"}})


def test_methods_on_request_with_their_pictures(tmp_path) -> None:
    homes = {"name": "homes", "kind": "table", "paths": ["embedded:homes"], "key": "neighbourhood",
             "known_from": "counted", "columns": ["homes"], "how": ["total"]}  # fmt: skip
    asked = ("density_ratio", "smoothed_rates", "similarity", "network", "season_trend", "rhythms", "gi_star")
    patterns = {
        **OVERRIDES["patterns"], "methods": list(asked), "categories": ["theft"], "filter": ["outdoor"],
        "denominator": "homes_homes_total", "second_null": "denominator", "season_step": "day", "replicates": 19,
    }  # fmt: skip
    settings = load_settings(
        overrides={**OVERRIDES, "context": [homes], "root": str(tmp_path), "patterns": patterns,
                   "source": {"incidents": 5000, "years": 2}}
    )  # fmt: skip
    for stage in (ingest, clean, build_context):
        stage(settings)
    summary = find_patterns(settings)
    found = summary["categories"]["theft"]
    assert set(found) == {"incidents", *asked}
    assert not [name for name in asked if "not_applicable" in found[name]]
    assert "incidents are outdoor" in summary["filter"][0]
    _, facts = read_layer(City(settings).layout.patterns / "theft" / "network.parquet")
    assert facts["filter"] == ["outdoor"]
    drawn = {path.rsplit("/", 1)[1] for path in visualize(settings)["outputs"]}
    kinds = ("density_ratio", "smoothed_rates", "similarity", "network", "street_density", "season_trend", "shifts",
             "gi_star_given")  # fmt: skip
    assert {f"{kind}_theft.png" for kind in kinds} <= drawn
