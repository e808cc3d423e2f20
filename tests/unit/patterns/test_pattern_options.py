"""What the settings of patterns ask for is what the files hold: bandwidths, weights, denominators, nulls, streets."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from crimepatterns.config import load_settings
from crimepatterns.domain.area import StudyArea
from crimepatterns.domain.grid import Grid
from crimepatterns.domain.incidents import Incidents
from crimepatterns.errors import ConfigError, NotApplicableError
from crimepatterns.pattern_methods import METHODS
from crimepatterns.store.layers import read_layer, read_surface, read_table

FACTS = {"category": "theft", "window": "a window", "run_date": "2025-01-01", "as_of": "2025-01-01"}


@pytest.fixture(scope="module")
def thefts(plain_area: StudyArea, make_incidents: Any) -> Incidents:
    """Two years of thefts around a centre, in the evening; in the second year also in a corner."""
    rng = np.random.default_rng(8)
    near = rng.normal(2500, 500, (600, 2))
    corner = rng.normal(700, 120, (90, 2))
    day = np.concatenate([rng.integers(0, 720, 600), rng.integers(380, 720, 90)])
    xy = np.clip(np.concatenate([near, corner]), 0, 4999)
    times = pd.Timestamp("2023-01-02 21:00") + pd.to_timedelta(day, unit="D")
    return make_incidents(plain_area, xy[:, 0], xy[:, 1], times=times, span=pd.Timedelta(hours=2))


@pytest.fixture(scope="module")
def grid(plain_area: StudyArea) -> Grid:
    return Grid.square(plain_area, cell_size_m=250)


def applied(work: Any, method: str, folder: Path) -> dict[str, Any]:
    return METHODS[method](work, work.incidents("theft"), FACTS, folder)


def test_the_density_is_that_of_the_settings(opened: Any, thefts: Incidents, grid: Grid, tmp_path: Path) -> None:
    work = opened(thefts, grid, kernel="quartic", adaptive=True, edge_correction=False, weights=["hours"],
                  hours="22:00-06:00")  # fmt: skip
    summary = applied(work, "density", tmp_path)
    surface, facts = read_surface(tmp_path / "density.parquet", thefts.area)
    assert surface.parameters["kernel"] == "quartic"
    assert surface.parameters["adaptive"]
    assert not surface.parameters["edge_correction"]
    assert surface.unit == "weighted incidents per km2"
    chosen = work.incidents("theft")
    # From nine to eleven: half of each lies after ten.
    assert f"{len(chosen) / 2:,.1f} of {len(chosen):,} incidents fall into 22:00-06:00." in summary["sentence"]
    assert surface.times_expected is None
    assert float(surface.grid.area_km2 @ surface.to_geodataframe()["value"]) == pytest.approx(len(chosen) / 2, rel=0.02)
    assert facts["hours"] == "22:00-06:00"
    with pytest.raises(NotApplicableError, match=r"No incident has a weight above 0\. 0\.0 of"):
        applied(opened(thefts, grid, weights=["hours"], hours="03:00-04:00"), "density", tmp_path)
    with pytest.raises(ConfigError, match=r"no table of it: set taxonomy\.harm"):
        applied(opened(thefts, grid, weights=["harm"]), "density", tmp_path)


def test_harm_weighs_by_the_table(opened: Any, thefts: Incidents, grid: Grid, tmp_path: Path) -> None:
    (tmp_path / "harm.csv").write_text("category,days\ntheft,20\n", encoding="utf-8")
    work = opened(thefts, grid, weights=["harm"])
    taxonomy = work.city.settings.taxonomy.model_copy(update={"harm": str(tmp_path / "harm.csv")})
    vars(work.city)["settings"] = work.city.settings.model_copy(update={"taxonomy": taxonomy})
    applied(work, "density", tmp_path / "harm")
    surface, _ = read_surface(tmp_path / "harm" / "density.parquet", thefts.area)
    total = float(surface.grid.area_km2 @ surface.to_geodataframe()["value"])
    assert total == pytest.approx(20 * len(work.incidents("theft")), rel=1e-6)


def test_later_incidents_choose_the_bandwidth(opened: Any, thefts: Incidents, grid: Grid, tmp_path: Path) -> None:
    summary = applied(opened(thefts, grid, bandwidth_m="auto"), "density", tmp_path)
    assert 250 <= summary["bandwidth_m"] <= 4000
    assert "describes the incidents of the following 28 days best" in summary["sentence"]
    few = Incidents(thefts.table.head(1), thefts.area)
    with pytest.raises(NotApplicableError, match=r"Or set patterns\.bandwidth_m to metres"):
        applied(opened(few, grid, bandwidth_m="auto"), "density", tmp_path)


def test_a_ratio_is_beside_homes_or_beside_the_days_before(
    opened: Any, thefts: Incidents, grid: Grid, tmp_path: Path
) -> None:
    summary = applied(opened(thefts, grid), "density_ratio", tmp_path / "homes")
    assert summary["against"] == "homes"
    assert summary["cells"] > 0
    summary = applied(opened(thefts, grid, denominator=None), "density_ratio", tmp_path / "before")
    surface, facts = read_surface(tmp_path / "before" / "density_ratio.parquet", thefts.area)
    assert facts["against"] == "the 365 days before"
    assert surface.parameters["replicates"] == 19
    shown = surface.q_values <= 0.05
    assert shown.any()
    more = shown & (surface.times_expected > 1)
    assert (surface.grid.centres[more] < 1700).all()
    with pytest.raises(NotApplicableError, match="one weight each"):
        weighed = opened(thefts, grid, denominator=None, weights=["hours"], hours="20:00-06:00")
        applied(weighed, "density_ratio", tmp_path)


def test_denominators_are_named_and_known(opened: Any, thefts: Incidents, grid: Grid, tmp_path: Path) -> None:
    applied(opened(thefts, grid), "smoothed_rates", tmp_path)
    surface, facts = read_surface(tmp_path / "smoothed_rates.parquet", thefts.area)
    assert surface.unit == "incidents per 1,000 homes"
    assert facts["parameters"]["denominator_total"] == 50 * len(grid)
    with pytest.raises(NotApplicableError, match="No denominator"):
        applied(opened(thefts, grid, denominator=None), "smoothed_rates", tmp_path)
    with pytest.raises(ConfigError, match=r"'cars_total' is no column.*\['homes_total'\]"):
        applied(opened(thefts, grid, denominator="cars_total"), "smoothed_rates", tmp_path)


def test_a_second_null_finds_what_the_record_does_not_explain(
    opened: Any, thefts: Incidents, grid: Grid, tmp_path: Path
) -> None:
    summary = applied(opened(thefts, grid, second_null="record"), "gi_star", tmp_path)
    given, facts = read_surface(tmp_path / "gi_star_given.parquet", thefts.area)
    assert "incidents on record before" in facts["given"]
    assert 0 < summary["hot_cells_given"] < summary["hot_cells"]
    assert (grid.centres[given.q_values <= 0.05] < 1600).all()
    summary = applied(opened(thefts, grid, second_null="denominator"), "local_moran", tmp_path)
    layer, facts = read_layer(tmp_path / "local_moran_given_kinds.parquet")
    assert facts["given"] == "homes"
    assert "the expected counts" in facts["null"]
    assert (layer["kind"] != "").sum() == summary["discoveries_given"]
    short = Incidents(
        thefts.table.loc[thefts.table["occurred_from"].dt.year == 2024].reset_index(drop=True), thefts.area
    )
    with pytest.raises(NotApplicableError, match="nothing before"):
        applied(opened(short, grid, second_null="record"), "gi_star", tmp_path)


def test_streets_shares_seasons_and_shifts_are_written(
    opened: Any, thefts: Incidents, grid: Grid, tmp_path: Path
) -> None:
    work = opened(thefts, grid, snap_m=120, season_step="day", shifts=["06:00", "18:00"])
    summary = applied(work, "network", tmp_path)
    layer, facts = read_layer(tmp_path / "network.parquet")
    held, found = int(layer["incidents"].sum()), len(work.incidents("theft"))
    assert held + summary["refused"] == found
    assert (layer["q_value"] <= 0.05).sum() == summary["hot_segments"]
    assert (layer["density_per_km"] * layer["length_m"]).sum() / 1e3 == pytest.approx(held)
    assert layer["length_m"].max() <= 100 + 1e-6
    assert set(layer["street_id"]) == {f"S{k}" for k in range(22)}
    assert facts["parameters"]["street_km"] == pytest.approx(110)
    applied(work, "similarity", tmp_path)
    shares, facts = read_layer(tmp_path / "similarity.parquet")
    # Two neighbourhoods are too few: cells are compared.
    assert len(shares) == len(grid)
    assert 0 <= facts["parameters"]["s_robust"] <= facts["parameters"]["s"] <= 1
    assert shares["incidents"].sum() == found
    rose = shares["share"] > shares["before_share"]
    assert rose[shares["kind"] == "larger share than before"].all()
    assert not rose[shares["kind"] == "smaller share than before"].any()
    applied(work, "season_trend", tmp_path)
    course, facts = read_table(tmp_path / "season_trend.parquet")
    assert course["count"].sum() == len(thefts)
    assert facts["parameters"]["step"] == "day"
    applied(work, "rhythms", tmp_path)
    shifts, _ = read_table(tmp_path / "rhythms_shifts.parquet")
    hours, _ = read_table(tmp_path / "rhythms_hours.parquet")
    assert shifts.groupby("shift")["incidents"].sum().to_dict() == {"06:00-18:00": 0.0, "18:00-06:00": float(found)}
    assert hours.groupby("hour")["incidents"].sum()[[21, 22]].tolist() == pytest.approx([found / 2] * 2)


def test_streets_that_cannot_be_had_are_told(opened: Any, thefts: Incidents, grid: Grid, tmp_path: Path) -> None:
    with pytest.raises(NotApplicableError, match=r"set patterns\.streets"):
        applied(opened(thefts, grid, streets=None), "network", tmp_path)
    with pytest.raises(NotApplicableError, match="raise max_snap_m"):
        applied(opened(Incidents(thefts.table.head(2), thefts.area), grid, snap_m=0.001), "network", tmp_path)
    source = {"kind": "file", "paths": ["a.csv"]}
    work = opened(thefts, grid, streets="embedded:streets")
    foreign = work.city.settings.source.model_copy(update=source)
    vars(work.city)["settings"] = work.city.settings.model_copy(update={"source": foreign})
    with pytest.raises(ConfigError, match="belongs to the embedded city"):
        applied(work, "network", tmp_path)


@pytest.mark.parametrize(
    ("patterns", "message"),
    [
        ({"filter": ["indoor"], "premise_column": None}, "needs premise_column"),
        ({"filter": ["indoor"], "premise_column": "Premise", "indoor": ["Home"], "outdoor": []}, "values of both"),
        ({"filter": ["domestic"]}, "needs domestic_column"),
        ({"weights": ["hours"]}, "needs hours"),
        ({"weights": ["hours"], "hours": "22-6"}, "hours"),
        ({"second_null": "denominator"}, "needs denominator"),
        ({"bandwidth_m": "wide"}, "bandwidth_m"),
        ({"bandwidth_m": -5}, "bandwidth_m"),
        ({"shifts": []}, "shifts"),
    ],
)
def test_settings_that_do_not_fit_together_are_refused(patterns: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_settings(overrides={"patterns": patterns})
