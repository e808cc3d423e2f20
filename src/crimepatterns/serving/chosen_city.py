"""One browser may look at the city of an uploaded file: the same pages and addresses, answered from its results.

A cookie names the upload. It chooses what is shown and opens nothing: the gate has let the caller in before, and
uploads are for analysts and above.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable
from http.cookies import CookieError, SimpleCookie

from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Receive, Scope, Send

from crimepatterns.config import Settings
from crimepatterns.errors import CrimePatternsError
from crimepatterns.operations.uploads.shelf import Shelf
from crimepatterns.serving.security.callers import Caller
from crimepatterns.serving.security.roles import Role

__all__ = ["COOKIE", "ChosenCity"]

COOKIE = "crimepatterns_upload"

_OWN = (
    "/upload", "/api/uploads", "/api/jobs", "/status", "/static", "/health", "/ready", "/metrics", "/developers",
    "/api/openapi.json", "/favicon.ico",
)  # fmt: skip
"""Addresses that are the server's whatever city is looked at."""

_MOST = 2


class ChosenCity:
    """ASGI middleware, innermost.

    Parameters
    ----------
    app : ASGI application
        Answers for the server's own city.
    shelf : Shelf
    make : callable
        From the settings of another city to the application that answers for it.
    """

    def __init__(self, app: ASGIApp, *, shelf: Shelf, make: Callable[[Settings], ASGIApp]) -> None:
        self._app, self._shelf, self._make = app, shelf, make
        self._made: OrderedDict[str, tuple[int, str, ASGIApp]] = OrderedDict()
        self._guard = threading.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request to the city that its browser has chosen."""
        wanted = _chosen(scope) if scope["type"] == "http" else ""
        caller: Caller | None = scope.get("state", {}).get("caller")
        if not wanted or caller is None or caller.role < Role.ANALYST or _is_own(scope["path"]):
            await self._app(scope, receive, send)
            return
        found = await run_in_threadpool(self._find, wanted)
        if found is None:  # deleted since: the city itself
            await self._app(scope, receive, send)
            return
        title, app = found
        await app({**scope, "state": {**scope["state"], "chosen": title}}, receive, send)

    def _find(self, upload_id: str) -> tuple[str, ASGIApp] | None:
        try:
            version = self._shelf.upload(upload_id).config.stat().st_mtime_ns
            with self._guard:
                known = self._made.get(upload_id)
                if known is None or known[0] != version:
                    settings = self._shelf.city(upload_id)
                    known = (version, settings.title, self._make(settings))
                    self._made[upload_id] = known
                self._made.move_to_end(upload_id)
                while len(self._made) > _MOST:
                    self._made.popitem(last=False)
        except (CrimePatternsError, OSError):
            return None
        return known[1], known[2]


def _is_own(path: str) -> bool:
    return any(path == one or path.startswith(f"{one}/") for one in _OWN)


def _chosen(scope: Scope) -> str:
    given = b"; ".join(value for name, value in scope["headers"] if name == b"cookie").decode("latin-1")
    if COOKIE not in given:
        return ""
    try:
        morsel = SimpleCookie(given).get(COOKIE)
    except CookieError:
        return ""
    return "" if morsel is None else morsel.value
