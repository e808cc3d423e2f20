from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import shapely

from crimepatterns.domain.area import StudyArea, empty_neighbourhoods
from crimepatterns.domain.explanation import GROUPS, Explanation
from crimepatterns.domain.forecast import Forecast
from crimepatterns.domain.grid import Grid
from crimepatterns.domain.periods import Periods
from crimepatterns.errors import ConfigError
from crimepatterns.store.explanations import cells_explained
from crimepatterns.store.layers import read_forecast, read_layer, write_forecast

CRS, ZONE = "EPSG:32616", "America/Chicago"
AREA = StudyArea("Test", shapely.box(0, 0, 1000, 1000), CRS, ZONE, empty_neighbourhoods(CRS))
GRID = Grid.square(AREA, cell_size_m=250)
START = pd.Timestamp("2020-03-02", tz=ZONE)


def made() -> Explanation:
    parts = np.random.default_rng(1).gamma(0.5, 0.2, (len(GRID), len(GROUPS)))
    forecast = Forecast(
        GRID,
        Periods.starting_at(START, days=7, count=1),
        "theft",
        "additive_intensity",
        START,
        parts.sum(axis=1)[:, None],
    )
    return Explanation(forecast, parts, lambda days: parts[:, 0] / days)


def test_what_is_written_is_read_back_and_says_the_same(tmp_path: Path) -> None:
    why = made()
    path = tmp_path / "theft.parquet"
    write_forecast(path, why.forecast, explanation=why)
    layer, facts = read_layer(path)
    told = cells_explained(layer, facts, most=3)
    ranked = GRID.ids[np.argsort(-why.mean)[:3]]
    assert [one.cell_id for one in told] == list(ranked)
    for one in told:
        mine = why.of_cell(one.cell_id)
        assert one.sentence() == mine.sentence()
        assert dict(one.contributions) == pytest.approx(dict(mine.contributions))
        assert one.to_json()["without"] == pytest.approx(mine.without)
    np.testing.assert_array_equal(read_forecast(path, AREA)[0].mean, why.forecast.mean)
    with pytest.raises(ConfigError, match="No cell 'nowhere'"):
        cells_explained(layer, facts, ["nowhere"])


def test_a_forecast_without_explanation_tells_none(tmp_path: Path) -> None:
    path = tmp_path / "theft.parquet"
    write_forecast(path, made().forecast)
    assert cells_explained(*read_layer(path)) == []
