"""A small town with four quarters, two categories and a planted hot corner."""

from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from scipy import stats

from crimepatterns.domain.area import StudyArea
from crimepatterns.domain.forecast import Forecast
from crimepatterns.domain.grid import Grid
from crimepatterns.domain.history import Archive
from crimepatterns.domain.incidents import Incidents

ZONE = "Europe/Berlin"


def make_archive(*, weeks=40, per_week=60, seed=1):
    rng = np.random.default_rng(seed)
    names = ["NW", "NE", "SW", "SE"]
    boxes = [shapely.box(x, y, x + 1000, y + 1000) for y in (1000, 0) for x in (0, 1000)]
    quarters = gpd.GeoDataFrame({"name": names}, geometry=boxes, crs="EPSG:32632")
    area = StudyArea("Town", shapely.box(0, 0, 2000, 2000), "EPSG:32632", ZONE, quarters)
    count = weeks * per_week
    hot = rng.random(count) < 0.5
    x = np.where(hot, rng.uniform(100, 500, count), rng.uniform(0, 2000, count))
    y = np.where(hot, rng.uniform(100, 500, count), rng.uniform(0, 2000, count))
    start = pd.Timestamp("2023-01-02", tz="UTC")
    seconds = np.sort(rng.uniform(0, weeks * 7 * 86_400 - 7200, count))
    moments = (start + pd.to_timedelta(seconds, unit="s")).tz_convert(ZONE).as_unit("us")
    table = pd.DataFrame(
        {
            "id": [f"i{n}" for n in range(count)],
            "occurred_from": moments,
            "occurred_until": moments,
            "known_at": moments,
            "time_precision": "minute",
            "category": pd.Categorical(np.where(rng.random(count) < 0.6, "theft", "burglary")),
            "offence": "",
            "discovery": "reported",
            "source": "test",
            "x": x,
            "y": y,
        }
    )
    incidents = Incidents(table, area)
    return Archive(incidents, Grid.square(area, cell_size_m=200), 7)


@dataclass(frozen=True)
class MeanCount:
    """The mean of the last periods plus a pinch; real, tiny, and a protocol forecaster."""

    name: ClassVar[str] = "mean_count"
    periods: int | None = None
    pinch: float = 0.0
    noise: float = 0.0

    def fit(self, history, *, rng):
        scale = np.exp(self.noise * rng.standard_normal(len(history.grid)))
        return FittedMeanCount(self.periods, self.pinch, scale, history.cutoff)


@dataclass(frozen=True)
class FittedMeanCount:
    periods: int | None
    pinch: float
    scale: np.ndarray
    fitted_at: pd.Timestamp

    def predict(self, history, periods):
        counts = history.counts if self.periods is None else history.counts[:, -self.periods :]
        mean = np.repeat(((counts.mean(axis=1) + self.pinch) * self.scale)[:, None], len(periods), axis=1)
        quantiles = {level: stats.poisson.ppf(level, mean) for level in (0.05, 0.95)}
        return Forecast(
            history.grid,
            periods,
            history.target,
            "mean_count",
            history.cutoff,
            mean,
            MappingProxyType(quantiles),
            MappingProxyType({"fitted_at": str(self.fitted_at)}),
        )


@pytest.fixture(scope="session")
def archive():
    return make_archive()


@pytest.fixture(scope="session")
def forecasters():
    return {
        "count": MeanCount(),
        "count_eb": MeanCount(pinch=0.02),
        "noisy": MeanCount(pinch=0.02, noise=1.5),
    }
