"""A category told apart by premise: nothing lost, nothing guessed, and each side forecast at its own places."""

import numpy as np
import pandas as pd
import pytest

from crimepatterns.domain.grid import Grid
from crimepatterns.domain.history import Archive
from crimepatterns.domain.incidents import Incidents
from crimepatterns.domain.periods import Periods
from crimepatterns.errors import PatternError
from crimepatterns.forecasts.shrunk_count import ShrunkCount
from crimepatterns.patterns.premise_split import split_by_premise, whole_category

INDOOR, OUTDOOR = ("Home", "shop"), ("street",)


def with_premises(incidents: Incidents, premises: np.ndarray) -> Incidents:
    return Incidents(incidents.table.assign(place=premises), incidents.area)


def test_nothing_is_lost_and_nothing_guessed(plain_area, make_incidents) -> None:
    count = 90
    rng = np.random.default_rng(1)
    places = np.resize(np.array(["Street", "HOME", "shop", "", "boat"], dtype=object), count)
    both = with_premises(make_incidents(plain_area, rng.uniform(0, 900, count), rng.uniform(0, 900, count)), places)
    both = Incidents(both.table.assign(category=np.resize(np.array(["theft", "theft", "assault"]), count)), both.area)
    found = split_by_premise(both, ["theft"], column="place", indoor=INDOOR, outdoor=OUTDOOR)
    theft = both.table["category"] == "theft"
    assert sum(found.counts["theft"].values()) == theft.sum()
    table = found.incidents.table
    assert (table.loc[~theft, "category"] == "assault").all()
    for name, premises in (("outdoor", {"Street"}), ("indoor", {"HOME", "shop"}), ("premise unknown", {"", "boat"})):
        assert set(table.loc[table["category"] == f"theft ({name})", "place"]) == premises
    pd.testing.assert_frame_equal(table.drop(columns="category"), both.table.drop(columns="category"))
    assert {whole_category(name) for name in found.incidents.categories} == {"theft", "assault"}
    assert whole_category("theft (of a car)") == "theft (of a car)"
    assert "theft: " in found.sentence()


def test_each_side_is_forecast_at_its_own_places(plain_area, make_incidents) -> None:
    """Thefts in the west happen in the street, those in the east indoors: as one category both would be everywhere."""
    rng = np.random.default_rng(2)
    x, y = rng.uniform(0, 5000, 1_500), rng.uniform(0, 5000, 1_500)
    times = pd.date_range("2023-01-01", periods=1_500, freq="7h")
    incidents = with_premises(make_incidents(plain_area, x, y, times=times), np.where(x < 2500, "street", "home"))
    name = incidents.categories[0]
    split = split_by_premise(incidents, [name], column="place", indoor=INDOOR, outdoor=OUTDOOR).incidents
    grid = Grid.square(incidents.area, cell_size_m=500)
    cutoff = split.table["known_at"].max().normalize() + pd.DateOffset(days=1)
    west = grid.centres[:, 0] < 2500
    for side, where in (("outdoor", west), ("indoor", ~west)):
        history = Archive(split, grid, 7).at(cutoff, target=f"{name} ({side})")
        week = Periods.starting_at(cutoff, days=7, count=1)
        made = ShrunkCount().fit(history, rng=rng).predict(history, week).mean[:, 0]
        assert made[where].sum() > 0.97 * made.sum()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"column": "weapon"}, "no column 'weapon'"),
        ({"indoor": ("street",)}, "stand under indoor and outdoor"),
        ({"outdoor": ("moon",)}, "cannot be split by 'place': 0 incidents outdoors, 5 indoors"),
    ],
)
def test_what_cannot_be_split_is_refused(plain_area, make_incidents, change: dict, message: str) -> None:
    incidents = with_premises(
        make_incidents(plain_area, np.arange(10.0), np.arange(10.0)), np.resize(["street", "home"], 10)
    )
    with pytest.raises(PatternError, match=message):
        split_by_premise(
            incidents, incidents.categories[:1], **{"column": "place", "indoor": INDOOR, "outdoor": OUTDOOR, **change}
        )
