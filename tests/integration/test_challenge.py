"""`forecast --rules nij` and `grid`: valid files, whose bytes nothing that came later can change."""

import json
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from typer.testing import CliRunner

from crimepatterns.challenge import draw_maps
from crimepatterns.choosing_grid import choose_grid
from crimepatterns.cli import app
from crimepatterns.config import Settings, load_settings
from crimepatterns.data_processing import clean, ingest
from crimepatterns.decisions.challenge_rules import NIJ
from crimepatterns.errors import ConfigError, DomainError
from crimepatterns.map_scoring import score_file

pytestmark = pytest.mark.slow

CORNER, SIDE_FT = np.array([7_640_000.0, 680_000.0]), 10_000.0
CUTOFF = "2017-01-01"
FEW = {
    "shifts": 2,
    "rotations_deg": [0, 45],
    "half_lives_days": [None, 365],
    "touching": [0.0, 0.1],
    "origins": 12,
    "challenge_cells_ft": [250],
}


def incidents(future: int) -> pd.DataFrame:
    """Three years at forty places and elsewhere; after the cutoff whatever `future` draws."""
    rng = np.random.default_rng(5)
    places = rng.uniform(0, SIDE_FT, size=(40, 2))
    xy = np.vstack([places[rng.choice(40, 1_500, p=rng.dirichlet(np.ones(40)))], rng.uniform(0, SIDE_FT, (700, 2))])
    day = pd.Timestamp("2014-01-01") + pd.to_timedelta(rng.integers(0, 1_096, len(xy)), unit="D")
    told = pd.DataFrame({"day": day, "x": CORNER[0] + xy[:, 0], "y": CORNER[1] + xy[:, 1]})
    told = told[told["day"] < CUTOFF]
    later = np.random.default_rng(future)
    more = pd.DataFrame(
        {"day": pd.Timestamp(CUTOFF) + pd.to_timedelta(later.integers(0, 60, 300), unit="D"),
         "x": CORNER[0] + later.uniform(0, SIDE_FT, 300), "y": CORNER[1] + later.uniform(0, SIDE_FT, 300)}
    )  # fmt: skip
    return pd.concat([told, more]).assign(kind="theft").round({"x": 1, "y": 1})


def city(folder: Path, future: int) -> Settings:
    """Make a cleaned city."""
    folder.mkdir()
    incidents(future).to_csv(folder / "incidents.csv", index=False)
    area = gpd.GeoDataFrame({"name": ["all"]}, geometry=[shapely.box(*CORNER, *(CORNER + SIDE_FT))], crs="EPSG:2913")
    area.to_file(folder / "area.gpkg")
    settings = load_settings(
        overrides={
            "city": "square", "title": "Square", "timezone": "America/Los_Angeles", "crs": "EPSG:32610",
            "root": str(folder), "workers": 1, "source": {"kind": "file", "paths": [str(folder / "incidents.csv")]},
            "columns": {"occurred_from": "day", "category": "kind", "x": "x", "y": "y"},
            "cleaning": {"coordinates_crs": "EPSG:2913", "time_precision": "date", "drop_duplicates": False},
            "study_area": {"boundary": str(folder / "area.gpkg")}, "grid_choice": FEW, "context": [],
        }
    )  # fmt: skip
    ingest(settings)
    clean(settings)
    return settings


