"""The addresses of the model server; everything that takes time runs in a thread."""

import asyncio
from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.exceptions import HTTPException
from fastapi.responses import Response

from crimepatterns.serving.model_server.answers import forecast_answer, wanted_format
from crimepatterns.serving.model_server.current import Current
from crimepatterns.serving.model_server.described import info_payload, learner_payload, learners_payload
from crimepatterns.serving.model_server.explained import explanation_payload
from crimepatterns.serving.model_server.horizons import check_horizon
from crimepatterns.serving.model_server.learners import Learners
from crimepatterns.serving.model_server.queries import FORECAST_DESCRIPTION, read_forecast_query
from crimepatterns.serving.model_server.scoring import read_request, score_rows
from crimepatterns.serving.model_server.selections import Selection
from crimepatterns.serving.model_server.snapshot import Snapshot
from crimepatterns.serving.payloads import Payload, respond

__all__ = ["model_routes"]

_CACHE = "private, no-cache"
_LOADING = "Models are being loaded: ask again in a moment. Forecasts are served already."


def model_routes(current: Current) -> APIRouter:
    """Make the routes below ``/v1``."""
    router = APIRouter(prefix="/v1")
    _forecasts(router, current)
    _learners(router, current)
    _city(router, current)
    return router


def _forecasts(router: APIRouter, current: Current) -> None:
    @router.get(
        "/forecast/{category}",
        summary="Expected incidents per cell, for the city or part of it",
        openapi_extra=FORECAST_DESCRIPTION,
    )
    async def get_forecast(request: Request) -> Response:
        snapshot, form = _snapshot(current), wanted_format(request.headers.get("accept", ""))
        category = request.path_params["category"]
        key = ("forecast", category, request.url.query, form)

        def make() -> Payload:
            asked = read_forecast_query(request.query_params)
            table = snapshot.table(category, asked.model)
            check_horizon(table, asked.horizon_days)
            return forecast_answer(snapshot, table, asked.selection, form)

        return await _kept(request, snapshot, key, make)

    @router.get("/explanation/{category}", summary="Why a cell expects what it expects")
    async def get_explanation(request: Request, category: str, cell: Annotated[str, Query(max_length=200)]) -> Response:
        snapshot = _snapshot(current)
        key = ("explanation", category, cell)
        return await _kept(request, snapshot, key, lambda: explanation_payload(snapshot, category, cell))


def _learners(router: APIRouter, current: Current) -> None:
    @router.get("/models", summary="Stored learners, which version is used, and which were refused")
    async def get_models(request: Request) -> Response:
        return respond(request, learners_payload(current.learners), cache_control=_CACHE)

    @router.get("/models/{name}", summary="Features, metrics and origin of a stored learner")
    async def get_model(request: Request, name: str) -> Response:
        return respond(request, learner_payload(_ready(current).named(name)), cache_control=_CACHE)

    @router.post("/score/{category}", summary="Score rows of features, or cells, all together")
    async def post_score(request: Request, category: str) -> Response:
        asked = read_request(await request.body())
        if asked.columns is None:
            snapshot = _snapshot(current)
            table, chosen = snapshot.table(category, asked.model), Selection(cells=asked.cells)
            return respond(request, await asyncio.to_thread(forecast_answer, snapshot, table, chosen, "json"))
        learner = _ready(current).of_category(category, asked.learner)
        return respond(request, await asyncio.to_thread(score_rows, learner, asked.columns))


def _city(router: APIRouter, current: Current) -> None:
    @router.get("/info", summary="What is served: the run, its categories and models")
    async def get_info(request: Request) -> Response:
        return respond(request, info_payload(current), cache_control=_CACHE)

    @router.get("/scorecard/{category}", summary="Models beside baselines on past weeks")
    def get_scorecard(request: Request, category: str) -> Response:
        # Scorecards need pandas; they are rare enough for a thread of their own.
        from crimepatterns.serving.results import Results
        from crimepatterns.serving.scores import scoreboard_payload

        results = Results(current.settings)
        return respond(request, scoreboard_payload(results, results.category(category)), cache_control=_CACHE)


async def _kept(request: Request, snapshot: Snapshot, key: tuple[object, ...], make: Callable[[], Payload]) -> Response:
    """Answer from the finished bytes of the snapshot, or finish them first."""
    payload = snapshot.answers.find(key)
    if payload is None:
        payload = await asyncio.to_thread(snapshot.answers.make, key, make)
    answer = respond(request, payload, cache_control=_CACHE)
    answer.headers["vary"] = "Accept, Accept-Encoding"
    return answer


def _snapshot(current: Current) -> Snapshot:
    if current.snapshot is not None:
        return current.snapshot
    problem = current.problem
    if problem is not None and problem.missing:
        raise HTTPException(404, problem.reason)
    reason = "Forecasts are being read." if problem is None else problem.reason
    raise HTTPException(503, reason, headers={"retry-after": "2"})


def _ready(current: Current) -> Learners:
    if current.learners.state != "ready":
        raise HTTPException(503, _LOADING, headers={"retry-after": "2"})
    return current.learners
