"""Clusters: places where many incidents lie within a short walk of one another, in space or in space and time."""

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from crimepatterns.domain.clusters import Clusters
from crimepatterns.domain.incidents import Incidents
from crimepatterns.errors import PatternError
from crimepatterns.patterns.cluster_summary import summarise_clusters
from crimepatterns.patterns.dense_groups import dense_groups
from crimepatterns.patterns.space_time_pairs import civil_days

__all__ = ["MAX_PAIRS", "RadiusSuggestion", "dbscan", "hdbscan", "st_dbscan", "suggest_radius"]

MAX_PAIRS = 5_000_000_000
"""More pairs of neighbouring places than this are refused: they would take more than about five minutes."""

_HDBSCAN_PLACES = 100_000


def dbscan(incidents: Incidents, *, radius_m: float, min_incidents: int) -> Clusters:
    """Group incidents into dense places of any shape and leave the scattered ones out.

    An incident is a core if at least `min_incidents`, itself included, lie within `radius_m`; cores within
    `radius_m` of one another and what lies in their reach form a cluster. Incidents at the same place are merged into
    one weighted place first, so that a mall with ten thousand thefts costs as much as a house with one.

    Parameters
    ----------
    incidents : Incidents
    radius_m : float, metres
    min_incidents : int

    Returns
    -------
    Clusters
        Numbered from 1, the largest first (ties: the westernmost). No cluster is a valid result. The summary's
        ``geometry`` is the ground around the members, connected for each cluster.

    Raises
    ------
    PatternError
        If there are no incidents, a parameter is out of range, or so many places lie within reach of one another that
        it would take very long.

    Notes
    -----
    The result does not depend on the order of the rows. An incident on the edge of two clusters belongs to that of its
    nearest core. Memory grows with the number of places, not with the pairs of neighbours.

    References
    ----------
    Ester, Kriegel, Sander and Xu (1996), https://dl.acm.org/doi/10.5555/3001460.3001507
    """
    _check(incidents, radius_m, min_incidents)
    places, which, mass = _distinct_places(incidents)
    _check_effort(places, radius_m)
    same_day = np.zeros(len(places), dtype=np.int64)
    labels, _ = dense_groups(places, mass, same_day, radius_m=radius_m, within_days=0, min_mass=min_incidents)
    parameters = {"radius_m": float(radius_m), "min_incidents": int(min_incidents)}
    return _clusters(incidents, labels, which, which, mass, radius_m, "dbscan", parameters)


def st_dbscan(incidents: Incidents, *, radius_m: float, days: int, min_incidents: int) -> Clusters:
    """Group incidents that are dense in space and time together: bursts, not standing hot spots.

    Like `dbscan`, but incidents are neighbours only if they also lie at most `days` civil days apart.

    Parameters
    ----------
    incidents : Incidents
    radius_m : float, metres
    days : int
    min_incidents : int

    Returns
    -------
    Clusters

    Raises
    ------
    PatternError
        As for `dbscan`, and where times are known to the month only.

    References
    ----------
    Birant and Kut (2007), https://doi.org/10.1016/j.datak.2006.01.013
    """
    _check(incidents, radius_m, min_incidents)
    if days < 0:
        raise PatternError(f"ST-DBSCAN needs days >= 0, got {days}.")
    table = incidents.table
    if (table["time_precision"] == "month").any():
        raise PatternError("ST-DBSCAN needs days, and some times are known to the month only: leave those out.")
    xy = np.round(table[["x", "y"]].to_numpy(dtype=float), 3)
    day = civil_days(table["occurred_from"]).astype(float)
    moments, which = np.unique(np.column_stack([xy, day]), axis=0, return_inverse=True)
    which = which.ravel()
    mass = np.bincount(which).astype(float)
    labels, _ = dense_groups(
        moments[:, :2],
        mass,
        moments[:, 2].astype(np.int64),
        radius_m=radius_m,
        within_days=days,
        min_mass=min_incidents,
    )
    place = np.unique(xy, axis=0, return_inverse=True)[1].ravel()
    parameters = {"radius_m": float(radius_m), "days": int(days), "min_incidents": int(min_incidents)}
    return _clusters(incidents, labels, which, place, mass, radius_m, "st_dbscan", parameters)


