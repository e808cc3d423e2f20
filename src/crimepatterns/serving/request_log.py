"""One line of JSON per request, and a number by which it can be found again; nothing personal in either."""

import logging
import re
import sys
import time
import uuid
from datetime import UTC, datetime

import orjson
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["JsonLines", "RequestLog", "log_as_json"]

_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_REQUESTS = logging.getLogger("crimepatterns.requests")


class JsonLines(logging.Formatter):
    """A log record as one line of JSON: moment, level, logger, message, its facts, and the traceback of an error."""

    def format(self, record: logging.LogRecord) -> str:
        """Write the record."""
        facts = getattr(record, "facts", {})
        trace = {"traceback": self.formatException(record.exc_info)} if record.exc_info else {}
        told = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "from": record.name,
            "event": record.getMessage(),
            **facts,
            **trace,
        }
        return orjson.dumps(told, default=str).decode()


def log_as_json(*, requests: bool) -> None:
    """Write everything that is logged, also by uvicorn, to standard error as lines of JSON.

    Parameters
    ----------
    requests : bool
        Whether each request has its line.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        own = logging.getLogger(name)
        own.handlers.clear()
        own.propagate = True
    logging.getLogger("uvicorn.access").disabled = True
    logging.getLogger("crimepatterns").setLevel(logging.INFO)
    _REQUESTS.setLevel(logging.INFO if requests else logging.WARNING)


class RequestLog:
    """ASGI middleware: gives each request an id, sends it back as ``x-request-id``, and logs how it went.

    An id that the client or a proxy brings is kept where it is short and plain. The line has the route, not the address
    with its query, and the caller's key id at most.

    Parameters
    ----------
    app : ASGI application
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and log it once its answer is sent."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        brought = dict(scope["headers"]).get(b"x-request-id", b"")
        request_id = brought.decode() if _ID.fullmatch(brought) else uuid.uuid4().hex
        state = scope.setdefault("state", {})
        state["request_id"] = request_id
        status, sent, began = 500, 0, time.perf_counter()

        async def counted(message: Message) -> None:
            nonlocal status, sent
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["x-request-id"] = request_id
            else:
                sent += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive, counted)
        finally:
            if _REQUESTS.isEnabledFor(logging.INFO):
                caller = state.get("caller")
                facts = {
                    "request": request_id,
                    "method": scope["method"][:10],
                    "route": state.get("route") or "unknown address",
                    "status": status,
                    "ms": round((time.perf_counter() - began) * 1e3, 2),
                    "bytes": sent,
                    "caller": caller.name if caller is not None else "unknown",
                    "role": caller.role.label if caller is not None else None,
                }
                _REQUESTS.info("request", extra={"facts": facts})
