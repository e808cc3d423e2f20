"""The API: stored results as JSON and GeoJSON, read-only."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from crimepatterns.serving.briefing import status
from crimepatterns.serving.charts import rhythm_payload, trend_payload
from crimepatterns.serving.explaining import explanations
from crimepatterns.serving.geometry import areas_geojson
from crimepatterns.serving.map_layers import forecast_payload, grid_payload, layer_payload, plan_payload
from crimepatterns.serving.monitoring import monitoring_report
from crimepatterns.serving.payloads import json_payload, respond
from crimepatterns.serving.results import Results
from crimepatterns.serving.scores import scoreboard_payload

__all__ = ["api_routes"]

CategorySlug = Annotated[str | None, Query(max_length=80, description="Slug from /api/categories.")]


def api_routes(results: Results) -> APIRouter:
    """Make the routes below ``/api``."""
    router = APIRouter(prefix="/api", tags=["results"])
    _about(router, results)
    _map(router, results)
    _numbers(router, results)
    return router


def _about(router: APIRouter, results: Results) -> None:
    @router.get("/status", summary="Stages, categories and period of the city")
    def get_status(request: Request) -> Response:
        return respond(request, json_payload(status(results)))

    @router.get("/cities", summary="The cities served here")
    def get_cities(request: Request) -> Response:
        facts = status(results)
        return respond(request, json_payload([{key: facts[key] for key in ("city", "title", "first", "last")}]))

    @router.get("/categories", summary="Categories with stored results")
    def get_categories(request: Request) -> Response:
        return respond(request, json_payload(status(results)["categories"]))

    @router.get("/cleaning", summary="The cleaning report")
    def get_cleaning(request: Request) -> Response:
        return respond(request, json_payload(dict(results.cleaning_report())))


def _map(router: APIRouter, results: Results) -> None:
    @router.get("/areas", summary="Boundary and neighbourhoods")
    def get_areas(request: Request) -> Response:
        sources = [results.layout.study_area]
        made = results.cache.get("areas", sources, lambda: json_payload(areas_geojson(results.area())))
        return respond(request, made)

    @router.get("/grids/{digest}", summary="Cells of a grid that a layer names")
    def get_grid(request: Request, digest: str) -> Response:
        return respond(request, grid_payload(results, digest), cache_control="private, max-age=86400")

    @router.get("/layers/{category}/{layer}", summary="Hot spots or clusters of a category")
    def get_layer(request: Request, category: str, layer: str) -> Response:
        return respond(request, layer_payload(results, results.category(category), layer))

    @router.get("/forecast/{category}", summary="Expected incidents per cell")
    def get_forecast(request: Request, category: str) -> Response:
        return respond(request, forecast_payload(results, results.category(category)))

    @router.get("/explain/{category}", summary="Why a cell expects what it expects")
    def get_explanation(
        request: Request,
        category: str,
        cell: Annotated[
            str | None, Query(max_length=80, description="Id of a cell; without it the foremost three.")
        ] = None,
    ) -> Response:
        return respond(request, json_payload(explanations(results, results.category(category), cell)))

    @router.get("/plan", summary="Places of the patrol plan")
    def get_plan(request: Request) -> Response:
        return respond(request, plan_payload(results))


def _numbers(router: APIRouter, results: Results) -> None:
    @router.get("/scoreboard", summary="Models beside baselines")
    def get_scoreboard(request: Request, category: CategorySlug = None) -> Response:
        return respond(request, scoreboard_payload(results, results.category(category)))

    @router.get("/monitoring", summary="Drift, matured forecasts, and who is retired")
    def get_monitoring(request: Request) -> Response:
        return respond(request, json_payload(dict(monitoring_report(results))))

    @router.get("/charts/trend", summary="Incidents per week, or per month where days are not known")
    def get_trend(request: Request, category: CategorySlug = None) -> Response:
        return respond(request, trend_payload(results, results.category(category)))

    @router.get("/charts/rhythm", summary="Incidents by weekday and hour")
    def get_rhythm(request: Request, category: CategorySlug = None) -> Response:
        return respond(request, rhythm_payload(results, results.category(category)))
