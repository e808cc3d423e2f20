"""What every server is wrapped in: each route has a role, every request is guarded, counted, logged and headed."""

from collections.abc import Mapping, Sequence

from fastapi import APIRouter, FastAPI

from crimepatterns.config import Settings
from crimepatterns.serving.failures import install_failure_handlers
from crimepatterns.serving.head import HeadAsGet
from crimepatterns.serving.headers import SecurityHeaders
from crimepatterns.serving.metrics import CountRequests, ServerMetrics
from crimepatterns.serving.request_log import RequestLog
from crimepatterns.serving.security.bodies import BodyLimit
from crimepatterns.serving.security.opening import guard
from crimepatterns.serving.security.roles import AccessTable

__all__ = ["assemble"]


def assemble(
    app: FastAPI,
    routers: Sequence[APIRouter],
    settings: Settings,
    *,
    access: AccessTable,
    metrics: ServerMetrics,
    bodies: Mapping[str, BodyLimit] | None = None,
) -> None:
    """Put routes and middleware onto an application, in the one order that guards all of it.

    Parameters
    ----------
    app : FastAPI
        Changed in place.
    routers : sequence of APIRouter
    settings : Settings
    access : AccessTable
        The role of each route; one without a role ends the start.
    metrics : ServerMetrics
        Where requests are counted.
    bodies : mapping of str to BodyLimit, optional
        Routes that take other bodies; see `Gate`.
    """
    for router in routers:
        access.check(router.routes)
        app.include_router(router)
    install_failure_handlers(app, root=str(settings.root.resolve()))
    guard(app, settings, access, bodies)
    app.add_middleware(CountRequests, metrics=metrics)
    app.add_middleware(HeadAsGet)
    app.add_middleware(RequestLog)
    app.add_middleware(SecurityHeaders)