def hdbscan(incidents: Incidents, *, min_incidents: int, max_places: int = _HDBSCAN_PLACES) -> Clusters:
    """Group incidents into clusters of different density, without a radius.

    Parameters
    ----------
    incidents : Incidents
    min_incidents : int
        Smallest size of a cluster.
    max_places : int
        Refuse more distinct places than this: time grows with their square.

    Returns
    -------
    Clusters
        From scikit-learn's `HDBSCAN` on the distinct places; a place counts once, however many incidents it has.

    Raises
    ------
    PatternError
        If there are no incidents, a parameter is out of range, or it would take too long; the message says how long.

    References
    ----------
    Campello, Moulavi and Sander (2013), https://doi.org/10.1007/978-3-642-37456-2_14
    """
    _check(incidents, 1.0, min_incidents)
    places, which, mass = _distinct_places(incidents)
    if len(places) > max_places:
        minutes = 0.055 * (len(places) / 20_000) ** 2
        raise PatternError(
            f"HDBSCAN of {len(places):,} places would take about {minutes:,.1f} minutes: shorten the window, use "
            f"dbscan, or raise max_places above {max_places:,}."
        )
    if len(places) < min_incidents:
        labels = np.full(len(places), -1, dtype=np.int64)
    else:
        from sklearn.cluster import HDBSCAN

        fitted = HDBSCAN(min_cluster_size=min_incidents, copy=True).fit(places)
        labels = np.asarray(fitted.labels_, dtype=np.int64)
    # Only the outlines of the clusters need a reach.
    enough = len(incidents) > min_incidents
    reach = suggest_radius(incidents, min_incidents=min_incidents).radius_m if enough else 1.0
    parameters = {"min_incidents": int(min_incidents)}
    return _clusters(incidents, labels, which, which, mass, reach, "hdbscan", parameters)


@dataclass(frozen=True, eq=False)
class RadiusSuggestion:
    """A radius for `dbscan`, and why.

    Parameters
    ----------
    radius_m : float
    min_incidents : int
    distances_m : ndarray of float, shape (n_incidents,)
        Distance of each incident to its k-th nearest other, ascending: the curve whose bend is the suggestion.
    """

    radius_m: float
    min_incidents: int
    distances_m: NDArray[np.float64] = field(repr=False)

    def sentence(self) -> str:
        """Say in one sentence what the radius is and where it comes from."""
        share = float((self.distances_m <= self.radius_m).mean())
        return (
            f"{self.radius_m:.0f} m: {100 * share:.0f} % of incidents have {self.min_incidents - 1} others within it, "
            "and beyond it the distance grows quickly."
        )


def suggest_radius(incidents: Incidents, *, min_incidents: int = 30) -> RadiusSuggestion:
    """Suggest a radius for `dbscan`: the bend of the sorted distances to the k-th nearest incident.

    Parameters
    ----------
    incidents : Incidents
    min_incidents : int
        As for `dbscan`; k is one less.

    Raises
    ------
    PatternError
        If there are no more incidents than that.

    References
    ----------
    Ester et al. (1996); for the bend Satopaa et al. (2011), https://doi.org/10.1109/ICDCSW.2011.20
    """
    _check(incidents, 1.0, min_incidents)
    if len(incidents) <= min_incidents:
        raise PatternError(f"A radius needs more than {min_incidents} incidents, got {len(incidents)}: lower it.")
    places, which, mass = _distinct_places(incidents)
    distance = np.sort(_kth_distance(places, mass, min_incidents)[which])
    rank = np.linspace(0.0, 1.0, len(distance))
    spread = distance[-1] - distance[0]
    height = (distance - distance[0]) / spread if spread > 0 else np.zeros(len(distance))
    radius = float(distance[int(np.argmax(rank - height))])
    positive = distance[distance > 0]
    if radius <= 0:
        radius = float(positive[0]) if len(positive) else 1.0
    return RadiusSuggestion(radius, int(min_incidents), distance)


