"""One readable row per cluster: how many, where, when, what, and how much denser than around it."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from crimepatterns.domain.incidents import Incidents
from crimepatterns.patterns.rhythms import peak_hours, peak_weekday

__all__ = ["SUMMARY_COLUMNS", "SURROUNDINGS_M", "summarise_clusters"]

SUMMARY_COLUMNS: tuple[str, ...] = (
    "cluster",
    "incidents",
    "share",
    "distinct_places",
    "first_date",
    "last_date",
    "peak_hours",
    "peak_hours_share",
    "peak_weekday",
    "top_categories",
    "span_m",
    "area_km2",
    "density_per_km2",
    "times_surroundings",
    "neighbourhood",
    "sentence",
    "geometry",
)
"""``share`` is of all incidents looked at; times and days are empty (``nan`` for the share) where they are not known;
``times_surroundings`` is nan where nothing else happened within `SURROUNDINGS_M`."""

SURROUNDINGS_M = 500.0
"""Width of the ring around a cluster with which its density is compared, metres."""


def summarise_clusters(
    incidents: Incidents, cluster: NDArray[np.int64], place: NDArray[np.int64], *, radius_m: float
) -> gpd.GeoDataFrame:
    """Describe each cluster in numbers and in one sentence.

    Parameters
    ----------
    incidents : Incidents
    cluster : ndarray of int, shape (n_incidents,)
        Number of each incident's cluster, 0 for none.
    place : ndarray of int, shape (n_incidents,)
        Number of each incident's distinct place.
    radius_m : float, metres
        Reach within which members of a cluster are neighbours.

    Returns
    -------
    GeoDataFrame, shape (n_clusters, 17)
        The columns of `SUMMARY_COLUMNS`, in the order of the numbers.
    """
    table = incidents.table
    xy = table[["x", "y"]].to_numpy(dtype=float)
    tree = cKDTree(xy)
    rows: list[dict[str, Any]] = []
    order = np.argsort(cluster, kind="stable")
    bounds = np.searchsorted(cluster[order], np.arange(1, int(cluster.max(initial=0)) + 2))
    for number, (begin, end) in enumerate(pairwise(bounds), start=1):
        members = order[begin:end]
        row = {"cluster": number, **_facts(table.iloc[members], place[members], len(table))}
        row |= _ground(xy, members, tree, incidents, radius_m)
        row["sentence"] = _sentence(row)
        rows.append(row)
    columns = list(SUMMARY_COLUMNS)
    if not rows:
        return gpd.GeoDataFrame({name: [] for name in columns}, geometry="geometry", crs=incidents.area.crs)
    return gpd.GeoDataFrame(rows, geometry="geometry", crs=incidents.area.crs)[columns]


def _facts(members: pd.DataFrame, place: NDArray[np.int64], total: int) -> dict[str, Any]:
    hours = peak_hours(members)
    shares = members["category"].astype(str).value_counts(normalize=True).head(3)
    return {
        "incidents": len(members),
        "share": len(members) / total,
        "distinct_places": len(np.unique(place)),
        "first_date": members["occurred_from"].min().date().isoformat(),
        "last_date": members["occurred_from"].max().date().isoformat(),
        "peak_hours": "" if hours is None else str(hours),
        "peak_hours_share": float("nan") if hours is None else hours.share,
        "peak_weekday": peak_weekday(members),
        "top_categories": ", ".join(f"{name} {_percent(share)}" for name, share in shares.items()),
    }


def _ground(
    xy: NDArray[np.float64], members: NDArray[np.int64], tree: cKDTree, incidents: Incidents, radius_m: float
) -> dict[str, Any]:
    """Measure the ground of a cluster and compare its density with the ring around it, inside the study area."""
    points = np.unique(xy[members], axis=0)
    ground = _ground_of(points, radius_m)
    ring = ground.buffer(SURROUNDINGS_M).difference(ground)
    if not incidents.area.polygon.contains(ring):
        # Cutting out the part of the boundary in question first is far cheaper where the coast is drawn in detail.
        ring = shapely.intersection(ring, shapely.clip_by_rect(incidents.area.polygon, *ring.bounds))
    centre, reach = shapely.minimum_bounding_circle(ground).centroid, shapely.minimum_bounding_radius(ground)
    near = np.asarray(tree.query_ball_point((centre.x, centre.y), reach + SURROUNDINGS_M), dtype=np.int64)
    shapely.prepare(ring)
    outside = int(shapely.intersects_xy(ring, xy[near, 0], xy[near, 1]).sum())
    density = len(members) / (ground.area / 1e6)
    around = outside / (ring.area / 1e6) if ring.area > 0 else 0.0
    middle = points[np.argmin(((points - np.median(xy[members], axis=0)) ** 2).sum(axis=1))]
    return {
        "span_m": 2.0 * float(shapely.minimum_bounding_radius(shapely.MultiPoint(points))),
        "area_km2": ground.area / 1e6,
        "density_per_km2": density,
        "times_surroundings": density / around if around > 0 else float("nan"),
        "neighbourhood": str(incidents.area.neighbourhood_of(middle[:1], middle[1:])[0]),
        "geometry": ground,
    }


def _ground_of(points: NDArray[np.float64], radius_m: float) -> shapely.Geometry:
    """Outline the ground around points, in one piece where neighbours lie within `radius_m`."""
    # Points closer than a tenth of the radius look the same from its edge; without them the union is far cheaper.
    step = radius_m / 10
    coarse = np.unique(np.round(points / step), axis=0) * step if len(points) > 50 else points
    wide = shapely.union_all(shapely.buffer(shapely.points(coarse), 0.75 * radius_m, quad_segs=6))
    return wide.buffer(-0.25 * radius_m, quad_segs=6).simplify(radius_m / 50)


def _sentence(row: Mapping[str, Any]) -> str:
    places = "one place" if row["distinct_places"] == 1 else f"{row['distinct_places']:,} places"
    where = f" in {row['neighbourhood']}" if row["neighbourhood"] else ""
    extent = "" if row["distinct_places"] == 1 else f" within {_rounded(row['span_m'])} m"
    when = (
        f"on {row['first_date']}"
        if row["first_date"] == row["last_date"]
        else f"between {row['first_date']} and {row['last_date']}"
    )
    parts = [f"{row['incidents']:,} incidents at {places}{where}{extent}, {when}"]
    if "," in row["top_categories"]:
        parts.append(f"mostly {row['top_categories']}")
    if row["peak_hours"]:
        parts.append(f"{_percent(row['peak_hours_share'])} of them {row['peak_hours']}")
    if row["peak_weekday"]:
        parts.append(f"more on {row['peak_weekday']}s than on other days")
    ratio = row["times_surroundings"]
    parts.append(
        f"{ratio:.1f} times as dense as the {SURROUNDINGS_M:.0f} m around it"
        if np.isfinite(ratio)
        else f"nothing else within {SURROUNDINGS_M:.0f} m"
    )
    return "; ".join(parts) + "."


def _rounded(metres: float) -> str:
    return f"{round(metres, -1 if metres < 1000 else -2):,.0f}"


def _percent(share: float) -> str:
    return "under 1 %" if 0 < share < 0.005 else f"{share:.0%}".replace("%", " %")
