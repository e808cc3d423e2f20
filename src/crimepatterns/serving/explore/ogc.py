"""OGC API Features 1.0 (core, GeoJSON, CRS): incidents, neighbourhoods and cells for QGIS and other programs."""

import datetime as dt
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import geopandas as gpd
import numpy as np
import orjson
import pyproj
import shapely

from crimepatterns.domain.area import StudyArea
from crimepatterns.serving.explore.desk import Asked
from crimepatterns.serving.explore.filters import Condition
from crimepatterns.serving.explore.record import world
from crimepatterns.serving.explore.rows import count_rows, incident_rows
from crimepatterns.serving.failures import UnknownNameError, UnreadableRequestError
from crimepatterns.serving.names import place_name

__all__ = [
    "COLLECTIONS",
    "CONFORMS_TO",
    "CRS84",
    "Page",
    "collection",
    "incident_item",
    "incident_items",
    "shape_items",
]

CRS84 = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"

CONFORMS_TO = (
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/geojson",
    "http://www.opengis.net/spec/ogcapi-features-2/1.0/conf/crs",
)

COLLECTIONS = {
    "incidents": ("Incidents", "One point per incident; for the public one per cell, week and category with a count."),
    "neighbourhoods": ("Neighbourhoods", "Named parts of the city."),
    "cells": ("Cells", "The cells in which incidents are counted."),
}


@dataclass(frozen=True)
class Page:
    """Which features of a collection are wanted, and how.

    Parameters
    ----------
    limit, offset : int
    bbox, bbox_crs, datetime, crs : str
        As in the standard; empty where left out.
    """

    limit: int = 100
    offset: int = 0
    bbox: str = ""
    bbox_crs: str = ""
    datetime: str = ""
    crs: str = ""


def metric_crs(area: StudyArea) -> str | None:
    """Return the address of the city's own reference system; None where no register knows it."""
    known = pyproj.CRS.from_user_input(area.crs).to_authority()
    return f"http://www.opengis.net/def/crs/{known[0]}/0/{known[1]}" if known else None


def collection(area: StudyArea, name: str, root: str) -> dict[str, Any]:
    """Describe a collection.

    Raises
    ------
    UnknownNameError
        If there is none of that name.
    """
    if name not in COLLECTIONS:
        raise UnknownNameError(f"No collection {name[:60]!r} here: {', '.join(COLLECTIONS)}.")
    title, description = COLLECTIONS[name]
    own = metric_crs(area)
    west, south, east, north = area.to_wgs84().total_bounds
    return {
        "id": name,
        "title": title,
        "description": description,
        "itemType": "feature",
        "extent": {"spatial": {"bbox": [[float(west), float(south), float(east), float(north)]], "crs": CRS84}},
        "crs": [CRS84, *([own] if own else [])],
        "storageCrs": own or CRS84,
        "links": [
            {"href": f"{root}/collections/{name}", "rel": "self", "type": "application/json"},
            {"href": f"{root}/collections/{name}/items", "rel": "items", "type": "application/geo+json"},
        ],
    }


def incident_items(asked: Asked, page: Page, root: str, query: dict[str, str]) -> tuple[bytes, str]:
    """Return a page of incidents as GeoJSON, and the reference system of its coordinates."""
    area = asked.record.area
    wanted = _within(_during(asked.condition, page, asked), page, area)
    crs = _crs(page.crs, area)
    rows = incident_rows(asked.record, asked.view, wanted, limit=page.limit, offset=page.offset, newest=False)
    columns = ("longitude", "latitude") if crs == CRS84 else ("x", "y")
    names = [name for name in rows.columns if name not in {"line", "longitude", "latitude", "x", "y"}]
    ids = rows["id"] if asked.view.exact else rows["line"]
    features = [
        _feature(one, dict(zip(names, values, strict=True)), {"type": "Point", "coordinates": [x, y]})
        for one, values, x, y in zip(
            ids.tolist(),
            rows[names].itertuples(index=False, name=None),
            rows[columns[0]].tolist(),
            rows[columns[1]].tolist(),
            strict=True,
        )
    ]
    matched = count_rows(asked.record, asked.view, wanted)
    return _collected(features, matched, page, f"{root}/collections/incidents/items", query), crs


def incident_item(asked: Asked, feature: str, crs_wanted: str) -> tuple[bytes, str]:
    """Return one incident.

    Raises
    ------
    UnknownNameError
        If there is none of that id that this caller may see.
    """
    crs = _crs(crs_wanted, asked.record.area)
    if not asked.view.exact and not re.fullmatch(r"\d{1,9}", feature):
        raise UnknownNameError(f"No incident {feature[:60]!r} here.")
    column, value = ("id", feature) if asked.view.exact else ("line", int(feature))
    wanted = asked.condition.also(f"{column} = ?", value)
    rows = incident_rows(asked.record, asked.view, wanted, limit=1)
    if rows.empty:
        raise UnknownNameError(f"No incident {feature[:60]!r} here.")
    row = {str(column): value for column, value in rows.iloc[0].items()}
    place = ["longitude", "latitude"] if crs == CRS84 else ["x", "y"]
    facts = {name: value for name, value in row.items() if name not in {"line", "longitude", "latitude", "x", "y"}}
    point = {"type": "Point", "coordinates": [row[name] for name in place]}
    return _dumped(_feature(row["id"] if asked.view.exact else row["line"], facts, point)), crs


