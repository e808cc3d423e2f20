"""What machines ask a server: is it alive, can it answer, and what has it counted."""

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from crimepatterns.serving.metrics import ServerMetrics
from crimepatterns.serving.results import Results
from crimepatterns.version import __version__

__all__ = ["health_routes"]


def health_routes(results: Results, metrics: ServerMetrics) -> APIRouter:
    """Make ``/health``, ``/ready`` and ``/metrics``."""
    router = APIRouter(include_in_schema=False)

    @router.get("/health")
    def get_health() -> Response:
        return JSONResponse({"status": "ok", "version": __version__, "city": results.settings.city})

    @router.get("/ready")
    def get_readiness() -> Response:
        forecast = [one.slug for one in results.categories if one.forecast]
        if not forecast:
            told = {"status": "not ready", "detail": "No forecast is stored yet: run `crimepatterns run`."}
            return JSONResponse(told, 503, headers={"retry-after": "60"})
        return JSONResponse({"status": "ready", "categories": forecast})

    @router.get("/metrics")
    def get_metrics() -> Response:
        return metrics.response()

    return router
