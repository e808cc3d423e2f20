"""What breaks other programs: islands, a hundred thousand areas, everything at one address, nothing at all."""

from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

from crimepatterns.domain.area import StudyArea, empty_neighbourhoods
from crimepatterns.domain.grid import Grid
from crimepatterns.domain.periods import Periods
from crimepatterns.patterns.change import change_between
from crimepatterns.patterns.concentration import concentration
from crimepatterns.patterns.concentration_sentences import repeat_places_sentence
from crimepatterns.patterns.density_ratio import density_ratio
from crimepatterns.patterns.density_sentences import density_ratio_sentence
from crimepatterns.patterns.emerging import emerging_hot_spots
from crimepatterns.patterns.persistence import hot_spot_persistence
from crimepatterns.patterns.repeat_places import repeat_places
from crimepatterns.patterns.smoothed_rates import smoothed_rates


def months(count: int) -> Periods:
    return Periods.starting_at(pd.Timestamp("2024-01-01", tz="America/Chicago"), days=30, count=count)


@pytest.fixture
def islands(plain_area: StudyArea) -> Grid:
    """Three areas of which two touch."""
    shapes = [shapely.box(0, 0, 900, 900), shapely.box(900, 0, 1800, 900), shapely.box(4000, 4000, 4900, 4900)]
    return Grid.from_polygons(plain_area, gpd.GeoDataFrame(geometry=shapes, crs=plain_area.crs))


def test_islands_are_judged_alone(islands: Grid) -> None:
    counts = np.tile([[2], [2], [60]], (1, 8))
    found = emerging_hot_spots(counts, islands, months(8))
    assert found.classes[2] == "persistent hot spot"
    spots = hot_spot_persistence(counts, islands, months(8), at_least=1.0)
    assert spots.labels.tolist() == [0, 0, 1]
    assert spots.spots["persistence"].tolist() == ["chronic"]
    change = change_between([5, 5, 5], [5, 5, 60], islands, neighbours=True)
    assert (change.q_values <= 0.05).tolist() == [False, False, True]
    assert np.isfinite(smoothed_rates([5, 5, 60], [100, 100, 100], islands, towards="neighbours").values).all()


@pytest.mark.slow
def test_a_hundred_thousand_areas() -> None:
    side = 32_000
    area = StudyArea(
        "big", shapely.box(0, 0, side, side), "EPSG:32616", "America/Chicago", empty_neighbourhoods("EPSG:32616")
    )
    grid = Grid.square(area, cell_size_m=100)
    assert len(grid) == 102_400
    counts = np.random.default_rng(1).poisson(0.05, (len(grid), 12))
    counts[5000, -2:] = 40
    found = emerging_hot_spots(counts, grid, months(12), time_lag=0)
    assert found.classes[5000] == "consecutive hot spot"
    spots = hot_spot_persistence(counts, grid, months(12))
    assert spots.spots["persistence"].tolist() == ["emerging"]
    assert change_between(counts[:, :6].sum(1), counts[:, 6:].sum(1), grid).parameters["up"] == 1
    assert concentration(counts.sum(1)).places == 102_400


def test_everything_at_one_address(plain_area: StudyArea, make_incidents: Any) -> None:
    piled = make_incidents(plain_area, [2500.0] * 500, [2500.0] * 500)
    ranking = repeat_places(piled)
    assert ranking.table["suspect"].tolist() == [True]
    assert "none at any other place within 300 m" in ranking.table["reason"].iloc[0]
    grid = Grid.square(plain_area, cell_size_m=250)
    same = density_ratio(piled, piled, grid, bandwidth_m=400)
    assert same.surface.parameters["discoveries"] == 0
    np.testing.assert_allclose(same.surface.times_expected[same.supported], 1.0)
    assert density_ratio_sentence(same) == (
        "Nowhere is the ratio of incidents to the denominator shown to be above the mean."
    )


def test_incidents_outside_the_cells_do_not_count_in_ratios(plain_area: StudyArea) -> None:
    grid = Grid.square(plain_area, cell_size_m=250)
    xy = np.random.default_rng(2).uniform(0, 5000, (400, 2))
    far = np.concatenate([xy, np.full((50, 2), 1e7)])
    one, other = (density_ratio(p.T, xy.T, grid, bandwidth_m=500) for p in (xy, far))
    np.testing.assert_allclose(one.surface.values, other.surface.values)


def test_a_ranking_without_marks_ends_with_its_first_place(plain_area: StudyArea, make_incidents: Any) -> None:
    ranking = repeat_places(make_incidents(plain_area, [1.0, 1.0, 900.0], [1.0, 1.0, 5.0]))
    assert repeat_places_sentence(ranking, places_share=0.5).endswith("the first alone has 2.")
