"""The model server, put together: settings in, application out."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from anyio.to_thread import current_default_thread_limiter
from fastapi import APIRouter, FastAPI
from fastapi.responses import JSONResponse, Response

from crimepatterns.config import Settings
from crimepatterns.serving.assembling import assemble
from crimepatterns.serving.failures import FAILURES
from crimepatterns.serving.metrics import ServerMetrics
from crimepatterns.serving.model_server.current import Current
from crimepatterns.serving.model_server.metrics import ServedCollector
from crimepatterns.serving.model_server.routes import model_routes
from crimepatterns.serving.security.roles import AccessTable, Role
from crimepatterns.version import __version__

__all__ = ["MODEL_ACCESS", "create_model_app"]

MODEL_ACCESS = AccessTable(
    {
        "/health": Role.PUBLIC,
        "/ready": Role.PUBLIC,
        "/metrics": Role.ANALYST,
        "/v1/openapi.json": Role.PUBLIC,
        "/v1/scorecard/{category}": Role.PUBLIC,
        "/v1/info": Role.ANALYST,
        "/v1/forecast/{category}": Role.ANALYST,
        "/v1/explanation/{category}": Role.ANALYST,
        "/v1/models": Role.ANALYST,
        "/v1/models/{name}": Role.ANALYST,
        "/v1/score/{category}": Role.ANALYST,
    }
)
"""The model server's routes and the role each needs."""

_THREADS = 8
"""Requests answered at a time: more only wait for each other, and each thread keeps memory for good (Starlette: 40)."""


def create_model_app(settings: Settings) -> FastAPI:
    """Make the application that serves one city's forecasts and learners to other programs.

    Forecasts are read before the first request is answered; learners, and scikit-learn with them, come in later from a
    thread. Nothing is written but the log of access.

    Parameters
    ----------
    settings : Settings

    Returns
    -------
    FastAPI
    """
    current = Current(settings)

    @asynccontextmanager
    async def watched(_: FastAPI) -> AsyncIterator[None]:
        current_default_thread_limiter().total_tokens = _THREADS
        await asyncio.to_thread(current.refresh_forecasts)
        watching = asyncio.create_task(current.watch())
        yield
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching

    app = FastAPI(
        title=f"Forecasts of {settings.title}",
        summary="Expected incidents by place and time, why, and how well; never about persons.",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        responses=FAILURES,
        openapi_url="/v1/openapi.json",
        lifespan=watched,
    )
    app.state.current = current
    metrics = ServerMetrics("model")
    metrics.register(ServedCollector(current))
    routers = (_health(current, metrics), model_routes(current))
    assemble(app, routers, settings, access=MODEL_ACCESS, metrics=metrics)
    return app


def _health(current: Current, metrics: ServerMetrics) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/health")
    async def get_health() -> Response:
        return JSONResponse({"status": "ok", "version": __version__, "city": current.settings.city})

    @router.get("/metrics")
    async def get_metrics() -> Response:
        return metrics.response()

    @router.get("/ready")
    async def get_readiness() -> Response:
        snapshot, problem = current.snapshot, current.problem
        told = {"run": None if snapshot is None else snapshot.run, "models": current.learners.state}
        if snapshot is not None:
            return JSONResponse({"status": "ready", **told})
        detail = "Forecasts are being read." if problem is None else problem.reason
        return JSONResponse({"status": "waiting", **told, "detail": detail}, 503)

    return router
