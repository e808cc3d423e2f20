"""Small invented cities of which it is known that nothing happens in them, or what does.

Each is 3 by 3 km in four quarters, with 500 addresses of which few hold most incidents, a weekly rhythm and a slow
wave over the record. In a *quiet* city the place of an incident says nothing about its day; what is planted is
planted on top.
"""

from dataclasses import dataclass, field
from functools import cache

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from scipy.spatial import cKDTree

from crimepatterns.domain.area import StudyArea
from crimepatterns.domain.grid import Grid
from crimepatterns.domain.incidents import Incidents
from crimepatterns.domain.periods import Periods

__all__ = ["DAYS", "FIRST_DAY", "SIDE_M", "SmallCity", "area", "grid", "incidents_of", "months", "small_city"]

CRS, ZONE = "EPSG:32616", "America/Chicago"
SIDE_M, DAYS, ADDRESSES = 3_000.0, 182, 500
FIRST_DAY = pd.Timestamp("2024-01-01 12:00")


@dataclass(frozen=True, eq=False)
class SmallCity:
    """Incidents of one city, and the share of each cell if nothing is planted."""

    incidents: Incidents
    share: np.ndarray = field(repr=False)
    planted_ids: frozenset[str] = frozenset()


@cache
def area() -> StudyArea:
    """Return the area that all of them share."""
    half = SIDE_M / 2
    corners = [(0.0, 0.0), (half, 0.0), (0.0, half), (half, half)]
    quarters = gpd.GeoDataFrame(
        {"name": ["South-west", "South-east", "North-west", "North-east"]},
        geometry=[shapely.box(x, y, x + half, y + half) for x, y in corners],
        crs=CRS,
    )
    return StudyArea("Smallville", shapely.box(0, 0, SIDE_M, SIDE_M), CRS, ZONE, quarters)


@cache
def grid(cell_m: float = 250.0) -> Grid:
    """Return square cells over the area."""
    return Grid.square(area(), cell_size_m=cell_m)


@cache
def months(count: int) -> Periods:
    """Return so many periods of 30 days."""
    return Periods.starting_at(pd.Timestamp("2023-01-01", tz=ZONE), days=30, count=count)


def small_city(
    rng: np.random.Generator, *, size: float = 300.0, wave: bool = True, repeats: float = 0.0, outbreak: int = 0
) -> SmallCity:
    """Draw a city.

    Parameters
    ----------
    rng : Generator
    size : float
        Expected number of incidents.
    wave : bool
        Whether weekdays and seasons differ.
    repeats : float
        Share of the incidents that follow an earlier one, some 80 m and some 4 days from it.
    outbreak : int
        So many further incidents, within 250 m of one address in the last seven days.
    """
    places = rng.uniform(1.0, SIDE_M - 1.0, size=(ADDRESSES, 2))
    weight = rng.dirichlet(np.full(ADDRESSES, 0.5))
    days = np.arange(DAYS)
    level = (1 + 0.3 * (days % 7 == 5)) * (1 + 0.5 * np.sin(2 * np.pi * days / DAYS)) if wave else np.ones(DAYS)
    count = max(int(rng.poisson(size)), 20)
    at, day = rng.choice(ADDRESSES, count, p=weight), rng.choice(DAYS, count, p=level / level.sum())
    tree = cKDTree(places)
    if repeats:
        child = np.flatnonzero(rng.random(count) < repeats)
        parent = rng.choice(np.setdiff1d(np.arange(count), child), len(child))
        at[child] = tree.query(places[at[parent]] + rng.normal(0, 80, (len(child), 2)))[1]
        day[child] = np.minimum(day[parent] + rng.geometric(0.25, len(child)) - 1, DAYS - 1)
    if outbreak:
        near = np.array(tree.query_ball_point(places[rng.integers(ADDRESSES)], 250.0))
        at = np.r_[at, rng.choice(near, outbreak)]
        day = np.r_[day, rng.integers(DAYS - 7, DAYS, outbreak)]
    cell, _ = grid().assign(places[:, 0], places[:, 1])
    planted = frozenset(f"i{k}" for k in range(count, count + outbreak))
    return SmallCity(incidents_of(places[at], day), np.bincount(cell, weights=weight, minlength=len(grid())), planted)


def incidents_of(xy: np.ndarray, day: np.ndarray, *, first: pd.Timestamp = FIRST_DAY) -> Incidents:
    """Make incidents of places and days after the first."""
    when = pd.Series(pd.DatetimeIndex(first + pd.to_timedelta(day, unit="D")).as_unit("us").tz_localize(ZONE))
    return Incidents(
        pd.DataFrame(
            {
                "id": [f"i{k}" for k in range(len(day))], "occurred_from": when, "occurred_until": when,
                "known_at": when, "time_precision": "minute", "category": "theft", "offence": "theft",
                "discovery": "reported", "source": "invented", "x": xy[:, 0], "y": xy[:, 1],
            }
        ),
        area(),
    )  # fmt: skip
