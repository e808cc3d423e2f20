"""What a server counts about itself, and how Prometheus reads it: requests, latency, errors and resources."""

import time
from collections.abc import Callable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, PlatformCollector, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from crimepatterns.version import __version__

__all__ = ["CountRequests", "ServerMetrics"]

BUCKETS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""Upper ends of the latency classes, seconds."""

_ELSEWHERE: Final = "no route"
"""Label of requests that no route answered: raw paths would let anybody make series without end."""

_METHODS: Final = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class ServerMetrics:
    """The numbers of one server process, in a registry of its own.

    Labels hold route templates, never paths, addresses or keys: nothing personal can get into a series.

    Parameters
    ----------
    server : str
        ``web`` or ``model``; stands in the series ``crimepatterns_server_info``.
    """

    def __init__(self, server: str) -> None:
        self.registry = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        info = Gauge(
            "crimepatterns_server_info", "The server that answers.", ("server", "version"), registry=self.registry
        )
        info.labels(server, __version__).set(1)
        self._requests = Counter(
            "crimepatterns_http_requests",
            "Requests answered, by route and status.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "crimepatterns_http_request_seconds",
            "Time from request to the end of its answer.",
            ("route",),
            buckets=BUCKETS_S,
            registry=self.registry,
        )
        self._open = Gauge("crimepatterns_http_requests_open", "Requests being answered.", registry=self.registry)
        self._known: dict[tuple[str, str, int], tuple[Callable[[], None], Callable[[float], None]]] = {}

    def register(self, collector: Collector) -> None:
        """Add what is read anew at each scrape, such as the state of a city's results."""
        self.registry.register(collector)

    def began(self) -> None:
        """Count a request that begins."""
        self._open.inc()

    def ended(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request that was answered.

        Parameters
        ----------
        method, route : str
            The route's template, such as ``/api/forecast/{category}``.
        status : int
        seconds : float
        """
        self._open.dec()
        key = (method, route, status)
        found = self._known.get(key)
        if found is None:
            # Looking series up by their labels costs more than counting: it is done once.
            found = (self._requests.labels(method, route, str(status)).inc, self._seconds.labels(route).observe)
            self._known[key] = found
        found[0]()
        found[1](seconds)

    def response(self) -> Response:
        """Return everything in the text format of Prometheus; never kept by caches."""
        return Response(
            generate_latest(self.registry), media_type=CONTENT_TYPE_LATEST, headers={"cache-control": "no-store"}
        )


class CountRequests:
    """ASGI middleware that counts and times every request by its route.

    It must see the scope that the router writes its route into: put it inside middleware that copies scopes
    (`HeadAsGet`) and outside the rest.

    Parameters
    ----------
    app : ASGI application
    metrics : ServerMetrics
    """

    def __init__(self, app: ASGIApp, metrics: ServerMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; an error that no handler answers counts as 500."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500

        async def watching(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        self._metrics.began()
        start = time.perf_counter()
        try:
            await self._app(scope, receive, watching)
        finally:
            method = scope["method"] if scope["method"] in _METHODS else "other"
            route = getattr(scope.get("route"), "path", _ELSEWHERE)
            self._metrics.ended(method, route, status, time.perf_counter() - start)
