"""Places and streets by name, found in the city's own data: neighbourhoods, streets and places of its context."""

import unicodedata
from dataclasses import dataclass
from typing import Any

import geopandas as gpd
import numpy as np

from crimepatterns.errors import CrimePatternsError
from crimepatterns.serving.explore.desk import Desk
from crimepatterns.serving.explore.record import View
from crimepatterns.serving.explore.streets import city_segments
from crimepatterns.serving.names import place_name

__all__ = ["find_places"]

_MOST = 12


@dataclass(frozen=True)
class _Place:
    name: str
    folded: str
    kind: str
    at: tuple[float, float]
    box: tuple[float, float, float, float]
    area: str | None


def find_places(desk: Desk, view: View, text: str) -> list[dict[str, Any]]:
    """Return places whose name holds all words of a text; names that begin with it come first.

    Parameters
    ----------
    desk : Desk
    view : View
    text : str

    Returns
    -------
    list of dict
        ``name``, ``kind``, ``at`` (longitude, latitude), ``box`` (west, south, east, north) and ``area``, the short
        name of a neighbourhood, else None; at most 12.
    """
    wanted = _fold(text)
    words = wanted.split()
    if not words:
        return []
    sources = [desk.results.layout.cleaning_report]
    places: list[_Place] = desk.results.cache.get("places", sources, lambda: _places(desk, view))
    found = [one for one in places if all(word in one.folded for word in words)]
    found.sort(
        key=lambda one: (not one.folded.startswith(wanted), one.kind != "neighbourhood", len(one.name), one.name)
    )
    return [
        {"name": one.name, "kind": one.kind, "at": one.at, "box": one.box, "area": one.area} for one in found[:_MOST]
    ]


def _places(desk: Desk, view: View) -> list[_Place]:
    area = desk.results.area()
    shorts = {code: short for short, code in view.labels.hoods.items()}
    hoods = area.neighbourhoods
    found = _read(hoods, [place_name(str(name)) for name in hoods["name"]], "neighbourhood", shorts)
    streets = _streets(desk)
    if streets is not None:
        found += _read(streets, [place_name(str(name)) for name in streets["street_id"]], "street", {})
    return found


def _streets(desk: Desk) -> gpd.GeoDataFrame | None:
    """Read the streets of the settings, one row for each name; None where there are none, or they have no names."""
    settings = desk.results.settings
    if settings.patterns.streets is None or settings.patterns.streets_id is None:
        return None
    try:
        segments = city_segments(desk).table
    except CrimePatternsError:
        return None
    return segments.dissolve("street_id").reset_index()


def _read(shapes: gpd.GeoDataFrame, names: list[str], kind: str, areas: dict[int, str]) -> list[_Place]:
    if shapes.empty:
        return []
    boxes = np.round(shapes.to_crs("EPSG:4326").geometry.bounds.to_numpy(), 5)
    points = shapes.geometry.representative_point().to_crs("EPSG:4326")
    at = np.round(np.column_stack([points.x, points.y]), 5)
    return [
        _Place(name, _fold(name), kind, (float(x), float(y)), tuple(map(float, box)), areas.get(number))  # type: ignore[arg-type]
        for number, (name, (x, y), box) in enumerate(zip(names, at, boxes, strict=True))
    ]


def _fold(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text)
    return " ".join("".join(sign for sign in plain if not unicodedata.combining(sign)).casefold().split())
