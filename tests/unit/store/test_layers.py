from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

from crimepatterns.domain.area import StudyArea
from crimepatterns.domain.forecast import Forecast
from crimepatterns.domain.grid import Grid
from crimepatterns.domain.periods import Periods
from crimepatterns.domain.surface import Surface
from crimepatterns.errors import ArtefactError, MissingInputError
from crimepatterns.store.areas import read_study_area, write_study_area
from crimepatterns.store.layers import read_forecast, read_layer, read_surface, write_forecast, write_surface

CRS = "EPSG:32616"
NAMES = gpd.GeoDataFrame(
    {"name": ["west", "east"]}, geometry=[shapely.box(0, 0, 1500, 2000), shapely.box(1500, 0, 3000, 2000)], crs=CRS
)
AREA = StudyArea("Test", shapely.box(0, 0, 3000, 2000), CRS, "Europe/London", NAMES)
GRIDS = [
    Grid.square(AREA, cell_size_m=500, origin=(100.0, 50.0), rotation_deg=15),
    Grid.hexagon(AREA, cell_size_m=400),
    Grid.from_polygons(AREA, NAMES, id_column="name"),
]


def test_the_study_area_comes_back_as_it_was(tmp_path: Path) -> None:
    write_study_area(tmp_path / "area.parquet", AREA)
    back = read_study_area(tmp_path / "area.parquet")
    assert (back.name, back.crs, back.timezone) == (AREA.name, AREA.crs, AREA.timezone)
    assert back.polygon.equals(AREA.polygon)
    assert back.neighbourhoods["name"].tolist() == ["west", "east"]


@pytest.mark.parametrize("grid", GRIDS, ids=lambda grid: grid.kind)
def test_a_surface_comes_back_as_it_was(tmp_path: Path, grid: Grid) -> None:
    rng = np.random.default_rng(1)
    surface = Surface(grid, "gi_star", rng.normal(size=len(grid)), "z", rng.uniform(size=len(grid)), null="uniform")
    write_surface(tmp_path / "s.parquet", surface, {"as_of": "2020-01-01"})
    back, facts = read_surface(tmp_path / "s.parquet", AREA)
    assert np.array_equal(back.values, surface.values)
    assert back.p_values is not None
    assert np.array_equal(back.p_values, surface.p_values)
    assert back.q_values is None
    assert facts["as_of"] == "2020-01-01"
    points = rng.uniform((0, 0), (3000, 2000), (50, 2))
    for ours, theirs in zip(
        back.grid.assign(points[:, 0], points[:, 1]), grid.assign(points[:, 0], points[:, 1]), strict=True
    ):
        assert np.array_equal(ours, theirs)


@pytest.mark.parametrize("grid", GRIDS, ids=lambda grid: grid.kind)
def test_a_forecast_comes_back_as_it_was(tmp_path: Path, grid: Grid) -> None:
    periods = Periods.starting_at(pd.Timestamp("2020-03-27", tz="Europe/London"), days=1, count=3)
    mean = np.random.default_rng(2).gamma(1.0, size=(len(grid), 3))
    forecast = Forecast(grid, periods, "theft", "count", periods.start, mean, {0.05: mean * 0.1, 0.95: mean * 3})
    write_forecast(tmp_path / "f.parquet", forecast, {"run": "r1"})
    back, facts = read_forecast(tmp_path / "f.parquet", AREA)
    assert np.array_equal(back.mean, mean)
    assert np.array_equal(back.quantiles[0.95], mean * 3)
    assert back.periods.edges.equals(periods.edges)
    assert facts["run"] == "r1"


def test_missing_and_damaged_layers_are_named(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError):
        read_layer(tmp_path / "none.parquet")
    with pytest.raises(MissingInputError, match="clean"):
        read_study_area(tmp_path / "none.parquet")
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 nothing")
    with pytest.raises(ArtefactError, match="damaged"):
        read_layer(tmp_path / "bad.parquet")
    with pytest.raises(ArtefactError, match="damaged"):
        read_study_area(tmp_path / "bad.parquet")
