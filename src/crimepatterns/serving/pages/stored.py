"""Stored tables and layers as pages read them: kept in memory until their file is replaced."""

from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd

from crimepatterns.errors import MissingInputError
from crimepatterns.serving.names import place_name
from crimepatterns.serving.results import Category, Results
from crimepatterns.store.layers import read_layer, read_table

__all__ = ["layer_of", "named", "records", "table_of"]


def table_of(results: Results, category: Category, name: str) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return a table of the patterns room and its facts.

    Raises
    ------
    MissingInputError
        If it was not made.
    """
    path = _there(results.layer_path(category, name), name)
    return results.cache.get(("page-table", category.slug, name), [path], lambda: read_table(path))


def layer_of(results: Results, path: Path) -> tuple[gpd.GeoDataFrame, dict[str, Any]]:
    """Return a stored layer and its facts; the same error."""
    found = _there(path, path.stem)
    return results.cache.get(("page-layer", str(found)), [found], lambda: read_layer(found))


def named(text: object) -> str:
    """Write the name of a place as people do, and say so where there is none."""
    return place_name(str(text)) if text else "no neighbourhood"


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows as plain mappings, missing numbers as None."""
    plain = pd.DataFrame(table.drop(columns="geometry", errors="ignore"))
    return [
        {str(key): None if pd.isna(value) else value for key, value in row.items()} for row in plain.to_dict("records")
    ]


def _there(path: Path, name: str) -> Path:
    if not path.exists():
        raise MissingInputError(f"No {name.replace('_', ' ')} yet: run `crimepatterns patterns`.")
    return path
