"""Changing some rows of clean records: what every planted defect is made of."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pyproj
from numpy.typing import NDArray

from crimepatterns.domain.incidents import Incidents

__all__ = [
    "DAY_S",
    "HOUR_S",
    "Plant",
    "degrees",
    "floored",
    "kept",
    "metres",
    "moments",
    "pick",
    "placed",
    "timed",
    "wall_of",
    "xy_of",
]

Plant = Callable[[Incidents, float, np.random.Generator], Incidents]
"""Returns the incidents with a defect in that share of the rows; the incidents given stay as they are."""

HOUR_S, DAY_S = 3600, 86_400


def pick(incidents: Incidents, share: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw rows: their positions, ascending, shape (n_chosen,)."""
    count = max(round(share * len(incidents)), 1)
    return np.sort(rng.choice(len(incidents), count, replace=False))


def xy_of(incidents: Incidents) -> NDArray[np.float64]:
    """Return a fresh array of the coordinates, shape (n, 2), metres."""
    return incidents.table[["x", "y"]].to_numpy(dtype=float, copy=True)


def wall_of(incidents: Incidents) -> NDArray[np.int64]:
    """Civil time in seconds."""
    naive = incidents.table["occurred_from"].dt.tz_localize(None)
    return naive.dt.as_unit("s").to_numpy().astype(np.int64, copy=True)


def floored(wall: NDArray[np.int64], unit: str) -> NDArray[np.int64]:
    """Round civil seconds down to the beginning of a month or year."""
    return wall.astype("datetime64[s]").astype(f"datetime64[{unit}]").astype("datetime64[s]").astype(np.int64)


def moments(wall: NDArray[np.int64], zone: str) -> pd.DatetimeIndex:
    """Turn civil seconds into moments of a zone; the first of two equal times, and past a skipped hour."""
    naive = pd.DatetimeIndex(wall.astype("datetime64[s]")).as_unit("us")
    first = np.ones(len(naive), dtype=bool)
    return naive.tz_localize(zone, ambiguous=first, nonexistent="shift_forward")


def degrees(incidents: Incidents, xy: NDArray[np.float64]) -> NDArray[np.float64]:
    """Longitude and latitude of metres in the study area's system, shape (n, 2)."""
    forth = pyproj.Transformer.from_crs(incidents.area.crs, "EPSG:4326", always_xy=True)
    return np.column_stack(forth.transform(xy[:, 0], xy[:, 1]))


def metres(incidents: Incidents, lonlat: NDArray[np.float64]) -> NDArray[np.float64]:
    """Metres in the study area's system of longitude and latitude, shape (n, 2)."""
    back = pyproj.Transformer.from_crs("EPSG:4326", incidents.area.crs, always_xy=True)
    return np.column_stack(back.transform(lonlat[:, 0], lonlat[:, 1]))


def placed(incidents: Incidents, rows: NDArray[np.int64], where: NDArray[np.float64]) -> Incidents:
    """Put rows somewhere else."""
    table = incidents.table.copy()
    xy = xy_of(incidents)
    xy[rows] = where
    table["x"], table["y"] = xy[:, 0], xy[:, 1]
    return Incidents(table, incidents.area)


def timed(
    incidents: Incidents, rows: NDArray[np.int64], change: Callable[[NDArray[np.int64]], NDArray[np.int64]]
) -> Incidents:
    """Change the civil start of rows; their ends stay as far behind, and what was known stays known no earlier."""
    table = incidents.table.copy()
    wall = wall_of(incidents)
    wall[rows] = change(wall[rows])
    start = pd.Series(moments(wall, incidents.area.timezone), index=table.index)
    untouched = np.ones(len(table), dtype=bool)
    untouched[rows] = False
    start = start.where(~untouched, table["occurred_from"])
    length = table["occurred_until"] - table["occurred_from"]
    table["occurred_from"], table["occurred_until"] = start, start + length
    table["known_at"] = table["known_at"].where(table["known_at"] >= table["occurred_until"], table["occurred_until"])
    return Incidents(table, incidents.area)


def kept(incidents: Incidents, keep: NDArray[np.bool_]) -> Incidents:
    """Keep only some rows."""
    return Incidents(incidents.table.loc[keep].reset_index(drop=True), incidents.area)
