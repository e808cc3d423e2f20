"""The routes of free questions: facts, counts, rows, cells, tiles, search."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from crimepatterns.serving.explore.cells import cells_geojson
from crimepatterns.serving.explore.counting import Step, count
from crimepatterns.serving.explore.desk import Desk, Question
from crimepatterns.serving.explore.rows import count_rows, incident_rows
from crimepatterns.serving.explore.search import find_places
from crimepatterns.serving.explore.streets import city_streets, count_streets, streets_geojson
from crimepatterns.serving.explore.tiles import tile_payload
from crimepatterns.serving.payloads import json_payload, respond

__all__ = ["CONTROL", "explore_routes"]

CONTROL = "private, no-cache"
"""Answers differ by caller: nothing between may keep them."""

Asking = Annotated[Question, Depends()]


def explore_routes(desk: Desk) -> APIRouter:
    """Make the routes below ``/api/explore``."""
    router = APIRouter(prefix="/api/explore", tags=["explore"])
    _about(router, desk)
    _counts(router, desk)
    _streets(router, desk)

    @router.get("/tiles/{z}/{x}/{y}", summary="Vector tile of incidents", response_class=Response)
    def get_tile(request: Request, question: Asking, z: int, x: int, y: int) -> Response:
        asked = desk.read(request, question)
        made = desk.answer(asked, ("tile", z, x, y), lambda: tile_payload(asked, z=z, x=x, y=y))
        return respond(request, made, cache_control=CONTROL)

    return router


def _about(router: APIRouter, desk: Desk) -> None:
    @router.get("/facts", summary="What can be asked: offences, areas, first and last day")
    def get_facts(request: Request) -> Response:
        view = desk.view(request)
        made = desk.fixed(view, "facts", lambda: json_payload(dict(desk.facts(view))))
        return respond(request, made, cache_control=CONTROL)

    @router.get("/cells", summary="Cells in which incidents are counted")
    def get_cells(request: Request) -> Response:
        view = desk.view(request)
        return respond(
            request, desk.fixed(view, "cells", lambda: json_payload(cells_geojson(view))), cache_control=CONTROL
        )

    @router.get("/search", summary="Places and streets by name")
    def get_places(request: Request, q: Annotated[str, Query(min_length=2, max_length=80)]) -> Response:
        return respond(
            request, json_payload({"places": find_places(desk, desk.view(request), q)}), cache_control=CONTROL
        )


def _counts(router: APIRouter, desk: Desk) -> None:
    @router.get("/counts", summary="Counts over time, by hour, offence, area and cell")
    def get_counts(request: Request, question: Asking, step: Step | None = None) -> Response:
        asked = desk.read(request, question)
        made = desk.answer(
            asked,
            ("counts", step),
            lambda: json_payload(count(asked.record, asked.view, asked.filters, step=step)),
        )
        return respond(request, made, cache_control=CONTROL)

    @router.get("/incidents", summary="Incidents as rows, the last first")
    def get_incidents(
        request: Request,
        question: Asking,
        page: Annotated[int, Query(ge=1, le=100_000)] = 1,
        size: Annotated[int, Query(ge=1, le=500)] = 50,
    ) -> Response:
        asked = desk.read(request, question)
        told = (asked.record, asked.view, asked.condition)
        rows = incident_rows(*told, limit=size, offset=(page - 1) * size).drop(columns=["line", "x", "y"])
        total = desk.answer(asked, "rows", lambda: json_payload({"rows": count_rows(*told)}))
        return respond(
            request,
            json_payload(
                {
                    "columns": list(rows.columns),
                    "rows": rows.to_numpy(dtype=object).tolist(),
                    "page": page,
                    "size": size,
                    "total": int(_rows_of(total.body)),
                    "exact": asked.view.exact,
                }
            ),
            cache_control=CONTROL,
        )


def _streets(router: APIRouter, desk: Desk) -> None:
    @router.get("/streets", summary="Stretches of street on which incidents are counted")
    def get_streets(request: Request) -> Response:
        made = desk.kept("streets-shapes", lambda: json_payload(streets_geojson(city_streets(desk))))
        return respond(request, made, cache_control=CONTROL)

    @router.get("/streets/counts", summary="Counts by stretch of street")
    def get_street_counts(request: Request, question: Asking) -> Response:
        asked = desk.read(request, question)
        made = desk.answer(asked, "streets", lambda: json_payload(count_streets(city_streets(desk), asked)))
        return respond(request, made, cache_control=CONTROL)


def _rows_of(body: bytes) -> int:
    import orjson

    return int(orjson.loads(body)["rows"])
