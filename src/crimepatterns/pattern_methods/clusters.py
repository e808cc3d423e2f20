"""Pattern methods that group incidents."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd

from crimepatterns.domain.clusters import Clusters
from crimepatterns.domain.incidents import Incidents
from crimepatterns.pattern_methods.work import PatternWork
from crimepatterns.patterns.clusters import dbscan, hdbscan, st_dbscan
from crimepatterns.patterns.sentences import clusters_sentence
from crimepatterns.store.layers import write_layer

__all__ = ["bursts", "densities", "places"]


def places(work: PatternWork, chosen: Incidents, facts: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Group incidents that lie close together."""
    core = work.core_incidents(chosen)
    found = dbscan(chosen, radius_m=work.settings.dbscan_radius_m, min_incidents=core)
    return {**_written(found, facts, folder), "core_incidents": core}


def bursts(work: PatternWork, chosen: Incidents, facts: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Group incidents that lie close together in space and time."""
    wanted = work.settings
    found = st_dbscan(
        chosen, radius_m=wanted.dbscan_radius_m, days=wanted.burst_days, min_incidents=wanted.burst_min_incidents
    )
    return _written(found, facts, folder)


def densities(work: PatternWork, chosen: Incidents, facts: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Group incidents into clusters of different density."""
    return _written(hdbscan(chosen, min_incidents=work.settings.dbscan_min_incidents), facts, folder)


def _written(clusters: Clusters, facts: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    sentence = clusters_sentence(clusters)
    own = {"kind": "clusters", "method": clusters.method, "parameters": dict(clusters.parameters), "sentence": sentence}
    write_layer(folder / f"{clusters.method}.parquet", clusters.summary, {**facts, **own})
    member = clusters.labels.notna().to_numpy(dtype=bool)
    table = clusters.incidents.table.loc[member, ["id", "occurred_from", "category", "x", "y"]]
    points = gpd.GeoDataFrame(
        {
            "id": table["id"],
            "cluster": clusters.labels[member].astype("int64"),
            "category": pd.Series(table["category"].astype(str)),
            "occurred_from": table["occurred_from"],
        },
        geometry=gpd.points_from_xy(table["x"], table["y"]),
        crs=clusters.incidents.area.crs,
    )
    write_layer(folder / f"{clusters.method}_members.parquet", points, {**facts, **own, "kind": "cluster members"})
    return {"clusters": len(clusters.summary), "sentence": sentence}