def shape_items(asked: Asked, name: str, page: Page, root: str, query: dict[str, str]) -> tuple[bytes, str]:
    """Return a page of neighbourhoods or cells as GeoJSON, and the reference system of its coordinates."""
    area = asked.record.area
    crs = _crs(page.crs, area)
    table = _shapes(asked, name)
    if page.bbox:
        west, south, east, north = _box(page, area)
        box = shapely.box(west, south, east, north)
        table = table[table.to_crs(_code(page.bbox_crs or CRS84, area)).intersects(box).to_numpy()]
    some = table.iloc[page.offset : page.offset + page.limit]
    shapes = some.to_crs(_code(crs, area)).geometry
    told = some.drop(columns="geometry").to_dict("records")
    features = [
        _feature(int(number), facts, orjson.Fragment(shapely.to_geojson(shape)))
        for number, facts, shape in zip(some.index, told, shapes, strict=True)
    ]
    return _collected(features, len(table), page, f"{root}/collections/{name}/items", query), crs


def _shapes(asked: Asked, name: str) -> gpd.GeoDataFrame:
    if name == "cells":
        grid = asked.view.grid
        columns = {"cell": grid.ids, "neighbourhood": grid.neighbourhood, "km2": grid.area_km2.round(4)}
        return gpd.GeoDataFrame(columns, geometry=grid.cells.geometry.to_numpy(), crs=asked.record.area.crs)
    hoods = asked.record.area.neighbourhoods
    names = [place_name(str(one)) for one in hoods["name"]]
    facts = {"name": names, "km2": (hoods.geometry.area / 1e6).round(4).tolist()}
    return gpd.GeoDataFrame(facts, geometry=hoods.geometry.to_numpy(), crs=asked.record.area.crs)


def _feature(number: Any, facts: dict[str, Any], geometry: Any) -> dict[str, Any]:
    return {"type": "Feature", "id": number, "properties": facts, "geometry": geometry}


def _collected(features: list[dict[str, Any]], matched: int, page: Page, path: str, query: dict[str, str]) -> bytes:
    def link(rel: str, offset: int) -> dict[str, str]:
        asked = urlencode({**query, "limit": page.limit, "offset": offset})
        return {"href": f"{path}?{asked}", "rel": rel, "type": "application/geo+json"}

    links = [link("self", page.offset)]
    if page.offset + len(features) < matched and features:
        links.append(link("next", page.offset + page.limit))
    if page.offset:
        links.append(link("prev", max(0, page.offset - page.limit)))
    return _dumped(
        {
            "type": "FeatureCollection",
            "numberMatched": matched,
            "numberReturned": len(features),
            "timeStamp": dt.datetime.now(dt.UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            "links": links,
            "features": features,
        }
    )


def _dumped(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)


def _crs(wanted: str, area: StudyArea) -> str:
    if wanted and wanted not in {CRS84, metric_crs(area)}:
        raise UnreadableRequestError(f"The reference system must be {CRS84} or {metric_crs(area)}.")
    return wanted or CRS84


def _code(crs: str, area: StudyArea) -> str:
    return "OGC:CRS84" if crs == CRS84 else area.crs


def _box(page: Page, area: StudyArea) -> tuple[float, float, float, float]:
    _crs(page.bbox_crs, area)
    try:
        numbers = [float(part) for part in page.bbox.split(",")]
    except ValueError as error:
        raise UnreadableRequestError("bbox must be numbers with commas.") from error
    if len(numbers) == 6:
        numbers = [*numbers[:2], *numbers[3:5]]
    if len(numbers) != 4 or not all(abs(number) < 1e12 for number in numbers) or numbers[1] > numbers[3]:
        raise UnreadableRequestError("bbox must be west, south, east and north.")
    return numbers[0], numbers[1], numbers[2], numbers[3]


def _within(so_far: Condition, page: Page, area: StudyArea) -> Condition:
    if not page.bbox:
        return so_far
    west, south, east, north = _box(page, area)
    if page.bbox_crs and page.bbox_crs != CRS84:
        return so_far.also("x BETWEEN ? AND ? AND y BETWEEN ? AND ?", west, east, south, north)
    across, down = world(np.array([west, east]), np.array([south, north]))
    return so_far.also(
        "east BETWEEN ? AND ? AND south BETWEEN ? AND ?", *across.tolist(), down[1].item(), down[0].item()
    )


def _during(so_far: Condition, page: Page, asked: Asked) -> Condition:
    if not page.datetime:
        return so_far
    first, _, last = page.datetime.partition("/")
    start = _moment(first, asked.record.area.timezone, end=False)
    end = _moment(last if "/" in page.datetime else first, asked.record.area.timezone, end=True)
    made = so_far
    if start is not None:
        # A row of the public is a whole week: it is in every period that touches it.
        made = made.also("until >= ?" if asked.view.exact else "until > ?", start)
    return made if end is None else made.also("occurred <= ?", end)


def _moment(text: str, timezone: str, *, end: bool) -> dt.datetime | None:
    if text in {"", ".."}:
        return None
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
            day = dt.datetime.fromisoformat(text)
            return day + dt.timedelta(days=1) - dt.timedelta(microseconds=1) if end else day
        moment = dt.datetime.fromisoformat(text)
        return moment.astimezone(ZoneInfo(timezone)).replace(tzinfo=None) if moment.tzinfo else moment
    except (ValueError, OverflowError) as error:
        raise UnreadableRequestError(f"datetime cannot be read: {text[:40]!r}.") from error
