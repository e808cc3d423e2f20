"""Groups of incidents that lie close together."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import geopandas as gpd
import pandas as pd

from crimepatterns.domain.incidents import Incidents
from crimepatterns.errors import DomainError

__all__ = ["Clusters"]


@dataclass(frozen=True, eq=False)
class Clusters:
    """Cluster membership of incidents and one readable row per cluster.

    Parameters
    ----------
    incidents : Incidents
    labels : Series of nullable Int64, shape (n_incidents,)
        Cluster number from 1, the largest first; missing for incidents in no cluster.
    summary : GeoDataFrame, shape (n_clusters, ...)
        ``cluster``, ``incidents``, ``distinct_places``, ``sentence`` and further facts; ``geometry`` is the hull.
    method : str
    parameters : mapping
    """

    incidents: Incidents = field(repr=False)
    labels: pd.Series = field(repr=False)
    summary: gpd.GeoDataFrame = field(repr=False)
    method: str
    parameters: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        if len(self.labels) != len(self.incidents):
            raise DomainError(
                f"Clusters need one label per incident, got {len(self.labels)} for {len(self.incidents)}."
            )
        found = set(self.labels.dropna().unique())
        listed = set(self.summary["cluster"])
        if found != listed:
            raise DomainError(f"Cluster labels {sorted(found)} and summary rows {sorted(listed)} must agree.")
