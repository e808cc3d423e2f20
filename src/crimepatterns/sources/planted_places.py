"""Defects of places that can be planted in clean records."""

import numpy as np
import pandas as pd
import shapely

from crimepatterns.domain.incidents import Incidents
from crimepatterns.sources.planted_rows import (
    Plant,
    degrees,
    metres,
    pick,
    placed,
    xy_of,
)
from crimepatterns.sources.synthetic import SyntheticCity

__all__ = [
    "clamped_to_boundary",
    "default_point",
    "default_point_without_areas",
    "near_copies",
    "rounded_coordinates",
    "snapped_to_areas",
    "snapped_to_blocks",
    "snapped_to_degrees",
    "snapped_to_metres",
]


def default_point(incidents: Incidents, share: float, rng: np.random.Generator) -> Incidents:
    """Move rows to one address, as if it stood for places nobody knew; the area they name stays."""
    xy = xy_of(incidents)
    return placed(incidents, pick(incidents, share, rng), xy[rng.integers(len(xy))])


def default_point_without_areas(incidents: Incidents, share: float, rng: np.random.Generator) -> Incidents:
    """Do as `default_point`, in records that name no area."""
    moved = default_point(incidents, share, rng)
    return Incidents(moved.table.drop(columns="area"), moved.area)


def snapped_to_degrees(incidents: Incidents, share: float, rng: np.random.Generator) -> Incidents:
    """Move rows to the nearest node of a lattice of 0.002 degrees."""
    rows = pick(incidents, share, rng)
    nodes = np.round(degrees(incidents, xy_of(incidents)[rows]) / 0.002) * 0.002
    return placed(incidents, rows, metres(incidents, nodes))


def snapped_to_metres(incidents: Incidents, share: float, rng: np.random.Generator) -> Incidents:
    """Move rows to the nearest node of a lattice of 100 m, published in degrees of six decimals."""
    rows = pick(incidents, share, rng)
    nodes = np.round(xy_of(incidents)[rows] / 100.0) * 100.0
    return placed(incidents, rows, metres(incidents, np.round(degrees(incidents, nodes), 6)))


def snapped_to_areas(incidents: Incidents, share: float, rng: np.random.Generator) -> Incidents:
    """Move rows to the middle of their neighbourhood."""
    rows = pick(incidents, share, rng)
    parts = incidents.area.neighbourhoods
    middles = shapely.get_coordinates(shapely.centroid(parts.geometry.to_numpy()))
    where = pd.Index(parts["name"]).get_indexer(incidents.table["area"].iloc[rows])
    return placed(incidents, rows, middles[where])


def snapped_to_blocks(city: SyntheticCity) -> Plant:
    """Return a plant that moves rows to the middle of their block or to the nearer crossing of a city's streets."""
    places = city.places
    own_x, own_y = places.geometry.x, places.geometry.y
    index = {(round(x, 2), round(y, 2)): i for i, (x, y) in enumerate(zip(own_x, own_y, strict=True))}
    lines = city.streets.set_index("street_id").geometry.loc[places["street_id"]].to_numpy()
    middle = shapely.get_coordinates(shapely.line_interpolate_point(lines, 0.5, normalized=True))
    first, last = (shapely.get_coordinates(shapely.get_point(lines, end)) for end in (0, -1))
    own = np.column_stack([places.geometry.x, places.geometry.y])
    nearer = (np.hypot(*(own - first).T) <= np.hypot(*(own - last).T))[:, None]
    crossing = np.where(nearer, first, last)

    def plant(incidents: Incidents, share: float, rng: np.random.Generator) -> Incidents:
        rows = pick(incidents, share, rng)
        at = np.array([index[round(x, 2), round(y, 2)] for x, y in xy_of(incidents)[rows]], dtype=np.int64)
        target = np.where(rng.random(len(rows))[:, None] < 0.5, middle[at], crossing[at])
        return placed(incidents, rows, metres(incidents, np.round(degrees(incidents, target), 6)))

    return plant


def rounded_coordinates(incidents: Incidents, share: float, rng: np.random.Generator) -> Incidents:
    """Round the coordinates of rows to three decimals of a degree."""
    rows = pick(incidents, share, rng)
    return placed(incidents, rows, metres(incidents, np.round(degrees(incidents, xy_of(incidents)[rows]), 3)))


def clamped_to_boundary(incidents: Incidents, share: float, rng: np.random.Generator) -> Incidents:
    """Move rows to the nearest point of the boundary."""
    rows = pick(incidents, share, rng)
    edge = incidents.area.polygon.boundary
    nearest = shapely.line_interpolate_point(
        edge, shapely.line_locate_point(edge, shapely.points(xy_of(incidents)[rows]))
    )
    return placed(incidents, rows, shapely.get_coordinates(nearest))


def near_copies(incidents: Incidents, share: float, rng: np.random.Generator) -> Incidents:
    """Add copies of rows under a new id, up to ten metres and ten minutes away."""
    table = incidents.table
    copies = table.iloc[pick(incidents, share, rng)].copy()
    later = pd.to_timedelta(60 * rng.integers(0, 11, len(copies)), unit="s")
    for name in ("occurred_from", "occurred_until", "known_at"):
        copies[name] = copies[name] + later
    copies["id"] = [f"copy-{number}" for number in range(len(copies))]
    copies["x"] += rng.uniform(-7, 7, len(copies))
    copies["y"] += rng.uniform(-7, 7, len(copies))
    return Incidents(pd.concat([table, copies], ignore_index=True), incidents.area)
