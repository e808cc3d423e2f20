"""Shapes for the browser: longitude and latitude, no more digits than a metre needs."""

from collections.abc import Iterable, Mapping
from typing import Any

import geopandas as gpd
import numpy as np
import orjson
import shapely
from numpy.typing import NDArray

from crimepatterns.domain.area import StudyArea
from crimepatterns.serving.names import place_name

__all__ = ["areas_geojson", "bounds_of", "feature_collection", "features", "to_degrees"]

_DIGITS = 5  # about one metre


def to_degrees(shapes: gpd.GeoSeries, *, simplify_m: float = 0.0) -> NDArray[np.object_]:
    """Simplify shapes, shape (n,), in metres and return them in rounded degrees."""
    metric = shapes.simplify(simplify_m, preserve_topology=True) if simplify_m else shapes
    plain = metric.to_crs("EPSG:4326").to_numpy()
    rounded: NDArray[np.object_] = shapely.transform(plain, lambda points: np.round(points, _DIGITS))
    return rounded


def features(shapes: NDArray[np.object_], properties: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Pair shapes with their properties; the position is the feature's id."""
    texts = shapely.to_geojson(shapes)
    return [
        {"type": "Feature", "id": i, "properties": dict(facts), "geometry": orjson.Fragment(text)}
        for i, (text, facts) in enumerate(zip(texts, properties, strict=True))
    ]


def feature_collection(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """Wrap features."""
    return {"type": "FeatureCollection", "features": parts}


def bounds_of(area: StudyArea) -> list[float]:
    """Return west, south, east and north in degrees."""
    return [round(float(edge), _DIGITS) for edge in area.to_wgs84().total_bounds]


def areas_geojson(area: StudyArea) -> dict[str, Any]:
    """Return the basemap: the boundary, the neighbourhoods, and a point inside each for its name."""
    hoods = area.neighbourhoods
    outline = to_degrees(gpd.GeoSeries([area.polygon], crs=area.crs), simplify_m=12)
    shapes = to_degrees(hoods.geometry, simplify_m=12) if len(hoods) else np.empty(0, dtype=object)
    names = [place_name(str(name)) for name in hoods["name"]]
    size = hoods.geometry.area.to_numpy() / 1e6
    inner = shapely.get_point(shapely.maximum_inscribed_circle(hoods.geometry.to_numpy(), tolerance=50), 0)
    points = to_degrees(gpd.GeoSeries(list(inner), crs=area.crs)) if len(hoods) else np.empty(0, dtype=object)
    facts = [{"name": name, "km2": round(float(km2), 2)} for name, km2 in zip(names, size, strict=True)]
    return {
        "bounds": bounds_of(area),
        "boundary": feature_collection(features(outline, [{"name": area.name}])),
        "neighbourhoods": feature_collection(features(shapes, facts)),
        "labels": feature_collection(features(points, facts)),
    }
