"""Places where incidents have followed one another in the last days, with the day on which the alert ends."""

from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from crimepatterns.domain.incidents import Incidents
from crimepatterns.patterns.near_repeat import near_repeat_chains

__all__ = ["near_repeat_alerts"]

_COLUMNS = ["alert", "incidents", "distinct_places", "first", "last", "expires", "neighbourhood"]


def near_repeat_alerts(
    incidents: Incidents, *, end: pd.Timestamp, distance_m: float = 200.0, days: int = 14
) -> gpd.GeoDataFrame:
    """Find groups of two or more incidents of the last days, each linked to another of them by distance and time.

    Whether followers are more than chance is not asked here: an alert is worth sending only where the Knox table shows
    an excess of close pairs.

    Parameters
    ----------
    incidents : Incidents
        Choose the category first.
    end : Timestamp
        Civil midnight at the end of the latest day.
    distance_m : float
        Greatest distance of a link, metres.
    days : int
        Greatest number of days of a link; so long an incident is recent, and so long after its latest incident an
        alert ends.

    Returns
    -------
    GeoDataFrame, shape (n_alerts, 8)
        ``alert`` (from 1; the most incidents first, then the latest), ``incidents``, ``distinct_places``, ``first`` and
        ``last`` (time of the earliest and the latest incident), ``expires`` (civil midnight), ``neighbourhood`` (of the
        latest incident) and ``geometry``: all that lies within `distance_m` of one of them.

    Examples
    --------
    Two incidents 50 m and two days apart make one alert, which ends `days` days after the second of them.
    """
    area = incidents.area
    recent = incidents.between(end - pd.DateOffset(days=days), end)
    if len(recent) < 2:
        return _alerts([], area.crs)
    members = near_repeat_chains(recent, distance_m=distance_m, days=days).members
    if members.empty:
        return _alerts([], area.crs)
    place = pd.Series(np.arange(len(members)), index=members["id"].astype(str))
    linked = members["follows"].notna().to_numpy()
    start, stop = np.flatnonzero(linked), place[members.loc[linked, "follows"].astype(str)].to_numpy()
    size = (len(members), len(members))
    groups = connected_components(sparse.coo_array((np.ones(len(start)), (start, stop)), shape=size), directed=False)[1]
    points = recent.table.iloc[members["row"].to_numpy()]
    rows = [
        _alert(recent, points.iloc[np.flatnonzero(groups == group)], distance_m, days) for group in np.unique(groups)
    ]
    return _alerts([row for row in rows if row["incidents"] > 1], area.crs)


def _alert(recent: Incidents, own: pd.DataFrame, distance_m: float, days: int) -> dict[str, Any]:
    latest = own.sort_values(["occurred_from", "id"]).iloc[-1]
    places = shapely.points(own["x"], own["y"])
    names = recent.area.neighbourhood_of(np.array([latest["x"]]), np.array([latest["y"]]))
    return {
        "incidents": len(own),
        "distinct_places": len(own[["x", "y"]].round(0).drop_duplicates()),
        "first": own["occurred_from"].min(),
        "last": latest["occurred_from"],
        "expires": latest["occurred_from"].normalize() + pd.DateOffset(days=days + 1),
        "neighbourhood": str(names[0] or ""),
        "geometry": shapely.union_all(shapely.buffer(places, distance_m)),
    }


def _alerts(rows: list[dict[str, Any]], crs: str) -> gpd.GeoDataFrame:
    rows = sorted(rows, key=lambda row: (-row["incidents"], -row["last"].value))
    table = pd.DataFrame(rows, columns=[*_COLUMNS[1:], "geometry"])
    table.insert(0, "alert", np.arange(1, len(table) + 1))
    return gpd.GeoDataFrame(table, geometry="geometry", crs=crs)
