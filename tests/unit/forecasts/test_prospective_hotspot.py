import numpy as np
import pandas as pd
import pytest
import shapely

from crimepatterns.domain.area import StudyArea, empty_neighbourhoods
from crimepatterns.domain.grid import Grid
from crimepatterns.domain.history import Archive, History
from crimepatterns.domain.incidents import Incidents
from crimepatterns.domain.periods import Periods
from crimepatterns.forecasts.prospective_hotspot import ProspectiveHotspot, prospective_scores

CRS, ZONE = "EPSG:32616", "America/Chicago"
AREA = StudyArea("Test", shapely.box(0, 0, 2000, 1900), CRS, ZONE, empty_neighbourhoods(CRS))
START = pd.Timestamp("2020-03-02", tz=ZONE)


def history_of(points: list[tuple[float, float, float]], *, weeks: int = 8, cell_size_m: float = 200) -> History:
    """Incidents as (x, y, days before the cutoff); one in the far corner on the first day."""
    cutoff = START + pd.DateOffset(days=7 * weeks)
    x, y, ago = np.array([(1990.0, 10.0, 7 * weeks), *points]).T
    when = pd.DatetimeIndex([cutoff - pd.DateOffset(days=float(np.ceil(a))) for a in ago]) + pd.to_timedelta(1, "h")
    table = pd.DataFrame(
        {
            "id": [f"i{n}" for n in range(len(x))], "occurred_from": when.as_unit("us"),
            "occurred_until": when.as_unit("us"), "known_at": when.as_unit("us"), "time_precision": "minute",
            "category": "theft", "offence": "x", "discovery": "reported", "source": "test", "x": x, "y": y,
        }
    )  # fmt: skip
    grid = Grid.square(AREA, cell_size_m=cell_size_m)
    return Archive(Incidents(table, AREA), grid, 7).at(cutoff, target="theft")


def test_scores_equal_the_sum_written_out() -> None:
    rng = np.random.default_rng(3)
    centres, points = rng.uniform(0, 1000, (40, 2)), rng.uniform(0, 1000, (200, 2))
    ago = rng.integers(1, 60, 200)
    expected = np.zeros(40)
    for i, centre in enumerate(centres):
        for point, days in zip(points, ago, strict=True):
            apart = float(np.hypot(*(centre - point)))
            if apart <= 300:
                steps, weeks = max(np.ceil(apart / 100) - 1, 0), (days - 1) // 7
                expected[i] += 1 / (1 + steps) / (1 + weeks)
    np.testing.assert_allclose(prospective_scores(centres, points, ago, radius_m=300, step_m=100), expected)


@pytest.mark.parametrize(
    ("apart", "ago", "score"),
    [(0, 1, 1), (100, 7, 1), (100.001, 7, 0.5), (100, 8, 0.5), (300, 14, 1 / 6), (300.001, 1, 0), (200, 15, 1 / 6)],
)
def test_boundaries_are_those_of_near_repeats(apart: float, ago: int, score: float) -> None:
    made = prospective_scores(np.zeros((1, 2)), np.array([[apart, 0.0]]), np.array([ago]), radius_m=300, step_m=100)
    assert made[0] == pytest.approx(score)


def test_the_newer_and_nearer_incident_counts_more() -> None:
    history = history_of([(500, 500, 2), (1500, 1500, 30)])
    made = (
        ProspectiveHotspot()
        .fit(history, rng=np.random.default_rng(0))
        .predict(history, Periods.starting_at(history.cutoff, days=7, count=1))
    )
    cell = history.grid.assign([500, 1500, 500], [500, 1500, 1300])[0]
    new, old, none = made.mean[cell, 0]
    assert new > 3 * old > 3 * none > 0
    assert made.mean.sum() == pytest.approx(7 * 3 / 56)


def test_a_radius_below_the_cell_is_raised_so_that_every_incident_counts() -> None:
    history = history_of([(390, 390, 2)], cell_size_m=400)
    made = (
        ProspectiveHotspot(prospective_radius_m=50)
        .fit(history, rng=np.random.default_rng(0))
        .predict(history, Periods.starting_at(history.cutoff, days=7, count=1))
    )
    assert made.parameters["radius_m"] == 400
    assert made.mean[history.grid.assign([390], [390])[0][0], 0] > 2 * made.mean.min()


def test_without_recent_incidents_it_is_even_and_says_so() -> None:
    history = history_of([(500, 500, 100)], weeks=20)
    made = (
        ProspectiveHotspot()
        .fit(history, rng=np.random.default_rng(0))
        .predict(history, Periods.starting_at(history.cutoff, days=7, count=1))
    )
    np.testing.assert_allclose(made.mean[:, 0] / history.grid.area_km2, made.mean.sum() / history.grid.area_km2.sum())
    assert "evenly" in str(made.parameters["fallback"])
