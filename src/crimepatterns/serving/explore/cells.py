"""The cells of the map, drawn once; their counts follow with every question."""

from typing import Any

from crimepatterns.serving.explore.record import View
from crimepatterns.serving.geometry import feature_collection, features, to_degrees
from crimepatterns.serving.names import place_name

__all__ = ["cells_geojson"]


def cells_geojson(view: View) -> dict[str, Any]:
    """Return the cells that a caller's incidents are counted in; a feature's id is the cell's number in the counts."""
    grid = view.grid
    facts = [
        {"cell": str(cell), "name": place_name(str(name)), "km2": round(float(km2), 4)}
        for cell, name, km2 in zip(grid.ids, grid.neighbourhood, grid.area_km2, strict=True)
    ]
    return feature_collection(features(to_degrees(grid.cells.geometry), facts))
