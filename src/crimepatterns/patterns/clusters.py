"""DBSCAN: places where many incidents lie within a short walk of one another."""

from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from crimepatterns.domain.clusters import Clusters
from crimepatterns.domain.incidents import Incidents
from crimepatterns.errors import PatternError
from crimepatterns.patterns.cluster_summary import summarise_clusters

__all__ = ["MAX_PAIRS", "dbscan"]

MAX_PAIRS = 100_000_000
"""More pairs of neighbouring places than this are refused: they would need over a gigabyte of memory."""


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
        memory would run out.

    Notes
    -----
    The result does not depend on the order of the rows. An incident on the edge of two clusters belongs to one.

    References
    ----------
    Ester, Kriegel, Sander and Xu (1996), https://dl.acm.org/doi/10.5555/3001460.3001507
    """
    _check(incidents, radius_m, min_incidents)
    places, which, mass = _distinct_places(incidents)
    _check_memory(places, radius_m)
    of_place = _numbered(_place_labels(places, mass, radius_m, min_incidents), mass)
    of_incident = of_place[which]
    labels = pd.Series(of_incident, dtype="Int64").mask(pd.Series(of_incident == 0))
    summary = summarise_clusters(incidents, of_incident, which, radius_m=radius_m)
    parameters = {
        "radius_m": float(radius_m),
        "min_incidents": int(min_incidents),
        "incidents": len(incidents),
        "distinct_places": len(places),
        "clustered": int((of_incident > 0).sum()),
    }
    return Clusters(incidents, labels, summary, "dbscan", MappingProxyType(parameters))


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


def _check_memory(places: NDArray[np.float64], radius_m: float) -> None:
    tree = cKDTree(places)
    pairs = int(tree.count_neighbors(tree, radius_m))
    if pairs > MAX_PAIRS:
        raise PatternError(
            f"DBSCAN with a radius of {radius_m:g} m joins {pairs:,} pairs of {len(places):,} places, more than "
            f"{MAX_PAIRS:,}: choose a smaller patterns.dbscan_radius_m or a shorter patterns.window_days."
        )


def _place_labels(
    places: NDArray[np.float64], mass: NDArray[np.float64], radius_m: float, min_incidents: int
) -> NDArray[np.int64]:
    from sklearn.cluster import DBSCAN

    fitted = DBSCAN(eps=radius_m, min_samples=min_incidents).fit(places, sample_weight=mass)
    return np.asarray(fitted.labels_, dtype=np.int64)


def _numbered(labels: NDArray[np.int64], mass: NDArray[np.float64]) -> NDArray[np.int64]:
    """Renumber scikit-learn's labels (-1 is noise) from 1, the largest cluster first; 0 is noise."""
    if labels.max() < 0:
        return np.zeros(len(labels), dtype=np.int64)
    clustered = labels >= 0
    size = np.bincount(labels[clustered], weights=mass[clustered])
    number = np.empty(len(size), dtype=np.int64)
    number[np.argsort(-size, kind="stable")] = np.arange(1, len(size) + 1)
    return np.where(clustered, number[labels], 0)
