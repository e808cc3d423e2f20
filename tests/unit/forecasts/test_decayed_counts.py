import numpy as np
import pandas as pd
import pytest
import shapely

from crimepatterns.domain.area import StudyArea, empty_neighbourhoods
from crimepatterns.domain.grid import Grid
from crimepatterns.domain.incidents import Incidents
from crimepatterns.forecasts.decayed_counts import Arrivals, effective_days, spread_matrix

CRS, ZONE = "EPSG:32616", "America/Chicago"
AREA = StudyArea("Test", shapely.box(0, 0, 1450, 1000), CRS, ZONE, empty_neighbourhoods(CRS))
GRID = Grid.square(AREA, cell_size_m=100)
START = pd.Timestamp("2020-03-02", tz=ZONE)
LIVES = (float("inf"), 30.0, 3.0)


def incidents(count: int = 300) -> Incidents:
    rng = np.random.default_rng(1)
    begun = START + pd.to_timedelta(np.sort(rng.uniform(0, 70, count)), unit="D").as_unit("us")
    known = begun + pd.to_timedelta(rng.exponential(4, count), unit="D").as_unit("us")
    table = pd.DataFrame(
        {
            "id": np.arange(count).astype(str), "occurred_from": begun, "occurred_until": begun, "known_at": known,
            "time_precision": "minute", "category": "theft", "offence": "x", "discovery": "reported",
            "source": "test", "x": rng.uniform(-100, 1450, count), "y": rng.uniform(0, 1000, count),
        }
    )  # fmt: skip
    return Incidents(table, AREA)


def test_fading_counts_equal_the_sum_over_what_was_known_at_each_moment() -> None:
    record = incidents()
    # A week over a clock change, and gaps of different length.
    moments = pd.DatetimeIndex([START + pd.DateOffset(days=d) for d in (5, 12, 13, 40, 71)])
    states = list(Arrivals.of(record, GRID, moments).fading(LIVES))
    for moment, state in zip(moments, states, strict=True):
        known = record.as_of(moment).table
        cell, inside = GRID.assign(known["x"], known["y"])
        age = (moment - known["occurred_from"]).dt.total_seconds().to_numpy() / 86_400
        for row, life in enumerate(LIVES):
            weights = 2.0 ** (-age[inside] / life)
            np.testing.assert_allclose(state[row], np.bincount(cell[inside], weights, len(GRID)), atol=1e-12)


def test_effective_days_are_what_a_steady_stream_reaches() -> None:
    ages = np.arange(0, 400, 0.01)
    expected = [400.0, *[float((2.0 ** (-ages / life)).sum() * 0.01) for life in (90.0, 7.0)]]
    np.testing.assert_allclose(effective_days(400.0, [float("inf"), 90.0, 7.0]), expected, rtol=1e-3)


@pytest.mark.parametrize("own_cell", [True, False])
def test_spreading_loses_nothing_and_is_even_where_cells_are(own_cell: bool) -> None:
    matrix = spread_matrix(GRID, 150.0, own_cell=own_cell)
    counts = np.random.default_rng(2).poisson(2.0, len(GRID)).astype(float)
    assert (matrix @ counts).sum() == pytest.approx(counts.sum())
    assert (matrix.diagonal() > 0).all() == own_cell
    one = np.zeros(len(GRID))
    here = int(GRID.assign([750], [450])[0][0])
    one[here] = 1.0
    spread = matrix @ one
    right, left = (int(GRID.assign([750 + dx], [450])[0][0]) for dx in (100, -100))
    assert spread[right] == pytest.approx(spread[left])
    assert spread[right] > 0
    # Half a cell at the edge takes half as much.
    inner, edge = (int(GRID.assign([x], [450])[0][0]) for x in (1150, 1449))
    one[:] = 0.0
    one[int(GRID.assign([1300], [450])[0][0])] = 1.0
    spread = matrix @ one
    apart = np.linalg.norm(GRID.centres[[inner, edge]] - GRID.centres[one > 0], axis=1)
    weight = np.exp(-0.5 * (apart / 150) ** 2) * GRID.area_km2[[inner, edge]]
    assert spread[edge] / spread[inner] == pytest.approx(weight[1] / weight[0])


def test_a_cell_without_neighbours_in_reach_keeps_its_counts() -> None:
    matrix = spread_matrix(GRID, 10.0, own_cell=False)
    np.testing.assert_allclose(matrix @ np.arange(float(len(GRID))), np.arange(float(len(GRID))))