def _kth_distance(places: NDArray[np.float64], mass: NDArray[np.float64], wanted: int) -> NDArray[np.float64]:
    """Return for each place the distance within which `wanted` incidents lie, its own included."""
    tree, found = cKDTree(places), np.zeros(len(places))
    open_places = np.flatnonzero(mass < wanted)
    neighbours = 8
    while open_places.size:
        many = min(neighbours, len(places))
        distance, near = tree.query(places[open_places], k=many)
        reached = np.cumsum(mass[near], axis=1) >= wanted
        done = reached.any(axis=1) | (many == len(places))
        position = np.where(reached.any(axis=1), reached.argmax(axis=1), many - 1)
        found[open_places[done]] = distance[done, position[done]]
        open_places, neighbours = open_places[~done], 4 * neighbours
    return found


def _clusters(
    incidents: Incidents,
    labels: NDArray[np.int64],
    which: NDArray[np.int64],
    place: NDArray[np.int64],
    mass: NDArray[np.float64],
    radius_m: float,
    method: str,
    parameters: dict[str, Any],
) -> Clusters:
    """Put a result together: groups numbered and described; `which` leads from incidents to labels."""
    of_incident = _numbered(labels, mass)[which]
    numbers = pd.Series(of_incident, dtype="Int64").mask(pd.Series(of_incident == 0))
    summary = summarise_clusters(incidents, of_incident, place, radius_m=radius_m)
    facts = {
        **parameters,
        "incidents": len(incidents),
        "distinct_places": int(place.max(initial=-1)) + 1,
        "clustered": int((of_incident > 0).sum()),
    }
    return Clusters(incidents, numbers, summary, method, MappingProxyType(facts))


def _check(incidents: Incidents, radius_m: float, min_incidents: int) -> None:
    if len(incidents) == 0:
        raise PatternError("DBSCAN needs at least one incident, got none: widen the window or the category.")
    if not (np.isfinite(radius_m) and radius_m > 0):
        raise PatternError(f"DBSCAN radius must be > 0 metres, got {radius_m}: set patterns.dbscan_radius_m.")
    if min_incidents < 2:
        raise PatternError(
            f"DBSCAN needs min_incidents >= 2, got {min_incidents}: one incident alone is no cluster; "
            "set patterns.dbscan_min_incidents."
        )


def _distinct_places(incidents: Incidents) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
    """Merge incidents that are less than a millimetre apart; places come sorted from west to east."""
    xy = incidents.table[["x", "y"]].to_numpy(dtype=float)
    _, first, which = np.unique(np.round(xy, 3), axis=0, return_index=True, return_inverse=True)
    which = which.ravel()
    return xy[first], which, np.bincount(which).astype(float)


def _check_effort(places: NDArray[np.float64], radius_m: float) -> None:
    tree = cKDTree(places)
    pairs = int(tree.count_neighbors(tree, radius_m))
    if pairs > MAX_PAIRS:
        raise PatternError(
            f"DBSCAN with a radius of {radius_m:g} m joins {pairs:,} pairs of {len(places):,} places, more than "
            f"{MAX_PAIRS:,}: choose a smaller patterns.dbscan_radius_m or a shorter patterns.window_days."
        )


def _numbered(labels: NDArray[np.int64], mass: NDArray[np.float64]) -> NDArray[np.int64]:
    """Renumber labels (-1 is noise) from 1, the largest cluster first; 0 is noise."""
    if labels.max() < 0:
        return np.zeros(len(labels), dtype=np.int64)
    clustered = labels >= 0
    size = np.bincount(labels[clustered], weights=mass[clustered])
    number = np.empty(len(size), dtype=np.int64)
    number[np.argsort(-size, kind="stable")] = np.arange(1, len(size) + 1)
    return np.where(clustered, number[labels], 0)
