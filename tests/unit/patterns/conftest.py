"""Small areas and incidents that the tests of patterns and figures share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

from crimepatterns.city import City
from crimepatterns.config import load_settings
from crimepatterns.domain.area import StudyArea, empty_neighbourhoods
from crimepatterns.domain.covariates import ALWAYS, Covariate
from crimepatterns.domain.grid import Grid
from crimepatterns.domain.incidents import Incidents
from crimepatterns.pattern_methods import PatternWork

CRS = "EPSG:32616"
NO_SPAN = pd.Timedelta(0)
Maker = Callable[..., Incidents]


@pytest.fixture(scope="session")
def plain_area() -> StudyArea:
    """Five by five kilometres in two named halves."""
    halves = gpd.GeoDataFrame(
        {"name": ["West End", "East End"]},
        geometry=[shapely.box(0, 0, 2500, 5000), shapely.box(2500, 0, 5000, 5000)],
        crs=CRS,
    )
    return StudyArea("Plainville", shapely.box(0, 0, 5000, 5000), CRS, "America/Chicago", halves)


@pytest.fixture(scope="session")
def ragged_area() -> StudyArea:
    """An L-shaped area whose edge cuts cells."""
    shape = shapely.Polygon([(0, 0), (4030, 0), (4030, 1810), (1770, 1900), (1690, 4020), (0, 3980)])
    return StudyArea("Ragged", shape, CRS, "America/Chicago", empty_neighbourhoods(CRS))


@pytest.fixture(scope="session")
def make_incidents() -> Maker:
    """Build incidents from coordinates; times, categories and precision may be given."""

    def make(
        area: StudyArea,
        x: object,
        y: object,
        *,
        times: object = "2024-03-01 12:00",
        category: object = "theft",
        precision: str = "minute",
        span: pd.Timedelta = NO_SPAN,
    ) -> Incidents:
        x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
        stamps = pd.DatetimeIndex([times] * len(x) if isinstance(times, str) else times).as_unit("us")
        begin = pd.Series(stamps.tz_localize(area.timezone), dtype=f"datetime64[us, {area.timezone}]")
        table = pd.DataFrame(
            {
                "id": [f"i{i}" for i in range(len(x))],
                "occurred_from": begin,
                "occurred_until": begin + span,
                "known_at": begin + span,
                "time_precision": precision,
                "category": category,
                "offence": category,
                "discovery": "reported",
                "source": "test",
                "x": x,
                "y": y,
            }
        )
        return Incidents(table, area)

    return make


@pytest.fixture(scope="session")
def streets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of street lines 500 m apart."""
    marks = np.arange(0.0, 5001.0, 500.0)
    lines = [shapely.LineString([(at, 0), (at, 5000)]) for at in marks]
    lines += [shapely.LineString([(0, at), (5000, at)]) for at in marks]
    path = tmp_path_factory.mktemp("streets") / "streets.gpkg"
    gpd.GeoDataFrame({"name": [f"S{k}" for k in range(len(lines))]}, geometry=lines, crs=CRS).to_file(path)
    return path


@pytest.fixture
def opened(tmp_path: Path, streets: Path) -> Callable[..., PatternWork]:
    """Open a city that is held in memory: its area, grid and incidents are put where they would be read into."""

    def open_city(incidents: Incidents, grid: Grid, **patterns: Any) -> PatternWork:
        asked = {
            "streets": str(streets), "streets_id": "name", "denominator": "homes_total", "season_step": "week",
            "replicates": 19, "density_cell_m": 250, "bandwidth_m": 500, "dbscan_min_incidents": 5, **patterns,
        }  # fmt: skip
        settings = load_settings(
            overrides={"context": [], "root": str(tmp_path), "execution": {"kind": "serial"}, "patterns": asked}
        )
        homes = Covariate("homes_total", "per cell", pd.DatetimeIndex([ALWAYS]), np.full((1, len(grid)), 50.0, "f4"))
        city = City(settings)
        vars(city).update(area=incidents.area, incidents=incidents, grid=grid, context={"homes": (homes,)})
        return PatternWork(city)

    return open_city
