"""Harm of forecasts, by hand: the mix of offences, what has no weight, and parts that sum to the whole."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import shapely

from crimepatterns.domain.area import StudyArea, empty_neighbourhoods
from crimepatterns.domain.forecast import Forecast
from crimepatterns.domain.grid import Grid
from crimepatterns.domain.harm import HarmWeights
from crimepatterns.domain.incidents import Incidents
from crimepatterns.domain.periods import Periods
from crimepatterns.forecast_outputs.harm import mean_harm, write_harm
from crimepatterns.store.layers import read_layer, read_surface

CRS, ZONE = "EPSG:32616", "America/Chicago"
AREA = StudyArea("Test", shapely.box(0, 0, 1000, 1000), CRS, ZONE, empty_neighbourhoods(CRS))
GRID = Grid.square(AREA, cell_size_m=500)
START = pd.Timestamp("2024-05-06", tz=ZONE)
WEIGHTS = HarmWeights("test", {"theft": 1.0, "robbery": 365.0}, {"theft of a truck": 9.0})


def incidents(*rows: tuple[str, str, int]) -> Incidents:
    category, offence, ago = zip(*rows, strict=True)
    happened = pd.DatetimeIndex([START - pd.DateOffset(days=days) for days in ago]).as_unit("us")
    table = pd.DataFrame(
        {
            "id": [f"i{n}" for n in range(len(rows))], "occurred_from": happened, "occurred_until": happened,
            "known_at": happened, "time_precision": "minute", "category": category, "offence": offence,
            "discovery": "reported", "source": "test", "x": 100.0, "y": 100.0,
        }
    )  # fmt: skip
    return Incidents(table, AREA)


KNOWN = incidents(
    ("theft", "theft of a truck", 3),
    ("theft", "shoplifting", 5),
    ("theft", "theft of a truck", 900),
    ("robbery", "street", 10),
    ("fraud", "cheque", 4),
)


def forecast(category: str, *mean: float) -> Forecast:
    return Forecast(
        GRID, Periods.starting_at(START, days=14, count=2), category, "count", START, np.outer(mean, [0.5, 0.5])
    )


def test_an_average_incident_weighs_by_the_offences_of_the_last_year() -> None:
    assert mean_harm(WEIGHTS, KNOWN, "theft") == (5.0, 0.0)
    assert mean_harm(WEIGHTS, KNOWN, "robbery") == (365.0, 0.0)
    assert mean_harm(WEIGHTS, KNOWN, "fraud") == (0.0, 1.0)
    assert mean_harm(WEIGHTS, KNOWN, "arson") == (0.0, 0.0)


def test_parts_sum_to_the_whole_and_what_has_no_weight_is_named(tmp_path: Path) -> None:
    served = [forecast("theft", 4, 3, 2, 1), forecast("robbery", 0, 0, 0.1, 0), forecast("fraud", 9, 9, 9, 9)]
    told = write_harm(WEIGHTS, KNOWN, served, tmp_path / "harm.parquet", {"cutoff": START.isoformat()})
    layer, facts = read_layer(tmp_path / "harm.parquet")
    np.testing.assert_allclose(layer["value"], [20, 15, 10 + 36.5, 5])
    np.testing.assert_allclose(layer["harm_theft"], [20, 15, 10, 5])
    np.testing.assert_allclose(layer["harm_robbery"], [0, 0, 36.5, 0])
    assert (layer["harm_fraud"] == 0).all()
    surface, _ = read_surface(tmp_path / "harm.parquet", AREA)
    assert surface.unit == facts["unit"] == "days of harm in 28 days"
    assert told["expected"] == 86.5
    assert told["top_cells"][0] == {"cell_id": str(GRID.ids[2]), "neighbourhood": "", "harm": 46.5}
    assert told["sentence"] == (
        "Expected harm: 86 days (test), theft 58 %, robbery 42 %, fraud 0 %. "
        "Without a weight, counting for nothing: fraud (100 %)."
    )
    nothing = write_harm(WEIGHTS, KNOWN, served[2:], tmp_path / "harm.parquet", {})
    assert nothing["sentence"] == "No category of the forecast has a weight in the harm table test."
    assert nothing["expected"] == pytest.approx(0)