@pytest.fixture(scope="module")
def one_city(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return city(tmp_path_factory.mktemp("challenge") / "one", 1)


def test_every_map_is_valid_and_later_events_change_no_byte(one_city: Settings, tmp_path: Path) -> None:
    drawn = draw_maps(one_city, as_of=CUTOFF)
    other = city(tmp_path / "other", 2)
    draw_maps(other, as_of=CUTOFF)
    assert len(drawn["maps"]) == 5 * 2
    for name in drawn["outputs"]:
        assert (one_city.root / name).read_bytes() == (other.root / name).read_bytes(), name
    for one in drawn["maps"]:
        cells = gpd.read_file(one_city.root / "results/square/challenge/nij" / one["file"])
        assert NIJ.broken_by(cells, crs="EPSG:2913") == one["broken_rules"] == []
        assert shapely.area(cells.geometry[cells["hotspot"] == 1]).sum() == pytest.approx(
            one["area_mi2"] * 5_280**2, rel=0.02
        )
    assert "10 maps from 2017-01-01, all valid." in drawn["sentences"]


def test_an_earlier_event_does_change_them(one_city: Settings) -> None:
    first = draw_maps(one_city, as_of=CUTOFF)["outputs"][0]
    before = (one_city.root / first).read_bytes()
    draw_maps(one_city, as_of="2016-12-01")
    assert (one_city.root / first).read_bytes() != before


def test_a_map_of_ours_is_scored_like_a_stranger(one_city: Settings) -> None:
    draw_maps(one_city, as_of=CUTOFF)
    path = one_city.root / "results/square/challenge/nij/theft_1m_0.25.gpkg"
    scored = score_file(
        one_city, one_city.root / "incidents.csv", forecast=path, start="2016-01-01", until="2017-01-01"
    )
    # Places stay, and the year was seen: far above chance.
    assert scored["pai"][1] > 3
    assert scored["study_area_km2"] == pytest.approx((SIDE_FT * 0.3048) ** 2 / 1e6, rel=1e-6)


def test_compact_maps_have_patches(one_city: Settings) -> None:
    settings = one_city.model_copy(
        update={"grid_choice": one_city.grid_choice.model_copy(update={"compactness": 1.0, "least_patch_cells": 2})}
    )
    drawn = draw_maps(settings, as_of=CUTOFF)
    cells = gpd.read_file(one_city.root / "results/square/challenge/nij" / drawn["maps"][0]["file"])
    hot = cells.loc[cells["hotspot"] == 1].geometry.buffer(1.0)
    touching = [int((shapely.area(shapely.intersection(one, hot.to_numpy())) > 100).sum()) - 1 for one in hot]
    assert np.mean(np.array(touching) > 0) > 0.95
    assert drawn["maps"][0]["patches"] <= len(hot) / 2
    assert drawn["maps"][0]["area_to_perimeter_km"] > 0.25 * 250 * 0.3048 / 1e3
    assert drawn["maps"][0]["broken_rules"] == []


def test_what_cannot_be_drawn_says_why(one_city: Settings) -> None:
    with pytest.raises(ConfigError, match="--as-of must lie within"):
        draw_maps(one_city, as_of="2011-01-01")
    with pytest.raises(ConfigError, match="--as-of needs a day"):
        draw_maps(one_city, as_of="soon")
    with pytest.raises(DomainError, match="needs a year of records"):
        draw_maps(one_city, as_of="2015-01-15")
    small = one_city.grid_choice.model_copy(update={"challenge_cells_ft": (200.0,)})
    with pytest.raises(ConfigError, match="break the rules of nij"):
        draw_maps(one_city.model_copy(update={"grid_choice": small}), as_of=CUTOFF)


def test_the_grid_command_says_what_was_chosen_and_by_how_much(one_city: Settings) -> None:
    found = choose_grid(one_city)
    assert found["grid"]["cell_size_m"] in one_city.grid_choice.cell_sizes_m
    assert found["gain"]["lower"] <= found["gain"]["relative"] <= found["gain"]["upper"]
    tried = pd.read_csv(one_city.root / "results/square/grid_choice/tried.csv")
    assert len(tried) == found["tried"] == 5 * 2 * 4 * 4
    assert "plain counts on the default grid of 250 m" in " ".join(found["sentences"])
    with pytest.raises(ConfigError, match="do not occur"):
        choose_grid(one_city, categories=("arson",))


def test_the_commands_print_json(one_city: Settings, tmp_path: Path) -> None:
    (tmp_path / "square.yaml").write_text(json.dumps(one_city.model_dump(mode="json", exclude={"title"})))
    command = ["forecast", "--rules", "nij", "--as-of", CUTOFF, "--json", "--config", str(tmp_path / "square.yaml")]
    said = CliRunner().invoke(app, [*command, "--set", "title=Square"])
    assert said.exit_code == 0, said.output
    assert json.loads(said.stdout)["rules"] == "nij"
