"""Small areas and incidents that the tests of patterns and figures share."""

from collections.abc import Callable

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

from crimepatterns.domain.area import StudyArea, empty_neighbourhoods
from crimepatterns.domain.incidents import Incidents

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
