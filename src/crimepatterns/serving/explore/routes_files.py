"""The routes of downloads and of OGC API Features."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from crimepatterns.serving.explore.desk import Desk, Question
from crimepatterns.serving.explore.files import MEDIA_TYPES, Kind, csv_stream, file_bytes
from crimepatterns.serving.explore.ogc import (
    COLLECTIONS,
    CONFORMS_TO,
    CRS84,
    Page,
    collection,
    incident_item,
    incident_items,
    shape_items,
)
from crimepatterns.serving.explore.routes import CONTROL
from crimepatterns.serving.failures import UnknownNameError

__all__ = ["download_routes", "ogc_routes"]

Asking = Annotated[Question, Depends()]


@dataclass(frozen=True)
class _PageQuery:
    """Parameters of the standard, by their names there."""

    limit: Annotated[int, Query(ge=1, le=10_000)] = 100
    offset: Annotated[int, Query(ge=0, le=100_000_000)] = 0
    bbox: Annotated[str, Query(max_length=200)] = ""
    bbox_crs: Annotated[str, Query(alias="bbox-crs", max_length=100)] = ""
    datetime: Annotated[str, Query(max_length=80)] = ""
    crs: Annotated[str, Query(max_length=100)] = ""


def download_routes(desk: Desk) -> APIRouter:
    """Make ``/api/explore/download.*``."""
    router = APIRouter(prefix="/api/explore", tags=["explore"])

    @router.get("/download.{kind}", summary="What was asked for, as a file", response_class=Response)
    def get_file(request: Request, question: Asking, kind: Kind) -> Response:
        asked, city = desk.read(request, question), desk.results.settings
        name = f"{city.city}-{asked.filters.told()['from']}-{asked.filters.told()['until']}.{kind}"
        headers = {"content-disposition": f'attachment; filename="{name}"', "cache-control": CONTROL}
        if kind == "csv":
            return StreamingResponse(csv_stream(asked, city.title), media_type=MEDIA_TYPES[kind], headers=headers)
        return Response(file_bytes(asked, city.title, kind), media_type=MEDIA_TYPES[kind], headers=headers)

    return router


def ogc_routes(desk: Desk) -> APIRouter:
    """Make ``/ogc`` and what lies below it."""
    router = APIRouter(prefix="/ogc", tags=["OGC API Features"])

    @router.get("", summary="Landing page for QGIS and other programs")
    def get_landing(request: Request) -> Response:
        root = _root(request)
        links = [
            ("self", "", "application/json"),
            ("service-desc", "/../api/openapi.json", "application/json"),
            ("conformance", "/conformance", "application/json"),
            ("data", "/collections", "application/json"),
        ]
        title, about = desk.results.settings.title, "Places and times, never people."
        told = [
            {"rel": rel, "href": _joined(root, path), "type": kind, "title": rel.replace("-", " ")}
            for rel, path, kind in links
        ]
        return _json({"title": f"Incidents of {title}", "description": about, "links": told})

    @router.get("/conformance", summary="Which parts of the standard are kept")
    def get_conformance() -> Response:
        return _json({"conformsTo": list(CONFORMS_TO)})

    @router.get("/collections", summary="Incidents, neighbourhoods, cells")
    def get_collections(request: Request) -> Response:
        root, area = _root(request), desk.record().area
        links = [{"rel": "self", "href": f"{root}/collections", "type": "application/json"}]
        return _json({"links": links, "collections": [collection(area, name, root) for name in COLLECTIONS]})

    @router.get("/collections/{name}", summary="One collection")
    def get_collection(request: Request, name: str) -> Response:
        return _json(collection(desk.record().area, name, _root(request)))

    _items(router, desk)
    return router


def _items(router: APIRouter, desk: Desk) -> None:
    @router.get("/collections/{name}/items", summary="Features of a collection")
    def get_items(request: Request, question: Asking, page: Annotated[_PageQuery, Depends()], name: str) -> Response:
        collection(desk.record().area, name, "")
        asked, wanted = desk.read(request, question), Page(**vars(page))
        query = dict(request.query_params)
        if name == "incidents":
            return _features(*incident_items(asked, wanted, _root(request), query))
        return _features(*shape_items(asked, name, wanted, _root(request), query))

    @router.get("/collections/{name}/items/{feature}", summary="One feature")
    def get_item(
        request: Request, name: str, feature: str, crs: Annotated[str, Query(max_length=100)] = ""
    ) -> Response:
        collection(desk.record().area, name, "")
        asked = desk.read(request, Question())
        if name == "incidents":
            return _features(*incident_item(asked, feature, crs))
        number = int(feature) if feature.isdecimal() and len(feature) < 8 else -1
        body, used = shape_items(asked, name, Page(limit=1, offset=max(number, 0), crs=crs), _root(request), {})
        found = _first(body) if number >= 0 else None
        if found is None:
            raise UnknownNameError(f"No feature {feature[:60]!r} in {name}.")
        return _features(found, used)


def _first(body: bytes) -> bytes | None:
    import orjson

    features = orjson.loads(body)["features"]
    return orjson.dumps(features[0]) if features else None


def _features(body: bytes, crs: str) -> Response:
    headers = {"content-crs": f"<{crs or CRS84}>", "cache-control": CONTROL}
    return Response(body, media_type="application/geo+json", headers=headers)


def _json(value: Mapping[str, object]) -> Response:
    return JSONResponse(dict(value), headers={"cache-control": CONTROL})


def _root(request: Request) -> str:
    return f"{str(request.base_url).rstrip('/')}/ogc"


def _joined(root: str, path: str) -> str:
    return f"{root.removesuffix('/ogc')}{path.removeprefix('/..')}" if path.startswith("/..") else f"{root}{path}"
