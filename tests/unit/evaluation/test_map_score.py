"""Scores of a stranger's map: every number worked by hand, and the intervals against published values."""

import geopandas as gpd
import numpy as np
import pytest
import shapely
from scipy import stats

from crimepatterns.errors import DomainError
from crimepatterns.evaluation.map_score import clustered_interval, score_map

SIDE = 1_000.0


def row_of_cells(count: int = 5) -> gpd.GeoDataFrame:
    """Squares of 1 km2 beside one another, from west to east."""
    west = np.arange(count) * SIDE
    return gpd.GeoDataFrame(geometry=list(shapely.box(west, 0, west + SIDE, SIDE)), crs="EPSG:32610")


def in_cells(*counts: int) -> np.ndarray:
    """So many incidents at places of their own in each cell."""
    return np.array([(SIDE * cell + 100.0 + i, 500.0) for cell, n in enumerate(counts) for i in range(n)])


def test_worked_by_hand() -> None:
    # Cells hold 6, 1, 5, 0, 3 of 16 incidents (one lies outside); the map chose the first two.
    places = np.vstack([in_cells(6, 1, 5, 0, 3), [[-50.0, 0.0]]])
    score = score_map(row_of_cells(), [1, 1, 0, 0, 0], places)
    assert (score.caught.hits, score.caught.total, score.caught.best, score.outside) == (7, 16, 11, 1)
    assert (score.caught.area_km2, score.caught.total_area_km2) == (2.0, 5.0)
    assert score.hit_rate[0] == pytest.approx(7 / 16)
    assert score.pai[0] == pytest.approx(7 / 16 / (2 / 5))
    assert score.pei[0] == pytest.approx(7 / 11)
    assert np.isnan(score.rri)


def test_pai_follows_the_study_area_that_is_given() -> None:
    score = score_map(row_of_cells(), [1, 0, 0, 0, 0], in_cells(2, 2), study_area_km2=100.0)
    assert score.pai[0] == pytest.approx(0.5 / (1 / 100))
    assert score.pai[1:] == pytest.approx([bound * 100 for bound in score.hit_rate[1:]])


def test_recapture_worked_by_hand() -> None:
    # Before: 4 of 10 in the chosen cell; then 6 of 10: (6 / 4) / (10 / 10).
    score = score_map(row_of_cells(2), [1, 0], in_cells(6, 4), before=in_cells(4, 6))
    assert score.rri == pytest.approx(1.5)


def test_an_incident_on_a_common_edge_counts_once() -> None:
    edge = np.array([[SIDE, 500.0]])
    assert score_map(row_of_cells(2), [1, 0], edge).caught.hits == 1
    assert score_map(row_of_cells(2), [0, 1], edge).caught.hits == 0


def test_the_interval_is_the_exact_binomial_one_where_places_differ() -> None:
    hit = np.r_[np.ones(7), np.zeros(13)]
    low, high = clustered_interval(hit, in_cells(20))
    exact = stats.binomtest(7, 20).proportion_ci(0.95, method="exact")
    assert (low, high) == pytest.approx((exact.low, exact.high))


def test_incidents_of_one_place_say_less() -> None:
    hit = np.r_[np.ones(8), np.zeros(12)]
    together = np.repeat(in_cells(5), 4, axis=0)
    low, high = clustered_interval(hit, together)
    # Five places of four: as five incidents of which two were caught.
    exact = stats.binomtest(2, 5).proportion_ci(0.95, method="exact")
    assert (low, high) == pytest.approx((exact.low, exact.high))


def test_no_hit_and_all_hits_have_an_end_at_the_limit() -> None:
    assert clustered_interval(np.zeros(5), in_cells(5))[0] == 0.0
    assert clustered_interval(np.ones(5), in_cells(5))[1] == 1.0


@pytest.mark.parametrize(
    ("cells", "chosen", "places", "message"),
    [
        (row_of_cells(2), [0, 0], in_cells(1), "chooses no cell"),
        (row_of_cells(2), [1, 2], in_cells(1), "share from 0 to 1"),
        (row_of_cells(2), [1, 0], np.empty((0, 2)), "no incident"),
        (gpd.GeoDataFrame(geometry=[shapely.Point(0, 0)]), [1], in_cells(1), "polygons"),
        (gpd.GeoDataFrame(geometry=list(shapely.box([0, 500], 0, [1000, 1500], 1000))), [1, 0], in_cells(1), "overlap"),
    ],
)
def test_a_map_that_cannot_be_scored_says_why(
    cells: gpd.GeoDataFrame, chosen: list[float], places: np.ndarray, message: str
) -> None:
    with pytest.raises(DomainError, match=message):
        score_map(cells, chosen, places)
