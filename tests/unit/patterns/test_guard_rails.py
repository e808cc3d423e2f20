"""What breaks other programs, for every registered method: a clear message or a correct result, never a traceback."""

import json
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

from crimepatterns.domain.area import StudyArea, empty_neighbourhoods
from crimepatterns.domain.grid import Grid
from crimepatterns.domain.incidents import Incidents
from crimepatterns.errors import NotApplicableError, PatternError
from crimepatterns.pattern_methods import METHODS, PatternWork
from crimepatterns.store.layers import read_table

CRS = "EPSG:32616"
FACTS = {"category": "theft", "window": "a window", "run_date": "2025-01-01", "as_of": "2025-01-01"}
EACH = pytest.mark.parametrize("method", sorted(METHODS))


def outcome(work: PatternWork, method: str, folder: Path) -> dict[str, Any] | str:
    """Apply one method as the stage does, check every file, and return the summary or the message."""
    chosen = work.incidents("theft")
    try:
        summary = METHODS[method](work, chosen, FACTS, folder)
    except (PatternError, NotApplicableError) as error:
        message = str(error)
        assert len(message) > 25, message
        assert message.endswith((".", "?")), message
        return message
    assert summary["sentence"].endswith("."), summary["sentence"]
    json.dumps(summary)
    for path in folder.glob("*.parquet"):
        table, facts = read_table(path)
        assert facts["sentence"]
        for name in table.columns.intersection(["p_value", "q_value"]):
            # A candidate or period without anything to compare with has no p-value.
            assert table[name].dropna().between(0, 1).all(), (path.name, name)
        # Cells without anybody have no rate; where no follower is shown there is no half-life.
        if "value" in table and method not in {"smoothed_rates", "self_exciting"}:
            assert np.isfinite(table["value"]).all(), path.name
    return summary


def days(count: int, *, over: int = 700) -> pd.DatetimeIndex:
    """Spread so many noons over so many days before 2025."""
    step = np.sort(np.random.default_rng(count).integers(0, over, count))
    return pd.Timestamp("2023-02-01 12:00") + pd.to_timedelta(step, unit="D")


@EACH
def test_one_point(method: str, opened: Any, plain_area: StudyArea, make_incidents: Any, tmp_path: Path) -> None:
    one = make_incidents(plain_area, [2510.0], [2510.0])
    found = outcome(opened(one, Grid.square(plain_area, cell_size_m=250)), method, tmp_path / "one")
    if isinstance(found, dict):
        assert "nan" not in found["sentence"], found["sentence"]
    if method == "gi_star":
        assert isinstance(found, dict)
        assert found["hot_cells"] == 0


@EACH
def test_all_points_equal(method: str, opened: Any, plain_area: StudyArea, make_incidents: Any, tmp_path: Path) -> None:
    same = make_incidents(plain_area, [2510.0] * 240, [2510.0] * 240, times=days(240))
    # Beside homes one address is a great excess; beside its own past it is none.
    against = {"denominator": None} if method == "density_ratio" else {}
    found = outcome(opened(same, Grid.square(plain_area, cell_size_m=250), **against), method, tmp_path / "equal")
    if isinstance(found, dict):
        assert "nan" not in found["sentence"], found["sentence"]
    if method in {"gi_star", "persistence"}:
        assert isinstance(found, dict)
        assert found.get("hot_cells", 9) == 9
        assert found.get("hot_spots", 1) == 1
    if method == "density_ratio":
        assert "Nowhere" in str(found)


@EACH
def test_islands_without_neighbours(
    method: str, opened: Any, plain_area: StudyArea, make_incidents: Any, tmp_path: Path
) -> None:
    """Three areas far from each other, one of them busy."""
    shapes = [shapely.box(0, 0, 900, 900), shapely.box(2000, 2000, 2900, 2900), shapely.box(4000, 4000, 4900, 4900)]
    islands = Grid.from_polygons(plain_area, gpd.GeoDataFrame(geometry=shapes, crs=CRS))
    rng = np.random.default_rng(1)
    x = np.concatenate([rng.uniform(0, 900, 20), rng.uniform(2000, 2900, 20), rng.uniform(4000, 4900, 200)])
    spread = make_incidents(plain_area, x, rng.permutation(x[:20]).tolist() + x[20:].tolist(), times=days(240))
    found = outcome(opened(spread, islands), method, tmp_path / "islands")
    if method == "gi_star":
        assert isinstance(found, dict)
        assert found["hot_cells"] == 1
    if method == "local_moran":
        assert isinstance(found, dict)
        assert found["discoveries"] == 0


