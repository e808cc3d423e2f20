"""Random labelling: level under the null, power against a planted change, and weights of hours."""

import numpy as np
import pandas as pd
import pytest

from crimepatterns.domain.area import StudyArea
from crimepatterns.domain.grid import Grid
from crimepatterns.errors import PatternError
from crimepatterns.patterns.density_labelling import labelled_ratio
from crimepatterns.patterns.density_ratio import density_ratio
from crimepatterns.patterns.hour_weights import hour_weights


@pytest.fixture(scope="module")
def grid(plain_area: StudyArea) -> Grid:
    return Grid.square(plain_area, cell_size_m=250)


def drawn(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Points of one map with a busy place."""
    xy = np.concatenate([rng.normal((1500, 2500), 350, (count // 2, 2)), rng.uniform(0, 5000, (count, 2))])
    xy = rng.permutation(xy)[:count]
    return xy[:, 0], xy[:, 1]


def test_one_map_in_two_periods_seldom_differs(grid: Grid) -> None:
    rng = np.random.default_rng(1)
    p = [
        labelled_ratio(drawn(rng, 220), drawn(rng, 180), grid, bandwidth_m=500, count=19, seed=k).map_p
        for k in range(60)
    ]
    assert np.mean(np.array(p) <= 0.05) <= 0.15
    assert np.mean(np.array(p) <= 0.5) == pytest.approx(0.5, abs=0.2)


def test_a_planted_change_is_found_where_it_is_and_the_ratio_is_that_of_density_ratio(grid: Grid) -> None:
    rng = np.random.default_rng(2)
    x, y = drawn(rng, 500)
    after = np.append(x, rng.normal(4000, 150, 60)), np.append(y, rng.normal(1000, 150, 60))
    before = drawn(rng, 500)
    found = labelled_ratio(after, before, grid, bandwidth_m=400, count=99)
    plain = density_ratio(after, before, grid, bandwidth_m=400)
    np.testing.assert_allclose(found.surface.values, plain.surface.values)
    assert found.map_p == pytest.approx(0.01)
    shown = found.surface.q_values <= 0.05
    assert shown.any()
    assert (np.hypot(*(grid.centres[shown] - (4000, 1000)).T) < 900).all()
    assert (found.surface.p_values <= found.surface.q_values).all()
    assert found.surface.parameters["correction"] == "largest of all cells"
    again = labelled_ratio(after, before, grid, bandwidth_m=400, count=99)
    np.testing.assert_array_equal(found.surface.q_values, again.surface.q_values)
    with pytest.raises(PatternError, match="at least 19 labellings"):
        labelled_ratio(after, before, grid, bandwidth_m=400, count=9)


def test_hours_weigh_by_the_share_of_the_span(plain_area: StudyArea, make_incidents) -> None:
    times = ["2024-03-01 21:00", "2024-03-01 23:00", "2024-03-02 05:00", "2024-03-02 12:00"]
    spans = make_incidents(plain_area, [1.0] * 4, [1.0] * 4, times=times, span=pd.Timedelta(hours=2))
    found = hour_weights(spans.table, "22:00-06:00")
    np.testing.assert_allclose(found.weights, [0.5, 1.0, 0.5, 0.0])
    np.testing.assert_allclose(hour_weights(spans.table, "06:00-22:00").weights, 1.0 - found.weights)
    assert str(found) == "2.0 of 4 incidents fall into 22:00-06:00."
    # The night in which clocks go forward lacks the hour from two to three.
    long = make_incidents(plain_area, [1.0], [1.0], times=["2024-03-10 00:00"], span=pd.Timedelta(hours=4))
    np.testing.assert_allclose(hour_weights(long.table, "00:00-02:00").weights, [0.5])
    np.testing.assert_allclose(hour_weights(long.table, "03:00-04:00").weights, [0.25])
    dates = make_incidents(plain_area, [1.0], [1.0], precision="date")
    told = hour_weights(dates.table, "22:00-06:00")
    assert told.weights.tolist() == [0.0]
    assert "1 have no hour" in str(told)
    for wrong in ("22-6", "22:00-22:00", "25:00-06:00"):
        with pytest.raises(PatternError, match=r"22:00|06:00"):
            hour_weights(spans.table, wrong)
