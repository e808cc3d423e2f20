"""One table from what went wrong to what the browser is told."""

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from crimepatterns.errors import (
    ArtefactError,
    BusyError,
    ConfigError,
    CrimePatternsError,
    MissingInputError,
)

__all__ = [
    "FAILURES",
    "STATUS",
    "Failure",
    "UnknownNameError",
    "UnreadableRequestError",
    "install_failure_handlers",
    "status_of",
]


class UnknownNameError(CrimePatternsError):
    """A request names a category, layer, grid or file that does not exist here."""


class UnreadableRequestError(CrimePatternsError):
    """A request asks in a way that cannot be understood."""


STATUS: tuple[tuple[type[CrimePatternsError], int], ...] = (
    (UnknownNameError, 404),
    (UnreadableRequestError, 422),
    (MissingInputError, 404),
    (BusyError, 409),
    (ArtefactError, 503),
    (ConfigError, 500),
    (CrimePatternsError, 500),
)
"""From exception class to HTTP status; the first class that fits decides."""


class Failure(BaseModel):
    """What every refused or failed request is answered with."""

    error: str
    detail: str


FAILURES: dict[int | str, dict[str, Any]] = {
    status: {"model": Failure, "description": told}
    for status, told in (
        (401, "A key is needed, or this one is not known"),
        (403, "The role does not reach so far"),
        (404, "No such name here, or its stage has not run"),
        (409, "Something else is at work"),
        (413, "The body is larger than may be"),
        (422, "A parameter cannot be read"),
        (429, "Too many requests"),
        (503, "A stored file is damaged"),
    )
}
"""The same, for the description of an API."""

_NOWHERE = "No such address here: the page is at /, the addresses of the API are listed in /api/openapi.json."


def status_of(error: CrimePatternsError) -> int:
    """Return the HTTP status for an error; see `STATUS`."""
    return next(status for kind, status in STATUS if isinstance(error, kind))


def install_failure_handlers(app: FastAPI, *, root: str) -> None:
    """Answer every error as JSON with one sentence that helps, and without paths of this machine.

    Parameters
    ----------
    app : FastAPI
    root : str
        Project folder, removed from messages.
    """

    def ours(_: Request, error: Exception) -> Response:
        known = error if isinstance(error, CrimePatternsError) else CrimePatternsError(str(error))
        kind = type(known).__name__.removesuffix("Error")
        return JSONResponse({"error": kind, "detail": _message(known, root)}, status_of(known))

    def http(_: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        detail = error.detail if isinstance(error, HTTPException) else "unexpected"
        if status == 400:  # the framework's own, for a body that is not even text
            return JSONResponse({"error": "Request", "detail": "The body cannot be read."}, 422)
        if status == 404 and detail == "Not Found":
            detail = _NOWHERE
        headers = error.headers if isinstance(error, HTTPException) else None
        return JSONResponse({"error": "Http", "detail": detail}, status, headers=dict(headers or {}))

    def request(_: Request, error: Exception) -> Response:
        problems = error.errors() if isinstance(error, RequestValidationError) else []
        told = "; ".join(f"{problem['loc'][-1]}: {problem['msg']}" for problem in problems)
        return JSONResponse({"error": "Request", "detail": f"The request cannot be read: {told}."}, 422)

    app.add_exception_handler(CrimePatternsError, ours)
    app.add_exception_handler(RequestValidationError, request)
    app.add_exception_handler(HTTPException, http)


def _message(error: CrimePatternsError, root: str) -> str:
    text = " ".join(str(error).split())
    return text.replace(root.rstrip("/") + "/", "") if root not in {"", "."} else text
