"""Context layers on disk: one GeoParquet file each, with origin, licence and digests inside."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from crimepatterns.domain.context import ContextLayer
from crimepatterns.errors import ArtefactError, DomainError
from crimepatterns.store.layers import read_layer, write_layer

__all__ = ["read_context_layer", "write_context_layer"]

_KIND = "context"


def write_context_layer(path: Path, layer: ContextLayer, facts: Mapping[str, Any]) -> None:
    """Write a layer for features; `facts` adds sources and settings."""
    own = {
        "kind": _KIND,
        "name": layer.name,
        "geometry": layer.kind,
        "register": layer.register,
        "origin": layer.origin,
        "role": "feature",
    }
    write_layer(path, layer.table, {**facts, **own})


def read_context_layer(path: Path) -> tuple[ContextLayer, dict[str, Any]]:
    """Read a layer for features and its facts.

    Raises
    ------
    MissingInputError
        If it is not there.
    AuditColumnError
        If it holds a column about race, ethnicity, religion, nationality or income.
    ArtefactError
        If it is damaged, or no layer for features.
    """
    table, facts = read_layer(path)
    if facts.get("kind") != _KIND or facts.get("role") != "feature":
        raise ArtefactError(f"{path} is no context layer for features: run `crimepatterns context --force`.")
    try:
        layer = ContextLayer(facts["name"], facts["geometry"], table, facts["register"], facts["origin"])
    except (KeyError, DomainError) as error:
        raise ArtefactError(f"{path} is damaged ({error}): run `crimepatterns context --force`.") from error
    return layer, facts