@EACH
def test_incidents_outside_every_cell(
    method: str, opened: Any, plain_area: StudyArea, make_incidents: Any, tmp_path: Path
) -> None:
    """The cells hold nothing at all: an all-zero grid."""
    corner = Grid.from_polygons(
        plain_area, gpd.GeoDataFrame(geometry=[shapely.box(0, 0, 200, 200), shapely.box(200, 0, 400, 200)], crs=CRS)
    )
    rng = np.random.default_rng(2)
    away = make_incidents(plain_area, *rng.uniform(2000, 4000, (2, 120)), times=days(120))
    found = outcome(opened(away, corner), method, tmp_path / "outside")
    if method in {"gi_star", "concentration", "smoothed_rates", "emerging"}:
        assert isinstance(found, str)


@EACH
def test_most_incidents_at_one_address(
    method: str, opened: Any, plain_area: StudyArea, make_incidents: Any, tmp_path: Path
) -> None:
    rng = np.random.default_rng(3)
    x, y = rng.uniform(0, 5000, (2, 1500))
    x[:900], y[:900] = 1510.0, 1490.0
    order = rng.permutation(1500)
    piled = make_incidents(plain_area, x[order], y[order], times=days(1500))
    found = outcome(opened(piled, Grid.square(plain_area, cell_size_m=500)), method, tmp_path / "piled")
    if method == "repeat_places":
        assert "one place stands far above" in str(found)


@EACH
def test_a_bandwidth_below_the_cells(
    method: str, opened: Any, plain_area: StudyArea, make_incidents: Any, tmp_path: Path
) -> None:
    some = make_incidents(plain_area, *np.random.default_rng(4).uniform(0, 5000, (2, 90)), times=days(90))
    work = opened(some, Grid.square(plain_area, cell_size_m=500), bandwidth_m=100, street_reach_m=60, denominator=None)
    if method in {"density", "density_ratio", "network"}:
        with pytest.raises(PatternError, match="must be at least"):
            METHODS[method](work, work.incidents("theft"), FACTS, tmp_path / "narrow")
    else:
        outcome(work, method, tmp_path / "narrow")


def test_a_filter_that_leaves_nothing_says_so(opened: Any, plain_area: StudyArea, make_incidents: Any) -> None:
    made = make_incidents(plain_area, [100.0, 200.0], [100.0, 200.0])
    table = made.table.assign(premise=["Street", "Alley"], domestic=["Y", "maybe"])
    incidents, grid = Incidents(table, plain_area), Grid.square(plain_area, cell_size_m=500)
    premise = {"premise_column": "premise", "indoor": ["Home"], "outdoor": ["Street"]}
    with pytest.raises(PatternError, match=r"Nothing is left to analyse: 0 of 2 incidents are indoor"):
        _ = opened(incidents, grid, filter=["indoor"], **premise).known
    outdoors = opened(incidents, grid, filter=["outdoor"], **premise)
    assert len(outdoors.known) == 1
    assert outdoors.filter_notes == ("1 of 2 incidents are outdoor; 1 cannot be told and are left out.",)
    assert len(opened(incidents, grid, filter=["domestic"], domestic_column="domestic").known) == 1
    with pytest.raises(PatternError, match=r"no column 'where'.*\['premise', 'domestic'\]"):
        _ = opened(incidents, grid, filter=["outdoor"], **{**premise, "premise_column": "where"}).known
    with pytest.raises(PatternError, match="at least one incident"):
        _ = opened(Incidents(table.iloc[:0], plain_area), grid).window


@pytest.mark.slow
@pytest.mark.parametrize(
    "method", ["gi_star", "local_moran", "change", "emerging", "persistence", "concentration", "smoothed_rates"]
)
def test_a_hundred_thousand_areas(method: str, opened: Any, make_incidents: Any, tmp_path: Path) -> None:
    side = 32_000
    area = StudyArea("big", shapely.box(0, 0, side, side), CRS, "America/Chicago", empty_neighbourhoods(CRS))
    grid = Grid.square(area, cell_size_m=100)
    assert len(grid) == 102_400
    x, y = np.random.default_rng(5).uniform(0, side, (2, 20_000))
    x[:300], y[:300] = 5050.0, 5050.0
    order = np.random.default_rng(6).permutation(len(x))
    incidents = make_incidents(area, x[order], y[order], times=days(len(x)))
    found = outcome(opened(incidents, grid, second_null="record"), method, tmp_path / "big")
    assert isinstance(found, dict), found
    if method == "gi_star":
        assert found["hot_cells"] == 9
        assert found["hot_cells_given"] == 0
    if method == "persistence":
        assert found["hot_spots"] == 1
