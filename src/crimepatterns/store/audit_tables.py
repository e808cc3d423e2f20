"""Audit tables on disk: who lives where, for figures about the exposure of groups to a map and for nothing else.

Only the stage that brings them in and the stage that judges maps may import this module; a contract of the layers
check holds features, forecasts, patterns and plans to that.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import geopandas as gpd

from crimepatterns.errors import ArtefactError
from crimepatterns.store.layers import read_layer, write_layer

__all__ = ["read_audit_table", "write_audit_table"]

_KIND = "audit"


def write_audit_table(path: Path, table: gpd.GeoDataFrame, facts: Mapping[str, Any]) -> None:
    """Write an audit table: ``neighbourhood``, numbers, ``starts_at``, ``ends_at`` and ``geometry``."""
    write_layer(path, table, {**facts, "kind": _KIND, "role": "audit"})


def read_audit_table(path: Path) -> tuple[gpd.GeoDataFrame, dict[str, Any]]:
    """Read an audit table and its facts.

    Raises
    ------
    MissingInputError
        If it is not there.
    ArtefactError
        If it is damaged, or no audit table.
    """
    table, facts = read_layer(path)
    if facts.get("kind") != _KIND:
        raise ArtefactError(f"{path} is no audit table: run `crimepatterns context --force`.")
    return table, facts
