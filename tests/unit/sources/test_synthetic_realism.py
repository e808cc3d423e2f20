"""The default city behaves like a real one in each of its classes: concentration, near repeats, dispersion."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from crimepatterns.domain.grid import Grid
from crimepatterns.sources.synthetic import SyntheticCity
from crimepatterns.sources.synthetic_plan import CITY_CLASSES


def knox_ratio(points: NDArray[np.float64], day: NDArray[np.int64], rng: np.random.Generator) -> float:
    """Close pairs within 200 m and 7 days, against the mean over 49 permutations of the dates."""
    first, second = cKDTree(points).query_pairs(200.0, output_type="ndarray").T

    def close(dates: NDArray[np.int64]) -> int:
        return int((np.abs(dates[first] - dates[second]) <= 7).sum())

    return close(day) / float(np.mean([close(rng.permutation(day)) for _ in range(49)]))


@pytest.fixture(scope="module", params=CITY_CLASSES)
def city(request: pytest.FixtureRequest) -> SyntheticCity:
    return SyntheticCity(city_class=request.param)


def test_five_per_cent_of_cells_hold_about_half_of_the_incidents(city: SyntheticCity) -> None:
    rows = city.truth.answer_table()
    grid = Grid.square(city.area, cell_size_m=250)
    counts = np.bincount(grid.assign(rows["x"], rows["y"])[0], minlength=len(grid))
    busiest = np.sort(counts)[::-1][: round(0.05 * len(grid))]
    assert 0.40 <= busiest.sum() / counts.sum() <= 0.65


def test_near_repeats_are_as_strong_as_in_real_cities(city: SyntheticCity) -> None:
    rows = city.truth.answer_table()
    rng = np.random.default_rng(4)
    for category in ("burglary", "vehicle theft"):
        mine = rows[rows["category"] == category]
        day = (mine["occurred_from"] - mine["occurred_from"].min()).dt.days.to_numpy()
        assert 1.3 <= knox_ratio(mine[["x", "y"]].to_numpy(), day, rng) <= 2.5


def test_area_weeks_are_overdispersed_beyond_place_and_season(city: SyntheticCity) -> None:
    rows = city.truth.answer_table()
    area = city.area.neighbourhood_of(rows["x"], rows["y"])
    names, code = np.unique(area, return_inverse=True)
    week = (rows["occurred_from"] - rows["occurred_from"].min()).dt.days.to_numpy() // 7
    counts = np.zeros((len(names), week.max() + 1))
    np.add.at(counts, (code, week), 1)
    counts = counts[:, :-1]
    ratio = counts.var(axis=1, ddof=1) / counts.mean(axis=1)
    assert np.mean(ratio > 1) > 0.8
    assert np.mean(ratio) > 1.2
    # Pearson dispersion about "area times week": what neither place nor season explains.
    fitted = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0) / counts.sum()
    freedom = (counts.shape[0] - 1) * (counts.shape[1] - 1)
    assert ((counts - fitted) ** 2 / fitted).sum() / freedom > 1 + 4 * np.sqrt(2 / freedom)
